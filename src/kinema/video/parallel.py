"""One video made by several processes, one per card, that torchrun has started: who does what of each step.

context: each has a share of the video's tokens (Ulysses, 2309.14509). guidance: each makes some of the passes of guidance
(CFG parallel). both: two groups for the passes, and the processes of a group share the tokens.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig
from torch.distributed.device_mesh import init_device_mesh

from kinema.diffusion.guider import Guidance, Guider
from kinema.video.models.context_parallel import cannot_share_tokens, enable_context_parallel

if TYPE_CHECKING:
    from kinema.video.pipeline import KinemaPipeline

Parallel = Literal["auto", "context", "guidance", "both"]
"""auto: guidance where it makes several passes, groups of it from four processes on, else context."""

_PATIENCE = timedelta(hours=6)
"""How long processes wait for the first, which reads a scene alone, e.g. off a long video (ours)."""

_MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where the passes of a guidance are counted, as shares of the denoising (ours)."""


def processes() -> int:
    """How many torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join(parallel: str) -> None:
    """Meets the other processes, and takes the card of this one; nothing more where that was done.

    Args:
        parallel: what for.

    Raises:
        ValueError: no such way to share a video out, this process is alone, or this machine has too few cards.
    """
    if parallel not in get_args(Parallel):
        raise ValueError(f"--parallel {parallel}: give {', '.join(get_args(Parallel))}")
    if dist.is_initialized():
        return
    if processes() < 2:
        raise ValueError(
            "--parallel shares a video out among processes, and this one is alone: start it with `torchrun "
            "--nproc_per_node=2 -m kinema ...`"
        )
    backend = "gloo"
    if torch.accelerator.is_available():
        local, cards = int(os.environ.get("LOCAL_RANK", "0")), torch.accelerator.device_count()
        if local >= cards:
            raise ValueError(
                f"there are more processes than cards ({cards}) on this machine: give torchrun --nproc_per_node={cards}"
            )
        torch.accelerator.set_device_index(local)
        kind = own_device().type
        backend = f"cpu:gloo,{kind}:{dist.get_default_backend_for_device(kind)}"
    dist.init_process_group(backend, timeout=_PATIENCE)


def own_device(device: torch.device | str | None = None) -> torch.device:
    """The device of this process: its own card where no number is said.

    Args:
        device: what is asked for; the accelerator where None, or the CPU where there is none.
    """
    if device is None:
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    named = torch.device(device or "cpu")
    if named.type == "cpu" or named.index is not None:
        return named
    return torch.device(named.type, torch.accelerator.current_device_index())


def share_out(pipeline: KinemaPipeline, parallel: Parallel, device: torch.device) -> None:
    """Lets the processes share out what a pipeline does; every one has loaded the same, and makes the same calls.

    Comes after everything else that is switched on. All processes return the same video.

    Args:
        pipeline: with its adapters, placed.
        parallel: how.
        device: where it works, in this process.

    Raises:
        ValueError: this pipeline or number of processes cannot do that; the message says why.
    """
    count = dist.get_world_size()
    how, guided, shared = _degrees(pipeline, parallel, count)
    mesh = init_device_mesh(device.type, (guided, 1, shared), mesh_dim_names=("guidance", "ring", "ulysses"))
    if shared > 1:
        reads_text = getattr(pipeline.video_model, "text_encoder", True) is not None
        for denoiser in pipeline.video_model.denoisers:
            config = ContextParallelConfig(ulysses_degree=shared, ulysses_anything=True, mesh=mesh)
            enable_context_parallel(denoiser, config, reads_text=reads_text)
    if guided > 1:
        pipeline.ranks = mesh["guidance"].get_group()
    pipeline.loaded_with = {**pipeline.loaded_with, "parallel": how, "processes": count}


def idle(ranks: dist.ProcessGroup, guider: Guider, conditions: frozenset[str]) -> tuple[str, ...]:
    """What a person should know where there are more groups of processes than passes of guidance."""
    most, groups = _passes(guider, conditions), ranks.size()
    if most is None or most >= groups:
        return ()
    made = f"{most} pass" if most == 1 else f"{most} passes"
    return (
        f"guidance makes {made} a step, and the rest of {groups} processes waits: take --parallel context",
    )


def _degrees(pipeline: KinemaPipeline, parallel: Parallel, count: int) -> tuple[str, int, int]:
    """What it comes to: its name, groups for the passes of guidance, and processes that share the tokens in each."""
    degrees = {"context": (1, count), "guidance": (count, 1), "both": (2, count // 2)}
    can_be_both = count >= 4 and count % 2 == 0
    if parallel == "auto":
        guidance = pipeline.video_model.defaults.guidance
        several = (_passes(guidance, pipeline.conditions) or 2) > 1
        wanted = ["both"] * (several and can_be_both) + ["guidance"] * (several and count == 2) + ["context"]
        chosen = next((each for each in wanted if _why_not(pipeline, degrees[each][1]) is None), "guidance")
        return (chosen, *degrees[chosen])
    if parallel == "both" and not can_be_both:
        raise ValueError(f"--parallel both makes two groups of 4, 6, 8 ... processes, not of {count}")
    guided, shared = degrees[parallel]
    if why := _why_not(pipeline, shared):
        raise ValueError(f"--parallel {parallel}: {why}; or take guidance")
    return parallel, guided, shared


def _why_not(pipeline: KinemaPipeline, shared: int) -> str | None:
    """Why so many processes cannot share the tokens of a pipeline; None where they can."""
    if shared == 1:
        return None
    if apart := [name for name, each in pipeline.adapters.items() if not each.works_on_shares]:
        return f"{' and '.join(apart)} reads neighbours of every token, which another process may have"
    reasons = [cannot_share_tokens(each, shared) for each in pipeline.video_model.denoisers]
    return next((why for why in reasons if why is not None), None)


def _passes(guider: Guider, conditions: frozenset[str]) -> int | None:
    """The most passes that guidance makes in a step; None where that cannot be known before."""
    if not isinstance(guider, Guidance):
        return None
    moments: Sequence[float] = _MOMENTS
    return max(len(guider.passes_at(each, conditions)) for each in moments)
