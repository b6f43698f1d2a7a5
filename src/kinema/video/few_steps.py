"""Models that were distilled to few steps, and LoRAs that make them of others: sampled as they were trained.

A few-step model knows a handful of noise levels. A usual scheduler of as many steps puts them elsewhere (diffusers' Euler
at 4 steps and shift 5: 1, .91, .71, .02 instead of 1, .94, .83, .62), so that each preset has its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils.torch_utils import randn_tensor

from kinema.diffusion.guider import Guidance, Guider
from kinema.diffusion.path import FlowPath, check_shift, shifted
from kinema.video.loras import Lora
from kinema.video.models.video_model import VideoModel


@dataclass(frozen=True)
class Published:
    """A file on the hub.

    Args:
        hub_id, file: where it is.
        reads_picture: whether it is for models that start from a picture; None for any.
        experts: whether it is for one expert of a model of two.
        width: of the transformers that it is for.
    """

    hub_id: str
    file: str
    reads_picture: bool | None = None
    experts: bool = False
    width: int = 5120


@dataclass(frozen=True)
class FewSteps:
    """How a kind of distilled models is sampled.

    Args:
        name: as `--fast` has it.
        named: what names of its files have in common.
        levels: noise levels, σ before the shift, as it was trained with.
        shift: of the levels.
        renoises: whether each step's clean estimate gets fresh noise (the sampler of DMD); else Euler's step. A model of
            two experts takes Euler's.
        files: LoRAs as they were published.
        source: of all this.
    """

    name: str
    named: str
    levels: tuple[float, ...]
    shift: float
    renoises: bool
    files: tuple[Published, ...]
    source: str


_LIGHTX2V = "lightx2v/Wan2.1-Distill-Loras", "lightx2v/Wan2.2-Distill-Loras"

PRESETS: dict[str, FewSteps] = {
    each.name: each
    for each in (
        FewSteps(
            "lightx2v",
            "lightx2v|lightning|distill",
            (1.0, 0.75, 0.5, 0.25),
            5.0,
            True,
            (
                Published(_LIGHTX2V[0], "wan2.1_t2v_14b_lora_rank64_lightx2v_4step.safetensors", False),
                Published(_LIGHTX2V[0], "wan2.1_i2v_lora_rank64_lightx2v_4step.safetensors", True),
                Published(
                    _LIGHTX2V[1],
                    "wan2.2_i2v_A14b_high_noise_lora_rank64_lightx2v_4step_1022.safetensors",
                    True,
                    experts=True,
                ),
                Published(
                    _LIGHTX2V[1],
                    "wan2.2_i2v_A14b_low_noise_lora_rank64_lightx2v_4step_1022.safetensors",
                    True,
                    experts=True,
                ),
                Published(
                    _LIGHTX2V[1],
                    "wan2.2_t2v_A14b_high_noise_lora_rank64_lightx2v_4step_1217.safetensors",
                    False,
                    experts=True,
                ),
                Published(
                    _LIGHTX2V[1],
                    "wan2.2_t2v_A14b_low_noise_lora_rank64_lightx2v_4step_1217.safetensors",
                    False,
                    experts=True,
                ),
            ),
            "ModelTC/LightX2V: schedulers/wan/step_distill/scheduler.py, denoising_step_list 1000 750 500 250, "
            "sample_shift 5, enable_cfg false; configs/wan22/wan_animate_lora.json for Wan-Animate",
        ),
        FewSteps(
            "causvid",
            "causvid",
            (1.0, 0.2803, 0.1201),  # 1000, 757 and 522 of 1000 at shift 8
            8.0,
            True,
            (
                Published("Kijai/WanVideo_comfy", "Wan21_CausVid_14B_T2V_lora_rank32.safetensors", False),
                Published(
                    "Kijai/WanVideo_comfy",
                    "Wan21_CausVid_bidirect2_T2V_1_3B_lora_rank32.safetensors",
                    False,
                    width=1536,
                ),
            ),
            "tianweiy/CausVid: denoising_step_list 1000 757 522, timestep_shift 8, as hao-ai-lab/FastVideo repeats them",
        ),
        FewSteps(
            "fastwan",
            "fastwan",
            (1.0, 0.2803, 0.1201),
            8.0,
            True,
            (),
            "hao-ai-lab/FastVideo: WanDMDPipeline, --dmd-denoising-steps 1000,757,522, flow_shift 8, guidance 1",
        ),
    )
}
"""Names for `--fast`. FastWan is published as whole models, and the LoRAs of others by their makers."""


_EULER = ("WanAnimateTransformer3DModel", "WanAnimate2Transformer3DModel")
"""Transformers whose publishers' LoRA recipes take deterministic steps (LightX2V's wan_animate_lora.json)."""


class FewStepFlowMatchScheduler(SchedulerMixin, ConfigMixin):
    """Steps between the noise levels that a distilled model was trained with.

    Args:
        levels: σ before the shift, falling from 1; asked for another number of steps, they are spaced evenly.
        shift: s, of σ: s u / (1 + (s - 1) u).
        renoises: whether fresh noise is added to each step's clean estimate; else the step is Euler's.
        num_train_timesteps: what the network is told for σ = 1.
    """

    order = 1

    @register_to_config
    def __init__(
        self,
        levels: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25),
        shift: float = 5.0,
        renoises: bool = False,
        num_train_timesteps: int = 1000,
    ) -> None:
        check_shift(shift)
        self.set_timesteps(len(levels))

    def set_timesteps(self, steps: int, device: torch.device | str | None = None) -> None:
        """Chooses the noise levels of that many steps."""
        levels = self.config.levels
        if steps != len(levels):
            levels = [1 - step / steps for step in range(steps)]
        sigmas = shifted(torch.tensor([*levels, 0.0], dtype=torch.float32), self.config.shift)
        self.sigmas = sigmas.to(device)
        self.timesteps = self.sigmas[:-1] * self.config.num_train_timesteps

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> tuple[torch.Tensor]:
        """The sample at the next noise level, of a predicted velocity (noise - clean)."""
        index = int((self.timesteps - torch.as_tensor(timestep).to(self.timesteps)).abs().argmin())
        now, then = self.sigmas[index], self.sigmas[index + 1]
        if not self.config.renoises or then == 0:
            return (sample + (then - now) * model_output,)
        clean = sample - now * model_output
        noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return ((1 - then) * clean + then * noise,)


@dataclass(frozen=True)
class Fast:
    """What `--fast` asked for.

    Args:
        preset: how to sample.
        loras: that make the model a few-step one; none where its weights are so already.
    """

    preset: FewSteps
    loras: tuple[Lora, ...] = ()

    def settings(self) -> dict[str, Any]:
        """As JSON types, to be written down beside a video."""
        return {"fast": self.preset.name}

    def cautions(self, guidance: Guider) -> tuple[str, ...]:
        """What a person should know before sampling with a guider."""
        scale = guidance["text"].scale if isinstance(guidance, Guidance) else 1.0
        if scale <= 1:
            return ()
        return (
            f"--fast {self.preset.name}: guidance on the text of {scale:g} doubles the time, and such models were "
            "trained without (1): pictures burn out",
        )


def fast_of(given: str | Path | Sequence[str | Path] | None, weights: Sequence[Path] = ()) -> Fast | None:
    """What is meant by names of presets and files of LoRAs.

    Args:
        given: `lightx2v`, a file whose name tells its preset, a name and files, or a file for each of two experts.
        weights: of the model, whose names may say that they are distilled already.

    Raises:
        ValueError: no such preset, several, or a file whose name tells none.
        FileNotFoundError: no such file.
    """
    if given is None or not (words := [given] if isinstance(given, (str, Path)) else list(given)):
        return None
    named = [each for each in words if str(each) in PRESETS]
    loras = tuple(Lora.of(each) for each in words if str(each) not in PRESETS)
    for lora in loras:
        if lora.file.suffix != ".safetensors":
            raise ValueError(
                f"--fast {lora.file}: neither a LoRA (.safetensors) nor one of {', '.join(PRESETS)}"
            )
        lora.check()
    told: set[str | None] = {str(each) for each in named} or {preset_of(each.file) for each in loras}
    if len(told) > 1:
        raise ValueError(f"--fast: one way of sampling, not {' and '.join(sorted(map(str, told)))}")
    name = told.pop()
    if name is None:
        raise ValueError(
            f"--fast {loras[0].file}: its name does not say how it was trained; put one of {', '.join(PRESETS)} before "
            "it (--fast NAME --fast FILE), or give it as --lora with --steps, --shift and --guidance-text"
        )
    return Fast(PRESETS[name], loras)


def preset_of(file: Path) -> str | None:
    """The preset that a file's or folder's name tells."""
    told = [name for name, each in PRESETS.items() if re.search(each.named, file.name.lower())]
    exact = [name for name in told if name in file.name.lower()]
    return next(iter(exact or told), None)


def loras_for(fast: Fast, model: VideoModel, weights: Sequence[Path]) -> tuple[Lora, ...]:
    """The LoRAs that make a model a few-step one: those given, or those of the hub's cache.

    Args:
        fast: what was asked for.
        model: before it has them.
        weights: the model's own files or folder.

    Raises:
        FileNotFoundError: none are here; the message says what to fetch.
    """
    if fast.loras or any(preset_of(each) == fast.preset.name for each in weights):
        return fast.loras
    config = model.transformer.config
    width = config.get("num_attention_heads", 0) * config.get("attention_head_dim", 0)
    fitting = [
        each
        for each in fast.preset.files
        if each.reads_picture in (None, model.reads_picture)
        and each.experts == (len(model.denoisers) > 1)
        and each.width == width
    ]
    if not fitting:
        raise FileNotFoundError(
            f"--fast {fast.preset.name}: there is no LoRA of its own for {model.name}; give the file (--fast "
            f"{fast.preset.name} --fast FILE), or distilled weights whose name says so"
        )
    return tuple(Lora(_cached(each, fast.preset.name)) for each in fitting)


def _cached(published: Published, preset: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(published.hub_id, published.file)
    if isinstance(found, str):
        return Path(found)
    raise FileNotFoundError(
        f"--fast {preset}: {published.file} is not on this machine; run `hf download {published.hub_id} "
        f"{published.file}` on one with a network, or give a file as --fast {preset} --fast FILE"
    )


def sample_as_trained(model: VideoModel, preset: FewSteps) -> None:
    """Gives a model the scheduler, steps, shift and guidance of a preset; what a call says still wins.

    Raises:
        ValueError: a model that predicts something else than a flow's velocity.
    """
    path, changed = model.path, cast(Any, model)
    flows = isinstance(path, FlowPath) and path.prediction == "velocity"
    if not flows or not hasattr(changed, "scheduler"):
        raise ValueError(
            f"--fast {preset.name}: these are few-step models of Wan; {model.name} is denoised in another way"
        )
    steady = len(model.denoisers) > 1 or type(model.transformer).__name__ in _EULER
    changed.scheduler = FewStepFlowMatchScheduler(
        levels=preset.levels, shift=preset.shift, renoises=preset.renoises and not steady
    )
    guidance = model.defaults.guidance.replace(text=1.0)
    changed.defaults = replace(model.defaults, steps=len(preset.levels), guidance=guidance, shift=None)
