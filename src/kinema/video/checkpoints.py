"""Transformers out of single files, safetensors (also the community's 8-bit ones) and GGUF; other parts from a folder.

A file is checked against the folder's configuration by its header, before any weight is read.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import nn

from kinema.motion.checkpoints import CheckpointError, load_exactly, read_state_dict
from kinema.video.models.published import DENOISERS, read_json
from kinema.video.models.published_parts import read_index
from kinema.video.quantisation import Quantisation

Weights = dict[str, torch.Tensor]

FORMATS = (".safetensors", ".gguf")
_PREFIXES = ("model.diffusion_model.", "diffusion_model.")
_SCALES = (".scale_weight", ".weight_scale")
"""How ComfyUI's files name what 8-bit weights are multiplied with; beside them stand marks that are no weights."""
_MARKS = re.compile(r"(^|\.)(scaled_fp8|scale_input|input_scale|comfy_quant)$")
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
_NAMED = 2
"""Keys that a message names (ours)."""


def denoisers_of(folder: Path) -> dict[str, type[nn.Module]]:
    """The class of each denoiser of a folder in diffusers layout, the one of the first steps first."""
    import diffusers

    index = read_index(folder)
    named = {name: index[name][1] for name in DENOISERS if index.get(name, (None,))[0] is not None}
    found = {name: getattr(diffusers, kind, None) for name, kind in named.items()}
    unknown = [named[name] for name, kind in found.items() if kind is None]
    if unknown:
        raise ValueError(f"{folder} names a {unknown[0]}, which diffusers does not have")
    return found  # type: ignore[return-value]  # None was refused


def expert_of(file: Path) -> str | None:
    """`high` or `low`, where a file's name says for which of two experts it is; else None."""
    found = re.findall(r"(?<![a-z])(high|low)(?![a-z])", file.stem.lower())
    return found[-1] if len(set(found)) == 1 else None


def assigned(files: Sequence[Path], parts: Sequence[str]) -> dict[str, Path]:
    """Which file is for which denoiser: by high and low in their names, else in the order given.

    Raises:
        ValueError: more or fewer files than denoisers, or two of one expert.
    """
    if len(files) != len(parts):
        each = (
            "one file" if len(parts) == 1 else "a file for each of its two experts, the high noise one first"
        )
        raise ValueError(f"--checkpoint: this model takes {each}, not {len(files)}")
    experts = [expert_of(each) for each in files]
    if len(parts) == 2 and None not in experts:
        if set(experts) != {"high", "low"}:
            raise ValueError(
                f"--checkpoint: both files are named {experts[0]} noise: give one high and one low"
            )
        files = sorted(files, key=lambda each: expert_of(each) != "high")
    return dict(zip(parts, files, strict=True))


def given_denoisers(
    folder: Path, files: Sequence[Path], way: Quantisation | None, dtype: torch.dtype
) -> dict[str, nn.Module]:
    """The denoisers of a folder by the names of its parts, of files or in fewer bits.

    Args:
        folder: in diffusers layout; with files it needs no more of a denoiser than its configuration.
        files: one for each denoiser; none for the folder's own weights.
        way: how weights are kept; as they are where None.
        dtype: of the work.

    Raises:
        FileNotFoundError, CheckpointError, ModuleNotFoundError: as `shapes_in` and `check_fits`.
        ValueError: more or fewer files than denoisers, or files and fewer bits: diffusers would not quantise a file's
            weights, and would not say so.
    """
    kinds = denoisers_of(folder)
    given = assigned(files, list(kinds)) if files else {}
    configs = {part: _config(folder / part) for part in kinds}
    if files and way is not None:
        raise ValueError(
            f"--quantise is for a folder's weights, and {files[0].name} is one file: leave it out, and take --fp8 "
            "or a GGUF"
        )
    for part, file in given.items():  # all of them before any weight is read
        check_fits(file, kinds[part], configs[part], str(folder))
    made: dict[str, nn.Module] = {}
    for part, kind in kinds.items():
        if part not in given:
            assert way is not None
            made[part] = kind.from_pretrained(
                folder / part, quantization_config=way.config(dtype), dtype=dtype
            )
        else:
            made[part] = read_transformer(given[part], kind, configs[part], str(folder), dtype)
        made[part].eval().requires_grad_(False)
    return made


