"""Which objectives a video recipe minimises beside the path's own loss, and how much each counts.

Terms of published methods are found by name (`kinema.papers`); `gradient_guard.py` says when a weight is too large.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from kinema import papers
from kinema.diffusion.objective import Denoising, Objective, TrainingStep


@dataclass(frozen=True)
class MaskTerm:
    """MoSA's mask loss, for adapters that say where people are; the paper gives no weight, this one is ours.

    Args:
        weight: of the term, 0 for none.
    """

    weight: float = 0.1


@dataclass(frozen=True)
class TrackTerm:
    """MoSA's tracking loss; see papers.mosa.TrackOptions. Films have exact tracks, of videos they are found once by a
    tracker and kept with the latents.

    Args:
        weight: of the term, 0 for none; MoSA's lambda is 0.01 here.
        every: steps between computations, on average.
        below: times are drawn from zero to this share of the path.
        tau: latent frames in which the weight of a gap grows by e.
        static: the same weight for every gap, the paper's ablation.
        points: followed in each film.
        pairs: `query` compares every frame with the one in which a point was chosen, `all` every pair of frames, as the
            paper's sum over t and t'.
        tracker: CoTracker3 as TorchScript, see training.tracks; the correlation tracker where none.
    """

    weight: float = 0.0
    every: int = 4
    below: float = 0.4
    tau: float = 2.0
    static: bool = False
    points: int = 32
    pairs: Literal["query", "all"] = "query"
    tracker: str | None = None


@dataclass(frozen=True)
class PartTerms:
    """What a network that names body parts sees in predicted and true pictures, see part_term (ours).

    At 4 the gradient of `parts` is larger than that of the main term, on purpose.

    Args:
        network: folder of the network of recipe `parts`; none for none of these terms.
        weight: of what the network sees.
        segments: weight of which segment it names where.
        colours: weight of the segments' mean colours.
    """

    network: str | None = None
    weight: float = 4.0
    segments: float = 0.5
    colours: float = 4.0


@dataclass(frozen=True)
class Objectives:
    """What is minimised beside the path's own loss.

    Args:
        rollouts: share of the steps that begin with what the model has drawn, see Rollouts.
        papers: weight of further objectives by their paper's name; all terms of one are added up under it.
    """

    mask: MaskTerm = MaskTerm()
    track: TrackTerm = TrackTerm()
    parts: PartTerms = PartTerms()
    rollouts: float = 0.0
    papers: dict[str, float] = field(default_factory=dict)

    def build(self, device: str) -> list[Objective]:
        """The objectives that have a weight, the path's own first.

        Raises:
            FileNotFoundError: no part network in its folder.
            ValueError: a paper that has no objective.
        """
        built: list[Objective] = [Denoising()]
        if self.mask.weight:
            built.append(papers.find("objective.mask", "mosa")())
        if self.parts.network is not None:
            from kinema.training.part_term import PartLoss

            built.append(PartLoss.load(self.parts.network, device))
        if self.track.weight:
            built.append(_track_loss(self.track, device))
        return built + [OfPaper(name) for name, weight in self.papers.items() if weight]

    @property
    def weights(self) -> dict[str, float]:
        """Of every term but the path's own, by name."""
        return {
            "mask": self.mask.weight,
            "track": self.track.weight,
            "parts": self.parts.weight,
            "segments": self.parts.segments,
            "colours": self.parts.colours,
            **self.papers,
        }


class OfPaper(Objective):
    """The objective of a paper, as one term of its name.

    Args:
        name: of the paper.

    Raises:
        ValueError: it has none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.objective: Objective = papers.find("objective", name)()
        self.needs = self.objective.needs  # type: ignore[misc]  # of this one

    def install(self, model: Any) -> None:
        self.objective.install(model)

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        terms = self.objective(step)
        return {self.name: torch.stack(list(terms.values())).sum()} if terms else {}


def _track_loss(term: TrackTerm, device: str) -> Any:
    from kinema.papers.mosa import TrackOptions
    from kinema.training.tracks import tracker_of

    options = TrackOptions(
        term.every,
        below=term.below,
        tau=term.tau,
        static=term.static,
        pairs=term.pairs,
        tracker=tracker_of(term.tracker, device),
    )
    return papers.find("objective.track", "mosa")(options)
