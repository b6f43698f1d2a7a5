"""VACE through our pipeline gives what diffusers' WanVACEPipeline gives when it is called with the passes by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.hooks import (
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from PIL import Image
from safetensors.torch import save_file
from tests.video import published_tiny, tiny, vace_tiny

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import profile_of
from kinema.passes.shot import Shot
from kinema.video.caching import CacheChoice, Caching
from kinema.video.loading import load_pipeline
from kinema.video.loras import load_loras, loras_of
from kinema.video.model_loading import check_form
from kinema.video.models.colour import matched_colour
from kinema.video.models.experts import ExpertGuidance
from kinema.video.models.vace import Recipe, VaceControl, VaceVideo
from kinema.video.pixels import from_uint8, to_uint8

PROMPT, NEGATIVE = "a person walks", "blurred"
HALF_A_LEVEL = 0.51 / 255 + 1e-4
RNG = np.random.default_rng(3)
FILM = RNG.integers(0, 255, (9, 48, 32, 3), dtype=np.uint8)
HOLE = np.zeros((9, 48, 32), bool)
HOLE[:, 10:40, 5:20] = True
PICTURES = tuple(RNG.integers(0, 255, (48, 32, 3), dtype=np.uint8) for _ in range(2))


def by_hand(
    loaded, control: VaceControl | None, frames=9, seed=5, steps=3, guidance=4.0, **more
) -> np.ndarray:
    """What diffusers makes of passes, 0 to 1."""
    model = vace_tiny.video_model(loaded)
    texts = [model.encode_text(words, torch.device("cpu")) for words in (PROMPT, NEGATIVE)]
    passes = {}
    if control is not None:
        passes = {
            "video": [Image.fromarray(each) for each in control.film],
            "mask": None
            if control.mask is None
            else [Image.fromarray(each.astype(np.uint8) * 255) for each in control.mask],
            "reference_images": [Image.fromarray(each) for each in control.references] or None,
        }
    return loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=48,
        width=32,
        num_frames=frames,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        **passes,
        **more,
    ).frames[0]


def ours(pipeline, control: VaceControl | None = None, guidance=4.0, **more) -> np.ndarray:
    if control is not None:
        pipeline.video_model.read_shot = lambda shot: control
        pipeline.video_model.notes = lambda shot: []
    if not isinstance(guidance, Guidance):
        guidance = Guidance(text=guidance)
    given = {"frames": 9, "seed": 5, "steps": 3, "scene": tiny.scene(9), "negative_prompt": NEGATIVE}
    return pipeline(PROMPT, guidance=guidance, **{**given, **more}).frames


@pytest.mark.parametrize("experts", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("references", [0, 1, 2])
def test_passes_by_hand_give_the_same_in_diffusers_own_pipeline(experts, guidance, references):
    loaded = vace_tiny.pipeline(experts)
    control = VaceControl(FILM, HOLE, PICTURES[:references])
    theirs = by_hand(loaded, control, guidance=guidance)
    made = ours(vace_tiny.kinema_pipeline(loaded), control, guidance)
    assert made.shape == (9, 48, 32, 3)
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL


def test_experts_are_guided_apart_as_by_two_guidance_scales():
    loaded = vace_tiny.pipeline(2)
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    theirs = by_hand(loaded, control, guidance=4.0, guidance_scale_2=2.0)
    apart = ExpertGuidance(Guidance(text=4.0), Guidance(text=2.0), 0.7)
    made = ours(vace_tiny.kinema_pipeline(loaded), control, apart)
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL
    assert not np.array_equal(made, ours(vace_tiny.kinema_pipeline(loaded), control, 4.0))


def test_strength_is_the_conditioning_scale():
    loaded = vace_tiny.pipeline()
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    theirs = by_hand(loaded, control, conditioning_scale=0.4)
    made = ours(vace_tiny.kinema_pipeline(loaded, strength=0.4), control)
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL
    assert not np.array_equal(made, ours(vace_tiny.kinema_pipeline(loaded), control))


def test_no_mask_is_everything_anew():
    """diffusers' preprocess_conditions: `mask = torch.ones_like(video)`."""
    loaded = vace_tiny.pipeline()
    theirs = by_hand(loaded, VaceControl(FILM))
    white = VaceControl(FILM, np.ones_like(HOLE))
    for control in (VaceControl(FILM), white):
        made = ours(vace_tiny.kinema_pipeline(loaded), control)
        assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL


@pytest.mark.parametrize("picture", [None, PICTURES[0]])
def test_without_a_scene_it_is_text_to_video(picture):
    """`--control none`: diffusers' pipeline without video and mask."""
    loaded = vace_tiny.pipeline()
    shown = {} if picture is None else {"reference_images": [Image.fromarray(picture)]}
    theirs = by_hand(loaded, None, **shown)
    pipeline = vace_tiny.kinema_pipeline(loaded)
    pipeline.video_model.follow_nothing()
    made = ours(pipeline, image=picture, scene=None)
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL


