"""The models that requests need, loaded once and kept while the same ones are asked for."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.video.registry import EMBEDDED, split_controls

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice
    from kinema.motion.generator import MotionGenerator
    from kinema.video.whole import AnyPipeline


class ModelCache:
    """One video pipeline and one motion model at a time: two do not fit where one just fits."""

    def __init__(self) -> None:
        self._video: tuple[ModelChoice, AnyPipeline] | None = None
        self._motion: tuple[tuple[Path | None, str], MotionGenerator] | None = None

    def __bool__(self) -> bool:
        """Whether anything is loaded."""
        return self._video is not None or self._motion is not None

    def video(self, choice: ModelChoice) -> AnyPipeline:
        """The pipeline of a choice; it shows no progress of its own.

        Raises:
            FileNotFoundError, ValueError: see `load_pipeline`.
        """
        if self._video is None or self._video[0] != choice:
            self._video = None
            pipeline = self.load(
                name=choice.backbone or EMBEDDED,
                adapters=split_controls(choice.controls)[0],
                adapter_weights=choice.adapter_weights,
                base=choice.base,
                checkpoint=choice.checkpoint,
                lora=choice.lora,
                fast=choice.fast,
                size=choice.size,
                frames=choice.window,
                fps=choice.fps,
                settings=choice.settings,
                memory=choice.memory,
                fp8=choice.fp8,
                quantise=choice.quantise,
                attention=choice.attention,
                cache=choice.cache,
                compile_blocks=choice.compile_blocks,
                parallel=choice.parallel,
                device=choice.device,
            )
            pipeline.set_progress_bar_config(disable=True)
            self._video = choice, pipeline
        return self._video[1]

    def load(self, **asked: Any) -> AnyPipeline:
        """`load_pipeline`, or how else pipelines come here."""
        from kinema.video.loading import load_pipeline

        return load_pipeline(**asked)

    def motion(self, folder: Path | None = None, device: str | None = None) -> MotionGenerator:
        """The motion generator of a folder, or the embedded one.

        Raises:
            FileNotFoundError: there are no weights.
        """
        key = folder, device or "cpu"
        if self._motion is None or self._motion[0] != key:
            from kinema.app.text_motion import motion_model

            self._motion = None
            self._motion = key, motion_model(*key)
        return self._motion[1]

    def clear(self) -> None:
        """Gives everything back."""
        self._video = self._motion = None
        gc.collect()
