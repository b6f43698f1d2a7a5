"""What passes are drawn from: a scene on the frames of one video, its film, and what is exactly known of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kinema.scene import CameraPath, DetectedPeople, Motion, Scene
from kinema.scene.checks import check_size
from kinema.scene.sampling import sample_scene
from kinema.signals.frames import DetectedFrames, SceneFrames, SignalOptions
from kinema.stage.filming import casting, film


@dataclass(frozen=True, eq=False)
class Footage:
    """A user's own film on the frames of the video, with who is where in it.

    Args:
        frames: uint8 [T, H, W, 3].
        people: pixels of each person of the scene, bool [P, T, H, W].

    Raises:
        ValueError: shapes that do not fit each other.
    """

    frames: np.ndarray
    people: np.ndarray

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[-1] != 3:
            raise ValueError(
                f"footage must be uint8 [T, H, W, 3], not {self.frames.dtype} {list(self.frames.shape)}"
            )
        if self.people.dtype != bool or self.people.shape[1:] != self.frames.shape[:3]:
            raise ValueError(
                f"masks of footage must be bool [P, {', '.join(map(str, self.frames.shape[:3]))}], "
                f"not {self.people.dtype} {list(self.people.shape)}"
            )

    def held(self, frames: int) -> Footage:
        """So many frames, the last one held."""
        picked = np.arange(frames).clip(max=len(self.frames) - 1)
        return Footage(self.frames[picked], self.people[:, picked])


class Shot:
    """A scene as one video shows it.

    Everything is computed when it is first asked for: a profile that draws skeletons films nothing.

    Args:
        scene: people and a camera; or people of whom only keypoints are known, who have neither film nor depth.
        size: (width, height) in pixels.
        frames: T. None: as many as the scene has.
        fps: frames per second. None: the scene's.
        actor: seed of the stage's actors and room.
        picture: the character as the user gave it, uint8 [H, W, 3], of any size.
        footage: a film that the scene was read from, on these frames; it stands for the stage's.

    Attributes:
        size, frames, fps: of the video.
        source: the scene as it was given.

    Raises:
        ValueError: a scene without a camera, or footage of another size or length.
    """

    def __init__(
        self,
        scene: Scene | DetectedPeople,
        size: tuple[int, int],
        frames: int | None = None,
        fps: float | None = None,
        *,
        actor: int = 0,
        picture: np.ndarray | None = None,
        footage: Footage | None = None,
    ) -> None:
        self.source = scene
        self.size = check_size(size)
        self.fps = float(scene.fps if fps is None else fps)
        self.actor = actor
        self.picture = picture
        self.footage = footage
        if isinstance(scene, DetectedPeople):
            self.people, self.camera = (), None
            self.frames = frames or max(1, round(scene.duration * self.fps) + 1)
        else:
            self.people, self.camera = sample_scene(scene, size=self.size, frames=frames, fps=self.fps)
            self.frames = self.camera.frames
        if footage is not None and footage.frames.shape[:3] != (self.frames, self.size[1], self.size[0]):
            raise ValueError(
                f"the footage is {list(footage.frames.shape[:3])}, the video {[self.frames, self.size[1], self.size[0]]}"
            )

    people: tuple[Motion, ...]
    """Motions of T frames; none for people of whom only keypoints are known."""
    camera: CameraPath | None
    """Of T frames and this size."""

    @property
    def scene(self) -> Scene:
        """People and camera on the video's frames.

        Raises:
            ValueError: only keypoints are known.
        """
        if isinstance(self.source, DetectedPeople) or self.camera is None:
            raise ValueError(
                "keypoints in pictures have no depth: this needs a scene in 3D; capture the video"
            )
        return Scene(self.people, self.camera, self.fps)

    def drawn(self, options: SignalOptions | None = None) -> SceneFrames:
        """Keypoints, hands, face and joints of the people in pixels; its arrays may be longer, take the first T.

        Args:
            options: how they are read.
        """
        kind = DetectedFrames if isinstance(self.source, DetectedPeople) else SceneFrames
        return kind(self.source, self.size, self.frames, self.fps, options)  # type: ignore[arg-type]

    @property
    def film(self) -> np.ndarray:
        """The footage, or the stage's film of the scene, uint8 [T, H, W, 3]."""
        return self._staged[0] if self.footage is None else self.footage.frames

    @property
    def depth(self) -> np.ndarray:
        """Metres along the optical axis of people and things of the stage, inf elsewhere, float32 [T, H, W]."""
        return self._staged[1]

    @property
    def person_ids(self) -> np.ndarray:
        """0 nobody, p + 1 person p, uint8 [T, H, W]; where footage shows several at a pixel the last of them."""
        if self.footage is None:
            return self._staged[2]
        ids = np.zeros(self.footage.frames.shape[:3], np.uint8)
        for number, mask in enumerate(self.footage.people):
            ids[mask] = number + 1
        return ids

    @property
    def person_mask(self) -> np.ndarray:
        """Pixels that show a person, bool [T, H, W]."""
        return self.person_ids > 0

    @cached_property
    def room(self) -> np.ndarray:
        """The footage, with whom it shows; or the stage's film without people and their shadows, uint8 [T, H, W, 3]."""
        if self.footage is not None:
            return self.footage.frames
        scene = self.scene
        _, world = casting(self.actor, scene)
        empty = replace(scene, people=(), keypoints=None)
        return _joined([take.rgb for take in film(empty, [], world)])

    def part(self, start: int, frames: int) -> slice:
        """Frames `start` to `start + frames` of this shot, as a slice of its arrays.

        Raises:
            ValueError: they do not lie within.
        """
        if not 0 <= start < start + frames <= self.frames:
            raise ValueError(
                f"frames {start} to {start + frames} do not lie within the {self.frames} of the shot"
            )
        return slice(start, start + frames)

    @cached_property
    def _staged(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scene = self.scene
        cast, world = casting(self.actor, scene)
        takes = list(film(scene, cast, world))
        return (
            _joined([take.rgb for take in takes]),
            _joined([take.depth for take in takes]),
            _joined([take.person_ids for take in takes]),
        )


def _joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
