"""Motion tokens at the published size, against encoding chunk by chunk and always decoding, as public code does.

Both sides have the same weights and the same 49-frame motions, run in turns on the same threads, and must find the same
codes. The weights are random but for the codebook: its codes are latents of other motions, as those of a trained
codebook are means of such latents. What counts is the processor's own time, so that other programs on the machine do
not. Run:
    python benchmarks/motion_tokenizer.py
The last line is JSON; the aim is speedup >= 5 with identical codes. The line before says what remains with a codebook of
noise, which has no structure to use.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from kinema.scene.formats import read_motion
from kinema.structure.tokenizer import MotionTokenizer

FRAMES = 49
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def chunk_by_chunk(model: MotionTokenizer, joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes and reconstruction: a loop over chunks, every distance in full, and the decoder every time."""
    x = joints.permute(0, 3, 1, 2).contiguous()
    starts = [0, *range(8 + x.shape[2] % 8, x.shape[2], 8)]
    stops = [*starts[1:], x.shape[2]]
    latents = torch.cat(
        [model.encoder(x[:, :, start:stop]) for start, stop in zip(starts, stops, strict=True)], dim=2
    )
    vectors = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    codebook = model.vq.codebook
    distances = vectors.square().sum(1, keepdim=True) - 2 * vectors @ codebook.T + codebook.square().sum(1)
    indices = distances.argmin(1)
    codes = codebook[indices].reshape(len(x), -1, x.shape[3], latents.shape[1]).permute(0, 3, 1, 2)
    starts = [0, *range(2 + codes.shape[2] % 2, codes.shape[2], 2)]
    stops = [*starts[1:], codes.shape[2]]
    decoded = [model.decoder(codes[:, :, start:stop]) for start, stop in zip(starts, stops, strict=True)]
    return indices.reshape(len(x), -1), torch.cat(decoded, dim=2)


def spent(run: Callable[[], object]) -> float:
    """Processor seconds of one run, all threads together."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def motions(count: int, seed: int) -> torch.Tensor:
    """Windows of the example motions, turned, mirrored, slower and quicker, with a tremble: [count, 49, 24, 3],
    normalised."""
    rng = np.random.default_rng(seed)
    files = [read_motion(EXAMPLES / name).to_smpl24() for name in ("walk_and_wave.bvh", "jumping_jacks.bvh")]
    windows = []
    while len(windows) < count:
        motion = files[rng.integers(len(files))].resample(rng.uniform(12, 30))
        if rng.random() < 0.5:
            motion = motion.mirror()
        joints = motion.joints
        start = rng.integers(max(1, len(joints) - FRAMES))
        window = joints[np.arange(start, start + FRAMES) % len(joints)]
        turn = Rotation.from_euler("yxz", rng.uniform(-1, 1, 3) * (np.pi, 0.3, 0.1)).as_matrix()
        windows.append((window - window[0, 0]) @ turn.T + rng.normal(0, 0.001, window.shape))
    joints = np.stack(windows)
    return torch.from_numpy((joints - joints.mean((0, 1))) / joints.std((0, 1))).float()


def published_size() -> MotionTokenizer:
    """The published size with random weights and codes among the latents of motions."""
    torch.manual_seed(0)
    model = MotionTokenizer().eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        latents = torch.cat([model.latents(part) for part in motions(56, seed=1).split(8)]).flatten(0, 2)
        model.vq.codebook.copy_(latents[torch.randperm(len(latents))[: len(model.vq.codebook)]])
    return model


def compare(model: MotionTokenizer, joints: torch.Tensor, repeats: int) -> dict[str, float | bool]:
    """Clips per second of both sides, in turns, best of `repeats`; and whether they find the same codes."""
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    plain, _ = chunk_by_chunk(model.to(memory_format=torch.contiguous_format), joints)
    identical = torch.equal(plain, model.prepare().encode(joints))
    for _ in range(repeats):
        model.to(memory_format=torch.contiguous_format)
        times["plain"].append(spent(lambda: chunk_by_chunk(model, joints)))
        model.prepare().encode(joints)
        times["ours"].append(spent(lambda: model.encode(joints)))
    best = {name: min(seconds) for name, seconds in times.items()}
    return {
        "plain_clips_per_s": round(len(joints) / best["plain"], 3),
        "clips_per_s": round(len(joints) / best["ours"], 3),
        "speedup": round(best["plain"] / best["ours"], 2),
        "identical": identical,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = published_size()
    joints = motions(arguments.batch, seed=2)
    with torch.inference_mode():
        print(f"prepare() takes {spent(model.prepare):.1f} s, once")
        result = compare(model, joints, arguments.repeats)
        noise = model.vq.codebook
        noise.copy_(torch.randn_like(noise) * noise.std() + noise.mean())
        print("with a codebook of noise:", json.dumps(compare(model, joints, 1)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
