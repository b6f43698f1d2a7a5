"""Is the control followed? Unseen motions, judges of pose and camera, each beside its floors and its zeros.

Floors: the render itself, and its round trip through the autoencoder (the generator's ceiling). Zeros: the
render's first frame held still, and the generated video judged against the scene of another clip.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

import kinema
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.baselines import Baseline
from kinema.evaluation.judges.camera import JUDGES
from kinema.evaluation.judges.judge import COMMON_NAMES, PoseJudge
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import JudgeUnavailable, MediaPipePose
from kinema.evaluation.protocols import bench as bench_protocol
from kinema.evaluation.protocols import control_scores as figures
from kinema.evaluation.protocols.control_camera import Cameras, Errors, camera_figures, headline, turning
from kinema.evaluation.protocols.control_clips import FROZEN_LIMIT, ControlClip, choose_clips
from kinema.evaluation.protocols.control_joint import joint_control
from kinema.evaluation.protocols.control_ladder import NearestClips, ladder
from kinema.evaluation.protocols.pipelines import film_form, generate, load_system, round_trip, sampling
from kinema.evaluation.statistics import derangement
from kinema.scene.formats.files import atomic_write
from kinema.video.registry import EMBEDDED

PROTOCOL = "control-5"


def evaluate_control(
    *,
    clips: int = 32,
    joint: int = 16,
    bases: int = 4,
    seed: int = 0,
    steps: int | None = None,
    adapters: Sequence[str] = ("tokenmotion",),
    out: str | Path | None = None,
    progress: bool = True,
    pipeline: str | Path = EMBEDDED,
    judge: str | Path | None = None,
    library: str | Path | None = None,
    write_video: Callable[[Path, np.ndarray, float], Any] | None = None,
) -> dict[str, Any]:
    """Measures how well generated videos follow the scene they were given.

    PCK@0.1H over shoulders, elbows, wrists, hips, knees and ankles that are visible and in the picture; H is
    the standing height, head joint to foot, as it would appear at the pelvis's depth (metrics/pck.py); what is
    not detected is wrong. IoU compares the keypoint network's silhouette with the exact mask. Figures are means
    over clips.

    Args:
        clips: how many, at least 2.
        joint: how many of them are also made with pose alone, camera alone and neither; 0 for none.
        bases: of the disentanglement matrix, see `evaluate_bench`; 0 leaves it out.
        seed: of clips, films, generated videos and shuffling.
        steps: denoising steps; the pipeline's default where None.
        adapters: control adapters to judge, one after the other, on the same clips; several joined by a comma work
            together (`mosa,tokenmotion:camera`). Baselines among them (`plates`) are judged alike, without gates and
            `joint`: there is nothing that one signal could cost the other.
        out: folder for `control.json` (every clip, intervals, gates, settings), a picture per adapter and, where
            `write_video` is given, `videos/`: a folder per adapter and floor, for `kinema compare`.
        progress: bars, and the figures with gates, on stderr.
        pipeline: a backbone that `kinema models` lists, or a folder of weights.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.
        write_video: (path ending in .mp4, frames uint8 [T, H, W, 3], frames per second), from who has a codec.

    Returns:
        Per adapter: clips, pck, pck_shuffled, pck_frozen, pck_roundtrip, pck_render by the keypoint network,
        `mediapipe` (the same and `detected`; a sentence that says why where it was skipped) and `iou`
        (generated, shuffled, frozen, roundtrip); takes, camera_rotation_deg, camera_rotation_floor_deg (of the round
        trip) and `camera` (protocols/control_camera.py); `joint` (control_joint.py), `ladder` (control_ladder.py),
        and leak_max with `bench` (bench.py).

    Raises:
        FileNotFoundError: no motion library, no weights or no judge.
        ValueError: fewer than two clips, one base, no adapter or an unknown one, or not enough clips that move.
    """
    if not adapters:
        raise ValueError("name at least one adapter to evaluate")
    if bases == 1:
        raise ValueError("the disentanglement matrix needs at least two bases, or none")
    shuffle = derangement(clips, seed)
    network = KeypointNetworkJudge(judge)
    judges, absent = _judges(network)
    motions = MotionLibrary.open(library)
    system = load_system(pipeline, adapters[0])
    model = system.video_model
    form = film_form(model)
    bars: dict[str, Any] = {"progress": progress}
    chosen = choose_clips(motions, clips, seed=seed, **form, **bars)
    few = chosen[:joint]
    floors = {
        "render": [clip.video for clip in chosen],
        "roundtrip": [round_trip(model, clip.video) for clip in chosen],
        "frozen": [np.repeat(clip.video[:1], len(clip.video), axis=0) for clip in chosen],
    }
    if out is not None and write_video is not None:
        for name, videos in floors.items():
            _write(videos, chosen, Path(out) / "videos" / name, write_video, model.form.fps)
    watched = {
        name: figures.watch(videos, judges, network, description=f"judging {name}", **bars)
        for name, videos in floors.items()
    }
    errors: dict[str, Errors] = {}
    turns = np.ones(clips, bool)
    for name in ("roundtrip", "render", "frozen"):
        found = Cameras.find(
            floors[name],
            watched[name].silhouettes,
            chosen,
            only=turns,
            description=f"cameras, {name}",
            **bars,
        )
        errors[name] = found.errors(chosen)
        if name == "roundtrip":
            turns = turning(chosen, errors[name])
    nearest = NearestClips.film(motions, few, network, **bars) if few else None
    bench = None
    if bases:
        bench = bench_protocol.Bench.prepare(
            motions,
            model,
            network,
            bases=bases,
            seed=seed,
            renders=False,
            judges=JUDGES[:1],
            **form,
            **bars,
        )
    report: dict[str, Any] = {
        "protocol": PROTOCOL,
        "kinema": kinema.__version__,
        "settings": {
            **form,
            "clips": clips,
            "joint": len(few),
            "bases": bases,
            "seed": seed,
            **sampling(model, steps),
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
            system = load_system(pipeline, adapter)
        videos = generate(system, chosen, steps, progress)
        watched["generated"] = figures.watch(
            videos, judges, network, description="judging generated", progress=progress
        )
        found = Cameras.find(videos, watched["generated"].silhouettes, chosen, description="cameras", **bars)
        scores = figures.score(watched, chosen, shuffle)
        detected = figures.detection(watched)
        cameras = camera_figures(found, errors, chosen, turns, seed)
        results[adapter] = figures.summarise(scores, detected, absent) | {
            "takes": len(chosen),
            **headline(cameras),
            "leak_max": None,
            "camera": cameras,
        }
        details: dict[str, Any] = {}
        if few and not isinstance(system, Baseline):
            both = joint_control(
                system, few, network, turns[:joint], both=videos[:joint], steps=steps, progress=progress
            )
            assert nearest is not None
            results[adapter]["joint"] = both
            results[adapter]["ladder"] = ladder(scores, nearest, both, len(few))
        if bench is not None:
            matrix = bench.judge(system, steps, progress)
            results[adapter]["bench"] = bench_protocol.summary(matrix)
            results[adapter]["leak_max"] = results[adapter]["bench"]["leak_max"]
            details["bench"] = bench_protocol.details(matrix)
        gates = []
        if not isinstance(system, Baseline):
            gates = figures.control_gates(scores) + figures.aims(results[adapter])
        report["adapters"][adapter] = {
            "figures": results[adapter],
            "intervals": figures.intervals(scores, figures.motions(chosen)),
            "detected": detected,
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in gates],
            "weights": {name: _hash(part) for name, part in system.components.items() if _has_weights(part)},
            "clips": figures.per_clip(chosen, scores, shuffle),
            "cameras": _per_clip_cameras(chosen, {**errors, "generated": found.errors(chosen)}, turns),
            **details,
        }
        if progress:
            print(figures.table(adapter, scores, figures.motions(chosen), detected, gates), file=sys.stderr)
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            name = adapter.replace(":", "_")
            _picture(chosen, floors["roundtrip"], videos, Path(out) / f"{name}.png")
            if write_video is not None:
                _write(videos, chosen, Path(out) / "videos" / name, write_video, model.form.fps)
            with atomic_write(
                Path(out) / "control.json"
            ) as path:  # each time anew: a long run may be stopped
                path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return results


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


def _write(
    videos: Sequence[np.ndarray],
    clips: Sequence[ControlClip],
    folder: Path,
    write_video: Callable[[Path, np.ndarray, float], Any],
    fps: float,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (video, clip) in enumerate(zip(videos, clips, strict=True)):
        write_video(folder / f"{number:03d}_{clip.film.clip_id.replace('/', '_')}.mp4", video, fps)


def _per_clip_cameras(
    clips: Sequence[ControlClip], errors: dict[str, Errors], turns: np.ndarray
) -> list[dict[str, Any]]:
    """Rotation errors in degrees of every take, by judge and kind of video."""
    return [
        {
            "clip": clip.film.clip_id,
            "counts": bool(turns[index]),
            **{
                judge.name: {
                    name: round(found.rotation_deg, 3)
                    for name, each in errors.items()
                    if (found := each[judge.name][index]) is not None
                }
                for judge in JUDGES
            },
        }
        for index, clip in enumerate(clips)
    ]


def _has_weights(part: Any) -> bool:
    return isinstance(part, nn.Module)


def _hash(module: nn.Module) -> str:
    """sha256 over names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
