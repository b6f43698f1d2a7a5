"""What a worker does with a job: from a checked request to a folder of files."""

from __future__ import annotations

import base64
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.capturing import person_of
from kinema.app.inputs import parse_size
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Notes, Progress
from kinema.app.server import schemas
from kinema.app.server.asking import asked_video
from kinema.app.server.camera_words import understand
from kinema.app.server.catalogue import STAGE
from kinema.app.server.config import ServerConfig
from kinema.app.server.directing import make_motion, make_scene, put
from kinema.app.server.library import open_library
from kinema.app.server.schemas import MotionRequest, SceneRequest
from kinema.app.server.shelf import Shelf
from kinema.app.server.stage_film import still
from kinema.app.server.store import Job, JobStore
from kinema.media.decoding import is_video
from kinema.motion.learned import unlearned
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.formats import write_motion

if TYPE_CHECKING:
    from kinema.app.preparing import Prepared
    from kinema.app.request import FromFile, FromVideo, VideoRequest
    from kinema.data.motion_library import MotionLibrary

_PREVIEW = 192  # pixels of a side, up to which the early picture has twice the video's size (ours)

Report = Callable[[float, str], None]
"""Says how far a job is, 0 to 1, and what is being done; raises Superseded where the job is somebody else's."""


_SHARES = {
    "watching": (0.02, 0.2),
    "lifting": (0.2, 0.25),
    "making the motion": (0.05, 0.3),
    "loading the model": (0.3, 0.3),
    "cutting the person out": (0.25, 0.3),
    "sampling": (0.35, 0.95),
    "filming": (0.35, 0.95),
}
"""Of a whole job, from where to where each stage of a video goes (ours)."""


class Superseded(Exception):
    """The job was deleted, edited, or taken over: what is being made is no longer wanted."""


