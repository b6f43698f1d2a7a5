"""MediaPipe Pose for one person or several: its two networks, run by ourselves.

MediaPipe's own `solutions.pose` follows one person; its Tasks API refuses the bundled networks, which lack metadata.
Following from one frame to the next is MediaPipe's: a body tells where to look for it in the next frame, and the
person detector runs only while fewer people are followed than are wanted.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import numpy as np

from kinema.capture.detectors.blaze import (
    ENLARGED,
    Body,
    Region,
    decode_body,
    decode_people,
    letterbox,
    steadied,
)
from kinema.capture.detectors.detector import check_frames
from kinema.capture.detectors.litert import Network, bundled, from_task
from kinema.capture.detectors.looks import look_of
from kinema.capture.observation import Observation
from kinema.scene.formats.errors import FormatError
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24

_BUNDLED = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
_IN_TASK = ("pose_detector.tflite", "pose_landmarks_detector.tflite")
_PEOPLE = "mediapipe33"
_SAME_BODY = (
    0.12  # mean distance of landmarks, in half-diagonals of the person, below which two are one (ours)
)
_LOOK_AGAIN = 2  # every how many frames the person detector runs while some, but not all, are followed (ours)
_MOST_WINDOWS = 24  # of one size; in a picture that needs more, this size is not searched (ours)
_ZOOMS = (1.0, 0.65)  # sides of the squares that are searched, in shorter sides of the picture (ours)
_REMEMBERED = 60  # frames for which somebody lost is looked for where they were (ours)
_NEWCOMER = 0.9  # least score of somebody found beside others (ours: half a body of theirs scores up to that)
_LEAST_PRESENCE = 0.5  # a landmark that is rather outside the picture is missing (ours)
_LEAST_CONFIDENCE = 0.05


class PoseFollower:
    """MediaPipe's networks with the regions of those who are followed.

    Args:
        networks: the person detector and the landmark network, as bytes.
        source: where they are from, for messages.
        people: how many people to follow at most.
        confidence: least score of the person detector; MediaPipe's default is 0.5.
        tracking: least score of a body that stays followed; MediaPipe's default is 0.5.
        threads: CPU threads.

    Raises:
        FormatError: networks with other outputs.
    """

    def __init__(
        self,
        networks: list[bytes],
        source: str,
        people: int,
        confidence: float = 0.5,
        tracking: float = 0.5,
        threads: int = 2,
    ) -> None:
        self.source, self.people, self.confidence, self.tracking = source, people, confidence, tracking
        self.detector, self.landmarker = (Network(content, source, threads) for content in networks)
        if set(self.detector.shapes) != {(1, 2254, 12), (1, 2254, 1)}:
            raise FormatError(source, "its person detector is not that of MediaPipe Pose")
        shapes = {int(np.prod(shape)): k for k, shape in enumerate(self.landmarker.shapes)}
        if not {195, 117, 1} <= set(shapes):
            raise FormatError(source, "its landmark network is not that of MediaPipe Pose")
        self._flag, self._landmarks, self._world = (shapes[count] for count in (1, 195, 117))
        heat = [k for k, s in enumerate(self.landmarker.shapes) if len(s) == 4 and s[-1] == 39]
        self._heat = heat[0] if heat else None
        self._regions: list[Region] = []
        self._frames = self._turn = 0
        self._searched = False
        self._lost: list[tuple[int, Region]] = []

    def follow(self, frame: np.ndarray) -> list[Body]:
        """The bodies in the next frame, uint8 [H, W, 3]; those followed longest first."""
        bodies: list[Body] = []
        for region in self._regions:
            self._keep(bodies, self._body(frame, region), self.tracking)
        self._frames += 1
        kept = {id(body.region) for body in bodies}
        self._lost += [(self._frames, region) for region in self._regions if id(region) not in kept]
        self._lost = [(when, region) for when, region in self._lost if self._frames - when < _REMEMBERED]
        if len(bodies) < self.people and (not bodies or self._frames % _LOOK_AGAIN == 0):
            for window in self._windows(frame, lost=not bodies):
                least = _NEWCOMER if bodies else self.tracking
                for region in self._search(frame, window):
                    if len(bodies) < self.people and not any(_covers(body, region) for body in bodies):
                        self._keep(bodies, self._body(frame, region), least)
                if len(bodies) == self.people:
                    break
        followed = {id(region) for region in self._regions}
        self._regions = [
            steadied(body.region, body.next_region) if id(body.region) in followed else body.next_region
            for body in bodies
        ]
        return bodies

    def settings(self) -> dict[str, Any]:
        """Everything that decides what is found, JSON-able."""
        return {
            "model": self.source,
            "sha256": [self.detector.sha256, self.landmarker.sha256],
            "people": self.people,
            "confidence": self.confidence,
            "tracking": self.tracking,
        }

    def _windows(self, frame: np.ndarray, lost: bool) -> list[tuple[int, int, int]]:
        """Where to search in this frame: everywhere at first, then one window after another.

        The person detector sees 224 pixels and overlooks small people, the more so beside larger ones.
        """
        windows = search_windows(frame.shape[1], frame.shape[0])
        if not self._searched:
            self._searched = True
            return windows
        self._turn += 1
        if self._lost and self._turn % 2:  # whoever was lost comes out again nearby
            window = _window_around(self._lost[-1][1], frame.shape[1], frame.shape[0])
        else:
            window = windows[self._turn // (2 if self._lost else 1) % len(windows)]
        return [windows[0], window] if lost and window != windows[0] else [window]

    def _keep(self, bodies: list[Body], new: Body, least: float) -> None:
        """Adds a body of at least that score, unless it is there already; of two the surer one stays."""
        if new.score < least or not np.isfinite(new.points).all():
            return
        for k, old in enumerate(bodies):
            if _same(old, new):
                bodies[k] = old if old.score >= new.score else new
                return
        bodies.append(new)

    def _search(self, frame: np.ndarray, window: tuple[int, int, int]) -> list[Region]:
        left, top, side = window
        square, scale, corner = letterbox(frame[top : top + side, left : left + side])
        boxes, logits = sorted(self.detector(square), key=lambda output: -output.shape[-1])
        found = decode_people(
            boxes[0], logits[0, :, 0], scale, corner + np.array([left, top]), self.confidence
        )
        whole = (left, top, left + side, top + side)
        return [region for _, region in found if _is_inside(region, whole, frame.shape[1], frame.shape[0])]

    def _body(self, frame: np.ndarray, region: Region) -> Body:
        side = self.landmarker.side
        outputs = self.landmarker(region.crop(frame, side))
        heat = None if self._heat is None else outputs[self._heat][0]
        return decode_body(
            outputs[self._landmarks].reshape(39, 5),
            float(outputs[self._flag].ravel()[0]),
            heat,
            outputs[self._world].reshape(39, 3),
            region,
            side,
        )


class MediaPipePose:
    """The detector "mediapipe": 33 landmarks, and a guess of SMPL-24 joints in metres from its world landmarks."""

    name = "mediapipe"
    layout = _PEOPLE

    def __init__(self, follower: PoseFollower) -> None:
        self._follower = follower

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """See `Detector.detect`."""
        found = [self._follower.follow(np.ascontiguousarray(frame)) for frame in check_frames(frames)]
        joints = iter(hints([body for bodies in found for body in bodies]))
        return [
            [observed(frame, body, next(joints)) for body in bodies]
            for frame, bodies in zip(frames, found, strict=True)
        ]

    def settings(self) -> dict[str, Any]:
        """See `Detector.settings`."""
        return {"detector": self.name, **self._follower.settings()}

    def close(self) -> None:
        """Frees the networks."""
        del self._follower

    def __enter__(self) -> MediaPipePose:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_mediapipe(
    *,
    model: str | os.PathLike[str] | None = None,
    people: int = 1,
    confidence: float = 0.5,
    tracking: float = 0.5,
    threads: int = 2,
) -> MediaPipePose:
    """Opens MediaPipe Pose: the networks bundled with mediapipe 0.10.21, or those of a `.task` file.

    Args:
        model: a `pose_landmarker_*.task` file.
        people: how many people to follow at most.
        confidence: least score of the person detector.
        tracking: least score of a body that stays followed.
        threads: CPU threads.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
        FormatError: the model file is not what it should be.
    """
    follower = open_follower(model, people=people, confidence=confidence, tracking=tracking, threads=threads)
    return MediaPipePose(follower)


def open_follower(model: str | os.PathLike[str] | None, **options: Any) -> PoseFollower:
    """MediaPipe's networks, bundled or from a `.task` file; see `open_mediapipe`."""
    source = "bundled" if model is None else os.fspath(model)
    networks = bundled(*_BUNDLED) if model is None else from_task(model, *_IN_TASK)
    return PoseFollower(networks, source, **options)


