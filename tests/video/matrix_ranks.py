"""What two ranks do together for tests/video/test_matrix_ranks.py; every rank checks, and all reports are kept."""

from __future__ import annotations

import traceback
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, FirstBlockCacheConfig
from tests.video.matrix_cases import CELLS, Cell, assert_same, loss
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from kinema.video.adapters.attach import attach, attached, detach
from kinema.video.adapters.context import published
from kinema.video.adapters.shard import shard

RANKS = 2
REFUSAL = "StructureTokens under context parallelism is not supported"


def run(rank: int, folder: str) -> None:
    """Does every check for every cell, and saves {(check, adapter, family): "" or a traceback}."""
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=RANKS)
    reports = {}
    for cell in CELLS:
        for check in CHECKS:
            try:
                check(*cell, rank)
                reports[check.__name__, *cell] = ""
            except Exception:
                reports[check.__name__, *cell] = traceback.format_exc()
    torch.save(reports, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


def context_parallel(adapter_name: str, family: str, rank: int) -> None:
    """Ulysses: the output is that of one process, the ranks' gradients are parts of its sum."""
    alone = Cell(adapter_name, family).attach()
    cell = Cell(adapter_name, family).attach()
    # diffusers divides by the number of accelerators, which is zero here.
    with mock.patch("torch.accelerator.device_count", return_value=RANKS):
        cell.transformer.enable_parallelism(config=ContextParallelConfig(ulysses_degree=RANKS))
    if adapter_name == "mosa":
        with pytest.raises(ValueError, match=REFUSAL):
            cell.controlled()
        torch.testing.assert_close(cell.plain(), alone.plain(), atol=1e-5, rtol=1e-4)
        return
    torch.testing.assert_close(cell.controlled(), alone.controlled(), atol=1e-5, rtol=1e-4)
    parts = cell.gradients()
    for part in parts.values():
        dist.all_reduce(part)
    assert_same(parts, alone.gradients())
    with pytest.raises(ValueError, match="cannot detach while cp_input"):
        detach(cell.transformer)


def context_parallel_of_any_length(adapter_name: str, family: str, rank: int) -> None:
    """Ulysses-anything: five text tokens on two ranks, which CogVideoX shares out like its video tokens."""
    alone, cell = Cell(adapter_name, family).attach(), Cell(adapter_name, family).attach()
    for each in (alone, cell):
        each.inputs["encoder_hidden_states"] = each.inputs["encoder_hidden_states"][:, :-1]
    with mock.patch("torch.accelerator.device_count", return_value=RANKS):
        config = ContextParallelConfig(ulysses_degree=RANKS, ulysses_anything=True)
        cell.transformer.enable_parallelism(config=config)
    if adapter_name == "mosa":
        with pytest.raises(ValueError, match=REFUSAL):
            cell.controlled()
        return
    torch.testing.assert_close(cell.controlled(), alone.controlled(), atol=1e-5, rtol=1e-4)


def sharded(adapter_name: str, family: str, rank: int) -> None:
    """FSDP2: each rank has one of the two samples; outputs and gradients are those of one process with both."""
    expected = Cell(adapter_name, family).attach().gradients()
    cell = Cell(adapter_name, family).attach()
    output = cell.controlled()
    cell.transformer.enable_gradient_checkpointing()
    cell.transformer.train().requires_grad_(False)
    cell.adapter.train().requires_grad_(True)
    shard(cell.transformer, cell.adapter, init_device_mesh("cpu", (RANKS,)))
    assert all(isinstance(parameter, DTensor) for parameter in cell.transformer.proj_out.parameters())
    assert all(isinstance(each, DTensor) for each in cell.adapter.parameters() if each.ndim)
    assert attached(cell.transformer) == (adapter_name,)

    tokens = cell.encode().map(lambda tensor: tensor[rank : rank + 1])
    for name in ("hidden_states", "timestep", "encoder_hidden_states"):
        cell.inputs[name] = cell.inputs[name][rank : rank + 1]
    made = cell.run(tokens)
    torch.testing.assert_close(made, output[rank : rank + 1], atol=1e-5, rtol=1e-4)
    with torch.no_grad(), published({adapter_name: tokens}):
        assert torch.equal(cell.run(), made)
    assert len(cell.adapter.masks(tokens)) == (len(cell.adapter.sites) if adapter_name == "mosa" else 0)
    loss(made).backward()
    gradients = {name: p.grad for name, p in cell.adapter.named_parameters() if p.grad is not None}
    whole = {name: g.full_tensor() if isinstance(g, DTensor) else g for name, g in gradients.items()}
    assert_same(whole, expected)
    with pytest.raises(ValueError, match="cannot detach: a FSDP"):
        detach(cell.transformer)


def cached_and_sharded(adapter_name: str, family: str, rank: int) -> None:
    """First-block cache, then FSDP2, which renames classes; the other way round attaching is refused."""
    cell = Cell(adapter_name, family).attach()
    expected = cell.controlled()
    cell.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    mesh = init_device_mesh("cpu", (RANKS,))
    shard(cell.transformer, cell.adapter, mesh)
    with cell.transformer.cache_context("cond"):
        torch.testing.assert_close(cell.controlled(), expected, atol=1e-5, rtol=1e-4)

    late = Cell(adapter_name, family)
    torch.distributed.fsdp.fully_shard(late.transformer, mesh=mesh)
    with pytest.raises(ValueError, match="cannot attach: a FSDP"):
        attach(late.transformer, late.adapter)


CHECKS = (context_parallel, context_parallel_of_any_length, sharded, cached_and_sharded)
