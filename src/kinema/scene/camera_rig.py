"""What a camera program does: a rig (position, yaw, pitch, roll, zoom) driven step by step.

Signs are CameraBench's in OpenCV axes: truck right +x, pedestal up -y, dolly in +z, pan right Ry(+), tilt up
Rx(+), roll cw Rz(+), zoom in fx, fy x k. Pan turns about the world's vertical and trucks stay level, so a
tilted camera keeps its horizon; for a level camera this is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kinema.scene.camera_framing import SubjectTrack
from kinema.scene.camera_program import CameraProgram, Move, Step
from kinema.scene.camera_vocabulary import VERBS

Tracking = Literal["none", "pan", "follow"]

SWING_SECONDS = 2.5  # in which a follow shot turns to the person and takes its place (ours)
NEAREST_FOLLOW = 0.6  # of the distance at the start of the program (ours)
AERIAL_ELEVATION = np.radians(50.0)  # of "follow aerial" above the horizon (ours)
# Azimuth of the follow shots, about +Y from where the person faces; the person's left is +X in rest.
FOLLOW_AZIMUTH = {
    ("follow lead", None): 0.0,
    ("follow tail", None): np.pi,
    ("follow side", "left"): np.pi / 2,
    ("follow side", "right"): -np.pi / 2,
}
SIGN = {"in": 1, "out": -1, "right": 1, "left": -1, "up": 1, "down": -1, "cw": 1, "ccw": -1}
UP = np.array([0.0, 1.0, 0.0])
# A camera without yaw, pitch and roll looks along -Z, its right is +X.
_LEVEL = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Rig:
    """The state of the camera: at one moment ([3] and []) or over time ([N, 3] and [N]).

    Args:
        position: metres.
        yaw: radians to the right of -Z. pitch: upwards. roll: clockwise. zoom: factor on the focal lengths.
    """

    position: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    zoom: np.ndarray

    @classmethod
    def from_pose(cls, c2w: np.ndarray) -> Rig:
        """The rig that stands at a camera-to-world pose [4, 4]."""
        rotation = np.asarray(c2w, dtype=np.float64)[:3, :3]
        forward = rotation[:, 2]
        level = np.hypot(forward[0], forward[2])
        pitch = float(np.arctan2(forward[1], level))
        # Straight up or down, the heading is that of the top (or bottom) of the picture.
        heading = forward if level > 1e-6 else rotation[:, 1] * np.sign(forward[1])
        yaw = float(np.arctan2(heading[0], -heading[2]))
        rest = _rotations(np.array(yaw), np.array(pitch), np.array(0.0)).T @ rotation
        roll = np.arctan2(rest[1, 0], rest[0, 0])
        return cls(np.array(c2w[:3, 3]), np.array(yaw), np.array(pitch), np.array(roll), np.array(1.0))

    def poses(self) -> np.ndarray:
        """Camera-to-world, [N, 4, 4]."""
        c2w = np.tile(np.eye(4), (len(self.position), 1, 1))
        c2w[:, :3, :3] = _rotations(np.asarray(self.yaw), np.asarray(self.pitch), np.asarray(self.roll))
        c2w[:, :3, 3] = self.position
        return c2w

    def forward(self) -> np.ndarray:
        """Direction of the lens, [3] or [N, 3]."""
        flat = np.cos(self.pitch)
        return np.stack([np.sin(self.yaw) * flat, np.sin(self.pitch), -np.cos(self.yaw) * flat], axis=-1)

    def at(self, index: int) -> Rig:
        """One moment of a rig over time."""
        return Rig(*(np.asarray(getattr(self, name)[index]) for name in _FIELDS))


def drive(
    program: CameraProgram, start: Rig, track: SubjectTrack, times: np.ndarray, *, tracking: Tracking
) -> Rig:
    """The rig at `times` (ascending seconds from 0, [N]), standing at `start` when the program begins.

    Raises:
        ValueError: the durations do not fit, or a dolly-zoom runs into the subject.
    """
    duration = float(times[-1])
    slack = duration / (len(times) - 1) if len(times) > 1 else 0.0
    edges = program.schedule(duration, slack=slack)
    distance = max(float(np.linalg.norm(start.position - track.pivot(np.zeros(1))[0])), 0.05)
    parts: list[Rig] = []
    state = start
    for step, begin, end in zip(program.steps, edges[:-1], edges[1:], strict=True):
        now = times[(times >= begin) & (times < end)]
        steps_rig = _Stepper(step, state, track, float(begin), float(end), distance, tracking)(
            np.append(now, end)
        )
        parts.append(_slice(steps_rig, slice(0, -1)))
        state = steps_rig.at(-1)
    rest = int((times >= edges[-1]).sum())
    parts.append(
        Rig(
            np.tile(state.position, (rest, 1)), *(np.full(rest, getattr(state, name)) for name in _FIELDS[1:])
        )
    )
    return Rig(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


def follow_start(program: CameraProgram, start: Rig, track: SubjectTrack) -> Rig:
    """Where a default camera stands if the first step is a follow shot: already in its place, on target."""
    follow = _follow(program.steps[0])
    if follow is None:
        return start
    zero = np.zeros(1)
    pivot = track.pivot(zero)[0]
    offset = _follow_offset(follow, start.position - pivot, track.heading_at(zero)[0], 0.0)
    position = pivot + _cylindrical(*offset)
    yaw, pitch = _bearing(track.pivot(zero, live=True)[0] - position)
    return replace(start, position=position, yaw=yaw, pitch=pitch)


class _Stepper:
    """One step: the moves together, from the state the last step left."""

    def __init__(
        self,
        step: Step,
        state: Rig,
        track: SubjectTrack,
        begin: float,
        end: float,
        distance: float,
        tracking: Tracking,
    ) -> None:
        self.step, self.state, self.track = step, state, track
        self.begin, self.length, self.distance = begin, end - begin, distance
        self.follow = _follow(step)
        verbs = {move.verb for move in step.moves}
        self.carried = step.carried or tracking == "follow"
        moves_along = self.follow is not None and self.follow.verb not in ("follow pan", "follow tilt")
        on_target = bool(verbs & {"arc", "crane"}) or moves_along or tracking == "pan"
        self.aims_yaw = on_target or "follow pan" in verbs
        self.aims_pitch = on_target or "follow tilt" in verbs

    def __call__(self, times: np.ndarray) -> Rig:
        """The rig at `times` within the step, [N]."""
        elapsed = times - self.begin
        start = np.array([self.begin])
        pivot, pivot_start = self.track.pivot(times), self.track.pivot(start)[0]
        centre = pivot if self.carried else np.broadcast_to(pivot_start, pivot.shape)

        offset, turned = self._offset(times, pivot_start)
        offset = offset + _turn(self._translation(elapsed), turned)
        arc = self._total(elapsed, "arc", "follow arc", scale=np.pi / 180)
        position = centre + _turn(offset, arc)

        yaw = np.full(len(times), float(self.state.yaw))
        pitch = np.full(len(times), float(self.state.pitch))
        if self.aims_yaw or self.aims_pitch:
            live = self.follow is not None
            aimed = _bearing(self.track.pivot(times, live=live) - position)
            aimed_start = _bearing(self.track.pivot(start, live=live)[0] - self.state.position)
            # A follow shot turns to the person; the other moves keep them where they are in the picture.
            keep = 1.0 - self._swing(elapsed) if live else 1.0
            if self.aims_yaw:
                yaw = aimed[0] + keep * _wrap(self.state.yaw - aimed_start[0])
            if self.aims_pitch:
                pitch = aimed[1] + keep * (self.state.pitch - aimed_start[1])
        yaw = yaw + self._total(elapsed, "pan", scale=np.pi / 180)
        pitch = pitch + self._total(elapsed, "tilt", scale=np.pi / 180)
        roll = self.state.roll + self._total(elapsed, "roll", scale=np.pi / 180)
        rig = Rig(position, yaw, pitch, roll, np.full(len(times), float(self.state.zoom)))
        zoom = np.exp(self._total(elapsed, "zoom", reading=np.log)) * self._dolly_zoom(
            rig, pivot, pivot_start
        )
        return replace(rig, zoom=rig.zoom * zoom)

    def _translation(self, elapsed: np.ndarray) -> np.ndarray:
        """Dolly, truck, pedestal and crane as on rails laid at the start of the step, metres [N, 3]."""
        right = np.array([np.cos(self.state.yaw), 0.0, np.sin(self.state.yaw)])
        along = {
            "dolly": self.state.forward(),
            "dolly-zoom": self.state.forward(),
            "truck": right,
            "pedestal": UP,
            "crane": UP,
        }
        return sum(
            (self._total(elapsed, verb)[:, None] * axis for verb, axis in along.items()),
            start=np.zeros((len(elapsed), 3)),
        )

    def _offset(self, times: np.ndarray, pivot_start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offset from the subject before the step's own moves [N, 3], and how far it has been turned [N]."""
        offset = self.state.position - pivot_start
        if self.follow is None:
            return np.tile(offset, (len(times), 1)), np.zeros(len(times))
        away = 1.0 - self._swing(times - self.begin)
        azimuth, radius, height = _to_cylindrical(offset)
        nearest = NEAREST_FOLLOW * self.distance
        wanted = _follow_offset(self.follow, offset, self.track.heading_at(times), nearest)
        wanted_start = _follow_offset(
            self.follow, offset, self.track.heading_at(np.array([self.begin])), nearest
        )
        azimuths = wanted[0] + away * _wrap(azimuth - wanted_start[0])
        placed = _cylindrical(
            azimuths, wanted[1] + away * (radius - wanted[1]), wanted[2] + away * (height - wanted[2])
        )
        return placed, np.broadcast_to(azimuths - azimuth, times.shape)

    def _dolly_zoom(self, rig: Rig, pivot: np.ndarray, pivot_start: np.ndarray) -> np.ndarray:
        """The factor that keeps focal length over the subject's depth."""
        if not any(move.verb == "dolly-zoom" for move in self.step.moves):
            return np.ones(len(pivot))
        before = float(self.state.forward() @ (pivot_start - self.state.position))
        depth = ((pivot - rig.position) * rig.forward()).sum(axis=1)
        if before <= 0 or depth.min() < 0.05 * before:
            raise ValueError(
                "dolly-zoom needs the subject in front of the camera all the time; it is "
                f"{max(before, 0.0):.2f} m away at the start and {max(depth.min(), 0.0):.2f} m at the "
                "nearest: give a smaller amount"
            )
        return depth / before

    def _total(
        self,
        elapsed: np.ndarray,
        *verbs: str,
        scale: float = 1.0,
        reading: Callable[[float], float] = float,
    ) -> np.ndarray:
        """Sum over this step's moves of sign x amount x progress, [N]; `reading` is taken of each amount."""
        total = np.zeros(len(elapsed))
        for move in self.step.moves:
            if move.verb in verbs:
                total += (
                    SIGN[str(move.direction)] * reading(self._amount(move)) * self._progress(move, elapsed)
                )
        return total * scale

    def _amount(self, move: Move) -> float:
        if move.amount is not None:
            return move.amount
        verb = VERBS[move.verb]
        pace = {"slow": 0.5, "fast": 2.0, None: 1.0}[move.speed]
        if verb.unit == "x":
            return verb.default**pace
        return verb.default * pace * (self.distance if verb.of_distance else 1.0)

    def _progress(self, move: Move, elapsed: np.ndarray) -> np.ndarray:
        seconds = move.seconds or self.length
        share = np.clip(elapsed / seconds, 0.0, 1.0) if seconds > 0 else np.zeros(len(elapsed))
        return curve(move.curve, share)

    def _swing(self, elapsed: np.ndarray) -> np.ndarray:
        seconds = min(SWING_SECONDS, self.length)
        return curve("ease", np.clip(elapsed / seconds, 0.0, 1.0)) if seconds > 0 else np.zeros(len(elapsed))