def search_windows(width: int, height: int) -> list[tuple[int, int, int]]:
    """Left, top and side of the squares that are searched: the whole picture, then parts that overlap by 40 %."""
    windows = [(0, 0, max(width, height))]
    for zoom in _ZOOMS:
        side = round(zoom * min(width, height))
        if side < 0.9 * windows[-1][2]:
            tops, lefts = (_starts(length, side) for length in (height, width))
            if len(tops) * len(lefts) <= _MOST_WINDOWS:
                windows += [(left, top, side) for top in tops for left in lefts]
    return windows


def _window_around(region: Region, width: int, height: int) -> tuple[int, int, int]:
    """A square about where a body was; larger ones would make it too small for the person detector."""
    side = int(min(max(0.9 * region.side, 16.0), max(width, height)))
    left, top = (
        int(np.clip(middle - side / 2, 0, max(0, length - side)))
        for middle, length in zip(region.centre, (width, height), strict=True)
    )
    return left, top, side


def _is_inside(region: Region, window: tuple[int, int, int, int], width: int, height: int) -> bool:
    """Whether a window shows most of a body, unless the picture itself cuts it off.

    In a part without the head, the person detector takes a knee for one.
    """
    reach = 0.2 * region.side / ENLARGED
    x, y = region.centre
    left, top, right, bottom = window
    return (
        (left <= 0 or x - reach >= left)
        and (top <= 0 or y - reach >= top)
        and (right >= width or x + reach <= right)
        and (bottom >= height or y + reach <= bottom)
    )


