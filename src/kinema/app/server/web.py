"""The HTTP side: routes, the OpenAPI page, and the pages of the studio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from kinema import __version__
from kinema.app.server import catalogue, errors
from kinema.app.server.bodies import read_body
from kinema.app.server.camera_words import camera_routes
from kinema.app.server.config import ServerConfig
from kinema.app.server.errors import Refused, responses
from kinema.app.server.exporting import export_routes
from kinema.app.server.guard import Guard
from kinema.app.server.monitoring import Figures
from kinema.app.server.puppets import puppet_routes
from kinema.app.server.schemas import (
    Deleted,
    FileAnswer,
    JobAnswer,
    JobPage,
    LibraryPage,
    MotionRequest,
    PassesRequest,
    SceneRequest,
    VideoRequest,
)
from kinema.app.server.service import Service
from kinema.app.server.stills import MAX_SIDE
from kinema.app.server.store import Kind, StoredFile

_MEDIA = {
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".npz": "application/octet-stream",
    ".bvh": "text/plain; charset=utf-8",
    ".glb": "model/gltf-binary",
    ".json": "application/json",
    ".zip": "application/zip",
}
_MAIN = {"video": "video.mp4", "motion": "motion.npz", "scene": "scene.npz", "pass": "passes.zip"}
_FILE = "file_000000000000000000000000"  # stands for a part of the form until it is kept

JobId = Annotated[str, "of a job"]
Limit = Annotated[int, Query(ge=1, le=100)]


def create_app(config: ServerConfig) -> FastAPI:
    """The application: starts its workers when it starts, ends them when it ends."""
    service = Service(config)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        threading.Thread(target=service.warm, name="warming", daemon=True).start()
        yield
        await to_thread.run_sync(service.stop)

    app = FastAPI(
        title="Kinema",
        version=__version__,
        summary="Videos of people who move as you say, seen by a camera that moves as you say.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    errors.install(app)
    app.middleware("http")(_measure(service.figures))
    app.add_middleware(Guard, config=config)
    _file_routes(app, service)
    _job_routes(app, service, "video", VideoRequest, {"input_reference": _FILE, "motion": _FILE})
    _job_routes(app, service, "motion", MotionRequest, {"file": _FILE})
    _job_routes(app, service, "scene", SceneRequest, {})
    _job_routes(app, service, "pass", PassesRequest, {"input_reference": _FILE, "motion": _FILE})
    _scene_routes(app, service)
    puppet_routes(app, service)
    camera_routes(app)
    export_routes(app, service)
    _service_routes(app, service)
    pages = Path(str(files("kinema.app") / "studio" / "pages"))
    if pages.is_dir():
        app.mount("/", StaticFiles(directory=pages, html=True), name="studio")
    return app


def _job_routes(
    app: FastAPI, service: Service, kind: Kind, model: type[BaseModel], file_fields: dict[str, str]
) -> None:
    """Create, look, list, follow, fetch and delete: the same for every kind."""
    several = "passes" if kind == "pass" else f"{kind}s"
    base = f"/v1/{several}"
    tag: list[str | Enum] = [several]

    @app.post(base, status_code=200, response_model=JobAnswer, tags=tag, name=f"Make a {kind}",
              responses=responses(400, 413, 415, 422, 429, 503, 507),
              openapi_extra={"requestBody": {"required": True, "content": _contents(model, file_fields)}})  # fmt: skip
    async def create(request: Request) -> JobAnswer:
        asked, uploads = await read_body(request, model, file_fields)
        kept = await to_thread.run_sync(service.keep_all, asked, uploads)
        return await to_thread.run_sync(service.enqueue, kind, asked.model_copy(update=kept))

    @app.get(base, response_model=JobPage, tags=tag, name=f"List {several}", responses=responses(404, 422))
    async def listing(
        limit: Limit = 20, after: str | None = None, order: Literal["asc", "desc"] = "desc"
    ) -> JobPage:
        try:
            jobs, more = service.store.page(kind, limit, after, order == "desc")
        except KeyError:
            raise Refused(404, "not_found", "there is nothing with the id of `after`", "after") from None
        data = [service.answer(job) for job in jobs]
        return JobPage(
            data=data,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
            has_more=more,
        )

    @app.get(
        base + "/{number}",
        response_model=JobAnswer,
        tags=tag,
        name=f"Look at a {kind}",
        responses=responses(404),
    )
    async def look(number: JobId) -> JobAnswer:
        return service.answer(service.job(kind, number))

    @app.delete(base + "/{number}", response_model=Deleted, tags=tag, name=f"Delete a {kind}, or cancel it",
                responses=responses(404))  # fmt: skip
    def delete(number: JobId) -> Deleted:
        job = service.job(kind, number)
        gone = service.store.delete(job.id)
        if gone is not None:
            service.shelf.forget(gone)
        return Deleted(id=job.id, object=f"{kind}.deleted", deleted=True)

    @app.get(base + "/{number}/content", tags=tag, name=f"Fetch a {kind}, or another of its files",
             response_class=FileResponse,
             responses=responses(404, 409, 422) | {200: {"content": {"application/octet-stream": {}}}})  # fmt: skip
    def fetch(number: JobId, variant: str | None = None) -> FileResponse:
        job = service.job(kind, number)
        name = variant or _MAIN[kind]
        if name == "preview.png" and job.state == "in_progress":
            shown = service.shelf.preview(job)
            if shown.is_file():
                return FileResponse(shown, media_type="image/png")
            raise Refused(404, "not_found", "there is no preview yet", "variant")
        if job.result is None:
            waits = job.state.replace("_", " ")
            raise Refused(409, "not_finished", f"{job.id} is {waits}: it has no content yet")
        path = service.shelf.result(job, name)
        if path is None:
            known = ", ".join(job.result["files"])
            raise Refused(404, "not_found", f"{job.id} has no file {name[:80]!r}; it has {known}", "variant")
        return FileResponse(
            path,
            media_type=_MEDIA.get(path.suffix, "application/octet-stream"),
            filename=f"{job.id}{path.suffix}",
            content_disposition_type="inline",
        )

    @app.get(base + "/{number}/events", tags=tag, name=f"Follow a {kind}",
             response_class=StreamingResponse,
             responses=responses(404, 503) | {200: {"content": {"text/event-stream": {}}}})  # fmt: skip
    async def events(number: JobId, request: Request) -> StreamingResponse:
        job = service.job(kind, number)
        service.following.check()
        return StreamingResponse(
            service.follow(kind, job.id, request),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


def _scene_routes(app: FastAPI, service: Service) -> None:
    @app.put("/v1/scenes/{number}", response_model=JobAnswer, tags=["scenes"], name="Edit a scene",
             responses=responses(400, 404, 409, 413, 415, 422, 429, 503, 507),
             openapi_extra={"requestBody": {"required": True, "content": _contents(SceneRequest, {})}})  # fmt: skip
    async def edit(
        number: JobId, request: Request, revision: Annotated[int | None, Query(ge=1)] = None
    ) -> JobAnswer:
        asked, _ = await read_body(request, SceneRequest, {})
        job = service.job("scene", number)
        return await to_thread.run_sync(service.edit, job, asked, revision)

    @app.get("/v1/scenes/{number}/still", tags=["scenes"], name="A moment of a scene through its camera",
             response_class=Response,
             responses=responses(404, 409, 422) | {200: {"content": {"image/png": {}}}})  # fmt: skip
    def still(
        number: JobId,
        time: Annotated[float, Query(ge=0, le=600)] = 0.0,
        width: Annotated[int, Query(ge=16, le=MAX_SIDE)] = 288,
        height: Annotated[int, Query(ge=16, le=MAX_SIDE)] = 384,
        person: Annotated[int | None, Query(ge=0, le=100, description="Alone; all where left out.")] = None,
    ) -> Response:
        job = service.job("scene", number)
        path = service.shelf.result(job, "scene.npz")
        if path is None:
            raise Refused(409, "not_finished", f"{job.id} has not been made yet")
        actors = [each["actor"] for each in job.request.get("people", ())]
        if person is not None and person >= len(actors):
            raise Refused(422, "invalid_request", f"the scene has {len(actors)} people, from 0", "person")
        picture = service.stills.png(path, actors, time, (width, height), person)
        return Response(picture, media_type="image/png")


def _file_routes(app: FastAPI, service: Service) -> None:
    @app.post("/v1/files", response_model=FileAnswer, tags=["files"], name="Upload a picture, a motion file or a video",
              responses=responses(400, 413, 415, 422, 429, 503, 507))  # fmt: skip
    def upload(file: UploadFile) -> FileAnswer:
        return _file_answer(service.keep(file))

    @app.get("/v1/files/{number}", response_model=FileAnswer, tags=["files"], name="Look at a file",
             responses=responses(404))  # fmt: skip
    def look(number: str) -> FileAnswer:
        return _file_answer(_stored(service, number))

    @app.get("/v1/files/{number}/content", tags=["files"], name="Fetch a file", response_class=FileResponse,
             responses=responses(404) | {200: {"content": {"application/octet-stream": {}}}})  # fmt: skip
    def fetch(number: str) -> FileResponse:
        stored = _stored(service, number)
        path = service.shelf.upload(stored)
        # Whatever was uploaded goes back as data, never as a page of this origin.
        kind = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}.get(
            path.suffix
        )
        return FileResponse(path, media_type=kind or "application/octet-stream")

    @app.delete("/v1/files/{number}", response_model=Deleted, tags=["files"], name="Delete a file",
                responses=responses(404))  # fmt: skip
    def delete(number: str) -> Deleted:
        stored = _stored(service, number)
        service.store.remove_file(stored.id)
        service.shelf.upload(stored).unlink(missing_ok=True)
        return Deleted(id=stored.id, object="file.deleted", deleted=True)


def _service_routes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["service"], name="Does the server run?")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    asking = CapacityLimiter(2)  # threads of its own: it answers where all others wait

    @app.get("/readyz", tags=["service"], name="Can it work?", responses={503: {"model": errors.ErrorAnswer}})
    async def ready() -> dict[str, Any]:
        return await to_thread.run_sync(service.readiness, limiter=asking)

    @app.get("/metrics", tags=["service"], name="Figures for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/catalogue", tags=["service"], name="What can be chosen: models, controls, styles, joints")
    def choices() -> dict[str, Any]:
        return catalogue.choices(service.config.backbone)

    @app.get("/v1/profiles", tags=["service"], name="Published models that passes are made for")
    def profiles() -> dict[str, Any]:
        from kinema.passes.profile import PROFILES

        return {"profiles": [each.facts() for each in PROFILES.values()]}

    searching = asyncio.Lock()  # one thread at most waits for the librarian

    @app.get("/v1/library", response_model=LibraryPage, tags=["service"],
             name="Motions of the library, by text", responses=responses(404, 422, 503))  # fmt: skip
    async def clips(
        q: Annotated[str, Query(max_length=400)] = "",
        limit: Limit = 20,
        after: Annotated[str, Query(max_length=300)] | None = None,
    ) -> dict[str, Any]:
        async with searching:
            return await to_thread.run_sync(service.library.search, q, limit, after)

    @app.get("/v1/actors/{seed}", tags=["service"], name="A picture of an actor of the stage", response_class=Response,
             responses=responses(422) | {200: {"content": {"image/png": {}}}})  # fmt: skip
    def actor(seed: Annotated[int, "its number"]) -> Response:
        if not 0 <= seed < 2**31:
            raise Refused(422, "invalid_request", "actors are numbered from 0 to 2147483647", "seed")
        return Response(
            service.stills.actor(seed), media_type="image/png", headers={"cache-control": "max-age=86400"}
        )


def _measure(
    figures: Figures,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def measure(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        began = time.perf_counter()
        response = await go_on(request)
        route = getattr(request.scope.get("route"), "path", "other")
        figures.measure(route, request.method, response.status_code, time.perf_counter() - began)
        return response

    return measure


def _contents(model: type[BaseModel], file_fields: dict[str, str]) -> dict[str, Any]:
    """The request body for the OpenAPI page: JSON, and a form where files may come along."""
    schema = model.model_json_schema()
    contents: dict[str, Any] = {"application/json": {"schema": _inlined(schema)}}
    if file_fields:
        form = _inlined(schema)
        for name in file_fields:
            part = {"type": "string", "format": "binary"}
            several = any(kind.get("type") == "array" for kind in form["properties"][name].get("anyOf", ()))
            said = {"description": form["properties"][name].get("description", "")}
            form["properties"][name] = ({"type": "array", "items": part} if several else part) | said
        contents["multipart/form-data"] = {"schema": form}
    return contents


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema whose `$defs` are written out where they are used."""
    definitions = schema.get("$defs", {})

    def write_out(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                rest = {key: value for key, value in part.items() if key != "$ref"}
                return write_out(definitions[part["$ref"].rsplit("/", 1)[-1]]) | rest
            return {key: write_out(value) for key, value in part.items() if key != "$defs"}
        return [write_out(each) for each in part] if isinstance(part, list) else part

    return write_out(schema)


def _stored(service: Service, number: str) -> StoredFile:
    stored = service.store.file(number)
    if stored is None:
        raise Refused(404, "not_found", f"there is no file {number[:80]!r}")
    return stored


def _file_answer(stored: StoredFile) -> FileAnswer:
    return FileAnswer(
        id=stored.id,
        kind=stored.kind,  # type: ignore[arg-type]  # one of the shelf's kinds
        filename=stored.name,
        bytes=stored.bytes,
        created_at=int(stored.created),
    )
