"""Latents and text states of a clip, as training's cache keeps them, made ahead by one model's encoders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from kinema.data.curation.captions import CAPTION
from kinema.data.curation.capturing import SCENE
from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs
from kinema.data.video_clips import VideoClip
from kinema.scene import Scene

if TYPE_CHECKING:
    import torch

    from kinema.data.encoded_clips import WindowReader
    from kinema.data.video_latents import WindowFormat
    from kinema.video.models.video_model import VideoModel

LATENTS, TEXT = "latents.safetensors", "text.safetensors"


@dataclass(frozen=True)
class Latents:
    """Writes `latents.safetensors`, which `kinema train` takes over where its encoders and windows are the same.

    Args:
        backbone: a name that `kinema models` lists, or a folder.
        size: (width, height) of the windows; the model's own where None.
        frames: of a window; the model's own where None.
        scenes: with the captured scene in each window.
    """

    name: ClassVar[str] = "latents"
    needs: ClassVar[Needs] = "accelerator"
    reads: ClassVar[tuple[str, ...]] = ("capture",)
    version: ClassVar[int] = 1

    backbone: str
    size: tuple[int, int] | None = None
    frames: int | None = None
    scenes: bool = True

    def __call__(self, clip: ClipFolder) -> Judged:
        from kinema.data.encoded_clips import write_windows
        from kinema.data.video_latents import encode_clip

        model, form, keys = _encoders(self.backbone, self.size, self.frames)
        told, scene = clip.facts, clip.path / SCENE
        known = Scene.load(scene) if self.scenes and scene.is_file() else None
        video = VideoClip(clip.id, clip.video, "", told["fps"], tuple(told["size"]), scene=known)
        count = write_windows(clip.path / LATENTS, keys.key, encode_clip(video, clip.id, model, form))
        return Judged("", {"windows": count, "encoders": keys.key}, (LATENTS,))


@dataclass(frozen=True)
class Texts:
    """Writes `text.safetensors`, the states of the caption; large for T5.

    Args:
        backbone, size, frames: as of `Latents`, so that a worker opens the model once.
    """

    name: ClassVar[str] = "text"
    needs: ClassVar[Needs] = "accelerator"
    reads: ClassVar[tuple[str, ...]] = ("captions",)
    version: ClassVar[int] = 1

    backbone: str
    size: tuple[int, int] | None = None
    frames: int | None = None

    def __call__(self, clip: ClipFolder) -> Judged:
        import torch

        from kinema.data.encoded_clips import write_text

        model, _, keys = _encoders(self.backbone, self.size, self.frames)
        given = clip.path / CAPTION
        caption = given.read_text("utf-8") if given.is_file() else clip.facts["caption"]
        with torch.no_grad():
            states = model.encode_texts([caption], _device())[0]
        write_text(clip.path / TEXT, keys.text_key, caption, states)
        return Judged("", {"tokens": len(states)}, (TEXT,))


@lru_cache(maxsize=1)
def _encoders(
    backbone: str, size: tuple[int, int] | None, frames: int | None
) -> tuple[VideoModel, WindowFormat, WindowReader]:
    """The model, with its encoders where they are fast, the windows, and the keys of both; held by the worker."""
    from torch import nn

    from kinema.data.video_latents import made_ahead, window_format
    from kinema.video.model_loading import load_model
    from kinema.video.models.published import find_backbone
    from kinema.video.sixteen_bit import stored_dtype

    folder = find_backbone(backbone)
    changes = {} if size is None else {"width": size[0], "height": size[1]}
    model = load_model(backbone, stored_dtype(folder), changes, source=folder)
    for part in model.components.values():
        if isinstance(part, nn.Module) and part is not model.transformer:
            part.requires_grad_(False).to(_device())
    form = model.form if frames is None else replace(model.form, frames=frames)
    windows = window_format(model, form)
    return model, windows, made_ahead(model, windows)


def _device() -> torch.device:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
