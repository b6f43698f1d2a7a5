"""What a figure of a file measures and how it stands, in the file's own unit and axes.

A person is measured by legs and trunk, anything else by the box about it. The thresholds are ours.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kinema.scene.formats.reading import UPS, Clip
from kinema.scene.mappings import JointMapping, smpl24_mapping
from kinema.scene.skeleton import SMPL24

AXES = {up: np.eye(3)["xyz".index(up[-1])] * (-1.0 if up[0] == "-" else 1.0) for up in UPS}
"""The direction of each of `UPS`, [3]."""

_SAMPLES = 64  # frames that are looked at
_STATURE = 1.7  # metres, of who has the bones of SMPL-24's rest pose
_BLEND = 5  # frames within which a T-pose may be blended into the motion
_TILTED = 30.0  # degrees that a standing body is off the vertical; sprinters lean less
_HIPS, _KNEES, _ANKLES, _SHOULDERS, _WRISTS = (
    [SMPL24.index(f"{side}_{part}") for side in ("left", "right")]
    for part in ("hip", "knee", "ankle", "shoulder", "wrist")
)
_TRUNK = [SMPL24.index("pelvis"), SMPL24.index("neck")]


class Figure:
    """One figure, looked at in some frames spread evenly over the clip.

    Args:
        clip: as the file has it.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        frames = len(clip.joints)
        self.rows = np.unique(np.linspace(0, frames - 1, min(frames, _SAMPLES)).round().astype(int))

    @cached_property
    def mapping(self) -> JointMapping | None:
        """To SMPL-24; None where the figure is no person."""
        try:
            return smpl24_mapping(self.clip.skeleton)
        except ValueError:
            return None

    @property
    def is_person(self) -> bool:
        """Whether the figure has the joints of a person."""
        return self.mapping is not None

    @cached_property
    def size(self) -> float:
        """A person's height, or how much another figure measures across, in the file's unit; NaN where nothing of it
        is known."""
        if self.mapping is None:
            return self._across()
        with np.errstate(over="ignore", invalid="ignore"):
            body = self._body
            leg, trunk = _leg(body), _trunk(body)
        whole = leg + trunk
        return _STATURE * (whole / _WHOLE if np.isfinite(whole) else leg / _LEG)

    @property
    def _body(self) -> np.ndarray:
        """SMPL-24 in the frames looked at, [S, 24, 3]."""
        assert self.mapping is not None
        return self.mapping.apply(self.clip.joints[self.rows])[0]

    def _across(self) -> float:
        """The longest side of the box about the figure, in the middle of all frames."""
        shown = self.clip.joints[self.rows][:, self._joints]
        known = np.isfinite(shown).all(axis=-1, keepdims=True)
        with np.errstate(over="ignore"):
            sides = np.where(known, shown, -np.inf).max(axis=1) - np.where(known, shown, np.inf).min(axis=1)
        return _median(sides.max(axis=1)) or float("nan")

    @property
    def _top(self) -> int:
        """The pelvis of a person, else the first joint from which several bones leave."""
        if self.mapping is not None:
            sources = np.flatnonzero(self.mapping.stages[0][0][0])
            if len(sources) == 1:
                return int(sources[0])
        skeleton = self.clip.skeleton
        top = skeleton.root
        while len(skeleton.children[top]) == 1:
            top = skeleton.children[top][0]
        return top

    @cached_property
    def _joints(self) -> list[int]:
        """The joints of the body: what hangs below its top.

        What lies between the root and there is no part of the figure: many programs put the world's origin there.
        """
        skeleton = self.clip.skeleton
        below = {self._top}
        for joint in skeleton.order:
            if skeleton.parents[joint] in below:
                below.add(joint)
        return sorted(below)

    @property
    def is_centred(self) -> bool:
        """Whether the figure's top joint is where the file begins to measure in all frames."""
        return bool(np.nanmax(np.abs(self.clip.joints[:, self._top])) < 0.01 * self.size)

    def lowest(self, up: np.ndarray) -> np.ndarray:
        """How high the lowest joint of the body is in each frame, [T]; NaN where nothing is known.

        Args:
            up: unit vector [3].
        """
        heights = self.clip.joints[:, self._joints] @ up
        lowest = np.where(np.isnan(heights), np.inf, heights).min(axis=1)
        return np.where(np.isfinite(lowest), lowest, np.nan)

    def t_pose_frames(self) -> int:
        """How many frames at the start are a T-pose from which the person jumps into the motion, or is blended into it
        within a few frames.

        Such a blend starts at its fastest, as no movement of a person does.
        """
        joints = self.clip.joints[:22]
        if self.mapping is None or len(joints) < 3:
            return 0
        body = self.mapping.apply(joints[:1])[0][0]
        arms = body[_WRISTS] - body[_SHOULDERS]
        across = _unit(body[_HIPS[0]] - body[_HIPS[1]])
        straight = all(sign * _unit(arm) @ across > 0.97 for sign, arm in zip((1, -1), arms, strict=True))
        steps = np.nanmax(np.linalg.norm(np.diff(joints, axis=0), axis=-1), axis=1, initial=0.0)
        if not straight or not steps[0] > 0.05 * self.size:
            return 0
        frames = next(
            (n for n in range(1, min(_BLEND, len(steps) - 1) + 1) if steps[0] > 5 * steps[n:].max()), 0
        )
        if frames > 1:  # the blend's last steps are small
            while frames < min(_BLEND, len(steps) - 1) and steps[frames] > 1.5 * steps[frames + 1 :].max():
                frames += 1
        falls = bool((np.diff(steps[:frames]) < 0.1 * steps[0]).all())
        return frames if falls else 0

    @property
    def stays(self) -> bool:
        """Whether the top joint never moves, so that joints must be relative to it."""
        top = self.clip.joints[:, self._top]
        known = top[np.isfinite(top).all(axis=1)]
        return len(known) > 1 and bool((np.ptp(known, axis=0) < 1e-3 * self.size).all())

    def tilt(self, up: np.ndarray) -> tuple[np.ndarray, float]:
        """The direction along which a person stands who is always tilted the same way, and how many degrees it is off
        `up`; `up` itself and 0 where nobody is.

        Trunk and legs are in one line, in nearly all frames in which the person is not far from upright, and always in
        the same direction, and the feet keep their height along it: who bends has legs that do not, who lies is further
        off, who sways returns, and who runs leaves a tilted floor.

        Args:
            up: unit vector [3].
        """
        if self.mapping is None or len(self.clip.joints) < 2:
            return up, 0.0
        body = self._body
        body = body[np.isfinite(body[:, [*_TRUNK, *_HIPS, *_ANKLES]]).all(axis=(1, 2))]
        trunk = _unit(body[:, _TRUNK[-1]] - body[:, 0])
        legs = _unit(body[:, 0] - body[:, _ANKLES].mean(axis=1))
        near = (trunk @ up > 0.4) & (legs @ up > 0.4)
        if not len(near) or near.mean() < 0.3:
            return up, 0.0
        trunk, legs = trunk[near], legs[near]
        along = _unit(np.median(trunk, axis=0) + np.median(legs, axis=0))
        degrees = float(np.degrees(np.arccos(np.clip(along @ up, -1.0, 1.0))))
        straight = float(np.median(trunk, axis=0) @ np.median(legs, axis=0)) > 0.93
        same = float(((trunk @ along > 0.93) & (legs @ along > 0.8)).mean()) > 0.9
        if not (degrees > _TILTED and straight and same):
            return up, 0.0
        level = self._feet_spread(along) < 1.5 * self._feet_spread(up) + 0.02 * self.size
        return (along, degrees) if level else (up, 0.0)

    def _feet_spread(self, up: np.ndarray) -> float:
        """How much the lowest joint goes up and down."""
        low, high = np.nanpercentile(self.lowest(up), [5, 95])
        return float(high - low)

    def stands_along(self) -> tuple[str, str]:
        """Which of `UPS` a person stands along, and what speaks for it; y with nothing where that is no question.

        Nobody who lies, crawls, does a handstand or hangs is turned: another axis than y is up only if the person
        never stands along y, and the rest pose, the way, or the floor agree.
        """
        if self.mapping is None:
            return "y", ""
        body = self._body
        body = body[np.isfinite(body[:, [*_TRUNK, *_HIPS, *_ANKLES]]).all(axis=(1, 2))]
        if not len(body):
            return "y", ""
        upright = {up: _upright(body, axis) for up, axis in AXES.items()}
        share = {up: float(frames.mean()) for up, frames in upright.items()}
        best = max(share, key=lambda up: share[up])
        rest = self._rests_along
        if rest not in ("", "y") and not upright["y"].any():
            upper = _unit(body[:, _TRUNK[-1]] - body[:, 0]) @ AXES[rest]
            if share[rest] > 0.3 or float((upper > 0.5).mean()) > 0.5:
                return rest, "so the figure stands, and so is its rest pose"
        if best == "y" or upright["y"][0] or share[best] < 0.3 or share[best] < 2 * share["y"]:
            return "y", ""
        if rest == best:
            return best, "so the figure stands, and so is its rest pose"
        if share[best] < 0.6 or share["y"] > 0.1:
            never = not upright["y"].any() and rest != "y"
            return "y", f"the figure never stands along y: it lies, or {best} is up" if never else ""
        return self._against_lying(body, best)

    @property
    def _rests_along(self) -> str:
        """Which of `UPS` a person stands along in the rest pose of the file; "" where the file has none."""
        if self.mapping is None or self.clip.rotations is None or self.clip.upright:
            return ""
        rest = self.mapping.apply(self.clip.skeleton.rest[None])[0]
        return next((up for up, axis in AXES.items() if _upright(rest, axis).all()), "")

    def _against_lying(self, body: np.ndarray, up: str) -> tuple[str, str]:
        """Whether who is upright along another axis than y stands there, or lies in a file whose y is up.

        Args:
            body: SMPL-24, [S, 24, 3].
            up: the axis.
        """
        size, axis = self.size, AXES[up]
        ground = float(np.nanpercentile(self.lowest(AXES["y"]), 1))
        on_y = -0.04 * size < ground < 0.12 * size
        feet = float(np.percentile((body[:, _ANKLES] @ axis).min(axis=1), 5))
        on_axis = -0.08 * size < feet < 0.12 * size
        if up == "-y":
            hands, neck = body[:, _WRISTS, 1].max(axis=1), body[:, _TRUNK[-1], 1]
            if on_y or (not on_axis and float((hands < neck).mean()) > 0.5):
                return "y", "the figure stands on its hands or head, or -y is up"
            return up, "so the figure stands"
        pelvis = body[:, 0]
        across = pelvis - (pelvis @ axis)[:, None] * axis
        way = float(np.linalg.norm(np.ptp(across, axis=0)))
        hips = body[:, _HIPS[0]] - body[:, _HIPS[1]]
        turns = float(np.ptp(_unit(hips)[:, 1]))
        if np.ptp(pelvis[:, 1]) > 0.4 * size or (way > 0.8 * size and turns < 0.8):
            return up, "so the figure stands and walks"
        flat = body[:, [*_TRUNK, *_HIPS, *_ANKLES], 1].max() - ground < 0.5 * size
        if on_y and flat:
            return (
                "y",
                "the figure lies on the file's floor" if not on_axis else f"the figure lies, or {up} is up",
            )
        if on_axis or self.is_centred:
            return up, "so the figure stands"
        return "y", f"the figure lies, or {up} is up"


