"""The fast causal video autoencoder: a fixed linear transform of space-time patches (ours).

Video frames are cut into patches of 8x8 pixels: the first frame alone, later frames in groups of four (the causal
4x8x8 layout of the published video VAEs). Each patch is projected onto the principal components of real takes.
With 192 channels the first frame passes without loss (3 * 8 * 8 = 192) and a group of four keeps a quarter of its
numbers. A linear code cannot hallucinate, costs a matrix product, and leaves squared error in the latents equal to
squared error in pixels, which suits a denoiser that predicts clean samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

PATCH = 8
GROUP = 4
_STILL_SCALE = GROUP**0.5  # four equal frames have twice the norm of one


@dataclass
class LinearLatent:
    """The latent of a deterministic encoder, with the interface of diffusers' posteriors."""

    latent: torch.Tensor

    def mode(self) -> torch.Tensor:
        return self.latent

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.latent


class AutoencoderPatchPCA(ModelMixin, ConfigMixin):
    """Principal components of 1x8x8 patches (first frame) and 4x8x8 patches (all later frames).

    Args:
        latent_channels: components kept, at most 192.
        scaling_factor: one global factor that brings latents to unit scale; per-component whitening would
            amplify the weak components.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(self, latent_channels: int = 192, scaling_factor: float = 1.0) -> None:
        super().__init__()
        if not 1 <= latent_channels <= 3 * PATCH * PATCH:
            raise ValueError(f"latent_channels must be 1 to {3 * PATCH * PATCH}, not {latent_channels}")
        still = 3 * PATCH * PATCH
        self.register_buffer("still_mean", torch.zeros(still))
        self.register_buffer("still_basis", torch.eye(still)[:, :latent_channels].contiguous())
        self.register_buffer("moving_mean", torch.zeros(still * GROUP))
        self.register_buffer("moving_basis", torch.eye(still * GROUP)[:, :latent_channels].contiguous())
        self._anchor = nn.Parameter(torch.empty(0), requires_grad=False)  # gives ModelMixin a dtype

    @property
    def temporal_compression_ratio(self) -> int:
        return GROUP

    @property
    def spatial_compression_ratio(self) -> int:
        return PATCH

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple[LinearLatent]:
        """Encodes video.

        Args:
            x: pixels in [-1, 1], [B, 3, T, H, W] with T = 4k + 1 and H, W multiples of 8.

        Returns:
            A posterior whose mode and sample are the latent [B, C, k + 1, H / 8, W / 8].

        Raises:
            ValueError: a size that does not fit.
        """
        _, colours, frames, height, width = x.shape
        if colours != 3 or frames % GROUP != 1 or height % PATCH or width % PATCH:
            raise ValueError(
                f"expected [B, 3, 4k + 1, 8m, 8n] pixels, got {list(x.shape)}: pad or crop the video first"
            )
        still = (patches(x[:, :, :1], 1) - self.still_mean) @ self.still_basis * _STILL_SCALE
        latent = still
        if frames > 1:
            moving = (patches(x[:, :, 1:], GROUP) - self.moving_mean) @ self.moving_basis
            latent = torch.cat([still, moving], dim=1)
        latent = latent.permute(0, 4, 1, 2, 3) * self.config.scaling_factor
        posterior = LinearLatent(latent)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, z: torch.Tensor, return_dict: bool = True) -> DecoderOutput | tuple[torch.Tensor]:
        """Decodes latents [B, C, F, h, w] to pixels [B, 3, 4F - 3, 8h, 8w] in about [-1, 1] (not clipped)."""
        z = z.permute(0, 2, 3, 4, 1) / self.config.scaling_factor
        sample = unpatch(z[:, :1] / _STILL_SCALE @ self.still_basis.T + self.still_mean, 1)
        if z.shape[1] > 1:
            moving = unpatch(z[:, 1:] @ self.moving_basis.T + self.moving_mean, GROUP)
            sample = torch.cat([sample, moving], dim=2)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def forward(self, sample: torch.Tensor) -> DecoderOutput:
        """Round trip of pixels [B, 3, T, H, W]."""
        (posterior,) = self.encode(sample, return_dict=False)
        (decoded,) = self.decode(posterior.mode(), return_dict=False)
        return DecoderOutput(sample=decoded)


def patches(x: torch.Tensor, group: int) -> torch.Tensor:
    """Cuts [B, 3, g*F, 8h, 8w] into patch vectors [B, F, h, w, 3*g*64], colour slowest."""
    batch, colours, frames, height, width = x.shape
    x = x.reshape(batch, colours, frames // group, group, height // PATCH, PATCH, width // PATCH, PATCH)
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)


def unpatch(x: torch.Tensor, group: int) -> torch.Tensor:
    """Inverse of `patches`."""
    batch, frames, rows, columns, _ = x.shape
    x = x.reshape(batch, frames, rows, columns, 3, group, PATCH, PATCH)
    return x.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(batch, 3, frames * group, rows * PATCH, columns * PATCH)


class PatchStatistics:
    """Running second moments of patch vectors, from which the components are fitted."""

    def __init__(self, group: int) -> None:
        size = 3 * group * PATCH * PATCH
        self.group = group
        self.count = 0.0
        self.total = torch.zeros(size, dtype=torch.float64)
        self.products = torch.zeros(size, size, dtype=torch.float64)

    def add(self, x: torch.Tensor, weight: torch.Tensor | None = None) -> None:
        """Adds the patches of [B, 3, g*F, H, W]; `weight` [B, F, h, w] counts some patches more."""
        vectors = patches(x, self.group).flatten(0, 3)
        weights = torch.ones(len(vectors)) if weight is None else weight.flatten()
        self.count += float(weights.sum())
        weighted = vectors * weights[:, None]
        self.total += weighted.sum(0).double()
        self.products += (weighted.T @ vectors).double()

    def components(self, channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean [D], leading components [D, channels], and all variances [D], largest first."""
        if not self.count:
            raise ValueError("no patches were added")
        mean = self.total / self.count
        covariance = self.products / self.count - torch.outer(mean, mean)
        variances, vectors = torch.linalg.eigh(covariance)
        order = torch.argsort(variances, descending=True)
        basis = vectors[:, order[:channels]]
        # A component's sign is arbitrary: fix it so that a refit on the same data gives the same file.
        largest = basis.abs().argmax(0)
        basis = basis * torch.sign(basis[largest, torch.arange(basis.shape[1])])
        return mean.float(), basis.float(), variances[order].clamp(min=0)


def fit(moving: PatchStatistics, latent_channels: int) -> AutoencoderPatchPCA:
    """The autoencoder for the collected 4x8x8 patches.

    Groups of frames get the leading components. The first frame gets the orthonormal basis that comes nearest to
    coding a still picture as a group of four copies of it would be coded (orthogonal Procrustes), so that channel c
    means the same in every latent frame and a backdrop that does not move keeps its latents.
    """
    mean, basis, variances = moving.components(latent_channels)
    still = basis.unflatten(0, (3, GROUP, PATCH * PATCH)).sum(1).flatten(0, 1)  # codes of [p, p, p, p], by p
    left, _, right = torch.linalg.svd(still.double(), full_matrices=False)
    scale = float(torch.sqrt(variances[:latent_channels].mean()))
    model = AutoencoderPatchPCA(latent_channels=latent_channels, scaling_factor=1.0 / max(scale, 1e-6))
    model.moving_mean.copy_(mean)
    model.moving_basis.copy_(basis)
    model.still_mean.copy_(mean.unflatten(0, (3, GROUP, PATCH * PATCH)).mean(1).flatten())
    model.still_basis.copy_((left @ right).float())
    return model
