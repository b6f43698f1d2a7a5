"""The published backbones: their names here and on the hub, and where their files are on this machine.

Nothing heavy is imported, so that the command line can list them at once.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

INDEX = "model_index.json"
MODULAR_INDEX = "modular_model_index.json"
EMBEDDED_INDEX = "pipeline.json"
_WEIGHTS = ("*.safetensors", "*.bin")
_FETCHED = ["*.json", "*.safetensors", "*.model", "*.txt"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The videos that a model was trained on: pixels, frames of one window, frames per second."""

    width: int
    height: int
    frames: int
    fps: float

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, {self.frames} frames at {self.fps:g} fps"


@dataclass(frozen=True)
class PublishedBackbone:
    """A model on the hub, in diffusers layout.

    Args:
        hub_id: where it is.
        gigabytes: of its files, about.
        reads_picture: whether it starts from a picture.
        former_ids: under which a cache may still hold it.
        index: a file by which a cache is known to hold it.
        follows: what of a scene it follows without an adapter, as `VideoModel.follows`.
        form: what it was trained on.
        licence: of its weights, as its card says.
        needs: what it follows nothing without.
    """

    hub_id: str
    gigabytes: int
    reads_picture: bool
    former_ids: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    index: str = INDEX
    form: Trained | None = None
    licence: str = ""
    needs: str = ""


def _fun(repository: str, gigabytes: int, follows: str, index: str = "config.json") -> PublishedBackbone:
    return PublishedBackbone(f"alibaba-pai/{repository}", gigabytes, True, follows=(follows,), index=index)


_A14B_INDEX = "high_noise_model/config.json"
_FUN: dict[str, PublishedBackbone] = {
    "wan2.1-fun-1.3b-control": _fun("Wan2.1-Fun-V1.1-1.3B-Control", 4, "pose"),
    "wan2.1-fun-14b-control": _fun("Wan2.1-Fun-V1.1-14B-Control", 34, "pose"),
    "wan2.1-fun-1.3b-camera": _fun("Wan2.1-Fun-V1.1-1.3B-Control-Camera", 4, "camera"),
    "wan2.1-fun-14b-camera": _fun("Wan2.1-Fun-V1.1-14B-Control-Camera", 34, "camera"),
    "wan2.2-fun-a14b-control": _fun("Wan2.2-Fun-A14B-Control", 58, "pose", _A14B_INDEX),
    "wan2.2-fun-a14b-camera": _fun("Wan2.2-Fun-A14B-Control-Camera", 58, "camera", _A14B_INDEX),
    "wan2.2-fun-5b-control": _fun("Wan2.2-Fun-5B-Control", 11, "pose"),
    "wan2.2-fun-5b-camera": _fun("Wan2.2-Fun-5B-Control-Camera", 11, "camera"),
}
"""VideoX-Fun's: transformers alone are read of them, without the .pth files; sizes are of those, by their parameters."""

_VACE = ("pose", "camera", "depth", "room")
_FILM = ("pose", "camera")
_COG, _COG15 = Trained(720, 480, 49, 8), Trained(1360, 768, 81, 16)
_WAN = Trained(832, 480, 81, 16)
_ANIMATE, _ANIMATE2 = Trained(1280, 720, 77, 30), Trained(640, 800, 81, 24)
_APACHE, _CARD = "Apache-2.0", "see its card"
_COGVIDEOX = "CogVideoX (commercial use: registration)"
_LTX = "LTX-2 Community (free below 10 million USD of revenue a year)"

