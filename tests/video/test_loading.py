"""Pipelines of the published families from folders: adapters, LoRA, memory levels, and clear errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tests.video import published_tiny, tiny

from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.video import loading
from kinema.video.adapters.context import SITES
from kinema.video.loading import load_pipeline
from kinema.video.memory import offload_blocks, place
from kinema.video.models.published import find_backbone
from kinema.video.registry import adapter_class
from kinema.video.trained_adapters import BACKBONE

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)


@pytest.fixture(scope="module")
def wan(tmp_path_factory) -> Path:
    """Wan, text to video, with a trained TokenMotion beside its parts."""
    folder = tmp_path_factory.mktemp("wan")
    published_tiny.wan_pipeline().save_pretrained(folder)
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    return folder


@pytest.fixture(scope="module")
def cogvideox(tmp_path_factory) -> Path:
    """CogVideoX, image to video, without any adapter."""
    folder = tmp_path_factory.mktemp("cogvideox")
    published_tiny.cogvideox_pipeline(picture=True).save_pretrained(folder)
    return folder


def run(pipeline, **options) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline("a person walks", scene=tiny.scene(5), frames=5, steps=2, **options).frames


def test_a_folder_of_diffusers_with_an_adapter_beside_its_parts(wan):
    pipeline = load_pipeline(wan, size=SIZE)
    assert (pipeline.video_model.name, pipeline.fps, pipeline.size) == (wan.name, 16.0, SIZE)
    made = pipeline("a person", scene=tiny.scene(5), frames=5, steps=2)
    assert made.frames.shape == (5, 48, 32, 3)
    settings = json.loads(json.dumps(made.settings))
    assert settings["adapters"] == {"tokenmotion": ["camera", "pose"]}
    assert settings["guidance"]["text"] == 5.0
    assert settings["dtype"] == "float32"
    assert not np.array_equal(run(pipeline), run(load_pipeline(wan, [], size=SIZE)))


@pytest.mark.parametrize("method", ["tokenmotion", "mtvcraft", "mosa"])
@pytest.mark.parametrize("family", ["wan", "cogvideox"])
def test_sixteen_bits_as_on_an_accelerator(family, method, tmp_path, request):
    """What a model or an adapter keeps in float32 meets what is bfloat16."""
    folder = request.getfixturevalue(family)
    transformer = tiny.wan() if family == "wan" else tiny.cogvideox(in_channels=8)
    if method == "mtvcraft":
        tokenizer = MotionTokenizer((32, 64), 32, 16)
        adapter = MTVCraftAdapter.for_transformer(transformer, code_dim=32).with_tokenizer(tokenizer)
    else:
        adapter = adapter_class(method).for_transformer(transformer)
    adapter.save_pretrained(tmp_path / method)
    options = {"adapter_weights": tmp_path, "size": SIZE}
    picture = {"image": np.zeros((48, 32, 3), np.uint8)} if family == "cogvideox" else {}
    made = {}
    for dtype in (torch.bfloat16, torch.float32):
        pipeline = load_pipeline(folder, [method], dtype=dtype, **options)
        pipeline.set_progress_bar_config(disable=True)
        made[dtype] = pipeline("a person", scene=tiny.scene(9), frames=9, steps=1, **picture)
    assert made[torch.bfloat16].settings["dtype"] == "bfloat16"
    difference = np.abs(made[torch.bfloat16].frames.astype(int) - made[torch.float32].frames)
    assert difference.mean() < 3


def test_several_adapters_each_driven_by_its_own_signal(wan, tmp_path):
    """Two controls together, named as control methods; each sees what it may."""
    torch.manual_seed(3)
    loaded = WanPipeline.from_pretrained(wan)
    other = MTVCraftAdapter.for_transformer(loaded.transformer, code_dim=32)
    other = other.with_tokenizer(MotionTokenizer((32, 64), 32, 16)).eval()
    for site in other.sites:
        torch.nn.init.normal_(site.to_out.weight, std=0.3)
    other.save_pretrained(tmp_path / "mtvcraft")

    def made(*controls: str) -> np.ndarray:
        weights = tmp_path if "mtvcraft:pose" in controls else None
        pipeline = load_pipeline(wan, controls, adapter_weights=weights, size=SIZE)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline("", scene=tiny.scene(9), frames=9, steps=1).frames

    camera, both = made("tokenmotion:camera"), made("tokenmotion:camera", "mtvcraft:pose")
    assert not np.array_equal(camera, made("tokenmotion"))
    assert not np.array_equal(camera, both)
    assert np.array_equal(both, made("mtvcraft:pose", "tokenmotion:camera"))


def test_nothing_untrained_is_ever_used(cogvideox, tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained adapter and would not follow a motion"):
        load_pipeline(cogvideox, size=SIZE)
    with pytest.raises(FileNotFoundError, match="no trained weights for tokenmotion in"):
        load_pipeline(cogvideox, ["tokenmotion"], adapter_weights=tmp_path, size=SIZE)
    with pytest.raises(ValueError, match="mosa:hands: a control method may see pose or camera"):
        load_pipeline(cogvideox, ["mosa:hands"], adapter_weights=tmp_path, size=SIZE)
    tiny.adapter(hidden_size=32).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="made for tokens of width 32"):
        load_pipeline(cogvideox, ["tokenmotion"], adapter_weights=tmp_path, size=SIZE)
    facts = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**facts, BACKBONE: "wan2.1-14b"}))
    with pytest.raises(ValueError, match=r"of width 32, .*: it was trained on wan2\.1-14b, not on cogvideox"):
        load_pipeline(cogvideox, ["tokenmotion"], adapter_weights=tmp_path, size=SIZE)


def test_weights_that_are_given_are_used_or_refused(wan, tmp_path):
    """Those beside the backbone never take their place unseen."""
    with pytest.raises(FileNotFoundError, match="gone: no such folder of adapter weights"):
        load_pipeline(wan, adapter_weights=tmp_path / "gone", size=SIZE)
    adapter_class("mosa").for_transformer(tiny.wan()).save_pretrained(tmp_path / "mosa")
    assert list(load_pipeline(wan, adapter_weights=tmp_path, size=SIZE).drives) == ["mosa"]
    with pytest.raises(FileNotFoundError, match="no trained weights for tokenmotion in"):
        load_pipeline(wan, ["tokenmotion"], adapter_weights=tmp_path, size=SIZE)


def test_weights_that_nothing_reads_are_refused(wan, tmp_path, monkeypatch):
    tiny.awake(tiny.adapter()).save_pretrained(tmp_path / "tokenmotion")
    with pytest.raises(
        ValueError, match=r"--adapter-weights: no control method of .* reads .*; leave it out"
    ):
        load_pipeline(wan, [], adapter_weights=tmp_path, size=SIZE)
    monkeypatch.setattr(loading, "quantisation", lambda *rest: None)  # whose package may not be here
    monkeypatch.setattr(loading, "has_trained_backbone", lambda weights: weights is not None)
    monkeypatch.setattr(loading, "load_any_model", lambda *args, **more: pytest.fail("the weights were read"))
    with pytest.raises(ValueError, match="holds a trained backbone, which is loaded unquantised"):
        load_pipeline(wan, adapter_weights=tmp_path, size=SIZE, quantise="int8")


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_networks_are_read_whole_or_refused(wan, part, tmp_path):
    """diffusers and transformers fill weights that are missing with random numbers, and warn."""
    whole = tmp_path / "whole"
    shutil.copytree(wan, whole)
    file = next((whole / part).glob("*.safetensors"))
    state = load_file(file)
    lost = sorted(name for name in state if name.endswith("weight") and state[name].ndim > 1)[-1]
    save_file({name: each for name, each in state.items() if name != lost}, file, metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=rf"{part} is no whole \w+: \d+ weights are missing .*fetch it again"
    ):
        load_pipeline(whole, [], size=SIZE)
    file.write_bytes((wan / part / file.name).read_bytes()[:-64])
    with pytest.raises(ValueError, match=rf"{part} cannot be read as "):
        load_pipeline(whole, [], size=SIZE)


def test_an_index_that_is_damaged_is_named(wan, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(wan, folder)
    (folder / "model_index.json").write_text('{"_class_name": "WanPip')
    with pytest.raises(ValueError, match=r"half/model_index\.json is damaged .*fetch it again"):
        load_pipeline(folder, [], size=SIZE)


def test_folders_that_are_no_backbone(wan, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither model_index\.json nor pipeline\.json"):
        load_pipeline(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ValueError, match="is a FluxPipeline; backbones are"):
        load_pipeline(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    with pytest.raises(FileNotFoundError, match=r"is not complete: there is no transformer/config\.json"):
        load_pipeline(tmp_path, [])
    half = tmp_path / "half"
    shutil.copytree(wan, half)
    next((half / "vae").glob("*.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match="is not complete: there is no vae"):
        load_pipeline(half)


def test_a_published_name_says_what_to_fetch(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError) as error:
        find_backbone("cogvideox-2b")
    for words in ("hf download zai-org/CogVideoX-2b", "about 14 GB", "--backbone FOLDER", str(tmp_path)):
        assert words in str(error.value)


def test_a_lora_is_loaded_whole_or_not_at_all(wan, tmp_path):
    transformer = tiny.wan()
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(transformer)
    WanPipeline.save_lora_weights(tmp_path, transformer_lora_layers=layers, weight_name="style.safetensors")
    with_lora = load_pipeline(wan, size=SIZE, lora=tmp_path / "style.safetensors")
    assert not np.array_equal(run(with_lora), run(load_pipeline(wan, size=SIZE)))
    assert not any("lora_A" in key for key, _ in with_lora.adapters["tokenmotion"].named_parameters())

    strange = {key.replace("blocks.0", "blocks.9"): value for key, value in layers.items()}
    WanPipeline.save_lora_weights(tmp_path, transformer_lora_layers=strange, weight_name="other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors"):
        load_pipeline(wan, size=SIZE, lora=tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="no such LoRA"):
        load_pipeline(wan, size=SIZE, lora=tmp_path / "gone.safetensors")
    (tmp_path / "style.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"give a LoRA as \.safetensors"):
        load_pipeline(wan, size=SIZE, lora=tmp_path / "style.pt")


@pytest.mark.parametrize("memory", ["medium", "low"])
def test_without_an_accelerator_memory_levels_tile_and_say_so(wan, memory, caplog):
    pipeline = load_pipeline(wan, size=SIZE, memory=memory, device="cpu")
    assert pipeline.vae.use_tiling
    assert pipeline.vae.use_slicing
    assert "only tiles the autoencoder" in caplog.text
    assert np.array_equal(run(pipeline), run(load_pipeline(wan, size=SIZE)))


def test_unknown_levels_and_back_ends(wan, cogvideox):
    with pytest.raises(ValueError, match="give low, medium, high"):
        load_pipeline(wan, size=SIZE, memory="tiny")
    with pytest.raises(ValueError, match="attention 'rocket' cannot be used here"):
        load_pipeline(wan, size=SIZE, attention="rocket")
    with pytest.raises(ValueError, match="PyTorch's alone"):
        load_pipeline(cogvideox, [], size=SIZE, attention="native")


def test_an_attention_back_end_changes_nothing_but_how(wan):
    native = run(load_pipeline(wan, size=SIZE, attention="native"))
    assert np.abs(native.astype(int) - run(load_pipeline(wan, size=SIZE))).max() <= 1


def test_blocks_are_offloaded_and_adapters_stay(wan):
    """The mechanism of `low`, with the CPU in the accelerator's place."""
    pipeline = load_pipeline(wan, size=SIZE)
    expected = run(pipeline)
    offload_blocks(pipeline, torch.device("cpu"))
    assert np.array_equal(run(pipeline), expected)
    assert np.array_equal(run(pipeline), expected)


