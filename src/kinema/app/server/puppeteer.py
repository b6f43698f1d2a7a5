"""The process that shows rough takes while somebody edits: `python -m kinema.app.server.puppeteer IDLE`.

It makes pictures ready beside its answers, keeps them and the shots lately looked at, and draws single frames. What it
draws is `rough_take` at a smaller size, so a film of the same request shows the same.
"""

from __future__ import annotations

import base64
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from kinema.app.console import USER_ERRORS, describe
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.request import Direction, FromFile, ModelChoice, RoughLook, VideoRequest
from kinema.app.rough import rough_take
from kinema.app.rough_picture import NobodyInPicture, RoughPicture, rough_pictures, without_person
from kinema.app.server.asked_process import Row, answer_lines
from kinema.app.server.asking import frame_of
from kinema.puppet.marks import Marks
from kinema.puppet.suitability import Suitability
from kinema.puppet.take import Crew, Filming, Frame
from kinema.scene import Scene

_PICTURES, _SHOTS = 12, 8  # that are kept (ours)
_SAID = ("clothes", "legs", "mask", "marks", "picture_person")
_QUALITY = 85  # of a frame's JPEG (ours)
NOBODY = "nobody is found in the picture: mark the joints, or give another picture"

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Kept(OrderedDict[Key, Value]):
    """The last so many values."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def of(self, key: Key, make: Callable[[], Value]) -> Value:
        self[key] = self.pop(key) if key in self else make()
        while len(self) > self.most:
            self.popitem(last=False)
        return self[key]


@dataclass(frozen=True)
class Look:
    """A user's picture and what they say about it; files whose names change with their content.

    Args:
        picture: the file.
        clothes, legs, mask, marks, picture_person: as of `RoughLook`.
    """

    picture: str
    clothes: str = "auto"
    legs: str = "auto"
    mask: str | None = None
    marks: str | None = None
    picture_person: int | None = None

    def named(self, text: str) -> str:
        """A message with what the files are instead of where they lie."""
        for name in ("picture", "mask", "marks"):
            path = getattr(self, name)
            if path is not None:
                text = text.replace(path, f"the {name}").replace(Path(path).name, f"the {name}")
        return text


Cast = tuple[Look, ...]
"""The people of pictures who are in a shot, the one whose room is filmed first."""


def request_of(cast: Cast, **more: Any) -> VideoRequest:
    """The pictures as a request has them: one picture for all of it who are in the same, else one for each."""
    said: dict[str, Any] = {name: [getattr(each, name) for each in cast] for name in _SAID}
    if len(cast) == 1:
        return VideoRequest(
            picture=cast[0].picture, rough=RoughLook(**{name: each[0] for name, each in said.items()}), **more
        )
    looks: dict[str, Any] = {
        name: each for name, each in said.items() if any(one is not None for one in each)
    }
    pictures = [each.picture for each in cast]
    return VideoRequest(
        picture=pictures[0] if _together(cast) else pictures, rough=RoughLook(**looks), **more
    )


def _together(cast: Cast) -> bool:
    """Whether several people are cut out of one picture."""
    numbers = {each.picture_person for each in cast}
    alike = len({each.picture for each in cast}) == 1
    return len(cast) > 1 and alike and len(numbers) == len(cast) and None not in numbers


@dataclass(frozen=True, eq=False)
class _Shot:
    """A scene filmed with a picture's person."""

    crew: Crew
    fps: float
    frames: int

    def at(self, moment: float) -> Frame:
        return self.crew.frame(min(max(round(moment * self.fps), 0), self.frames - 1))