PUBLISHED: dict[str, PublishedBackbone] = {
    "cogvideox-2b": PublishedBackbone(
        "zai-org/CogVideoX-2b", 14, False, ("THUDM/CogVideoX-2b",), form=_COG, licence=_APACHE
    ),
    "cogvideox-5b": PublishedBackbone(
        "zai-org/CogVideoX-5b", 22, False, ("THUDM/CogVideoX-5b",), form=_COG, licence=_COGVIDEOX
    ),
    "cogvideox-5b-i2v": PublishedBackbone(
        "zai-org/CogVideoX-5b-I2V", 22, True, ("THUDM/CogVideoX-5b-I2V",), form=_COG, licence=_COGVIDEOX
    ),
    "cogvideox1.5-5b": PublishedBackbone(
        "zai-org/CogVideoX1.5-5B", 31, False, ("THUDM/CogVideoX1.5-5B",), form=_COG15, licence=_COGVIDEOX
    ),
    "cogvideox1.5-5b-i2v": PublishedBackbone(
        "zai-org/CogVideoX1.5-5B-I2V",
        31,
        True,
        ("THUDM/CogVideoX1.5-5B-I2V",),
        form=_COG15,
        licence=_COGVIDEOX,
    ),
    "cogvideox-fun-pose": PublishedBackbone(
        "alibaba-pai/CogVideoX-Fun-V1.1-5b-Pose", 20, False, follows=("pose",), form=_COG, licence=_CARD
    ),
    "wan2.1-1.3b": PublishedBackbone(
        "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", 29, False, form=_WAN, licence=_APACHE
    ),
    "wan2.1-14b": PublishedBackbone(
        "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", 91, True, form=_WAN, licence=_APACHE
    ),
    "wan2.1-14b-t2v": PublishedBackbone(
        "Wan-AI/Wan2.1-T2V-14B-Diffusers", 80, False, form=_WAN, licence=_APACHE
    ),
    "vace-1.3b": PublishedBackbone(
        "Wan-AI/Wan2.1-VACE-1.3B-diffusers", 19, True, follows=_VACE, form=_WAN, licence=_APACHE
    ),
    "vace-14b": PublishedBackbone(
        "Wan-AI/Wan2.1-VACE-14B-diffusers", 75, True, follows=_VACE, form=_WAN, licence=_APACHE
    ),
    "vace-2.2": PublishedBackbone(
        "linoyts/Wan2.2-VACE-Fun-14B-diffusers", 86, True, follows=_VACE, form=_WAN, licence=_APACHE
    ),
    "wan-animate": PublishedBackbone(
        "Wan-AI/Wan2.2-Animate-14B-Diffusers", 85, True, follows=("pose",), form=_ANIMATE, licence=_APACHE
    ),
    "wan-animate-2": PublishedBackbone(
        "Wan-AI/Wan2.2-Animate-2-14B-Diffusers", 50, True, follows=_FILM, form=_ANIMATE2, licence=_CARD
    ),
    "wan-animate-2-distilled": PublishedBackbone(
        "Wan-AI/Wan2.2-Animate-2-14B-Distilled-Diffusers",
        50,
        True,
        follows=_FILM,
        form=_ANIMATE2,
        licence=_CARD,
    ),
    "ltx2": PublishedBackbone(
        "diffusers/LTX-2.3-Diffusers",
        71,
        True,
        follows=("pose", "camera", "depth"),
        form=Trained(768, 512, 121, 24),
        licence=_LTX,
        needs="an IC-LoRA (--lora)",
    ),
    "wan2.2-5b": PublishedBackbone(
        "Wan-AI/Wan2.2-TI2V-5B-Diffusers", 34, True, form=Trained(1280, 704, 121, 24), licence=_APACHE
    ),
    "wan2.2-t2v-a14b": PublishedBackbone(
        "Wan-AI/Wan2.2-T2V-A14B-Diffusers", 126, False, form=_WAN, licence=_APACHE
    ),
    "wan2.2-i2v-a14b": PublishedBackbone(
        "Wan-AI/Wan2.2-I2V-A14B-Diffusers", 126, True, form=_WAN, licence=_APACHE
    ),
    **_FUN,
}
"""Names for `--backbone`. Sizes are those of the files as published: part of Wan's is float32."""


def embedded_folder() -> Path:
    """The weights in the package."""
    return Path(str(files("kinema") / "weights"))


def embedded_names(folder: Path) -> list[str]:
    """Names of the video backbones below a folder: other pipelines name no backbone in their index."""
    indices = sorted(folder.glob(f"*/{EMBEDDED_INDEX}"))
    return [each.parent.name for each in indices if "backbone" in read_json(each)]


DENOISERS = ("transformer", "transformer_2")
"""What diffusers calls the parts of a pipeline that denoise."""


def find_backbone(name: str | Path, without: tuple[str, ...] = ()) -> Path:
    """The folder of a backbone: a folder itself, the embedded one, or one of the hub, fetched if need be.

    Args:
        name: a folder, the name of one in the package, or a key of PUBLISHED.
        without: parts whose weights are not needed, and neither asked for nor fetched.

    Raises:
        FileNotFoundError: its files are not here and the hub cannot be reached, or files are missing.
        ValueError: neither a folder nor a known name.
    """
    if Path(name).is_dir():
        return _complete(Path(name), str(name), without)
    embedded = embedded_folder() / str(name)
    if (embedded / EMBEDDED_INDEX).is_file():
        return embedded
    if str(name) not in PUBLISHED:
        known = ", ".join([*embedded_names(embedded_folder()), *PUBLISHED])
        raise ValueError(f"no backbone {str(name)!r}: it is neither a folder nor one of {known}")
    cached = cached_folder(str(name))
    if cached is not None and not missing_parts(cached, without):
        return cached
    return _complete(_fetch(str(name), without), str(name), without)


