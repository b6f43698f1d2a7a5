"""The latent cache at size: bytes of a window, windows read with their signals drawn, and the start with many entries.

Windows of 49 frames of 384x256 hold what training keeps of them: random latents in 16 bits (nothing compresses them), a
first frame of noise (the largest PNG there is), the joints of one person and a camera. Beside it stands what the same
window would take with its signals stored as pixels. Signals are drawn as a batch draws them.

    OMP_NUM_THREADS=1 python benchmarks/latent_cache.py [--windows 24] [--entries 100000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from kinema.data.latent_cache import PICTURE, Entry, LatentCache, packed_picture, scene_tensors
from kinema.data.sample import masks_of, signals_of
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.training.estimate import MACHINES
from kinema.training.planned import planned
from kinema.training.recipes import settings
from kinema.video.planning import SHARE_OF_PEAK
from kinema.video.registry import adapter_class

SIZE, FRAMES, FPS = (384, 256), 49, 8.0
METHODS = ("tokenmotion", "mosa")
WINDOWS_OF_SHARD = 70
"""In a shard of 64 MB."""


def scene(number: int) -> Scene:
    """Somebody who glides and turns under an arc."""
    joints = np.repeat(SMPL24.rest[None], FRAMES, axis=0)
    joints[:, :, 2] += np.linspace(0, 0.4 + 0.01 * number, FRAMES)[:, None]
    joints[:, 16:] += 0.1 * np.sin(np.arange(FRAMES) / 5)[:, None, None]
    motion = Motion(joints, FPS, SMPL24)
    camera = camera_path("arc left 30deg", size=SIZE, fps=FPS, frames=FRAMES, subject=motion)
    return Scene((motion,), camera, FPS)


def entry(number: int) -> Entry:
    """What a shard's header says of a window."""
    words = "a person walks across the room and waves with the left hand"
    bucket = (FRAMES, SIZE[1], SIZE[0])
    return Entry(f"{number:020x}-0", f"clip{number}", 0, True, bucket, words, FPS, "", "made", 0)


