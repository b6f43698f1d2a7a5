"""What the routes share: the table, the files, the workers, and the checks before something is queued."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile as FormFile

from kinema.app.inputs import parse_size
from kinema.app.server import catalogue, checking
from kinema.app.server.camera_words import understand
from kinema.app.server.casting_checks import check_model, check_people
from kinema.app.server.config import ServerConfig
from kinema.app.server.disk import FULL, free_bytes, trouble
from kinema.app.server.errors import Refused
from kinema.app.server.following import Following
from kinema.app.server.library import Library
from kinema.app.server.loops import Loop
from kinema.app.server.monitoring import Figures
from kinema.app.server.puppets import Puppets
from kinema.app.server.schemas import (
    JobAnswer,
    MotionRequest,
    PassesRequest,
    SceneRequest,
    VideoRequest,
    job_answer,
)
from kinema.app.server.shelf import Received, Shelf, folder_of
from kinema.app.server.sizes import check_size
from kinema.app.server.stills import Stills
from kinema.app.server.store import Job, JobStore, Kind, StoredFile
from kinema.app.server.supervisor import Supervisor

logger = logging.getLogger("kinema.service")
_LOOK = 0.15  # seconds between looks at a job that somebody follows
_PATIENCE = 5.0  # seconds that a request waits for the database
_MEASURED = 10.0  # seconds for which the size of what is in no table holds
_SWEEPS = 600.0  # seconds between sweeps
_BREATH = 15.0  # seconds after which a silent stream of events says that it is alive


class Service:
    """What the routes share.

    Args:
        config: of the server.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.shelf = Shelf(config.root)
        self.store = JobStore(self.shelf.database, _PATIENCE)
        self.figures = Figures(self.store)
        self.stills = Stills()
        self.puppets = Puppets(config.idle)
        self.library = Library(config.library, config.idle)
        self.supervisor = Supervisor(
            config, self.store, lambda lane, device: self.figures.restarts.labels(lane, device).inc()
        )
        self.following = Following(self.store, config.streams)
        self._beside = (float("-inf"), 0)
        self._janitor = Loop("janitor", self.sweep, _SWEEPS, self.store.close)

    def start(self) -> None:
        """Starts what goes on beside the requests."""
        self.supervisor.start()
        self._janitor.start()

    def stop(self) -> None:
        """Ends it."""
        self._janitor.stop()
        self.supervisor.stop()
        self.library.stop()
        self.puppets.stop()

    def sweep(self) -> None:
        """Removes what nothing names any more."""
        claims = {folder_of(*claim) for claim in self.store.claims()}
        for folder, count in self.shelf.sweep(self.store.folders(), self.store.files(), claims).items():
            if count:
                self.figures.orphans.labels(folder).inc(count)
                logger.info("orphans removed", extra={"folder": folder, "count": count})

    def readiness(self) -> dict[str, Any]:
        """What a server that can work says.

        Raises:
            Refused: it cannot; the message says why.
        """
        silent = [worker for worker, answers in self.supervisor.answering.items() if not answers]
        free = free_bytes(self.config.root)
        try:
            waiting, oldest = self.store.waiting(), self.store.oldest_waiting()
            self.store.touch()
        except sqlite3.Error as error:
            known = trouble(error)
            if known is None:
                raise
            raise Refused(503, known.code, known.message, headers={"retry-after": "5"}) from None
        if free < self.config.least_free:
            raise Refused(503, FULL.code, FULL.message, headers={"retry-after": "30"})
        if silent:
            text = f"no answer yet from the worker for {', '.join(silent)}"
            raise Refused(503, "no_worker", text, headers={"retry-after": "5"})
        return {
            "status": "ok",
            "waiting": waiting,
            "oldest_seconds": round(oldest, 1),
            "free_bytes": free,
            "workers": list(self.supervisor.answering),
        }

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
        self._room(0)
        job = self.store.create(kind, request.model_dump(mode="json"), self.config.queue)
        if job is None:
            raise self._queue_full()
        return self.answer(job)

    def edit(self, job: Job, request: SceneRequest, revision: int | None) -> JobAnswer:
        """A scene asked for anew; where it was not waiting already it needs a place in the queue.

        Raises:
            Refused: as `enqueue`, or somebody else has edited it.
        """
        self.check(request)
        self._room(0)
        if job.state != "queued" and self.store.waiting() >= self.config.queue:
            raise self._queue_full()
        edited = self.store.revise(job.id, request.model_dump(mode="json"), revision)
        if edited is None:
            text = f"{job.id} is at revision {job.revision}, not {revision}: load it again"
            raise Refused(409, "edited_elsewhere", text)
        return self.answer(edited)

    def _queue_full(self) -> Refused:
        text = f"{self.config.queue} jobs are waiting already; try again later"
        return Refused(429, "queue_full", text, headers={"retry-after": "30"})

    def _room(self, more: int) -> None:
        """Whether so many bytes more may lie here.

        Raises:
            Refused: they may not.
        """
        now = time.monotonic()
        if now - self._beside[0] > _MEASURED:
            self._beside = (now, self.shelf.bytes_beside())
        if self.store.bytes_used() + self._beside[1] + more > self.config.quota:
            raise Refused(507, "quota_exceeded", "the server's disk quota is used up; delete something first")
        if free_bytes(self.config.root) - more < self.config.least_free:
            raise Refused(FULL.status, FULL.code, FULL.message)

    def check(self, request: BaseModel) -> None:
        """What only the server knows: that named models, files and jobs exist, and that the camera's words are words.

        Raises:
            Refused: they are not, or do not.
        """
        if isinstance(request, VideoRequest):
            self._films(request)
        elif isinstance(request, PassesRequest):
            self._passes(request)
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

    def _passes(self, request: PassesRequest) -> None:
        """Whether a model can be given such passes, said before they are drawn."""
        from kinema.passes.profile import PassOptions, check_picture, profile_of

        try:
            profile = profile_of(request.model)
        except ValueError as error:
            raise Refused(422, "no_such_model", f"model: {error}", "model") from None
        parts = None if request.parts is None else tuple(request.parts)
        try:
            profile.check_extra(PassOptions(parts, request.replace, request.options))
        except ValueError as error:
            raise Refused(422, "invalid_request", f"options: {error}", "options") from None
        if request.input_reference is None:
            try:
                check_picture(profile, None, PassOptions(parts, request.replace, request.options))
            except ValueError as error:
                raise Refused(422, "no_picture", f"input_reference: {error}", "input_reference") from None
        if request.size is not None:
            try:
                profile.form.check(parse_size(request.size, "size"), profile.name)
            except ValueError as error:
                raise Refused(422, "invalid_request", f"size: {error}", "size") from None
        if request.camera is not None:
            _camera_words(request.camera, "camera")
        self._exists(request.input_reference, "input_reference", "picture")
        self._exists(request.motion, "motion", "motion", "video")
        self._exists(request.scene, "scene")

    def _films(self, request: VideoRequest) -> None:
        check_model(request, self.config.backbone)
        for name in request.control or ():
            catalogue.check_control(name)
        if request.camera is not None:
            _camera_words(request.camera, "camera")
        for field, kind in (("input_reference", "picture"), ("mask", "picture"), ("marks", "motion")):
            given = getattr(request, field)
            for each in given if isinstance(given, list) else [given]:
                self._exists(each, field, kind)
        self._exists(request.motion, "motion", "motion", "video")
        self._exists(request.scene, "scene")
        if request.scene is not None:
            check_people(request, len(self.store.get(request.scene).request["people"]))  # type: ignore[union-attr]
        check_size(request, self.config.backbone)

    def _moves(self, motion: MotionRequest, where: str) -> None:
        self._exists(motion.file, f"{where}file", "motion", "video")
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

    def _exists(self, number: str | None, field: str, *kinds: str) -> None:
        """Whether a file or a job is there, and a file of one of these kinds, if any are named."""
        if number is None:
            return
        if number.startswith("file_"):
            stored = self.store.file(number)
            if stored is None:
                raise Refused(
                    422, "no_such_file", f"{field}: there is no file {number}; upload it first", field
                )
            if kinds and stored.kind not in kinds:
                text = f"{field}: {stored.name!r} is a {stored.kind}; a {' or a '.join(kinds)} goes here"
                raise Refused(422, "wrong_kind", text, field)
            return
        job = self.store.get(number)
        if job is None or job.result is None:
            raise Refused(422, "not_finished", f"{field}: {number} is not there, or not finished", field)

    def keep(self, upload: FormFile) -> StoredFile:
        """Keeps an uploaded file; see `keep_files`."""
        return self.keep_files([upload])[0]

    def keep_all(self, asked: BaseModel, uploads: dict[str, list[FormFile | None]]) -> dict[str, Any]:
        """The fields of a request that files came for, with the files' ids.

        Args:
            asked: the request; ids stand in the fields for the files.
            uploads: by field; None in the place of what was no file.

        Raises:
            Refused: as `keep_files`.
        """
        files = [each for parts in uploads.values() for each in parts if each is not None]
        ids = iter([stored.id for stored in self.keep_files(files)])
        fields: dict[str, Any] = {}
        for name, parts in uploads.items():
            given = getattr(asked, name)
            if isinstance(given, list):
                places = [*parts, *[None] * (len(given) - len(parts))]
                fields[name] = [
                    old if part is None else next(ids) for old, part in zip(given, places, strict=True)
                ]
            else:
                fields[name] = next(ids)
        return fields

    def keep_files(self, uploads: Sequence[FormFile]) -> list[StoredFile]:
        """Keeps uploaded files once all of them have been read; equal content is kept once, under its first name.

        Raises:
            Refused: one cannot be read, is here as another kind of file, or there is no room for all.
        """
        self._room(sum(upload.size or 0 for upload in uploads))
        received: list[Received] = []
        try:
            for upload in uploads:
                received.append(self._receive(upload))
                self._check_file(received[-1])
            return [self._accept(each) for each in received]
        finally:
            for each in received:
                self.shelf.discard(each)

    def _receive(self, upload: FormFile) -> Received:
        try:
            return self.shelf.receive(upload.file, upload.filename or "")
        except ValueError as error:
            raise Refused(415, "unsupported_file", str(error)[:500], "file") from None

    def _there(self, received: Received) -> StoredFile | None:
        """The file of the same content that is here already."""
        there = self.store.file(received.file.id)
        return there if there is not None and self.shelf.upload(there).is_file() else None

    def _check_file(self, received: Received) -> None:
        there = self._there(received)
        if there is not None and there.kind != received.file.kind:
            text = f"{received.file.name!r} is here already as the {there.kind} {there.name!r}"
            raise Refused(422, "wrong_kind", text, "file")
        if there is not None:
            return
        try:
            checking.check(
                *(received.path, received.file.kind, received.file.name),
                *(self.config.max_pixels, self.config.max_seconds),
            )
        except checking.TooMany:
            text = "many uploads are being read; try again in a moment"
            raise Refused(503, "busy", text, headers={"retry-after": "5"}) from None
        except ValueError as error:
            raise Refused(422, "unreadable_file", str(error)[:500], "file") from None

    def _accept(self, received: Received) -> StoredFile:
        there = self._there(received)
        if there is not None:
            return there
        self.shelf.accept(received)
        self.store.add_file(received.file)
        return received.file

    async def follow(self, kind: Kind, number: str, request: Request) -> AsyncIterator[str]:
        """A job's state as server-sent events, whenever it changes, until it has ended."""
        shown: tuple[Any, ...] = ()
        spoke = time.monotonic()
        with self.following.one_more():
            while not await request.is_disconnected():
                job, ahead = await self.following.look(number)
                if job is not None and job.state in ("completed", "failed"):  # so it was before an edit, too
                    job, ahead = await self.following.look(number, afresh=True)
                if job is None:
                    yield f'event: deleted\ndata: {{"id": "{number}"}}\n\n'
                    return
                now = (job.state, job.progress, job.stage, job.revision, ahead)
                if now != shown:
                    shown, spoke = now, time.monotonic()
                    yield f"event: {job.state}\ndata: {job_answer(job, ahead).model_dump_json()}\n\n"
                elif time.monotonic() - spoke > _BREATH:
                    spoke = time.monotonic()
                    yield ": still here\n\n"
                if job.state in ("completed", "failed"):
                    return
                await asyncio.sleep(_LOOK)


def _camera_words(text: str, field: str) -> None:
    try:
        understand(text)
    except ValueError as error:
        raise Refused(422, "invalid_camera", str(error)[:500], field) from None
