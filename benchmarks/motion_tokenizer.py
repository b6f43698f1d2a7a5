"""Motion tokens at the published size, against a literal encoding: chunk by chunk, always decoding, as public code does.

Both sides have the same weights and the same 49-frame motions, run in turns on the same threads, and must find the same
codes. The weights are random but for the codebook: its codes are latents of other motions, as those of a trained
codebook are means of such latents. What counts is the processor's own time, so that other programs on the machine do
not. Run:
    python benchmarks/motion_tokenizer.py

The baseline does, in the public order and with the public operators, what one call of the public model does that returns
a reconstruction: chunks of 8 frames one after the other; halving by average pooling of sequences of one joint, then a
Conv1d over the joints of one frame, between them the permutations and copies that these need; squared distances to all
codes as |x|^2 - 2 x.c + |c|^2; the codes' commitment loss and straight-through sum; chunks of 2 latent frames through the
decoder, doubled by bilinear interpolation. Layers are PyTorch's, maps contiguous, no gradients.

The last line is JSON; the aim is speedup >= 5 with identical codes. Lines before it say how that changes
- against our own modules, chunk by chunk and always decoding, which permute and copy less ("kinder");
- against both calls that the public inference scripts make, one for tokens and one for the reconstruction ("scripts");
- with a codebook of noise, which has no structure to use.
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
from torch import nn
from torch.nn import functional

from kinema.motion.tokenizer import MotionTokenizer
from kinema.motion.tokenizer_blocks import Downsample, ResBlock, Upsample
from kinema.scene.formats import read_motion

FRAMES = 49
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def starts_and_stops(frames: int, size: int) -> list[tuple[int, int]]:
    """Chunks of `size` frames, the first with the remainder."""
    starts = [0, *range(size + frames % size, frames, size)]
    return list(zip(starts, [*starts[1:], frames], strict=True))


class Literal:
    """The public model's calls, with the layers of a tokenizer; maps are [B, C, N, J]."""

    def __init__(self, model: MotionTokenizer) -> None:
        self.model = model

    def __call__(self, joints: torch.Tensor, decode: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices, and the reconstruction or without `decode` the codes."""
        x = joints.permute(0, 3, 1, 2)
        latents = torch.cat([self.encoder(x[:, :, a:b]) for a, b in starts_and_stops(x.shape[2], 8)], dim=2)
        indices, codes = self.quantize(latents)
        if not decode:
            return indices, codes
        parts = [self.decoder(codes[:, :, a:b]) for a, b in starts_and_stops(codes.shape[2], 2)]
        return indices, torch.cat(parts, dim=2).permute(0, 2, 3, 1)

    def encoder(self, x: torch.Tensor) -> torch.Tensor:
        encoder = self.model.encoder
        x = encoder.conv_in(x)
        for block in encoder.resnet1:
            x = self.block(block, x)
        x = self.block(encoder.resnet2, self.halve(encoder.downsample1, x))
        for block in encoder.resnet3:
            x = self.block(block, x)
        return encoder.conv_out(self.halve(encoder.downsample2, x))

    def decoder(self, x: torch.Tensor) -> torch.Tensor:
        decoder = self.model.decoder
        x = decoder.conv_in(x)
        for block in decoder.resnet1:
            x = self.block(block, x)
        x = self.block(decoder.resnet2, self.double(decoder.upsample1, x))
        for block in decoder.resnet3:
            x = self.block(block, x)
        return decoder.conv_out(self.double(decoder.upsample2, x))

    def block(self, block: ResBlock, x: torch.Tensor) -> torch.Tensor:
        hidden = block.block(x)
        return (block.conv_short(x) if hidden.shape != x.shape else x) + hidden

    def halve(self, layer: Downsample, x: torch.Tensor) -> torch.Tensor:
        batch, channels, frames, joints = x.shape
        sequences = x.permute(0, 3, 1, 2).reshape(batch * joints, channels, frames)
        if frames % 2:
            rest = functional.avg_pool1d(sequences[..., 1:], kernel_size=2, stride=2)
            sequences = torch.cat([sequences[..., :1], rest], dim=-1)
        else:
            sequences = functional.avg_pool1d(sequences, kernel_size=2, stride=2)
        x = sequences.reshape(batch, joints, channels, -1).permute(0, 2, 3, 1)
        return self.along_joints(layer.joint_downsample, x)

    def double(self, layer: Upsample, x: torch.Tensor) -> torch.Tensor:
        alone = x.shape[2] % 2
        doubled = functional.interpolate(
            x[:, :, alone:], scale_factor=(2.0, 1.0), mode="bilinear", align_corners=True
        )
        return self.along_joints(
            layer.upsampler, torch.cat([x[:, :, :alone], doubled], dim=2) if alone else doubled
        )

    def along_joints(self, conv: nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
        batch, channels, frames, joints = x.shape
        x = conv(x.permute(0, 2, 1, 3).reshape(batch * frames, channels, joints))
        return x.reshape(batch, frames, *x.shape[1:]).permute(0, 2, 1, 3)

    def quantize(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, channels, frames, joints = latents.shape
        x = latents.permute(0, 2, 3, 1).contiguous().view(-1, channels)
        table = self.model.vq.codebook.t()
        distances = (
            torch.sum(x**2, dim=-1, keepdim=True)
            - 2 * torch.matmul(x, table)
            + torch.sum(table**2, dim=0, keepdim=True)
        )
        indices = torch.min(distances, dim=-1)[1]
        codes = functional.embedding(indices, self.model.vq.codebook)
        functional.mse_loss(x, codes)
        codes = (x + (codes - x)).view(batch, frames, joints, channels).permute(0, 3, 1, 2).contiguous()
        return indices.view(batch, -1), codes


def kinder(model: MotionTokenizer, joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes and reconstruction by our modules, chunk by chunk, every distance in full."""
    x = joints.permute(0, 3, 1, 2).contiguous()
    latents = torch.cat([model.encoder(x[:, :, a:b]) for a, b in starts_and_stops(x.shape[2], 8)], dim=2)
    indices = model.vq.indices(latents.permute(0, 2, 3, 1))
    codes = model.vq.lookup(indices).permute(0, 3, 1, 2)
    decoded = [model.decoder(codes[:, :, a:b]) for a, b in starts_and_stops(codes.shape[2], 2)]
    return indices.flatten(1), torch.cat(decoded, dim=2)


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
    model = MotionTokenizer().eval()
    with torch.inference_mode():
        latents = torch.cat([model.latents(part) for part in motions(56, seed=1).split(8)]).flatten(0, 2)
        model.vq.codebook.copy_(latents[torch.randperm(len(latents))[: len(model.vq.codebook)]])
    return model


def compare(model: MotionTokenizer, joints: torch.Tensor, repeats: int) -> dict[str, float | bool]:
    """Clips per second of all sides, in turns, best of `repeats`; and whether they find the same codes."""
    literal = Literal(model)
    model.prepare()
    codes = [model.encode(joints), literal(joints)[0], kinder(model, joints)[0]]
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: model.encode(joints),
        "literal": lambda: literal(joints),
        "kinder": lambda: kinder(model, joints),
        "scripts": lambda: (literal(joints, decode=False), literal(joints)),
    }
    seconds = {name: min(each) for name, each in _in_turns(sides, repeats).items()}
    return {
        **{f"{name}_clips_per_s": round(len(joints) / each, 3) for name, each in seconds.items()},
        **{f"speedup_{name}": round(seconds[name] / seconds["ours"], 2) for name in ("kinder", "scripts")},
        "speedup": round(seconds["literal"] / seconds["ours"], 2),
        "identical": all(torch.equal(codes[0], each) for each in codes),
    }


def _in_turns(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            run()  # so that the caches hold what this side needs
            times[name].append(spent(run))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
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