def _starts(length: int, side: int) -> list[int]:
    count = 1 + int(np.ceil((length - side) / (0.6 * side) - 1e-9))
    return [round(start) for start in np.linspace(0, length - side, count)] if count > 1 else [0]


def observed(frame: np.ndarray, body: Body, joints: np.ndarray | None) -> Observation:
    """A body as an observation of 33 landmarks."""
    points, confidence = landmarks(body)
    box = box_around(body.points[:33], frame.shape[1], frame.shape[0])
    return Observation(
        points, confidence, box, body.score, joints, look_of(frame, points, confidence, _PEOPLE)
    )


def landmarks(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """The 33 landmarks, NaN where they are rather outside the picture, [33, 2], and their confidence [33]."""
    confidence = (body.visibility * body.presence)[:33]
    there = (body.presence[:33] >= _LEAST_PRESENCE) & (confidence >= _LEAST_CONFIDENCE)
    return np.where(there[:, None], body.points[:33], np.nan), np.where(there, confidence, 0.0)


def hints(bodies: list[Body]) -> np.ndarray:
    """SMPL-24 joints from the world landmarks of bodies, relative to the pelvis, metres, [N, 24, 3]."""
    if not bodies:
        return np.zeros((0, len(SMPL24), 3))
    joints, _ = smpl24_mapping(_PEOPLE).apply(np.stack([body.world[:33] for body in bodies]))
    return joints - joints[:, :1]


def box_around(points: np.ndarray, width: int, height: int, margin: float = 0.1) -> np.ndarray:
    """The box of points [K, 2] within the picture, a `margin` of its longer side wider all round, [4]."""
    limits = np.array([width, height])
    inside = np.clip(points, 0, limits)
    low, high = np.nanmin(inside, axis=0), np.nanmax(inside, axis=0)
    room = max(1.0, margin * float((high - low).max()))
    return np.concatenate([np.clip(low - room, 0, limits), np.clip(high + room, 0, limits)])


def _same(a: Body, b: Body) -> bool:
    """Whether two bodies are one person seen twice."""
    visible = (a.visibility[:33] > 0.5) & (b.visibility[:33] > 0.5)
    if visible.sum() < 4:
        visible[:] = True
    first, second = a.points[:33][visible], b.points[:33][visible]
    size = min(float(np.linalg.norm(np.ptp(points, axis=0))) for points in (first, second))
    return float(np.median(np.linalg.norm(first - second, axis=1))) < _SAME_BODY * max(size, 1e-6)


def _covers(body: Body, region: Region) -> bool:
    """Whether a region found by the person detector is that of a body already followed."""
    near = float(np.linalg.norm(body.points[33] - region.centre))
    largest = max(region.side, body.next_region.side)
    return near < 0.1 * largest and min(region.side, body.next_region.side) > 0.5 * largest
