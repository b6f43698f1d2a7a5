"""A 16-bit copy of a folder's weights, written tensor by tensor, so that they can stay in files while they are used.

Weights whose files have another type than the work are converted when they are loaded, all of them into main memory;
those of the same type are only mapped. Part of Wan's weights is published in float32.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import struct
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from kinema.capture.cache import cache_folder
from kinema.video.checkpoints import denoisers_of
from kinema.video.models.published import DENOISERS

_KEPT = ("vae",)
"""Parts that work in float32."""
_CODES = {torch.bfloat16: "BF16", torch.float16: "F16"}

logger = logging.getLogger(__name__)


def copies_folder() -> Path:
    """Where 16-bit copies of weights are kept."""
    return cache_folder() / "16bit"


def sixteen_bit_copy(folder: Path, dtype: torch.dtype, cache: Path) -> Path:
    """A folder in diffusers layout whose large parts are of a 16-bit type; the folder itself if they are.

    Args:
        folder: in diffusers layout.
        dtype: of the copy.
        cache: below which copies are kept; one that is there is used again.

    Raises:
        OSError: no room for it.
    """
    large = {
        part: sorted(part.glob("*.safetensors"))
        for part in folder.iterdir()
        if part.is_dir() and part.name not in _KEPT
    }
    wide = {part: files for part, files in large.items() if any("F32" in dtypes_in(file) for file in files)}
    if dtype not in _CODES or not wide:
        return folder
    files = [file for each in wide.values() for file in each]
    told = [f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    made = cache / f"{hashlib.sha256(' '.join([str(dtype), *told]).encode()).hexdigest()[:16]}"
    if made.is_dir():
        return made
    needed = sum(file.stat().st_size for file in files) / 2
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(cache).free < 1.05 * needed:
        raise OSError(
            f"--memory low keeps a 16-bit copy of {folder.name} on the disk, {needed / 1e9:.0f} GB, and {cache} has no "
            "room for it: set KINEMA_CACHE to another disk, or take --memory medium"
        )
    logger.warning("writing a 16-bit copy of %s, %.1f GB, to %s", folder.name, needed / 1e9, cache)
    unfinished = cache / f"{made.name}.{secrets.token_hex(4)}.part"
    try:
        _write_copy(folder, wide, unfinished, dtype)
        unfinished.rename(made)
    except OSError:
        if not made.is_dir():  # else another process, or another machine, was faster with the same copy
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return made


def _write_copy(folder: Path, wide: dict[Path, list[Path]], out: Path, dtype: torch.dtype) -> None:
    """A folder like `folder`, with links to the parts that stay as they are and the files in `wide` narrowed."""
    out.mkdir()
    kinds = denoisers_of(folder)
    for part in folder.iterdir():
        if part not in wide:
            (out / part.name).symlink_to(part.resolve())
            continue
        (out / part.name).mkdir()
        for file in part.iterdir():
            if file in wide[part]:
                _narrow(file, out / part.name / file.name, dtype, kinds.get(part.name))
            elif file.is_file():
                shutil.copy(file, out / part.name / file.name)


def dtypes_in(file: Path) -> set[str]:
    """Types of the tensors of a safetensors file, as its header writes them."""
    with file.open("rb") as opened:
        header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
    return {each["dtype"] for key, each in header.items() if key != "__metadata__"}


def stored_dtype(folder: Path) -> torch.dtype:
    """The type in which a folder's denoisers can be read without loss: that of their files, or float32."""
    files = [file for part in DENOISERS for file in (folder / part).glob("*.safetensors")]
    found = set().union(*(dtypes_in(file) for file in files))
    return next((dtype for dtype, code in _CODES.items() if found == {code}), torch.float32)


def _narrow(source: Path, target: Path, dtype: torch.dtype, kind: type[nn.Module] | None) -> None:
    """One file, tensor by tensor; what its class keeps in float32 stays so."""
    kept = tuple(getattr(kind, "_keep_in_fp32_modules", None) or ())
    with safe_open(source, "pt") as given:
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        at = 0
        types: dict[str, torch.dtype] = {}
        for key in given.keys():  # noqa: SIM118  # no dictionary
            part = given.get_slice(key)
            code = part.get_dtype()
            narrows = code == "F32" and not any(each in key.split(".") for each in kept)
            shape = part.get_shape()
            size = _BYTES[_CODES[dtype] if narrows else code]
            length = size * int(torch.Size(shape).numel())
            types[key] = dtype if narrows else torch.float32
            header[key] = {
                "dtype": _CODES[dtype] if narrows else code,
                "shape": shape,
                "data_offsets": [at, at + length],
            }
            at += length
        words = json.dumps(header).encode()
        words += b" " * (-len(words) % 8)
        with target.open("wb") as opened:
            opened.write(struct.pack("<Q", len(words)) + words)
            for key, narrow in types.items():
                tensor = given.get_tensor(key)
                if narrow is dtype:
                    tensor = tensor.to(dtype)
                opened.write(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())


_BYTES = {
    "F64": 8,
    "I64": 8,
    "F32": 4,
    "I32": 4,
    "F16": 2,
    "BF16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
}
