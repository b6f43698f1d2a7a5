"""4DMoT: the published numbers, any length, both forms, and honest errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.reference_weights import reference_weights

from kinema.motion.checkpoints import CheckpointError
from kinema.motion.tokenizer import FORMS, MotionTokenizer

LENGTHS = (8, 9, 16, 17, 25, 48, 49)


@pytest.fixture(scope="module")
def published(reference: Path, tmp_path_factory) -> MotionTokenizer:
    """The reference tokenizer, by the way a user takes: a DeepSpeed file and two .npy files."""
    shapes = json.loads((reference / "mtvcraft_state_dict_shapes.json").read_text())["tokenizer"]
    folder = tmp_path_factory.mktemp("published")
    torch.save({"module": reference_weights(shapes), "global_steps": 1}, folder / "model_states.pt")
    np.save(folder / "mean.npy", np.zeros((24, 3), np.float32))
    np.save(folder / "std.npy", np.ones((24, 3), np.float32))
    return MotionTokenizer.from_published(folder / "model_states.pt", folder / "mean.npy", folder / "std.npy")


def tiny(**changes) -> MotionTokenizer:
    torch.manual_seed(0)
    options = {"widths": (32, 64), "code_dim": 16, "codes": 64, "dilations": (3, 1)}
    return MotionTokenizer(**{**options, **changes}).eval()


def walk(batch: int = 2, frames: int = 17) -> torch.Tensor:
    """Smooth joint paths of a person's size, millimetres, [B, N, 24, 3]."""
    generator = torch.Generator().manual_seed(1)
    pose, speed, phase = (torch.randn(batch, 1, 24, 3, generator=generator) for _ in range(3))
    time = torch.arange(frames).view(1, -1, 1, 1) / 12
    return 300 * pose + 200 * time * speed + 100 * torch.sin(4 * time + phase)


@pytest.mark.parametrize("frames", LENGTHS)
@torch.inference_mode()
def test_published_numbers(published: MotionTokenizer, reference: Path, frames: int):
    with np.load(reference / "mtvcraft_tokenizer.npz", allow_pickle=False) as fixture:
        x, wanted, reconstruction = (
            torch.from_numpy(fixture[f"{name}_{frames}"]) for name in ("x", "indices", "recon")
        )
    indices = published.encode(x)
    assert torch.equal(indices, wanted.long())
    for tokens in (indices, published.tokens(x)):
        torch.testing.assert_close(published.decode(tokens, frames), reconstruction, atol=1e-4, rtol=0)
    assert torch.equal(published.prepare().encode(x), wanted.long())
    published.eval()  # as it was


def test_the_published_layout(published: MotionTokenizer, reference: Path):
    shapes = json.loads((reference / "mtvcraft_state_dict_shapes.json").read_text())["tokenizer"]
    assert {key: list(value.shape) for key, value in published.state_dict().items()} == shapes


def test_the_published_size():
    with torch.device("meta"):
        model = MotionTokenizer()
    sizes = {key: value.numel() for key, value in model.state_dict().items()}
    assert sizes.pop("vq.codebook") == 8192 * 3072
    assert round(sum(sizes.values()) / 1e6, 1) == 48.3