def filled(folder: Path, count: int) -> LatentCache:
    """A cache with so many whole windows."""
    cache, rng = LatentCache(folder), np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    shape = (16, 1 + (FRAMES - 1) // 4, SIZE[1] // 8, SIZE[0] // 8)
    for number in range(count):
        noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        tensors = {"latents": torch.randn(shape, generator=generator).half(), PICTURE: packed_picture(noise)}
        cache.add(entry(number), tensors | scene_tensors(scene(number)))
    cache.flush()
    return LatentCache(folder)


def headers(folder: Path, count: int) -> None:
    """A cache with the headers of so many windows, and tensors of a few numbers: what a start reads of it."""
    from dataclasses import asdict, replace

    from safetensors.torch import save_file

    from kinema.data.latent_cache import _checksum

    folder.mkdir()
    names = ("latents", PICTURE, "scene.0.joints", "scene.c2w", "scene.intrinsics")
    small = {name: torch.zeros(4) for name in names}
    checksum = _checksum(small)
    for shard, first in enumerate(range(0, count, WINDOWS_OF_SHARD)):
        held = [
            replace(entry(number), checksum=checksum)
            for number in range(first, min(count, first + WINDOWS_OF_SHARD))
        ]
        tensors = {f"{each.id}/{name}": tensor.clone() for each in held for name, tensor in small.items()}
        told = {"entries": json.dumps([asdict(each) for each in held])}
        save_file(tensors, folder / f"shard-{shard:06d}.safetensors", metadata=told)


def reading(cache: LatentCache) -> dict[str, Any]:
    """Windows a second of one process: read and checked alone, then with each method's signals drawn, and its masks."""
    made: dict[str, Any] = {"read_a_second": _rate(lambda name: cache.sample(name), cache)}
    with torch.device("meta"):
        transformer = diffusers.CogVideoXTransformer3DModel()
    for method in METHODS:
        with torch.device("meta"):
            adapters = {method: adapter_class(method).for_transformer(transformer)}

        def drawn(name: str, adapters: Any = adapters, masks: bool = method == "mosa") -> None:
            sample = cache.sample(name)
            signals_of([sample], adapters)
            if masks:
                masks_of([sample])

        made[f"{method}_a_second"] = _rate(drawn, cache)
    return made


def _rate(run: Any, cache: LatentCache) -> float:
    names = cache.names()
    run(names[0])
    began = time.perf_counter()
    for name in names:
        run(name)
    return round(len(names) / (time.perf_counter() - began), 1)


def pixels(cache: LatentCache) -> dict[str, float]:
    """MB of TokenMotion's signals of a window: as the numbers that the network reads, and packed as small as they go."""
    with torch.device("meta"):
        transformer = diffusers.CogVideoXTransformer3DModel()
        adapters = {"tokenmotion": adapter_class("tokenmotion").for_transformer(transformer)}
    signals = signals_of([cache.sample(cache.names()[0])], adapters)["tokenmotion"]
    cells = FRAMES * SIZE[0] * SIZE[1]
    tensors = {name: signals[name] for name in signals.present}
    return {
        "as_read_mb": round(sum(each.numel() * 4 for each in tensors.values()) / 1e6, 1),
        # Skeleton maps as bytes, rays in 16 bits at latent resolution, masks as bytes, and the video's own pixels.
        "packed_mb": round((cells * 3 + cells / 64 * 6 * 2 + cells + cells * 3) / 1e6, 1),
        "skeletons_in_32_bits_mb": round(cells * 3 * 4 / 1e6, 1),
    }


def shares(rates: dict[str, Any]) -> dict[str, float]:
    """Reader processes for each GPU that keep an H100 busy, of the step that is predicted for it at this size."""
    made, machine = {}, MACHINES["h100"]
    for method, backbone in (("tokenmotion", "cogvideox-2b"), ("mosa", "wan2.1-1.3b")):
        recipe = settings(method, {"model.weights": backbone, "data.size": f"{SIZE[0]},{SIZE[1]}"})
        cost = planned(recipe).cost(True)
        step = cost.hardware_flops / (machine.peak * SHARE_OF_PEAK)
        made[f"{method}_step_s_on_h100"] = round(step, 3)
        made[f"{method}_readers_for_one_h100"] = round(1 / rates[f"{method}_a_second"] / step, 2)
        cpu = (
            cost.hardware_flops / 150e9
        )  # bfloat16 on one core, as benchmarks/full_size_training.py measured
        made[f"{method}_share_of_a_step_on_one_core"] = round(1 / rates[f"{method}_a_second"] / cpu, 5)
    return made


def starting(folder: Path) -> dict[str, float]:
    """Seconds of a start: the first one, which reads every shard, and one after that."""
    made = {}
    for name in ("first", "later"):
        began = time.perf_counter()
        LatentCache(folder).repair()
        repaired = time.perf_counter()
        cache = LatentCache(folder)
        cache.names()
        made[f"{name}_check_s"] = round(repaired - began, 2)
        made[f"{name}_open_s"] = round(time.perf_counter() - repaired, 2)
    return made | {"entries": len(cache.entries)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=24, help="whole ones, that are read")
    parser.add_argument("--entries", type=int, default=100_000, help="that a start finds; 0 for none")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = filled(Path(folder) / "whole", asked.windows)
        each = cache.bytes / asked.windows
        drawn, rates = pixels(cache), reading(cache)
        facts: dict[str, Any] = {
            "window": {"frames": FRAMES, "size": list(SIZE)},
            "bytes_a_window": round(each),
            "signals_as_pixels": drawn,
            "times_smaller": round(
                (drawn["skeletons_in_32_bits_mb"] * 1e6 + 16 * 13 * 32 * 48 * 2) / each, 1
            ),
            "times_smaller_than_as_read": round(
                (drawn["as_read_mb"] * 1e6 + 16 * 13 * 32 * 48 * 2) / each, 1
            ),
            **rates,
            **shares(rates),
        }
        if asked.entries:
            headers(Path(folder) / "many", asked.entries)
            facts["start"] = starting(Path(folder) / "many")
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
