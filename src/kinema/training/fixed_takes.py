"""A few fixed takes of different motions, filmed once: what an adapter must be able to learn by heart."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from kinema.data.filming import FilmedClip, film_clip
from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.scene.formats import MOTION_SUFFIXES, read_motion
from kinema.video.models.video_model import VideoFormat

_CAMERAS = (
    "static",
    "arc left 40deg",
    "dolly in 0.5m",
    "arc right 40deg ease",
    "static",
    "dolly out 0.5m ease",
)
_LEAST_MOVED = 0.3  # metres, mean over joints and frames, from where they began


def film_fixed_takes(
    count: int,
    *,
    seed: int,
    form: VideoFormat,
    library: str | Path | None = None,
    motions: str | Path | None = None,
) -> list[FilmedClip]:
    """Films the liveliest parts of different motions, each with its own character, studio and camera.

    Args:
        count: how many.
        seed: of every choice; the same arguments give the same films.
        form: size, frames and rate of the films.
        library: folder of the motion library (train split); its default place where None.
        motions: folder of motion files to take instead of the library; they are used again, filmed differently,
            from half a film later on, where there are fewer than `count`.

    Raises:
        FileNotFoundError: no motion library.
        ValueError: not enough motions with enough movement.
    """
    seconds = (form.frames - 1) / form.fps
    if motions is None:
        parts = _different_parts(MotionLibrary.open(library).split("train"), count, seconds, seed)
    else:
        clips = _read_folder(Path(motions))
        parts = [(clips[k % len(clips)], (k // len(clips)) * seconds / 2) for k in range(count)]
    return [
        film_clip(
            clip,
            size=form.size,
            fps=form.fps,
            frames=form.frames,
            seed=[seed, number],
            camera=_CAMERAS[number % len(_CAMERAS)],
            begin=begin,
        )
        for number, (clip, begin) in enumerate(parts)
    ]


def _different_parts(
    clips: MotionLibrary, count: int, seconds: float, seed: int
) -> list[tuple[MotionClip, float]]:
    """Random clips of different content in which people move, and where their liveliest parts begin, seconds."""
    parts: dict[str, tuple[MotionClip, float]] = {}
    for index in np.random.default_rng(seed).permutation(len(clips)):
        clip = clips[int(index)]
        content = clip.labels.get("content", clip.id)
        if len(parts) < count and content not in parts:
            begin, moved = _liveliest(clip, seconds)
            if moved >= _LEAST_MOVED:
                parts[content] = (clip, begin)
    if len(parts) < count:
        raise ValueError(f"only {len(parts)} of {count} motions move enough: ask for fewer takes")
    return list(parts.values())


def _liveliest(clip: MotionClip, seconds: float) -> tuple[float, float]:
    """Where the part begins in which joints get farthest from where they began, and how far, metres."""
    joints = clip.joints()
    length = min(len(joints), round(seconds * clip.fps) + 1)
    begins = np.arange(0, len(joints) - length + 1, max(1, round(clip.fps / 4)))
    moved = [
        np.linalg.norm(joints[begin : begin + length] - joints[begin], axis=-1).mean() for begin in begins
    ]
    best = int(np.argmax(moved))
    return float(begins[best] / clip.fps), float(moved[best])


def _read_folder(folder: Path) -> MotionLibrary:
    """The motion files of a folder; a file's name says what happens."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in MOTION_SUFFIXES)
    if not found:
        raise FileNotFoundError(f"no motion files in {folder}")
    clips = []
    for path in found:
        motion = read_motion(path, as_smpl24=True)
        joints = motion.joints.astype(np.float32)
        clips.append(
            MotionClip(
                id=path.stem,
                split="train",
                captions=(f"a person: {path.stem.replace('_', ' ')}",),
                licence="as the file says",
                fps=motion.fps,
                length=len(joints),
                labels={},
                kinematics={},
                _read=partial(np.asarray, joints),
            )
        )
    return MotionLibrary(clips)
