"""How fast control passes are made: frames per second of all of VACE's for one person, drawn and written as MP4.

    python benchmarks/passes.py [--size 832x480] [--frames 81] [--model vace]

The model plays 16 frames a second: passes must be made faster than that. Compiled kernels are warmed up first, by a
short shot of the same size. `processor_s` is the time of all threads together, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import kinema
from kinema.app.inputs import parse_size

MOTION = Path(__file__).parents[1] / "examples" / "jumping_jacks.bvh"


def seconds_of(model: str, size: tuple[int, int], frames: int, fps: float) -> tuple[float, float, int]:
    """Seconds for drawing, seconds for writing, and frames that were made."""
    began = time.perf_counter()
    made = kinema.make_passes(
        MOTION,
        model,
        camera="arc left 60deg",
        picture=MOTION.parent / "character.png",
        size=size,
        seconds=(frames - 1) / fps,
        beyond="loop",
        progress=kinema.Progress(),
    )
    drawn = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "passes")
    return drawn - began, time.perf_counter() - drawn, made.frames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--model", default="vace")
    options = parser.parse_args()
    size = parse_size(options.size)
    from kinema.passes.profile import profile_of

    fps = profile_of(options.model).form.fps
    seconds_of(options.model, size, 5, fps)
    busy = time.process_time()
    drawing, writing, frames = seconds_of(options.model, size, options.frames, fps)
    busy = time.process_time() - busy
    print(
        json.dumps(
            {
                "model": options.model,
                "size": options.size,
                "frames": frames,
                "drawing_s": round(drawing, 2),
                "writing_s": round(writing, 2),
                "frames_per_second": round(frames / (drawing + writing), 1),
                "processor_s": round(busy, 2),
                "plays_at": fps,
            }
        )
    )


if __name__ == "__main__":
    main()