def test_white_of_the_mask_is_made_anew_and_black_is_kept():
    """VACE's mask: 1 is generated. The first channels of the control are what is kept, the next what is made anew."""
    model = vace_tiny.video_model(vace_tiny.pipeline())
    window = model.begin_window(None, None, 9, torch.Generator(), torch.device("cpu"))
    made = model.conditioned(window, VaceControl(FILM, HOLE), 0, 9).control
    pixels = from_uint8(FILM)
    hole = torch.from_numpy(HOLE)[None, None]
    assert torch.allclose(made[:, :4], model.encode_video(pixels * ~hole), atol=1e-5)
    assert torch.allclose(made[:, 4:8], model.encode_video(pixels * hole), atol=1e-5)
    # 64 channels are the pixels of one latent one, row by row; latent ones of 8 x 8 pixels.
    first = HOLE[0, 8:16, 0:8].reshape(64)
    assert torch.equal(made[0, 8:, 0, 1, 0], torch.from_numpy(first).float())


@pytest.mark.parametrize("size", [(32, 32), (16, 48), (64, 96)])
def test_a_control_of_another_size_is_refused(size):
    """diffusers takes a smaller one and fills its tokens up with zeros: transformer_wan_vace.py, `..._padding`."""
    width, height = size
    control = VaceControl(np.zeros((9, height, width, 3), np.uint8))
    with pytest.raises(ValueError, match=f"9 frames of 32x48 from frame 0 on, not 9 of {width}x{height}"):
        ours(vace_tiny.kinema_pipeline(vace_tiny.pipeline()), control)


def test_passes_that_are_none():
    with pytest.raises(ValueError, match="uint8"):
        VaceControl(FILM.astype(np.float32))
    with pytest.raises(ValueError, match="bool"):
        VaceControl(FILM, HOLE.astype(np.uint8))
    with pytest.raises(ValueError, match="has its shape"):
        VaceControl(FILM, HOLE[:5])
    with pytest.raises(ValueError, match="no recipe 'dance': there are pose, first-frame"):
        vace_tiny.video_model(vace_tiny.pipeline(), recipe="dance")
    with pytest.raises(ValueError, match="control strength -1: give between 0 and 10"):
        vace_tiny.video_model(vace_tiny.pipeline(), strength=-1.0)


def test_references_lie_on_white_as_a_whole():
    """diffusers: `canvas = torch.ones(3, *image_size)`, the picture scaled to fit in its middle."""
    model = vace_tiny.video_model(vace_tiny.pipeline())
    wide = np.zeros((16, 32, 3), np.uint8)
    control = VaceControl(FILM, HOLE, (wide,))
    window = model.begin_window(None, None, 9, torch.Generator(), torch.device("cpu"))
    made = model.conditioned(window, control, 0, 9)
    canvas = np.full((48, 32, 3), 255, np.uint8)
    canvas[16:32] = 0
    assert torch.equal(made.control[:, :4, :1], model.encode_video(from_uint8(canvas[None])))
    assert not made.control[:, 4:, :1].any()
    framed = np.asarray(model.framed(Image.fromarray(wide)))
    assert np.array_equal(framed, canvas)


def test_a_longer_video_keeps_the_last_frames_of_the_window_before():
    loaded = vace_tiny.pipeline()
    film = np.concatenate([FILM, FILM, FILM])
    control = VaceControl(film, None, PICTURES[:1])
    pipeline = vace_tiny.kinema_pipeline(loaded, 17)
    seen = []
    conditioned = pipeline.video_model.conditioned

    def watched(window, *rest):
        seen.append((window, made := conditioned(window, *rest)))
        return made

    pipeline.video_model.conditioned = watched
    made = ours(pipeline, control, frames=25, scene=tiny.scene(25))
    assert made.shape == (25, 48, 32, 3)
    (first, _), (second, told) = seen
    assert first.known is None
    assert np.abs(to_uint8(second.known[0]).astype(int) - made[8:17]).max() <= 1
    assert not told.control[:, 8:, 1:4].any()  # three latent frames behind the reference are kept
    assert told.control[:, 8:, 4:].all()
    assert np.array_equal(made[:17], ours(vace_tiny.kinema_pipeline(loaded, 17), control, frames=17))