def test_models_take_turns_and_adapters_stay(wan):
    """The mechanism of `medium`, with the CPU in the accelerator's place."""
    pipeline = load_pipeline(wan, size=SIZE)
    expected = run(pipeline)
    pipeline.enable_model_cpu_offload(device="cpu:0")
    assert np.array_equal(run(pipeline), expected)
    assert np.array_equal(run(pipeline), expected)


def test_eight_bits_hold_the_backbone_but_not_the_adapter(wan):
    pipeline = load_pipeline(wan, size=SIZE)
    exact = run(pipeline)
    place(pipeline, fp8=True, device=torch.device("cpu"))
    types = {name: parameter.dtype for name, parameter in pipeline.transformer.named_parameters()}
    assert types["blocks.0.attn1.to_q.weight"] == torch.float8_e4m3fn
    assert {dtype for name, dtype in types.items() if SITES in name} == {torch.float32}
    made = run(pipeline)
    assert not np.array_equal(made, exact)
    assert np.abs(made.astype(int) - exact).mean() < 20


def test_mtvcrafts_published_files_find_their_backbone(monkeypatch, tmp_path):
    from huggingface_hub import constants
    from tests.video import mtvcraft_tiny
    from tests.video.test_mtvcraft_video import published_cogvideox

    model = tmp_path / "hub" / "models--zai-org--CogVideoX-5b"
    published_tiny.cogvideox_pipeline(dpm=True).save_pretrained(model / "snapshots" / "0")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    weights = tmp_path / "mtvcraft" / "MV-DiT" / "CogVideoX"
    for folder in (weights, weights.parents[1] / "4DMoT", weights.parents[1] / "data"):
        folder.mkdir(parents=True)
    tokenizer = MotionTokenizer((32, 64), mtvcraft_tiny.CODE_DIM, 32)
    state = {key: value.contiguous() for key, value in published_cogvideox().items()}
    save_file(state, weights / "diffusion_pytorch_model.safetensors")
    torch.save(
        {"module": tokenizer.state_dict()}, weights.parents[1] / "4DMoT" / "mp_rank_00_model_states.pt"
    )
    np.save(weights.parents[1] / "data" / "mean.npy", np.zeros((24, 3), np.float32))
    np.save(weights.parents[1] / "data" / "std.npy", np.ones((24, 3), np.float32))

    pipeline = load_pipeline(weights, size=SIZE)
    assert pipeline.video_model.name == "mtvcraft-cogvideox"
    assert list(pipeline.adapters) == ["mtvcraft"]
    assert pipeline.video_model.defaults.guidance["pose"].scale == 3.0
    with pytest.raises(ValueError, match="its own control"):
        load_pipeline(weights, ["tokenmotion"], size=SIZE)


def test_a_sentencepiece_tokenizer_says_what_it_needs(cogvideox, monkeypatch, tmp_path):
    from kinema.video.models import published_parts

    shutil.copytree(cogvideox, tmp_path / "c")
    (tmp_path / "c" / "tokenizer" / "tokenizer.json").rename(tmp_path / "c" / "tokenizer" / "spiece.model")
    monkeypatch.setattr(published_parts, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install sentencepiece==0\.2\.0 protobuf"):
        load_pipeline(tmp_path / "c", [], size=SIZE)
