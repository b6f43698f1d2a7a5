"""What the routes share: the table, the files, the workers, and the checks before something is queued."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile as FormFile

from kinema.app.request import ROUGH
from kinema.app.server import catalogue
from kinema.app.server.config import ServerConfig
from kinema.app.server.errors import Refused
from kinema.app.server.library import Library
from kinema.app.server.monitoring import Figures
from kinema.app.server.puppets import Puppets
from kinema.app.server.schemas import JobAnswer, MotionRequest, SceneRequest, VideoRequest, job_answer
from kinema.app.server.shelf import Shelf
from kinema.app.server.stills import Stills
from kinema.app.server.store import Job, JobStore, Kind, StoredFile
from kinema.app.server.supervisor import Supervisor
from kinema.scene.camera_parser import parse_camera

_LOOK = 0.15  # seconds between looks at a job that somebody follows
_BREATH = 15.0  # seconds after which a silent stream of events says that it is alive


class Service:
    """What the routes share.

    Args:
        config: of the server.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.shelf = Shelf(config.root)
        self.store = JobStore(self.shelf.database)
        self.figures = Figures(self.store)
        self.stills = Stills()
        self.puppets = Puppets(config.idle)
        self.library = Library(config.library, config.idle)
        self.supervisor = Supervisor(
            config, self.store, lambda device: self.figures.restarts.labels(device).inc()
        )

    def warm(self) -> None:
        """Loads what first requests would wait for, beside the requests: what can be chosen, then the stage."""
        catalogue.choices(self.config.backbone)
        self.stills.actor(0)

    def job(self, kind: Kind, number: str) -> Job:
        """A job by its id.

        Raises:
            Refused: there is none of that kind.
        """
        job = self.store.get(number) if number.startswith(f"{kind}_") else None
        if job is None:
            raise Refused(404, "not_found", f"there is no {kind} {number[:80]!r}")
        return job

    def answer(self, job: Job) -> JobAnswer:
        return job_answer(job, self.store.ahead_of(job) if job.state == "queued" else None)

    def enqueue(self, kind: Kind, request: BaseModel) -> JobAnswer:
        """A new job.

        Raises:
            Refused: what it names is not here, or there is no room.
        """
        self.check(request)
        if self.store.bytes_used() > self.config.quota:
            raise Refused(507, "quota_exceeded", "the server's disk quota is used up; delete something first")
        job = self.store.create(kind, request.model_dump(mode="json"), self.config.queue)
        if job is None:
            text = f"{self.config.queue} jobs are waiting already; try again later"
            raise Refused(429, "queue_full", text, headers={"retry-after": "30"})
        return self.answer(job)

    def check(self, request: BaseModel) -> None:
        """What only the server knows: that named models, files and jobs exist, and that the camera's words are words.

        Raises:
            Refused: they are not, or do not.
        """
        if isinstance(request, VideoRequest):
            catalogue.check_model(request.model)
            if (request.model or self.config.backbone) == ROUGH and not request.input_reference:
                raise Refused(
                    422, "no_picture", f"model: {ROUGH} moves the person of a picture", "input_reference"
                )
            for name in request.control or ():
                catalogue.check_control(name)
            if request.camera is not None:
                _camera_words(request.camera, "camera")
            for field in ("input_reference", "mask", "marks", "motion", "scene"):
                self._exists(getattr(request, field), field)
        elif isinstance(request, MotionRequest):
            self._moves(request, "")
        elif isinstance(request, SceneRequest):
            if not request.camera.keys:
                _camera_words(request.camera.text, "camera.text")
            for number, person in enumerate(request.people):
                if isinstance(person.motion, str):
                    self._exists(person.motion, f"people.{number}.motion")
                else:
                    self._moves(person.motion, f"people.{number}.motion.")

    def _moves(self, motion: MotionRequest, where: str) -> None:
        self._exists(motion.file, f"{where}file")
        if motion.clip is not None and not self.library.has(motion.clip):
            text = f"{where}clip: the motion library has no {motion.clip[:80]!r}"
            raise Refused(422, "no_such_clip", text, f"{where}clip")

    def uploaded(self, number: str, field: str) -> str:
        """Where an uploaded file lies.

        Raises:
            Refused: there is none of that id.
        """
        self._exists(number, field)
        stored = self.store.file(number)
        assert stored is not None
        return str(self.shelf.upload(stored))

    def _exists(self, number: str | None, field: str) -> None:
        if number is None:
            return
        if number.startswith("file_"):
            if self.store.file(number) is None:
                raise Refused(
                    422, "no_such_file", f"{field}: there is no file {number}; upload it first", field
                )
            return
        job = self.store.get(number)
        if job is None or job.result is None:
            raise Refused(422, "not_finished", f"{field}: {number} is not there, or not finished", field)

    def keep(self, upload: FormFile) -> StoredFile:
        """Keeps an uploaded file, once it has been read.

        Raises:
            Refused: it cannot be read, or there is no room.
        """
        if self.store.bytes_used() + (upload.size or 0) > self.config.quota:
            raise Refused(507, "quota_exceeded", "the server's disk quota is used up; delete something first")
        try:
            stored = self.shelf.put(upload.file, upload.filename or "")
        except ValueError as error:
            raise Refused(415, "unsupported_file", str(error), "file") from None
        if self.store.file(stored.id) is None:
            try:
                self.shelf.check(stored, self.config.max_pixels, self.config.max_seconds)
            except ValueError as error:
                self.shelf.upload(stored).unlink(missing_ok=True)
                raise Refused(422, "unreadable_file", str(error)[:500], "file") from None
            self.store.add_file(stored)
        return stored

    async def follow(self, kind: Kind, number: str, request: Request) -> AsyncIterator[str]:
        """A job's state as server-sent events, whenever it changes, until it has ended."""
        shown: tuple[Any, ...] = ()
        spoke = time.monotonic()
        while not await request.is_disconnected():
            job = self.store.get(number)
            if job is None:
                yield f'event: deleted\ndata: {{"id": "{number}"}}\n\n'
                return
            answer = self.answer(job)
            now = (job.state, job.progress, job.stage, job.revision, answer.queue_position)
            if now != shown:
                shown, spoke = now, time.monotonic()
                yield f"event: {job.state}\ndata: {answer.model_dump_json()}\n\n"
            elif time.monotonic() - spoke > _BREATH:
                spoke = time.monotonic()
                yield ": still here\n\n"
            if job.state in ("completed", "failed"):
                return
            await asyncio.sleep(_LOOK)


def _camera_words(text: str, field: str) -> None:
    try:
        parse_camera(text)
    except ValueError as error:
        raise Refused(422, "invalid_camera", str(error)[:500], field) from None
