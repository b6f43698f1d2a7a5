"""Real classes at a size that tests can afford."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import CogVideoXTransformer3DModel, WanTransformer3DModel

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import ControlSignals
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.network import MiniFormat, make_mini

FORM = MiniFormat(width=32, height=48, frames=5, fps=8.0, text_tokens=4)


def transformer(seed: int = 0) -> WanTransformer3DModel:
    torch.manual_seed(seed)
    made = make_mini(latent_channels=12, width=64, layers=3, heads=2).eval()
    torch.nn.init.normal_(made.proj_out.weight, std=0.1)  # a new one says nothing yet
    with torch.no_grad():
        made.proj_out.bias.view(-1, 13)[:, -1] = -4.0  # and would keep all of the backdrop
    return made


def wan(seed: int = 0, **changes) -> WanTransformer3DModel:
    """Wan as published, text-to-video, at a size that tests can afford; latents [B, 4, F, h, w]."""
    torch.manual_seed(seed)
    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 32,
        "in_channels": 4,
        "out_channels": 4,
        "text_dim": 16,
        "freq_dim": 32,
        "ffn_dim": 96,
        "num_layers": 3,
        "rope_max_seq_len": 32,
    }
    return WanTransformer3DModel(**{**settings, **changes}).eval()


def cogvideox(seed: int = 0, **changes) -> CogVideoXTransformer3DModel:
    """CogVideoX-5B's form (rotary positions) at a size that tests can afford; latents [B, F, 4, h, w]."""
    torch.manual_seed(seed)
    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 32,
        "in_channels": 4,
        "out_channels": 4,
        "time_embed_dim": 24,
        "text_embed_dim": 16,
        "num_layers": 3,
        "sample_width": 4,
        "sample_height": 6,
        "sample_frames": 5,
        "max_text_seq_length": 6,
        "use_rotary_positional_embeddings": True,
    }
    return CogVideoXTransformer3DModel(**{**settings, **changes}).eval()


def wan_inputs(batch: int = 2, seed: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "hidden_states": torch.randn(batch, 4, 2, 6, 4, generator=generator),
        "timestep": torch.full((batch,), 500),
        "encoder_hidden_states": torch.randn(batch, 6, 16, generator=generator),
    }


def cogvideox_inputs(batch: int = 2, seed: int = 3) -> dict[str, object]:
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand(2 * 3 * 2, 32, generator=generator)
    return {
        "hidden_states": torch.randn(batch, 2, 4, 6, 4, generator=generator),
        "timestep": torch.full((batch,), 500),
        "encoder_hidden_states": torch.randn(batch, 6, 16, generator=generator),
        "image_rotary_emb": (angles.cos(), angles.sin()),
    }


def adapter(seed: int = 1, **changes) -> TokenMotionAdapter:
    torch.manual_seed(seed)
    settings = {
        "hidden_size": 64,
        "blocks": (0, 2),
        "motion_width": 32,
        "heads": 2,
        "first_width": 8,
        "rank": 4,
    }
    return TokenMotionAdapter(**{**settings, **changes}).eval()


def awake(adapter: TokenMotionAdapter) -> TokenMotionAdapter:
    """An adapter that no longer says nothing: its zero-initialised output gets weights."""
    torch.manual_seed(7)
    for site in adapter.sites:
        torch.nn.init.normal_(site.lora_up.weight, std=0.3)
    return adapter


def autoencoder() -> AutoencoderPatchPCA:
    return AutoencoderPatchPCA(latent_channels=12)


def signals(batch: int = 2, seed: int = 0) -> ControlSignals:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, FORM.frames, FORM.height, FORM.width)
    return ControlSignals(
        rays=torch.randn(batch, FORM.frames, 6, FORM.height, FORM.width, generator=generator),
        skeletons=torch.rand(batch, FORM.frames, 3, FORM.height, FORM.width, generator=generator),
        person_mask=torch.rand(shape, generator=generator) > 0.7,
    )


def transformer_inputs(batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "hidden_states": torch.randn(batch, 38, 2, 6, 4, generator=generator),
        "timestep": torch.full((batch,), 500.0),
        "encoder_hidden_states": torch.randn(batch, 4, 384, generator=generator),
    }


def walking(frames: int = 9, fps: float = 8.0) -> Motion:
    """The rest pose gliding forwards."""
    joints = np.repeat(SMPL24.rest[None], frames, axis=0).astype(float)
    joints[:, :, 2] += np.linspace(0, 0.5, frames)[:, None]
    return Motion(joints, fps, SMPL24)


def scene(frames: int = 9, camera: str = "arc left 20deg") -> Scene:
    motion = walking(frames)
    path: CameraPath = camera_path(camera, size=(32, 48), fps=8.0, frames=frames, subject=motion)
    return Scene((motion,), path, 8.0)


def denoised(model, predict, window, frames, *, steps, generator):
    """Latents of one window as the pipeline makes them, with `predict(x, t)` in place of the guided network."""
    from kinema.diffusion.loop import denoise

    noise = model.draw_noise(frames, generator)
    solver = model.solver(steps, None, generator, torch.device("cpu"))
    return denoise(
        noise,
        solver,
        lambda x, step: predict(x, step.t),
        after=lambda x, step: model.after_step(x, step, solver, noise, window),
    )
