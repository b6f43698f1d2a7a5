"""Transformers out of single files beside a folder's other parts: layouts, 8 bits, GGUF, quantisation, clear errors."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.video import published_tiny, tiny

from kinema.motion.checkpoints import CheckpointError
from kinema.video.checkpoints import assigned, expert_of
from kinema.video.loading import load_pipeline
from kinema.video.quantisation import WAYS, is_quantised

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
_ORIGINAL = (
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("attn1.to_out.0", "self_attn.o"),
    ("attn2.to_out.0", "cross_attn.o"),
    ("attn1.to_", "self_attn."),
    ("attn2.to_", "cross_attn."),
    ("attn1.", "self_attn."),
    ("attn2.", "cross_attn."),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    (".norm2.", ".norm3."),
    ("proj_out", "head.head"),
)


def original_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Wan's own names of its weights, as its publishers' and the community's files have them."""
    made = {}
    for key, value in state.items():
        for ours, theirs in _ORIGINAL:
            key = key.replace(ours, theirs)
        key = (
            "head.modulation"
            if key == "scale_shift_table"
            else key.replace("scale_shift_table", "modulation")
        )
        made[key] = value.clone().contiguous()
    return made


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Wan without the weights of its transformer, and those weights."""
    folder = tmp_path_factory.mktemp("bare")
    pipeline = published_tiny.wan_pipeline()
    pipeline.save_pretrained(folder)
    next((folder / "transformer").glob("*.safetensors")).unlink()
    return folder, pipeline.transformer.state_dict()


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("whole")
    published_tiny.wan_pipeline().save_pretrained(folder)
    return run(load_pipeline(folder, [], size=SIZE))


def run(pipeline) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline("a person walks", frames=5, steps=2).frames


@pytest.mark.parametrize("prefix", [None, "", "model.diffusion_model.", "diffusion_model."])
def test_one_file_stands_for_the_folders_transformer(bare, expected, prefix, tmp_path):
    folder, state = bare
    named = state if prefix is None else {prefix + key: each for key, each in original_names(state).items()}
    save_file({key: each.contiguous() for key, each in named.items()}, tmp_path / "wan.safetensors")
    pipeline = load_pipeline(folder, [], size=SIZE, checkpoint=tmp_path / "wan.safetensors")
    assert np.array_equal(run(pipeline), expected)
    assert pipeline("", frames=5, steps=1).settings["checkpoint"] == ["wan.safetensors"]


def test_without_the_file_the_folder_is_incomplete(bare):
    with pytest.raises(FileNotFoundError, match="not complete: there is no transformer"):
        load_pipeline(bare[0], [], size=SIZE)


@pytest.mark.parametrize("scale", ["scale_weight", "weight_scale"])
def test_the_communitys_eight_bit_files_are_read_as_they_are_meant(bare, scale, tmp_path):
    """ComfyUI's scaled files: 8-bit weights, a scale beside each, and a mark `scaled_fp8`."""
    folder, state = bare
    packed, meant = {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}, {}
    for key, each in original_names(state).items():
        packed[key] = meant[key] = each
        if each.ndim == 2 and key.startswith("blocks"):
            factor = each.abs().max() / 448
            packed[key] = (each / factor).to(torch.float8_e4m3fn)
            packed[key.replace("weight", scale)] = factor
            meant[key] = packed[key].float() * factor
    save_file(packed, tmp_path / "fp8.safetensors")
    save_file(meant, tmp_path / "meant.safetensors")
    made = [
        run(load_pipeline(folder, [], size=SIZE, checkpoint=tmp_path / f"{name}.safetensors"))
        for name in ("fp8", "meant")
    ]
    assert np.array_equal(*made)


