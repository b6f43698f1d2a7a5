"""The process that shows rough takes while somebody edits: `python -m kinema.app.server.puppeteer IDLE`.

It makes pictures ready beside its answers, keeps them and the shots lately looked at, and draws single frames. What it
draws is `rough_take` at a smaller size, so a film of the same request shows the same.
"""

from __future__ import annotations

import base64
import sys
from collections import OrderedDict
from collections.abc import Callable
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
from kinema.app.rough_picture import NobodyInPicture, RoughPicture, rough_picture, without_person
from kinema.app.server.asked_process import Row, answer_lines
from kinema.puppet.marks import Marks
from kinema.puppet.suitability import Suitability
from kinema.puppet.take import Crew, Filming, Frame

_PICTURES, _SHOTS = 4, 8  # that are kept (ours)
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
        clothes, mask, marks, picture_person: as of `RoughLook`.
    """

    picture: str
    clothes: str = "auto"
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

    def request(self, **more: Any) -> VideoRequest:
        """The picture as a request has it."""
        look = RoughLook(self.clothes, "keep", self.mask, self.marks, self.picture_person)  # type: ignore[arg-type]
        return VideoRequest(picture=self.picture, rough=look, **more)


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
        self._pictures: _Kept[Look, Future[RoughPicture]] = _Kept(_PICTURES)
        self._checks: _Kept[Look, Future[Row]] = _Kept(_PICTURES)
        self._shots: _Kept[tuple[Any, ...], _Shot] = _Kept(_SHOTS)
        self._models = ModelCache()

    def answer(self, question: Row) -> Row:
        """`{"wrong"}` for people, `{"preparing"}` where it has to be asked again, else what `do` names.

        Args:
            question: `do` ("frame" or "check"), `look`, and the other arguments of that method.
        """
        asked = dict(question)
        do, look = asked.pop("do"), Look(**asked.pop("look"))
        try:
            return self.frame(look, **asked) if do == "frame" else self.check(look, **asked)
        except NobodyInPicture:
            return {"wrong": NOBODY}
        except USER_ERRORS as error:
            return {"wrong": look.named(describe(error))}

    def frame(self, look: Look, scene: str, person: int, moment: float, side: int) -> Row:
        """A moment of a scene's rough take: `{"jpeg": base64}`.

        Args:
            look: the picture.
            scene: a file with a camera; its name changes with its content.
            person: who of the scene moves.
            moment: seconds.
            side: pixels of the longer side, at most the film's.
        """
        preparing = self._prepared(look)
        if not preparing.done():
            return {"preparing": True}
        shot = self._shots.of(
            (look, scene, person, side), lambda: self._shot(look, preparing.result(), scene, person, side)
        )
        return {"jpeg": _encoded(".jpg", shot.at(moment).rgb, cv2.IMWRITE_JPEG_QUALITY, _QUALITY)}

    def check(self, look: Look) -> Row:
        """What to expect of a picture: `verdict`, `findings`, `source`, `marks`, and `cutout`, a grey PNG in base64."""
        preparing = self._prepared(look)
        checking = self._checks.of(look, lambda: self._pool.submit(_checked, look, preparing))
        return checking.result() if checking.done() else {"preparing": True}

    def _prepared(self, look: Look) -> Future[RoughPicture]:
        return self._pictures.of(
            look, lambda: self._pool.submit(rough_picture, look.request(), None, Progress())
        )

    def _shot(self, look: Look, shown: RoughPicture, scene: str, person: int, side: int) -> _Shot:
        share = min(1.0, side / max(shown.puppet.size))
        width, height = (max(2, round(share * each / 2) * 2) for each in shown.puppet.size)
        request = look.request(
            motion=FromFile(scene),
            direction=Direction(people=(person,)),
            model=ModelChoice(size=(width, height)),
        )
        take = rough_take(request, Progress(), self._models, (shown,))
        crew = Crew(take.puppet, take.place, take.camera, Filming(), take.acting)
        return _Shot(crew, take.camera.fps, take.camera.frames)


def _checked(look: Look, preparing: Future[RoughPicture]) -> Row:
    """The answer to a check; nobody in the picture is one as well."""
    try:
        shown = preparing.result()
    except NobodyInPicture:
        report, marks, pixels = without_person(look.request())
        return _report(report, marks, "nobody", np.zeros(pixels.shape[:2], np.float32))
    return _report(shown.report, shown.marks, shown.puppet.source, shown.puppet.alpha)


def _report(report: Suitability, marks: Marks, source: str, alpha: np.ndarray) -> Row:
    return {
        **report.as_json(),
        "source": source,
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
