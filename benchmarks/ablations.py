"""The papers' ablation tables in miniature: every row trained equally, judged on the same takes, each ordering weighed.

    python benchmarks/ablations.py --system mosa --steps 300 --seeds 0,1,2 --clips 32 --out runs/ablations
    python benchmarks/ablations.py --summarise --out runs/ablations

All rows of a system train a new adapter on the same frozen transformer: the same steps, batches, rate and takes, by
recipe `control`. Then each makes the videos of the same unseen takes as `kinema evaluate control` does, which are judged
beside another take's truth (shuffled). Rows take turns seed by seed, so that a stop leaves whole seeds; what is there is
not made again, and a training that was stopped goes on exactly. `--minutes` bounds all of it. The last line is JSON;
what the verdicts mean stands in docs/ablations.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.ablation_rows import SYSTEMS, Row
from kinema.evaluation.protocols.ablation_tables import MEASURES, markdown, summarise
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.evaluation.protocols.pipelines import generate, round_trip
from kinema.evaluation.statistics import derangement
from kinema.scene.formats.files import atomic_write
from kinema.training.checkpoint import newest, read_checkpoint
from kinema.training.recipes import run_recipe
from kinema.video import KinemaPipeline, load_pipeline

PROTOCOL = "ablations-1"
WEIGHTS = files("kinema") / "weights"


class Bench:
    """Takes, judge and floors, made when they are first needed.

    Args:
        weights: of the frozen transformer.
        clips: how many takes.
        denoise: steps of the pipeline; its default where None.
        library: of motion; its default place where None.
    """

    def __init__(self, weights: Path, clips: int, denoise: int | None, library: str | None) -> None:
        self.weights, self.count, self.denoise, self.library = weights, clips, denoise, library
        self.network = KeypointNetworkJudge()
        self.shuffle = derangement(clips)

    @cached_property
    def plain(self) -> KinemaPipeline:
        return load_pipeline(self.weights, adapters=())

    @cached_property
    def clips(self) -> list[ControlClip]:
        """Those of `kinema evaluate control --clips N --seed 0`."""
        form = self.plain.video_format
        library = MotionLibrary.open(self.library)
        return choose_clips(library, self.count, size=form.size, fps=form.fps, frames=form.frames)

    def taken(self) -> dict[str, Any]:
        """Which takes these are: their motions, and a hash of their films."""
        films = hashlib.sha256(b"".join(clip.video.tobytes() for clip in self.clips))
        return {"takes": [clip.film.clip_id for clip in self.clips], "films": films.hexdigest()}

    def judge(self, pipe: KinemaPipeline) -> dict[str, Any]:
        """What `measure` says of a pipeline's videos."""
        pipe.set_progress_bar_config(disable=True)
        return self.measure(generate(pipe, self.clips, self.denoise))

    def measure(self, videos: Sequence[np.ndarray]) -> dict[str, list[float | None]]:
        """MEASURES per clip, and PCK and IoU against another clip's truth."""
        scores: dict[str, list[float]] = {name: [] for name in (*MEASURES, "pck_shuffled", "iou_shuffled")}
        for clip, other, video in zip(self.clips, self.shuffle, videos, strict=True):
            sighting, silhouette = self.network.watch_all(video)
            for suffix, truth in (("", clip), ("_shuffled", self.clips[other])):
                scores["pck" + suffix].append(pck(sighting.points, truth.truth))
                scores["iou" + suffix].append(silhouette_iou(silhouette, truth.mask))
            clean, still = self._latents(clip.video), np.repeat(clip.video[:1], len(clip.video), axis=0)
            worst = (self._latents(still) - clean).square().sum()
            scores["error"].append(float((self._latents(video) - clean).square().sum() / worst))
        return {name: [None if math.isnan(v) else round(v, 5) for v in row] for name, row in scores.items()}

    def floors(self) -> dict[str, Any]:
        """The same of the render, of its round trip through the autoencoder, and of its first frame held still."""
        truth = [clip.video for clip in self.clips]
        return {
            "render": self.measure(truth),
            "round trip": self.measure([round_trip(self.plain.video_model, video) for video in truth]),
            "frozen first frame": self.measure([np.repeat(video[:1], len(video), axis=0) for video in truth]),
        }

    @torch.no_grad()
    def _latents(self, video: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(video.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
        return self.plain.autoencoder.encode(pixels).latent_dist.mode()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    if not arguments.summarise:
        run(arguments)
    summaries = {
        name: summarise(name, arguments.out / name)
        for name in arguments.system
        if (arguments.out / name).is_dir()
    }
    for name, summary in summaries.items():
        print(markdown(name, summary))
    print(json.dumps({"protocol": PROTOCOL, "systems": summaries}))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--system", action="append", choices=list(SYSTEMS), help="all where not given")
    parser.add_argument(
        "--rows", type=lambda text: text.split(","), help="names; those of the paper by default"
    )
    parser.add_argument(
        "--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument("--steps", default=300, **number, help="of training, for every row")
    parser.add_argument(
        "--tokenizer-steps", default=600, **number, help="for rows with a tokenizer of their own"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="for everything")
    parser.add_argument("--clips", default=32, **number, help="takes that every row is judged on")
    parser.add_argument(
        "--weights", type=Path, default=Path(str(WEIGHTS / "mini")), help="transformer, autoencoder"
    )
    parser.add_argument("--tokenizer", type=Path, default=Path(str(WEIGHTS / "motion_tokenizer")))
    parser.add_argument("--batch", default=5, **number)
    parser.add_argument("--frames", default=17, **number, help="of the films that are trained on")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--workers", default=1, **number, help="processes that film; 0 films in this one")
    parser.add_argument(
        "--denoise", default=None, **number, help="denoising steps; the pipeline's by default"
    )
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    parser.add_argument("--threads", default=1, **number)
    parser.add_argument("--library", help="folder of the motion library")
    parser.add_argument("--out", type=Path, default=Path("out") / "ablations")
    parser.add_argument("--summarise", action="store_true", help="only the tables of what is there")
    arguments = parser.parse_args(words)
    arguments.system = arguments.system or list(SYSTEMS)
    known = {row.name for system in arguments.system for row in SYSTEMS[system].rows}
    unknown = sorted(set(arguments.rows or []) - known)
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return arguments


def run(arguments: argparse.Namespace) -> None:
    """Trains and judges what is missing, until the time is over."""
    end = time.monotonic() + 60 * arguments.minutes
    bench = Bench(arguments.weights, arguments.clips, arguments.denoise, arguments.library)
    for name in arguments.system:
        _check_settings(arguments.out / name, _settings(name, arguments, bench))
    for seed, name, row in jobs(arguments):
        folder = arguments.out / name
        result = folder / f"{row.name}-{seed}.json"
        if result.exists():
            continue
        left = (end - time.monotonic()) / 60
        if left <= 0:
            print("the time is over; start again to go on")
            return
        floors = folder / "floors.json"
        if not floors.exists():
            _write(floors, bench.taken() | bench.floors())
        if json.loads(floors.read_text())["films"] != bench.taken()["films"]:
            raise ValueError(f"{folder} holds rows judged on other takes: choose another --out")
        twin = None if row.trained else next(folder.glob(f"{row.name}-*.json"), None)
        if twin is not None:  # nothing is trained, and noise is the clip's: every seed is the same
            _write(result, json.loads(twin.read_text()) | {"seed": seed})
            continue
        print(f"{name}, {row.name}, seed {seed}", flush=True)
        try:
            made = train(name, row, seed, arguments, left)
        except FloatingPointError as error:  # the other rows can be made all the same
            print(f"{name}, {row.name}, seed {seed} failed: {error}")
            continue
        if made is None:
            print("the time is over, its training goes on next time")
            return
        begin = time.process_time()
        pipe = load_pipeline(made, adapters=(name,)) if row.trained else bench.plain
        scores = bench.judge(pipe)
        facts = json.loads((made / "cost.json").read_text()) if row.trained else {}
        facts |= {"row": row.name, "seed": seed, "judge_cpu_seconds": round(time.process_time() - begin, 1)}
        _write(result, facts | scores)


def jobs(arguments: argparse.Namespace) -> Iterator[tuple[int, str, Row]]:
    """(seed, system, row): all rows of a seed before the next seed."""
    for seed in arguments.seeds:
        for name in arguments.system:
            for row in SYSTEMS[name].rows:
                if row.name in arguments.rows if arguments.rows else not row.ours:
                    yield seed, name, row


def train(name: str, row: Row, seed: int, arguments: argparse.Namespace, minutes: float) -> Path | None:
    """The folder of a row's pipeline, trained to the end; None where the time did not suffice."""
    if not row.trained:
        return arguments.weights
    folder = arguments.out / name / f"{row.name}-{seed}"
    if (folder / "export" / "cost.json").exists():
        return folder / "export"
    common = {"data.workers": str(arguments.workers)}
    if arguments.library:
        common["data.library"] = arguments.library
    options = {
        **common,
        "model.adapter": name,
        "model.weights": str(arguments.weights),
        "model.options": json.dumps(row.options),
        "model.compile": str(arguments.compile),
        "data.batch": str(arguments.batch),
        "data.frames": str(arguments.frames),
        "trainer.steps": str(arguments.steps),
        "trainer.learning_rate": str(arguments.rate),
        "trainer.warmup": str(max(1, arguments.steps // 10)),
        "trainer.decay": "0.5",
        **SYSTEMS[name].settings,
        **row.settings,
    }
    end = time.monotonic() + 60 * minutes
    if name == "mtvcraft":
        tokenizer = arguments.tokenizer
        if row.form is not None:
            own = common | {
                "model.form": row.form,
                "trainer.steps": str(arguments.tokenizer_steps),
                "trainer.learning_rate": "6e-4",
            }
            place = arguments.out / name / f"tokenizer-{row.form}-{seed}"
            tokenizer = place / "tokenizer"
            if not _finished(place, arguments.tokenizer_steps):
                run_recipe("tokenizer", place, minutes, "cpu", seed, own)
            if not _finished(place, arguments.tokenizer_steps):
                return None
        options["model.tokenizer"] = str(tokenizer)
    spent = _processor_seconds()
    made = run_recipe("control", folder, (end - time.monotonic()) / 60, "cpu", seed, options)
    _add_cost(folder / "cost.json", _processor_seconds() - spent)
    if not _finished(folder, arguments.steps):
        return None
    shutil.copy(folder / "cost.json", made / "cost.json")
    shutil.rmtree(folder / "checkpoint")
    return made


def _finished(folder: Path, steps: int) -> bool:
    return (
        newest(folder / "checkpoint") is not None
        and read_checkpoint(folder / "checkpoint")[1]["step"] >= steps
    )


def _processor_seconds() -> float:
    """Of this process and of those it has waited for: filming processes count once they have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _add_cost(file: Path, seconds: float) -> None:
    before = json.loads(file.read_text())["train_cpu_seconds"] if file.exists() else 0.0
    _write(file, {"train_cpu_seconds": round(before + seconds, 1)})


def _settings(name: str, arguments: argparse.Namespace, bench: Bench) -> dict[str, Any]:
    """What must be equal for rows to be comparable."""
    keys = ("steps", "batch", "frames", "rate", "clips", "denoise")
    parts = {part: arguments.weights / part for part in ("transformer", "autoencoder")}
    settings = {"protocol": PROTOCOL, **{key: getattr(arguments, key) for key in keys}}
    if name == "mtvcraft":
        parts["tokenizer"] = arguments.tokenizer
        settings["tokenizer_steps"] = arguments.tokenizer_steps
    return settings | {"judge": bench.network.sha256} | {part: _hash(path) for part, path in parts.items()}


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Keeps them beside the rows.

    Raises:
        ValueError: there are rows made with others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "settings.json"
    if not file.exists():
        _write(file, settings)
    before = json.loads(file.read_text())
    changed = [key for key in {**before, **settings} if before.get(key) != settings.get(key)]
    if changed:
        told = ", ".join(f"{key} {before.get(key)} and now {settings.get(key)}" for key in changed)
        raise ValueError(f"{folder} holds rows made with other settings: {told}; choose another --out")


def _write(file: Path, value: dict[str, Any]) -> None:
    with atomic_write(file) as path:
        path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