def local_backbone(name: str | Path, without: tuple[str, ...] = ()) -> Path | None:
    """The folder of a backbone that is on this machine, complete; None of another."""
    embedded = embedded_folder() / str(name)
    if Path(name).is_dir() or (embedded / EMBEDDED_INDEX).is_file():
        return find_backbone(name, without)
    cached = cached_folder(str(name)) if str(name) in PUBLISHED else None
    return cached if cached is not None and not missing_parts(cached, without) else None


def index_of(folder: Path) -> Path | None:
    """The index of a folder in diffusers layout, of a plain pipeline or a modular one; None of another folder."""
    return next((folder / name for name in (INDEX, MODULAR_INDEX) if (folder / name).is_file()), None)


def cached_folder(name: str) -> Path | None:
    """Where the hub's cache holds a published backbone, complete or not; None where it does not."""
    from huggingface_hub import try_to_load_from_cache

    published = PUBLISHED[name]
    for hub_id in (published.hub_id, *published.former_ids):
        for index in (published.index, MODULAR_INDEX):
            found = try_to_load_from_cache(hub_id, index)
            if isinstance(found, str):
                return Path(found).parents[len(Path(index).parts) - 1]
    return None


def missing_parts(folder: Path, without: tuple[str, ...] = ()) -> list[str]:
    """Parts that the folder's index names and that are not there, or lack some of their weights."""
    path = index_of(folder)
    if path is None:  # transformers alone, in the folder or in one each
        alone = [each.parent for pattern in ("config.json", "*/config.json") for each in folder.glob(pattern)]
        return [each.name for each in alone if not _part_is_there(each)]
    index = read_json(path)
    modular = path.name == MODULAR_INDEX  # it names no class of parts that were not loaded
    parts = [
        name for name, value in index.items() if isinstance(value, list) and (modular or value[0] is not None)
    ]
    return [name for name in parts if name not in without and not _part_is_there(folder / name)]


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        ValueError: it is none; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from None


def _complete(folder: Path, name: str, without: tuple[str, ...] = ()) -> Path:
    if index_of(folder) is not None and (missing := missing_parts(folder, without)):
        raise FileNotFoundError(
            f"{name} is not complete: there is no {', '.join(missing)}, or files of it are missing; fetch it again"
        )
    return folder


def _part_is_there(part: Path) -> bool:
    for index in part.glob("*.safetensors.index.json"):
        shards = set(read_json(index)["weight_map"].values())
        return all((part / shard).is_file() for shard in shards)
    if (part / "config.json").is_file():
        return any(any(part.glob(pattern)) for pattern in _WEIGHTS)
    return part.is_dir()


def _fetch(name: str, without: tuple[str, ...] = ()) -> Path:
    """Fetches a published backbone into the hub's cache, where there is a way to the hub and room on the disk."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the client that it uses

    published = PUBLISHED[name]
    size = f"about {published.gigabytes} GB"
    cache = Path(constants.HF_HUB_CACHE)
    try:
        HfApi().model_info(published.hub_id, timeout=10)
    except (OSError, HTTPError) as error:
        here = "only in part on this machine" if cached_folder(name) else "not on this machine"
        raise FileNotFoundError(
            f"{name} is {here}, and the hub cannot be reached ({type(error).__name__}). On a machine "
            f"that can, run `hf download {published.hub_id} --local-dir {name}` ({size}), copy the folder here, and "
            f"give it as --backbone FOLDER; or put it in the hub's cache ({cache})"
        ) from None
    place = next(parent for parent in (cache, *cache.parents) if parent.is_dir())
    free = shutil.disk_usage(place).free / 1e9
    if free < published.gigabytes:
        raise OSError(f"{name} is {size}, but {place} has {free:.0f} GB free: set HF_HOME to another disk")
    logger.warning("fetching %s from the hub, %s", published.hub_id, size)
    unread = [f"{part}/{pattern}" for part in without for pattern in _WEIGHTS]
    return Path(snapshot_download(published.hub_id, allow_patterns=_FETCHED, ignore_patterns=unread or None))
