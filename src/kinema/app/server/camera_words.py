"""The camera in somebody's own words: the camera language, or anything that a prompt may say of the camera."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from kinema.app.server.errors import responses
from kinema.scene.camera_parser import parse_camera
from kinema.scene.camera_vocabulary import VERBS

SAYINGS = (
    "hold still",
    "orbit left 60 degrees",
    "orbit around to the right slowly",
    "push in slowly",
    "pull back",
    "slide to the left",
    "rise slowly",
    "sink",
    "pan to the right",
    "tilt up",
    "zoom in",
    "follow from the side",
    "follow from behind",
)
"""What is suggested where words are not understood (ours); each is understood."""

_SUGGESTED = 3
_LIKE = 0.7  # of difflib, from which on a word is taken for a misspelt one (ours)
_ALONE = re.compile(r"^the prompt speaks of the camera alone")
_STAYS = re.compile(r"^(?P<words>.*) is not in the camera language and stays in the text$", re.DOTALL)


@dataclass(frozen=True)
class Understood:
    """Words as they are understood.

    Args:
        camera: in the camera language.
        notes: what was guessed or left out, for people.
    """

    camera: str
    notes: tuple[str, ...] = ()


def understand(text: str) -> Understood:
    """Words of the camera language as they are; other words as the prompt's grammar reads them.

    Args:
        text: "arc left 60deg", or "orbit around her to the left slowly".

    Raises:
        ValueError: they name no move; the message says so.
    """
    try:
        parse_camera(text)
        return Understood(text)
    except ValueError as error:
        wrong = error
    read = _as_prompt(text)
    if read is not None:
        return read
    first = text.split()[0].lower() if text.split() else ""
    if first in VERBS:  # the language was meant: it knows best what is wrong
        raise wrong
    raise ValueError(f"“{text[:120].strip()}” names no move that the camera knows") from None


def _as_prompt(text: str) -> Understood | None:
    from kinema.motion.prompt import split_prompt

    words = text.strip().rstrip(".!")
    spoken = f"the camera {words}"
    for prompt in (words, spoken) if re.search(r"\bcamera\b", words, re.IGNORECASE) else (spoken, words):
        said = split_prompt(prompt)
        if said.camera is not None:
            notes = [_note(note) for note in said.notes if not _ALONE.match(note)]
            if said.motion and not any(said.motion in note for note in notes):
                notes.append(f"“{said.motion}” says nothing of the camera, and is left out")
            return Understood(said.camera, tuple(notes))
    return None


def _note(note: str) -> str:
    """A note of the prompt's grammar in the words of somebody who typed the camera's part alone."""
    stays = _STAYS.match(note)
    said = f"{stays['words']} is not understood, and is left out" if stays else note
    return re.sub(r"^'(?:the camera )?(?P<words>.*?)'", r"“\g<words>”", said, count=1, flags=re.DOTALL)


def suggestions(text: str) -> list[str]:
    """What somebody may have meant: sayings with words like theirs first."""
    words = re.findall(r"[a-z]+", text.lower()[:400])[:40]

    def likeness(saying: str) -> int:
        return sum(bool(difflib.get_close_matches(word, words, 1, _LIKE)) for word in saying.split())

    return sorted(SAYINGS[1:], key=likeness, reverse=True)[:_SUGGESTED]


class CameraReading(BaseModel):
    """How the camera's words are understood."""

    text: str
    camera: str | None = Field(description="In the camera language; null where it is not understood.")
    notes: list[str] = Field(description="What was guessed or left out.")
    problem: str | None = None
    suggestions: list[str] = Field(description="What is understood, where the text is not.")


def camera_routes(app: FastAPI) -> None:
    """How words for the camera are understood, while they are typed."""

    @app.get("/v1/camera", response_model=CameraReading, tags=["scenes"], name="How words for a camera are understood",
             responses=responses(422))  # fmt: skip
    def read(text: Annotated[str, Query(min_length=1, max_length=1000)]) -> CameraReading:
        try:
            said = understand(text)
        except ValueError as error:
            return CameraReading(
                text=text,
                camera=None,
                notes=[],
                problem=str(error).splitlines()[0][:500],
                suggestions=suggestions(text),
            )
        return CameraReading(text=text, camera=said.camera, notes=list(said.notes), suggestions=[])
