"""MTVCraft as people run it: a base without its transformer, LoRA, few steps, other lengths, 8-bit files, GGUF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from tests.video import mtvcraft_tiny, published_tiny, tiny
from tests.video.test_checkpoints import original_names, write_gguf
from tests.video.test_mtvcraft_video import published_cogvideox, published_wan

from kinema.motion.checkpoints import CheckpointError
from kinema.motion.tokenizer import MotionTokenizer
from kinema.video.loading import load_pipeline

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
PICTURE = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The published files' layout, and bases whose transformers were not fetched."""
    top = tmp_path_factory.mktemp("mtvcraft")
    for name, state in (("CogVideoX", published_cogvideox()), ("Wan-2-1", published_wan())):
        (top / "MV-DiT" / name).mkdir(parents=True)
        weights = {key: value.contiguous() for key, value in state.items()}
        save_file(weights, top / "MV-DiT" / name / "diffusion_pytorch_model.safetensors")
    (top / "4DMoT").mkdir()
    (top / "data").mkdir()
    tokenizer = MotionTokenizer((32, 64), mtvcraft_tiny.CODE_DIM, 32)
    torch.save({"module": tokenizer.state_dict()}, top / "4DMoT" / "mp_rank_00_model_states.pt")
    np.save(top / "data" / "mean.npy", mtvcraft_tiny.MEAN.astype(np.float32))
    np.save(top / "data" / "std.npy", np.full((24, 3), 300, np.float32))
    published_tiny.cogvideox_pipeline(dpm=True).save_pretrained(top / "cogvideox")
    published_tiny.wan_pipeline(picture=True).save_pretrained(top / "wan")
    for base in ("cogvideox", "wan"):
        next((top / base / "transformer").glob("*.safetensors")).unlink()
    return top


def load(files: Path, name: str = "Wan-2-1", **options):
    base = files / ("wan" if name == "Wan-2-1" else "cogvideox")
    pipeline = load_pipeline(files / "MV-DiT" / name, base=base, size=SIZE, device="cpu", **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def film(pipeline, **options):
    return pipeline(image=PICTURE, scene=tiny.scene(), frames=9, **{"steps": 2, **options})


@pytest.mark.parametrize("name", ["CogVideoX", "Wan-2-1"])
def test_a_base_on_the_command_line_that_has_no_transformer(files, name):
    made = film(load(files, name))
    assert made.frames.shape == (9, SIZE[1], SIZE[0], 3)
    assert made.settings["adapters"] == {"mtvcraft": ["camera", "pose"]}


@pytest.mark.parametrize("name", ["CogVideoX", "Wan-2-1"])
@pytest.mark.parametrize("frames", [25, 81])
def test_windows_of_other_lengths(files, name, frames, caplog):
    pipeline = load(files, name, frames=frames)
    assert pipeline.video_model.window_frames(9) == frames
    assert film(pipeline).frames.shape[0] == 9
    assert ("were trained on 49" in caplog.text) == (name == "Wan-2-1")
    with pytest.raises(ValueError, match="makes windows of"):
        load(files, name, frames=50)


def test_a_lora_and_ten_steps(files, tmp_path):
    """The public scripts take LoRAs of the backbone, in diffusers' layout or in Wan's own."""
    transformer = tiny.wan(
        num_attention_heads=1, attention_head_dim=128, in_channels=12, image_dim=8, added_kv_proj_dim=128
    )
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(transformer)
    name = "wan2.1_i2v_lora_rank64_lightx2v_4step.safetensors"
    WanPipeline.save_lora_weights(tmp_path, transformer_lora_layers=layers, weight_name=name)
    plain = film(load(files)).frames
    styled = load(files, lora=f"{tmp_path / name}:0.7")
    assert not np.array_equal(film(styled).frames, plain)
    assert not any("lora" in key for key, _ in styled.adapters["mtvcraft"].named_parameters())
    fast = film(load(files, fast=tmp_path / name), steps=10)
    assert fast.settings["steps"] == 10
    assert (fast.settings["guidance"]["text"], fast.settings["fast"]) == (1.0, "lightx2v")
    assert fast.settings["loras"] == [{"file": name, "strength": 1.0}]
    with pytest.raises(ValueError, match="denoised in another way"):
        load(files, "CogVideoX", fast=tmp_path / name)


def eight_bits(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(as ComfyUI's scaled 8-bit files have them, as they are meant)."""
    packed, meant = {}, {}
    for key, each in state.items():
        packed[f"model.diffusion_model.{key}"] = meant[key] = each.contiguous()
        if each.ndim == 2 and each.numel() > 1000 and "motion_token" not in key:
            scale = each.abs().max() / 448
            packed[f"model.diffusion_model.{key}"] = (each / scale).to(torch.float8_e4m3fn)
            packed[f"model.diffusion_model.{key.removesuffix('weight')}scale_weight"] = scale
            meant[key] = (each / scale).to(torch.float8_e4m3fn).float() * scale
    return packed, meant


@pytest.mark.parametrize("name", ["CogVideoX", "Wan-2-1"])
def test_the_communitys_eight_bit_file(files, name, tmp_path):
    state = published_cogvideox() if name == "CogVideoX" else original_names(published_wan())
    packed, meant = eight_bits(state)
    save_file(packed, tmp_path / "fp8.safetensors")
    save_file(meant, tmp_path / "meant.safetensors")
    made = [
        film(load(files, name, checkpoint=tmp_path / f"{each}.safetensors")).frames
        for each in ("fp8", "meant")
    ]
    assert np.array_equal(*made)


def test_a_gguf_of_wan_and_none_of_cogvideox(files, tmp_path):
    write_gguf(tmp_path / "wan-Q8_0.gguf", original_names(published_wan()))
    near = film(load(files, checkpoint=tmp_path / "wan-Q8_0.gguf"))
    assert near.settings["checkpoint"] == ["wan-Q8_0.gguf"]
    assert np.abs(near.frames.astype(int) - film(load(files)).frames).mean() < 3
    write_gguf(tmp_path / "cog.gguf", published_cogvideox())
    with pytest.raises(CheckpointError, match="not from GGUF"):
        load(files, "CogVideoX", checkpoint=tmp_path / "cog.gguf")


def test_what_published_files_do_not_take_is_refused(files):
    with pytest.raises(ValueError, match="MTVCraft as published, which knows no quantise"):
        load(files, quantise="int8") if _has("torchao") else pytest.skip("torchao is not here")
    with pytest.raises(ValueError, match="its own control and rate"):
        load(files, fps=12)
    with pytest.raises(ValueError, match="no backbone 'nowhere'"):
        load_pipeline(files / "MV-DiT" / "Wan-2-1", base="nowhere", device="cpu")


def _has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
