"""Takes for training: what a filming process sends, and how a batch of it becomes tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kinema.data.corruption import CORRUPTIONS, check_corruptions
from kinema.data.filming import FilmedClip, film_clip
from kinema.data.motion_library import MotionLibrary
from kinema.scene import Scene
from kinema.signals.control_signals import ControlSignals, control_signals, smpl24_joints
from kinema.signals.ray_map import ray_map
from kinema.video.models.mini.backdrop import Backdrop
from kinema.video.models.mini.network import MiniFormat


@dataclass
class TakeFilm:
    """Films take number i for training; picklable, so that worker processes can have it.

    Args:
        form: size, frames and rate of the film.
        seed: with the take's number it fixes everything.
        library: folder of the motion library, None for the default.
        licence: `any` or `commercial`.
        late: share of films that begin after their reference, up to one window later.
        split: of the library.
        company: share of films with a second person beside the first or crossing their way.
        corrupt: share of films whose signals come from a scene as a careless detector sees it.
        corruptions: what it may do, see `data.corruption`; one of them is drawn for each such film.
        points: on people, followed exactly through the film for the tracking term.
    """

    form: MiniFormat
    seed: int
    library: str | None = None
    licence: str = "any"
    late: float = 0.4
    split: str = "train"
    company: float = 0.0
    corrupt: float = 0.15
    corruptions: str = "careless"
    points: int = 0

    def __post_init__(self) -> None:
        self._corruptions = check_corruptions(self.corruptions)
        self._clips: MotionLibrary | None = None
        self._weights: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clips": None, "_weights": None}

    def __call__(self, index: int) -> dict[str, Any]:
        """One take as `training_take` gives it."""
        if self._clips is None:
            self._clips = MotionLibrary.open(self.library).split(self.split).licensed(self.licence)
            seconds = np.array([clip.seconds for clip in self._clips])
            self._weights = np.sqrt(np.clip(seconds, 0.5, 20.0))
            self._weights /= self._weights.sum()
        rng = np.random.default_rng([self.seed, index])
        clip = self._clips[int(rng.choice(len(self._clips), p=self._weights))]
        form = self.form
        start = int(rng.integers(1, form.frames)) if rng.random() < self.late else 0
        chance = np.random.default_rng([self.seed, index, 2])
        companion = None
        if chance.random() < self.company:
            companion = self._clips[int(chance.choice(len(self._clips), p=self._weights))]
        film = film_clip(
            clip,
            size=form.size,
            fps=form.fps,
            frames=form.frames,
            seed=[self.seed, index, 1],
            start=start,
            companion=companion,
        )
        scene = film.scene
        if rng.random() < self.corrupt:
            scene = CORRUPTIONS[str(chance.choice(self._corruptions))](scene, rng)
        take = training_take(film, scene)
        return take | film.take.point_tracks(self.points, rng) if self.points else take


def training_take(film: FilmedClip, seen: Scene | None = None) -> dict[str, Any]:
    """What training reads of a film, small enough to be sent between processes.

    Args:
        film: the film.
        seen: the scene that the signals are computed from, where it is not the film's own.

    Returns:
        video and reference (uint8), silhouette (bool), caption; and the signals: skeleton (uint8), mask (bool),
        joints (metres, [P, T, 24, 3]), camera (of the whole scene), start (the film's first frame in it), standing
        (joints at the reference's moment, [P, 24, 3]) and backdrop (see `seen_backdrop`).
    """
    frames, height, width = film.take.rgb.shape[:3]
    signals = control_signals(seen or film.scene, size=(width, height)).window(film.start, frames)
    assert signals.skeletons is not None  # the scene has a person
    assert signals.person_mask is not None
    assert signals.joints is not None
    first = (seen or film.scene).people
    standing = np.stack([smpl24_joints(person)[0] for person in first]).astype(np.float32)
    take = {
        "video": film.take.rgb,
        "reference": film.reference,
        "silhouette": film.take.person_mask,
        "caption": film.caption,
        "skeleton": (signals.skeletons[0] * 255).round().to(torch.uint8).numpy(),
        "mask": signals.person_mask[0].numpy(),
        "joints": signals.joints[0].numpy(),
        "standing": standing,
        "camera": film.scene.camera,
        "start": film.start,
    }
    return take | {"backdrop": seen_backdrop(take)}


def seen_backdrop(take: dict[str, Any]) -> np.ndarray:
    """What the take's camera sees of the background of its reference, uint8 [T, H, W, 4], see `Backdrop.seen_by`."""
    camera, window = take["camera"], slice(take["start"], take["start"] + len(take["skeleton"]))
    path = replace(camera, c2w=camera.c2w[window], intrinsics=camera.intrinsics[window])
    return Backdrop.of(take["reference"], camera, take["standing"]).seen_by(path)


SIGNAL_ENTRIES = ("skeleton", "mask", "joints", "standing", "camera", "start")
"""The entries of a take that say what shall be seen; the others are what is seen, and `backdrop` follows from both."""


def batch_signals(takes: list[dict[str, Any]]) -> ControlSignals:
    """The signals of a batch of takes; rays are relative to the reference's camera, cameras and joints to the world."""
    windows = [slice(take["start"], take["start"] + len(take["skeleton"])) for take in takes]
    rays = [ray_map(take["camera"])[window] for take, window in zip(takes, windows, strict=True)]
    cameras = [take["camera"].c2w[window] for take, window in zip(takes, windows, strict=True)]
    lenses = [take["camera"].intrinsics[window] for take, window in zip(takes, windows, strict=True)]
    return ControlSignals(
        rays=torch.from_numpy(np.stack(rays)),
        skeletons=_stack(takes, "skeleton").float() / 255,
        person_mask=_stack(takes, "mask"),
        joints=_stack_people(takes),
        cameras=torch.from_numpy(np.stack(cameras).astype(np.float32)),
        intrinsics=torch.from_numpy(np.stack(lenses).astype(np.float32)),
    )


def batch_backdrop(takes: list[dict[str, Any]]) -> torch.Tensor:
    """The backdrop plates of a batch of takes, [B, T, 4, H, W] in 0 to 1."""
    return _stack(takes, "backdrop").permute(0, 1, 4, 2, 3).float() / 255


def batch_silhouettes(takes: list[dict[str, Any]]) -> torch.Tensor:
    """Exact masks of the people in the video, bool [B, T, H, W]."""
    return _stack(takes, "silhouette")


def batch_video(takes: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(video [B, 3, T, H, W], reference [B, 3, 1, H, W]) in [-1, 1]."""
    video = _stack(takes, "video").permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    reference = _stack(takes, "reference").permute(0, 3, 1, 2).unsqueeze(2).float() / 127.5 - 1
    return video, reference


def _stack(takes: list[dict[str, Any]], name: str) -> torch.Tensor:
    return torch.from_numpy(np.stack([take[name] for take in takes]))


def _stack_people(takes: list[dict[str, Any]]) -> torch.Tensor:
    """Joints [B, P, T, 24, 3], NaN for people who are not in a take."""
    most = max(len(take["joints"]) for take in takes)
    joints = np.full((len(takes), most, *takes[0]["joints"].shape[1:]), np.nan, np.float32)
    for row, take in zip(joints, takes, strict=True):
        row[: len(take["joints"])] = take["joints"]
    return torch.from_numpy(joints)
