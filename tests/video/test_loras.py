"""Several LoRAs with strengths, into both experts; few-step presets sampled as they were trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline, WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from tests.video import published_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.video import loading
from kinema.video.few_steps import PRESETS, FewStepFlowMatchScheduler, fast_of, sample_as_trained
from kinema.video.loading import load_pipeline
from kinema.video.loras import Lora, check_places, load_loras, loras_of
from kinema.video.model_loading import family_of, load_model
from kinema.video.models.wan import WanVideo

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
TARGETS = ["to_q", "to_v"]


def write_lora(folder, name: str, seed: int, rank: int = 2, alpha: int | None = None, transformer=None):
    """A LoRA of random weights for the tiny Wan."""
    torch.manual_seed(seed)
    transformer = transformer or tiny.wan()
    config = LoraConfig(r=rank, lora_alpha=alpha or rank, target_modules=TARGETS, init_lora_weights=False)
    transformer.add_adapter(config)
    pipeline = CogVideoXPipeline if "CogVideoX" in type(transformer).__name__ else WanPipeline
    told = {} if alpha is None else {"transformer_lora_adapter_metadata": config.to_dict()}
    layers = get_peft_model_state_dict(transformer)
    pipeline.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=name, **told)
    return folder / name, layers


@pytest.fixture(scope="module")
def wan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wan")
    published_tiny.wan_pipeline().save_pretrained(folder)
    return folder


def run(pipeline, **options) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline("a person walks", frames=5, **{"steps": 2, **options}).frames


def merged(*layers_and_strengths):
    """The tiny Wan with LoRAs added to its weights by hand."""
    transformer = tiny.wan()
    state = transformer.state_dict()
    for layers, strength in layers_and_strengths:
        for key in layers:
            if "lora_A" in key:
                up = layers[key.replace("lora_A", "lora_B")]
                state[key.replace("lora_A.weight", "weight")] += strength * up @ layers[key]
    transformer.load_state_dict(state)
    return transformer


def test_several_loras_each_with_its_strength(wan, tmp_path):
    first, layers = write_lora(tmp_path, "first.safetensors", 1)
    second, others = write_lora(tmp_path, "second.safetensors", 2, rank=3)
    pipeline = load_pipeline(wan, [], size=SIZE, lora=[f"{first}:0.5", second])
    by_hand = merged((layers, 0.5), (others, 1.0))
    inputs = tiny.wan_inputs()
    with torch.no_grad():
        ours = pipeline.transformer(**inputs, return_dict=False)[0]
        assert torch.allclose(ours, by_hand(**inputs, return_dict=False)[0], atol=1e-5)
    settings = pipeline("", frames=5, steps=1).settings
    assert settings["loras"] == [
        {"file": "first.safetensors", "strength": 0.5},
        {"file": "second.safetensors", "strength": 1.0},
    ]


def test_the_alpha_of_a_lora_counts(wan, tmp_path):
    file, layers = write_lora(tmp_path, "strong.safetensors", 1, alpha=8)  # of rank 2: four times
    pipeline = load_pipeline(wan, [], size=SIZE, lora=file)
    inputs = tiny.wan_inputs()
    with torch.no_grad():
        ours = pipeline.transformer(**inputs, return_dict=False)[0]
        assert torch.allclose(ours, merged((layers, 4.0))(**inputs, return_dict=False)[0], atol=1e-5)


class TwoExperts(WanVideo):
    """Wan with a second transformer for the later steps."""

    @property
    def denoisers(self):
        return self.transformer, self.second


def two_experts(wan) -> TwoExperts:
    model = load_model(wan, changes={"width": SIZE[0], "height": SIZE[1]})
    model.__class__ = TwoExperts
    model.second = tiny.wan(seed=5)
    return model


def loras_in(transformer) -> set[str]:
    return set(getattr(transformer, "peft_config", ()))


def test_files_named_high_and_low_go_to_their_own_expert_and_others_to_both(wan, tmp_path):
    for name in ("style_HIGH_noise", "style_low_noise", "style", "slowly"):
        write_lora(tmp_path, f"{name}.safetensors", 1)
    model = two_experts(wan)
    load_loras(
        model,
        loras_of([tmp_path / "style_HIGH_noise.safetensors", f"{tmp_path}/style_low_noise.safetensors:0.3"]),
    )
    assert [loras_in(each) for each in model.denoisers] == [{"style_HIGH_noise_0"}, {"style_low_noise_1"}]
    model = two_experts(wan)
    load_loras(model, loras_of([tmp_path / "slowly.safetensors", f"{tmp_path}/style.safetensors:low:0.3"]))
    assert [loras_in(each) for each in model.denoisers] == [{"slowly_0"}, {"slowly_0", "style_1"}]
    inputs = tiny.wan_inputs()
    with torch.no_grad():
        before = model.second(**inputs, return_dict=False)[0]
        model.second.set_adapters(["slowly_0", "style_1"], [1.0, 1.0])
        assert not torch.allclose(model.second(**inputs, return_dict=False)[0], before)


def test_loras_that_do_not_fit_say_so(wan, tmp_path):
    other, _ = write_lora(tmp_path, "cog.safetensors", 1, transformer=tiny.cogvideox())
    with pytest.raises(ValueError, match=r"cog\.safetensors (does not fit|is no LoRA for)"):
        load_pipeline(wan, [], size=SIZE, lora=other)
    good, _ = write_lora(tmp_path, "good.safetensors", 1)
    short = tmp_path / "short.safetensors"
    short.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"short\.safetensors is cut short"):
        load_pipeline(wan, [], size=SIZE, lora=short)
    with pytest.raises(ValueError, match="'much' is neither a strength nor high, low or both"):
        load_pipeline(wan, [], size=SIZE, lora=f"{good}:much")
    with pytest.raises(ValueError, match="'nan' is neither a strength"):
        load_pipeline(wan, [], size=SIZE, lora=f"{good}:nan")
    with pytest.raises(ValueError, match="has no low noise expert"):
        load_pipeline(wan, [], size=SIZE, lora=f"{good}:low")


def test_how_a_lora_may_be_said():
    assert Lora.of("a.safetensors:0.8").strength == 0.8
    assert Lora.of("a.safetensors:high:-1") == Lora.of("a.safetensors:-1:high")
    assert loras_of(None) == ()
    assert len(loras_of(["a.safetensors", "b.safetensors:2"])) == 2


def test_lightx2v_takes_the_noise_levels_that_it_was_trained_with():
    """LightX2V, schedulers/wan/step_distill/scheduler.py: levels 1000, 750, 500 and 250 of a table of 1000, shift 5."""
    table = torch.linspace(1, 0, 1001)[:-1]
    table = 5 * table / (1 + 4 * table)
    expected = table[[1000 - each for each in (1000, 750, 500, 250)]]
    preset = PRESETS["lightx2v"]
    scheduler = FewStepFlowMatchScheduler(preset.levels, preset.shift)
    assert torch.allclose(scheduler.sigmas, torch.cat([expected, torch.zeros(1)]))
    assert torch.allclose(scheduler.timesteps, 1000 * expected)


@pytest.mark.parametrize("name", ["causvid", "fastwan"])
def test_causvid_and_fastwan_take_three_levels(name):
    """CausVid's denoising_step_list and FastVideo's --dmd-denoising-steps: 1000, 757, 522."""
    preset = PRESETS[name]
    told = FewStepFlowMatchScheduler(preset.levels, preset.shift).timesteps
    assert told.round().tolist() == [1000, 757, 522]


def test_a_file_of_a_preset_sets_steps_shift_guidance_and_scheduler(wan, tmp_path):
    file, _ = write_lora(tmp_path, "wan2.1_t2v_lora_rank64_lightx2v_4step.safetensors", 1)
    pipeline = load_pipeline(wan, [], size=SIZE, fast=file)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline("a person walks", frames=5)
    assert made.settings["steps"] == 4
    assert made.settings["guidance"]["text"] == 1.0
    assert made.settings["fast"] == "lightx2v"
    assert made.settings["loras"][0]["file"] == file.name
    assert made.notes == ()
    assert np.array_equal(made.frames, pipeline("a person walks", frames=5).frames)
    assert not np.array_equal(made.frames, pipeline("a person walks", frames=5, seed=1).frames)
    assert pipeline.video_model.scheduler.config.renoises
    burnt = pipeline("", frames=5, guidance=Guidance(text=5.0), steps=3, shift=2.0)
    assert (burnt.settings["steps"], burnt.settings["shift"]) == (3, 2.0)
    assert "guidance on the text of 5" in burnt.notes[0]


def test_two_experts_take_steps_without_new_noise(wan):
    """LightX2V's Wan22StepDistillScheduler goes on along the velocity."""
    model = two_experts(wan)
    sample_as_trained(model, PRESETS["lightx2v"])
    assert not model.scheduler.config.renoises
    x = torch.randn(1, 4, 2, 3, 3)
    velocity = torch.randn_like(x)
    scheduler = model.scheduler
    (made,) = scheduler.step(velocity, scheduler.timesteps[1], x)
    assert torch.allclose(made, x + (scheduler.sigmas[2] - scheduler.sigmas[1]) * velocity)


