"""Settings of recipes: nested frozen dataclasses, changed by dotted keys and kept beside what they made.

A field's annotation says how its text is read, its line in the docstring's Args says what it is for. Fields with
`metadata={"option": False}` are set by the program and are no options.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeVar, overload

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text
from kinema.training.option_kinds import check, parse, typed, words

T = TypeVar("T")

_ALIKE = 0.6  # from this ratio on difflib calls two words close
_MAX_BYTES = 1 << 20  # of a file of settings


@dataclass(frozen=True)
class Run:
    """Where, how long and on what a recipe runs.

    Args:
        out: folder for checkpoints and the result; a run found there is resumed.
        minutes: stops, with a checkpoint, after that time of training.
        device: `cpu` or `cuda`.
        seed: of everything random.
    """

    out: Path
    minutes: float
    device: str
    seed: int


@dataclass(frozen=True)
class Option:
    """One setting.

    Args:
        key: dotted, like `trainer.steps`.
        annotation: its type.
        default: its value; `dataclasses.MISSING` where it must be given.
        help: what it is for, from the docstring of its group.
    """

    key: str
    annotation: Any
    default: Any
    help: str

    @property
    def kind(self) -> str:
        """What is expected, in words."""
        return words(self.annotation)

    @property
    def text(self) -> str:
        """The default as one types it; nothing where there is none."""
        return "" if self.default is MISSING else typed(self.default)


@dataclass(frozen=True)
class Saved:
    """What a file of settings says.

    Args:
        recipe: name of the recipe.
        seed: of the run.
        kinema: version that wrote it.
        config: the settings, nested as in the recipe.
    """

    recipe: str
    seed: int
    kinema: str
    config: dict[str, Any]


@overload
def configure(config: type[T], options: Mapping[str, str] | Sequence[str]) -> T: ...
@overload
def configure(config: T, options: Mapping[str, str] | Sequence[str]) -> T: ...
def configure(config: Any, options: Mapping[str, str] | Sequence[str]) -> Any:
    """Settings with some of them replaced.

    Args:
        config: a nested dataclass with values, or the class, whose defaults are taken.
        options: text by dotted key, or a list of `key=text`. `none` stands for None where that is legal; tuples are
            written `0.9,0.95`, dicts as JSON.

    Raises:
        ValueError: an unknown key (the nearest ones are named), a value of the wrong kind, or a setting without
            default that is not given.
    """
    known = _options(config)
    values = {}
    for key, text in pairs(options).items():
        option = _known(known, key)
        try:
            values[key] = parse(option.annotation, text)
        except ValueError:
            raise ValueError(f"option {key}={text!r}: expected {option.kind}") from None
    return _built(config, known, values)


def describe(config: Any) -> list[Option]:
    """All settings of a nested dataclass, an instance or the class, in the order of declaration."""
    return list(_options(config).values())


def save(config: Any, path: Path, recipe: str = "", seed: int = 0) -> None:
    """Writes settings as JSON, in the order of declaration, completely or not at all.

    Args:
        config: a nested dataclass with values.
        path: of the file; its folder is there.
        recipe: name of the recipe.
        seed: of the run.

    Raises:
        OSError: it cannot be written.
    """
    from kinema import __version__

    saved = Saved(recipe, seed, __version__, _nested(config))
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(vars(saved), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(cls: type[T], path: Path) -> T:
    """Settings that `save` has written; what the file leaves out has its default.

    Raises:
        FormatError: not such a file, an unknown key, or a value of the wrong kind.
    """
    known = _options(cls)
    values = {}
    try:
        for key, value in _flat(read(path).config, known).items():
            option = _known(known, key)
            try:
                values[key] = check(option.annotation, value)
            except ValueError:
                raise ValueError(f"{key} is {json.dumps(value)}: expected {option.kind}") from None
        return typing.cast(T, _built(cls, known, values))
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def read(path: Path) -> Saved:
    """A file of settings as it stands, its values unchecked.

    Raises:
        FormatError: not such a file.
        FileNotFoundError: there is none.
    """
    text = read_text(path, _MAX_BYTES)
    try:
        saved = Saved(**json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(path, f"no file of a recipe's settings ({error})") from None
    kinds = {name: type(value) for name, value in vars(saved).items()}
    if kinds != {"recipe": str, "seed": int, "kinema": str, "config": dict}:
        raise FormatError(path, "no file of a recipe's settings (recipe, seed, kinema and config)")
    return saved


def pairs(options: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Text by key, of a list of `key=text`.

    Raises:
        ValueError: an entry without a key or an equals sign.
    """
    if isinstance(options, Mapping):
        return dict(options)
    split = [option.partition("=") for option in options]
    for option, (key, equals, _) in zip(options, split, strict=True):
        if not (key.strip() and equals):
            raise ValueError(f"--set {option}: give NAME=VALUE")
    return {key.strip(): text.strip() for key, _, text in split}


