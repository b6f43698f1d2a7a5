"""Learned video: families of models, the machinery of control adapters, and the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinema.diffusion.guider import Guidance
    from kinema.video.loading import load_pipeline
    from kinema.video.pipeline import KinemaOutput, KinemaPipeline

__all__ = ["Guidance", "KinemaOutput", "KinemaPipeline", "load_pipeline"]


def __getattr__(name: str) -> Any:
    """Loads the pipeline, and with it diffusers, only when it is asked for."""
    if name == "Guidance":
        from kinema.diffusion.guider import Guidance

        return Guidance
    if name == "load_pipeline":
        from kinema.video.loading import load_pipeline

        return load_pipeline
    if name in __all__:
        from kinema.video import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