class _Shares(Progress):
    """The stages of one video as shares of a job."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.reached = 0.0

    def stage(self, name: str) -> None:
        self.step(name, 0, 1)

    def step(self, name: str, done: int, total: int) -> None:
        begin, end = _SHARES.get(name, (self.reached, self.reached))
        share = begin + (end - begin) * (done / total if total else 0.0)
        self.reached = max(self.reached, share)
        self.report(self.reached, name)


class Engine:
    """Makes videos, motions and scenes; keeps models between jobs.

    Args:
        config: of the server.
        store: looks up motions and scenes that a request names.
        shelf: holds their files, and what was uploaded.
        device: where models work.
    """

    def __init__(self, config: ServerConfig, store: JobStore, shelf: Shelf, device: str) -> None:
        self.config, self.store, self.shelf, self.device = config, store, shelf, device
        self.used = time.monotonic()
        self._models = ModelCache()
        self._library: MotionLibrary | None = None

    def make(self, job: Job, folder: Path, report: Report) -> dict[str, Any]:
        """Makes a job's files in a folder.

        Returns:
            The result without its folder: `files` (name to bytes) and `details`.

        Raises:
            ValueError, OSError: what was asked for cannot be made; the message is for people.
            Superseded: see Report.
        """
        self.used = time.monotonic()
        make = {"video": self._video, "motion": self._motion, "scene": self._scene, "pass": self._passes}[
            job.kind
        ]
        details = make(job.request, folder, report)
        self.used = time.monotonic()
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        return {"files": files, "details": details}

    def release(self) -> bool:
        """Gives back models that have not been used for the configured time; True where there were any."""
        if not self._models or time.monotonic() - self.used < self.config.idle:
            return False
        self._models.clear()
        return True

    # Videos

    def _video(self, asked: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        from kinema.app.fulfil import fulfil
        from kinema.media.pictures import write_picture

        body = schemas.VideoRequest.model_validate(asked)
        request = self._request(body)
        if (body.model or self.config.backbone) == STAGE:
            return self._staged(request, self.actors(body), asked, folder, report)
        if request.is_rough:
            return self._rough(request, asked, folder, report)
        report(0.0, "reading")

        def before_sampling(made: Prepared) -> None:
            if isinstance(made.scene, Scene):  # of keypoints there is none
                made.scene.save(folder / "scene.npz")
                self._show(made.scene, [made.actor], folder)

        made = fulfil(request, _Shares(report), models=self._models, on_prepared=before_sampling)
        report(0.96, "writing")
        settings = {**made.settings, "command": "serve", "request": asked}
        replace(made, settings=settings).save(folder / "video.mp4", scale=body.scale)
        write_picture(folder / "thumbnail.png", made.frames[len(made.frames) // 2])
        if isinstance(made.scene, Scene) and made.scene.people:
            for suffix in ("bvh", "glb"):
                write_motion(folder / f"motion.{suffix}", made.scene.people[0])
        (folder / "preview.png").unlink(missing_ok=True)
        frames, height, width = made.frames.shape[:3]
        size = width * body.scale, height * body.scale
        return _details(frames, made.fps, size, made.notes, made.settings)

    def _rough(
        self, request: VideoRequest, asked: dict[str, Any], folder: Path, report: Report
    ) -> dict[str, Any]:
        """A picture's own person moved, written as it is filmed; large enough, so that nothing is enlarged."""
        from kinema.app.rough import rough_take
        from kinema.media.pictures import write_picture

        told = Notes(_Shares(report))
        report(0.0, "reading")
        take = rough_take(request, told, self._models)
        take.scene.save(folder / "scene.npz")
        write_picture(folder / "preview.png", take.puppet.picture)  # for whoever waits
        settings = {**take.settings, "command": "serve", "request": asked}
        _write_film(folder, take.film(told), take.camera, settings)
        (folder / "preview.png").unlink()
        report(0.96, "writing")
        for suffix in ("bvh", "glb"):
            write_motion(folder / f"motion.{suffix}", take.scene.people[0])
        return _details(
            take.camera.frames, take.camera.fps, take.camera.size, tuple(told.lines), take.settings
        )

    def _staged(
        self,
        request: VideoRequest,
        actors: Sequence[int],
        asked: dict[str, Any],
        folder: Path,
        report: Report,
    ) -> dict[str, Any]:
        """The scene as its actors play it on the stage, without a video model."""
        from kinema.app.server.stage_film import filmed, settings_of, staged

        told = Notes(_Shares(report))
        report(0.0, "reading")
        scene = staged(request, told, self._models)
        people = request.direction.people
        if people is not None and people != "all" and len(actors) > 1:
            actors = [actors[int(number)] for number in people]
        camera = scene.camera
        assert camera is not None
        scene.save(folder / "scene.npz")
        self._show(scene, actors, folder)
        settings = settings_of(scene, request, actors)
        written = {**settings, "command": "serve", "request": asked}
        _write_film(folder, filmed(scene, actors, told), camera, written)
        (folder / "preview.png").unlink()
        report(0.96, "writing")
        for suffix in ("bvh", "glb"):
            write_motion(folder / f"motion.{suffix}", scene.people[0])
        return _details(camera.frames, camera.fps, camera.size, tuple(told.lines), settings)

    def _request(self, body: schemas.VideoRequest) -> VideoRequest:
        """What a body asks for, with the files that it names."""
        return asked_video(body, self)

    def source(self, file: str) -> FromFile | FromVideo:
        """An uploaded motion, keypoints or a video; what is read off a video is kept below the root."""
        from kinema.app.request import FromFile, FromVideo

        path = self.upload(file)
        if is_video(path):
            return FromVideo(path, self.config.max_seconds, self.config.root / "captures")
        return FromFile(path)

    def actors(self, body: schemas.VideoRequest) -> list[int]:
        """Seeds of who plays the people of a request: as its scene says, or the one that it names for all."""
        scene = None if body.scene is None else self.store.get(body.scene)
        if scene is None or body.actor is not None:
            return [body.actor or 0]
        return [int(person.get("actor", 0)) for person in scene.request["people"]] or [0]

    def _show(self, scene: Scene, actors: Sequence[int], folder: Path) -> None:
        """A picture of the scene on the stage, for whoever waits."""
        from kinema.media.pictures import write_picture

        assert scene.camera is not None
        width, height = scene.camera.size
        share = 2 * _PREVIEW / max(_PREVIEW, width, height)
        size = round(share * width), round(share * height)
        write_picture(folder / "preview.png", still(scene, actors, scene.duration / 2, size))

    # Motions and scenes

    def _motion(self, asked: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        motion = self._moved(
            MotionRequest.model_validate(asked), lambda share: report(share, "making the motion")
        )
        report(0.95, "writing")
        Scene((motion,), None, motion.fps, asked.get("prompt") or None).save(folder / "motion.npz")
        for suffix in ("bvh", "glb"):
            write_motion(folder / f"motion.{suffix}", motion)
        write_page(folder / "motion.json", Scene((motion,), None, motion.fps))
        facts = {"frames": motion.frames, "fps": motion.fps, "seconds": round(motion.duration, 3)}
        return facts | {"unlearned": _unlearned([MotionRequest.model_validate(asked)])}

    def _moved(self, request: MotionRequest, report: Callable[[float], None]) -> Motion:
        report(0.0)
        if request.file is not None or request.clip is not None:
            motion = (
                self._clip(request) if request.file is None else self._filed(request.file, request.person)
            )
            return (
                motion if request.seconds is None else motion.crop(0, min(request.seconds, motion.duration))
            )
        model = self._models.motion(device=self.device)
        return make_motion(model, request, lambda done, total: report(0.1 + 0.8 * done / total))

    def _filed(self, file: str, person: int) -> Motion:
        return person_of(self.source(file), person, Progress()).to_smpl24()

    def _clip(self, request: MotionRequest) -> Motion:
        """A clip of the motion library."""
        if self.config.library is None:
            raise ValueError("there is no motion library on this server")
        if self._library is None:
            self._library = open_library(self.config.library)
        try:
            motion = self._library.find(str(request.clip)).motion().to_smpl24()
        except KeyError:
            raise ValueError(f"the motion library has no {request.clip!r}") from None
        return motion.mirror() if request.mirrored else motion

    def _scene(self, asked: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        request = SceneRequest.model_validate(asked)
        people = []
        for number, person in enumerate(request.people):

            def on(share: float, number: int = number) -> None:
                report(0.9 * (number + share) / len(request.people), f"moving person {number + 1}")

            if isinstance(person.motion, str):
                motion = Scene.load(self.made(person.motion, "motion.npz")).people[0].to_smpl24()
            else:
                motion = self._moved(person.motion, on)
            people.append(put(motion, person.place))
        said = [p.motion.prompt for p in request.people if not isinstance(p.motion, str) and p.motion.prompt]
        report(0.92, "writing")
        size = parse_size(request.size)
        scene = make_scene(people, request.camera, size, request.seconds, "; ".join(said) or None)
        scene.save(folder / "scene.npz")
        write_page(folder / "scene.json", scene)
        if scene.people:
            for suffix in ("bvh", "glb"):
                write_motion(folder / f"motion.{suffix}", scene.people[0])
        return {
            "frames": scene.frames,
            "fps": scene.fps,
            "seconds": round(scene.duration, 3),
            "size": request.size,
            "unlearned": _unlearned([person.motion for person in request.people]),
        }

    # Passes

    def _passes(self, asked: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        """What a published model reads, as one zip."""
        from kinema.app.passing import PassRequest, passes_of
        from kinema.scene.lasting import Part

        body = schemas.PassesRequest.model_validate(asked)
        report(0.0, "reading")
        seconds = min(self.config.max_seconds, body.seconds or self.config.max_seconds)
        request = PassRequest(
            source=self._driving_passes(body),
            model=body.model,
            camera=None if body.camera is None else understand(body.camera).camera,
            picture=None if body.input_reference is None else self.upload(body.input_reference),
            size=None if body.size is None else parse_size(body.size),
            part=Part(seconds=seconds),
            people=tuple(body.person) if isinstance(body.person, list) else body.person,
            parts=None if body.parts is None else tuple(body.parts),
            replace=body.replace,
            extra=body.options,
            actor=body.actor,
        )
        made = passes_of(request, _Shares(report))
        report(0.9, "writing")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="passes-") as temporary:
            inside = Path(temporary) / "passes"
            names = made.save(inside, body.films)
            with zipfile.ZipFile(folder / "passes.zip", "w", zipfile.ZIP_STORED) as archive:
                for path in sorted(each for each in inside.rglob("*") if each.is_file()):
                    archive.write(path, path.relative_to(inside).as_posix())
        size = made.size
        return _details(made.frames, made.fps, size, made.notes, made.settings) | {"passes": names}

    def _driving_passes(self, body: schemas.PassesRequest) -> FromFile | FromVideo:
        from kinema.app.request import FromFile

        if body.scene is not None:
            return FromFile(self.made(body.scene, "scene.npz"))
        assert body.motion is not None
        if body.motion.startswith("motion_"):
            return FromFile(self.made(body.motion, "motion.npz"))
        return self.source(body.motion)

    # Files

    def upload(self, file: str) -> Path:
        """Where an uploaded file lies.

        Raises:
            ValueError: there is none of that id.
        """
        found = self.store.file(file)
        if found is None:
            raise ValueError(f"there is no file {file}; upload it first")
        return self.shelf.upload(found)

    def made(self, job: str, name: str) -> Path:
        """A file of a finished motion or scene.

        Raises:
            ValueError: it is not finished.
        """
        found = self.store.get(job)
        path = None if found is None else self.shelf.result(found, name)
        if path is None:
            raise ValueError(f"{job} is not finished, or is gone")
        return path


def _unlearned(motions: Sequence[MotionRequest | str]) -> list[dict[str, Any]]:
    """Texts that name what the motion model has not learned: whose, the text, and a sentence."""
    said = [
        (number, text)
        for number, motion in enumerate(motions)
        if isinstance(motion, MotionRequest)
        for text in dict.fromkeys([motion.prompt, *(block.text for block in motion.blocks)])
    ]
    notes = ((number, text, unlearned(text)) for number, text in said)
    return [{"person": number, "text": text, "note": note} for number, text, note in notes if note]


def _write_film(
    folder: Path, frames: Iterable[np.ndarray], camera: CameraPath, settings: Mapping[str, Any]
) -> None:
    """A film frame by frame, and its middle one as a thumbnail."""
    from kinema.media.pictures import write_picture
    from kinema.media.video import open_video

    with open_video(folder / "video.mp4", camera.fps, settings) as video:
        for number, frame in enumerate(frames):
            video.write(frame)
            if number == camera.frames // 2:
                write_picture(folder / "thumbnail.png", frame)


def _details(
    frames: int, fps: float, size: tuple[int, int], notes: tuple[str, ...], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What is said of a finished video."""
    return {
        "frames": frames,
        "fps": fps,
        "seconds": round(frames / fps, 3),
        "size": f"{size[0]}x{size[1]}",
        "notes": list(notes),
        "settings": settings,
    }


def write_page(path: Path, scene: Scene) -> None:
    """A scene for web pages: JSON whose arrays are little-endian float32 in base64, people [T, 24, 3], camera [T, 4, 4].

    Args:
        path: the file.
        scene: people on SMPL-24, at one frame rate.
    """
    content: dict[str, Any] = {
        "fps": scene.fps,
        "frames": scene.frames,
        "people": [{"frames": p.frames, "joints": _packed(p.joints)} for p in scene.people],
        "camera": None,
    }
    if scene.camera is not None:
        content["camera"] = {
            "c2w": _packed(scene.camera.c2w),
            "intrinsics": _packed(scene.camera.intrinsics),
            "size": list(scene.camera.size),
        }
    path.write_text(json.dumps(content))


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()
