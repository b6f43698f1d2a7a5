"""Pictures of users as rough takes while they edit: the routes, and what asks the process that draws (puppeteer.py)."""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import TYPE_CHECKING, Annotated, Any, Literal

from anyio import to_thread
from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from kinema.app.server.asked_process import AskedProcess, Row
from kinema.app.server.errors import Refused, responses
from kinema.app.server.schemas import Clothes, FileId, Moment, PersonNumber, Strict
from kinema.app.server.stills import MAX_SIDE

if TYPE_CHECKING:
    from kinema.app.server.service import Service


class Puppets:
    """Asks the process one question at a time. Of several about one thing that wait, the newest wins.

    Args:
        idle: seconds without a question after which the process ends.
    """

    def __init__(self, idle: float) -> None:
        self._process = AskedProcess("kinema.app.server.puppeteer", str(idle))
        self._turn = asyncio.Lock()
        self._numbers = itertools.count()
        self._newest: dict[str, int] = {}

    async def ask(self, about: str, question: Row) -> Row | None:
        """The answer; None where a newer question about the same overtook this one.

        Raises:
            Refused: the picture or what is said about it cannot be used, or the process does not live.
        """
        number = self._newest[about] = next(self._numbers)
        async with self._turn:
            if self._newest.get(about) != number:
                return None
            answer = await to_thread.run_sync(self._process.ask, question)
            if self._newest.get(about) == number:
                del self._newest[about]
        if answer is None:
            text = "the picture cannot be shown: the process that draws it has ended twice"
            raise Refused(503, "no_preview", text, headers={"retry-after": "30"})
        if "wrong" in answer:
            raise Refused(422, "unfit_picture", answer["wrong"][:500])
        return answer

    def stop(self) -> None:
        """Ends the process."""
        self._process.stop()


class Said(Strict):
    """What a user says about a picture; see the same fields of a video's request."""

    clothes: Clothes = "auto"
    mask: FileId | None = None
    marks: FileId | None = None
    picture_person: PersonNumber | None = None


class Asked(Said):
    """A moment of a scene with a picture's person in it."""

    picture: FileId
    person: PersonNumber = Field(0, description="Who of the scene moves the picture's person.")
    time: Moment = 0.0
    side: Annotated[int, Field(ge=64, le=MAX_SIDE)] = Field(384, description="Pixels of the longer side.")


class Finding(BaseModel):
    """One thing about a picture: a name for programs, a sentence, and whether the result will be poor because of it."""

    what: str
    text: str
    poor: bool


class MarkedJoints(BaseModel):
    """Where joints are in a picture of that size, pixels by SMPL-24's names."""

    size: tuple[int, int]
    joints: dict[str, tuple[float, float]]


class PictureCheck(BaseModel):
    """What to expect of a picture."""

    verdict: Literal["good", "usable", "poor", "nobody"]
    findings: list[Finding]
    source: Literal["detected", "marked", "preset", "nobody"]
    marks: MarkedJoints
    cutout: str


class Preparing(BaseModel):
    """The picture is being made ready: ask again in a moment."""

    status: Literal["preparing"] = "preparing"


_LATER: dict[int | str, dict[str, Any]] = {202: {"model": Preparing}}


def puppet_routes(app: FastAPI, service: Service) -> None:
    """A frame of a scene's rough take, and what to expect of a picture."""

    def look(picture: str, said: Said) -> Row:
        files = {name: getattr(said, name) for name in ("mask", "marks")}
        return {
            "picture": service.uploaded(picture, "picture"),
            "clothes": said.clothes,
            "picture_person": said.picture_person,
            **{name: each and service.uploaded(each, name) for name, each in files.items()},
        }

    @app.get("/v1/scenes/{number}/rough", tags=["scenes"], name="A moment of a scene with a user's picture in it",
             response_class=Response,
             responses=responses(404, 409, 422, 503) | _LATER
             | {200: {"content": {"image/jpeg": {}}}, 204: {"description": "A newer question overtook it."}})  # fmt: skip
    async def rough(
        number: str,
        asked: Annotated[Asked, Query()],
    ) -> Response:
        job = service.job("scene", number)
        scene = service.shelf.result(job, "scene.npz")
        if scene is None:
            raise Refused(409, "not_finished", f"{job.id} has not been made yet")
        question = {
            "do": "frame",
            "look": look(asked.picture, asked),
            "scene": str(scene),
            "person": asked.person,
            "moment": asked.time,
            "side": asked.side,
        }
        answer = await service.puppets.ask(job.id, question)
        if answer is None:
            return Response(status_code=204)
        if "preparing" in answer:
            return _later()
        return Response(base64.b64decode(answer["jpeg"]), media_type="image/jpeg")

    @app.get("/v1/files/{number}/check", tags=["files"], name="What to expect of a picture as a rough take",
             response_model=PictureCheck, responses=responses(404, 422, 503) | _LATER)  # fmt: skip
    async def check(number: str, said: Annotated[Said, Query()]) -> Any:
        if service.store.file(number) is None:
            raise Refused(404, "not_found", f"there is no file {number[:80]!r}")
        question = {"do": "check", "look": look(number, said)}
        answer = await service.puppets.ask(number, question)
        return _later() if answer is None or "preparing" in answer else answer


def _later() -> JSONResponse:
    return JSONResponse(Preparing().model_dump(), 202, {"retry-after": "1"})