def _upright(body: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Whether the trunk points up and the legs hang below, [S, 24, 3] -> [S]."""
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files
        pelvis = body[:, 0]
        trunk = _unit(body[:, _TRUNK[-1]] - pelvis)
        legs = _unit(body[:, _ANKLES].mean(axis=1) - pelvis)
        return (trunk @ up > 0.75) & (legs @ up < -0.4)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)


def _leg(body: np.ndarray) -> float:
    """Length of thigh and shin, [S, 24, 3]."""
    legs = body[:, [_HIPS, _KNEES, _ANKLES]]
    return _median(np.linalg.norm(np.diff(legs, axis=1), axis=-1).sum(axis=1))


def _trunk(body: np.ndarray) -> float:
    """From the hips to the shoulders, where joints of all programs are in the same place, with the back straight."""
    trunk = np.linalg.norm(body[:, _SHOULDERS].mean(axis=1) - body[:, _HIPS].mean(axis=1), axis=-1)
    known = trunk[np.isfinite(trunk)]
    return float(np.percentile(known, 90)) if len(known) else float("nan")


def _median(lengths: np.ndarray) -> float:
    known = lengths[np.isfinite(lengths)]
    return float(np.median(known)) if len(known) else float("nan")


_LEG = _leg(SMPL24.rest[None])
_WHOLE = _LEG + _trunk(SMPL24.rest[None])
