"""What is embedded and what can be named: the weights in the package and the backbones of `--backbone`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

PLANNED_BACKBONES = ("cogvideox-2b", "cogvideox-5b", "wan2.1-1.3b", "wan2.1-14b")
"""Names of the design whose rooms are not built yet."""


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
    folder = folder or Path(str(files("kinema") / "weights"))
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
    """Names for `--backbone`, and where each stands."""
    folder = folder or Path(str(files("kinema") / "weights"))
    embedded = {file.parent.name: "embedded" for file in sorted(folder.glob("*/pipeline.json"))}
    return {**embedded, **dict.fromkeys(PLANNED_BACKBONES, "planned")}


def check_backbone(name: str) -> None:
    """Says what is wrong with a `--backbone` that cannot be loaded.

    Raises:
        ValueError: a planned one, or neither an embedded one nor a folder.
    """
    known = backbones()
    if known.get(name) == "planned":
        raise ValueError(f"--backbone {name}: planned, not built yet; there is mini")
    if name not in known and not Path(name).is_dir():
        raise ValueError(f"--backbone {name}: neither a folder nor one of {', '.join(known)}")


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
