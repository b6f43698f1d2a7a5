"""How long the rough take takes: a picture made ready, its frames at two sizes, the preview, beside the stage's renderer.

Both the clock and the process's own time are printed: on a busy machine only the latter means something. Kernels are
compiled before the clock starts. Run:
    python benchmarks/puppet.py [PICTURE] [--threads 2]
The last line is JSON; the aims on two free cores are prepare_s <= 3, frame_ms_512 <= 41.7, prepare_1080_s <= 8,
frame_ms_1080 <= 125 and preview_fps >= 12.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from kinema.media.pictures import read_picture
from kinema.puppet.take import Filming, Puppet, film, place_in, prepare
from kinema.scene.camera import CameraPath
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LARGE, SMALL, PREVIEW = (1080, 1920), (512, 768), (256, 384)
CAMERA = "arc left 30deg"


def best(rounds: int, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor, of the fastest round."""
    clock, own = np.inf, np.inf
    for _ in range(rounds):
        before = time.perf_counter(), time.process_time()
        work()
        clock = min(clock, time.perf_counter() - before[0])
        own = min(own, time.process_time() - before[1])
    return float(clock), float(own)


def covering(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture of exactly this size: scaled to cover it, cut in the middle."""
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    wide = max(size[0], round(picture.shape[1] * scale)), max(size[1], round(picture.shape[0] * scale))
    resized = cv2.resize(picture, wide, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (wide[0] - size[0]) // 2, (wide[1] - size[1]) // 2
    return np.ascontiguousarray(resized[top : top + size[1], left : left + size[0]])


def ready(picture: np.ndarray) -> Puppet:
    made = prepare(picture)
    if made is None:
        sys.exit("nobody is found in the picture")
    return made


def shot(puppet: Puppet, motion: Motion, size: tuple[int, int]) -> tuple[Motion, CameraPath]:
    place = place_in(puppet, motion)
    path = camera_path(
        CAMERA,
        size=size,
        fps=motion.fps,
        frames=place.motion.frames,
        subject=place.motion,
        start=place.camera,
        fov=40.0,
    )
    return place.motion, path


def frame_ms(
    puppet: Puppet, motion: Motion, size: tuple[int, int], rounds: int, threads: int
) -> tuple[float, float]:
    """Milliseconds a frame, by the clock and of the processor."""
    place = place_in(puppet, motion)
    _, path = shot(puppet, motion, size)
    filming = Filming(threads=threads)
    clock, own = best(rounds, lambda: [frame.rgb for frame in film(puppet, place, path, filming)])
    return 1e3 * clock / path.frames, 1e3 * own / path.frames


def stage_ms(puppet: Puppet, motion: Motion, size: tuple[int, int], rounds: int) -> float:
    """Processor milliseconds of the stage's renderer for the same motion, camera and samples."""
    from kinema.scene.scene import Scene
    from kinema.stage import photo_studio, random_actor
    from kinema.stage import shoot as stage_shoot

    rng = np.random.default_rng(0)
    world, actor = photo_studio(rng), random_actor(rng, "high")
    own, path = shot(puppet, motion, size)
    scene = Scene((own,), path, motion.fps)
    return 1e3 * best(rounds, lambda: stage_shoot(scene, [actor], world, antialias=2))[1] / path.frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", default=str(EXAMPLES / "character.png"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest round counts")
    arguments = parser.parse_args()
    picture = np.asarray(read_picture(arguments.picture))
    motion = read_motion(EXAMPLES / "jumping_jacks.bvh").resample(12).crop(0, 1.0)
    rounds, threads = arguments.rounds, arguments.threads
    small, large = covering(picture, SMALL), covering(picture, LARGE)
    warm = ready(small)
    frame_ms(warm, motion, SMALL, 1, threads)
    result = {
        "prepare": best(rounds, lambda: ready(small)),
        "prepare_1080": best(rounds, lambda: ready(large)),
    }
    puppet, big = ready(small), ready(large)
    frames = {
        "frame_ms_512": frame_ms(puppet, motion, SMALL, rounds, threads),
        "frame_ms_1080": frame_ms(big, motion, LARGE, rounds, threads),
        "preview": frame_ms(puppet, motion, PREVIEW, rounds, threads),
    }
    stage = stage_ms(puppet, motion, SMALL, rounds)
    print(f"{'':16}{'clock':>9}{'processor':>11}")
    for name, (clock, own) in result.items():
        print(f"{name + ', s':16}{clock:9.2f}{own:11.2f}")
    for name, (clock, own) in frames.items():
        print(f"{name:16}{clock:9.1f}{own:11.1f}")
    figures = {f"{name}_s": round(clock, 2) for name, (clock, _) in result.items()}
    figures |= {f"{name}_cpu_s": round(own, 2) for name, (_, own) in result.items()}
    for name in ("frame_ms_512", "frame_ms_1080"):
        figures |= {name: round(frames[name][0], 1), f"{name}_cpu": round(frames[name][1], 1)}
    figures["preview_fps"] = round(1e3 / frames["preview"][0], 1)
    figures["preview_cpu_fps"] = round(1e3 / frames["preview"][1], 1)
    figures["stage_ms_512_cpu"] = round(stage, 1)
    figures["ratio_to_stage"] = round(frames["frame_ms_512"][1] / stage, 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
