"""What encoders have made of a clip ahead, as a file beside its video: windows of latents, and states of the caption.

`kinema curate --backbone` writes them, and training takes them over where they are what it would make itself: the same
encoder weights (compared in bfloat16, whatever type they are run in), windows and caption. Else it encodes anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from kinema.data.latent_cache import TEXT, Entry
from kinema.data.video_clips import CONDITIONS, PackedFile, VideoClip
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write

_STATES, _TOLD = "states", "kinema"
_HEADER = 8  # bytes that say how long a safetensors header is


@dataclass(frozen=True)
class WindowReader:
    """Windows and states that were made ahead, for one model.

    Args:
        encoders: of videos and pictures, by name.
        text_encoder: of captions; None where the model has none.
        form: of the windows, JSON types.
        text_tokens: of a caption's states.
    """

    encoders: Mapping[str, nn.Module]
    text_encoder: nn.Module | None
    form: Mapping[str, Any]
    text_tokens: int

    @cached_property
    def key(self) -> str:
        """Of encoders and windows."""
        return weights_hash(self.encoders, self.form)

    @cached_property
    def text_key(self) -> str:
        """Of the text encoder."""
        parts = {} if self.text_encoder is None else {"text_encoder": self.text_encoder}
        return weights_hash(parts, {"tokens": self.text_tokens})

    def entries(self, clip: VideoClip, name: str) -> list[tuple[Entry, dict[str, torch.Tensor]]] | None:
        """What the latent cache keeps of a clip; None where nothing fits, and the clip is to be encoded.

        Args:
            clip: with the place of its latents.
            name: the clip's hash.

        Raises:
            FormatError: a damaged file.
        """
        if clip.latents is None:
            return None
        tensors, told = _opened(clip.latents)
        if told.get("key") != self.key:
            return None
        text = self._text(clip)
        made = []
        for number, window in enumerate(told["windows"]):
            held = {key.partition("/")[2]: t for key, t in tensors.items() if key.startswith(f"{number}/")}
            if text is not None:
                held[TEXT] = text.clone()
            entry = Entry(
                id=f"{name}-{number}",
                clip=clip.id,
                window=number,
                last=window["last"],
                bucket=tuple(window["bucket"]),
                caption=clip.caption,
                fps=window["fps"],
                licence=clip.licence,
                source=clip.source,
                checksum=0,
                withheld=tuple(sorted(set(CONDITIONS) - clip.gives)),
            )
            made.append((entry, held))
        return made

    def _text(self, clip: VideoClip) -> torch.Tensor | None:
        """The states of the clip's caption, without the zeros at their end."""
        if clip.text is None:
            return None
        tensors, told = _opened(clip.text)
        fits = told.get("caption") == clip.caption and told.get("key") == self.text_key
        return tensors[_STATES] if fits and _STATES in tensors else None


def write_windows(path: Path, key: str, windows: Iterable[tuple[Entry, Mapping[str, torch.Tensor]]]) -> int:
    """Writes the windows of a clip; how many they are."""
    tensors: dict[str, torch.Tensor] = {}
    told = []
    for number, (entry, held) in enumerate(windows):
        tensors |= {f"{number}/{name}": tensor.contiguous() for name, tensor in held.items()}
        told.append({"last": entry.last, "bucket": list(entry.bucket), "fps": entry.fps})
    _save(path, tensors, {"key": key, "windows": told})
    return len(told)


def write_text(path: Path, key: str, caption: str, states: torch.Tensor) -> None:
    """Writes a caption's states [L, D], in half precision, without the zeros at their end."""
    told = torch.nonzero(states.abs().amax(1))
    length = int(told[-1]) + 1 if len(told) else 1
    _save(path, {_STATES: states[:length].half().cpu().contiguous()}, {"key": key, "caption": caption})


def padded(states: torch.Tensor, tokens: int) -> torch.Tensor:
    """States [L, D] with the zeros that `write_text` has left out, [tokens, D]."""
    return torch.cat([states, states.new_zeros(tokens - len(states), states.shape[1])])


def weights_hash(parts: Mapping[str, nn.Module], facts: Mapping[str, Any]) -> str:
    """A hash of networks' weights, rounded to bfloat16, and of facts, JSON types."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for part, network in sorted(parts.items()):
        digest.update(type(network).__name__.encode())
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(f"{part}.{name}".encode())
            held = tensor.detach().cpu()
            held = held.to(torch.bfloat16) if held.is_floating_point() else held
            digest.update(held.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:20]


def _save(path: Path, tensors: Mapping[str, torch.Tensor], told: Mapping[str, Any]) -> None:
    """Under one name, because safetensors keeps several in no order, and the same content shall be the same bytes."""
    with atomic_write(path) as temporary:
        save_file(
            dict(sorted(tensors.items())), temporary, metadata={_TOLD: json.dumps(told, sort_keys=True)}
        )


def _opened(packed: PackedFile) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors of a safetensors file inside another one, and what `_save` was told.

    Raises:
        FormatError: it is damaged.
    """
    content = packed.read()
    try:
        length = int.from_bytes(content[:_HEADER], "little")
        told = json.loads(json.loads(content[_HEADER : _HEADER + length])["__metadata__"][_TOLD])
        return load(content), told
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(packed.path, str(error).splitlines()[0], f"member {packed.name}") from None
