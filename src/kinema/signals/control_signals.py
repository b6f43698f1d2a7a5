"""Control signals: a scene as the tensors that models and adapters read, all derived from the same scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from kinema.scene import DetectedPeople, Scene
from kinema.signals.frames import DetectedFrames, SceneFrames, SignalOptions, smpl24_joints
from kinema.signals.signal import SIGNALS, check_names

__all__ = ["ControlSignals", "SignalOptions", "Source", "control_signals", "smpl24_joints"]

Source = Scene | DetectedPeople
"""What signals are made of."""


@dataclass(frozen=True, eq=False, init=False)
class ControlSignals:
    """What adapters read: tensors by the name of a signal, e.g. `signals.rays` or `signals["rays"]`.

    A signal that is None is absent, which is not the same as a blank picture. Which there are says `SIGNALS`.

    Args:
        tensors: signals by name.
        size: (width, height) of the picture that they belong to. None: that of the signals that have pixels, if any.
        named: further signals, or None for what shall be absent.

    Raises:
        ValueError: an unknown signal, a shape that is not the signal's, or signals that disagree on B, T, P, H or W.
    """

    tensors: Mapping[str, torch.Tensor]
    size: tuple[int, int] | None

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor] | None = None,
        size: tuple[int, int] | None = None,
        **named: torch.Tensor | None,
    ) -> None:
        given = {**(tensors or {}), **named}
        check_names(list(given))
        present = {name: tensor for name in SIGNALS if (tensor := given.get(name)) is not None}
        known: dict[str, tuple[int, str]] = {}
        if size is not None:
            known = {"W": (size[0], "the picture"), "H": (size[1], "the picture")}
        for name, tensor in present.items():
            SIGNALS[name].check(tensor, known)
        if size is None and "W" in known and "H" in known:
            size = known["W"][0], known["H"][0]
        object.__setattr__(self, "tensors", present)
        object.__setattr__(self, "size", size)

    def __getitem__(self, name: str) -> torch.Tensor | None:
        check_names([name])
        return self.tensors.get(name)

    def __getattr__(self, name: str) -> torch.Tensor | None:
        if name.startswith("_") or name not in SIGNALS:
            raise AttributeError(f"no signal {name!r}")
        return self.tensors.get(name)

    @property
    def present(self) -> frozenset[str]:
        """Names of the signals that are there."""
        return frozenset(self.tensors)

    @property
    def batch(self) -> int | None:
        """Samples, B; None where nothing is there."""
        return self._length("B")

    @property
    def frames(self) -> int | None:
        """Frames, T; None where nothing is there that has them."""
        return self._length("T")

    @classmethod
    def stack(cls, signals: Sequence[ControlSignals]) -> ControlSignals:
        """One batch from several; people are padded with NaN to the largest number.

        Raises:
            ValueError: none given, or they hold different signals (train with `present` per sample instead).
        """
        if not signals:
            raise ValueError("nothing to stack")
        if len(signals) == 1:  # hundreds of megabytes that need no copy
            return signals[0]
        present = signals[0].present
        for index, other in enumerate(signals):
            if other.present != present:
                raise ValueError(
                    f"sample {index} has {sorted(other.present)}, sample 0 has {sorted(present)}: "
                    "a batch holds the same signals for all"
                )
        stacked = {name: SIGNALS[name].stack([one.tensors[name] for one in signals]) for name in present}
        return cls(stacked, signals[0].size)

    def only(self, names: Iterable[str]) -> ControlSignals:
        """The signals of these names; those that are not there stay absent.

        Raises:
            ValueError: there is no signal of that name.
        """
        names = list(names)
        check_names(names)
        return replace(self, tensors={name: t for name, t in self.tensors.items() if name in names})

    def drop(self, name: str) -> ControlSignals:
        """Without one signal; dropping what is not there changes nothing.

        Raises:
            ValueError: there is no signal of that name.
        """
        check_names([name])
        return replace(self, tensors={other: t for other, t in self.tensors.items() if other != name})

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ControlSignals:
        """On another device; `dtype` is not for signals that stay exact: masks, joints, cameras, places."""
        return self._map(
            lambda name, tensor: tensor.to(device=device, dtype=None if SIGNALS[name].exact else dtype)
        )

    def window(self, start: int, frames: int, reference: torch.Tensor | None = None) -> ControlSignals:
        """`frames` frames from frame `start` on.

        Args:
            start: first frame.
            frames: how many.
            reference: pose (camera-to-world, in the frame of the present first camera) of the window's first
                camera, [4, 4] or [B, 4, 4]: `camera.relative().c2w[start]`. With it the rays are expressed in
                the window's own first camera; without it they stay relative to the old first frame.

        Raises:
            ValueError: the window does not lie inside.
        """
        length = self.frames
        if length is not None and not 0 <= start < start + frames <= length:
            name = next(name for name in self.tensors if "T" in SIGNALS[name].shape)
            raise ValueError(f"frames {start} to {start + frames} do not lie within the {length} of {name}")
        return self._map(lambda name, tensor: SIGNALS[name].window(tensor, start, frames, reference))

    def _length(self, axis: str) -> int | None:
        for name, tensor in self.tensors.items():
            if axis in SIGNALS[name].shape:
                return tensor.shape[SIGNALS[name].shape.index(axis)]
        return None

    def _map(self, change: Callable[[str, torch.Tensor], torch.Tensor]) -> ControlSignals:
        return ControlSignals({name: change(name, t) for name, t in self.tensors.items()}, self.size)


def control_signals(
    source: Source,
    *,
    size: tuple[int, int],
    frames: int | None = None,
    fps: float | None = None,
    names: Iterable[str] | None = None,
    options: SignalOptions | None = None,
) -> ControlSignals:
    """The signals of one scene, or of people who were detected in pictures, B = 1.

    The source is resampled by time to `fps`, fitted to `size` (scaled to fill, cropped in the middle), cut or held to
    `frames` frames and padded to the next 4k + 1 by repeating the last one. A signal that it does not tell is absent:
    without people there are rays and cameras alone, without a camera skeleton maps and masks alone.

    Args:
        source: a scene whose people have any skeleton that maps to SMPL-24, and a camera; or detected people.
        size: (width, height) in pixels.
        frames: of the video. None: as many as the source has.
        fps: of the video. None: the source's.
        names: of the signals; nothing else is computed. None: those that are common.
        options: how they are drawn.

    Raises:
        ValueError: an unknown signal, a scene without a camera, or somebody's skeleton is not a human one.
    """
    names = [name for name in SIGNALS if SIGNALS[name].common] if names is None else list(names)
    check_names(names)
    on_frames = (
        DetectedFrames(source, size, frames, fps, options)
        if isinstance(source, DetectedPeople)
        else SceneFrames(source, size, frames, fps, options)
    )
    made = {name: SIGNALS[name].of(on_frames) for name in names}
    return ControlSignals({name: t for name, t in made.items() if t is not None}, on_frames.size)
