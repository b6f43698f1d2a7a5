"""What the judges themselves are worth: their figures on renders that are blurred, noisy, smeared or empty.

A judge is admitted where it reads renders, grows worse with the picture rather than all at once, and sees nobody
where nobody is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.judge import PoseJudge
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import JudgeUnavailable, MediaPipePose
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.scene.formats.files import atomic_write
from kinema.video.registry import embedded_format

Degradation = Callable[[np.ndarray], np.ndarray]


def blurred(sigma: float) -> Degradation:
    """Gaussian blur of `sigma` pixels."""
    return lambda video: np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in video])


def noisy(sigma: float) -> Degradation:
    """Gaussian noise of `sigma` grey levels, the same for the same video size."""

    def add(video: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(0, sigma, video.shape)
        return np.clip(video + noise, 0, 255).astype(np.uint8)

    return add


def smeared(share: float) -> Degradation:
    """Every frame mixed with the mean of the video; a share of 1 holds the mean still."""

    def mix(video: np.ndarray) -> np.ndarray:
        mean = video.mean(axis=0, keepdims=True)
        return (video * (1 - share) + mean * share).round().astype(np.uint8)

    return mix


DEGRADATIONS: dict[str, Degradation] = {
    "render": lambda video: video,
    "blur 0.7": blurred(0.7),
    "blur 1.0": blurred(1.0),
    "blur 1.5": blurred(1.5),
    "blur 2.0": blurred(2.0),
    "blur 3.0": blurred(3.0),
    "noise 10": noisy(10),
    "noise 20": noisy(20),
    "noise 40": noisy(40),
    "smear 0.5": smeared(0.5),
    "smear 1.0": smeared(1.0),
    "frozen": lambda video: np.repeat(video[:1], len(video), axis=0),
}


def evaluate_judges(
    *,
    clips: int = 32,
    seed: int = 0,
    judge: str | Path | None = None,
    library: str | Path | None = None,
    mediapipe: bool = True,
    out: str | Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Judges the judges on the clips of `evaluate_control`.

    Args:
        clips: how many.
        seed: of the clips.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.
        mediapipe: judge MediaPipe Pose too, where it is installed.
        out: file for the figures, JSON.
        progress: show bars.

    Returns:
        Per judge and degradation: mean `pck` and `detected` (share of frames in which a person is found), for the
        keypoint network also `iou`; under `nobody` the share of empty frames in which a person is found.
    """
    form = embedded_format()
    chosen = choose_clips(
        MotionLibrary.open(library),
        clips,
        size=form.size,
        fps=form.fps,
        frames=form.frames,
        seed=seed,
        progress=progress,
    )
    judges: list[PoseJudge] = [KeypointNetworkJudge(judge)]
    if mediapipe:
        try:
            judges.append(MediaPipePose())
        except JudgeUnavailable as error:
            print(f"mediapipe skipped: {error}")
    result: dict[str, Any] = {}
    for each in judges:
        result[each.name] = {
            name: judge_figures(each, chosen, degrade)
            for name, degrade in tqdm(DEGRADATIONS.items(), desc=each.name, disable=not progress)
        }
        result[each.name]["nobody"] = round(float(np.mean([_found(each, clip) for clip in chosen])), 4)
        result[each.name]["settings"] = each.settings()
    if out is not None:
        with atomic_write(out) as path:
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def judge_figures(judge: PoseJudge, clips: list[ControlClip], degrade: Degradation) -> dict[str, float]:
    """Mean PCK@0.1H, detection rate and, where the judge has silhouettes, IoU on degraded renders."""
    scores: dict[str, list[float]] = {"pck": [], "detected": []}
    for clip in clips:
        video = degrade(clip.video)
        sighting = judge.watch(video)
        scores["pck"].append(pck(sighting.points, clip.truth))
        scores["detected"].append(float(sighting.detected.mean()))
        if isinstance(judge, KeypointNetworkJudge):
            scores.setdefault("iou", []).append(silhouette_iou(judge.silhouette(video), clip.mask))
    return {name: round(float(np.nanmean(values)), 4) for name, values in scores.items()}


def _found(judge: PoseJudge, clip: ControlClip) -> float:
    """Share of frames with a person where the person has been painted over with what surrounds it."""
    empty = [
        cv2.inpaint(frame, cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))), 3, cv2.INPAINT_TELEA)
        for frame, mask in zip(clip.video, clip.mask, strict=True)
    ]
    return float(judge.watch(np.stack(empty)).detected.mean())
