"""Caches between steps: exact where they leave nothing out, apart for passes and windows, refused with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import WanAnimateTransformer3DModel
from tests.video import published_tiny, tiny, vace_tiny

from kinema.diffusion.guider import Guidance
from kinema.video.caching import CacheChoice, Caching, cache_pass, check_cache, reset_caches
from kinema.video.loading import load_pipeline

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
NOTHING = ("first-block:0", "taylorseer:1", "pab:1")
"""Caches that leave nothing out."""
SOMETHING = ("first-block:9", "taylorseer:4", "pab:3")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Wan (text) with a control, Wan (picture), CogVideoX."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("wan", "picture", "cogvideox")}
    published_tiny.wan_pipeline().save_pretrained(made["wan"])
    tiny.awake(tiny.adapter()).save_pretrained(made["wan"] / "tokenmotion")
    published_tiny.wan_pipeline(picture=True).save_pretrained(made["picture"])
    published_tiny.cogvideox_pipeline().save_pretrained(made["cogvideox"])
    return made


def run(folders, kind: str, cache: str | None, frames: int = 9, steps: int = 7) -> np.ndarray:
    controls = ["tokenmotion"] if kind == "wan" else []
    window = 13 if kind == "picture" else 9
    pipeline = load_pipeline(folders[kind], controls, size=SIZE, frames=window, cache=cache)
    pipeline.set_progress_bar_config(disable=True)
    options = {"image": np.full((48, 32, 3), 90, np.uint8)} if kind == "picture" else {}
    if kind == "wan":
        options["scene"] = tiny.scene(frames)
    guidance = Guidance(text=4.0, pose=2.0)  # three passes each step
    return pipeline("a person walks", frames=frames, steps=steps, guidance=guidance, **options).frames


@pytest.fixture(scope="module")
def plain(folders):
    return {
        "wan": run(folders, "wan", None),
        "cogvideox": run(folders, "cogvideox", None),
        "picture": run(folders, "picture", None, frames=17),
    }


@pytest.mark.parametrize("cache", NOTHING)
@pytest.mark.parametrize("kind", ["wan", "cogvideox", "picture"])
def test_a_cache_that_leaves_nothing_out_changes_nothing(folders, plain, kind, cache):
    """With a control attached, several passes of guidance, and more than one window (`picture`)."""
    made = run(folders, kind, cache, frames=len(plain[kind]))
    assert np.array_equal(made, plain[kind])


@pytest.mark.parametrize("cache", SOMETHING)
@pytest.mark.parametrize("kind", ["wan", "picture"])
def test_a_cache_leaves_out_and_stays_near(folders, plain, kind, cache):
    made = run(folders, kind, cache, frames=len(plain[kind]))
    assert not np.array_equal(made, plain[kind])
    assert np.array_equal(made, run(folders, kind, cache, frames=len(plain[kind])))


@pytest.mark.parametrize("cache", SOMETHING)
@pytest.mark.parametrize("family", ["wan", "cogvideox"])
def test_a_cache_leaves_out_what_it_says(family, cache):
    """diffusers' own TaylorSeer finds nothing to leave out in these, and says nothing."""
    transformer = getattr(tiny, family)()
    blocks = transformer.blocks if family == "wan" else transformer.transformer_blocks
    caching, ran = Caching(CacheChoice.of(cache), (transformer,)), []
    part = blocks[1].attn1 if cache.startswith("pab") else blocks[1].norm1
    watched = part.to_q if cache.startswith("pab") else part
    watched.register_forward_hook(lambda *_: ran.append(1))
    caching.at(500)
    for _ in range(8):
        with torch.no_grad(), cache_pass([transformer], "text"):
            transformer(**getattr(tiny, f"{family}_inputs")(), return_dict=False)
    assert 1 <= len(ran) <= 6


def test_magcache_takes_ratios_from_a_file(folders, plain, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([1.0] * 7))
    assert (
        np.array_equal(run(folders, "wan", f"mag:{tmp_path}/r.json:0"), plain["wan"]) is False
    )  # ratios of 1 skip
    (tmp_path / "far.json").write_text(json.dumps([0.5] * 7))
    assert np.array_equal(run(folders, "wan", f"mag:{tmp_path}/far.json:0"), plain["wan"])
    (tmp_path / "bad.json").write_text('{"a": 1}')
    for file, words in (("", "needs ratios"), ("bad.json", "no JSON list of numbers")):
        with pytest.raises(ValueError, match=words):
            CacheChoice.of(f"mag:{tmp_path}/{file}" if file else "mag")
    with pytest.raises(FileNotFoundError, match="no such file of ratios"):
        CacheChoice.of("mag:gone.json")