def test_published_weights_that_do_not_fit_are_refused(tmp_path: Path):
    torch.save({"module": {"encoder.conv_in.weight": torch.ones(32, 3, 3, 3)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt does not hold a motion tokenizer"):
        MotionTokenizer.from_published(tmp_path / "other.pt", np.zeros((24, 3)), np.ones((24, 3)))
    state = tiny().state_dict()
    state.pop("decoder.conv_in.bias")
    torch.save({"module": state}, tmp_path / "partial.pt")
    with pytest.raises(CheckpointError, match=r"1 missing: decoder\.conv_in\.bias"):
        MotionTokenizer.from_published(tmp_path / "partial.pt", np.zeros((24, 3)), np.ones((24, 3)))


def test_latent_frames_as_published():
    lengths = (8, 9, 16, 17, 25, 48, 49, 57, 81)
    assert [MotionTokenizer.latent_frames(n) for n in lengths] == [2, 3, 4, 5, 7, 12, 13, 15, 21]
    with pytest.raises(ValueError, match="7 frames are too few"):
        MotionTokenizer.latent_frames(7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("frames", [8, 10, 13, 17, 23, 49])
@torch.inference_mode()
def test_any_length_comes_back_at_its_own_length(form: str, frames: int):
    model, joints = tiny(form=form), walk(frames=frames)
    indices = model.encode(joints)
    assert indices.shape == (2, model.latent_frames(frames) * 24)
    first = None if form == "parity" else joints[:, 0]
    assert model.decode(indices, frames, first).shape == joints.shape


@torch.inference_mode()
def test_a_padded_motion_is_a_motion_that_holds_its_last_frame():
    model, joints = tiny(), walk(frames=13)
    held = torch.cat([joints, joints[:, -1:].expand(-1, 3, -1, -1)], dim=1)
    assert torch.equal(model.encode(joints), model.encode(held))


@torch.inference_mode()
def test_nothing_crosses_a_chunk():
    model, joints = tiny(), walk(frames=25)
    changed = joints.clone()
    changed[:, 9:17] += 500
    latents, other = model.latents(joints), model.latents(changed)
    torch.testing.assert_close(latents[:, :3], other[:, :3])
    torch.testing.assert_close(latents[:, 5:], other[:, 5:])
    assert not torch.allclose(latents[:, 3:5], other[:, 3:5])


@pytest.mark.parametrize("form", ["differential", "centred"])
@torch.inference_mode()
def test_tokens_do_not_know_the_place_and_decoding_puts_it_back(form: str):
    model, joints = tiny(form=form), walk()
    shift = torch.tensor([700.0, -200.0, 3000.0])
    assert torch.equal(model.encode(joints), model.encode(joints + shift))
    tokens = model.tokens(joints)
    here, there = (model.decode(tokens, 17, first) for first in (joints[:, 0], joints[:, 0] + shift))
    torch.testing.assert_close(there - here, shift.expand_as(here), atol=1e-2, rtol=0)
    with pytest.raises(ValueError, match="needs the first frame"):
        model.decode(tokens, 17)


@torch.inference_mode()
def test_only_differential_tokens_do_not_know_the_pose():
    joints = walk()
    other = joints.clone()
    other[:, :, 20] += 400  # an arm held elsewhere
    same = {
        form: bool((tiny(form=form).encode(joints) == tiny(form=form).encode(other)).all()) for form in FORMS
    }
    assert same == {"parity": False, "differential": True, "centred": False}


def test_normalising_comes_undone():
    mean, std = np.full((24, 3), 50.0).tolist(), np.full((24, 3), 20.0).tolist()
    for form in FORMS:
        model, joints = tiny(form=form, mean=mean, std=std), walk()
        first = None if form == "parity" else joints[:, 0]
        torch.testing.assert_close(
            model.denormalise(model.normalise(joints, first), first), joints, atol=1e-2, rtol=0
        )


def test_a_missing_joint_is_named():
    joints = walk()
    joints[1, 5, 7] = torch.nan
    with pytest.raises(ValueError, match="joint 7 in frame 5 of sample 1 is missing"):
        tiny().encode(joints)


def test_wrong_input_is_refused():
    model = tiny()
    with pytest.raises(ValueError, match=r"\[2, 17, 22, 3\]; give \[B, N, 24, 3\]"):
        model.encode(walk()[:, :, :22])
    with pytest.raises(ValueError, match="too few"):
        model.encode(walk(frames=7))
    with pytest.raises(ValueError, match="17 frames have 5 x 24 tokens"):
        model.decode(torch.zeros(2, 96, dtype=torch.long), 17)
    with pytest.raises(ValueError, match="takes no `first`"):
        model.encode(walk(), first=walk()[:, 0])
    with pytest.raises(ValueError, match="form must be"):
        tiny(form="relative")
    with pytest.raises(ValueError, match="mean has the shape"):
        tiny(mean=[[0.0] * 3] * 23)
    with pytest.raises(ValueError, match="std must be positive"):
        tiny(std=[[0.0] * 3] * 24)


@torch.inference_mode()
def test_saved_and_loaded(tmp_path: Path):
    mean, std = np.full((24, 3), 50.0).tolist(), np.full((24, 3), 20.0).tolist()
    model = tiny(form="differential", mean=mean, std=std, fps=12.0)
    model.save_pretrained(tmp_path)
    loaded = MotionTokenizer.from_pretrained(tmp_path)
    assert loaded.config.fps == 12.0
    assert torch.equal(loaded.encode(walk()), model.encode(walk()))


@torch.inference_mode()
def test_half_precision_keeps_positions():
    """Weights may be bfloat16; millimetres and the choice of the nearest code stay float32."""
    mean = np.full((24, 3), 3000.0).tolist()
    model = tiny(mean=mean).to(torch.bfloat16)
    joints = walk() + 3000
    assert model.encode(joints).dtype == torch.int64
    torch.testing.assert_close(model.denormalise(model.normalise(joints)), joints, atol=1e-2, rtol=0)
