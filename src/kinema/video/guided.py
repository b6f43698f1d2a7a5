"""The guided prediction of one window: control is encoded once per set of conditions, then each step runs its passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from kinema.diffusion.guider import Guider
from kinema.diffusion.loop import Solver, Step
from kinema.signals.control_signals import ControlSignals
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.caching import Caching, cache_pass
from kinema.video.models.video_model import VideoModel

CONDITIONS = ("pose", "camera")
"""What an adapter may be driven by: who moves how, and the camera."""


@dataclass(frozen=True, eq=False)
class WindowInputs:
    """What one window is made from.

    Args:
        texts: token states of the prompt and of what guidance compares it with.
        plain: the window as passes see it that do not know the camera, see `VideoModel.begin_window`.
        conditioned: as those see it that do, see `VideoModel.conditioned`.
        signals: what each adapter reads of the window, on the transformer's device; none without a scene.
        conditions: what this video has, `text` among them.
    """

    texts: tuple[torch.Tensor, torch.Tensor]
    plain: Any
    conditioned: Any
    signals: Mapping[str, ControlSignals]
    conditions: frozenset[str]


class GuidedPrediction:
    """(noisy latents, step) -> the prediction that a guider makes of the transformer's passes.

    Args:
        model: the video model.
        adapters: the attached adapters by name.
        drives: which of CONDITIONS each adapter may use.
        guider: says which passes are made.
        solver: whose steps are taken.
        inputs: of the window.
        caching: a cache between steps, which is told the time; None without one.
        ranks: processes that share out the passes of each step; None for this one alone.
    """

    def __init__(
        self,
        model: VideoModel,
        adapters: Mapping[str, ControlAdapter],
        drives: Mapping[str, frozenset[str]],
        guider: Guider,
        solver: Solver,
        inputs: WindowInputs,
        caching: Caching | None = None,
        ranks: dist.ProcessGroup | None = None,
    ) -> None:
        self.caching = caching
        self.ranks = ranks
        self._numbers: dict[frozenset[str], int] = {}
        self.model = model
        self.guider = guider
        self.inputs = inputs
        self.tokens: dict[frozenset[str], dict[str, ControlTokens]] = {}
        if not inputs.signals:
            return
        made: dict[tuple[Any, ...], ControlTokens] = {}
        device = inputs.texts[0].device
        for conditions in guider.every_pass(inputs.conditions, solver.steps()):
            self.tokens[conditions] = {}
            for name, adapter in adapters.items():
                present = {each: each in conditions and each in drives[name] for each in CONDITIONS}
                key = (name, *present.values(), "text" in conditions and adapter.reads_text)
                if key not in made:
                    made[key] = adapter.encode(
                        inputs.signals[name],
                        {each: torch.tensor([there], device=device) for each, there in present.items()},
                        text=self._text(conditions),
                        to_latents=_encoder_for(adapter, model, device),
                    )
                self.tokens[conditions][name] = made[key]

    def __call__(self, x: torch.Tensor, step: Step) -> torch.Tensor:
        if self.caching is not None:
            self.caching.at(step.t)
        passes = self.guider.passes(step, self.inputs.conditions)
        predictions = self._shared_out(x, step, [each.conditions for each in passes])
        return self.guider.combine(predictions, passes, step)

    def _shared_out(
        self, x: torch.Tensor, step: Step, passes: Sequence[frozenset[str]]
    ) -> list[torch.Tensor]:
        """The predictions of passes; of several processes each makes its share of them, and has all of them then."""
        if self.ranks is None:
            return [self._run(x, step, each) for each in passes]
        mine, count = dist.get_rank(self.ranks), dist.get_world_size(self.ranks)
        makers = [self._number(each) % count for each in passes]
        made = [
            (self._run(x, step, each) if maker == mine else torch.empty_like(x).float()).contiguous()
            for each, maker in zip(passes, makers, strict=True)
        ]
        for maker, prediction in zip(makers, made, strict=True):
            dist.broadcast(prediction, group=self.ranks, group_src=maker)
        return made

    def _number(self, conditions: frozenset[str]) -> int:
        """Whose turn a pass is: always the same process's, for caches keep something of each."""
        return self._numbers.setdefault(conditions, len(self._numbers))

    def _run(self, x: torch.Tensor, step: Step, conditions: frozenset[str]) -> torch.Tensor:
        tokens = self.tokens.get(conditions)
        window = self.inputs.conditioned if "camera" in conditions else self.inputs.plain
        with cache_pass(self.model.denoisers, "+".join(sorted(conditions)) or "nothing"):
            return self.model.predict(
                x,
                step.t,
                self._text(conditions),
                window if "text" in conditions else self.model.without_text(window),
                {} if tokens is None else {ATTENTION_KEY: tokens},
            )

    def _text(self, conditions: frozenset[str]) -> torch.Tensor:
        return self.inputs.texts[0] if "text" in conditions else self.inputs.texts[1]


def _encoder_for(
    adapter: ControlAdapter, model: VideoModel, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model's encoder as an adapter needs it in the middle of its work."""

    def to_latents(pixels: torch.Tensor) -> torch.Tensor:
        latents = model.whole_tokens(model.encode_video(pixels)).to(adapter.dtype)
        # Where models take turns on the device, the transformer has left it, and the adapter's sites with it.
        adapter.to(device)
        return latents

    return to_latents
