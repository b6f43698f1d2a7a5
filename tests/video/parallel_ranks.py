"""What two ranks do together for tests/video/test_parallel.py; every rank checks, and all reports are kept."""

from __future__ import annotations

import traceback
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, WanVACETransformer3DModel
from tests.video import published_tiny, tiny
from tests.video.test_caches import animate

from kinema.diffusion.guider import Guidance
from kinema.video.caching import CacheChoice, Caching
from kinema.video.loading import load_pipeline
from kinema.video.models.context_parallel import enable_context_parallel

RANKS = 2


def run(rank: int, folder: str) -> None:
    """Does every check, and saves {check: "" or a traceback}."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=RANKS)
    reports = {}
    for check in CHECKS:
        try:
            check(Path(folder))
            reports[check.__name__] = ""
        except Exception:
            reports[check.__name__] = traceback.format_exc()
    torch.save(reports, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


def vace() -> tuple[WanVACETransformer3DModel, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    transformer = WanVACETransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=4,
        vace_layers=[0, 2],
        vace_in_channels=12,
    ).eval()
    for block in transformer.vace_blocks:  # a new one says nothing
        torch.nn.init.normal_(block.proj_out.weight, std=0.3)
    return transformer, {
        "hidden_states": torch.randn(1, 4, 3, 4, 4),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 5, 16),
        "control_hidden_states": torch.randn(1, 12, 3, 4, 4),
    }


def same_alone_and_together(made) -> None:
    """One process gives what two give."""
    (alone, inputs), (shared, _) = made(), made()
    with mock.patch("torch.accelerator.device_count", return_value=RANKS):
        enable_context_parallel(shared, ContextParallelConfig(ulysses_degree=RANKS))
    with torch.no_grad():
        expected, ours = (
            each(**{key: value.clone() for key, value in inputs.items()}, return_dict=False)[0]
            for each in (alone, shared)
        )
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def context_parallel_vace(folder: Path) -> None:
    same_alone_and_together(vace)


def context_parallel_animate(folder: Path) -> None:
    """Three latent frames on two ranks: a share ends within a frame, which the face speaks to as a whole."""
    same_alone_and_together(animate)


def context_parallel_animate_with_a_face_after_the_last_block(folder: Path) -> None:
    def short():
        transformer, inputs = animate()
        del transformer.blocks[6:]
        return transformer, inputs

    same_alone_and_together(short)


def context_parallel_wan(folder: Path) -> None:
    same_alone_and_together(lambda: (tiny.wan(), tiny.wan_inputs()))


def refusals(folder: Path) -> None:
    config = ContextParallelConfig(ulysses_degree=RANKS)
    with pytest.raises(ValueError, match="no plan of context parallelism for CogVideoXTransformer3DModel"):
        enable_context_parallel(tiny.cogvideox(), config)
    cached = tiny.wan()
    Caching(CacheChoice.of("first-block"), (cached,))
    with pytest.raises(ValueError, match="each rank would leave out other steps"):
        enable_context_parallel(cached, config)


def guidance_parallel(folder: Path) -> None:
    """Three passes of guidance on two ranks, with a control and its tokens."""
    pipeline = load_pipeline(folder / "wan", size=(published_tiny.WIDTH, published_tiny.HEIGHT))
    pipeline.set_progress_bar_config(disable=True)
    ran = []
    pipeline.transformer.register_forward_pre_hook(lambda *_: ran.append(1))

    def made() -> np.ndarray:
        ran.clear()
        guidance = Guidance(text=4.0, pose=2.0)
        return pipeline("a person", scene=tiny.scene(5), frames=5, steps=2, guidance=guidance).frames

    expected, alone = made(), len(ran)
    pipeline.ranks = dist.group.WORLD
    assert np.array_equal(made(), expected)
    assert len(ran) < alone
    several = torch.tensor(len(ran))
    dist.all_reduce(several)
    assert several == alone


CHECKS = (
    context_parallel_vace,
    context_parallel_animate,
    context_parallel_animate_with_a_face_after_the_last_block,
    context_parallel_wan,
    refusals,
    guidance_parallel,
)
