"""Does motion made from text do what it was told, and does it look real? `kinema evaluate motion`.

First what can be measured: sides, metres, constraints, feet, jerk. Then what only a learned judge can say, beside real
motion and worthless baselines. The figures are on our own data: never put them beside HumanML3D's tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

import kinema
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.motion_matcher import MotionMatcherJudge
from kinema.evaluation.metrics import motion as measure
from kinema.evaluation.metrics.nearest_motion import MotionNeighbours, limb_directions
from kinema.evaluation.protocols import motion_constraints, motion_prompts, motion_retrieval
from kinema.evaluation.protocols.motion_report import gates, plain, summary
from kinema.evaluation.protocols.motion_retrieval import CaptionedClip, Made
from kinema.motion.generator import MotionGenerator
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.scene.formats.files import atomic_write
from kinema.scene.motion import Motion

PROTOCOL = "motion-1"
SPLITS = ("test", "test_combo")
"""Unseen clips of what was trained on; and pairs of content and style that were never trained on together."""

_PHYSICS = {
    "slide": measure.slide_share,
    "slide_speed": measure.slide_speed,
    "jerk": measure.jerk,
    "jerk_peak": measure.peak_jerk,
    "penetration": measure.penetration,
    "bone_spread": measure.bone_spread,
}


def evaluate_motion(
    generator: MotionGenerator,
    *,
    clips: int = 64,
    seeds: int = 3,
    seed: int = 0,
    constrained: int = 16,
    judge: str | Path | None = None,
    library: str | Path | None = None,
    text_encoder: TextEncoder | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measures a generator of human motion.

    Args:
        generator: what is measured, with its own settings. It speaks SMPL24_MOTION, as the library's clips do.
        clips: of each of SPLITS, at least 2.
        seeds: motions of each prompt and clip.
        seed: chooses clips, captions, pools and shuffling.
        constrained: clips whose ends, path and wrists are given as constraints.
        judge: folder of a motion judge; the one in the package where None. Without one its figures are a sentence.
        library: folder of the motion library; its default place where None.
        text_encoder: of judge and nearest captions; the embedded one where None.
        out: folder for `motion.json`: every prompt and clip, intervals, gates, settings, hashes.
        progress: a bar on stderr.

    Returns:
        The figures of the last line of `kinema evaluate motion --json`, see docs/evaluation_motion.md.

    Raises:
        FileNotFoundError: no motion library.
        ValueError: fewer than two clips or no seed, the library has too few clips, or another representation.
    """
    if clips < 2 or seeds < 1:
        raise ValueError(f"{clips} clips and {seeds} seeds; give at least two clips and one seed")
    if generator.representation != SMPL24_MOTION:
        raise ValueError(
            f"{generator.representation!r} cannot be measured here: the clips are of SMPL-24 at 20 fps"
        )
    motions = MotionLibrary.open(library)
    chosen = {split: motion_retrieval.choose(motions, split, clips, seed) for split in SPLITS}
    examples = [
        motion_constraints.Example(test.clip.id, test.caption, test.real)
        for test in chosen["test"]
        if motion_constraints.long_enough(test.real)
    ][:constrained]
    count = seeds * (
        len(list(motion_prompts.questions()))
        + len(motion_constraints.SEQUENCES)
        + len(motion_constraints.TRACKS)
        + sum(map(len, chosen.values()))
    )
    with tqdm(total=count + 3 * len(examples), unit="motion", disable=not progress) as bar:
        asked = motion_prompts.ask(generator, seeds, bar.update)
        held = motion_constraints.constrained(generator, examples, bar.update)
        borders = motion_constraints.transitions(generator, seeds, bar.update)
        tracks = motion_constraints.tracks(generator, seeds, bar.update)
        made = {
            split: motion_retrieval.generate(generator, some, seeds, bar.update)
            for split, some in chosen.items()
        }
    retrieved = _retrieve(generator, motions, chosen, made, judge, text_encoder, seed)
    report: dict[str, Any] = {
        "protocol": PROTOCOL,
        "kinema": kinema.__version__,
        "settings": {
            "clips": clips,
            "seeds": seeds,
            "seed": seed,
            **generator.settings(),
        },
        "weights": weights_sha256(generator.networks()),
        "prompts": asked,
        "prompts_real": motion_prompts.ask_real(motions.split("test")),
        "constraints": held,
        "transitions": borders,
        "tracks": tracks,
        "transitions_real": motion_constraints.captured_transitions(motions),
        "stream": motion_constraints.streamed(generator),
        "clips": {split: _per_clip(chosen[split], made[split]) for split in SPLITS},
        "memorisation": _memorisation(motions, chosen["test"], made["test"]),
        **retrieved,
    }
    figures = summary(report)
    report |= {
        "figures": figures,
        "gates": [{**asdict(gate), "passed": gate.passed} for gate in gates(figures)],
    }
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        with atomic_write(Path(out) / "motion.json") as path:
            path.write_text(json.dumps(plain(report), indent=1) + "\n", encoding="utf-8")
    return figures


