"""Takes of the stage for training: what a filming process sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinema.data.corruption import CORRUPTIONS, check_corruptions
from kinema.data.filming import FilmedClip, film_clip
from kinema.data.motion_library import MotionLibrary
from kinema.data.sample import Conditioner, Sample, conditioned
from kinema.scene import Scene
from kinema.video.models.video_model import VideoFormat


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
        conditioner: of the model that is trained; what it reads itself is drawn here, too.
    """

    form: VideoFormat
    seed: int
    library: str | None = None
    licence: str = "any"
    late: float = 0.4
    split: str = "train"
    company: float = 0.0
    corrupt: float = 0.15
    corruptions: str = "careless"
    points: int = 0
    conditioner: Conditioner | None = None

    def __post_init__(self) -> None:
        self._corruptions = check_corruptions(self.corruptions)
        self._clips: MotionLibrary | None = None
        self._weights: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clips": None, "_weights": None}

    def __call__(self, index: int) -> Sample:
        """One take."""
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
        tracks = film.take.point_tracks(self.points, rng) if self.points else None
        return conditioned(film_sample(film, scene, tracks), self.conditioner)


def film_sample(
    film: FilmedClip, seen: Scene | None = None, tracks: Mapping[str, np.ndarray] | None = None
) -> Sample:
    """What training reads of a film.

    Args:
        film: the film.
        seen: the scene that signals are made of, where it is not the film's own.
        tracks: exact tracks through the film.
    """
    frames, height, width = film.take.rgb.shape[:3]
    return Sample(
        caption=film.caption,
        scene=seen or film.scene,
        start=film.start,
        frames=frames,
        size=(width, height),
        fps=film.scene.fps,
        picture=film.reference,
        video=film.take.rgb,
        silhouette=film.take.person_mask,
        tracks=tracks or {},
    )