def _config(part: Path) -> dict[str, Any]:
    file = part / "config.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"{part} has no config.json, which says how the checkpoint's transformer is built: fetch that file too"
        )
    return read_json(file)


def metadata_in(file: Path) -> dict[str, str]:
    """What a .safetensors file says of itself beside its weights."""
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def shapes_in(file: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of a file, by its header alone; the prefixes of ComfyUI's files are left out.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: another format, cut short or damaged.
        ModuleNotFoundError: GGUF without the package that reads it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such checkpoint")
    if file.suffix not in FORMATS:
        raise CheckpointError(f"{file} is no checkpoint by its name: give {' or '.join(FORMATS)}")
    shapes = _gguf_shapes(file) if file.suffix == ".gguf" else _safetensors_shapes(file)
    return {_plain(key): shape for key, shape in shapes.items()}


def check_fits(file: Path, kind: type[nn.Module], config: Mapping[str, Any], where: str) -> nn.Module:
    """Says by its header that a file is not a model's, before its weights are read.

    Args:
        file: of FORMATS.
        kind: class of the transformer.
        config: of the transformer.
        where: whose configuration it is, for messages.

    Returns:
        The transformer without memory.

    Raises:
        CheckpointError: keys or shapes are not those of this transformer.
    """
    given = {
        key: torch.empty(shape, device="meta")
        for key, shape in shapes_in(file).items()
        if not _MARKS.search(key) and not key.endswith(_SCALES)
    }
    with init_empty_weights():
        transformer = kind.from_config(dict(config))
    wanted = {key: tuple(value.shape) for key, value in transformer.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in converted(given, kind, set(wanted)).items()}
    missing = sorted(wanted.keys() - found.keys())
    strange = sorted(found.keys() - wanted.keys())
    shaped = [
        f"{key} {list(found[key])} instead of {list(wanted[key])}"
        for key in sorted(found.keys() & wanted.keys())
        if found[key] != wanted[key]
    ]
    wrong = [
        f"{len(keys)} weights {what} ({', '.join(keys[:_NAMED])}{', …' if len(keys) > _NAMED else ''})"
        for what, keys in (("missing", missing), ("too many", strange), ("of another shape", shaped))
        if keys
    ]
    if wrong:
        raise CheckpointError(f"{file} is no transformer of {where} ({kind.__name__}): {'; '.join(wrong)}")
    return transformer.eval()


def converted(state: Weights, kind: type[nn.Module], wanted: set[str]) -> Weights:
    """Weights by diffusers' names, from their publishers' names or from diffusers' own.

    Raises:
        CheckpointError: names that diffusers cannot convert.
    """
    if set(state) == wanted:
        return state
    from diffusers.loaders.single_file_model import (
        SINGLE_FILE_LOADABLE_CLASSES,
        _get_single_file_loadable_mapping_class,
    )

    known = _get_single_file_loadable_mapping_class(kind)
    if known is None:
        return state
    try:
        return SINGLE_FILE_LOADABLE_CLASSES[known]["checkpoint_mapping_fn"](
            checkpoint=dict(state), config=None
        )
    except (KeyError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"this is no {kind.__name__}: diffusers knows no place for {error}") from None


def read_transformer(
    file: Path, kind: type[nn.Module], config: Mapping[str, Any], where: str, dtype: torch.dtype
) -> nn.Module:
    """The transformer of a file.

    Args:
        file, kind, config, where: as in `check_fits`.
        dtype: of its weights, and of the work with a GGUF's, which stay as they are packed.

    Raises:
        FileNotFoundError, CheckpointError, ModuleNotFoundError: as `shapes_in` and `check_fits`.
    """
    transformer = check_fits(file, kind, config, where)
    if file.suffix == ".gguf":
        return from_packed(read_gguf(file), kind, config, dtype)
    state = converted(read_weights(file, dtype), kind, set(transformer.state_dict()))
    kept = tuple(getattr(kind, "_keep_in_fp32_modules", None) or ())
    for key in list(state):
        whole = any(part in key.split(".") for part in kept)
        state[key] = state[key].to(torch.float32 if whole else dtype)
    load_exactly(transformer, state, file, assign=True)
    return transformer


def read_weights(file: Path, dtype: torch.dtype) -> Weights:
    """Weights of a safetensors file, memory-mapped, ComfyUI's prefixes left out; 8-bit ones as `unscaled`."""
    return unscaled({_plain(key): value for key, value in read_state_dict(file).items()}, str(file), dtype)


def unscaled(state: Weights, name: str, dtype: torch.dtype) -> Weights:
    """Weights as they are meant: ComfyUI's scaled 8-bit ones multiplied by the scales that stand beside them.

    Args:
        state: of a file.
        name: of the file, for messages.
        dtype: of what was multiplied.

    Raises:
        CheckpointError: a scale without its weight.
    """
    state = {key: value for key, value in state.items() if not _MARKS.search(key)}
    for key in [each for each in state if each.endswith(_SCALES)]:
        scale, weight = state.pop(key), f"{key.rpartition('.')[0]}.weight"
        if weight not in state:
            raise CheckpointError(f"{name} has a scale without its weight: {key}")
        if state[weight].dtype in _FP8:
            state[weight] = (state[weight].float() * scale.float()).to(dtype)
    return state


def read_gguf(file: Path) -> Weights:
    """Weights of a GGUF file, packed as they are; the prefixes of ComfyUI's files are left out.

    Raises:
        FileNotFoundError, CheckpointError, ModuleNotFoundError: as `shapes_in`.
    """
    from diffusers.models.model_loading_utils import load_gguf_checkpoint

    shapes_in(file)
    return {_plain(key): value for key, value in load_gguf_checkpoint(str(file)).items()}


def from_packed(
    state: Weights, kind: type[nn.Module], config: Mapping[str, Any], dtype: torch.dtype
) -> nn.Module:
    """A transformer of a GGUF's weights, which stay packed, by diffusers' own loader.

    Raises:
        CheckpointError: it reads no single files of this class.
    """
    from tempfile import TemporaryDirectory

    from diffusers import GGUFQuantizationConfig

    if not hasattr(kind, "from_single_file"):
        raise CheckpointError(
            f"diffusers reads no single files of a {kind.__name__}: give a folder in its layout"
        )
    way = GGUFQuantizationConfig(compute_dtype=dtype)
    with TemporaryDirectory() as folder:  # diffusers wants the configuration as a file
        (Path(folder) / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
        return kind.from_single_file(state, config=folder, dtype=dtype, quantization_config=way).eval()


def _plain(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _safetensors_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 0 < length <= size - 8:
            raise CheckpointError(f"{file} is no safetensors file, or is cut short within its header")
        try:
            header = json.loads(opened.read(length))
            tensors = {key: value for key, value in header.items() if key != "__metadata__"}
            ends = [value["data_offsets"][1] for value in tensors.values()]
            shapes = {key: tuple(value["shape"]) for key, value in tensors.items()}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise CheckpointError(f"{file} is no safetensors file: its header cannot be read") from None
    whole = 8 + length + max(ends, default=0)
    if size < whole:
        raise CheckpointError(
            f"{file} is cut short: {size / 1e9:.2f} GB are here, {whole / 1e9:.2f} GB are announced; fetch it again"
        )
    return shapes


def _gguf_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    if find_spec("gguf") is None:
        raise ModuleNotFoundError(f"{file}: GGUF files need `pip install gguf`")
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
        return {each.name: tuple(int(n) for n in reversed(each.shape)) for each in reader.tensors}
    except (ValueError, IndexError, KeyError, OSError, UnicodeDecodeError, OverflowError, TypeError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise CheckpointError(f"{file} is no GGUF file, or is cut short ({reason}); fetch it again") from None
