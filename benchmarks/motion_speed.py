"""How fast text becomes motion: a 6-second motion, the first chunk of a stream, and ten minutes of streaming.

    python benchmarks/motion_speed.py

The text encoder is loaded before the clock runs, as in a session; prompts are new each time, so encoding them counts.
Gates read the fastest of the repeats, which says what the code costs where other work shares the cores; medians follow.
The last line is JSON; the gates are realtime_factor >= 100, first_chunk_ms < 100, memory_growth_mb < 5.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from itertools import count
from pathlib import Path
from statistics import median

import torch

from kinema.motion.motion_pipeline import TextToMotionPipeline

SECONDS = 6.0
GATES = {"realtime_factor": 100.0, "first_chunk_ms": 100.0, "memory_growth_mb": 5.0}


def resident_mb() -> float:
    """Memory of this process, MB."""
    gc.collect()
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def timed_motion(pipe: TextToMotionPipeline, prompt: str, **options: object) -> float:
    start = time.perf_counter()
    pipe(prompt, seconds=SECONDS, **options)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--weights", default=None, help="folder of a motion model; the embedded one by default"
    )
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the stream")
    parser.add_argument("--threads", type=int, default=1, help="two gain nothing at this size")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pipe = TextToMotionPipeline.from_pretrained(arguments.weights)
    numbers = count()
    timed_motion(pipe, "a person warms up")
    times = [timed_motion(pipe, f"a person walks forward {next(numbers)}") for _ in range(arguments.repeats)]
    plain = [
        timed_motion(pipe, f"a person walks forward {next(numbers)}", guidance=1.0)
        for _ in range(arguments.repeats)
    ]
    print(f"6 s of motion: {min(times) * 1000:.0f} ms, median {median(times) * 1000:.0f} ms")
    print(f"without guidance: {min(plain) * 1000:.0f} ms")

    firsts = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        next(pipe.stream(f"a person waves {next(numbers)}"))
        firsts.append(time.perf_counter() - start)
    print(f"first chunk of 1.6 s: {min(firsts) * 1000:.0f} ms (median {median(firsts) * 1000:.0f})")

    stream = pipe.stream("a person walks forward", chunk_seconds=3.2)
    for _ in range(10):
        next(stream)
    before, start = resident_mb(), time.perf_counter()
    chunks = round(arguments.minutes * 60 / 3.2)
    for _ in range(chunks):
        next(stream)
    took, growth = time.perf_counter() - start, resident_mb() - before
    print(f"{chunks * 3.2:.0f} s of stream in {took:.1f} s; memory {before:.0f} MB, {growth:+.1f} MB")

    result = {
        "realtime_factor": round(SECONDS / min(times), 1),
        "realtime_factor_unguided": round(SECONDS / min(plain), 1),
        "first_chunk_ms": round(min(firsts) * 1000, 1),
        "memory_growth_mb": round(growth, 2),
        "stream_realtime_factor": round(chunks * 3.2 / took, 1),
        "realtime_factor_median": round(SECONDS / median(times), 1),
        "first_chunk_ms_median": round(median(firsts) * 1000, 1),
        "steps": pipe.steps,
        "guidance": pipe.guidance,
        "threads": arguments.threads,
    }
    passed = (
        result["realtime_factor"] >= GATES["realtime_factor"]
        and result["first_chunk_ms"] < GATES["first_chunk_ms"]
        and result["memory_growth_mb"] < GATES["memory_growth_mb"]
    )
    print(json.dumps({**result, "passed": passed}))


if __name__ == "__main__":
    main()
