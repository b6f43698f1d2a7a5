"""One training step of an adapter at the size of a published model, on the CPU: does it fit, how long does it take?

    python benchmarks/train_step.py --adapter tokenmotion

The transformer has the shape of CogVideoX-2B and random bf16 weights, blocks are computed again in the backward pass,
the adapter has its paper's size in float32, and the window has two latent frames of 720x480. Latents and text are
random: neither encoder is loaded. Time and memory are those of real weights. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXTransformer3DModel
from torch import nn

from kinema.data.sample import Sample
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.adapters.attach import attach, enable_gradient_checkpointing
from kinema.video.models.cogvideox import COGVIDEOX_FORMAT, CogVideoXVideo
from kinema.video.models.video_model import latent_frames
from kinema.video.registry import adapter_class

FRAMES = 5


class RandomText(CogVideoXVideo):
    """CogVideoX without its text encoder."""

    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        config = self.transformer.config
        generator = torch.Generator().manual_seed(len(prompt))
        return torch.randn(1, config.max_text_seq_length, config.text_embed_dim, generator=generator)


def fill(module: nn.Module) -> nn.Module:
    """Random weights for a module on the meta device: one block of numbers, used again and again, as that is quick."""
    module = module.to_empty(device="cpu")
    noise = 0.02 * torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    for name, parameter in module.named_parameters():
        count = parameter.numel()
        values = noise.to(parameter.dtype).repeat(-(-count // len(noise)))[:count]
        parameter.data.copy_(values.view_as(parameter))
        if "norm" in name and name.endswith("weight") and parameter.ndim == 1:
            parameter.data.fill_(1.0)
    return module.requires_grad_(False)


def published_shape(layers: int) -> RandomText:
    """CogVideoX-2B, but for its numbers; the autoencoder is there for its configuration alone."""
    with torch.device("meta"):
        transformer = CogVideoXTransformer3DModel(num_layers=layers)
        for parameter in transformer.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        vae = AutoencoderKLCogVideoX(latent_channels=16)
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
        snr_shift_scale=3.0,
    )
    return RandomText(
        transformer=fill(transformer),
        vae=vae,
        scheduler=scheduler,
        tokenizer=None,
        text_encoder=None,
        name="cogvideox-2b (random)",
    )


def sample() -> Sample:
    """Somebody who glides under an arc, with random latents."""
    form = COGVIDEOX_FORMAT
    joints = np.repeat(SMPL24.rest[None], FRAMES, axis=0)
    joints[:, :, 2] += np.linspace(0, 0.4, FRAMES)[:, None]
    motion = Motion(joints, form.fps, SMPL24)
    camera = camera_path("arc left 20deg", size=form.size, fps=form.fps, frames=FRAMES, subject=motion)
    shape = (16, latent_frames(FRAMES), form.height // 8, form.width // 8)
    return Sample(
        caption="a person walks",
        scene=Scene((motion,), camera, form.fps),
        start=0,
        frames=FRAMES,
        size=form.size,
        fps=form.fps,
        picture=np.zeros((form.height, form.width, 3), np.uint8),
        encoded={"latents": torch.randn(shape, generator=torch.Generator().manual_seed(1))},
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adapter", default="tokenmotion", choices=("tokenmotion", "mosa"))
    parser.add_argument("--layers", type=int, default=30, help="of the transformer; 30 is CogVideoX-2B")
    arguments = parser.parse_args()
    begin = time.monotonic()
    model = published_shape(arguments.layers)
    parameters = sum(parameter.numel() for parameter in model.transformer.parameters())
    torch.manual_seed(0)
    adapter = adapter_class(arguments.adapter).for_transformer(model.transformer).float()
    attach(model.transformer, adapter)
    enable_gradient_checkpointing(model.transformer)
    if adapter._supports_gradient_checkpointing:
        adapter.enable_gradient_checkpointing()
    told = Conditions(drop_text=0.0, drop_pose=0.0, drop_camera=0.0, drop_both=0.0)
    task = VideoTask(model, {arguments.adapter: adapter}, told, autocast=True)
    trained = [parameter for parameter in task.parameters() if parameter.requires_grad]
    trainer = Trainer(task, task, TrainerConfig(steps=1, warmup=1, guard_steps=0), Path())
    built = time.monotonic()
    values = trainer.one([sample()])
    print(
        json.dumps(
            {
                "adapter": arguments.adapter,
                "layers": arguments.layers,
                "parameters": parameters,
                "trained": sum(parameter.numel() for parameter in trained),
                "latent_frames": latent_frames(FRAMES),
                "build_seconds": round(built - begin, 1),
                "step_seconds": round(time.monotonic() - built, 1),
                "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                "loss": round(values["denoising"], 4),
                "gradient": round(values["gradient"], 6),
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
