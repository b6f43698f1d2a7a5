"""TokenMotion (arXiv 2504.08181, CVPR 2025): camera and pose as tokens, fused under a human-aware mask, cross-attended.

A frozen video model is steered by a camera path (Plücker rays), by poses (skeleton maps), or by both. Paper to code:

    Sec. 3.1  patchification: 2D, then causal 3D convolutions to the grid of video tokens   `MotionEncoder`
    Sec. 3.2  self-attention within each stream                                             `StreamAttention`
              M_pose = LN(Linear(z_pose)), M_cam = LN(Linear(z_cam)), M_prior from the poses;
              z_fused = Softmax([M_pose + M_prior ; M_cam]) . [z_pose ; z_cam]              `FusionSite`
              M_prior, drawn and dilated                                   `kinema.signals.person_mask.token_prior`
    Sec. 3.3  z_visual += LoRA(CrossAttn(Q = z_visual, K = z_fused, V = z_fused))           `TokenMotionSite`
    ablation  `JointSite` (no decouple-and-fuse), `mask=` of `FusionSite`; `ResidualSite` is ours
    loss      the backbone's own                                              `kinema.diffusion.objective.Denoising`

None of it depends on the video tokens before the last cross-attention, so everything up to its keys and values is made
once per video. No public code or weights exist. What is ours stands in `PAPER` at the end, with the reasons.
Shapes: B batch, N tokens on the grid (f, h, w), M motion width, D backbone width, r rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from torch import nn

from kinema.papers.paper import Paper
from kinema.signals.person_mask import token_prior
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.rope import apply_rope, axis_positions, rope_table, split_head
from kinema.video.models.spec import spec_of
from kinema.video.work import Activations, Tokens, Work, linear_work

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals

RopeTable = tuple[torch.Tensor, torch.Tensor]
Mask = Literal["hybrid", "learnable", "prior"]
CausalPadding = Literal["activated", "input"]


# Section 3.1, patchification, and the self-attention of 3.2.


def motion_grid(frames: int, height: int, width: int, unshuffle: int) -> tuple[int, int, int]:
    """Tokens along time, rows and columns that MotionEncoder makes of a video.

    Args:
        frames, height, width: of the signals; pixels.
        unshuffle: pixels per latent.

    Raises:
        ValueError: a video of another size than 4k + 1 frames of whole tokens.
    """
    token = 2 * unshuffle
    if frames % 4 != 1 or height % token or width % token:
        raise ValueError(
            f"TokenMotion reads 4k + 1 frames with sides in multiples of {token} pixels, "
            f"not {frames} frames of {width} x {height}"
        )
    return 1 + (frames - 1) // 4, height // token, width // token


class MotionEncoder(nn.Module):
    """Patchification: 2D convolutions over space, then causal 3D convolutions over time (Sec. 3.1).

    Layer shapes are ours: unshuffle to the latent grid, a 3x3 convolution, a 2x2 stride to the token grid, and two
    causal convolutions with stride 2 in time (49 frames -> 25 -> 13).

    Args:
        in_channels: C of the signal.
        unshuffle: pixels per latent.
        first_width: channels of the first convolution.
        width: M.
        causal_padding: what a causal convolution sees before the first frame. "activated" repeats what it sees of that
            frame, so that a still video has the same token in every frame. "input" repeats the frame before its
            activation, which the first released weights were trained with.
    """

    def __init__(
        self,
        in_channels: int,
        unshuffle: int,
        first_width: int,
        width: int,
        causal_padding: CausalPadding = "activated",
    ) -> None:
        super().__init__()
        self.causal_padding = causal_padding
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
            activated = F.silu(x)
            before = (activated if self.causal_padding == "activated" else x)[:, :, :1]
            x = conv(torch.cat([before.expand(-1, -1, 2, -1, -1), activated], dim=2))
        return x


class StreamAttention(nn.Module):
    """Self-attention of one motion stream, residual, with rotary positions (Sec. 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, z: torch.Tensor, rope: RopeTable) -> torch.Tensor:
        """Updates tokens [B, N, M]."""
        query, key, value = (
            self.to_qkv(self.norm(z)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        )
        attended = F.scaled_dot_product_attention(apply_rope(query, rope), apply_rope(key, rope), value)
        return z + self.to_out(attended.transpose(1, 2).flatten(2))


# Section 3.2, decouple-and-fuse.


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


# Section 3.3, injection.


@dataclass(frozen=True, eq=False)
class FusedTokens(ControlTokens):
    """What the cross-attention sites read.

    Args:
        keys, values: of every site, [B, heads, N, d] each.
        rope: rotary table of the token grid.
        grid: tokens along time, rows and columns.
    """

    shared = ("rope",)
    by_video_token = ("rope",)  # each rank of context parallelism asks for its own share, and reads all

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    rope: RopeTable
    grid: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class FusedFeatures(ControlTokens):
    """What the ControlNet-style sites read.

    Args:
        features: of every site, [B, N, M] each.
        grid: tokens along time, rows and columns.
    """

    by_video_token = ("features",)

    features: tuple[torch.Tensor, ...]
    grid: tuple[int, int, int]


class TokenMotionSite(nn.Module):
    """Injection: z_visual += LoRA(CrossAttn(Q = z_visual, K = z_fused, V = z_fused)).

    LoRA is the rank of the output projection: B A with A [r, M], B [D, r], and B = 0 at the start, so that step 0 is
    the untouched backbone. It is a layer of this site; no weight of the backbone is changed or replaced (ours: the
    paper does not say what its LoRA wraps).

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
        nn.init.zeros_(self.lora_up.weight)
        for linear in (self.to_q, self.to_k):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            with torch.no_grad():
                linear.bias[::2] = locality

    def keys_and_values(self, fused: torch.Tensor, rope: RopeTable) -> tuple[torch.Tensor, torch.Tensor]:
        """What z_fused [B, N, M] is to the attention, [B, heads, N, d] each; made once per video."""
        fused = self.norm_fused(fused)
        key = self.to_k(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = self.to_v(fused).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return apply_rope(key, rope), value

    def forward(self, hidden_states: torch.Tensor, tokens: FusedTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        check_grid(hidden_states, len(tokens.rope[0]), tokens.grid)
        query = self.to_q(self.norm(hidden_states)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(
            apply_rope(query, tokens.rope), tokens.keys[self.index], tokens.values[self.index]
        )
        return self.lora_up(self.lora_down(attended.transpose(1, 2).flatten(2)))


class ResidualSite(nn.Module):
    """Injection by addition instead of cross-attention (ours): z_visual += Linear(LN(z_fused)).

    Features are added where they lie, as a ControlNet does, through a projection that starts at zero; video tokens do
    not choose what they read. The paper's row "no patchification (ControlNet-style)" takes the patchification away;
    here patchification and fusion stay, and only the injection differs: another intervention, under another name.
    """

    def __init__(self, index: int, hidden_size: int, width: int) -> None:
        super().__init__()
        self.index = index
        self.norm_fused = nn.LayerNorm(width)
        self.to_out = nn.Linear(width, hidden_size, bias=False)
        nn.init.zeros_(self.to_out.weight)

    def forward(self, hidden_states: torch.Tensor, tokens: FusedFeatures) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]."""
        features = tokens.features[self.index]
        check_grid(hidden_states, features.shape[1], tokens.grid)
        return self.to_out(features)


def check_grid(hidden_states: torch.Tensor, expected: int, grid: tuple[int, int, int]) -> None:
    """Cross-attention would read any number of tokens, wherever they lie: signals of another size must not pass.

    Args:
        hidden_states: video tokens [B, N, D].
        expected: N as the signals have it; the grid's, or this rank's share of them.
        grid: tokens along time, rows and columns, for the message.

    Raises:
        ValueError: another N.
    """
    if hidden_states.shape[1] != expected:
        raise ValueError(
            f"the signals fill a grid of {' x '.join(map(str, grid))} = {expected} tokens, "
            f"the video has {hidden_states.shape[1]}: make the signals at the video's size and length"
        )


# The adapter.

# Ours: a skeleton map is black but for thin limbs. Black stays zero, so that what is drawn stands out, and the gain
# brings what little is drawn to the scale that convolutions are initialised for.
_SKELETON_GAIN = 4.0


class TokenMotionAdapter(ControlAdapter):
    """TokenMotion for any backbone whose blocks a BackboneSpec describes.

    With its default switches it is the paper's full model; `mask` and `decouple_and_fuse` give rows of the paper's
    ablation, `conditioning` one of ours. A new adapter changes nothing under any of them.

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
            projections (ours; not the paper's row "no patchification", see ResidualSite).
        mask: "hybrid"; "learnable" is the row of the learnable mask alone; "prior" the drawn mask alone (ours).
        decouple_and_fuse: False is the row "no decouple-and-fuse": the streams are summed and no mask is used.
        unconditional: what a sample with neither signal gets. "null" reads the learned null tokens, an unconditional
            that the adapter was trained on; "nothing" adds exactly zero, so that the pass is the backbone's own
            (ours; for guidance against the plain backbone and for combining adapters).
        skeleton_parts: what it was trained to see in skeleton maps, see `ControlAdapter.skeleton_parts`.
        causal_padding: see MotionEncoder. The default is that of weights whose configuration does not say;
            `for_transformer` makes adapters with "activated".
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
        causal_padding: CausalPadding = "input",
    ) -> None:
        super().__init__()
        self.pose_encoder = MotionEncoder(3, pixel_unshuffle, first_width, motion_width, causal_padding)
        # Rays are smooth: they are read at latent resolution, one ray per latent pixel (ours).
        self.camera_encoder = MotionEncoder(6, 1, first_width, motion_width, causal_padding)
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
            "causal_padding": "activated",
        }
        return cls(**{**layout, **options})

    def sites_by_block(self) -> dict[int, nn.Module]:
        return dict(zip(self.config.blocks, self.sites, strict=True))

    def work(self, tokens: Tokens) -> Work:
        """See ControlAdapter.work: both encoders, both streams' attention and masks, and the cross-attention.

        A stream that a sample has not is counted, too.
        """
        made = self.config
        width, first, count = float(made.motion_width), float(made.first_width), float(tokens.video)
        cells = tokens.frames * count / tokens.grid[0]  # token cells of every frame: four latents each
        channels = 3 * made.pixel_unshuffle**2 + 6
        work = Work(constant=2.0 * 4 * cells * 9 * channels * first)
        half = (1 + (tokens.frames - 1) // 2) / tokens.frames
        ahead = linear_work(cells, [(4 * first, width)]) + linear_work(cells * half, [(27 * width, width)])
        work += (ahead + linear_work(count, [(27 * width, width)])) * 2
        streams = 2 if made.decouple_and_fuse else 1
        site = (linear_work(count, [(width, 4 * width)]) + Work(attention=4.0 * count**2 * width)) * streams
        if made.decouple_and_fuse and made.mask != "prior":
            site += linear_work(count, [(width, 2 * width)])
        if made.conditioning == "controlnet":
            site += linear_work(count, [(width, made.hidden_size)])
        else:
            site += linear_work(count, [(width, 2 * width), (made.hidden_size, width)])
            site += linear_work(count, [(width, made.rank), (made.rank, made.hidden_size)])
            site += Work(attention=4.0 * count**2 * width)
        return work + site * len(made.blocks)

    def activations(self, tokens: Tokens, checkpointing: bool) -> Activations:
        """See ControlAdapter.activations: 63 bytes for each site, token and channel, half of it the masks in 32 bits.

        Counted as autograd saves it; the encoders look at every frame.
        """
        made, rows = self.config, float(tokens.video * self.config.motion_width)
        kept = rows * (63.0 * len(made.blocks) + 160.0 * tokens.frames / tokens.grid[0])
        site = 10.0 * tokens.video * (made.hidden_size + made.motion_width)
        return Activations(kept, site) if checkpointing else Activations(kept + site * len(made.blocks))

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
    ours=(
        "rays are averaged to latent resolution before the convolutions: they are smooth, and then 64 times fewer",
        "poses are projected from 3D joints of a scene; the paper detects them with DWPose",
        "Linear of the masks is as wide as the tokens: over one channel LayerNorm would be a constant; the softmax is "
        "therefore per token and channel",
        "M_prior weighs 4 and is learnable: against logits of unit variance the paper's 1 weighs only 0.73 "
        "(prior_strength=1, learn_prior=False is the equation to the letter)",
        "rotary positions in both attentions, and a start that looks nearby: without positions a token does not know "
        "where another lies",
        "LoRA is the rank-64 output projection of each site: the paper does not say what it wraps",
        "a site behind every second block, where the paper writes every block n; blocks= sets them",
        "a missing signal is a learned token and exact routing, where the paper gives a blank pose picture: nothing of "
        "an absent signal leaks",
        "conditioning='controlnet' changes the injection and keeps the patchification: it is not the paper's row "
        "'no patchification' (FVD 590.62)",
        "causal_padding='input' of the weights released first repeats the first frame before its activation, against "
        "the intent; new adapters repeat the activated one",
        "image to video on CogVideoX-2B widens its patch embedding with zeros and trains it (model.picture=first): no "
        "such backbone is published",
    ),
    verdict="Architecture only: trained on the small embedded model, never on CogVideoX-2B; no figure of the paper is "
    "reproduced.",
    command="kinema animate PICTURE --motion MOTION --camera 'arc left 60deg' --control tokenmotion -o OUT.mp4",
)
