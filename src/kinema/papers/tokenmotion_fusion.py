"""TokenMotion's decouple-and-fuse (arXiv 2504.08181, Sec. 3.2), its masks, and the ablation without it.

Shapes: B batch, N tokens, M motion width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from kinema.papers.tokenmotion_streams import RopeTable, StreamAttention

Mask = Literal["hybrid", "learnable", "prior"]


@dataclass(frozen=True, eq=False)
class Routing:
    """What a site must know beside the streams.

    Args:
        prior: M_prior, 1 where a person is, [B, N].
        has_pose, has_camera: bool [B].
        rope: rotary table of the token grid.
    """

    prior: torch.Tensor
    has_pose: torch.Tensor
    has_camera: torch.Tensor
    rope: RopeTable


class FusionSite(nn.Module):
    """Each stream attends to itself, then a softmax over the two streams mixes them, per token.

        M_pose = LN(Linear(z_pose)),  M_cam = LN(Linear(z_cam))
        z_fused = Softmax([M_pose + strength * M_prior ; M_cam]) . [z_pose ; z_cam]

    The paper leaves the width of Linear open; a single channel would make LayerNorm constant, so it has M (ours).
    A sample with only one of the signals gets that stream alone, exactly: its softmax is over one stream (ours).

    Args:
        mask: "hybrid" is the equation above (the paper's full model); "learnable" leaves M_prior out (the paper's
            ablation); "prior" leaves M_pose and M_cam out and takes the pose stream where M_prior is 1, the camera
            stream elsewhere (ours, the other half of the hybrid).
        prior_strength: of M_prior in the hybrid mask.
        learn_prior: whether the strength is trained.
    """

    def __init__(self, width: int, heads: int, mask: Mask, prior_strength: float, learn_prior: bool) -> None:
        super().__init__()
        self.mask = mask
        self.pose_attention = StreamAttention(width, heads)
        self.camera_attention = StreamAttention(width, heads)
        if mask != "prior":
            self.pose_mask = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
            self.camera_mask = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        if mask == "hybrid":
            strength = torch.tensor(prior_strength)
            if learn_prior:
                self.prior_strength = nn.Parameter(strength)
            else:
                self.register_buffer("prior_strength", strength)  # no trainer can thaw it by mistake

    def forward(
        self, streams: tuple[torch.Tensor, ...], routing: Routing
    ) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Updates both streams (pose, camera), [B, N, M] each, and fuses them to [B, N, M]."""
        pose = self.pose_attention(streams[0], routing.rope)
        camera = self.camera_attention(streams[1], routing.rope)
        weight = self.pose_weight(pose, camera, routing.prior)
        only_pose = routing.has_pose & ~routing.has_camera
        only_camera = routing.has_camera & ~routing.has_pose
        weight = weight.masked_fill(only_pose[:, None, None], 1.0)
        weight = weight.masked_fill(only_camera[:, None, None], 0.0)
        return (pose, camera), torch.lerp(camera, pose, weight)

    def pose_weight(self, pose: torch.Tensor, camera: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """The pose stream's share of every token and channel where both signals are there, [B, N, M]."""
        prior = prior.unsqueeze(-1)
        if self.mask == "prior":
            return prior.expand_as(pose)
        of_pose = self.pose_mask(pose)
        if self.mask == "hybrid":
            of_pose = of_pose + self.prior_strength * prior
        return torch.sigmoid(of_pose - self.camera_mask(camera))  # a softmax over two streams


class JointSite(nn.Module):
    """Without decouple-and-fuse (the paper's ablation): one stream of both signals attends to itself, without masks.

    The streams are summed once, after patchification (ours; the paper does not say how they meet).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = StreamAttention(width, heads)

    def forward(
        self, streams: tuple[torch.Tensor, ...], routing: Routing
    ) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Updates the one stream [B, N, M], which is also what the site reads."""
        joint = self.attention(streams[0], routing.rope)
        return (joint,), joint
