"""One training sample, for filmed takes and for users' videos alike, and the one way to its signals.

A sample keeps the scene and never its pictures: `signals_of` draws them when a batch is made, by the function that the
pipeline calls at inference, so that training sees what the pipeline sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinema.scene import CameraPath, Scene
from kinema.signals.control_signals import ControlSignals, control_signals
from kinema.signals.signal import SIGNALS

if TYPE_CHECKING:
    from kinema.video.adapters.adapter import ControlAdapter


@dataclass(frozen=True, eq=False)
class Sample:
    """A window of a video and the scene that it shows.

    Args:
        caption: what happens.
        scene: people and camera from the reference picture's moment on; None where nothing is known.
        start: the window's first frame in the scene.
        frames: of the window, 4k + 1.
        size: (width, height) in pixels.
        fps: frames per second.
        picture: the character, as the scene's first camera sees it, uint8 [H, W, 3].
        video: uint8 [T, H, W, 3]; None where it is encoded already.
        encoded: what the model's own encoders made of the window, without batch axis, see `VideoModel.encode_window`.
        silhouette: exact mask of the people in the video, bool [T, H, W]; None where nobody knows it.
        tracks: points followed exactly through the window, see `Take.point_tracks`; empty for none.
        withheld: which of `pose` and `camera` adapters are not told, though they are known.
        conditioning: what the model itself reads of scene and picture, where it was drawn ahead, see `conditioned`.
            In memory alone.
        text: states of the caption that were made ahead [L, D], the zeros at their end left out; None where they are
            made when the batch is.
    """

    caption: str
    scene: Scene | None
    start: int
    frames: int
    size: tuple[int, int]
    fps: float
    picture: np.ndarray
    video: np.ndarray | None = None
    encoded: Mapping[str, torch.Tensor] = field(default_factory=dict)
    silhouette: np.ndarray | None = None
    tracks: Mapping[str, np.ndarray] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    conditioning: Any = None
    text: torch.Tensor | None = None

    @property
    def lacks(self) -> frozenset[str]:
        """Which of `pose` and `camera` are not known or withheld; people whom no camera sees have no signals."""
        if self.scene is None or self.scene.camera is None:
            return frozenset({"pose", "camera"})
        return self.withheld if self.scene.people else self.withheld | {"pose"}


def signals_of(
    samples: Sequence[Sample], adapters: Mapping[str, ControlAdapter]
) -> dict[str, ControlSignals]:
    """The signals of a batch for each adapter, drawn by the function and cut to the window as the pipeline does it.

    What a sample lacks is blank; adapters are told with `present` that it is not there.

    Args:
        samples: of one length and size.
        adapters: by name.
    """
    drawn = [_signals(sample, adapters) for sample in samples]
    return {name: ControlSignals.stack([each[name] for each in drawn]) for name in adapters}


def masks_of(samples: Sequence[Sample]) -> torch.Tensor:
    """Where people are, bool [B, T, H, W]: exactly where that is known, else the human-aware mask of the scene."""
    return torch.stack([_mask(sample) for sample in samples])


Conditioner = Callable[[Scene, np.ndarray, int, bool], Any]
"""See `VideoModel.conditioner`."""


def conditioned(sample: Sample, conditioner: Conditioner | None) -> Sample:
    """The sample with what the model itself reads of its scene and picture, drawn now where it is not there yet.

    Args:
        sample: any.
        conditioner: the model's; None where it reads nothing.
    """
    if conditioner is None or sample.conditioning is not None or "camera" in sample.lacks:
        return sample
    assert sample.scene is not None
    drawn = conditioner(sample.scene, sample.picture, sample.start + sample.frames, False)
    return replace(sample, conditioning=drawn.window(sample.start, sample.frames))


def _signals(sample: Sample, adapters: Mapping[str, ControlAdapter]) -> dict[str, ControlSignals]:
    from kinema.video.adapters.reading import read_signals

    scene, start = _seen(sample)
    whole = read_signals(adapters, scene, size=sample.size, frames=start + sample.frames, fps=sample.fps)
    width, height = sample.size
    lengths = {"B": 1, "P": 1, "T": sample.frames, "H": height, "W": width}
    made = {}
    for name, signals in whole.items():
        told = signals.window(start, sample.frames)
        lacking = {each: SIGNALS[each].blank(lengths) for each in set(adapters[name].signals) - told.present}
        made[name] = ControlSignals({**told.tensors, **lacking}, sample.size)
    return made


def _mask(sample: Sample) -> torch.Tensor:
    if sample.silhouette is not None:
        return torch.from_numpy(sample.silhouette)
    (width, height), (scene, start) = sample.size, _seen(sample)
    on_video: Any = {"size": sample.size, "frames": start + sample.frames, "fps": sample.fps}
    mask = control_signals(scene, **on_video, names=("person_mask",)).person_mask
    if mask is None:
        return torch.zeros(sample.frames, height, width, dtype=torch.bool)
    return mask[0, start : start + sample.frames]


def _seen(sample: Sample) -> tuple[Scene, int]:
    """The scene and the window's start in it; where no camera is known, nobody before a camera that stands still."""
    if sample.scene is not None and sample.scene.camera is not None:
        return sample.scene, sample.start
    width, height = sample.size
    lens = (width, width, width / 2, height / 2)
    nowhere = CameraPath.static(np.eye(4), lens, sample.size, sample.fps, sample.frames)
    return Scene((), nowhere, sample.fps), 0
