"""Wan-Move (2512.08765): paths of points of the first frame, and where each can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot

SPACING = 26
"""Pixels between points at 832x480 (ours): 32 across, as its examples have."""
_CLOSER = 3  # times as many points in a row on people (ours)
_TAIL = 8  # frames that the film of the paths shows behind each point (ours)


@register
class WanMove(Profile):
    """Points of a grid, closer on people, fixed to what they show on the stage and followed exactly. `follow`: people,
    their points alone; room, the others alone, which tell the camera; or all."""

    name = "wan-move"
    title = "Wan-Move-14B-480P"
    source = "ali-vilab/Wan-Move: generate.py (--track, --track_visibility), wan/modules/trajectory.py"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=4, longest=81)
    follows = frozenset({"pose", "camera"})
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"follow": ("all", "people", "room")}
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        if shot.footage is not None:
            raise ValueError(
                "wan-move follows points of the stage: of a film of yours none are known exactly"
            )
        tracks, seen = shot.tracks(self._points(shot, options.extra.get("follow", "all")))
        # A path that is hidden in frame 0 has no feature there: public code would take the last cell's, index -1.
        tracks, seen = tracks[:, seen[0]], seen[:, seen[0]]
        tracks = np.where(np.isfinite(tracks), tracks, -1.0).astype(np.float32)
        first = shot.film[0] if shot.picture is None else filled(shot.picture, shot.size)
        return [
            Pass("tracks", "array", tracks, "--track of generate.py: x, y in pixels, [frames, points, 2]"),
            Pass("visibility", "array", seen, "--track_visibility of generate.py, [frames, points]"),
            Pass("first_frame", "picture", first, "--image of generate.py"),
            Pass(
                "paths",
                "film",
                drawn(shot.film, tracks, seen),
                "for looking at: the paths on the stage's film",
            ),
        ]

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.picture is None:
            return ["no picture: the first frame is the stage's"]
        return ["the picture must show its people and room where the stage's first frame has them"]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "81 frames of 832x480, generate.py makes no other number; the first frame's features are carried along the "
            "paths, every fourth frame of them.",
            "A point that is hidden or outside has visibility False there; in frame 0 every point is seen.",
            "Paths are in pixels of first_frame.png: with another --image they would be scaled from its size.",
        ]

    def _points(self, shot: Shot, follow: str) -> np.ndarray:
        """Pixels of frame 0 whose paths are given, [N, 2]."""
        width, height = shot.size
        spacing = SPACING * min(width / 832, height / 480)
        mask = shot.person_mask[0]
        places = []
        for step, on_people in ((spacing, False), (spacing / _CLOSER, True)):
            columns, rows = np.arange(step / 2, width, step), np.arange(step / 2, height, step)
            grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
            inside = mask[grid[:, 1].astype(int), grid[:, 0].astype(int)]
            if follow == "all" or on_people == (follow == "people"):
                places.append(grid[inside == on_people])
        points = np.concatenate(places)
        if not len(points):
            raise ValueError(f"wan-move: the first frame shows no {follow} to follow")
        return points


def drawn(film: np.ndarray, tracks: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A film with a dot at each visible point and the way it came, uint8 [T, H, W, 3].

    Args:
        film: uint8 [T, H, W, 3].
        tracks: pixels, [T, N, 2]; seen: bool [T, N].
    """
    hues = np.uint8(np.arange(tracks.shape[1]) * 37 % 180)
    paint = cv2.cvtColor(
        np.stack([hues, np.full_like(hues, 200), np.full_like(hues, 255)], -1)[None], cv2.COLOR_HSV2RGB
    )
    shown = film // 2 + 64
    for t, frame in enumerate(shown):
        begin = max(0, t - _TAIL)
        for point in np.flatnonzero(seen[t]):
            colour = tuple(int(c) for c in paint[0, point])
            way = tracks[begin : t + 1, point][seen[begin : t + 1, point]]
            cv2.polylines(frame, [np.round(way).astype(np.int32)], False, colour, 1)
            x, y = tracks[t, point]
            cv2.circle(frame, (int(x), int(y)), 2, colour, -1)
    return shown