def test_what_is_wrong_with_a_file_is_said_before_it_is_read(bare, tmp_path):
    folder, state = bare
    good = tmp_path / "good.safetensors"
    save_file({key: each.contiguous() for key, each in state.items()}, good)

    def refused(file, words: str, **options) -> str:
        with pytest.raises((ValueError, OSError), match=words) as error:
            load_pipeline(folder, [], size=SIZE, checkpoint=file, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    refused(tmp_path / "gone.safetensors", "no such checkpoint")
    for name, length in (("short", -1000), ("shorter", 100), ("shortest", 3)):
        (tmp_path / f"{name}.safetensors").write_bytes(good.read_bytes()[:length])
        refused(tmp_path / f"{name}.safetensors", "cut short")
    (tmp_path / "page.safetensors").write_text("<html>not found</html>" * 100)
    refused(tmp_path / "page.safetensors", "no safetensors file")
    save_file(
        {key: each.contiguous() for key, each in tiny.cogvideox().state_dict().items()},
        tmp_path / "cog.safetensors",
    )
    refused(tmp_path / "cog.safetensors", r"is no transformer of .*missing")
    save_file(
        {key: each.contiguous() for key, each in tiny.wan(ffn_dim=64).state_dict().items()},
        tmp_path / "narrow.safetensors",
    )
    refused(tmp_path / "narrow.safetensors", r"of another shape \(blocks\.0\.ffn.* \[64\] instead of \[96\]")
    refused([good, good], "takes one file, not 2")
    (tmp_path / "weights.pt").write_bytes(b"")
    refused(tmp_path / "weights.pt", r"give \.safetensors or \.gguf")
    with pytest.raises(ValueError, match=r"--base: .* is a backbone"):
        load_pipeline(folder, [], size=SIZE, base="wan2.1-14b", checkpoint=good)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "transformer" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_pipeline(broken, [], size=SIZE, checkpoint=good)


def test_which_file_is_for_which_expert(tmp_path):
    high, low = tmp_path / "wan2.2_high_noise_14B.gguf", tmp_path / "wan2.2_low_noise_14B.gguf"
    parts = ("transformer", "transformer_2")
    assert assigned([low, high], parts) == {"transformer": high, "transformer_2": low}
    assert expert_of(tmp_path / "slowly.gguf") is None
    with pytest.raises(ValueError, match="a file for each of its two experts"):
        assigned([high], parts)
    with pytest.raises(ValueError, match="both files are named high noise"):
        assigned([high, high], parts)


def write_gguf(path, state: dict[str, torch.Tensor]) -> None:
    """Weights as community GGUFs have them: matrices in 8 bits, others and those of odd widths in float32."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "wan")
    for key, each in state.items():
        array = each.float().numpy()
        if array.ndim == 2 and array.shape[1] % 32 == 0:
            packed = gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(key, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(key, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf(bare, expected, tmp_path):
    folder, state = bare
    file = tmp_path / "wan-Q8_0.gguf"
    write_gguf(file, original_names(state))
    pipeline = load_pipeline(folder, [], size=SIZE, checkpoint=file)
    assert is_quantised(pipeline.transformer)
    assert np.abs(run(pipeline).astype(int) - expected).mean() < 2
    with pytest.raises(ValueError, match="kept in fewer bits already"):
        load_pipeline(folder, [], size=SIZE, checkpoint=file, fp8=True)
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match=r"short\.gguf is no GGUF file, or is cut short"):
        load_pipeline(folder, [], size=SIZE, checkpoint=short)
    write_gguf(tmp_path / "cog.gguf", tiny.cogvideox().state_dict())
    with pytest.raises(CheckpointError, match="is no transformer of"):
        load_pipeline(folder, [], size=SIZE, checkpoint=tmp_path / "cog.gguf")


@pytest.mark.parametrize("name", ["int8", "fp8", "quanto-int8"])
def test_weights_in_eight_bits(name, expected, bare, tmp_path):
    pytest.importorskip(WAYS[name].module)
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    pipeline = load_pipeline(tmp_path / "wan", [], size=SIZE, quantise=name)
    made = run(pipeline)
    assert is_quantised(pipeline.transformer)
    assert not np.array_equal(made, expected)
    assert np.abs(made.astype(int) - expected).mean() < 10
    assert pipeline("", frames=5, steps=1).settings["quantise"] == name
    save_file(original_names(bare[1]), tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match=r"one\.safetensors is one file: leave it out, and take --fp8"):
        load_pipeline(tmp_path / "wan", [], size=SIZE, quantise=name, checkpoint=tmp_path / "one.safetensors")


def test_quantisation_that_cannot_be_says_so(bare, monkeypatch):
    from kinema.video import quantisation

    with pytest.raises(ValueError, match="--quantise int3: there are int8"):
        load_pipeline(bare[0], [], quantise="int3", checkpoint=__file__)
    monkeypatch.setattr(quantisation, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs `pip install bitsandbytes==0\.50\.2`"):
        load_pipeline(bare[0], [], quantise="nf4", checkpoint=__file__)
    monkeypatch.setattr(quantisation, "find_spec", lambda name: name)
    with pytest.raises(
        ValueError, match="works on cuda and xpu, not on cpu: there is int8, fp8, quanto-int8"
    ):
        load_pipeline(bare[0], [], quantise="nf4", checkpoint=__file__, device="cpu")
