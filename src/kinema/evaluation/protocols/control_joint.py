"""Does one control cost the other? The same takes with both, with either alone, and with none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kinema.evaluation.judges.camera import JUDGES, CameraJudge
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_camera import Cameras
from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.evaluation.protocols.control_scores import ALPHA
from kinema.evaluation.protocols.pipelines import generate
from kinema.video import KinemaPipeline

PRESENCES: dict[str, frozenset[str]] = {
    "both": frozenset({"pose", "camera"}),
    "pose_only": frozenset({"pose"}),
    "camera_only": frozenset({"camera"}),
    "none": frozenset(),
}


@contextmanager
def driven_by(pipe: KinemaPipeline, signals: frozenset[str]) -> Iterator[KinemaPipeline]:
    """The pipeline with every adapter limited to some of the signals that it may see."""
    before = pipe.drives
    pipe.drives = {name: own & signals for name, own in before.items()}
    try:
        yield pipe
    finally:
        pipe.drives = before


def joint_control(
    pipe: KinemaPipeline,
    clips: Sequence[ControlClip],
    network: KeypointNetworkJudge,
    turns: np.ndarray,
    *,
    both: Sequence[np.ndarray] | None = None,
    steps: int | None = None,
    progress: bool = False,
    judges: Sequence[CameraJudge] = JUDGES[:1],
) -> dict[str, Any]:
    """Pose and camera figures of the same takes under each presence of PRESENCES.

    Args:
        pipe: the generator.
        clips: the takes.
        network: the judge of pose and silhouette.
        turns: takes that count for the camera, bool [clips].
        both: videos that were generated with both signals already.
        steps: denoising steps; the pipeline's default where None.
        progress: bars.
        judges: of the camera; the first one counts.

    Returns:
        Per presence: pck, iou, camera_rotation_deg; and `pose_cost`, `camera_cost`: by how much the error with both
        signals exceeds that with the one alone, as a share of the latter (error of pose: 1 - PCK).
    """
    figures: dict[str, Any] = {"takes": len(clips)}
    for name, signals in PRESENCES.items():
        if name == "both" and both is not None:
            videos = list(both)
        else:
            with driven_by(pipe, signals):
                videos = generate(pipe, clips, steps, progress)
        seen = [network.watch_all(video) for video in videos]
        silhouettes = [silhouette for _, silhouette in seen]
        row = {
            "pck": _mean(
                [
                    pck(sighting.points, clip.truth, ALPHA)
                    for (sighting, _), clip in zip(seen, clips, strict=True)
                ]
            ),
            "iou": _mean(
                [silhouette_iou(mask, clip.mask) for mask, clip in zip(silhouettes, clips, strict=True)]
            ),
            "camera_rotation_deg": None,
        }
        if turns.any():
            moving = [k for k in range(len(clips)) if turns[k]]
            found = Cameras.find(
                [videos[k] for k in moving],
                [silhouettes[k] for k in moving],
                [clips[k] for k in moving],
                judges,
                description=f"cameras, {name}",
                progress=progress,
            )
            errors = found.errors([clips[k] for k in moving])[judges[0].name]
            row["camera_rotation_deg"] = _mean([error.rotation_deg for error in errors if error is not None])
        figures[name] = row
    pose, alone = (1 - figures[name]["pck"] for name in ("both", "pose_only"))
    figures["pose_cost"] = round(pose / max(alone, 1e-9) - 1, 4)
    camera, alone = (figures[name]["camera_rotation_deg"] for name in ("both", "camera_only"))
    figures["camera_cost"] = None if camera is None else round(camera / max(alone, 1e-9) - 1, 4)
    return figures


def _mean(values: Sequence[float]) -> float:
    return round(float(np.nanmean(values)), 4)
