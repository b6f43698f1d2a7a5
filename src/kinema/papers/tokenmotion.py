"""TokenMotion (arXiv 2504.08181): camera and pose as tokens, fused under a human-aware mask, read by cross-attention.

Section 3 of the paper in three files: patchification (`tokenmotion_streams`), decouple-and-fuse
(`tokenmotion_fusion`), injection (`tokenmotion_injection`). None of it depends on the video tokens before the last
cross-attention, so everything up to its keys and values is computed once per video. Choices: docs/tokenmotion.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from torch import nn

from kinema.papers.paper import Paper
from kinema.papers.tokenmotion_fusion import FusionSite, JointSite, Mask, Routing
from kinema.papers.tokenmotion_injection import (
    FusedFeatures,
    FusedTokens,
    ResidualSite,
    TokenMotionSite,
)
from kinema.papers.tokenmotion_streams import MotionEncoder, motion_grid
from kinema.signals.person_mask import token_prior
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.rope import axis_positions, rope_table, split_head
from kinema.video.models.spec import spec_of

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals


# Ours: a skeleton map is black but for thin limbs. Black stays zero, so that what is drawn stands out, and the gain
# brings what little is drawn to the scale that convolutions are initialised for.
_SKELETON_GAIN = 4.0


class TokenMotionAdapter(ControlAdapter):
    """TokenMotion for any backbone whose blocks a BackboneSpec describes.

    With its default switches it is the paper's full model; `conditioning`, `mask` and `decouple_and_fuse` give the
    rows of the paper's ablation. A new adapter changes nothing under any of them.

    Args:
        hidden_size: width D of the backbone's video tokens.
        blocks: the blocks that get a site; every second by default (ours).
        motion_width: channels M of the motion tokens.
        heads: attention heads of the motion streams and of the cross-attention.
        first_width: channels of the encoders' first convolution.
        rank: rank r of the output projection.
        pixel_unshuffle: pixels per latent; skeleton maps are unshuffled by it.
        prior_strength: weight of M_prior; 1 with `learn_prior=False` is the paper's equation to the letter, 4 and
            learnable ours: LayerNorm logits have unit variance, so 1 only weighs 0.73.
        learn_prior: whether the weight is trained; otherwise it stays what it is.
        locality: see TokenMotionSite.
        conditioning: "patchified" reads tokens by cross-attention; "controlnet" adds features through zero-initialised
            projections, the row "no patchification (ControlNet-style)".
        mask: "hybrid"; "learnable" is the row of the learnable mask alone; "prior" the drawn mask alone (ours).
        decouple_and_fuse: False is the row "no decouple-and-fuse": the streams are summed and no mask is used.
        unconditional: what a sample with neither signal gets. "null" reads the learned null tokens, an unconditional
            that the adapter was trained on; "nothing" adds exactly zero, so that the pass is the backbone's own
            (ours; for guidance against the plain backbone and for combining adapters).
        skeleton_parts: what it was trained to see in skeleton maps, see `ControlAdapter.skeleton_parts`.
    """

    adapter_name = "tokenmotion"
    signals = ("skeletons", "rays", "person_mask")
    reads_text = False

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
        conditioning: Literal["patchified", "controlnet"] = "patchified",
        mask: Mask = "hybrid",
        decouple_and_fuse: bool = True,
        unconditional: Literal["null", "nothing"] = "null",
        skeleton_parts: tuple[str, ...] = ("body",),
    ) -> None:
        super().__init__()
        self.pose_encoder = MotionEncoder(3, pixel_unshuffle, first_width, motion_width)
        # Rays are smooth: they are read at latent resolution, one ray per latent pixel (ours).
        self.camera_encoder = MotionEncoder(6, 1, first_width, motion_width)
        self.null_pose = nn.Parameter(torch.randn(motion_width) * 0.02)
        self.null_camera = nn.Parameter(torch.randn(motion_width) * 0.02)

        def fusion_site() -> nn.Module:
            if decouple_and_fuse:
                return FusionSite(motion_width, heads, mask, prior_strength, learn_prior)
            return JointSite(motion_width, heads)

        def injection_site(index: int) -> nn.Module:
            if conditioning == "patchified":
                return TokenMotionSite(index, hidden_size, motion_width, heads, rank, locality)
            return ResidualSite(index, hidden_size, motion_width)

        self.fusion = nn.ModuleList([fusion_site() for _ in blocks])
        self.sites = nn.ModuleList([injection_site(index) for index in range(len(blocks))])

    @classmethod
    def for_transformer(cls, transformer: nn.Module, **options: Any) -> Self:
        """See ControlAdapter.for_transformer.

        Raises:
            ValueError: the transformer's tokens are not 1 x 2 x 2 latents, the only size that the encoders make.
        """
        spec = spec_of(transformer)
        if spec.patch != (1, 2, 2):
            frames, rows, columns = spec.patch
            raise ValueError(
                "TokenMotion makes one token of 1 x 2 x 2 latents, "
                f"this {spec.name} transformer one of {frames} x {rows} x {columns}"
            )
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
    ) -> FusedTokens | FusedFeatures:
        """Patchifies, fuses and projects; see ControlAdapter.encode.

        A sample without one of the signals is steered by the other alone: not a bit of what it adds depends on the
        absent one. A sample with neither gets what `unconditional` says.

        Args:
            signals: skeletons [B, T, 3, H, W] in [0, 1], rays [B, T, 6, H, W], person_mask [B, T, H, W]; a signal
                that is None is absent for all. Skeletons or rays must be there to fix the token grid.
            present: `{"pose": bool [B], "camera": bool [B]}`.
            text, to_latents: not read.

        Raises:
            ValueError: neither skeletons nor rays, or not 4k + 1 frames of whole tokens.
        """
        skeletons, rays = signals.skeletons, signals.rays
        given = skeletons if skeletons is not None else rays
        if given is None:
            raise ValueError("TokenMotion needs skeletons or rays: the scene gave neither people nor camera")
        frames, _, height, width = given.shape[1:]
        grid = motion_grid(frames, height, width, self.config.pixel_unshuffle)
        has_pose = self._presence("pose", skeletons, present, given)
        has_camera = self._presence("camera", rays, present, given)
        pose = None if skeletons is None else self.pose_encoder(skeletons * _SKELETON_GAIN)
        camera = None if rays is None else self.camera_encoder(self._at_latents(rays))
        pose = self._tokens(pose, has_pose, self.null_pose, grid)
        camera = self._tokens(camera, has_camera, self.null_camera, grid)

        prior = pose.new_zeros(pose.shape[:2])
        if signals.person_mask is not None:
            prior = token_prior(signals.person_mask, grid).flatten(1).to(pose) * has_pose[:, None]
        table = rope_table(axis_positions(grid), split_head(self.config.motion_width // self.config.heads))
        rope = (table[0].to(pose), table[1].to(pose))
        routing = Routing(prior, has_pose, has_camera, rope)

        streams = (pose, camera) if self.config.decouple_and_fuse else (pose + camera,)
        fused = []
        for fusion in self.fusion:
            streams, mixed = fusion(streams, routing)
            fused.append(mixed)
        return self._read_by_sites(fused, routing, grid)

    def _read_by_sites(
        self, fused: list[torch.Tensor], routing: Routing, grid: tuple[int, int, int]
    ) -> FusedTokens | FusedFeatures:
        """What each site makes of its fused tokens; zero where nothing is to be added, as no site has a bias."""
        silent = ~(routing.has_pose | routing.has_camera)
        if self.config.unconditional == "null":
            silent = torch.zeros_like(silent)
        if self.config.conditioning == "controlnet":
            features = [site.norm_fused(one) for site, one in zip(self.sites, fused, strict=True)]
            return FusedFeatures(tuple(one.masked_fill(silent[:, None, None], 0.0) for one in features), grid)
        pairs = [site.keys_and_values(one, routing.rope) for site, one in zip(self.sites, fused, strict=True)]
        keys = tuple(key for key, _ in pairs)
        values = tuple(value.masked_fill(silent[:, None, None, None], 0.0) for _, value in pairs)
        return FusedTokens(keys, values, routing.rope, grid)

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


PAPER = Paper(
    name="tokenmotion",
    title="TokenMotion: Decoupled Motion Control via Token Disentanglement for Human-centric Video Generation",
    arxiv="2504.08181",
    parts={"adapter": TokenMotionAdapter},
    reads=("skeletons", "rays", "person_mask"),
)
