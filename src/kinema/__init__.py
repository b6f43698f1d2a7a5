"""Kinema: videos of people who move as you say, seen by a camera that moves as you say.

What is offered here is loaded when it is first asked for, so that the import costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinema import papers
    from kinema.api import (
        animate,
        camera,
        capture_video,
        control_signals,
        generate,
        make_motion,
        make_passes,
        preview,
        replace,
    )
    from kinema.app.batch import make_videos
    from kinema.app.fulfil import VideoResult, fulfil
    from kinema.app.list_rows import read_list
    from kinema.app.progress import Progress
    from kinema.app.request import (
        Direction,
        FromFile,
        FromKeypoints,
        FromPrompt,
        FromVideo,
        ModelChoice,
        RoughLook,
        Sampling,
        VideoRequest,
    )
    from kinema.media.video import read_video, write_video
    from kinema.scene import CameraPath, Motion, Scene
    from kinema.scene.formats import read_motion, read_motion_file, read_scene, write_motion
    from kinema.scene.formats.camera_reading import CameraReading, FromCameraFile
    from kinema.scene.formats.cameras import read_camera_file, write_camera
    from kinema.video.loading import load_pipeline

__version__ = "0.1.0"

__all__ = [
    "CameraPath",
    "CameraReading",
    "Direction",
    "FromCameraFile",
    "FromFile",
    "FromKeypoints",
    "FromPrompt",
    "FromVideo",
    "ModelChoice",
    "Motion",
    "Progress",
    "RoughLook",
    "Sampling",
    "Scene",
    "VideoRequest",
    "VideoResult",
    "animate",
    "camera",
    "capture_video",
    "control_signals",
    "fulfil",
    "generate",
    "load_pipeline",
    "make_motion",
    "make_passes",
    "make_videos",
    "papers",
    "preview",
    "read_camera_file",
    "read_list",
    "read_motion",
    "read_motion_file",
    "read_scene",
    "read_video",
    "replace",
    "write_camera",
    "write_motion",
    "write_video",
]

_HOMES = {
    "kinema.api": "animate camera capture_video control_signals generate make_motion make_passes preview "
    "replace",
    "kinema.app.batch": "make_videos",
    "kinema.app.fulfil": "VideoResult fulfil",
    "kinema.app.list_rows": "read_list",
    "kinema.app.progress": "Progress",
    "kinema.app.request": "Direction FromFile FromKeypoints FromPrompt FromVideo ModelChoice RoughLook Sampling "
    "VideoRequest",
    "kinema.media.video": "read_video write_video",
    "kinema.scene": "CameraPath Motion Scene",
    "kinema.scene.formats": "read_motion read_motion_file read_scene write_motion",
    "kinema.scene.formats.camera_reading": "CameraReading FromCameraFile",
    "kinema.scene.formats.cameras": "read_camera_file write_camera",
    "kinema.video.loading": "load_pipeline",
}


def __getattr__(name: str) -> Any:
    if name == "papers":
        return import_module("kinema.papers")
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
