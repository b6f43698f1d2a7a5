"""Writes docs/api.md from the docstrings of what `import kinema` offers: `python docs/make_api.py`."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import kinema

PAGE = Path(__file__).resolve().parent / "api.md"
SECTIONS = {
    "Videos": ("animate", "generate", "replace", "preview", "VideoResult"),
    "What a video is made of": (
        "make_motion",
        "capture_video",
        "camera",
        "Scene",
        "Motion",
        "CameraPath",
        "control_signals",
        "make_passes",
    ),
    "Files": (
        "read_motion",
        "read_motion_file",
        "write_motion",
        "read_scene",
        "read_camera_file",
        "write_camera",
        "CameraReading",
        "FromCameraFile",
        "read_video",
        "write_video",
    ),
    "One request": (
        "fulfil",
        "VideoRequest",
        "FromFile",
        "FromVideo",
        "FromKeypoints",
        "FromPrompt",
        "Direction",
        "ModelChoice",
        "Sampling",
        "RoughLook",
        "Progress",
    ),
    "Many videos": ("read_list", "make_videos"),
    "Models and papers": ("load_pipeline", "papers"),
}
HEAD = """\
# Kinema from Python

Made from the docstrings by `python docs/make_api.py`; the examples are run by the tests.
`import kinema` loads nothing; each name is loaded when it is first asked for.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name) for name in names]
    return "\n".join(parts)


def entry(name: str) -> str:
    """What one name offers."""
    thing = getattr(kinema, name)
    head = f"### kinema.{name}\n"
    if not inspect.ismodule(thing):
        head += f"\n```python\n{name}{signature(thing)}\n```\n"
    return f"{head}\n{markdown(inspect.getdoc(thing) or '')}"


def signature(thing: Any) -> str:
    """Parameters, one a line where they are many."""
    parameters = []
    star = False
    for each in inspect.signature(thing).parameters.values():
        if each.kind is each.KEYWORD_ONLY and not star:
            parameters.append("*")
        star = star or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        parameters.append(_parameter(each))
    line = f"({', '.join(parameters)})"
    return line if len(line) < 90 else "(\n" + "".join(f"    {each},\n" for each in parameters) + ")"


def _parameter(each: inspect.Parameter) -> str:
    words = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "") + each.name
    if each.annotation is not each.empty:
        words += f": {str(each.annotation).strip(chr(39))}"
    if each.default is each.empty:
        return words
    if is_dataclass(each.default):
        return f"{words} = {type(each.default).__name__}()"
    return f"{words} = {'{}' if repr(each.default) == '<factory>' else repr(each.default)}"


def markdown(doc: str) -> str:
    """A docstring in Google's form: sections become lists and code."""
    blocks = re.split(r"\n(?=(?:Args|Returns|Raises|Yields|Attributes|Example):\n)", f"\n{doc}")
    parts = [blocks[0].strip()]
    for block in blocks[1:]:
        title, _, text = block.partition(":\n")
        inside, _, after = re.sub(r"\n\n(?=\S)", "\n\0", text).partition("\0")
        body = textwrap.dedent(inside).strip("\n")
        if title == "Example":
            parts.append(f"```python\n{body}\n```")
        elif title in ("Returns", "Yields"):
            parts.append(f"**{title}** {' '.join(body.split())}")
        else:
            parts.append(f"**{title}**\n\n{_items(body)}")
        if after.strip():
            parts.append(after.strip())
    return "\n\n".join(part for part in parts if part) + "\n"


def _items(body: str) -> str:
    items: list[list[str]] = []
    for line in body.splitlines():
        if line.startswith(" ") and items:
            items[-1].append(line.strip())
        elif line.strip():
            items.append([line])
    named = [re.sub(r"^([^:]+):", r"`\1`:", " ".join(lines), count=1) for lines in items]
    return "\n".join(f"- {item}" for item in named)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
