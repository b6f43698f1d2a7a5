"""The motions of a made scene as files for other programs, nothing filmed: everybody's, at the scene's rate."""

from __future__ import annotations

import io
import re
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import FastAPI, Query, Response

from kinema.app.server.errors import Refused, responses

if TYPE_CHECKING:
    from kinema.app.server.service import Service

_ONE_AT_A_TIME = threading.Lock()
_LONGEST_NAME = 60  # characters (ours)


def export_routes(app: FastAPI, service: Service) -> None:
    """The files of a scene's motions."""

    @app.get("/v1/scenes/{number}/motions", tags=["scenes"], name="The motions of a scene as files",
             response_class=Response,
             responses=responses(404, 409, 422) | {200: {"content": {"application/octet-stream": {}}}})  # fmt: skip
    def export(
        number: str,
        format: Annotated[Literal["bvh", "glb", "npz"], Query(description="Of each file.")] = "bvh",
        person: Annotated[
            int | None, Query(ge=0, le=999, description="Of one alone; a zip of all where left out.")
        ] = None,
    ) -> Response:
        job = service.job("scene", number)
        path = service.shelf.result(job, "scene.npz")
        if path is None:
            raise Refused(409, "not_finished", f"{job.id} has not been made yet")
        names = [str(each.get("name", "")) for each in job.request.get("people", ())]
        with _ONE_AT_A_TIME:
            files = motion_files(path, names, format, person)
        if person is not None:
            if not files:
                raise Refused(422, "no_such_person", f"person: {job.id} has no person {person}", "person")
            return Response(next(iter(files.values())), media_type="application/octet-stream")
        return Response(_zip(files), media_type="application/zip")


def motion_files(path: Path, names: list[str], format: str, person: int | None = None) -> dict[str, bytes]:
    """The motions of a scene file by the names of their files: "1-Mila.bvh".

    Args:
        path: the scene.
        names: of its people, as far as they have any.
        format: a suffix that motions are written with.
        person: the only one wanted; everybody where None.
    """
    from kinema.scene import Scene
    from kinema.scene.formats import write_motion

    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="kinema-") as folder:
        for number, motion in enumerate(Scene.load(path).people):
            if person is not None and number != person:
                continue
            written = Path(folder) / f"motion.{format}"
            write_motion(written, motion)
            name = plain_name(names[number] if number < len(names) else "")
            files[f"{number + 1}{f'-{name}' if name else ''}.{format}"] = written.read_bytes()
    return files


def plain_name(name: str) -> str:
    """A name that any file system takes: letters and digits, joined by hyphens."""
    return re.sub(r"[\W_]+", "-", name).strip("-")[:_LONGEST_NAME]


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()