class Puppeteer:
    """Answers questions about pictures: frames, and what to expect of them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "preparing")
        self._pictures: _Kept[Cast, Future[tuple[RoughPicture, ...]]] = _Kept(_PICTURES)
        self._checks: _Kept[Look, Future[Row]] = _Kept(_PICTURES)
        self._shots: _Kept[tuple[Any, ...], _Shot] = _Kept(_SHOTS)
        self._models = ModelCache()

    def answer(self, question: Row) -> Row:
        """`{"wrong"}` for people, `{"preparing"}` where it has to be asked again, else what `do` names.

        Args:
            question: `do` ("frame" or "check"), `looks`, and the other arguments of that method.
        """
        asked = dict(question)
        do, cast = asked.pop("do"), tuple(Look(**look) for look in asked.pop("looks"))
        try:
            return self.frame(cast, **asked) if do == "frame" else self.check(cast[0], **asked)
        except NobodyInPicture:
            return {"wrong": NOBODY}
        except USER_ERRORS as error:
            text = describe(error)
            for look in cast:
                text = look.named(text)
            return {"wrong": text}

    def frame(self, cast: Cast, scene: str, people: Sequence[int], moment: float, side: int) -> Row:
        """A moment of a scene's rough take: `{"jpeg": base64}`.

        Args:
            cast: the pictures.
            scene: a file with a camera; its name changes with its content.
            people: who of the scene moves each of them.
            moment: seconds.
            side: pixels of the longer side, at most the film's.
        """
        preparing = [
            self._prepared(each) for each in ([cast] if _together(cast) else [(one,) for one in cast])
        ]
        if not all(each.done() for each in preparing):
            return {"preparing": True}
        key = cast, scene, tuple(people), side
        shown = tuple(one for each in preparing for one in each.result())
        shot = self._shots.of(key, lambda: self._shot(cast, shown, scene, tuple(people), side))
        return {"jpeg": _encoded(".jpg", shot.at(moment).rgb, cv2.IMWRITE_JPEG_QUALITY, _QUALITY)}

    def check(self, look: Look) -> Row:
        """What to expect of a picture: `verdict`, `findings`, `source`, `marks`, and `cutout`, a grey PNG in base64."""
        preparing = self._prepared((look,))
        checking = self._checks.of(look, lambda: self._pool.submit(_checked, look, preparing))
        return checking.result() if checking.done() else {"preparing": True}

    def _prepared(self, cast: Cast) -> Future[tuple[RoughPicture, ...]]:
        return self._pictures.of(
            cast,
            lambda: self._pool.submit(rough_pictures, request_of(cast), len(cast), None, Progress()),
        )

    def _shot(
        self, cast: Cast, shown: tuple[RoughPicture, ...], scene: str, people: tuple[int, ...], side: int
    ) -> _Shot:
        full = shown[0].puppet.size
        if len(cast) > 1 and not _together(cast):
            camera = Scene.load(scene).camera
            full = full if camera is None else frame_of(camera.size, full)
        share = min(1.0, side / max(full))
        width, height = (max(2, round(share * each / 2) * 2) for each in full)
        request = request_of(
            cast,
            motion=FromFile(scene),
            direction=Direction(people=people),
            model=ModelChoice(size=(width, height)),
        )
        take = rough_take(request, Progress(), self._models, shown)
        crew = Crew(take.puppet, take.place, take.camera, Filming(), take.acting)
        return _Shot(crew, take.camera.fps, take.camera.frames)


def _checked(look: Look, preparing: Future[tuple[RoughPicture, ...]]) -> Row:
    """The answer to a check; nobody in the picture is one as well."""
    try:
        (shown,) = preparing.result()
    except NobodyInPicture:
        report, marks, pixels = without_person(request_of((look,)))
        return _report(report, marks, "nobody", np.zeros(pixels.shape[:2], np.float32), 0)
    found = shown.puppet.found
    people = 1 if found is None else found.people
    return _report(shown.report, shown.marks, shown.puppet.source, shown.puppet.alpha, people)


def _report(report: Suitability, marks: Marks, source: str, alpha: np.ndarray, people: int) -> Row:
    return {
        **report.as_json(),
        "source": source,
        "people": people,
        "marks": {"size": list(marks.size), "joints": dict(marks.joints)},
        "cutout": _encoded(".png", cv2.convertScaleAbs(alpha, alpha=255.0)),
    }


def _encoded(suffix: str, pixels: np.ndarray, *options: int) -> str:
    shown = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    return base64.b64encode(cv2.imencode(suffix, shown, options)[1].tobytes()).decode()


def main(idle: str) -> None:
    """Answers until there is nobody to answer to."""
    answer_lines(float(idle), Puppeteer().answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
