"""Across body shapes: the character has another body than the driver. Is the motion taken over, or the body too?

The generator is told the driver's motion and shown a character of other proportions. What it should make is the
character doing what the driver does: the motion retargeted. A method that is aligned pixel by pixel with the driver's
skeleton draws the driver's proportions instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.judge import Sighting
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips, keypoint_truth
from kinema.evaluation.protocols.control_scores import ALPHA
from kinema.evaluation.protocols.pipelines import film_form, load_system, round_trip, sampling
from kinema.evaluation.protocols.staging import Setting, Staged, generate_staged, stage
from kinema.evaluation.statistics import clip_bootstrap, paired_bootstrap
from kinema.scene.formats.files import atomic_write
from kinema.scene.skeleton import Skeleton
from kinema.video.registry import EMBEDDED

PROTOCOL = "shapes-1"
BODIES: dict[str, dict[str, float]] = {
    "short legs": {"legs": 0.72, "spine": 1.12},
    "long legs": {"legs": 1.25, "spine": 0.9},
    "short": {"legs": 0.75, "spine": 0.8, "arms": 0.75},
    "tall": {"legs": 1.18, "spine": 1.15, "arms": 1.18},
}
"""Lengths of the character's bones relative to the driver's."""
_BONES = {
    "legs": (4, 5, 7, 8),  # thighs and shins, by the joint that they end in
    "spine": (3, 6, 9, 12, 15),
    "arms": (18, 19, 20, 21),
}
_LIMBS = ((0, 2), (2, 4), (1, 3), (3, 5), (6, 8), (8, 10), (7, 9), (9, 11))  # pairs of the common keypoints


def other_body(skeleton: Skeleton, body: str) -> Skeleton:
    """The skeleton with bones of other lengths.

    Args:
        skeleton: SMPL-24.
        body: one of BODIES.
    """
    lengths = np.array(skeleton.bone_lengths)
    for group, factor in BODIES[body].items():
        lengths[list(_BONES[group])] *= factor
    return skeleton.with_bone_lengths(lengths)


def mismatched(clip: ControlClip, body: str, seed: int = 0) -> tuple[Staged, Staged]:
    """(character, driver): the retargeted motion on film with the reference of the character, and the driver's own.

    The first is told the driver's motion (`Setting.command`); camera, studio and clothes are the same for both.
    """
    scene = clip.film.take.scene
    motion, camera = scene.people[0], scene.camera
    assert camera is not None  # it was filmed
    retargeted = motion.retarget(other_body(motion.skeleton, body))
    driver = Setting(motion, camera, clip.film.actor, clip.film.world, clip.film.caption, seed)
    return stage(replace(driver, motion=retargeted, command=motion)), stage(driver)


def limb_lengths(points: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Lengths of upper arms, forearms, thighs and shins in the picture, in heights, [T, 8].

    Args:
        points: the common keypoints, pixels [T, 12, 2], NaN where missing.
        height: of the person in the picture, pixels, [T].
    """
    ends = np.array(_LIMBS)
    return np.linalg.norm(points[:, ends[:, 1]] - points[:, ends[:, 0]], axis=-1) / height[:, None]


