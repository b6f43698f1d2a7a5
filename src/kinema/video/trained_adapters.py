"""Trained control methods: where their weights are, and their places in a backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach
from kinema.video.guided import CONDITIONS
from kinema.video.models.published import read_json
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import adapter_class, adapter_names, control_methods, film_guiders

BACKBONE = "_kinema_backbone"
"""Key of an exported adapter's config under which its backbone's name stands; diffusers passes over it."""


def parse_drive(text: str) -> tuple[str, frozenset[str]]:
    """`tokenmotion:camera` as name and signals; without a colon all of them.

    Raises:
        ValueError: no such method or signal.
    """
    name, _, words = text.partition(":")
    if name in film_guiders():
        raise ValueError(f"{name} is no adapter: it follows a film, and is given to a call as its guidance")
    if name not in adapter_names():
        raise ValueError(f"no control method {name!r}: there are {', '.join(control_methods())}")
    signals = frozenset(words.split("+")) if words else frozenset(CONDITIONS)
    if not signals <= set(CONDITIONS):
        raise ValueError(
            f"{text}: a control method may see {' or '.join(CONDITIONS)}, e.g. {name}:{CONDITIONS[0]}"
        )
    return name, signals


def load_adapter(
    adapter: str, backbone: Path, weights: str | Path | None, name: str, dtype: torch.dtype
) -> ControlAdapter:
    """A trained adapter; never an untrained one.

    Args:
        adapter: name of the method.
        backbone: folder of the backbone, which may hold the adapter.
        weights: folder of the adapter, or of several.
        name: of the backbone, for messages.
        dtype: of its weights.

    Raises:
        FileNotFoundError: there are no trained weights.
        ValueError: no such method.
    """
    kind = adapter_class(adapter)
    folder = _adapter_folder(adapter, backbone, weights)
    if folder is None:
        raise FileNotFoundError(
            f"{name} has no trained weights for {adapter}"
            + (f" in {weights}" if weights is not None else "")
            + ": give their folder (--adapter-weights), or take no control (--control none)"
        )
    return kind.from_pretrained(folder, dtype=dtype).eval()


def attach_trained(model: VideoModel, adapters: Mapping[str, ControlAdapter]) -> None:
    """Puts trained adapters into every transformer of a backbone.

    Raises:
        ValueError: one does not fit; the message says on which backbone it was trained.
    """
    for name, adapter in adapters.items():
        try:
            for denoiser in model.denoisers:
                attach(denoiser, adapter, name)
        except ValueError as error:
            trained_on = adapter.config.get(BACKBONE, model.name)
            other = trained_on != model.name
            hint = f": it was trained on {trained_on}, not on {model.name}" if other else ""
            raise ValueError(f"{error}{hint}") from None


def check_given(weights: str | Path, adapters: Sequence[str]) -> None:
    """Weights that are given are used: those beside the backbone do not take their place unseen.

    Raises:
        FileNotFoundError: no such folder, or it has weights for none of the methods.
    """
    if not Path(weights).is_dir():
        raise FileNotFoundError(f"{weights}: no such folder of adapter weights")
    if not any(_trained_in(Path(weights), each) for each in adapters):
        raise FileNotFoundError(f"there are no trained weights for {' or '.join(adapters)} in {weights}")


def first_trained(backbone: Path, weights: str | Path | None, name: str) -> str:
    """The first method that has trained weights: among those given, or else beside the backbone.

    Raises:
        FileNotFoundError: there are none.
    """
    if weights is not None:
        check_given(weights, adapter_names())
    for adapter in adapter_names():
        if _trained_in(backbone if weights is None else Path(weights), adapter) is not None:
            return adapter
    raise FileNotFoundError(
        f"{name} has no trained adapter and would not follow a motion: give the folder of one "
        "(--adapter-weights), or take no control (--control none)"
    )


def _adapter_folder(adapter: str, backbone: Path, weights: str | Path | None) -> Path | None:
    """Where trained weights of a method are: among those given, or beside the backbone."""
    given = None if weights is None else _trained_in(Path(weights), adapter)
    return given or _trained_in(backbone, adapter)


def _trained_in(folder: Path, adapter: str) -> Path | None:
    """Where a folder holds trained weights of a method: in a subfolder of its name, or itself."""
    return next((each for each in (folder / adapter, folder) if _is_trained(each, adapter)), None)


def _is_trained(folder: Path, adapter: str) -> bool:
    config = folder / "config.json"
    return (
        config.is_file()
        and read_json(config).get("_class_name") == adapter_class(adapter).__name__
        and any(folder.glob("*.safetensors"))
    )