def curve(name: str, share: np.ndarray) -> np.ndarray:
    """Progress 0 to 1 of a speed curve at a share 0 to 1 of the time."""
    if name == "ease":
        return share * share * (3 - 2 * share)
    if name == "ease-in":
        return share * share
    if name == "ease-out":
        return share * (2 - share)
    return share


def shake(rig: Rig, times: np.ndarray, seed: int) -> Rig:
    """The rig in a shaky hand: smooth noise in time, 0 at time 0, the same at every frame rate.

    About 0.5 degrees and 1 cm (standard deviation), as sums of sines from 0.4 to 5 Hz (ours).
    """
    generator = np.random.default_rng(seed)
    channels, waves = 6, 8
    frequency = np.geomspace(0.4, 5.0, waves) * generator.uniform(0.85, 1.15, (channels, waves))
    phase = generator.uniform(0, 2 * np.pi, (channels, waves))
    strength = 1 / frequency
    strength *= np.sqrt(2) / np.linalg.norm(strength, axis=1, keepdims=True)
    angle = 2 * np.pi * frequency[..., None] * times + phase[..., None]
    noise = (strength[..., None] * (np.sin(angle) - np.sin(phase)[..., None])).sum(axis=1)
    turn = np.radians(0.5) * noise[:3]
    return replace(
        rig,
        position=rig.position + 0.01 * noise[3:].T,
        yaw=rig.yaw + turn[0],
        pitch=rig.pitch + turn[1],
        roll=rig.roll + turn[2],
    )


