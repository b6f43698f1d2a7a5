"""How capture decays: noise, blur, low resolution and dropped keypoints, each in growing strength on the same takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from kinema.capture.capture import lifted_or_missing
from kinema.capture.observation import Capture
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.protocols.capture import Judged, column, judge, write_report
from kinema.evaluation.protocols.capture_scores import TakeVideo, dropped, video_of
from kinema.evaluation.protocols.capture_takes import CaptureTake, Conditions, film_take

STRENGTHS: dict[str, tuple[float, ...]] = {
    "noise": (10.0, 25.0, 50.0),
    "blur": (1.0, 2.0, 4.0),
    "resolution": (0.5, 0.25, 0.125),
    "dropped": (0.1, 0.3, 0.6),
}
"""Standard deviation in grey levels of 255; radius (standard deviation) in pixels; share of the picture's side; share
of the keypoints that were not seen."""

MEASURES = ("detection", "pck", "pa_mpjpe_mm", "camera_rotation_deg", "coverage")

_TAKES = tuple(
    Conditions("one", "none", camera, 30.0, (384, 384), "textured", "known")
    for camera in ("static", "arc", "handheld")
)


@dataclass(frozen=True)
class Degradation:
    """One way of making a video worse.

    Args:
        kind: a name of STRENGTHS, or "none".
        strength: how much.
    """

    kind: str
    strength: float = 0.0

    def video(self, take: CaptureTake, seed: int) -> TakeVideo:
        """The take's video, made worse."""
        clean = video_of(take)
        if self.kind == "noise":
            rng = np.random.default_rng(seed)
            noisy = clean.pixels + rng.normal(0, self.strength, clean.pixels.shape)
            return replace(clean, pixels=np.clip(noisy, 0, 255).round().astype(np.uint8))
        if self.kind == "blur":
            return replace(
                clean, pixels=_each(clean.pixels, lambda f: cv2.GaussianBlur(f, (0, 0), self.strength))
            )
        if self.kind == "resolution":
            size = tuple(max(4, round(side * self.strength)) for side in clean.size)
            small = _each(clean.pixels, lambda f: cv2.resize(f, size, interpolation=cv2.INTER_AREA))
            back = _each(small, lambda f: cv2.resize(f, clean.size, interpolation=cv2.INTER_CUBIC))
            return replace(clean, pixels=back)
        return clean

    def change(self, seed: int) -> Callable[[Capture], Capture] | None:
        """What is done to the capture itself: keypoints are lost before they are lifted."""
        if self.kind != "dropped":
            return None

        def lose(made: Capture) -> Capture:
            assert made.scene.camera is not None
            rng = np.random.default_rng(seed)
            tracks = tuple(dropped(track, self.strength, rng) for track in made.tracks)
            people = tuple(lifted_or_missing(track, made.scene.camera).motion for track in tracks)
            return replace(made, tracks=tracks, scene=replace(made.scene, people=people))

        return lose


def degradations() -> list[Degradation]:
    """None, then every kind in growing strength."""
    return [
        Degradation("none"),
        *(Degradation(k, s) for k, strengths in STRENGTHS.items() for s in strengths),
    ]


def evaluate_degradation(
    *,
    takes: int = 3,
    seed: int = 0,
    detector: str = "mediapipe",
    model: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """Captures the same takes of one unoccluded person worse and worse.

    Low resolution is shrunk and enlarged again, so that only detail is lost and errors in pixels stay comparable.

    Args:
        takes: how many; cameras static, arc and handheld in turn.
        seed: of clips, actors, worlds, cameras and of the noise.
        detector, model: see `capture`.
        out: folder for `capture_degraded.json`.
        progress: a bar on stderr.
        library: folder of the motion library; its default place where None.

    Returns:
        `takes`, and per kind and strength the MEASURES, means over takes; "none" is the undegraded video.

    Raises:
        FileNotFoundError: no motion library or model file.
        ValueError: an option out of range.
    """
    if takes < 1:
        raise ValueError(f"--takes {takes}: give at least one")
    clips = MotionLibrary.open(library).split("test")
    ways = degradations()
    judged: dict[Degradation, list[Judged]] = {way: [] for way in ways}
    with tqdm(total=takes * len(ways), desc="captures", unit="capture", disable=not progress) as bar:
        for number in range(takes):
            take = film_take(clips, _TAKES[number % len(_TAKES)], number, seed)
            for way in ways:
                made = judge(
                    take,
                    detector=detector,
                    model=model,
                    video=way.video(take, seed),
                    change=way.change(seed),
                    floors=False,
                )
                judged[way].append(made)
                bar.update()
    figures: dict[str, Any] = {"takes": takes, "none": _measures(judged[ways[0]])}
    for kind, strengths in STRENGTHS.items():
        figures[kind] = {f"{s:g}": _measures(judged[Degradation(kind, s)]) for s in strengths}
    if out is not None:
        settings = {"takes": takes, "seed": seed, "detector": detector, "strengths": STRENGTHS}
        flat = [
            replace(one, facts={**one.facts, "degradation": way.kind, "strength": way.strength})
            for way, several in judged.items()
            for one in several
        ]
        write_report(Path(out) / "capture_degraded.json", settings, figures, flat)
    return figures


def degradation_table(figures: dict[str, Any]) -> str:
    """One row per kind and strength."""
    lines = [f"{'':<20}" + "".join(f"{name:>22}" for name in MEASURES)]
    lines.append(_row("none", figures["none"]))
    for kind in STRENGTHS:
        lines += [_row(f"{kind} {strength}", row) for strength, row in figures[kind].items()]
    return "\n".join(lines)


def _row(name: str, measures: dict[str, float | None]) -> str:
    return f"{name:<20}" + "".join(
        f"{'-':>22}" if value is None else f"{value:>22.3f}" for value in measures.values()
    )


def _measures(judged: Sequence[Judged]) -> dict[str, float | None]:
    means = {name: column(judged, name).mean for name in MEASURES}
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in means.items()}


def _each(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([change(frame) for frame in pixels])
