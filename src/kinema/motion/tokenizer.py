"""4DMoT, the 4D motion tokenizer of MTVCraft (arXiv 2505.10238): joints over time as codes of a codebook.

One token holds one joint over four frames; tokens are ordered frame by frame. See docs/motion_tokenizer.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.diffusion.module import Module
from kinema.motion.checkpoints import load_exactly, read_state_dict
from kinema.motion.prepared_tokenizer import PreparedTokenizer
from kinema.motion.quantizer import VectorQuantizer
from kinema.motion.tokenizer_blocks import (
    DECODER_CHUNK,
    ENCODER_CHUNK,
    Decoder,
    Encoder,
    dilation_of,
    in_chunks,
)

FORMS = ("parity", "differential", "centred")


class MotionTokenizer(Module):
    """Joint positions to tokens and back.

    The encoder works on chunks of 8 frames, the first of 8 or 9, and nothing crosses a chunk; so lengths are 8k or
    8k + 1, and others are padded by holding the last frame (ours; the published code returns another length).

    Args:
        widths: channels at the full and at the halved frame rate, multiples of 32.
        code_dim: D, numbers in a token.
        codes: tokens in the codebook.
        joints: J, 24 for SMPL.
        mean, std: of each joint and axis, millimetres, [J, 3]; None: 0 and 1.
        form: what is normalised and encoded. "parity": the joints as they are, as in the published code, whose
            weights need it. "differential": joints minus the same joints in the first frame, as in the paper; tokens
            then say how every joint moves from where it was at first, and nothing of where that was: neither place nor
            pose. "centred" (ours): joints minus the root's place in the first frame, so that poses stay and only the
            place is left out. In the last two global position comes back by adding what was subtracted: `decode` takes
            the first frame.
        dilations: of the residual blocks at the two rates; None: the published rule of `dilation_of`. At small
            widths that rule jumps far over the joints, so ours are given here.
        fps: frame rate of the motions it was trained on, or None where unknown.
    """

    def __init__(
        self,
        widths: tuple[int, int] = (128, 512),
        code_dim: int = 3072,
        codes: int = 8192,
        joints: int = 24,
        mean: Sequence[Sequence[float]] | None = None,
        std: Sequence[Sequence[float]] | None = None,
        form: str = "parity",
        dilations: tuple[int, int] | None = None,
        fps: float | None = None,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and np.shape(values) != (joints, 3):
                raise ValueError(
                    f"{name} has the shape {list(np.shape(values))}; give [{joints}, 3] millimetres"
                )
        if std is not None and not np.min(std) > 0:
            raise ValueError("std must be positive for every joint and axis")
        rates = (dilation_of(widths[0]), dilation_of(widths[1])) if dilations is None else dilations
        self.encoder = Encoder(widths, code_dim, rates)
        self.decoder = Decoder(widths, code_dim, rates)
        self.vq = VectorQuantizer(codes, code_dim)
        self._prepared: PreparedTokenizer | None = None

    @classmethod
    def from_published(
        cls, weights: str | Path, mean: str | Path | np.ndarray, std: str | Path | np.ndarray
    ) -> MotionTokenizer:
        """Loads weights in the published layout, whole or not at all; sizes are read off the weights.

        Args:
            weights: `4DMoT/mp_rank_00_model_states.pt`, or the same keys as safetensors.
            mean, std: `data/mean.npy` and `data/std.npy` or arrays, millimetres, [24, 3].

        Raises:
            ValueError: a file is not what it says, or does not fit.
        """
        state = read_state_dict(weights)
        sizes = {
            key: tuple(state[key].shape) if key in state else ()
            for key in ("encoder.conv_in.weight", "encoder.resnet2.conv_short.weight", "vq.codebook")
        }
        if [len(shape) for shape in sizes.values()] != [4, 4, 2]:
            raise ValueError(f"{weights} does not hold a motion tokenizer: {', '.join(sizes)} not found")
        (fine, *_), (coarse, *_), (codes, code_dim) = sizes.values()
        mean, std = (_statistic(values) for values in (mean, std))
        model = cls((fine, coarse), code_dim, codes, len(mean), mean.tolist(), std.tolist())
        load_exactly(model, state, weights)
        return model.eval()

    def prepare(self) -> MotionTokenizer:
        """Makes `encode` about three times as fast for many motions on a CPU, with the same codes.

        Takes some seconds and about 0.5 GB at the published size. Moving, casting, training or loading undoes it, and
        so does `eval()`.

        Raises:
            ValueError: weights that are not float32 on the CPU.
        """
        if self.dtype != torch.float32 or self.device.type != "cpu":
            raise ValueError(
                f"prepare() is for float32 on the CPU; the weights are {self.dtype} on {self.device}"
            )
        self.eval()
        self._prepared = PreparedTokenizer(self.encoder, self.vq.codebook)
        return self

    def _forget(self) -> None:
        """Drops what `prepare` made, because the weights it was made from change."""
        self._prepared = None

    def train(self, mode: bool = True) -> MotionTokenizer:
        self._forget()
        return super().train(mode)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self._forget()
        return super().load_state_dict(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> MotionTokenizer:
        self._forget()
        return super()._apply(*args, **kwargs)

    @staticmethod
    def latent_frames(frames: int) -> int:
        """Latent frames of so many frames: 8/9/16/17/25/48/49 give 2/3/4/5/7/12/13.

        Raises:
            ValueError: fewer than 8 frames.
        """
        return _padded_length(frames) // 4 + _padded_length(frames) % 2

    def encode(self, joints_mm: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
        """The codes of a motion.

        Args:
            joints_mm: joints in the camera's axes (x right, y down, z forward), millimetres, [B, N, J, 3], N >= 8.
            first: for the forms that subtract, the first frame, [B, J, 3]; by default joints_mm[:, 0].

        Returns:
            Indices [B, f * J], int64, frame by frame, with f = latent_frames(N).

        Raises:
            ValueError: another shape, fewer than 8 frames, or a joint that is missing or not finite.
        """
        if self._prepared is not None:
            return self._prepared(self._encoder_input(joints_mm, first))
        return self.vq.indices(self.latents(joints_mm, first)).flatten(1)

    def tokens(self, joints_mm: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
        """The quantised vectors of a motion, [B, f * J, D], frame by frame; arguments as for `encode`."""
        return self.vq.lookup(self.encode(joints_mm, first))

    def latents(self, joints_mm: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
        """The vectors before quantisation, [B, f, J, D]; arguments as for `encode`."""
        x = self._encoder_input(joints_mm, first).to(self.dtype)
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return in_chunks(self.encoder, x, ENCODER_CHUNK).permute(0, 2, 3, 1)

    def decode(self, tokens: torch.Tensor, frames: int, first: torch.Tensor | None = None) -> torch.Tensor:
        """The motion of tokens.

        Args:
            tokens: indices [B, f * J], or vectors [B, f * J, D].
            frames: N, the length that was encoded.
            first: for the forms that subtract, the first frame in the axes and place in which the motion is wanted,
                millimetres, [B, J, 3].

        Returns:
            Joints, millimetres, [B, N, J, 3].

        Raises:
            ValueError: the number of tokens does not fit the frames, or `first` is missing or not used.
        """
        joints, latent_frames = self.config.joints, self.latent_frames(frames)
        if tokens.ndim not in (2, 3) or tokens.shape[1] != latent_frames * joints:
            raise ValueError(
                f"{frames} frames have {latent_frames} x {joints} tokens; got the shape {list(tokens.shape)}"
            )
        vectors = tokens if tokens.ndim == 3 else self.vq.lookup(tokens)
        x = self.reconstruct(vectors.unflatten(1, (latent_frames, joints)).to(self.dtype))
        return self.denormalise(x[:, :frames], first)

    def reconstruct(self, vectors: torch.Tensor) -> torch.Tensor:
        """What the decoder makes of vectors [B, f, J, D]: [B, 4 f (- 3 where f is odd), J, 3], normalised."""
        x = vectors.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return in_chunks(self.decoder, x, DECODER_CHUNK).permute(0, 2, 3, 1)

    def normalise(self, joints_mm: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
        """What the encoder reads: float32 [B, N, J, 3] without unit; arguments as for `encode`."""
        joints = joints_mm.float()
        if self.config.form != "parity" and first is None:
            first = joints[:, 0]
        mean, std = self._statistics(joints.device)
        return (joints - self._origin(first) - mean) / std

    def denormalise(self, x: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
        """The inverse of `normalise`, in which the forms that subtract need `first`, [B, J, 3]."""
        mean, std = self._statistics(x.device)
        return x.float() * std + mean + self._origin(first)

    def forward(
        self,
        joints_mm: torch.Tensor,
        first: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Round trip for training.

        Returns:
            Reconstruction in normalised units [B, N, J, 3], latents and their codes [B, f, J, D], and indices
            [B, f, J]. Gradients pass straight through the codes; in training mode the codebook moves.
        """
        latents = self.latents(joints_mm, first)
        codes, indices = self.vq(latents, generator)
        return self.reconstruct(codes)[:, : joints_mm.shape[1]], latents, codes, indices

    def _encoder_input(self, joints_mm: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
        """Normalised joints, the last frame held up to a length that the encoder knows: float32 [B, N', J, 3]."""
        self._check_joints(joints_mm)
        x = self.normalise(joints_mm, first)
        padding = _padded_length(x.shape[1]) - x.shape[1]
        return torch.cat([x, x[:, -1:].expand(-1, padding, -1, -1)], dim=1)

    def _origin(self, first: torch.Tensor | None) -> torch.Tensor | float:
        """What the form subtracts, of the first frame [B, J, 3]."""
        form = self.config.form
        if (first is None) != (form == "parity"):
            raise ValueError(
                'the form "parity" is absolute and takes no `first`'
                if form == "parity"
                else f'the form "{form}" needs the first frame, [B, J, 3], to place the motion'
            )
        if first is None:
            return 0.0
        return first[:, None].float() if form == "differential" else first[:, None, :1].float()

    def _statistics(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and std, [J, 3], in float32 whatever the weights are: bfloat16 is off by millimetres at a metre."""
        mean, std = self.config.mean, self.config.std
        shape = (self.config.joints, 3)
        return (
            torch.zeros(shape, device=device) if mean is None else torch.tensor(mean, device=device),
            torch.ones(shape, device=device) if std is None else torch.tensor(std, device=device),
        )

    def _check_joints(self, joints_mm: torch.Tensor) -> None:
        shape = list(joints_mm.shape)
        if len(shape) != 4 or shape[2:] != [self.config.joints, 3]:
            raise ValueError(
                f"joints have the shape {shape}; give [B, N, {self.config.joints}, 3], millimetres"
            )
        bad = ~torch.isfinite(joints_mm).all(-1)
        if bad.any():
            sample, frame, joint = (int(i) for i in bad.nonzero()[0])
            raise ValueError(
                f"joint {joint} in frame {frame} of sample {sample} is missing (NaN) or infinite; tokens need every "
                "joint: fill short gaps first, for instance with Motion.fill_missing()"
            )


def _padded_length(frames: int) -> int:
    """The next length of the form 8k or 8k + 1."""
    if frames < ENCODER_CHUNK:
        raise ValueError(f"{frames} frames are too few for motion tokens; give at least {ENCODER_CHUNK}")
    return frames if frames % ENCODER_CHUNK <= 1 else -(-frames // ENCODER_CHUNK) * ENCODER_CHUNK


def _statistic(values: str | Path | np.ndarray) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.load(values, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{values} is not an array file (.npy): {error}") from error
