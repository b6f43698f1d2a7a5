"""Motion tokens at the published size, against encoding chunk by chunk and always decoding, as public code does.

Both sides have the same random weights and the same 49-frame motions, run in turns on the same threads, and must find
the same codes. What counts is the processor's own time, so that other programs on the machine do not. Run:
    python benchmarks/motion_tokenizer.py
The last line is JSON; the aim is speedup >= 5 with identical codes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch

from kinema.structure.tokenizer import MotionTokenizer

FRAMES = 49


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


def random_tokenizer() -> MotionTokenizer:
    """The published size with weights that keep the scale of what passes, and codes on the scale of the latents."""
    torch.manual_seed(0)
    model = MotionTokenizer().eval()
    with torch.no_grad():
        latents = model.latents(torch.randn(4, FRAMES, 24, 3))
        model.vq.codebook.normal_().mul_(latents.std()).add_(latents.mean((0, 1, 2)))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    joints = torch.randn(arguments.batch, FRAMES, 24, 3)
    model = random_tokenizer()

    with torch.inference_mode():
        plain, _ = chunk_by_chunk(model, joints)
        model.to(memory_format=torch.channels_last)
        identical = torch.equal(plain, model.encode(joints))
        times: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(arguments.repeats):
            model.to(memory_format=torch.contiguous_format)
            times["plain"].append(spent(lambda: chunk_by_chunk(model, joints)))
            model.to(memory_format=torch.channels_last)
            times["ours"].append(spent(lambda: model.encode(joints)))
    best = {name: min(seconds) for name, seconds in times.items()}
    for name, seconds in best.items():
        print(f"{name:6} {seconds:8.3f} s a batch of {len(joints)}   {len(joints) / seconds:8.3f} clips/s")
    result = {
        "plain_clips_per_s": round(len(joints) / best["plain"], 3),
        "clips_per_s": round(len(joints) / best["ours"], 3),
        "speedup": round(best["plain"] / best["ours"], 2),
        "identical": identical,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
