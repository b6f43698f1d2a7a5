"""Is the control followed? Unseen motions, three judges, each beside its floors and its zeros.

Floors: the render itself, and its round trip through the autoencoder (the generator's ceiling). Zeros: the
render's first frame held still, and the generated video judged against the motion of another clip.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

import kinema
from kinema.appearance import KinemaPipeline, load_pipeline
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.judge import COMMON_NAMES, PoseJudge
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import JudgeUnavailable, MediaPipePose
from kinema.evaluation.protocols import control_scores as figures
from kinema.evaluation.protocols.control_clips import FROZEN_LIMIT, ControlClip, choose_clips
from kinema.evaluation.statistics import derangement
from kinema.scene.formats.files import atomic_write

PROTOCOL = "control-1"


def evaluate_control(
    *,
    clips: int = 32,
    seed: int = 0,
    steps: int | None = None,
    adapters: Sequence[str] = ("tokenmotion",),
    out: str | Path | None = None,
    progress: bool = True,
    pipeline: str | Path = "mini",
    judge: str | Path | None = None,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """Measures how well generated videos follow the scene they were given.

    PCK@0.1H over shoulders, elbows, wrists, hips, knees and ankles that are visible and in the picture; H is
    the standing height, head joint to foot, as it would appear at the pelvis's depth (metrics/pck.py); what is
    not detected is wrong. IoU compares the keypoint network's silhouette with the exact mask. Figures are means
    over clips.

    Args:
        clips: how many, at least 2.
        seed: of clips, films, generated videos and shuffling.
        steps: denoising steps; the pipeline's default where None.
        adapters: control adapters to judge, one after the other, on the same clips.
        out: folder for `control.json` (every clip, intervals, gates, settings) and a picture per adapter.
        progress: bars, and the figures with gates, on stderr.
        pipeline: `mini`, or a folder of weights.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.

    Returns:
        Per adapter: clips, pck, pck_shuffled, pck_frozen, pck_roundtrip, pck_render by the keypoint network,
        `mediapipe` (the same and `detected`; a sentence that says why where it was skipped) and `iou`
        (generated, shuffled, frozen, roundtrip).

    Raises:
        FileNotFoundError: no motion library, no weights or no judge.
        ValueError: fewer than two clips, no adapter, not enough clips that move, or another family than mini.
    """
    if not adapters:
        raise ValueError("name at least one adapter to evaluate")
    shuffle = derangement(clips, seed)
    network = KeypointNetworkJudge(judge)
    judges, absent = _judges(network)
    motions = MotionLibrary.open(library)
    pipe = load_pipeline(pipeline, adapters=tuple(adapters[:1]))
    if not hasattr(pipe, "autoencoder"):
        raise ValueError(
            f"{pipeline}: this protocol's clips and judges are of mini's stage; give mini, or a folder of it"
        )
    form: dict[str, Any] = {"size": pipe.size, "fps": pipe.fps, "frames": pipe.video_format.frames}
    chosen = choose_clips(motions, clips, seed=seed, progress=progress, **form)
    floors = {
        "render": [clip.video for clip in chosen],
        "roundtrip": [round_trip(pipe.autoencoder, clip.video) for clip in chosen],
        "frozen": [np.repeat(clip.video[:1], len(clip.video), axis=0) for clip in chosen],
    }
    watched = {
        name: figures.watch(videos, judges, network, description=f"judging {name}", progress=progress)
        for name, videos in floors.items()
    }
    report: dict[str, Any] = {
        "protocol": PROTOCOL,
        "kinema": kinema.__version__,
        "settings": {
            **form,
            "clips": clips,
            "seed": seed,
            "steps": steps,
            "alpha": figures.ALPHA,
            "keypoints": COMMON_NAMES,
            "frozen_limit": FROZEN_LIMIT,
        },
        "judges": {each.name: each.settings() for each in judges} | ({"mediapipe": absent} if absent else {}),
        "adapters": {},
    }
    results: dict[str, Any] = {}
    for index, adapter in enumerate(adapters):
        if index:
            pipe = load_pipeline(pipeline, adapters=(adapter,))
        videos = generate(pipe, chosen, steps, progress)
        watched["generated"] = figures.watch(
            videos, judges, network, description="judging generated", progress=progress
        )
        scores = figures.score(watched, chosen, shuffle)
        detected = figures.detection(watched)
        gates = figures.control_gates(scores)
        results[adapter] = figures.summarise(scores, detected, absent)
        report["adapters"][adapter] = {
            "figures": results[adapter],
            "intervals": figures.intervals(scores),
            "detected": detected,
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in gates],
            "weights": {name: _hash(part) for name, part in pipe.components.items() if _has_weights(part)},
            "clips": figures.per_clip(chosen, scores, shuffle),
        }
        if progress:
            print(figures.table(adapter, scores, detected, gates), file=sys.stderr)
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            _picture(chosen, floors["roundtrip"], videos, Path(out) / f"{adapter}.png")
    if out is not None:
        with atomic_write(Path(out) / "control.json") as path:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return results


@torch.no_grad()
def round_trip(autoencoder: nn.Module, video: np.ndarray) -> np.ndarray:
    """A video, uint8 [T, H, W, 3], after the autoencoder: the best that any generator on it can do."""
    pixels = torch.from_numpy(video.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
    decoded = autoencoder.decode(autoencoder.encode(pixels).latent_dist.mode()).sample[0]
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).numpy()


def generate(
    pipe: KinemaPipeline, clips: Sequence[ControlClip], steps: int | None, progress: bool = False
) -> list[np.ndarray]:
    """The pipeline's video of each clip's scene, uint8 [T, H, W, 3]; noise seeds are the clip numbers."""
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    pipe.set_progress_bar_config(disable=True)
    videos = []
    for number, clip in enumerate(tqdm(clips, desc="generating", unit="clip", disable=not progress)):
        made = pipe(
            prompt=clip.film.caption,
            image=clip.film.reference,
            scene=clip.film.scene,
            frames=len(clip.video),
            seed=number,
            **options,
        )
        videos.append(made.frames)
    return videos


def _judges(network: KeypointNetworkJudge) -> tuple[list[PoseJudge], str]:
    """The pose judges there are, and why MediaPipe is not among them ("" where it is)."""
    try:
        return [network, MediaPipePose()], ""
    except JudgeUnavailable as error:
        return [network], f"skipped: {error}"


def _picture(
    clips: Sequence[ControlClip], restored: Sequence[np.ndarray], made: Sequence[np.ndarray], path: Path
) -> None:
    """Eight clips: the reference, then five moments each of render, round trip and generated video."""
    rows = []
    for clip, after, video in list(zip(clips, restored, made, strict=True))[:8]:
        moments = np.linspace(0, len(video) - 1, 5).astype(int)
        rows.append(
            np.concatenate([clip.film.reference, *clip.video[moments], *after[moments], *video[moments]], 1)
        )
    with atomic_write(path) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def _has_weights(part: Any) -> bool:
    return isinstance(part, nn.Module)


def _hash(module: nn.Module) -> str:
    """sha256 over names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
