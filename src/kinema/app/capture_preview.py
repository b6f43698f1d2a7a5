"""What a capture looks like: its skeletons on the video, beside the scene filmed on the stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kinema.app.console import progress
from kinema.capture.observation import Capture
from kinema.media.decoding import open_video
from kinema.media.pictures import side_by_side
from kinema.media.video import open_video as write_to
from kinema.scene import CameraPath, Scene
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.signals.control_signals import smpl24_joints
from kinema.signals.skeleton_map import skeleton_map
from kinema.stage.filming import PIECE, casting, film

PREVIEW_SIDE = 512
"""Longest side of each of the preview's two pictures (ours)."""

_HELD = 0.5  # seconds of a gap that the stage fills, so that nobody flickers


def write_capture_preview(
    path: str, video: Path, made: Capture, *, seed: int, settings: dict[str, Any], crf: int
) -> None:
    """The video with the captured skeletons drawn on it, beside the scene filmed on the stage.

    Args:
        path: the preview, see `kinema.media.video.open_video`.
        video: what was captured.
        made: the capture.
        seed: of actors and studio.
        settings: kept in the preview.
        crf: quality.
    """
    scene = made.scene
    assert scene.camera is not None
    told = made.settings
    with open_video(
        video,
        start=told["start"],
        stop=told["stop"],
        fps=scene.fps,
        max_side=PREVIEW_SIDE,
        source_fps=told["source_fps"],
    ) as source:
        seen = scene.with_camera(_shrunk(scene.camera, source.size))
        stage = replace(seen, people=tuple(person.fill_missing(_HELD) for person in seen.people))
        cast, world = casting(seed, stage)
        chunks = _in_pieces(source.chunks(), len(scene.camera.c2w))
        begin = 0
        with (
            progress("filming", len(scene.camera.c2w)) as advance,
            write_to(path, scene.fps, settings, crf=crf) as writer,
        ):
            for take in film(stage, cast, world, on_frames=advance):
                frames = next(chunks, None)
                if frames is None:
                    break
                part = slice(begin, begin + len(take.rgb))
                shown = with_skeletons(frames[: len(take.rgb)], seen, part)
                writer.write(side_by_side([shown, take.rgb[: len(shown)]], ["video", "scene"]))
                begin += len(take.rgb)


def with_skeletons(frames: np.ndarray, scene: Scene, part: slice) -> np.ndarray:
    """Frames with the scene's people drawn on them as its camera sees them.

    Args:
        frames: uint8 [N, H, W, 3].
        scene: people and camera of that picture size in step.
        part: which of the scene's frames these are.
    """
    assert scene.camera is not None
    camera = _part(scene.camera, slice(part.start, part.start + len(frames)))
    joints = np.stack([smpl24_joints(person, 0.0)[part][: len(frames)] for person in scene.people], axis=1)
    keypoints, _ = camera.project(smpl24_to_openpose18(joints))
    drawn = skeleton_map(keypoints, None, camera.size, line_width=max(1.0, camera.size[1] / 170))
    inked = drawn.any(axis=-1, keepdims=True)
    return np.where(inked, drawn, (frames * 0.75).astype(np.uint8))


def _shrunk(camera: CameraPath, size: tuple[int, int]) -> CameraPath:
    return camera if camera.size == size else camera.resize(*size)


def _part(camera: CameraPath, rows: slice) -> CameraPath:
    return replace(camera, c2w=camera.c2w[rows], intrinsics=camera.intrinsics[rows])


def _in_pieces(chunks: Iterator[np.ndarray], frames: int) -> Iterator[np.ndarray]:
    """The chunks regrouped to the pieces in which the stage films."""
    held = np.zeros((0, 0, 0, 3), np.uint8)
    for chunk in chunks:
        held = np.concatenate([held, chunk]) if len(held) else chunk
        while len(held) >= PIECE:
            yield held[:PIECE]
            held = held[PIECE:]
    if len(held):
        yield held
