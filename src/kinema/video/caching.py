"""Caches that leave out work which changes little from step to step: where each works, and why not elsewhere.

All of them are diffusers' own. Each pass of guidance has its own memory, and every window starts with an empty one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from diffusers.hooks import HookRegistry
from diffusers.hooks.hooks import StateManager
from diffusers.hooks.pyramid_attention_broadcast import (
    PyramidAttentionBroadcastHook,
    PyramidAttentionBroadcastState,
)
from diffusers.models.cache_utils import CacheMixin
from torch import nn

KINDS = {
    "first-block": 0.1,  # 0.05 to 0.2 in diffusers' documentation
    "mag": 0.06,  # diffusers' default
    "taylorseer": 5.0,  # diffusers' default
    "pab": 2.0,  # diffusers' default for attention over space and time
}
"""Names for `--cache`, and the number of each where none is said: how different the first block's output may be; the
error that may add up; every how many steps all is computed; every how many steps attention is."""

_SKIPS_BLOCKS = ("first-block", "mag")
_WARM_STEPS = 3
"""Steps that TaylorSeer computes before it predicts any; diffusers' default."""


@dataclass(frozen=True)
class CacheChoice:
    """A cache as it was asked for.

    Args:
        kind: of KINDS.
        value: its number.
        ratios: of MagCache: how much each step's change differs from the one before; measured on the same model.
    """

    kind: str
    value: float
    ratios: tuple[float, ...] = ()

    @classmethod
    def of(cls, text: str) -> CacheChoice:
        """`first-block`, `first-block:0.08`, `taylorseer:4`, `pab:2`, `mag:ratios.json` or `mag:ratios.json:0.04`.

        Raises:
            ValueError: no such cache, a number out of range, or MagCache without its ratios.
            FileNotFoundError: no file of ratios.
        """
        kind, _, rest = text.partition(":")
        if kind == "cache-dit":
            raise ValueError(
                "--cache cache-dit hangs on the calls of diffusers' own pipelines, and not on Kinema's loop: take "
                f"{', '.join(KINDS)}"
            )
        if kind not in KINDS:
            raise ValueError(f"--cache {text}: there are {', '.join(KINDS)}")
        ratios: tuple[float, ...] = ()
        if kind == "mag":
            name, _, rest = rest.partition(":")
            ratios = _ratios(name)
        try:
            value = float(rest) if rest else KINDS[kind]
        except ValueError:
            raise ValueError(f"--cache {text}: {rest!r} is no number") from None
        least = 0 if kind in _SKIPS_BLOCKS else 1
        if not least <= value < math.inf or (least and value != int(value)):
            what = "a number from 0" if kind in _SKIPS_BLOCKS else "a whole number from 1"
            raise ValueError(f"--cache {text}: give {what}")
        return cls(kind, value, ratios)

    def settings(self) -> dict[str, Any]:
        """As JSON types, to be written down beside a video."""
        return {"cache": f"{self.kind}:{self.value:g}"}


def check_cache(choice: CacheChoice, denoisers: Sequence[nn.Module]) -> None:
    """Says before any step that a cache cannot work on these transformers.

    Raises:
        ValueError: it cannot; the message says why.
    """
    for transformer in denoisers:
        name = type(transformer).__name__
        if not isinstance(transformer, CacheMixin):
            raise ValueError(f"--cache {choice.kind}: diffusers has no caches for {name}")
        if choice.kind in _SKIPS_BLOCKS and (why := _cannot_skip(transformer)):
            raise ValueError(f"--cache {choice.kind}: {why}; take taylorseer or pab")
        if choice.kind == "taylorseer" and not (blocks_of(transformer) and hasattr(transformer, "proj_out")):
            raise ValueError(f"--cache taylorseer: {name} has no blocks and output that it knows")
        if choice.kind == "pab" and not _attentions(transformer):
            raise ValueError(f"--cache pab: the attention of {name} is none that it knows; take taylorseer")
    if choice.kind == "mag" and len(denoisers) > 1:
        raise ValueError(
            "--cache mag counts the steps of one transformer, and this model changes to its second expert on the way; "
            "take first-block or taylorseer"
        )


@dataclass(eq=False)
class Caching:
    """A cache that is switched on for a model's denoisers.

    Args:
        choice: what was asked for.
        denoisers: of the model.
    """

    choice: CacheChoice
    denoisers: tuple[nn.Module, ...]
    _steps: int | None = field(default=None, init=False)
    _t: float = field(default=math.inf, init=False)
    _undo: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        check_cache(self.choice, self.denoisers)
        if self.choice.kind != "mag":  # which has to know how many steps there are
            self._enable(None)

    def begin(self, steps: int) -> None:
        """Before the first step of a video of that many."""
        if self.choice.kind == "mag" and steps != self._steps:
            for transformer in self.denoisers:
                if transformer.is_cache_enabled:
                    transformer.disable_cache()
            while self._undo:
                self._undo.pop().remove()
            self._enable(steps)

    def at(self, t: Any) -> None:
        """Before a pass at a time, as the network is told it."""
        self._t = float(torch.as_tensor(t).flatten()[0])

    def _enable(self, steps: int | None) -> None:
        self._steps = steps
        for transformer in self.denoisers:
            transformer.enable_cache(_config(self.choice, steps, lambda: self._t))
            if self.choice.kind == "pab":
                _remember_by_pass(transformer)
            if self.choice.kind in _SKIPS_BLOCKS and hasattr(transformer, "face_adapter"):
                self._undo += _hush_faces(transformer)


def reset_caches(denoisers: Sequence[nn.Module]) -> None:
    """Empties what caches have kept: it is of another window."""
    for transformer in denoisers:
        if isinstance(transformer, CacheMixin):
            transformer._reset_stateful_cache()