def test_what_fast_cannot_do_it_says(wan, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no LoRA of its own for"):
        load_pipeline(wan, [], size=SIZE, fast="causvid")
    unknown, _ = write_lora(tmp_path, "mine.safetensors", 1)
    with pytest.raises(ValueError, match="its name does not say how it was trained"):
        load_pipeline(wan, [], size=SIZE, fast=unknown)
    with pytest.raises(ValueError, match="neither a LoRA"):
        load_pipeline(wan, [], size=SIZE, fast="turbo")
    with pytest.raises(ValueError, match="one way of sampling"):
        fast_of(["lightx2v", "causvid"])
    assert load_pipeline(wan, [], size=SIZE, fast=["causvid", unknown]).video_model.defaults.steps == 3
    published_tiny.cogvideox_pipeline().save_pretrained(tmp_path / "cog")
    other, _ = write_lora(tmp_path, "causvid.safetensors", 1, transformer=tiny.cogvideox())
    with pytest.raises(ValueError, match="denoised in another way"):
        load_pipeline(tmp_path / "cog", [], size=SIZE, fast=other)


def test_a_lora_of_another_family_is_refused_before_the_weights_are_read(wan, tmp_path, monkeypatch):
    """By the transformer's config and the LoRA's own names and shapes; one that fits passes."""
    kind = family_of(wan)
    good, _ = write_lora(tmp_path, "good.safetensors", 1)
    check_places([Lora(good)], wan, kind)
    wide = {
        f"transformer.blocks.0.attn1.to_q.lora_{side}.weight": torch.zeros(shape)
        for side, shape in (("A", (2, 99)), ("B", (99, 2)))
    }
    save_file(wide, tmp_path / "wide.safetensors")
    monkeypatch.setattr(loading, "load_any_model", lambda *args, **more: pytest.fail("the weights were read"))
    with pytest.raises(ValueError, match=r"wide\.safetensors is no LoRA for .*: 0 of its 2 matrices"):
        load_pipeline(wan, [], lora=tmp_path / "wide.safetensors")