def test_settings_say_which_cache(folders):
    pipeline = load_pipeline(folders["cogvideox"], [], size=SIZE, frames=9, cache="first-block")
    assert pipeline("", frames=9, steps=1).settings["cache"] == "first-block:0.1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("teacache", "there are first-block, mag, taylorseer, pab"),
        ("cache-dit", "not on Kinema's loop"),
        ("first-block:much", "'much' is no number"),
        ("first-block:-1", "a number from 0"),
        ("pab:0", "a whole number from 1"),
        ("taylorseer:2.5", "a whole number from 1"),
    ],
)
def test_caches_that_are_none(text, words):
    with pytest.raises(ValueError, match=words):
        CacheChoice.of(text)


def test_where_blocks_cannot_be_skipped_it_is_said():
    vace = vace_tiny.transformer(0)
    with pytest.raises(ValueError, match="adds its control between blocks"):
        check_cache(CacheChoice.of("first-block"), [vace])
    check_cache(CacheChoice.of("taylorseer"), [vace])
    with pytest.raises(ValueError, match="no list of blocks that could be skipped"):
        check_cache(CacheChoice.of("first-block"), [tiny.wan(num_layers=1)])
    bare = tiny.wan()
    del bare.proj_out
    with pytest.raises(ValueError, match="no blocks and output that it knows"):
        check_cache(CacheChoice.of("taylorseer"), [bare])
    with pytest.raises(ValueError, match="diffusers has no caches for Linear"):
        check_cache(CacheChoice.of("pab"), [torch.nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="changes to its second expert"):
        check_cache(CacheChoice("mag", 0.1, (1.0,)), [tiny.wan(), tiny.wan()])


def animate() -> tuple[WanAnimateTransformer3DModel, dict[str, torch.Tensor]]:
    """Wan-Animate, tiny, with seven blocks and faces after the first and the sixth."""
    torch.manual_seed(0)
    transformer = WanAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=12,
        latent_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=10,
        image_dim=8,
        motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16},
        motion_encoder_size=16,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=16,
        face_encoder_hidden_dim=16,
        face_encoder_num_heads=2,
    ).eval()
    inputs = {
        "hidden_states": torch.randn(1, 12, 3, 4, 4),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 6, 16),
        "encoder_hidden_states_image": torch.randn(1, 5, 8),
        "pose_hidden_states": torch.randn(1, 4, 2, 4, 4),
        "face_pixel_values": torch.rand(1, 3, 5, 16, 16),
    }
    return transformer, inputs


def passes(transformer, inputs, times: int = 2) -> list[torch.Tensor]:
    made = []
    for _ in range(times):
        with torch.no_grad(), cache_pass([transformer], "text"):
            made.append(
                transformer(**{key: each.clone() for key, each in inputs.items()}, return_dict=False)[0]
            )
    return made


@pytest.mark.parametrize("choice", [CacheChoice("first-block", 9.0), CacheChoice("mag", 9.0, (1.0,) * 4)])
def test_wan_animates_face_is_told_once(choice):
    """A skipped step of the same input gives the same output: what the face said is in the difference that was kept."""
    transformer, inputs = animate()
    (plain,) = passes(transformer, inputs, 1)
    ran = []
    transformer.blocks[3].attn1.register_forward_hook(lambda *_: ran.append(1))
    caching = Caching(choice, (transformer,))
    caching.begin(4)
    made = passes(transformer, inputs, 4)
    assert len(ran) < 4
    for each in made:
        assert torch.allclose(each, plain, atol=1e-5)
    reset_caches([transformer])
    other = {**inputs, "face_pixel_values": 1 - inputs["face_pixel_values"]}
    assert not torch.allclose(passes(transformer, other, 1)[0], plain, atol=1e-5)


@pytest.mark.parametrize("cache", NOTHING)
def test_wan_animate_with_a_cache_that_leaves_nothing_out(cache):
    transformer, inputs = animate()
    (plain,) = passes(transformer, inputs, 1)
    caching = Caching(CacheChoice.of(cache), (transformer,))
    caching.at(500)
    for each in passes(transformer, inputs, 3):
        assert torch.allclose(each, plain, atol=1e-5)


def test_attention_of_one_pass_is_not_handed_to_another():
    """diffusers' pyramid broadcast counts calls, and with two passes a step gives the second what the first made."""
    transformer = tiny.wan()
    inputs = tiny.wan_inputs()
    other = {**inputs, "encoder_hidden_states": 2 * inputs["encoder_hidden_states"] + 1}

    def both() -> list[torch.Tensor]:
        made = []
        for name, each in (("text", inputs), ("nothing", other)):
            with torch.no_grad(), cache_pass([transformer], name):
                made.append(transformer(**each, return_dict=False)[0])
        return made

    plain = both()
    Caching(CacheChoice.of("pab:2"), (transformer,)).at(500)
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(both(), plain, strict=True))