_FIELDS = ("position", "yaw", "pitch", "roll", "zoom")


def _slice(rig: Rig, part: slice) -> Rig:
    return Rig(*(getattr(rig, name)[part] for name in _FIELDS))


def _follow(step: Step) -> Move | None:
    return next((move for move in step.moves if move.verb.startswith("follow")), None)


def _follow_offset(
    follow: Move, offset: np.ndarray, heading: np.ndarray, nearest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Azimuth, radius and height a follow shot wants, given the offset the camera has.

    Lead, tail and side without a spoken distance keep the one they have, but not nearer than `nearest`:
    the person may have walked up to the camera before.
    """
    azimuth, radius, height = _to_cylindrical(offset)
    if follow.verb == "follow aerial":
        distance = follow.amount or float(np.linalg.norm(offset))
        return azimuth, distance * np.cos(AERIAL_ELEVATION), distance * np.sin(AERIAL_ELEVATION)
    if follow.verb in ("follow pan", "follow tilt", "follow arc"):
        return azimuth, radius, height
    key = (follow.verb, follow.direction)
    if key not in FOLLOW_AZIMUTH:
        return azimuth, np.array(follow.amount or radius), height
    return heading + FOLLOW_AZIMUTH[key], np.array(follow.amount or max(radius, nearest)), height


def _to_cylindrical(offset: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.arctan2(offset[0], offset[2]), np.hypot(offset[0], offset[2]), offset[1]


def _cylindrical(azimuth: np.ndarray, radius: np.ndarray, height: np.ndarray) -> np.ndarray:
    parts = np.broadcast_arrays(radius * np.sin(azimuth), height, radius * np.cos(azimuth))
    return np.stack(parts, axis=-1)


def _turn(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] turned about +Y by angles [N]."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = vectors.T
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)


def _bearing(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw and pitch of a camera that looks along `direction` [..., 3]."""
    x, y, z = np.moveaxis(direction, -1, 0)
    return np.arctan2(x, -z), np.arctan2(y, np.hypot(x, z))


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _rotations(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Camera-to-world rotations [..., 3, 3]: yaw about the world's vertical, then pitch, then roll."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(rows: list[list[np.ndarray]]) -> np.ndarray:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = matrix([[cy, zero, -sy], [zero, one, zero], [sy, zero, cy]])
    nod = matrix([[one, zero, zero], [zero, cp, -sp], [zero, sp, cp]])
    spin = matrix([[cr, -sr, zero], [sr, cr, zero], [zero, zero, one]])
    return turn @ _LEVEL @ nod @ spin
