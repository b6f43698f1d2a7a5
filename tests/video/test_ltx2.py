"""LTX-2 through our call gives bit for bit what diffusers' pipelines give when they are called by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from diffusers import LTX2ConditionPipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from PIL import Image
from safetensors.torch import save_file
from tests.video import tiny, whole_tiny

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.shot import Shot
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import check_form
from kinema.video.models.ltx2 import LTX_FORMAT, RECIPES, Ltx2
from kinema.video.whole import WholePipeline

PROMPT, NEGATIVE = "a person walks", "blurred"
RNG = np.random.default_rng(8)
PICTURE = Image.fromarray(RNG.integers(0, 255, (32, 32, 3), dtype=np.uint8))


def model(loaded, control: str | None = None, strength: float = 1.0) -> Ltx2:
    form = dataclasses.replace(LTX_FORMAT, width=32, height=32, frames=9, fps=8.0, text_tokens=16)
    made = Ltx2(loaded, form, control, strength)
    if control is not None:
        made.took_loras({"lora.safetensors": {}})
    return made


def ours(made: Ltx2, picture=PICTURE, frames=9, **more):
    scene = tiny.scene(frames) if made.follows else None
    given = {"seed": 5, "steps": 2, "negative_prompt": NEGATIVE, **more}
    return WholePipeline(made)(PROMPT, picture, scene, frames=frames, **given)


def by_hand(loaded, picture=PICTURE, **more) -> np.ndarray:
    conditions = [] if picture is None else [LTX2VideoCondition(frames=picture, index=0, strength=1.0)]
    told = {"num_inference_steps": 2, "guidance_scale": 3.0, **more}
    made = loaded(
        conditions=conditions or None,
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        height=32,
        width=32,
        num_frames=9,
        frame_rate=8.0,
        use_cross_timestep=False,
        max_sequence_length=16,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **told,
    )
    return (made.frames[0] * 255).round().astype(np.uint8)


@pytest.mark.parametrize("control", list(RECIPES))
def test_a_reference_film_as_by_hand(control):
    loaded = whole_tiny.ltx2()
    shot = Shot(tiny.scene(9), (32, 32), 9, 8.0, picture=np.asarray(PICTURE))
    film = {each.name: each.data for each in profile_of("ltx").passes(shot, PassOptions())}[control]
    reference = LTX2ReferenceCondition([Image.fromarray(each) for each in film], strength=0.8)
    theirs = by_hand(loaded, reference_conditions=[reference])
    assert np.array_equal(ours(model(loaded, control, 0.8)).frames, theirs)


@pytest.mark.parametrize("picture", [None, PICTURE])
def test_without_a_reference_it_is_the_condition_pipeline(picture):
    loaded = whole_tiny.ltx2()
    condition = LTX2ConditionPipeline(**loaded.components)
    condition.set_progress_bar_config(disable=True)
    assert np.array_equal(ours(model(loaded), picture).frames, by_hand(condition, picture))


def test_no_guidance_is_no_guidance_at_all():
    """Scale 1 means one pass of the transformer; the pipeline's own defaults would add two."""
    loaded = whole_tiny.ltx2()
    passes = []
    handle = loaded.transformer.register_forward_hook(lambda *given: passes.append(1))
    ours(model(loaded), guidance=Guidance(text=1.0))
    assert len(passes) == 2
    passes.clear()
    ours(model(loaded))
    handle.remove()
    assert len(passes) == 6


def test_distilled_weights_have_their_own_noise_levels():
    loaded = whole_tiny.ltx2(distilled=True)
    made = model(loaded)
    assert made.defaults.steps == 8
    steps = []
    ours(made, steps=None, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(number, 8) for number in range(1, 9)]
    levels = [round(float(each), 5) for each in loaded.scheduler.sigmas]
    assert levels == [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.90938, 0.725, 0.42188, 0.0]
    with pytest.raises(ValueError, match="distilled to 8 steps, not 4: leave out --steps"):
        ours(made, steps=4)


def test_lengths_are_8k_and_1_and_cut_to_what_was_asked_for():
    loaded = whole_tiny.ltx2()
    made = model(loaded, "pose")
    assert made.shot_frames(9) == 9
    assert made.shot_frames(10) == 17
    assert len(ours(made, frames=7).frames) == 7
    with pytest.raises(ValueError, match="at most 257 frames"):
        ours(made, frames=258)


@pytest.mark.parametrize(
    ("file", "control"),
    [
        ("LTX-2-19b-IC-LoRA-Pose-Control", "pose"),
        ("ltx-2.3-22b-ic-lora-union-control-ref0.5", "pose"),
        ("LTX-2-19b-IC-LoRA-Depth-Control", "depth"),
        ("ltx-2.3-22b-ic-lora-motion-track-control", "driving"),
        ("Cameraman_v2", "driving"),
    ],
)
def test_the_name_of_an_ic_lora_says_which_film_it_reads(file, control):
    made = model(whole_tiny.ltx2())
    made.took_loras({f"{file}.safetensors": {"reference_downscale_factor": "2"}})
    assert made.follows == RECIPES[control]
    assert made.settings() == {
        "recipe": control,
        "control_strength": 1.0,
        "reference_downscale_factor": 2,
    }


def test_another_name_says_nothing():
    made = model(whole_tiny.ltx2())
    made.took_loras({"style.safetensors": {}})
    assert made.follows == frozenset()
    made.took_loras({"style.safetensors": {}, "ic-lora-depth.safetensors": {}})
    assert made.follows == RECIPES["depth"]


def lora(path) -> None:
    torch.manual_seed(3)
    state = {
        f"transformer.transformer_blocks.{block}.attn1.to_q.lora_{part}.weight": torch.randn(shape)
        for block in range(2)
        for part, shape in (("A", (2, 16)), ("B", (16, 2)))
    }
    save_file(state, path, {"reference_downscale_factor": "2"})


def test_a_folder_with_an_ic_lora(tmp_path):
    folder, file = tmp_path / "ltx2", tmp_path / "ic-lora-pose.safetensors"
    whole_tiny.ltx2().save_pretrained(folder)
    lora(file)
    options = {"size": (32, 32), "frames": 9, "fps": 8.0, "device": "cpu"}
    with pytest.raises(ValueError, match=r"follows no scene as it is: give an IC-LoRA \(--lora\)"):
        load_pipeline(folder, **options)
    plain = load_pipeline(folder, (), **options)
    assert plain.follows == frozenset()
    pipeline = load_pipeline(folder, lora=file, **options)
    assert pipeline.follows == frozenset({"pose"})
    assert pipeline.video_model.downscale == 2
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(PROMPT, PICTURE, tiny.scene(9), frames=9, steps=1)
    assert made.notes == ("ltx2 makes sound to its videos; it is left out",)
    depth = load_pipeline(folder, lora=file, settings={"recipe": "depth"}, **options)
    assert depth.follows == frozenset({"pose", "camera", "depth"})


def test_what_it_cannot_do_is_said(tmp_path):
    folder = tmp_path / "ltx2"
    whole_tiny.ltx2().save_pretrained(folder)
    with pytest.raises(ValueError, match="multiples of 32 pixels"):
        check_form(folder, (48, 32))
    with pytest.raises(ValueError, match="windows of 8k"):
        check_form(folder, frames=13)
    with pytest.raises(ValueError, match="no recipe 'edges': there are driving, pose, depth"):
        check_form(folder, settings={"recipe": "edges"})
    with pytest.raises(ValueError, match="give between 0 and 1"):
        check_form(folder, settings={"control_strength": 2.0})