def fifth_window(match: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """A window's true pixels and what five windows have made of them: each goes on in the colours that it is given, and
    its decoder pales and tints them a little."""
    torch.manual_seed(4)
    film = torch.nn.functional.interpolate(
        torch.rand(1, 3, 7, 6, 4) * 1.6 - 0.8, (49, 24, 16), mode="trilinear"
    )
    tint = torch.tensor([0.02, -0.03, 0.01]).view(1, 3, 1, 1, 1)
    made = None
    for start in range(0, 40, 8):
        true = film[:, :, start : start + 17]
        shown, known = true, None
        if made is not None:
            known = made[:, :, -9:]
            gain = known.std((2, 3, 4), keepdim=True) / true[:, :, :9].std((2, 3, 4), keepdim=True)
            mean = true[:, :, :9].mean((2, 3, 4), keepdim=True)
            shown = (true - mean) * gain + known.mean((2, 3, 4), keepdim=True)
        made = shown * 0.95 + tint
        if match and known is not None:
            made = matched_colour(made, known)
    return true, made


def test_colours_do_not_drift_from_window_to_window():
    def drift(match: bool) -> tuple[float, float]:
        true, made = fifth_window(match)
        mean = (made - true).mean((2, 3, 4)).abs().max()
        return float(mean), float(made.std() / true.std())

    tinted, paled = drift(match=False)
    assert tinted > 0.1
    assert paled < 0.85
    tinted, paled = drift(match=True)  # what the first window did is left
    assert tinted < 0.04
    assert 0.94 < paled < 0.96


def test_colours_that_have_not_drifted_stay_as_they_are():
    pixels = torch.rand(1, 3, 17, 24, 16) * 2 - 1
    assert matched_colour(pixels, pixels[:, :, :9]) is pixels


def settings_of(name):
    return {
        "FirstBlockCache": FirstBlockCacheConfig(1e6),
        "MagCache": MagCacheConfig(
            mag_ratios=[1.0] * 3, num_inference_steps=3, retention_ratio=0.3, threshold=1e6, max_skip_steps=5
        ),
        "TaylorSeer": TaylorSeerCacheConfig(
            cache_interval=2,
            disable_cache_before_step=1,
            max_order=0,
            taylor_factors_dtype=torch.float32,
            cache_identifiers=[r"(vace_)?blocks\.\d+\.attn[12]"],
        ),
        "PyramidAttentionBroadcast": PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=3,
            spatial_attention_timestep_skip_range=(-1, 1001),
            current_timestep_callback=lambda: 500,
        ),
    }[name]


def inputs(**changes):
    generator = torch.Generator().manual_seed(0)
    control = torch.randn(1, 72, 3, 6, 4, generator=generator)
    return {
        "hidden_states": torch.randn(1, 4, 3, 6, 4, generator=generator),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 6, 16, generator=generator),
        "control_hidden_states": control,
        "control_hidden_states_scale": torch.tensor([1.0, 0.5]),
        "return_dict": False,
        **changes,
    }


@pytest.mark.parametrize("cache", ["FirstBlockCache", "MagCache", "TaylorSeer", "PyramidAttentionBroadcast"])
@torch.no_grad()
def test_a_step_that_a_cache_skips_is_told_the_control_once(cache):
    """Where nothing changes between steps, a skipped one gives what the first gave. diffusers alone adds the control
    again behind every skipped block."""
    transformer = vace_tiny.video_model(vace_tiny.pipeline()).transformer
    plain = transformer(**inputs())[0]
    transformer.enable_cache(settings_of(cache))
    ran = []
    transformer.blocks[1].attn1.to_q.register_forward_hook(lambda *rest: ran.append(1))
    for _ in range(3):
        with transformer.cache_context("cond"):
            made = transformer(**inputs())[0]
        assert torch.allclose(made, plain, atol=1e-5)
    assert len(ran) < 3
    transformer.disable_cache()
    assert torch.equal(transformer(**inputs())[0], plain)


def test_a_cache_in_a_video_is_kept_for_each_pass_and_window():
    loaded = vace_tiny.pipeline()
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    plain = ours(vace_tiny.kinema_pipeline(loaded), control, steps=6)
    pipeline = vace_tiny.kinema_pipeline(loaded)
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(0.0))
    assert np.array_equal(ours(pipeline, control, steps=6), plain)
    pipeline.transformer.disable_cache()
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(0.5))
    skipped = ours(pipeline, control, steps=6)
    assert not np.array_equal(skipped, plain)
    assert np.array_equal(ours(pipeline, control, steps=6), skipped)


@pytest.mark.parametrize("cache", ["first-block:0.5", "taylorseer:2", "pab:2"])
def test_caches_of_the_command_line_work_with_both_experts(cache):
    loaded = vace_tiny.pipeline(2)
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    plain = ours(vace_tiny.kinema_pipeline(loaded), control, steps=10)
    pipeline = vace_tiny.kinema_pipeline(loaded)
    pipeline.caching = Caching(CacheChoice.of(cache), pipeline.video_model.denoisers)
    cached = ours(pipeline, control, steps=10)
    assert not np.array_equal(cached, plain)
    assert np.array_equal(ours(pipeline, control, steps=10), cached)


