"""What is lost on the way through a motion tokenizer, in millimetres, beside what would be lost more simply."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kinema.motion.quantizer import codebook_use
from kinema.motion.tokenizer import MotionTokenizer


@dataclass(frozen=True)
class PositionError:
    """Distances between joints and where they should be, millimetres.

    Args:
        absolute: mean, in the camera's axes.
        relative: mean, after root has been laid on root in every frame.
        median: median of the absolute distances.
    """

    absolute: float
    relative: float
    median: float


@dataclass(frozen=True)
class RoundTrip:
    """The errors of a tokenizer on a set of motions.

    Args:
        tokens: with quantisation: what the codes carry.
        unquantized: the encoder's own vectors decoded: what is lost before any code is chosen.
        without_depth: with the exact picture position of every joint and the depth it had in the first frame: the
            least error of any tokens that leave depth out.
        held: the first frame held: the error of no tokens at all.
        used, perplexity: see CodebookUse.
    """

    tokens: PositionError
    unquantized: PositionError
    without_depth: PositionError
    held: PositionError
    used: float
    perplexity: float


@torch.inference_mode()
def round_trip(tokenizer: MotionTokenizer, joints_mm: torch.Tensor, batch: int = 32) -> RoundTrip:
    """Measures a tokenizer.

    Args:
        tokenizer: in evaluation mode; on its device the work is done.
        joints_mm: as for MotionTokenizer.encode, [B, N, 24, 3].
        batch: motions at a time.
    """
    decoded: list[torch.Tensor] = []
    unquantized: list[torch.Tensor] = []
    indices: list[torch.Tensor] = []
    for joints in joints_mm.split(batch):
        joints = joints.to(tokenizer.device)
        first = None if tokenizer.config.form == "parity" else joints[:, 0]
        latents = tokenizer.latents(joints, first).flatten(1, 2)
        codes = tokenizer.vq.indices(latents)
        for results, tokens in ((decoded, codes), (unquantized, latents)):
            results.append(tokenizer.decode(tokens, joints.shape[1], first).cpu())
        indices.append(codes.cpu())
    use = codebook_use(torch.cat(indices), tokenizer.config.codes)
    held = joints_mm[:, :1].expand_as(joints_mm)
    flat = torch.cat([joints_mm[..., :2], held[..., 2:]], dim=-1)
    return RoundTrip(
        tokens=position_error(torch.cat(decoded), joints_mm),
        unquantized=position_error(torch.cat(unquantized), joints_mm),
        without_depth=position_error(flat, joints_mm),
        held=position_error(held, joints_mm),
        used=use.used,
        perplexity=use.perplexity,
    )


def position_error(found: torch.Tensor, wanted: torch.Tensor) -> PositionError:
    """Distances between joints [B, N, J, 3], of which joint 0 is the root, in their unit."""
    difference = found - wanted
    distances = difference.norm(dim=-1)
    relative = (difference - difference[:, :, :1]).norm(dim=-1)
    return PositionError(float(distances.mean()), float(relative.mean()), float(distances.flatten().median()))
