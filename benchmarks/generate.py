"""Time and memory of the default video generation, split by stage, beside the floor that its arithmetic gives.

Animates the picture in examples/ with a motion in examples/, as `kinema animate` does: load, text, encode (picture),
control (signals and adapter), denoise, decode, write (MP4). Times are exclusive, medians over the repeats, by the wall
clock and in CPU seconds of all threads, which say something on a busy machine, too. Memory is the resident size at its
highest in each stage, sampled every few milliseconds. The floor divides the floating-point operations of each stage's
matrix products, attention and convolutions, as torch counts them, by the rate per CPU second of a large float32 matrix
product measured between the repeats. The last line is JSON.

    python benchmarks/generate.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("load", "text", "encode", "control", "denoise", "decode", "write", "other")


class Stages:
    """Exclusive seconds, highest memory, and operations of each stage."""

    def __init__(self) -> None:
        self.stack = ["other"]
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.bytes: dict[str, int] = defaultdict(int)
        self.flops: dict[str, int] = defaultdict(int)
        self.counter: Any = None
        self._since, self._cpu_since = time.perf_counter(), time.process_time()
        self._counted = 0
        self._page = os.sysconf("SC_PAGE_SIZE")
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._charge()
        self.stack.append(name)
        try:
            yield
        finally:
            self._charge()
            self.stack.pop()

    def around(self, name: str, function: Callable) -> Callable:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return timed

    def reset(self) -> None:
        self.seconds.clear()
        self.cpu.clear()
        self.flops.clear()
        self._since, self._cpu_since = time.perf_counter(), time.process_time()
        self._counted = 0

    def read(self) -> tuple[dict[str, float], dict[str, float]]:
        """Exclusive seconds and CPU seconds by stage since the last reset."""
        self._charge()
        return dict(self.seconds), dict(self.cpu)

    def _charge(self) -> None:
        now, cpu = time.perf_counter(), time.process_time()
        self.seconds[self.stack[-1]] += now - self._since
        self.cpu[self.stack[-1]] += cpu - self._cpu_since
        self._since, self._cpu_since = now, cpu
        self._note_memory()
        if self.counter is not None:
            total = self.counter.get_total_flops()
            self.flops[self.stack[-1]] += total - self._counted
            self._counted = total

    def _note_memory(self) -> None:
        name = self.stack[-1]
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * self._page
        self.bytes[name] = max(self.bytes[name], resident)

    def _watch(self) -> None:
        while True:
            self._note_memory()
            time.sleep(0.01)


def matmul_rate(size: int = 1536, repeats: int = 6) -> float:
    """Operations per CPU second of a large float32 matrix product, the best of a few."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    best = 0.0
    for _ in range(repeats):
        begin = time.process_time()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (time.process_time() - begin))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument(
        "--steps", type=int, help="denoising steps per window; the default of mini where left out"
    )
    parser.add_argument("--adapter", default=None, help="control method; the default one where left out")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    stages = Stages()
    with stages.stage("load"):
        import torch
        from PIL import Image
        from torch.utils.flop_counter import FlopCounterMode

        from kinema.media.video import write_video
        from kinema.scene import Scene
        from kinema.scene.formats import read_motion
        from kinema.scene.framing import direct
        from kinema.video import load_pipeline
        from kinema.video import pipeline as pipeline_module

        torch.set_num_threads(arguments.threads)
        adapters = None if arguments.adapter is None else (arguments.adapter,)
        pipeline = load_pipeline("mini", adapters)
        pipeline.set_progress_bar_config(disable=True)
    load_seconds, load_cpu = stages.seconds["load"], stages.cpu["load"]
    motion = read_motion(ROOT / "examples" / "walk_and_wave.bvh", as_smpl24=True)
    scene = Scene((motion,), None, motion.fps)
    scene = direct(
        scene,
        size=pipeline.size,
        fps=pipeline.fps,
        camera="arc left 45deg",
        tracking="none",
        seconds=arguments.seconds,
    )
    picture = Image.open(ROOT / "examples" / "character.png")

    model = pipeline.video_model
    for owner, name, stage in (
        (model, "encode_text", "text"),
        (model, "begin_window", "encode"),
        (model, "before_backdrop", "encode"),
        (model, "sample", "denoise"),
        (model, "decode", "decode"),
        (pipeline_module, "read_signals", "control"),
        *((adapter, "encode", "control") for adapter in pipeline.adapters.values()),
    ):
        setattr(owner, name, stages.around(stage, getattr(owner, name)))
    write = stages.around("write", write_video)

    def generate(folder: Path) -> int:
        made = pipeline(
            "a person walks forward and waves",
            picture,
            scene,
            frames=scene.frames,
            seed=0,
            steps=arguments.steps,
        )
        write(folder / "out.mp4", made.frames, made.fps, made.settings, scale=3)
        return len(made.frames)

    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    rates = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(arguments.repeats + 1):
            stages.reset()
            frames = generate(folder)
            runs.append(stages.read())
            rates.append(matmul_rate())
        stages.reset()
        with FlopCounterMode(display=False) as counter:
            stages.counter = counter
            generate(folder)
            stages.read()
        stages.counter = None
    rate = max(rates)
    later = runs[1:]
    seconds, cpu = (
        {stage: median(run[clock].get(stage, 0.0) for run in later) for stage in STAGES[1:]}
        | {"load": (load_seconds, load_cpu)[clock]}
        for clock in (0, 1)
    )
    floor = {stage: stages.flops[stage] / rate for stage in STAGES}
    print(f"{'stage':10}{'seconds':>10}{'CPU s':>10}{'GFLOP':>10}{'floor CPU s':>13}{'peak MB':>10}")
    for stage in STAGES:
        print(
            f"{stage:10}{seconds[stage]:10.3f}{cpu[stage]:10.3f}{stages.flops[stage] / 1e9:10.1f}"
            f"{floor[stage]:13.3f}{stages.bytes[stage] / 1e6:10.0f}"
        )
    total = {"seconds": sum(seconds.values()) - load_seconds, "cpu_seconds": sum(cpu.values()) - load_cpu}
    result = {
        "frames": frames,
        "threads": arguments.threads,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "cpu_seconds": {stage: round(value, 3) for stage, value in cpu.items()},
        "gflop": {stage: round(value / 1e9, 1) for stage, value in stages.flops.items() if value},
        "peak_mb": {stage: round(stages.bytes[stage] / 1e6) for stage in STAGES},
        "matmul_gflops_per_cpu_second": round(rate / 1e9, 1),
        "total_after_load": {name: round(value, 3) for name, value in total.items()},
        "floor_cpu_seconds": round(sum(floor.values()), 3),
        "times_the_floor": round(total["cpu_seconds"] / sum(floor.values()), 1),
        "denoise_times_the_floor": round(cpu["denoise"] / floor["denoise"], 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