def evaluate_shapes(
    *,
    clips: int = 16,
    seed: int = 0,
    steps: int | None = None,
    adapters: Sequence[str] = ("tokenmotion",),
    out: str | Path | None = None,
    progress: bool = True,
    pipeline: str | Path = EMBEDDED,
    judge: str | Path | None = None,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """How well characters of another build take over a driver's motion.

    Args:
        clips: how many takes; those of `evaluate_control`, with the bodies of BODIES in turn.
        seed: of takes and noise.
        steps: denoising steps; the pipeline's default where None.
        adapters: control methods; several joined by a comma work together.
        out: folder for `shapes.json`, clip by clip.
        progress: bars on stderr.
        pipeline: a backbone that `kinema models` lists, or a folder of weights.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.

    Returns:
        For `roundtrip` (of the retargeted render), `driver` (the round trip of the driver's own: what following the
        driver pixel by pixel is worth) and each adapter: pck, iou against the retargeted motion; pck_driver and
        iou_driver against the driver's; `retargeting`: iou minus iou_driver, above 0 where the video is nearer to the
        character's body than to the driver's; limb_error against the character's limbs, in heights.

    Raises:
        FileNotFoundError: no motion library, no weights or no judge.
        ValueError: no adapter or an unknown one, or not enough clips that move.
    """
    if not adapters:
        raise ValueError("name at least one adapter to evaluate")
    network = KeypointNetworkJudge(judge)
    motions = MotionLibrary.open(library)
    system = load_system(pipeline, adapters[0])
    model = system.video_model
    form = film_form(model)
    takes = choose_clips(motions, clips, seed=seed, progress=progress, **form)
    bodies = [list(BODIES)[number % len(BODIES)] for number in range(clips)]
    films = [
        mismatched(clip, body, number) for number, (clip, body) in enumerate(zip(takes, bodies, strict=True))
    ]
    characters, drivers = [film for film, _ in films], [film for _, film in films]
    scores = {
        "roundtrip": _score([round_trip(model, film.take.rgb) for film in characters], films, network),
        "driver": _score([round_trip(model, film.take.rgb) for film in drivers], films, network),
    }
    for index, adapter in enumerate(adapters):
        if index:
            system = load_system(pipeline, adapter)
        scores[adapter] = _score(
            generate_staged(system, characters, steps, progress=progress), films, network
        )
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        report = {
            "protocol": PROTOCOL,
            "kinema": kinema.__version__,
            "settings": {**form, "clips": clips, "seed": seed, **sampling(model, steps), "bodies": BODIES},
            "judges": {network.name: network.settings()},
            "systems": {
                name: {
                    "intervals": {key: asdict(clip_bootstrap(each)) for key, each in values.items()}
                    | {"retargeting": asdict(paired_bootstrap(values["iou"], values["iou_driver"]))},
                    "clips": [
                        {"clip": clip.film.clip_id, "body": body}
                        | {key: round(float(each[number]), 4) for key, each in values.items()}
                        for number, (clip, body) in enumerate(zip(takes, bodies, strict=True))
                    ],
                }
                for name, values in scores.items()
            },
        }
        with atomic_write(Path(out) / "shapes.json") as path:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return {name: {"clips": clips, **_summary(values)} for name, values in scores.items()}


def table(results: dict[str, Any]) -> str:
    """The figures as text."""
    columns = ("pck", "pck_driver", "iou", "iou_driver", "retargeting", "limb_error")
    lines = [f"{'':<24}" + "".join(f"{column:>13}" for column in columns)]
    for name, figures in results.items():
        lines.append(f"{name:<24}" + "".join(f"{figures[column]:>13.3f}" for column in columns))
    return "\n".join(lines)


def _score(
    videos: Sequence[np.ndarray], films: Sequence[tuple[Staged, Staged]], network: KeypointNetworkJudge
) -> dict[str, np.ndarray]:
    rows: list[dict[str, float]] = []
    for video, (character, driver) in zip(videos, films, strict=True):
        sighting, silhouette = network.watch_all(video)
        truth, other = keypoint_truth(character.take), keypoint_truth(driver.take)
        rows.append(
            {
                "pck": pck(sighting.points, truth, ALPHA),
                "pck_driver": pck(sighting.points, other, ALPHA),
                "iou": silhouette_iou(silhouette, character.take.person_mask),
                "iou_driver": silhouette_iou(silhouette, driver.take.person_mask),
                "limb_error": _limb_error(sighting, character),
            }
        )
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _limb_error(sighting: Sighting, film: Staged) -> float:
    """Mean over limbs of how far their median length over the video is from the true one, in heights."""
    truth = keypoint_truth(film.take)
    seen = np.where(truth.counted[..., None], sighting.points, np.nan)
    wanted = np.where(np.isfinite(seen), truth.points, np.nan)
    made, true = limb_lengths(seen, truth.height), limb_lengths(wanted, truth.height)
    known = np.isfinite(made).any(0)
    if not known.any():
        return float("nan")
    return float(np.abs(np.nanmedian(made[:, known], axis=0) - np.nanmedian(true[:, known], axis=0)).mean())


def _summary(values: dict[str, np.ndarray]) -> dict[str, float]:
    means = {key: round(float(np.nanmean(each)), 4) for key, each in values.items()}
    return means | {"retargeting": round(means["iou"] - means["iou_driver"], 4)}
