"""Does the picture move as the camera was told to? The camera found in videos against the commanded one, per take.

Beside each figure stand its floors (the render, its round trip) and its zeros: the first frame held still, which any
video with a still background equals, and the video judged against another take's camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from kinema.evaluation.judges.camera import JUDGES, CameraJudge
from kinema.evaluation.judges.studio import Studio
from kinema.evaluation.metrics.camera_error import CameraError, camera_error
from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.evaluation.statistics import clip_bootstrap, derangement

TURNING = 5.0
"""Degrees; a take whose camera never turns that far says nothing about following and counts as still (ours)."""
SEEN = 3.0
"""Degrees; a take whose own round trip is read worse than that shows too little of its studio (ours)."""

Errors = dict[str, list[CameraError | None]]  # judge -> one per clip, None where nobody looked


@dataclass(frozen=True)
class Cameras:
    """Paths found in a set of videos, per judge and clip, [T, 4, 4] each; None where nobody looked."""

    paths: dict[str, list[np.ndarray | None]]

    @classmethod
    def find(
        cls,
        videos: Sequence[np.ndarray],
        silhouettes: Sequence[np.ndarray],
        clips: Sequence[ControlClip],
        judges: Sequence[CameraJudge] = JUDGES,
        *,
        only: np.ndarray | None = None,
        description: str = "cameras",
        progress: bool = False,
    ) -> Cameras:
        """Looks for the camera of each video.

        Args:
            videos: uint8 [T, H, W, 3] each.
            silhouettes: the people that were seen in them, bool [T, H, W]; the exact masks are cut out as well.
            clips: whose studios they play in.
            judges: who looks.
            only: videos that are looked at, bool [clips]; all where None.
            description, progress: of the bar.
        """
        paths: dict[str, list[np.ndarray | None]] = {judge.name: [] for judge in judges}
        bar = tqdm(
            zip(videos, silhouettes, clips, strict=True),
            total=len(clips),
            desc=description,
            unit="clip",
            disable=not progress,
        )
        for number, (video, silhouette, clip) in enumerate(bar):
            if only is not None and not only[number]:
                for path in paths.values():
                    path.append(None)
                continue
            camera = commanded(clip)
            studio = Studio(clip.film.world, camera.size)
            for judge in judges:
                paths[judge.name].append(
                    judge.watch(video, silhouette | clip.mask, studio, camera.intrinsics, camera.c2w[0])
                )
        return cls(paths)

    def errors(self, clips: Sequence[ControlClip]) -> Errors:
        """Against the commanded cameras of these clips, in order."""
        return {
            judge: [
                None if path is None else camera_error(path, commanded(clip).c2w)
                for path, clip in zip(paths, clips, strict=True)
            ]
            for judge, paths in self.paths.items()
        }


def commanded(clip: ControlClip) -> Any:
    """The camera of a clip at the size of its film."""
    camera = clip.film.take.scene.camera
    assert camera is not None  # it was filmed
    height, width = clip.video.shape[1:3]
    return camera.resize(width, height)


def turning(clips: Sequence[ControlClip], round_trip: Errors) -> np.ndarray:
    """Takes that count for rotation: the camera turns, and its round trip can be read; bool [clips]."""
    truth = [camera_error(commanded(clip).c2w, commanded(clip).c2w) for clip in clips]
    extent = np.array([each.extent_deg for each in truth])
    readable = np.array([_angle(each) for each in next(iter(round_trip.values()))]) <= SEEN
    return (extent >= TURNING) & readable


def camera_figures(
    generated: Cameras,
    floors: dict[str, Errors],
    clips: Sequence[ControlClip],
    chosen: np.ndarray,
    seed: int = 0,
) -> dict[str, Any]:
    """The figures of one adapter, JSON-ready.

    Args:
        generated: cameras found in its videos.
        floors: errors of `render`, `roundtrip` and `frozen` videos, one per clip.
        clips: all clips.
        chosen: which turn, see `turning`.
        seed: of the shuffling.

    Returns:
        takes, still_takes; per judge: rotation_deg with interval, roundtrip_deg, render_deg, frozen_deg,
        shuffled_deg, excess_deg (sqrt(max(0, e2 - roundtrip2))), translation_m, direction_deg ("undefined" where no
        path is long enough), and still_deg: how far the picture turns in takes whose camera does not.
    """
    turned = np.flatnonzero(chosen)
    own = generated.errors(clips)
    figures: dict[str, Any] = {"takes": len(turned), "still_takes": int((~chosen).sum())}
    others = turned[derangement(len(turned), seed)] if len(turned) > 1 else turned[:0]
    for judge, errors in own.items():
        error = np.array([_angle(errors[k]) for k in turned])
        foreign = [
            camera_error(path, commanded(clips[other]).c2w).rotation_deg
            for path, other in zip((generated.paths[judge][k] for k in turned), others, strict=False)
            if path is not None
        ]
        interval = clip_bootstrap(error, clusters=[clips[int(k)].film.clip_id for k in turned])
        row: dict[str, Any] = {
            "rotation_deg": _figure(interval.mean),
            "interval": [_figure(interval.low), _figure(interval.high)],
        }
        for name, floor in floors.items():
            row[f"{name}_deg"] = _mean([_angle(floor[judge][k]) for k in turned])
        row["shuffled_deg"] = _mean(foreign)
        if row["rotation_deg"] is not None:
            row["excess_deg"] = _figure(
                float(np.sqrt(max(0.0, row["rotation_deg"] ** 2 - (row["roundtrip_deg"] or 0.0) ** 2)))
            )
        row["translation_m"] = _mean([each.translation_m for k in turned if (each := errors[k]) is not None])
        direction = [
            each.direction_deg for each in errors if each is not None and np.isfinite(each.direction_deg)
        ]
        row["direction_deg"] = _mean(direction) if direction else "undefined"
        row["still_deg"] = _mean([_angle(errors[k]) for k in np.flatnonzero(~chosen)])
        figures[judge] = row
    return figures


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """camera_rotation_deg and its floor by the first judge; "undefined" where no take's camera turns."""
    first = figures[JUDGES[0].name]
    if not figures["takes"]:
        return {"camera_rotation_deg": "undefined", "camera_rotation_floor_deg": "undefined"}
    return {
        "camera_rotation_deg": first["rotation_deg"],
        "camera_rotation_floor_deg": first["roundtrip_deg"],
    }


def _angle(error: CameraError | None) -> float:
    return float("nan") if error is None else error.rotation_deg


def _mean(values: Sequence[float]) -> float | None:
    return _figure(float(np.mean(values))) if len(values) else None


def _figure(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