def _options(config: Any, prefix: str = "") -> dict[str, Option]:
    cls = config if isinstance(config, type) else type(config)
    annotations, helps = typing.get_type_hints(cls), _helps(cls)
    options: dict[str, Option] = {}
    for field in _fields(cls):
        key, annotation, value = prefix + field.name, annotations[field.name], _value(config, field)
        if dataclasses.is_dataclass(annotation):
            options |= _options(annotation if value is MISSING else value, f"{key}.")
        else:
            options[key] = Option(key, annotation, value, helps.get(field.name, ""))
    return options


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.metadata.get("option", True)]


def _value(config: Any, field: dataclasses.Field[Any]) -> Any:
    """What a field has, in an instance or by default."""
    if not isinstance(config, type):
        return getattr(config, field.name)
    return field.default if field.default_factory is MISSING else field.default_factory()


def _helps(cls: type) -> dict[str, str]:
    """What the Args sections of a class and its bases say about each name, on one line."""
    helps: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(
            r"^Args:\n((?:[ \t]+.*\n?|\n)+)", inspect.cleandoc(base.__doc__ or ""), re.MULTILINE
        )
        entries = re.split(r"^ {4}(?=\w[\w, ]*:)", section[1] if section else "", flags=re.MULTILINE)
        for entry in entries[1:]:
            names, _, text = entry.partition(":")
            helps |= dict.fromkeys(map(str.strip, names.split(",")), " ".join(text.split()))
    return helps


def _known(known: Mapping[str, Option], key: str) -> Option:
    """The option of a key.

    Raises:
        ValueError: there is none.
    """
    if key in known:
        return known[key]
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        raise ValueError(f"{key!r} is a group of options: give one of {', '.join(inside)}")
    alike = {name: _alike(key, name) for name in known}
    enough = max(_ALIKE, max(alike.values(), default=0) - 0.1)
    near = [name for name in sorted(known, key=lambda name: -alike[name]) if alike[name] >= enough][:3]
    group = f"{key.rpartition('.')[0]}." if "." in key else ""
    group = group if any(name.startswith(group) for name in known) else ""
    level = [name.removeprefix(group).partition(".") for name in known if name.startswith(group)]
    there = dict.fromkeys(f"{group}{name}{'.*' if dot else ''}" for name, dot, _ in level)
    question = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(f"there is no option {key!r}; {question}there are {', '.join(there)}")


def _alike(key: str, name: str) -> float:
    """How close two dotted keys are, as a whole or in their last words, 0 to 1."""
    word, last = key.rpartition(".")[2], name.rpartition(".")[2]
    if set(word.split("_")) <= set(last.split("_")):  # `rate` for `learning_rate`
        return 0.9 + 0.1 * SequenceMatcher(None, key, name).ratio()
    return max(SequenceMatcher(None, *pair).ratio() for pair in ((key, name), (word, last)))


def _built(config: Any, known: Mapping[str, Option], values: Mapping[str, Any]) -> Any:
    missing = [key for key, option in known.items() if option.default is MISSING and key not in values]
    if missing:
        raise ValueError(f"the recipe needs {', '.join(f'--set {key}=...' for key in missing)}")
    return _group(config, values)


def _group(config: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    cls = config if isinstance(config, type) else type(config)
    annotations = typing.get_type_hints(cls)
    changed = {}
    for field in _fields(cls):
        key, annotation = prefix + field.name, annotations[field.name]
        if dataclasses.is_dataclass(annotation):
            value = _value(config, field)
            changed[field.name] = _group(annotation if value is MISSING else value, values, f"{key}.")
        elif key in values:
            changed[field.name] = values[key]
    return cls(**changed) if isinstance(config, type) else dataclasses.replace(config, **changed)


def _nested(config: Any) -> dict[str, Any]:
    values = {field.name: getattr(config, field.name) for field in _fields(type(config))}
    return {name: _nested(x) if dataclasses.is_dataclass(x) else x for name, x in values.items()}


def _flat(values: Mapping[str, Any], known: Mapping[str, Option], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = prefix + name
        is_group = any(other.startswith(f"{key}.") for other in known)
        flat |= _flat(value, known, f"{key}.") if is_group and isinstance(value, dict) else {key: value}
    return flat
