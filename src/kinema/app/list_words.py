"""What the columns of a list of videos mean: the words of the command's options, each with the field that it fills."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kinema.app.inputs import (
    control_names,
    parse_scale,
    parse_seconds,
    parse_size,
    people_in_picture,
    people_named,
)

Parse = Callable[[Any], Any]


@dataclass(frozen=True)
class Word:
    """A column.

    Args:
        part: what of a request it belongs to: request, direction, model, sampling, rough, reading, camera_reading,
            prompt (of `FromPrompt`), keypoints (of `FromKeypoints`) or guidance.
        field: of that part.
        parse: the cell's value, text of a CSV file or a value of JSON.
        path: whether it names a file or folder, which is seen from the list.
    """

    part: str
    field: str
    parse: Parse
    path: bool = False


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise ValueError("give text")
    return str(value).strip()


def _whole(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError("give a whole number")
    return (
        int(value)
        if isinstance(value, (int, str)) and str(value).strip().lstrip("+-").isdecimal()
        else int(number)
    )


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError("give a number")
    return number


def _yes(value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    said = str(value).strip().lower()
    if said not in known:
        raise ValueError("give yes or no")
    return known[said]


def _several(value: Any) -> tuple[str, ...]:
    """Texts of a JSON list, or of a cell in which `;` stands between them."""
    given = value if isinstance(value, list) else _text(value).split(";")
    return tuple(text for each in given if (text := _text(each)))


def _one_or_several(value: Any) -> str | tuple[str, ...]:
    given = _several(value)
    return given[0] if len(given) == 1 else given


def _scale(value: Any) -> float | tuple[float, float] | None:
    return parse_scale(_text(value), "guidance")


def _reading_name(value: Any) -> str | int:
    text = _text(value)
    return int(text) if text.isdecimal() else text


def _camera_scale(value: Any) -> float | str:
    return "auto" if _text(value) == "auto" else _number(value)


def _texts(part: str, *names: str) -> dict[str, Word]:
    return {name.replace("_", "-"): Word(part, name, _text) for name in names}


WORDS: Mapping[str, Word] = {
    "name": Word("request", "name", _text),
    "prompt": Word("request", "prompt", _text),
    "picture": Word("request", "picture", _one_or_several, path=True),
    "motion": Word("request", "motion", _text, path=True),
    "camera": Word("request", "camera", _text, path=True),
    "actor": Word("request", "actor", _whole),
    # of a motion that is made from the prompt
    "style": Word("prompt", "style", _text),
    "motion-model": Word("prompt", "model", _text, path=True),
    # how the scene is made ready
    **_texts("direction", "tracking", "beyond"),
    "person": Word("direction", "people", lambda value: people_named(_several(value))),
    "centre": Word("direction", "centre", _yes),
    "retarget": Word("direction", "retarget", _yes),
    "steady": Word("direction", "steady", _yes),
    "from": Word("direction", "start", lambda value: parse_seconds(_text(value), "from")),
    "to": Word("direction", "stop", lambda value: parse_seconds(_text(value), "to")),
    "seconds": Word("direction", "seconds", lambda value: parse_seconds(_text(value), "seconds")),
    # what a motion file does not say
    **_texts("reading", "unit", "up", "ground", "positions"),
    "source-fps": Word("reading", "source_fps", _number),
    "joints": Word("reading", "joints", _text, path=True),
    "animation": Word("reading", "animation", _reading_name),
    "skip-frames": Word("reading", "skip_frames", _whole),
    "stats": Word("reading", "stats", _text, path=True),
    "as-keypoints": Word("keypoints", "said", _yes),
    "keypoints-fps": Word("keypoints", "fps", _number),
    "keypoints-size": Word("keypoints", "size", lambda value: parse_size(_text(value), "keypoints-size")),
    # what a camera file does not say
    "camera-scale": Word("camera_reading", "scale", _camera_scale),
    "camera-absolute": Word("camera_reading", "absolute", _yes),
    "camera-up": Word("camera_reading", "up", _text),
    "camera-fps": Word("camera_reading", "fps", _number),
    "camera-fov": Word("camera_reading", "fov", _number),
    "camera-name": Word("camera_reading", "name", _reading_name),
    "camera-format": Word("camera_reading", "format", _text),
    # which model, and how
    **_texts("model", "recipe", "memory", "attention", "quantise", "cache"),
    "backbone": Word("model", "backbone", _text, path=True),
    "base": Word("model", "base", _text, path=True),
    "control": Word("model", "controls", lambda value: control_names(_several(value))),
    "adapter-weights": Word("model", "adapter_weights", _text, path=True),
    "control-strength": Word("model", "control_strength", _number),
    "lora": Word("model", "lora", _several, path=True),
    "checkpoint": Word("model", "checkpoint", _several, path=True),
    "fast": Word("model", "fast", _several, path=True),
    "size": Word("model", "size", lambda value: parse_size(_text(value), "size")),
    "fps": Word("model", "fps", _number),
    "window": Word("model", "window", _whole),
    "fp8": Word("model", "fp8", _yes),
    "compile": Word("model", "compile_blocks", _yes),
    # how it is sampled
    "seed": Word("sampling", "seed", _whole),
    "steps": Word("sampling", "steps", _whole),
    "shift": Word("sampling", "shift", _number),
    "negative-prompt": Word("sampling", "negative_prompt", _text),
    "takes": Word("sampling", "takes", _whole),
    "score": Word("sampling", "score", _yes),
    **{f"guidance-{name}": Word("guidance", name, _scale) for name in ("text", "pose", "camera")},
    # how a rough take looks
    "clothes": Word("rough", "clothes", _one_or_several),
    "legs": Word("rough", "legs", _one_or_several),
    "background": Word("rough", "background", _text, path=True),
    "mask": Word("rough", "mask", _one_or_several, path=True),
    "marks": Word("rough", "marks", _one_or_several, path=True),
    "picture-person": Word("rough", "picture_person", lambda value: people_in_picture(_several(value))),
    "begin-with-picture": Word("rough", "begin_with_picture", _yes),
    "face": Word("rough", "face", _yes),
    "fingers": Word("rough", "fingers", _yes),
}
"""By the column's name. `picture` is the command's --image; `motion` says none where the camera alone moves."""

ALIASES = {"image": "picture"}
"""Other names of columns."""
