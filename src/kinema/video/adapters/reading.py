"""What adapters read of a source: the signals that each declares, drawn as its weights know them, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from kinema.scene import DetectedPeople
from kinema.signals.control_signals import ControlSignals, SignalOptions, Source, control_signals
from kinema.video.adapters.adapter import ControlAdapter


def read_signals(
    adapters: Mapping[str, ControlAdapter],
    source: Source,
    *,
    size: tuple[int, int],
    frames: int | None = None,
    fps: float | None = None,
) -> dict[str, ControlSignals]:
    """The signals of each adapter; those that several adapters read are computed once.

    Args:
        adapters: by name.
        source: a scene, or people who were detected in pictures.
        size, frames, fps: of the video, see `control_signals`.

    Raises:
        ValueError: nothing that an adapter reads can be told from pictures alone; or as for `control_signals`.
    """
    drawn: dict[tuple[str, ...], ControlSignals] = {}
    for parts in {adapter.skeleton_parts for adapter in adapters.values()}:
        alike = [adapter for adapter in adapters.values() if adapter.skeleton_parts == parts]
        names = dict.fromkeys(name for adapter in alike for name in adapter.signals)
        options = SignalOptions(parts=parts)
        drawn[parts] = control_signals(
            source, size=size, frames=frames, fps=fps, names=names, options=options
        )
    read = {name: drawn[adapter.skeleton_parts].only(adapter.signals) for name, adapter in adapters.items()}
    for name, signals in read.items():
        if isinstance(source, DetectedPeople) and not signals.present:
            raise ValueError(
                f"{name} needs a scene in 3D: it reads {', '.join(adapters[name].signals)}, which keypoints in pictures "
                "do not tell; capture the video, or take a method that reads skeletons"
            )
    return read
