"""Pictures of users as rough takes while they edit: the routes, and what asks the process that draws (puppeteer.py)."""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, model_validator

from kinema.app.server.actor_pictures import actor_picture
from kinema.app.server.asked_process import AskedProcess, Row
from kinema.app.server.errors import Refused, responses
from kinema.app.server.schemas import (
    MOST_PICTURES,
    Clothes,
    FileId,
    Legs,
    Moment,
    PersonNumber,
    Strict,
)
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
    legs: Legs = "auto"
    mask: FileId | None = None
    marks: FileId | None = None
    picture_person: PersonNumber | None = None


Nothing = Literal[""]
Item = TypeVar("Item")
Several = Annotated[list[Item], Field(default_factory=list, max_length=MOST_PICTURES)]


class Asked(Strict):
    """A moment of a scene with people of pictures in it: fields that come several times are one for each of them."""

    picture: Annotated[list[FileId | Literal["actor"]], Field(min_length=1, max_length=MOST_PICTURES)] = (
        Field(
            description="Repeatable; actor is the stage's actor whom the scene has for the person. The first one's room "
            "is filmed."
        )
    )
    person: Several[PersonNumber] = Field(
        default_factory=list, description="Who of the scene moves each; the first ones where left out."
    )
    clothes: Several[Clothes]
    legs: Several[Legs]
    mask: Several[FileId | Nothing] = Field(
        default_factory=list, description="Empty for nothing, as the next two."
    )
    marks: Several[FileId | Nothing]
    picture_person: Several[PersonNumber | Nothing]
    time: Moment = 0.0
    side: Annotated[int, Field(ge=64, le=MAX_SIDE)] = Field(384, description="Pixels of the longer side.")

    @model_validator(mode="after")
    def _one_for_each(self) -> Asked:
        for name in ("person", *_SAID):
            said = getattr(self, name)
            if said and len(said) != len(self.picture):
                raise ValueError(f"{name}: {len(said)} for {len(self.picture)} pictures; give one for each")
        return self

    def said(self, number: int) -> Row:
        """What is said about a picture."""
        rows = {name: getattr(self, name) for name in _SAID}
        return {name: row[number] for name, row in rows.items() if row and row[number] != ""}


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
    people: int = Field(description="In the picture.")


class Preparing(BaseModel):
    """The picture is being made ready: ask again in a moment."""

    status: Literal["preparing"] = "preparing"


_SAID = ("clothes", "legs", "mask", "marks", "picture_person")
_LATER: dict[int | str, dict[str, Any]] = {202: {"model": Preparing}}


def puppet_routes(app: FastAPI, service: Service) -> None:
    """A frame of a scene's rough take, and what to expect of a picture."""

    def look(picture: str, said: Row) -> Row:
        files = {name: service.uploaded(said[name], name) for name in ("mask", "marks") if said.get(name)}
        return {"picture": service.uploaded(picture, "picture"), **said, **files}

    def looks(asked: Asked, people: list[int], actors: list[int]) -> list[Row]:
        rows = []
        for number, picture in enumerate(asked.picture):
            if picture != "actor":
                rows.append(look(picture, asked.said(number)))
                continue
            made = actor_picture(service.config.root, actors[people[number]])
            rows.append({"picture": str(made.picture), "marks": str(made.marks)})
        return rows

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
        actors = [int(each.get("actor", 0)) for each in job.request["people"]]
        people = asked.person or list(range(len(asked.picture)))
        if max(people) >= len(actors):
            text = f"person: the scene has {len(actors)} people, from 0; there is no {max(people)}"
            raise Refused(422, "no_such_person", text, "person")
        question = {
            "do": "frame",
            "looks": await to_thread.run_sync(looks, asked, people, actors),
            "scene": str(scene),
            "people": people,
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
        row = {name: value for name, value in said.model_dump().items() if value is not None}
        question = {"do": "check", "looks": [look(number, row)]}
        answer = await service.puppets.ask(number, question)
        return _later() if answer is None or "preparing" in answer else answer


def _later() -> JSONResponse:
    return JSONResponse(Preparing().model_dump(), 202, {"retry-after": "1"})
