"""The control bench: does every control move its own thing, and nothing else?

A factorially independent set of films is edited one factor at a time; what is measured of the videos before and after
gives the disentanglement matrix (docs/evaluation_control.md). The renderer is judged first, by the same judges: it
shows what the judges are worth, and its changes are the floor of everybody else's leaks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.camera import JUDGES, CameraJudge
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.disentanglement import Cells, Estimate, Matrix, disentanglement
from kinema.evaluation.protocols.bench_features import MEASUREMENTS, Measured, changes, measure_all
from kinema.evaluation.protocols.bench_set import FACTORS, SHARES, TURNS, Base, factorial_set
from kinema.evaluation.protocols.pipelines import System, film_form, load_system, round_trip, sampling
from kinema.evaluation.protocols.staging import generate_staged
from kinema.scene.formats.files import atomic_write
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import EMBEDDED

PROTOCOL = "bench-4"


@dataclass
class Bench:
    """The test set with what the judges see in its renders and round trips; made once, used for many adapters.

    Args:
        bases: see `factorial_set`.
        network: finds silhouettes.
        renders, round_trips: measurements of all films, in their order; no renders where they were not asked for.
        judges: of the camera.
    """

    bases: list[Base]
    network: KeypointNetworkJudge
    renders: list[Measured]
    round_trips: list[Measured]
    judges: Sequence[CameraJudge] = JUDGES

    @classmethod
    def prepare(
        cls,
        library: MotionLibrary,
        model: VideoModel,
        network: KeypointNetworkJudge,
        *,
        bases: int,
        size: tuple[int, int],
        fps: float,
        frames: int,
        seed: int = 0,
        renders: bool = True,
        judges: Sequence[CameraJudge] = JUDGES,
        progress: bool = False,
    ) -> Bench:
        """Films the test set and measures its floors.

        Args:
            library: the motion library.
            model: the generator, whose autoencoder the round trips pass.
            network: finds silhouettes.
            bases: films that are edited, at least 2.
            size, fps, frames: of a film.
            seed: of everything.
            renders: measure the renders, too, and not the round trips alone.
            judges: of the camera; the first one counts, the second is the second opinion.
            progress: bars on stderr.

        Raises:
            ValueError: fewer than two bases, or not enough films in which the person stays in the picture.
        """
        if bases < 2:
            raise ValueError(f"the bench needs at least two bases, got {bases}")
        drawn = factorial_set(library, bases, size=size, fps=fps, frames=frames, seed=seed)
        films = [film for base in drawn for film in base.films]
        videos = [film.take.rgb for film in films]
        seen = []
        if renders:
            seen = measure_all(
                videos, films, network, judges=judges, description="bench: renders", progress=progress
            )
        restored = [round_trip(model, video) for video in videos]
        trips = measure_all(
            restored, films, network, judges=judges, description="bench: round trips", progress=progress
        )
        return cls(drawn, network, seen, trips, judges)

    def judge(self, system: System, steps: int | None = None, progress: bool = False) -> Matrix:
        """The matrix of a pipeline or baseline."""
        films = [film for base in self.bases for film in base.films]
        videos = generate_staged(system, films, steps, description="bench: generating", progress=progress)
        return self.matrix(
            measure_all(
                videos,
                films,
                self.network,
                judges=self.judges,
                description="bench: generated",
                progress=progress,
            )
        )

    def matrix(self, measured: Sequence[Measured]) -> Matrix:
        """The matrix of videos of all films in their order; leaks are beyond those of the round trips.

        What cannot be measured on the round trips does not count: a thing of which people hide all but a few pixels
        comes into sight where somebody is drawn a little thinner, and these pixels are of the person's border.
        """
        own, intended = self._cells(measured)
        floor = self._cells(self.round_trips)[0]
        own = {cell: np.where(np.isfinite(floor[cell]), found, np.nan) for cell, found in own.items()}
        return disentanglement(own, intended, None if measured is self.renders else floor)

    def _cells(self, measured: Sequence[Measured]) -> tuple[Cells, dict[str, np.ndarray]]:
        """Changes per (factor, measurement), [bases, 4, components], and the intended ones per measurement."""
        per_base = 1 + len(FACTORS) * len(SHARES)
        sets = [measured[begin : begin + per_base] for begin in range(0, len(measured), per_base)]
        cells, intended = {}, {}
        for row, factor in enumerate(FACTORS):
            for name in measured[0].off:
                own = name.split()[0] == factor
                pairs = [
                    [
                        changes(videos[0], videos[1 + row * len(SHARES) + k], name, own)
                        for k in range(len(SHARES))
                    ]
                    for videos in sets
                ]
                cells[name if own else factor, name] = np.array(
                    [[pair[0] for pair in base] for base in pairs]
                )
                if own:
                    intended[name] = np.array([[pair[1] for pair in base] for base in pairs])
        return cells, intended


def evaluate_bench(
    *,
    bases: int = 12,
    seed: int = 0,
    steps: int | None = None,
    adapters: Sequence[str] = ("tokenmotion",),
    out: str | Path | None = None,
    progress: bool = True,
    pipeline: str | Path = EMBEDDED,
    judge: str | Path | None = None,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """The disentanglement matrix of the renderer, of its round trip through the autoencoder, and of each adapter.

    Args:
        bases: films that are edited, at least 2; each gives 21 videos.
        seed: of the films, the noise and the shuffling.
        steps: denoising steps; the pipeline's default where None.
        adapters: control methods and baselines; methods joined by a comma work together (`mosa,tokenmotion:camera`).
        out: folder for `bench.json`.
        progress: bars on stderr.
        pipeline: a backbone that `kinema models` lists, or a folder of weights.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.

    Returns:
        Per system (`renderer`, `roundtrip`, adapters): what `summary` gives.

    Raises:
        FileNotFoundError: no motion library, no weights or no judge.
        ValueError: fewer than two bases, no adapter, or an unknown one.
    """
    if not adapters:
        raise ValueError("name at least one adapter to evaluate")
    network = KeypointNetworkJudge(judge)
    motions = MotionLibrary.open(library)
    system = load_system(pipeline, adapters[0])
    model = system.video_model
    form = film_form(model)
    bench = Bench.prepare(
        motions, model, network, bases=bases, seed=seed, judges=JUDGES, progress=progress, **form
    )
    matrices = {"renderer": bench.matrix(bench.renders), "roundtrip": bench.matrix(bench.round_trips)}
    for index, adapter in enumerate(adapters):
        if index:
            system = load_system(pipeline, adapter)
        matrices[adapter] = bench.judge(system, steps, progress)
    results = {name: summary(matrix) for name, matrix in matrices.items()}
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        report = {
            "protocol": PROTOCOL,
            "kinema": kinema.__version__,
            "settings": {
                **form,
                "bases": bases,
                "seed": seed,
                **sampling(model, steps),
                "shares": SHARES,
                "turns": TURNS,
            },
            "judges": {network.name: network.settings()},
            "systems": {name: details(matrix) for name, matrix in matrices.items()},
        }
        with atomic_write(Path(out) / "bench.json") as path:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return results


def summary(matrix: Matrix) -> dict[str, Any]:
    """gain, r2, gain_shuffled per measurement; leak per row and measurement; leak_max and where it is.

    Second judges have entries of their own, named as in `Measured`; leak_max is without them.
    """
    worst, where = matrix.worst(MEASUREMENTS)
    leaks: dict[str, dict[str, float | None]] = {factor: {} for factor in FACTORS}
    for (row, column), each in matrix.leaks.items():
        leaks[row][column] = rounded(each.value)
    return {
        "gain": {name: rounded(each.value) for name, each in matrix.gains.items()},
        "r2": {name: rounded(value) for name, value in matrix.r2.items()},
        "gain_shuffled": {name: rounded(value) for name, value in matrix.shuffled.items()},
        "leak": leaks,
        "leak_max": rounded(worst),
        "leak_max_at": where,
    }


def details(matrix: Matrix) -> dict[str, Any]:
    """`summary` with the intervals of gains and leaks."""

    def interval(each: Estimate) -> dict[str, float | None]:
        return {name: rounded(value) for name, value in asdict(each).items()}

    return summary(matrix) | {
        "gain_intervals": {name: interval(each) for name, each in matrix.gains.items()},
        "leak_intervals": {" -> ".join(cell): interval(each) for cell, each in matrix.leaks.items()},
    }


def table(results: dict[str, Any]) -> str:
    """Matrices as text: gains on the diagonal (in brackets), leaks beside them; then the same by the second judges."""
    lines = []
    for system, figures in results.items():
        seconds = {name.split()[0]: name for name in figures["gain"] if name not in MEASUREMENTS}
        lines += _panel(f"{system}: edited -> measured", figures, MEASUREMENTS)
        lines.append(f"  largest leak {_cell(figures['leak_max'])} ({figures['leak_max_at']})")
        lines += _panel("  second judges", figures, [seconds.get(name, "") for name in MEASUREMENTS])
    return "\n".join(lines)


def _panel(title: str, figures: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Lines of one matrix; of `names`, the measurement by one judge each, the last words are the columns' heads."""
    lines = [f"{title:<34}" + "".join(f"{name.partition(' ')[2] or name:>14}" for name in names)]
    for factor in FACTORS:
        cells = [
            f"({_cell(figures['gain'].get(name))})"
            if factor == name.partition(" ")[0]
            else _cell(figures["leak"][factor].get(name))
            for name in names
        ]
        lines.append(f"  {factor:<32}" + "".join(f"{cell:>14}" for cell in cells))
    for label, key in (("R2", "r2"), ("gain by foreign intentions", "gain_shuffled")):
        cells = [_cell(figures[key].get(name)) for name in names]
        lines.append(f"  {label:<32}" + "".join(f"{cell:>14}" for cell in cells))
    return lines


def rounded(value: float) -> float | None:
    """Four decimals; None where it is no number."""
    return round(float(value), 4) if np.isfinite(value) else None


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
