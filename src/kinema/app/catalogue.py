"""What is embedded and what can be named: the weights in the package and the backbones of `--backbone`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.app.request import ROUGH
from kinema.video.models.published import (
    PUBLISHED,
    cached_folder,
    embedded_folder,
    embedded_names,
    missing_parts,
)
from kinema.video.registry import EMBEDDED

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice


@dataclass(frozen=True)
class EmbeddedModel:
    """One set of weights in the package, in diffusers layout.

    Args:
        name: folder below the weights.
        kind: class that loads it.
        bytes: size of its files.
        licence: from the model card.
        card: path of the model card.
    """

    name: str
    kind: str
    bytes: int
    licence: str
    card: str | None

    def facts(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return dict(self.__dict__)


def embedded_models(folder: Path | None = None) -> list[EmbeddedModel]:
    """The models below `folder`, by default those of the package: every folder with a config and weights."""
    folder = folder or embedded_folder()
    found = []
    for config in sorted(folder.rglob("config.json")):
        tensors = sorted(config.parent.glob("*.safetensors"))
        if tensors:
            facts = json.loads(config.read_text(encoding="utf-8"))
            card = _card(config.parent, folder)
            found.append(
                EmbeddedModel(
                    name=config.parent.relative_to(folder).as_posix(),
                    kind=str(facts.get("_class_name", "unknown")),
                    bytes=sum(file.stat().st_size for file in config.parent.iterdir() if file.is_file()),
                    licence=_licence(card),
                    card=None if card is None else str(card),
                )
            )
    return found


def backbones(folder: Path | None = None) -> dict[str, str]:
    """Names for `--backbone`, and where each is: embedded, in the hub's cache, or not here."""
    folder = folder or embedded_folder()
    here = [ROUGH, *embedded_names(folder)]
    return dict.fromkeys(here, "embedded") | {name: _state(name) for name in PUBLISHED}


def backbone_facts() -> dict[str, dict[str, Any]]:
    """What each published backbone is, as JSON types: what it follows of a scene and with what, whether it reads a
    picture, the videos it was trained on, its licence, where it is published and how large it is."""
    return {
        name: {
            "follows": list(each.follows),
            "needs": each.needs or None,
            "reads_picture": each.reads_picture,
            "form": None if each.form is None else dict(each.form.__dict__),
            "licence": each.licence or None,
            "hub_id": each.hub_id,
            "gigabytes": each.gigabytes,
        }
        for name, each in PUBLISHED.items()
    }


def described(name: str) -> str:
    """The same of one backbone as a line of words."""
    each = PUBLISHED[name]
    by_itself = ", ".join(each.follows)
    if not each.follows:
        by_itself = "nothing without an adapter"
    elif each.needs:
        by_itself += f" with {each.needs}"
    said = [
        f"follows {by_itself}",
        "reads a picture" if each.reads_picture else "text alone",
        "" if each.form is None else str(each.form),
        each.licence,
    ]
    return "; ".join(part for part in said if part)


def check_backbone(name: str) -> None:
    """Says what is wrong with a `--backbone` before anything heavy is loaded.

    Raises:
        ValueError: neither a name nor a folder.
    """
    embedded = [ROUGH, *embedded_names(embedded_folder())]
    if name not in embedded and name not in PUBLISHED and not Path(name).is_dir():
        known = ", ".join([*embedded, *PUBLISHED])
        raise ValueError(f"--backbone {name}: neither a folder nor one of {known}")


def check_form(model: ModelChoice) -> None:
    """Says what size, window and rate a model cannot make, before anything heavy is loaded.

    Raises:
        ValueError: it cannot make them.
    """
    if model.size or model.window or model.fps is not None or model.settings:
        from kinema.video import model_loading

        model_loading.check_form(
            model.backbone or EMBEDDED,
            model.size,
            model.window,
            model.fps,
            settings=model.settings,
            checkpoint=bool(model.checkpoint),
        )


def check_asked(model: ModelChoice) -> None:
    """Says what of a model's weights and speed cannot be, before anything heavy is loaded.

    Raises:
        FileNotFoundError, ModuleNotFoundError, ValueError: it cannot be.
    """
    if model.checkpoint or model.lora or model.fast or model.quantise or model.cache:
        from kinema.video import loading

        files = model.checkpoint or ()
        loading.check_asked(
            checkpoint=(files,) if isinstance(files, Path) else files,
            lora=model.lora,
            fast=model.fast,
            quantise=model.quantise,
            cache=model.cache,
        )


def _state(name: str) -> str:
    published = PUBLISHED[name]
    cached = cached_folder(name)
    if cached is None:
        return f"not here; about {published.gigabytes} GB at {published.hub_id}"
    missing = missing_parts(cached)
    return f"in the cache, without {', '.join(missing)}" if missing else "in the cache"


def _card(model: Path, top: Path) -> Path | None:
    """The nearest model card, in the model's folder or above it."""
    for folder in (model, *model.parents):
        if (folder / "README.md").is_file():
            return folder / "README.md"
        if folder == top:
            return None
    return None


def _licence(card: Path | None) -> str:
    """The `license:` line of a model card's header."""
    if card is None:
        return "no card"
    header = card.read_text(encoding="utf-8").split("---")
    for line in (header[1] if len(header) > 2 else "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("license", "license_name"):
            return value.strip().strip("\"'")
    return "not stated"
