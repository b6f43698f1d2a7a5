"""What a metric is: one value a clip or a set, its name with its hash, what it needs and must be able to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from kinema.evaluation.features.extractor import FeatureExtractor, metric_name
from kinema.evaluation.protocols.videos_manifest import Known
from kinema.evaluation.protocols.videos_seen import Seen

Better = Literal["higher", "lower", ""]
Need = Literal["reference", "parts", "scene", "prompt"]
Rung = Literal["round trip", "shuffled", "frozen", "blurred"]
Score = Callable[[Seen, Seen | None, Known], float]


@dataclass(frozen=True)
class ClipMetric:
    """A metric with one value a clip.

    Args:
        base: what is measured.
        variant: which of the ways to measure it.
        better: which way is better; empty for figures that only describe.
        says: one sentence for the report.
        score: of the video, the reference and what the manifest knows; NaN where it cannot be measured.
        settings: all that the value depends on; the name's hash is taken over it.
        needs: what there must be.
        tells: rungs of the sanity ladder that it must tell from the ground truth to be admitted.
        unit: of the value.
    """

    base: str
    variant: str
    better: Better
    says: str
    score: Score
    settings: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[Need] = frozenset()
    tells: tuple[Rung, ...] = ()
    unit: str = ""

    @property
    def name(self) -> str:
        """`psnr[rgb@1f2e3d4c]`."""
        return metric_name(
            self.base, self.variant, {"metric": self.base, "variant": self.variant} | self.settings
        )

    @property
    def label(self) -> str:
        """The name without its hash."""
        return f"{self.base}[{self.variant}]"


@dataclass(frozen=True)
class SetMetric:
    """A Fréchet distance between two sets of videos.

    Args:
        extractor: whose features.
        says: one sentence for the report.
    """

    extractor: FeatureExtractor
    says: str
    better: Better = "lower"

    @property
    def name(self) -> str:
        """`frechet[space-time@1f2e3d4c]`."""
        return metric_name(self.extractor.metric, self.extractor.name, self.extractor.settings())

    @property
    def label(self) -> str:
        """The name without its hash."""
        return f"{self.extractor.metric}[{self.extractor.name}]"