@contextmanager
def cache_pass(denoisers: Sequence[nn.Module], name: str) -> Iterator[None]:
    """One pass of guidance, for caches that keep something of each."""
    with ExitStack() as stack:
        for transformer in denoisers:
            if isinstance(transformer, CacheMixin):
                stack.enter_context(transformer.cache_context(name))
        yield


def _config(choice: CacheChoice, steps: int | None, now: Callable[[], float]) -> Any:
    if choice.kind == "first-block":
        return FirstBlockCacheConfig(threshold=choice.value)
    if choice.kind == "mag":
        assert steps is not None
        return MagCacheConfig(
            threshold=choice.value, num_inference_steps=steps, mag_ratios=list(choice.ratios)
        )
    if choice.kind == "taylorseer":
        # The lite form: all blocks rest, and what leaves the last one is predicted. The other form keeps every attention,
        # 80 GB for Wan 14B at 81 frames; its patterns in diffusers 0.42 find none in Wan or CogVideoX, and say nothing.
        return TaylorSeerCacheConfig(
            cache_interval=int(choice.value),
            disable_cache_before_step=_WARM_STEPS,
            taylor_factors_dtype=torch.float32,
            use_lite_mode=True,
        )
    return PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=int(choice.value), current_timestep_callback=now
    )


def _cannot_skip(transformer: nn.Module) -> str | None:
    """Why whole blocks of a transformer cannot be skipped; None where they can."""
    name = type(transformer).__name__
    if type(transformer).enable_cache is not CacheMixin.enable_cache:
        return None  # the transformer has made itself ready
    if name == "WanVACETransformer3DModel":
        return f"{name} adds its control between blocks, which a skipped step would be told twice"
    if name == "WanAnimateTransformer3DModel":
        return None  # `_hush_faces` makes it ready
    from diffusers.hooks._helpers import TransformerBlockRegistry

    blocks = blocks_of(transformer)
    if len(blocks) < 2:
        return f"{name} has no list of blocks that could be skipped"
    try:
        TransformerBlockRegistry.get(type(blocks[0]))
    except ValueError:
        return f"diffusers cannot skip blocks of {name}"
    return None


def blocks_of(transformer: nn.Module) -> list[nn.Module]:
    """The blocks that a transformer repeats, by the names that diffusers gives such lists."""
    named = dict(transformer.named_children())
    lists = [named.get(name) for name in ("blocks", "transformer_blocks")]
    return [block for each in lists if isinstance(each, nn.ModuleList) for block in each]


def _hush_faces(transformer: nn.Module) -> list[Any]:
    """Lets Wan-Animate's face say nothing between blocks that a cache skips: what it said is in what the cache kept.

    diffusers' transformer adds the face after every fifth block, also after skipped ones, which would tell it twice.
    After the last block it is added as ever: the cached difference ends before.
    """
    first = transformer.blocks[0]._diffusers_hook
    states = next(
        value
        for hook in first.hooks.values()
        for value in vars(hook).values()
        if isinstance(value, StateManager)
    )

    def hush(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output if states.get_state().should_compute else torch.zeros_like(output)

    last = (len(transformer.blocks) - 1) / transformer.config.inject_face_latents_blocks
    return [
        face.register_forward_hook(hush)
        for index, face in enumerate(transformer.face_adapter)
        if index != last
    ]


def _register_animate() -> None:
    """Tells diffusers what a block of Wan-Animate returns; its registry has only Wan's own."""
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
    from diffusers.models.transformers import transformer_wan_animate

    TransformerBlockRegistry.register(
        transformer_wan_animate.WanTransformerBlock,
        TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None),
    )


_register_animate()


class _BroadcastByPass(PyramidAttentionBroadcastHook):
    """Keeps the attention of each guidance pass apart; diffusers' own hook hands one pass what another has made."""

    state_manager: StateManager

    @property
    def state(self) -> PyramidAttentionBroadcastState:
        return self.state_manager.get_state()

    def reset_state(self, module: nn.Module) -> nn.Module:
        self.state_manager.reset()
        return module


def _remember_by_pass(transformer: nn.Module) -> None:
    for module in transformer.modules():
        hooks = getattr(module, "_diffusers_hook", None)
        for hook in hooks.hooks.values() if hooks is not None else ():
            if type(hook) is PyramidAttentionBroadcastHook:
                vars(hook).pop("state", None)
                hook.__class__ = _BroadcastByPass
                hook.state_manager = StateManager(PyramidAttentionBroadcastState)
    HookRegistry.check_if_exists_or_initialize(transformer).invalidate_child_registries_cache()


def _attentions(transformer: nn.Module) -> int:
    """How many modules of a transformer's blocks are attention as diffusers knows it."""
    from diffusers.hooks._common import _ATTENTION_CLASSES
    from diffusers.models.attention import AttentionModuleMixin

    known = (*_ATTENTION_CLASSES, AttentionModuleMixin)
    return sum(isinstance(module, known) for module in transformer.modules())


def _ratios(name: str) -> tuple[float, ...]:
    """MagCache's ratios out of a file: a JSON list with a number for each step."""
    if not name:
        raise ValueError(
            "--cache mag needs ratios that were measured on this model: --cache mag:ratios.json, a list with a number "
            "for each step, as diffusers' MagCacheConfig(calibrate=True) prints it; or take first-block"
        )
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"--cache mag:{name}: no such file of ratios")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        ratios = tuple(float(each) for each in given)
    except (ValueError, TypeError):
        raise ValueError(f"{path} is no JSON list of numbers, one for each step") from None
    if not ratios or not all(0 < each < math.inf for each in ratios):
        raise ValueError(f"{path}: ratios are numbers above 0, one for each step")
    return ratios
