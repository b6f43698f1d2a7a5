"""MoSA (arXiv 2508.17404), the appearance branch: skeleton video -> E -> structure blocks -> HADC in the backbone.

The backbone is frozen; structure blocks and HADC train. What the paper says, what it leaves open and what we chose
stands in docs/mosa.md; the branch itself is in `mosa_structure`, HADC in `mosa_hadc`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from diffusers.configuration_utils import register_to_config
from torch import nn

from kinema.papers.mosa_hadc import AdditionSite, ControlSite, MaskHead, StructureTokens
from kinema.papers.mosa_structure import STRUCTURE_BRANCHES
from kinema.papers.paper import Paper
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.models.spec import spec_of

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals


class MoSAAdapter(ControlAdapter):
    """MoSA for any backbone whose family has a structure branch.

    Made by `for_transformer`, which copies the backbone's weights; a saved adapter holds all that it copied and loads
    without the backbone.

    Args:
        family: of the backbone.
        hidden_size: width D of the backbone's video tokens.
        patch: latents per token along time, rows and columns.
        branch: arguments of the family's structure branch.
        depth: structure blocks; the k-th feeds the site after the backbone's block k.
        control_width: channels of P.
        hadc: False adds the structure through a zero-initialised linear layer instead (the paper's ablation).
        mask_head: whether `masks` can be asked for.
        gain: of the skeletons' latents.
        skeleton_parts: what it was trained to see in skeleton maps, see `ControlAdapter.skeleton_parts`.
    """

    adapter_name = "mosa"
    signals = ("skeletons",)
    _supports_gradient_checkpointing = True
    _keep_in_fp32_modules: ClassVar[list[str]] = ["scale_shift_table"]  # as Wan's own

    @register_to_config
    def __init__(
        self,
        family: str,
        hidden_size: int,
        patch: tuple[int, int, int],
        branch: dict[str, Any],
        depth: int,
        control_width: int = 256,
        hadc: bool = True,
        mask_head: bool = True,
        gain: float = 1.0,
        skeleton_parts: tuple[str, ...] = ("body",),
    ) -> None:
        super().__init__()
        self.structure = STRUCTURE_BRANCHES[family](**branch)
        self.sites = nn.ModuleList(
            [
                ControlSite(index, hidden_size, control_width) if hadc else AdditionSite(index, hidden_size)
                for index in range(depth)
            ]
        )
        self.mask_heads = nn.ModuleList([MaskHead(patch) for _ in range(depth if hadc and mask_head else 0)])

    @classmethod
    def for_transformer(
        cls,
        transformer: nn.Module,
        *,
        depth: int | None = None,
        latent_channels: int | None = None,
        **options: Any,
    ) -> Self:
        """A new adapter that starts from copies of the backbone's first blocks.

        Args:
            transformer: without LoRA layers; its attached adapters are not copied.
            depth: structure blocks; a quarter of the backbone's blocks, at least 3 (ours), where None.
            latent_channels: channels C of the video latents, where the transformer reads more than those.
            options: arguments of the adapter that shall differ.
        """
        spec = spec_of(transformer)
        blocks = len(spec.block_list(transformer))
        depth = depth or min(blocks, max(3, blocks // 4))
        channels = latent_channels or _latent_channels(transformer.config)
        branch = STRUCTURE_BRANCHES[spec.name].settings_of(transformer.config, channels, depth)
        adapter = cls(spec.name, spec.width, spec.patch, branch, depth, **options)
        adapter.structure.copy_from(transformer)
        return adapter

    def sites_by_block(self) -> dict[int, nn.Module]:
        return dict(enumerate(self.sites))

    def encode(
        self,
        signals: ControlSignals,
        present: dict[str, torch.Tensor] | None = None,
        *,
        text: torch.Tensor | None = None,
        to_latents: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> StructureTokens:
        """Runs the structure branch; see ControlAdapter.encode.

        Args:
            signals: skeletons [B, T, 3, H, W] in [0, 1].
            present: `{"pose": bool [B]}`; where False, the backbone is left untouched.
            text: the prompt's token states; None is the empty prompt, zeros.
            to_latents: the backbone's autoencoder, frozen.

        Raises:
            ValueError: no skeletons, no autoencoder, or a size that does not divide into the backbone's tokens.
        """
        if signals.skeletons is None:
            raise ValueError("MoSA needs skeletons: the scene has nobody in it")
        if to_latents is None:
            raise ValueError("MoSA reads skeletons through the backbone's autoencoder: pass `to_latents`")
        latents = self._latents(signals.skeletons, to_latents)
        size, patch = tuple(latents.shape[2:]), tuple(self.config.patch)
        if any(side % step for side, step in zip(size, patch, strict=True)):
            raise ValueError(
                f"skeletons {list(signals.skeletons.shape)} make latents of {size} (frames, rows, columns), "
                f"which do not divide into tokens of {patch}: crop or pad the video"
            )
        grid = tuple(side // step for side, step in zip(size, patch, strict=True))
        taps = self.structure(latents, None if text is None else text.to(latents))
        has_pose = torch.ones(len(latents), dtype=torch.bool, device=latents.device)
        if present is not None and "pose" in present:
            has_pose = present["pose"].to(latents.device)
        prepared = [site.prepare(each) for site, each in zip(self.sites, taps, strict=True)]
        return StructureTokens(tuple(taps) if self.config.hadc else (), tuple(prepared), has_pose, grid)

    def masks(self, tokens: ControlTokens) -> tuple[torch.Tensor, ...]:
        """U(w) of each site, values for the squared mask loss, [B, 1, F, h, w].

        Wanted by `training.objectives.mask_loss`. Samples without structure have nothing to read a mask from.
        """
        assert isinstance(tokens, StructureTokens)
        return tuple(head(tokens.weights[index], tokens.grid) for index, head in enumerate(self.mask_heads))

    @torch.no_grad()
    def _latents(
        self, skeletons: torch.Tensor, to_latents: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """E up to its patch embedding: latents of the skeletons less those of a black video, [B, C, F, h, w].

        Black is zero (ours): most of a skeleton map is background, and in latents of any autoencoder black is not.
        """
        video = skeletons.transpose(1, 2) * 2 - 1
        black = torch.full_like(video[:1], -1)
        latents = to_latents(video) - to_latents(black)
        return (latents * self.config.gain).to(next(self.structure.parameters()))


def _latent_channels(config: Any) -> int:
    """Channels of the video latents, which every known backbone reads first."""
    # mini reads three videos' latents and two masks, and writes one video's and a mask.
    if config.in_channels == 3 * config.out_channels - 1:
        return config.out_channels - 1
    return min(config.in_channels, config.out_channels)


PAPER = Paper(
    name="mosa",
    title="MoSA: Motion-Coherent Human Video Generation via Structure-Appearance Decoupling",
    arxiv="2508.17404",
    parts={"adapter": MoSAAdapter},
    reads=("skeletons",),
)
