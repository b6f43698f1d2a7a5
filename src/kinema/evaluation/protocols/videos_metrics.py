"""The metrics of single clips: pictures against pictures, and the user's networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from kinema.evaluation.features.picture_networks import Lpips
from kinema.evaluation.features.weights import Weights
from kinema.evaluation.metrics import background, image, legacy
from kinema.evaluation.protocols.videos_manifest import Known
from kinema.evaluation.protocols.videos_metric import Better, ClipMetric, Rung, Score
from kinema.evaluation.protocols.videos_person import person_metrics
from kinema.evaluation.protocols.videos_seen import Seen

PictureScore = Callable[[np.ndarray, np.ndarray], float]


def clip_metrics(
    judge: Mapping[str, Any], threshold: float, weights: Mapping[str, Weights], *, legacy_modes: bool = False
) -> list[ClipMetric]:
    """All metrics of single clips.

    Args:
        judge: the keypoint network's settings.
        threshold: its confidence that loses 1 % of the reference's keypoints; NaN without a reference.
        weights: the user's.
        legacy_modes: the TikTok scripts' mistakes as well.
    """
    metrics = [*_pictures(), *person_metrics(judge, threshold), *_networks(weights)]
    if legacy_modes:
        metrics += _legacy()
    if {"vgg16", "lpips-vgg"} <= set(weights):
        metrics += _lpips(weights, legacy_modes)
    return metrics


def _pictures() -> list[ClipMetric]:
    cap = background.CAP
    rows: list[tuple[str, str, Better, PictureScore, dict[str, Any], str, str]] = [
        (
            "psnr",
            "rgb",
            "higher",
            lambda a, b: min(image.psnr(a, b), cap),
            {"cap": cap},
            "dB",
            "How near each pixel is to the reference; mean over frames, each at most 100 dB.",
        ),
        (
            "l1",
            "rgb",
            "lower",
            image.l1,
            {},
            "",
            "Mean absolute difference to the reference, as a share of the range.",
        ),
        *(
            (
                "ssim",
                variant,
                "higher",
                partial(image.ssim, variant=variant),
                {"mean": "colours, pixels, frames"},
                "",
                f"Structural similarity with the reference, {variant} windows, mean over colours and frames.",
            )
            for variant in image.SSIM_VARIANTS
        ),
    ]
    return [
        ClipMetric(
            base,
            variant,
            better,
            says,
            framewise(score),
            {"data_range": 255, "mean": "frames"} | settings,
            needs=frozenset({"reference"}),
            tells=("round trip", "shuffled", "frozen"),
            unit=unit,
        )
        for base, variant, better, score, settings, unit, says in rows
    ]


def _legacy() -> list[ClipMetric]:
    rows: list[tuple[str, str, Better, PictureScore, str]] = [
        (
            "psnr",
            "disco-uint8-overflow",
            "",
            legacy.psnr_disco_uint8_overflow,
            "PSNR whose squares wrap at 256.",
        ),
        (
            "l1",
            "disco-twice",
            "",
            legacy.l1_disco_twice,
            "L1 in levels, divided by the number of pixels once more.",
        ),
        (
            "ssim",
            "disco-grey-uniform-7",
            "higher",
            legacy.ssim_disco_grey,
            "SSIM of grey pictures, 7x7 windows.",
        ),
    ]
    return [
        ClipMetric(
            base,
            variant,
            better,
            f"As the script behind TikTok tables has it, for reading those only. {says}",
            framewise(function),
            {"after": "DisCo ssim_l1_lpips_psnr.py", "mean": "frames"},
            needs=frozenset({"reference"}),
        )
        for base, variant, better, function, says in rows
    ]


def _networks(weights: Mapping[str, Weights]) -> list[ClipMetric]:
    still: tuple[Rung, ...] = ("frozen",)
    sharp: tuple[Rung, ...] = ("blurred",)
    cosine = "cosine to the frame before and the first. Static output wins."
    rows: list[tuple[str, str, str, Better, tuple[Rung, ...], str]] = [
        ("clip", "clipsim", "clip", "higher", sharp, "Mean cosine of frames and prompt."),
        ("clip", "background-consistency", "vbench-clip", "higher", still, f"VBench: CLIP's {cosine}"),
        ("dino", "subject-consistency", "vbench-dino", "higher", still, f"VBench: DINO's {cosine}"),
        (
            "interpolator",
            "motion-smoothness",
            "vbench-interpolation",
            "higher",
            still,
            "VBench: how well odd frames follow from their neighbours. Static output wins.",
        ),
        ("flow", "dynamic-degree", "vbench-flow", "", (), "VBench: 1 where enough steps move fast, else 0."),
        ("quality", "imaging-quality", "vbench-quality", "higher", sharp, "VBench: picture quality, 0 to 1."),
    ]
    return [
        ClipMetric(
            base,
            variant,
            better,
            says,
            partial(_figure, base),
            {"weights": weights[name].sha256},
            needs=frozenset({"prompt"}) if base == "clipsim" else frozenset(),
            tells=tells,
        )
        for name, base, variant, better, tells, says in rows
        if name in weights
    ]


def _lpips(weights: Mapping[str, Weights], legacy_modes: bool) -> list[ClipMetric]:
    network = Lpips.load(weights["vgg16"], weights["lpips-vgg"])
    hashes = {"vgg16": weights["vgg16"].sha256, "linear": weights["lpips-vgg"].sha256, "mean": "frames"}
    modes = [("vgg", True, "LPIPS v0.1 with VGG16, pictures in [-1, 1].")]
    if legacy_modes:
        modes.append(
            ("disco-vgg-unscaled", False, "LPIPS with VGG16 fed pictures in [0, 1], as DisCo's script does.")
        )
    return [
        ClipMetric(
            "lpips",
            variant,
            "lower",
            says,
            partial(_distance, network, rescaled),
            hashes,
            needs=frozenset({"reference"}),
            tells=("round trip", "shuffled", "frozen"),
        )
        for variant, rescaled, says in modes
    ]


def framewise(score: PictureScore) -> Score:
    """Mean over frames of a picture metric, in float64."""

    def mean(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        return float(np.mean([score(a, b) for a, b in zip(made.frames(), true.frames(), strict=True)]))

    return mean


def _figure(name: str, made: Seen, true: Seen | None, known: Known) -> float:
    return made.figures[name]


def _distance(network: Lpips, rescaled: bool, made: Seen, true: Seen | None, known: Known) -> float:
    assert true is not None
    return network(made.frames(), true.frames(), rescaled)
