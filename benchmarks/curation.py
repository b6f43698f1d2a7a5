"""Curation: 200 short films to shards, by this process and by Ray; equal bytes, ten kills, memory.

    PYTHONPATH=. python benchmarks/curation.py --out DIR              films, then everything, about half an hour
    PYTHONPATH=. python benchmarks/curation.py --out DIR --films 24   a trial

Needs the motion library and `pip install 'kinema[ray]'`. Among the films are some with a second person, some of two
shots, some without movement and two that are broken, so that each filter has something to do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from kinema.data.filming import film_clip
from kinema.data.motion_library import MotionLibrary
from kinema.media.video import write_video

SIZE, FPS, FRAMES = (256, 256), 12.0, 30


def film(folder: Path, count: int) -> None:
    """Writes the films with their captions."""
    library = MotionLibrary.open()
    clips = [clip for clip in library.split("val") if clip.seconds > 3]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"film-{number:04d}.mp4"
        if path.is_file():
            continue
        rng = np.random.default_rng([7, number])
        kind = number % 20
        clip, other = (clips[int(rng.integers(len(clips)))] for _ in range(2))
        shown: dict[str, Any] = {
            "size": SIZE,
            "fps": FPS,
            "frames": FRAMES,
            "azimuth": float(rng.normal(0, 30)),
        }
        made = film_clip(clip, seed=[1, number], companion=other if kind == 3 else None, **shown)
        frames = made.take.rgb
        if kind == 7:
            frames = np.concatenate([frames, film_clip(other, seed=[2, number], **shown).take.rgb])
        if kind == 11:
            frames = np.repeat(frames[:1], FRAMES, axis=0)
        write_video(path, frames, FPS)
        path.with_suffix(".mp4.json").unlink(missing_ok=True)
        path.with_suffix(".txt").write_text(made.caption, encoding="utf-8")
        if number % 100 == 50:
            path.write_bytes(path.read_bytes()[:400])


def command(films: Path, out: Path, *options: str, core: bool = False) -> list[str]:
    first = ["taskset", "-c", "0"] if core else []
    return [*first, sys.executable, "-m", "kinema", "curate", str(films), "-o", str(out), "--json", *options]


def run(
    films: Path,
    out: Path,
    *options: str,
    watch: Callable[[subprocess.Popen[bytes]], None] | None = None,
    core: bool = False,
) -> dict[str, Any]:
    """One run in a process of its own: seconds, the report, and bytes in memory of all its processes.

    Args:
        films, out, options: of the command.
        watch: beside it.
        core: on one core, as a worker has it on a larger machine; one worker alone keeps both cores of two busy.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    begun, memory = time.perf_counter(), list[int]()
    process = subprocess.Popen(
        command(films, out, *options, core=core),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    done = threading.Event()

    def measure() -> None:
        while not done.wait(1.0):
            memory.append(held(process.pid))

    threads = [threading.Thread(target=measure, daemon=True)]
    if watch is not None:
        threads.append(threading.Thread(target=watch, args=(process,), daemon=True))
    for thread in threads:
        thread.start()
    said, _ = process.communicate()
    done.set()
    lines = said.decode().strip().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {
        "seconds": time.perf_counter() - begun,
        "code": process.returncode,
        "report": report,
        "memory": memory,
    }


def family(pid: int) -> list[psutil.Process]:
    """A process and all that come from it, Ray's workers among them."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def held(pid: int) -> int:
    """Bytes that a process and its children have for themselves."""
    total = 0
    for process in family(pid):
        try:
            total += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total


def workers(pid: int) -> list[psutil.Process]:
    """Ray's actors that come from a process."""
    found = []
    for process in family(pid):
        try:
            if any("_Actor" in part or "MapWorker" in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_some(kills: list[str], seed: int) -> Callable[[subprocess.Popen[bytes]], None]:
    """Kills an actor, or the run itself, at random moments; appends what it killed."""
    rng = random.Random(seed)

    def watch(process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            time.sleep(rng.uniform(15, 45))
            actors = workers(process.pid)
            if process.poll() is not None:
                return
            if actors and len(kills) % 3 != 2:
                with suppress(psutil.NoSuchProcess):
                    rng.choice(actors).kill()
                    kills.append("actor")
            else:
                process.send_signal(signal.SIGKILL)
                kills.append("driver")
                return

    return watch


def digests(out: Path) -> dict[str, str]:
    """What a run has made."""
    files = [*out.glob("shard-*"), out / "manifest.json", out / "clips.jsonl"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def flat(memory: list[int]) -> dict[str, float]:
    """Megabytes in the second and in the last quarter of a run, of which the first is its start."""
    quarter = max(1, len(memory) // 4)
    parts = memory[quarter : 2 * quarter] or memory, memory[-quarter:] or memory
    return {
        name: max(part) / 1e6 for name, part in zip(("second_quarter", "last_quarter"), parts, strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--backbone", default="mini", help="whose latents are made; none for none")
    parser.add_argument(
        "--camera", default="static", help="auto solves each camera, which takes five times as long"
    )
    asked = parser.parse_args()
    films, out = asked.out / f"films-{asked.films}", asked.out
    film(films, asked.films)
    encode = ["--camera", asked.camera]
    encode += [] if asked.backbone == "none" else ["--backbone", asked.backbone]
    figures: dict[str, Any] = {"films": asked.films}
    made = {}
    ways: dict[str, tuple[str, ...]] = {
        "local": (),
        "ray1": ("--workers", "1"),
        "ray2": ("--workers", "2"),
    }
    for name, options in ways.items():
        done = run(films, out / name, *encode, *options, core=name == "ray1")
        made[name] = digests(out / name)
        figures[name] = {
            "seconds": round(done["seconds"], 1),
            "films_per_minute": round(60 * asked.films / done["seconds"], 1),
            "kept": done["report"].get("kept"),
            "memory_mb": {key: round(value) for key, value in flat(done["memory"]).items()},
            "equal_to_local": made[name] == made["local"],
        }
        print(json.dumps({name: figures[name]}), flush=True)
        figures[name]["stages"] = {
            stage: round(told["seconds"] / told["done"], 2)
            for stage, told in done["report"]["stages"].items()
            if told["done"]
        }
    kills: list[str] = []
    runs = 0
    while True:
        runs += 1
        watch = kill_some(kills, runs) if len(kills) < asked.kills else None
        done = run(films, out / "killed", *encode, "--workers", "2", watch=watch)
        if done["code"] == 0:
            break
        if runs > 10 * asked.kills + 10:
            raise SystemExit(f"the killed run does not end: code {done['code']}")
    figures["kills"] = {
        "actors": kills.count("actor"),
        "drivers": kills.count("driver"),
        "runs": runs,
        "equal_to_local": digests(out / "killed") == made["local"],
    }
    stages = done["report"]["stages"]
    figures["left_out"] = {name: stage["reasons"] for name, stage in stages.items() if stage["reasons"]}
    print(json.dumps(figures, indent=1))
    (out / "curation.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