def weights_sha256(networks: Mapping[str, nn.Module]) -> str:
    """sha256 over names and values of all weights."""
    digest = hashlib.sha256()
    for network in networks.values():
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def physics(motion: Motion) -> dict[str, float]:
    """What can be measured of how a motion looks, by name; see metrics/motion.py."""
    return {name: float(function(motion)) for name, function in _PHYSICS.items()}


def _retrieve(
    generator: MotionGenerator,
    motions: MotionLibrary,
    chosen: dict[str, list[CaptionedClip]],
    made: dict[str, Made],
    judge: str | Path | None,
    text_encoder: TextEncoder | None,
    seed: int,
) -> dict[str, Any]:
    """What the learned judge says of each split; "judge" is a sentence where there is none."""
    encoder = text_encoder or default_text_encoder()
    try:
        judging = MotionMatcherJudge(judge, encoder)
    except FileNotFoundError as error:
        return {"judge": f"skipped: {error}", "retrieval": {}, "judged": {}}
    others = motion_retrieval.one_of_each(motions, *SPLITS)
    found, judged = {}, {}
    mean = generator.mean_features()
    for split, clips in chosen.items():
        nearest = motion_retrieval.nearest_clips(
            motions,
            [test.caption for test in clips],
            lambda texts: motion_retrieval.sentence_vectors(encoder, texts),
            seed,
        )
        sets = {
            "generated": list(made[split].values()),
            "real": [[test.real for test in clips]],
        }
        if mean is not None:
            still = partial(motion_retrieval.mean_pose, generator.representation, mean)
            sets["mean_pose"] = [[still(test.real.frames) for test in clips]]
        sets["nearest_train"] = [[SMPL24_MOTION.on_neutral_body(clip.motion()) for clip in nearest]]
        verdict = motion_retrieval.judge_motions(judging, clips, sets, others, seed)
        found[split] = motion_retrieval.figures(verdict)
        judged[split] = {test.clip.id: verdict.of_clip(index) for index, test in enumerate(clips)}
    return {"judge": judging.settings(), "retrieval": found, "judged": judged}


def _per_clip(clips: Sequence[CaptionedClip], made: Made) -> list[dict[str, Any]]:
    """Physics of each clip and of every motion generated for it."""
    return [
        {
            "clip": test.clip.id,
            "caption": test.caption,
            "seconds": round(test.real.duration, 2),
            "real": physics(test.real),
            "generated": [physics(motions[index]) for motions in made.values()],
        }
        for index, test in enumerate(clips)
    ]


def _memorisation(motions: MotionLibrary, clips: Sequence[CaptionedClip], made: Made) -> list[dict[str, Any]]:
    """How near each real and each generated motion is to the training split, mean angle of limbs in degrees."""
    train = list(motions.split("train"))
    neighbours = MotionNeighbours(limb_directions(clip.joints(), clip.fps) for clip in train)
    rows = []
    for index, test in enumerate(clips):
        real = neighbours.nearest(limb_directions(test.real.joints, test.real.fps))
        found = [neighbours.nearest(limb_directions(m[index].joints, m[index].fps)) for m in made.values()]
        rows.append(
            {
                "clip": test.clip.id,
                "real": real[1],
                "generated": [degrees for _, degrees in found],
                "nearest": [train[place].id for place, _ in found],
            }
        )
    return rows
