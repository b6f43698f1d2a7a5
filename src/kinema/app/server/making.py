"""What a worker does with a job: from a checked request to a folder of files."""

from __future__ import annotations

import base64
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.inputs import parse_size, read_person, read_picture, read_scene
from kinema.app.server.config import ServerConfig
from kinema.app.server.directing import make_motion, make_scene, put
from kinema.app.server.library import open_library
from kinema.app.server.schemas import MotionRequest, SceneRequest, VideoRequest
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import Job, JobStore
from kinema.scene import Motion, Scene
from kinema.scene.formats import write_motion

if TYPE_CHECKING:
    from kinema.data.motion_library import MotionLibrary
    from kinema.motion.generator import MotionGenerator
    from kinema.video.pipeline import KinemaPipeline

Report = Callable[[float, str], None]
"""Says how far a job is, 0 to 1, and what is being done; raises Superseded where the job is somebody else's."""


class Superseded(Exception):
    """The job was deleted, edited, or taken over: what is being made is no longer wanted."""


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
        self._models: dict[Any, Any] = {}
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
        make = {"video": self._video, "motion": self._motion, "scene": self._scene}[job.kind]
        details = make(job.request, folder, report)
        self.used = time.monotonic()
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        return {"files": files, "details": details}

    def release(self) -> bool:
        """Gives back models that have not been used for the configured time; True where there were any."""
        if not self._models or time.monotonic() - self.used < self.config.idle:
            return False
        self._models.clear()
        gc.collect()
        return True

    # Videos

    def _video(self, asked: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        from kinema.app.animation import direct
        from kinema.app.filming import actor_picture
        from kinema.media.pictures import write_picture
        from kinema.media.video import write_video

        request = VideoRequest.model_validate(asked)
        report(0.0, "reading")
        picture = (
            None if request.input_reference is None else read_picture(self._upload(request.input_reference))
        )
        scene, words, camera = self._driving(request, report)
        report(0.3, "loading the model")
        pipeline = self._pipeline(request)
        directed = direct(
            pipeline,
            scene,
            person=request.person,
            camera=request.camera or camera,
            tracking=request.tracking,
            seconds=min(request.seconds or self.config.max_seconds, self.config.max_seconds),
        )
        directed.save(folder / "scene.npz")
        actor = request.seed if request.actor is None else request.actor
        if not pipeline.video_model.reads_picture:
            picture = None
        elif picture is None:
            picture = actor_picture(directed, actor)
        self._show(directed, actor, folder)
        report(0.35, "sampling")
        given = request.guidance.model_dump()
        output = pipeline(
            prompt=words,
            image=picture,
            scene=directed,
            frames=directed.frames,
            seed=request.seed,
            steps=request.steps,
            negative_prompt=request.negative_prompt,
            guidance=pipeline.video_model.defaults.guidance.replace(
                **{name: scale for name, scale in given.items() if scale is not None}
            ),
            progress=lambda done, total: report(0.35 + 0.6 * done / total, "sampling"),
        )
        report(0.96, "writing")
        settings = {**output.settings, "command": "serve", "request": asked}
        write_video(folder / "video.mp4", output.frames, output.fps, settings, scale=request.scale)
        write_picture(folder / "thumbnail.png", output.frames[len(output.frames) // 2])
        for suffix in ("bvh", "glb"):
            write_motion(folder / f"motion.{suffix}", directed.people[0])
        (folder / "preview.png").unlink(missing_ok=True)
        frames, height, width = output.frames.shape[:3]
        return {
            "frames": frames,
            "fps": output.fps,
            "seconds": round(frames / output.fps, 3),
            "size": f"{width * request.scale}x{height * request.scale}",
            "notes": list(output.notes),
            "settings": output.settings,
        }

    def _driving(self, request: VideoRequest, report: Report) -> tuple[Scene, str, str | None]:
        """Who moves how; the words for the video model; and the camera that the prompt or the scene brings."""
        if request.scene is not None:
            return Scene.load(self._made(request.scene, "scene.npz")), request.prompt, None
        if request.motion is not None:
            if request.motion.startswith("motion_"):
                scene = Scene.load(self._made(request.motion, "motion.npz"))
            else:
                report(0.02, "reading the motion")
                scene = read_scene(self._upload(request.motion), video=self._capture)
            return scene, request.prompt, None
        from kinema.motion.prompt import split_prompt

        parts = split_prompt(request.prompt)
        if not parts.motion:
            raise ValueError("the prompt speaks of the camera alone; say what the person does, too")
        model = self._text_to_motion()
        motion = model(
            parts.motion,
            request.seconds,
            seed=request.seed,
            style=request.style,
            progress=lambda done, total: report(0.05 + 0.25 * done / total, "making the motion"),
        )
        return Scene((motion,), None, motion.fps, request.prompt), parts.motion, parts.camera

    def _show(self, scene: Scene, actor: int, folder: Path) -> None:
        """A picture of the scene on the stage, for whoever waits."""
        from kinema.media.pictures import write_picture

        assert scene.camera is not None
        width, height = scene.camera.size
        write_picture(
            folder / "preview.png", still(scene, [actor], scene.duration / 2, (2 * width, 2 * height))
        )

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
        return {"frames": motion.frames, "fps": motion.fps, "seconds": round(motion.duration, 3)}

    def _moved(self, request: MotionRequest, report: Callable[[float], None]) -> Motion:
        report(0.0)
        if request.file is not None or request.clip is not None:
            motion = (
                self._clip(request) if request.file is None else self._filed(request.file, request.person)
            )
            return (
                motion if request.seconds is None else motion.crop(0, min(request.seconds, motion.duration))
            )
        model = self._text_to_motion()
        return make_motion(model, request, lambda done, total: report(0.1 + 0.8 * done / total))

    def _filed(self, file: str, person: int) -> Motion:
        return read_person(self._upload(file), person, video=self._capture).to_smpl24()

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
                motion = Scene.load(self._made(person.motion, "motion.npz")).people[0].to_smpl24()
            else:
                motion = self._moved(person.motion, on)
            people.append(put(motion, person.place))
        said = [p.motion.prompt for p in request.people if not isinstance(p.motion, str) and p.motion.prompt]
        report(0.92, "writing")
        size = parse_size(request.size)
        scene = make_scene(people, request.camera, size, request.seconds, "; ".join(said) or None)
        scene.save(folder / "scene.npz")
        write_page(folder / "scene.json", scene)
        for suffix in ("bvh", "glb"):
            write_motion(folder / f"motion.{suffix}", scene.people[0])
        return {
            "frames": scene.frames,
            "fps": scene.fps,
            "seconds": round(scene.duration, 3),
            "size": request.size,
        }

    # Parts

    def _pipeline(self, request: VideoRequest) -> KinemaPipeline:
        from kinema.video.loading import load_pipeline

        name = request.model or self.config.backbone
        size = None if request.size is None else parse_size(request.size)
        controls = None if request.control is None else tuple(request.control)
        key = ("pipeline", name, size, controls)
        if key not in self._models:
            # One at a time: two do not fit where one just fits.
            for old in [old for old in self._models if old[0] == "pipeline"]:
                del self._models[old]
            pipeline = load_pipeline(name, controls, size=size, device=self.device)
            pipeline.set_progress_bar_config(disable=True)
            self._models[key] = pipeline
        return self._models[key]

    def _text_to_motion(self) -> MotionGenerator:
        from kinema.motion.generator import load_motion_generator

        key = ("motion",)
        if key not in self._models:
            self._models[key] = load_motion_generator(device=self.device)
        return self._models[key]

    def _capture(self, video: Path) -> Scene:
        """A driving video as a scene: the largest person in it, without gaps."""
        from kinema.capture.capture import capture

        scene = capture(
            video, fill="all", stop=self.config.max_seconds, cache=self.config.root / "captures"
        ).scene
        if not np.isfinite(scene.people[0].joints).any():
            raise ValueError("too little of the person in the video is seen at once to read a motion from it")
        return scene

    def _upload(self, file: str) -> Path:
        found = self.store.file(file)
        if found is None:
            raise ValueError(f"there is no file {file}; upload it first")
        return self.shelf.upload(found)

    def _made(self, job: str, name: str) -> Path:
        found = self.store.get(job)
        path = None if found is None else self.shelf.result(found, name)
        if path is None:
            raise ValueError(f"{job} is not finished, or is gone")
        return path


def still(scene: Scene, actors: list[int], moment: float, size: tuple[int, int]) -> np.ndarray:
    """One moment of a scene on the stage, seen by its camera, uint8 [H, W, 3].

    Args:
        scene: with a camera.
        actors: seeds; the first chooses the place as well.
        moment: seconds.
        size: (width, height).
    """
    from kinema.app.filming import casting, film

    assert scene.camera is not None
    seconds = min(max(moment, 0.0), scene.duration)
    now = scene.crop(seconds, seconds)
    assert now.camera is not None
    now = now.with_camera(now.camera.resize(*size))
    cast, world = casting(actors[0], now)
    people = [cast[0], *(casting(seed, now)[0][0] for seed in actors[1:])]
    return next(film(now, people, world)).rgb[0]


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
