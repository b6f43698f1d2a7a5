"""TokenMotion (arXiv 2504.08181): camera and pose as tokens, fused under a human-aware mask, read by cross-attention.

Section 3 of the paper in the order of the code: patchification (`MotionEncoder`), decouple-and-fuse (`FusionSite`),
injection (`TokenMotionSite`). None of it depends on the video tokens before the last cross-attention, so everything
up to its keys and values is computed once per video. Shapes: B batch, N tokens, M motion width, D backbone width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from torch import nn

from kinema.appearance.adapters.adapter import ControlAdapter, ControlTokens
from kinema.appearance.adapters.rope import apply_rope, axis_positions, rope_table, split_head
from kinema.appearance.backbones.spec import spec_of

if TYPE_CHECKING:
    from kinema.control.signals import ControlSignals


# Ours: a skeleton map is black but for thin limbs. Black stays zero, so that what is drawn stands out, and the gain
# brings what little is drawn to the scale that convolutions are initialised for.
_SKELETON_GAIN = 4.0

RopeTable = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class FusedTokens(ControlTokens):
    """What the sites read: keys and values of every site, [B, heads, N, d] each, and the grid's rotary table."""

    shared = ("rope",)

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    rope: RopeTable


class MotionEncoder(nn.Module):
    """Patchification: 2D convolutions over space, then causal 3D convolutions over time (Sec. 3.1).

    Layer shapes are ours: unshuffle to the latent grid, a 3x3 convolution, a 2x2 stride to the token grid, and two
    causal convolutions with stride 2 in time (49 frames -> 25 -> 13).
    """

    def __init__(self, in_channels: int, unshuffle: int, first_width: int, width: int) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(unshuffle)
        self.conv_in = nn.Conv2d(in_channels * unshuffle**2, first_width, 3, padding=1)
        self.to_tokens = nn.Conv2d(first_width, width, 2, stride=2)
        self.time = nn.ModuleList(
            [nn.Conv3d(width, width, 3, stride=(2, 1, 1), padding=(0, 1, 1)) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [B, T, C, H, W] to [B, M, f, h, w] with f = 1 + (T - 1) / 4."""
        batch = x.shape[0]
        x = self.conv_in(self.unshuffle(x.flatten(0, 1)))
        x = self.to_tokens(F.silu(x))
        x = x.unflatten(0, (batch, -1)).transpose(1, 2)
        for conv in self.time:
            first = x[:, :, :1].expand(-1, -1, 2, -1, -1)  # causal: the first frame is repeated before itself
            x = conv(torch.cat([first, F.silu(x)], dim=2))
        return x


class StreamAttention(nn.Module):
    """Self-attention of one motion stream, residual, with rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, z: torch.Tensor, rope: RopeTable) -> torch.Tensor:
        query, key, value = (
            self.to_qkv(self.norm(z)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        )
        attended = F.scaled_dot_product_attention(apply_rope(query, rope), apply_rope(key, rope), value)
        return z + self.to_out(attended.transpose(1, 2).flatten(2))


class FusionSite(nn.Module):
    """Decouple-and-fuse (Sec. 3.2): each stream attends to itself, then a softmax over the two streams mixes them.

        M_pose = LN(Linear(z_pose)),  M_cam = LN(Linear(z_cam))
        z_fused = Softmax([M_pose + strength * M_prior ; M_cam]) . [z_pose ; z_cam]

    The paper leaves the width of Linear open; a single channel would make LayerNorm constant, so it has M (ours).
    """

    def __init__(self, width: int, heads: int, prior_strength: float, learn_prior: bool) -> None:
        super().__init__()
        self.pose_attention = StreamAttention(width, heads)
        self.camera_attention = StreamAttention(width, heads)
        self.pose_mask = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.camera_mask = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.prior_strength = nn.Parameter(torch.tensor(prior_strength), requires_grad=learn_prior)

    def forward(
        self,
        pose: torch.Tensor,
        camera: torch.Tensor,
        prior: torch.Tensor,
        route: torch.Tensor,
        rope: RopeTable,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Updates both streams and fuses them.

        Args:
            pose, camera: the streams, [B, N, M].
            prior: M_prior, 1 where a person is, [B, N].
            route: added to the mask logits, [B, 2]: -inf for a stream that is absent beside one that is present,
                so that a single control is routed exactly (ours).
            rope: rotary table of the token grid.
        """
        pose = self.pose_attention(pose, rope)
        camera = self.camera_attention(camera, rope)
        of_pose = self.pose_mask(pose) + self.prior_strength * prior.unsqueeze(-1) + route[:, :1, None]
        of_camera = self.camera_mask(camera) + route[:, 1:, None]
        weight = torch.sigmoid(of_pose - of_camera)  # a softmax over two streams
        weight = torch.where(route[:, :1, None] == -torch.inf, 0.0, weight)
        return pose, camera, torch.lerp(camera, pose, weight)


class TokenMotionSite(nn.Module):
    """Injection (Sec. 3.3): z_visual += LoRA(CrossAttn(Q = z_visual, K = z_fused, V = z_fused)).

    Args:
        index: which of the adapter's sites this is.
        locality: ours; query and key biases start as one constant vector of this size, so that under rotary
            positions a token first looks at its own place and its neighbours instead of everywhere.
    """

    def __init__(
        self, index: int, hidden_size: int, width: int, heads: int, rank: int, locality: float
    ) -> None:
        super().__init__()
        self.index = index
        self.heads = heads
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.to_q = nn.Linear(hidden_size, width)
        self.norm_fused = nn.LayerNorm(width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.lora_down = nn.Linear(width, rank, bias=False)
        self.lora_up = nn.Linear(rank, hidden_size, bias=False)
        nn.init.zeros_(self.lora_up.weight)  # step 0 is the untouched backbone
        for linear in (self.to_q, self.to_k):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            with torch.no_grad():
                linear.bias[::2] = locality

    def keys_and_values(self, fused: torch.Tensor, rope: RopeTable) -> tuple[torch.Tensor, torch.Tensor]:
        fused = self.norm_fused(fused)
        key = self.to_k(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = self.to_v(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return apply_rope(key, rope), value

    def forward(self, hidden_states: torch.Tensor, tokens: FusedTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        query = self.to_q(self.norm(hidden_states)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(
            apply_rope(query, tokens.rope), tokens.keys[self.index], tokens.values[self.index]
        )
        return self.lora_up(self.lora_down(attended.transpose(1, 2).flatten(2)))


class TokenMotionAdapter(ControlAdapter):
    """TokenMotion for any backbone whose blocks a BackboneSpec describes.

    Args:
        hidden_size: width D of the backbone's video tokens.
        blocks: the blocks that get a site; every second by default in the recipes (ours).
        motion_width: channels M of the motion tokens.
        heads: attention heads of the motion streams and of the cross-attention.
        first_width: channels of the encoders' first convolution.
        rank: rank r of the output projection.
        pixel_unshuffle: pixels per latent; skeleton maps are unshuffled by it.
        prior_strength: weight of M_prior; 1 and frozen is the literal setting, 4 and learnable ours: LayerNorm
            logits have unit variance, so 1 only weighs 0.73.
        learn_prior: whether the weight is trained.
        locality: see TokenMotionSite.
    """

    adapter_name = "tokenmotion"
    signals = ("skeletons", "rays", "person_mask")

    @register_to_config
    def __init__(
        self,
        hidden_size: int = 1920,
        blocks: tuple[int, ...] = tuple(range(0, 30, 2)),
        motion_width: int = 512,
        heads: int = 8,
        first_width: int = 128,
        rank: int = 64,
        pixel_unshuffle: int = 8,
        prior_strength: float = 4.0,
        learn_prior: bool = True,
        locality: float = 6.0,
    ) -> None:
        super().__init__()
        self.pose_encoder = MotionEncoder(3, pixel_unshuffle, first_width, motion_width)
        # Rays are smooth: they are read at latent resolution, one ray per latent pixel (ours).
        self.camera_encoder = MotionEncoder(6, 1, first_width, motion_width)
        self.null_pose = nn.Parameter(torch.randn(motion_width) * 0.02)
        self.null_camera = nn.Parameter(torch.randn(motion_width) * 0.02)
        self.fusion = nn.ModuleList(
            [FusionSite(motion_width, heads, prior_strength, learn_prior) for _ in blocks]
        )
        self.sites = nn.ModuleList(
            [
                TokenMotionSite(index, hidden_size, motion_width, heads, rank, locality)
                for index in range(len(blocks))
            ]
        )

    @classmethod
    def for_transformer(cls, transformer: nn.Module, **options: Any) -> Self:
        spec = spec_of(transformer)
        layout: dict[str, Any] = {
            "hidden_size": spec.width,
            "blocks": tuple(range(0, len(spec.block_list(transformer)), 2)),
            "pixel_unshuffle": spec.spatial_compression,
        }
        return cls(**{**layout, **options})

    def sites_by_block(self) -> dict[int, nn.Module]:
        return dict(zip(self.config.blocks, self.sites, strict=True))

    def encode(
        self,
        signals: ControlSignals,
        present: dict[str, torch.Tensor] | None = None,
        *,
        text: torch.Tensor | None = None,
        to_latents: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> FusedTokens:
        """Patchifies, fuses and projects; see ControlAdapter.encode.

        Args:
            signals: skeletons [B, T, 3, H, W] in [0, 1], rays [B, T, 6, H, W], person_mask [B, T, H, W]; a signal
                that is None is absent for all. At least one must be there to fix the token grid.
            present: `{"pose": bool [B], "camera": bool [B]}`.
            text, to_latents: not read.

        Raises:
            ValueError: no signal at all.
        """
        skeletons, rays = signals.skeletons, signals.rays
        given = skeletons if skeletons is not None else rays
        if given is None:
            raise ValueError("TokenMotion needs skeletons or rays: the scene gave neither people nor camera")
        batch = given.shape[0]
        has_pose = self._presence("pose", skeletons, present, given)
        has_camera = self._presence("camera", rays, present, given)
        pose = None if skeletons is None else self.pose_encoder(skeletons * _SKELETON_GAIN)
        camera = None if rays is None else self.camera_encoder(self._at_latents(rays))
        grid = tuple(next(each for each in (pose, camera) if each is not None).shape[-3:])
        pose = self._tokens(pose, has_pose, self.null_pose, grid)
        camera = self._tokens(camera, has_camera, self.null_camera, grid)

        prior = pose.new_zeros(batch, pose.shape[1])
        if signals.person_mask is not None:
            prior = token_prior(signals.person_mask, grid).to(pose) * has_pose[:, None]
        absent = torch.stack([has_camera & ~has_pose, has_pose & ~has_camera], dim=1)
        route = torch.zeros(batch, 2, device=pose.device, dtype=pose.dtype).masked_fill(absent, -torch.inf)

        table = rope_table(axis_positions(grid), split_head(self.config.motion_width // self.config.heads))
        rope = (table[0].to(pose), table[1].to(pose))
        keys, values = [], []
        for fusion, site in zip(self.fusion, self.sites, strict=True):
            pose, camera, fused = fusion(pose, camera, prior, route, rope)
            key, value = site.keys_and_values(fused, rope)
            keys.append(key)
            values.append(value)
        return FusedTokens(tuple(keys), tuple(values), rope)

    def _at_latents(self, rays: torch.Tensor) -> torch.Tensor:
        step = self.config.pixel_unshuffle
        return F.avg_pool2d(rays.flatten(0, 1), step).unflatten(0, rays.shape[:2])

    @staticmethod
    def _presence(
        name: str,
        signal: torch.Tensor | None,
        present: dict[str, torch.Tensor] | None,
        like: torch.Tensor,
    ) -> torch.Tensor:
        if signal is None:
            return torch.zeros(like.shape[0], dtype=torch.bool, device=like.device)
        if present is not None and name in present:
            return present[name].to(like.device)
        return torch.ones(like.shape[0], dtype=torch.bool, device=like.device)

    @staticmethod
    def _tokens(
        encoded: torch.Tensor | None, has: torch.Tensor, null: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        """Flattens [B, M, f, h, w] to [B, N, M], with the null token where the signal is absent."""
        empty = null.expand(len(has), grid[0] * grid[1] * grid[2], -1)
        if encoded is None:
            return empty
        return torch.where(has[:, None, None], encoded.flatten(2).transpose(1, 2), empty)


def token_prior(person_mask: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """M_prior: the person mask [B, T, H, W] on the token grid, 1 where a person is or stands next to it: [B, N].

    Max-pooled over space and over the autoencoder's frame groups [0], [1-4], [5-8], ..., then dilated by one token.
    """
    frames, rows, columns = grid
    mask = F.adaptive_max_pool2d(person_mask.float(), (rows, columns))
    first, later = mask[:, :1], mask[:, 1:]
    later = later.unflatten(1, (frames - 1, -1)).amax(2) if frames > 1 else later
    grouped = torch.cat([first, later], dim=1)
    return F.max_pool2d(grouped, 3, stride=1, padding=1).flatten(1)
