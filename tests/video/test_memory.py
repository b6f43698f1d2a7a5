"""Where parts live: all denoisers offloaded, weights that stay in their files, 16-bit copies, 8 bits, compilation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from tests.video import published_tiny, tiny

from kinema.video.checkpoints import shapes_in
from kinema.video.loading import load_pipeline
from kinema.video.memory import compile_repeated, free_main_memory, offload_blocks, place
from kinema.video.model_loading import load_model
from kinema.video.models.wan import WanVideo
from kinema.video.pipeline import KinemaPipeline
from kinema.video.sixteen_bit import sixteen_bit_copy

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def wan(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    published_tiny.wan_pipeline().save_pretrained(folder)
    return folder


def run(pipeline, **options) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline("a person walks", frames=5, steps=3, **options).frames


class TwoExperts(WanVideo):
    """Wan whose second transformer makes the later steps."""

    @property
    def denoisers(self):
        return self.transformer, self.second

    @property
    def components(self):
        return {**super().components, "transformer_2": self.second}

    def denoiser(self, t):
        return self.transformer if float(t) > 900 else self.second


def two_experts(wan) -> KinemaPipeline:
    model = load_model(wan, changes={"width": SIZE[0], "height": SIZE[1]})
    model.__class__ = TwoExperts
    model.second = tiny.wan(seed=5).requires_grad_(False)
    return KinemaPipeline(model)


def test_every_denoiser_is_offloaded_block_by_block(wan):
    """The mechanism of `low`, with the CPU in the accelerator's place; without any adapter."""
    pipeline = two_experts(wan)
    expected = run(pipeline)
    offload_blocks(pipeline, CPU)
    for transformer in pipeline.video_model.denoisers:
        assert hasattr(transformer.blocks[1], "_diffusers_hook")
    assert np.array_equal(run(pipeline), expected)


def test_cache_and_eight_bits_reach_every_denoiser(wan):
    from kinema.video.caching import CacheChoice

    pipeline = two_experts(wan)
    expected = run(pipeline)
    place(pipeline, device=CPU, cache=CacheChoice.of("first-block:0"))
    assert np.array_equal(run(pipeline), expected)
    place(pipeline, device=CPU, fp8=True)
    for transformer in pipeline.video_model.denoisers:
        assert transformer.blocks[0].ffn.net[2].weight.dtype == torch.float8_e4m3fn
    assert np.abs(run(pipeline).astype(int) - expected).mean() < 20


def test_blocks_are_compiled_when_they_first_run(wan, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, *_, **__: compiled.append(self))
    pipeline = two_experts(wan)
    place(pipeline, device=CPU, compile_blocks=True)
    blocks = [block for each in pipeline.video_model.denoisers for block in each.blocks]
    assert [id(each) for each in compiled] == [id(each) for each in blocks]
    compiled.clear()
    cogvideox = tiny.cogvideox()
    compile_repeated(cogvideox)
    assert len(compiled) == len(cogvideox.transformer_blocks)
    with pytest.raises(ValueError, match="--compile: Linear has no blocks to compile"):
        compile_repeated(torch.nn.Linear(2, 2))


def test_a_sixteen_bit_copy_is_what_loading_in_sixteen_bits_gives(wan, tmp_path):
    copy = sixteen_bit_copy(wan, torch.bfloat16, tmp_path)
    assert copy.parent == tmp_path
    assert sixteen_bit_copy(wan, torch.bfloat16, tmp_path) == copy
    assert sixteen_bit_copy(copy, torch.float32, tmp_path) == copy
    wide, narrow = (
        WanTransformer3DModel.from_pretrained(folder / "transformer", dtype=torch.bfloat16).state_dict()
        for folder in (wan, copy)
    )
    assert {key: each.dtype for key, each in narrow.items()} == {
        key: each.dtype for key, each in wide.items()
    }
    assert all(torch.equal(narrow[key], wide[key]) for key in wide)
    (file,) = (copy / "transformer").glob("*.safetensors")
    assert shapes_in(file) == shapes_in(next((wan / "transformer").glob("*.safetensors")))
    made = [
        run(load_pipeline(folder, [], size=SIZE, dtype=torch.bfloat16, device="cpu"))
        for folder in (wan, copy)
    ]
    assert np.array_equal(*made)


def test_of_two_processes_that_write_one_copy_the_first_wins(wan, tmp_path, monkeypatch):
    from kinema.video import sixteen_bit

    write = sixteen_bit._write_copy

    def slower(folder, wide, out, dtype):
        monkeypatch.setattr(sixteen_bit, "_write_copy", write)
        first = sixteen_bit_copy(wan, torch.bfloat16, tmp_path)
        (first / "mark").touch()
        write(folder, wide, out, dtype)

    monkeypatch.setattr(sixteen_bit, "_write_copy", slower)
    copy = sixteen_bit_copy(wan, torch.bfloat16, tmp_path)
    assert (copy / "mark").exists()
    assert list(tmp_path.iterdir()) == [copy]


def test_a_copy_needs_room(wan, tmp_path, monkeypatch):
    from kinema.video import sixteen_bit

    monkeypatch.setattr(sixteen_bit.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="has no room for it: set KINEMA_CACHE to another disk"):
        sixteen_bit_copy(wan, torch.bfloat16, tmp_path)


def test_free_main_memory_is_known_here():
    assert free_main_memory() > 1e6


LOADING = """
import sys, torch
from diffusers import WanTransformer3DModel
from pathlib import Path
def private():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"): return int(line.split()[1]) / 1e3
before = private()
model = WanTransformer3DModel.from_pretrained(sys.argv[1], dtype=torch.bfloat16).requires_grad_(False)
model.enable_group_offload(onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1)
with torch.no_grad():
    model(torch.randn(1, 4, 1, 4, 4).bfloat16(), torch.tensor([500]), torch.randn(1, 4, 16).bfloat16())
print("used", private() - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="Linux says how much memory is a program's own"
)
def test_sixteen_bit_weights_stay_in_their_files(tmp_path):
    """150 MB of weights are loaded and used with far less memory of one's own: they are mapped, not read."""
    torch.manual_seed(0)
    large = WanTransformer3DModel(
        num_attention_heads=8,
        attention_head_dim=128,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=32,
        ffn_dim=4096,
        num_layers=5,
    ).to(torch.bfloat16)
    large.save_pretrained(tmp_path)
    weights = next(tmp_path.glob("*.safetensors")).stat().st_size / 1e6
    assert weights > 150
    code = [sys.executable, "-c", LOADING, str(tmp_path)]
    said = subprocess.run(code, capture_output=True, text=True, check=True, timeout=120).stdout
    used = float(re.search(r"used ([\d.]+)", said)[1])
    assert used < 0.5 * weights