def test_a_lora_of_wan_fits_and_gives_what_it_gives_in_diffusers(tmp_path):
    loaded = vace_tiny.pipeline()
    torch.manual_seed(8)
    matrices = {
        f"transformer.blocks.{block}.attn1.{layer}.lora_{side}.weight": torch.randn(shape) * 0.3
        for block in range(3)
        for layer in ("to_q", "to_v")
        for side, shape in (("A", (2, 24)), ("B", (24, 2)))
    }
    save_file(matrices, tmp_path / "style.safetensors")
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    plain = ours(vace_tiny.kinema_pipeline(loaded), control)
    pipeline = vace_tiny.kinema_pipeline(vace_tiny.pipeline())
    load_loras(pipeline.video_model, loras_of(tmp_path / "style.safetensors"))
    styled = ours(pipeline, control)
    loaded.load_lora_weights(tmp_path / "style.safetensors")
    assert np.abs(styled / 255 - by_hand(loaded, control)).max() < HALF_A_LEVEL
    assert not np.array_equal(styled, plain)
    other = {name.replace("blocks.1", "blocks.9"): each for name, each in matrices.items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors .*vace"):
        load_loras(vace_tiny.video_model(vace_tiny.pipeline()), loras_of(tmp_path / "other.safetensors"))


def test_a_folder_is_loaded_with_its_recipe_and_follows_by_itself(tmp_path):
    loaded = vace_tiny.pipeline(2)
    folder = tmp_path / "vace"
    loaded.save_pretrained(folder)
    options = {"size": (32, 48), "frames": 9, "fps": 8.0, "device": "cpu"}
    made = load_pipeline(folder, settings={"recipe": "background", "control_strength": 0.5}, **options)
    model = made.video_model
    assert isinstance(model, VaceVideo)
    assert len(model.denoisers) == 2
    assert model.follows == {"pose", "camera", "room"}
    assert not made.adapters
    control = VaceControl(FILM, HOLE, PICTURES[:1])
    theirs = by_hand(loaded, control, conditioning_scale=0.5)
    assert np.abs(ours(made, control) / 255 - theirs).max() < HALF_A_LEVEL
    assert not load_pipeline(folder, (), **options).follows
    with pytest.raises(ValueError, match="no recipe 'dance'"):
        check_form(folder, settings={"recipe": "dance"})
    with pytest.raises(ValueError, match="tokenmotion"):
        load_pipeline(folder, ["tokenmotion"], **options)


def test_a_backbone_without_recipes_says_so(tmp_path):
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    with pytest.raises(ValueError, match="wan has no recipe: leave it out"):
        check_form(tmp_path / "wan", settings={"recipe": "pose"})


@pytest.mark.parametrize("recipe", ["pose", "first-frame", "background", "pose-and-depth", "extend,keep=4"])
def test_every_recipe_gives_what_its_passes_give_by_hand(recipe):
    loaded = vace_tiny.pipeline()
    scene = tiny.scene(9)
    shown = Image.fromarray(PICTURES[0])
    chosen = Recipe.parse("vace", recipe)
    shot = Shot(scene, (32, 48), 9, 8.0, picture=PICTURES[0])
    passes = {each.name: each.data for each in profile_of("vace").passes(shot, chosen.options)}
    control = VaceControl(passes["control"], passes["mask"] == 255, (passes["reference"],))
    theirs = by_hand(loaded, control)
    made = ours(vace_tiny.kinema_pipeline(loaded, recipe=recipe), image=shown)
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL


def test_what_each_recipe_tells_of_a_scene():
    assert Recipe.parse("vace", "pose").follows == {"pose"}
    assert Recipe.parse("vace", "background").follows == {"pose", "camera", "room"}
    assert Recipe.parse("vace", "pose-and-depth").follows == {"pose", "camera", "depth"}
    assert Recipe.parse("vace", "pose, control=depth").follows == {"pose", "camera", "depth"}
    assert str(Recipe.parse("vace", "first-frame,control=both")) == "first-frame,control=both"
    for wrong, said in {
        "pose,control": "name=value",
        "pose,control=dance": "control is one of pose",
        "pose,style=1": "no option 'style'",
        "pose,control=none": "tells nothing of a scene",
    }.items():
        with pytest.raises(ValueError, match=said):
            Recipe.parse("vace", wrong)


def test_a_first_frame_needs_its_picture_and_others_do_without():
    loaded = vace_tiny.pipeline()
    with pytest.raises(ValueError, match="needs a reference picture"):
        ours(vace_tiny.kinema_pipeline(loaded, recipe="first-frame"))
    assert ours(vace_tiny.kinema_pipeline(loaded)).shape == (9, 48, 32, 3)
