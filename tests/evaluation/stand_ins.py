"""What stands in for a video model where only its form and its autoencoder matter."""

from __future__ import annotations

from types import SimpleNamespace

from kinema.diffusion.guider import Guidance
from kinema.video.models.video_model import SamplingDefaults, VideoFormat


def lossless_model(size: tuple[int, int], fps: float, frames: int) -> SimpleNamespace:
    """A model whose autoencoder keeps every pixel."""
    return SimpleNamespace(
        name="lossless",
        reads_picture=True,
        transformer=SimpleNamespace(device="cpu"),
        form=VideoFormat(*size, frames, fps, text_tokens=4),
        defaults=SamplingDefaults(steps=8, guidance=Guidance(pose=3.0), shift=10.0),
        encode_video=lambda pixels: pixels,
        decode=lambda latents: latents,
        plate=lambda scene, picture, frames: picture.expand(-1, -1, frames, -1, -1),
    )
