"""MTVCraft (arXiv 2505.10238, ICLR 2026): raw 4D motion as tokens, read by motion attention with 4D positions.

A tokenizer turns SMPL-24 joints, as the camera sees them, into one token per joint and latent frame
(`kinema.motion.tokenizer`); a site in the backbone's blocks lets video tokens ask them (`attention`); rotary positions
say when and where a token is (`positions`). Published weights: `published`.
Shapes: B batch, P people, T frames, f latent frames, S = f * 24 motion tokens of width C per person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from diffusers.configuration_utils import register_to_config
from torch import nn

from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.attention import MOTION_ATTENTION, MotionTokens
from kinema.papers.mtvcraft.motion import (
    camera_joints_mm,
    check_motion,
    latent_mean,
    on_neutral_bodies,
    padded_for_tokenizer,
    places_in_picture,
    without_gaps,
)
from kinema.papers.mtvcraft.positions import (
    Form,
    RopeTable,
    Variant,
    around_centre,
    head_shares,
    motion_table,
    video_table,
)
from kinema.scene.skeleton import SMPL24
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.models.spec import spec_of
from kinema.video.work import Activations, Tokens, Work, linear_work

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals

_JOINTS = 24
_TOKENIZER = "tokenizer"


class MTVCraftAdapter(ControlAdapter):
    """MTVCraft for any backbone whose blocks a BackboneSpec describes.

    Args:
        hidden_size: width D of the backbone's video tokens.
        heads: of the motion attention; the backbone's own number.
        blocks: the blocks that get a site. The paper says every second one; `for_transformer` follows the public
            files, every one in CogVideoX and every fourth in Wan.
        form: of the motion attention: `cogvideox`, `wan`, or `wan_published` for the published Wan weights alone.
        code_dim: width C of the motion tokens.
        rope: positions of the tokens: `full`, a variant of the paper's ablation, or ours, `picture`
            (`positions`).
        mean_joints_mm: mean joints of the tokenizer's data, 24 x 3, which fix the positions; by default the rest pose
            (ours).
        null_frames: latent frames of the learned tokens that stand for "no motion" in guidance; 0 for none: then the
            sites add nothing to a sample without motion.
        people: most people in one scene. Each has a set of tokens of their own, marked by a learned vector that is
            zero for the first and at first for all (ours; published code reads the first person only).
        pixels_per_token: size of a video token.
        window: the only number of frames that the weights understand, or None.
        body: whose joints are tokenized. "own" is the actor's, as in the public code; "neutral" has everybody's motion
            on the neutral SMPL body, as in the paper.
    """

    adapter_name = "mtvcraft"
    signals = ("joints", "cameras", "intrinsics")
    reads_text = False

    _tokenizer: MotionTokenizer | None

    @register_to_config
    def __init__(
        self,
        hidden_size: int = 3072,
        heads: int = 48,
        blocks: tuple[int, ...] = tuple(range(42)),
        form: Form = "cogvideox",
        code_dim: int = 3072,
        rope: Variant = "full",
        mean_joints_mm: Sequence[Sequence[float]] | None = None,
        null_frames: int = 13,
        people: int = 4,
        pixels_per_token: int = 16,
        window: int | None = None,
        body: Literal["own", "neutral"] = "own",
    ) -> None:
        super().__init__()
        site = MOTION_ATTENTION[form]
        self.sites = nn.ModuleList(
            [site(index, hidden_size, heads, code_dim) for index in range(len(blocks))]
        )
        if rope == "picture":
            for each in self.sites:
                each.look_nearby()
        self.person_embedding = nn.Parameter(torch.zeros(people - 1, code_dim))
        self.null_motion = (
            nn.Parameter(torch.randn(null_frames * _JOINTS, code_dim) * 0.02) if null_frames else None
        )
        # Ours: the paper says only that positions are learned. They start at the mean joints; metres, so that a step of
        # an optimiser made for weights moves them by tenths of a millimetre.
        self.learned_space = nn.Parameter(torch.zeros(_JOINTS, 3)) if rope == "learnable" else None
        self.__dict__["_tokenizer"] = None

    @classmethod
    def for_transformer(
        cls, transformer: nn.Module, tokenizer: MotionTokenizer | None = None, **options: Any
    ) -> Self:
        """A new adapter; see ControlAdapter.for_transformer.

        Args:
            transformer: of any known backbone whose tokens are one latent frame long.
            tokenizer: fixes the width and the mean joints, and becomes the adapter's own.
            options: arguments of the adapter that shall differ.

        Raises:
            ValueError: video tokens of several latent frames (CogVideoX 1.5).
        """
        spec = spec_of(transformer)
        if spec.patch[0] != 1:
            raise ValueError(
                f"video tokens of this {spec.name} transformer hold {spec.patch[0]} latent frames, motion tokens one: "
                "use a backbone with a temporal patch of 1"
            )
        depth = len(spec.block_list(transformer))
        form = "cogvideox" if spec.name == "cogvideox" else "wan"
        # The public files' steps, not the paper's 2. Ours: a fourth of a dozen blocks are few, so small ones get half.
        step = 1 if form == "cogvideox" else 4 if depth > 12 else 2
        layout: dict[str, Any] = {
            "hidden_size": spec.width,
            "heads": spec.heads,
            "blocks": tuple(range(0, depth, step)),
            "form": form,
            "pixels_per_token": spec.spatial_compression * spec.patch[1],
        }
        if tokenizer is not None:
            layout["code_dim"] = tokenizer.config.code_dim
            if tokenizer.config.form != "differential":  # there the mean is one of displacements
                layout["mean_joints_mm"] = tokenizer.config.mean
        adapter = cls(**{**layout, **options})
        return adapter if tokenizer is None else adapter.with_tokenizer(tokenizer)

    @property
    def tokenizer(self) -> MotionTokenizer | None:
        """The tokenizer that `encode` uses. It is no part of the adapter's parameters: it stays frozen, in float32."""
        return self._tokenizer

    def with_tokenizer(self, tokenizer: MotionTokenizer) -> Self:
        """Makes a tokenizer the adapter's own; it is saved and loaded with it.

        Raises:
            ValueError: its tokens are of another width.
        """
        if tokenizer.config.code_dim != self.config.code_dim:
            raise ValueError(
                f"the adapter reads tokens of width {self.config.code_dim}, "
                f"this tokenizer makes them {tokenizer.config.code_dim} wide"
            )
        # Past nn.Module, which would make it a part of the adapter: nearest codes must not depend on the adapter's type.
        self.__dict__["_tokenizer"] = tokenizer.eval().requires_grad_(False)
        return self

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Saves the adapter, and its tokenizer in the subfolder `tokenizer`; see ModelMixin.save_pretrained."""
        super().save_pretrained(save_directory, **options)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(Path(save_directory) / _TOKENIZER, **options)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> Self:
        """Loads the adapter, and its tokenizer where the folder has one; see ModelMixin.from_pretrained."""
        adapter = super().from_pretrained(folder, **options)
        saved = Path(folder) / options.get("subfolder", "") / _TOKENIZER
        if not saved.is_dir():
            return adapter
        return adapter.with_tokenizer(MotionTokenizer.from_pretrained(saved, dtype=torch.float32))

    def notes(self, signals: ControlSignals) -> list[str]:
        if signals.joints is None or signals.cameras is None:
            return []
        return check_motion(signals, self.tokenizer)

    def sites_by_block(self) -> dict[int, nn.Module]:
        return dict(zip(self.config.blocks, self.sites, strict=True))

    def work(self, tokens: Tokens) -> Work:
        """See ControlAdapter.work: queries and answers of the video, keys and values of one person's motion.

        The motion tokenizer is left out; it works on a few hundred tokens of one clip.
        """
        width, video, count = float(self.config.hidden_size), float(tokens.video), len(self.sites)
        motion = float(tokens.grid[0] * _JOINTS)
        site = linear_work(video, [(width, 2 * width)])
        site += linear_work(motion, [(self.config.code_dim, 2 * width)])
        return (site + Work(attention=4.0 * video * motion * width)) * count

    def activations(self, tokens: Tokens, checkpointing: bool) -> Activations:
        """See ControlAdapter.activations: keys and values of the motion, and the sites' questions of the video."""
        width = float(self.config.hidden_size)
        kept = 16.0 * tokens.grid[0] * _JOINTS * width * len(self.sites)
        site = 12.0 * tokens.video * width
        return Activations(kept, site) if checkpointing else Activations(kept + site * len(self.sites))

    def encode(
        self,
        signals: ControlSignals,
        present: dict[str, torch.Tensor] | None = None,
        *,
        text: torch.Tensor | None = None,
        to_latents: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> MotionTokens:
        """Tokenizes the motion that the camera sees and projects it for every site; see ControlAdapter.encode.

        Missing joints are filled (`motion.without_gaps`); somebody without any joint is not there.

        Args:
            signals: joints [B, P, T, 24, 3] and cameras [B, T, 4, 4], at the video's own frame rate, with the size of
                the video. Without joints nobody is there.
            present: `{"pose": bool [B]}`.
            text, to_latents: not read.

        Raises:
            ValueError: no tokenizer, no size of the video, joints without cameras (or, for `picture`
                positions, without their intrinsics), more people than the adapter can tell apart, or a length other
                than 4k + 1 or than the one the weights are tied to.
        """
        grid = self._grid(signals)
        frames = grid[0]
        if signals.joints is None:
            batch = signals.batch or 1
            silence = torch.zeros(batch, 1, frames * _JOINTS, self.config.code_dim)
            return self.encode_tokens(silence, grid, there=torch.zeros(batch, 1, dtype=torch.bool))
        if self.tokenizer is None:
            raise ValueError(
                "this MTVCraft adapter has no motion tokenizer: give it one with with_tokenizer, "
                "or load it from a folder with a tokenizer/ subfolder"
            )
        if signals.cameras is None:
            raise ValueError("MTVCraft sees people from the camera: the signals hold joints but no cameras")
        world = on_neutral_bodies(signals.joints) if self.config.body == "neutral" else signals.joints
        joints = camera_joints_mm(world, signals.cameras)
        there = joints.isfinite().all(-1).flatten(2).any(-1)  # [B, P]
        if present is not None and "pose" in present:
            there = there & present["pose"].to(there)[:, None]
        rest = self._mean_joints_mm(joints)
        joints = without_gaps(torch.where(there[..., None, None, None], joints, rest), rest)
        people = joints.flatten(0, 1)
        with torch.no_grad():
            motion = self.tokenizer.to(people.device).tokens(padded_for_tokenizer(people))
        motion = motion[:, : frames * _JOINTS].unflatten(0, there.shape)
        space = None
        if self.config.rope == "dynamic":
            space = around_centre(latent_mean(people))
        elif self.config.rope == "picture":
            if signals.intrinsics is None:
                raise ValueError(
                    "MTVCraft places joints in the picture: the signals hold no intrinsics of the cameras"
                )
            places = places_in_picture(joints, signals.intrinsics, self.config.pixels_per_token)
            places = torch.where(there[..., None, None, None], places, _middle(grid).to(places))
            space = latent_mean(places.flatten(0, 1))
        return self.encode_tokens(motion, grid, there=there, space=space)

    def encode_tokens(
        self,
        motion: torch.Tensor,
        grid: tuple[int, int, int],
        *,
        there: torch.Tensor | None = None,
        space: torch.Tensor | None = None,
    ) -> MotionTokens:
        """Keys and values of motion tokens that are there already.

        Args:
            motion: [B, P, f * 24, C], frame by frame.
            grid: video tokens along time, rows and columns; as many frames as the motion has.
            there: False for people who are not there, bool [B, P]; by default all are. A sample without anybody gets
                the tokens of no motion, or nothing where the adapter has none.
            space: for `dynamic` positions the place of each joint around the body's centre, millimetres,
                [B * P, f, 24, 3]; for `picture` its row and column in video tokens, [B * P, f, 24, 2], by default the
                middle of the picture.

        Raises:
            ValueError: more people than the adapter can tell apart, or a length the weights are not made for.
        """
        batch, people = motion.shape[:2]
        self._check(people, grid[0])
        motion = motion.to(self.device, self.dtype)
        if there is None:
            there = torch.ones(batch, people, dtype=torch.bool)
        there = there.to(motion.device)
        somebody = there.any(1)
        motion = (
            motion + torch.cat([motion.new_zeros(1, motion.shape[-1]), self.person_embedding])[:people, None]
        )
        if self.null_motion is not None:
            motion = torch.where(somebody.view(-1, 1, 1, 1), motion, self._null(self.null_motion, grid[0]))
        # A sample without anybody keeps its first slot: it holds the tokens of no motion, or what the gate shuts off.
        audible = torch.cat([there[:, :1] | ~somebody[:, None], there[:, 1:]], dim=1)
        speaks = torch.ones_like(somebody) if self.null_motion is not None else somebody

        if space is None and self.config.rope == "picture":
            space = _middle(grid).expand(batch * people, grid[0], _JOINTS, 2).to(motion.device)
        table = self._motion_table(grid[0], space, motion)
        keys, values = [], []
        for site in self.sites:
            pair = site.keys_and_values(motion.flatten(0, 1), table)
            key, value = (each.unflatten(0, (batch, people)).transpose(1, 2).flatten(2, 3) for each in pair)
            keys.append(key)
            values.append(value)
        rope = video_table(grid, self._shares()[0], self.config.rope)
        return MotionTokens(
            keys=tuple(keys),
            values=tuple(values),
            gate=speaks.to(motion).view(-1, 1, 1),
            audible=None if people == 1 else audible.repeat_interleave(grid[0] * _JOINTS, 1)[:, None, None],
            rope=(rope[0].to(motion.device), rope[1].to(motion.device)),
        )

    def _shares(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return head_shares(self.config.form, self.config.hidden_size // self.config.heads)

    def _motion_table(self, frames: int, space: torch.Tensor | None, like: torch.Tensor) -> RopeTable:
        if space is None:
            space = around_centre(self._mean_joints_mm(like))
        if self.learned_space is not None:
            space = space + 1000 * self.learned_space.float()
        shares = self._shares()[0 if self.config.rope == "picture" else 1]
        return motion_table(frames, space, shares, self.config.rope)

    def _mean_joints_mm(self, like: torch.Tensor) -> torch.Tensor:
        """[24, 3], camera axes, float32: half precision would move joints by millimetres and turn keys by radians."""
        mean = self.config.mean_joints_mm
        if mean is None:
            mean = SMPL24.rest * (1000, -1000, -1000)  # facing the camera, whose y points down
        return torch.as_tensor(mean, dtype=torch.float32, device=like.device)

    def _null(self, null_motion: torch.Tensor, frames: int) -> torch.Tensor:
        """The tokens of no motion for a length: cut, or the last latent frame held (ours; published: 13)."""
        null = null_motion.unflatten(0, (-1, _JOINTS))
        held = null[-1:].expand(max(0, frames - len(null)), -1, -1)
        return torch.cat([null[:frames], held]).flatten(0, 1)

    def _grid(self, signals: ControlSignals) -> tuple[int, int, int]:
        if signals.size is None or signals.frames is None:
            raise ValueError("MTVCraft must know the size of the video: make the signals with their `size`")
        (width, height), frames = signals.size, signals.frames
        if frames % 4 != 1:
            raise ValueError(f"a video has 4k + 1 frames, not {frames}")
        step = self.config.pixels_per_token
        return 1 + frames // 4, height // step, width // step

    def _check(self, people: int, latent_frames: int) -> None:
        if people > self.config.people:
            raise ValueError(
                f"the scene has {people} people, this adapter tells {self.config.people} apart: leave some out"
            )
        frames = 4 * latent_frames - 3
        if self.config.window not in (None, frames):
            raise ValueError(
                f"these weights understand windows of {self.config.window} frames only, not {frames}: "
                "cut the video into such windows"
            )


def _middle(grid: tuple[int, int, int]) -> torch.Tensor:
    """Row and column of the middle of the picture, in video tokens, [2]."""
    return (torch.tensor(grid[1:]) - 1) / 2
