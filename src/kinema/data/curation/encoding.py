"""Latents and text states of a clip, as training's cache keeps them, made ahead by one model's encoders."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from kinema.data.curation.captions import CAPTION
from kinema.data.curation.capturing import SCENE
from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs
from kinema.data.video_clips import VideoClip
from kinema.scene import Scene

if TYPE_CHECKING:
    from kinema.data.encoded_clips import WindowReader
    from kinema.data.video_latents import WindowFormat
    from kinema.video.models.video_model import VideoModel

LATENTS, TEXT = "latents.safetensors", "text.safetensors"


@dataclass(frozen=True)
class Encoded:
    """Writes `latents.safetensors` and `text.safetensors`, which `kinema train` takes over where its encoders are the
    same.

    Args:
        backbone: a name that `kinema models` lists, or a folder.
        size: (width, height) of the windows; the model's own where None.
        frames: of a window; the model's own where None.
        text: also the states of the caption, large for T5.
    """

    name: ClassVar[str] = "encode"
    needs: ClassVar[Needs] = "accelerator"
    version: ClassVar[int] = 1

    backbone: str
    size: tuple[int, int] | None = None
    frames: int | None = None
    text: bool = True

    @cached_property
    def _model(self) -> tuple[VideoModel, WindowFormat, WindowReader]:
        """The model, with its encoders where they are fast, the windows, and the key of both."""
        import torch
        from torch import nn

        from kinema.data.video_latents import made_ahead, window_format
        from kinema.video.model_loading import load_model
        from kinema.video.models.published import find_backbone
        from kinema.video.sixteen_bit import stored_dtype

        folder = find_backbone(self.backbone)
        changes = {} if self.size is None else {"width": self.size[0], "height": self.size[1]}
        model = load_model(self.backbone, stored_dtype(folder), changes, source=folder)
        for part in model.components.values():
            if isinstance(part, nn.Module) and part is not model.transformer:
                part.requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")
        form = model.form if self.frames is None else replace(model.form, frames=self.frames)
        windows = window_format(model, form)
        return model, windows, made_ahead(model, windows)

    def __call__(self, clip: ClipFolder) -> Judged:
        from kinema.data.encoded_clips import write_text, write_windows
        from kinema.data.video_latents import encode_clip

        model, form, keys = self._model
        told, scene, given = clip.facts, clip.path / SCENE, clip.path / CAPTION
        caption = given.read_text("utf-8") if given.is_file() else told["caption"]
        known = Scene.load(scene) if scene.is_file() else None
        video = VideoClip(clip.id, clip.video, caption, told["fps"], tuple(told["size"]), scene=known)
        count = write_windows(clip.path / LATENTS, keys.key, encode_clip(video, clip.id, model, form))
        files: tuple[str, ...] = (LATENTS,)
        if self.text:
            import torch

            device = next((t.device for e in keys.encoders.values() for t in e.state_dict().values()), "cpu")
            with torch.no_grad():
                states = model.encode_texts([caption], torch.device(device))[0]
            write_text(clip.path / TEXT, keys.text_key, caption, states)
            files = (LATENTS, TEXT)
        return Judged("", {"windows": count, "encoders": keys.key}, files)

    def __getstate__(self) -> dict[str, object]:
        """Settings alone: a worker opens its own encoders."""
        return {each.name: self.__dict__[each.name] for each in fields(self)}
