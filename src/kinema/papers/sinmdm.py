"""SinMDM (arXiv 2302.05905, ICLR 2024): a diffusion model of one clip of any skeleton, which makes more of its kind.

Attention looks at so few neighbours that the network learns short motifs and joins them at any length. Paper to code:

    Sec. 4, QnA: one learned query, shared by all places, attends to the neighbours   `LocalAttention`
    Sec. 4, the narrow network                                                        `ClipNetwork`
    Sec. 5, in-betweening, expansion, body parts: the prediction is replaced where known   `ClipMotion.__call__`
    Sec. 5, harmonisation: low frequencies of a noisy reference                        `harmonised`
    clip stretched in time by .75 to 1.25 for each sample                              `ClipWindows`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn
from torch.nn import functional

from kinema.diffusion.loop import EulerSolver, Step, denoise
from kinema.diffusion.module import Module
from kinema.motion.constraints import Constraint, Known, check_constraints
from kinema.motion.features import PATH
from kinema.motion.feet import clean_feet
from kinema.motion.generator import SETTINGS, MotionGenerator, generator_folder
from kinema.motion.layout import lay_out, paste
from kinema.motion.motion_pipeline import frames_between
from kinema.motion.normalise import Normaliser
from kinema.motion.prompt_steps import check_seconds
from kinema.motion.representation import MotionRepresentation, Stance
from kinema.motion.sampling import MOTION_PATH, SHIFT
from kinema.papers.paper import Paper
from kinema.scene.motion import Motion

NAME = "sinmdm"
_REPRESENTATION, _NETWORK = "representation.json", "network"
_LOW = 0.02  # flow time under which harmonisation lets the motion settle: 20 of 1,000 steps
_PAST = 1.0  # seconds that a chunk of a stream knows of the one before (ours)

# B batch, T frames, D width, H heads, W features of a frame.


class LocalAttention(nn.Module):
    """QnA (Arar et al. 2022) in time: frame i sees i - r to i + r.

    Neighbour j counts with exp(q k_j + b_(j - i)). Because the query is the same everywhere, q k_j is one number a place.

    Args:
        width: of the tokens.
        heads: with a query each.
        window: neighbours that are seen, odd.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.keys_values = nn.Linear(width, 2 * width)
        self.query = nn.Parameter(torch.randn(heads, width // heads) / (width // heads) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(heads, window))
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        keys, values = self.keys_values(x_BTD).unflatten(-1, (2, self.heads, -1)).unbind(2)
        scores_BTH = (keys * self.query).sum(-1)
        scores_BTH = scores_BTH - scores_BTH.amax(1, keepdim=True).detach()
        weighed = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1) * scores_BTH.exp()[..., None]
        reach = self.window // 2
        around = functional.pad(weighed, (0, 0, 0, 0, reach, reach)).unfold(
            1, self.window, 1
        )  # [B, T, H, d + 1, k]
        total = (around * self.bias.exp()[:, None]).sum(-1)
        mixed = total[..., :-1] / total[..., -1:].clamp(min=1e-9)
        return self.out(mixed.flatten(-2))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, window: int, skipped: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.attention = LocalAttention(width, heads, window)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.film = nn.Linear(width, 2 * width)
        self.skipped = skipped
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x_BTD: torch.Tensor, time_B1D: torch.Tensor) -> torch.Tensor:
        if self.training and float(torch.rand(())) < self.skipped:
            return x_BTD
        scale, shift = self.film(time_B1D).chunk(2, dim=-1)
        kept = 1.0 / (1 - self.skipped) if self.training else 1.0
        x_BTD = x_BTD + kept * self.attention(self.norms[0](x_BTD) * (1 + scale) + shift)
        return x_BTD + kept * self.feed(self.norms[1](x_BTD))


class ClipNetwork(Module):
    """Noisy frames in, clean frames out; each sees `layers` times half a window on both sides.

    Args:
        features: of a frame.
        width: inside.
        layers: blocks.
        heads: of attention.
        window: neighbours that a block sees.
        skipped: share of training steps that leave out the last block; earlier blocks less (stochastic depth).
        frames: of the clip that it has learned.
    """

    def __init__(
        self,
        features: int,
        width: int = 128,
        layers: int = 8,
        heads: int = 4,
        window: int = 3,
        skipped: float = 0.2,
        frames: int = 1,
    ) -> None:
        super().__init__()
        self.frames_in = nn.Linear(features, width)
        self.time_in = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.blocks = nn.ModuleList(
            _Block(width, heads, window, skipped * number / max(1, layers - 1)) for number in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.frames_out = nn.Linear(width, features)

    def forward(self, x_BTW: torch.Tensor, time_B: torch.Tensor) -> torch.Tensor:
        waves = time_B[:, None] * torch.exp2(torch.linspace(0, 8, 16, device=time_B.device)) * torch.pi
        time = self.time_in(torch.cat([waves.sin(), waves.cos()], dim=-1).to(x_BTW))[:, None]
        x = self.frames_in(x_BTW)
        for block in self.blocks:
            x = block(x, time)
        return self.frames_out(self.norm(x))


class ClipMotion(MotionGenerator):
    """More motion of the kind of one clip.

    Args:
        network: the trained one.
        normaliser: of the clip's features.
        steps: of sampling.
    """

    hears_words: ClassVar[bool] = False

    def __init__(self, network: ClipNetwork, normaliser: Normaliser, steps: int = 20) -> None:
        self.network, self.normaliser, self.steps = network.eval(), normaliser, steps
        self.representation = normaliser.representation

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> Self:
        if folder is None:
            raise FileNotFoundError(
                "a model of one clip has no embedded weights: kinema train single makes one"
            )
        place = generator_folder(folder)
        for name in (_NETWORK, _REPRESENTATION):
            if not (place / name).exists():
                raise FileNotFoundError(
                    f"{place} holds no {name}: give a folder made by `kinema train single`"
                )
        representation = MotionRepresentation.from_json(json.loads((place / _REPRESENTATION).read_text()))
        settings = json.loads((place / SETTINGS).read_text())
        network = ClipNetwork.from_pretrained(place / _NETWORK)
        return cls(network, Normaliser.load(place, representation), int(settings["steps"]))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes network, statistics and body into a folder."""
        place = Path(folder)
        self.network.save_pretrained(place / _NETWORK)
        self.normaliser.save(place)
        (place / _REPRESENTATION).write_text(json.dumps(self.representation.to_json()) + "\n")
        (place / SETTINGS).write_text(json.dumps({"generator": NAME, **self.settings()}, indent=1) + "\n")

    def networks(self) -> dict[str, nn.Module]:
        return {"network": self.network}

    def settings(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def mean_features(self) -> torch.Tensor:
        return self.normaliser.mean

    def __call__(
        self,
        prompt: str | Sequence[str] = "",
        seconds: float | Sequence[float] | None = None,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: Any = None,
        constraints: Sequence[Constraint] = (),
        clean: bool = True,
        progress: Callable[[int, int], None] | None = None,
        like: Motion | None = None,
    ) -> Motion:
        """Makes one motion of the clip's body; see `MotionGenerator`.

        Args:
            prompt, style, guidance: there are none; anything else than nothing is an error.
            seconds: of the motion; the clip's own length where None.
            seed, steps, clean, progress: as there.
            constraints: Known frames or parts of the body alone.
            like: a motion of the same body whose course is followed, in this clip's manner; it says the length, too.

        Raises:
            ValueError: what was asked for cannot be made.
        """
        said = any(text.strip() for text in ([prompt] if isinstance(prompt, str) else prompt))
        if said or style or guidance is not None:
            raise ValueError("a model of one clip hears no words: leave prompt, style and guidance out")
        if other := [each for each in constraints if not isinstance(each, Known)]:
            raise ValueError(
                f"a model of one clip keeps known frames and parts alone, not {type(other[0]).__name__}"
            )
        representation = self.representation
        reference = None if like is None else self.normaliser.to_tokens(representation.encode(like)[0])
        if reference is not None:
            frames = len(reference)
        elif seconds is None:
            frames = self.network.config.frames
        else:
            total = seconds if isinstance(seconds, (int, float)) else sum(seconds)
            frames = representation.frames_in(check_seconds(float(total), "the motion")) + 1
        check_constraints(constraints, (frames - 1) / representation.fps, representation)
        layout = lay_out(constraints, frames, frames, representation)
        generator = torch.Generator().manual_seed(seed)
        x = self._sample(layout.known, layout.given, generator, steps, reference, progress)
        if clean:
            x = clean_feet(x, layout.stance, representation)
        return representation.decode(paste(x, layout.known, layout.given, representation), layout.stance)

    @torch.no_grad()
    def _sample(
        self,
        known: torch.Tensor,
        given: torch.Tensor,
        generator: torch.Generator,
        steps: int | None,
        reference: torch.Tensor | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """Raw features [T, W]; known ones are put into every prediction."""
        if not 1 <= (steps or self.steps) <= 1000:
            raise ValueError(f"{steps} sampling steps; give 1 to 1000")
        solver, held = EulerSolver(steps or self.steps, SHIFT, MOTION_PATH), self.normaliser.to_tokens(known)
        noise = torch.randn(known.shape, generator=generator)

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            device = self.network.device
            time = torch.full((1,), float(step.time), device=device)
            return self.network(x[None].to(device), time)[0].float().cpu()

        def edit_clean(prediction: torch.Tensor, step: Step) -> torch.Tensor:
            return torch.where(given, held, prediction)

        def after(x: torch.Tensor, step: Step) -> torch.Tensor:
            if progress is not None:
                progress(step.index + 1, step.count)
            ends = solver.times[step.index + 1] if step.index + 1 < step.count else 0.0
            if reference is None or ends < _LOW:
                return x
            again = torch.randn(known.shape, generator=generator)
            return harmonised(x, MOTION_PATH.noisy(reference, again, torch.tensor(ends)))

        x = denoise(noise, solver, predict, edit_clean=edit_clean, after=after)
        return self.normaliser.to_features(x)

    def stream(
        self,
        prompt: str | Iterable[str] = "",
        chunk_seconds: float = 1.6,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: Any = None,
        clean: bool = True,
    ) -> Iterator[Motion]:
        """Motion without end; see `MotionGenerator`. Each text of the prompt, which is not heard, gives a chunk."""
        representation, generator = self.representation, torch.Generator().manual_seed(seed)
        frames = max(1, representation.frames_in(check_seconds(chunk_seconds, "a chunk")))
        past, stance = torch.empty(0, representation.width), Stance()
        for _ in repeat("") if isinstance(prompt, str) else prompt:
            ahead = representation.frames_in(_PAST)
            known = torch.zeros(len(past) + frames + ahead, representation.width)
            given = torch.zeros_like(known, dtype=torch.bool)
            known[: len(past)], given[: len(past)] = past, True
            x = self._sample(known, given, generator, steps)
            if clean:
                x = clean_feet(x, stance, representation)
            x = paste(x, known, given, representation)[: len(past) + frames]
            whole = representation.decode(x, stance)
            yield frames_between(whole, len(past), whole.frames)
            placed = representation.place(x, stance)
            kept = min(len(x), representation.frames_in(_PAST))
            place_x, _, place_z = placed.joints[-kept, representation.skeleton.root].tolist()
            past, stance = x[-kept:].clone(), Stance(place_x, place_z, float(placed.yaw[-kept]))


def harmonised(x: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """x with the low frequencies of a reference as noisy as it, [T, W] (ILVR: down and up by 2, Choi et al. 2021)."""
    return x - _low(x) + _low(reference)


def _low(x: torch.Tensor) -> torch.Tensor:
    rows = x.T[None]
    half = functional.interpolate(rows, scale_factor=0.5, mode="linear", align_corners=False)
    return functional.interpolate(half, size=x.shape[0], mode="linear", align_corners=False)[0].T


@dataclass(frozen=True)
class ClipWindows:
    """Batches of pieces of one clip, each stretched in time; which, depends on seed and step alone.

    Args:
        features: of the whole clip, raw, [T, W].
        path: columns of the steps and turns, which are those of a frame.
        frames: of a piece.
        batch: pieces a step.
        seed: of the pieces.
        stretch: a piece is longer or shorter by as much at most.
    """

    features: torch.Tensor
    path: slice
    frames: int
    batch: int
    seed: int
    stretch: float = 0.25

    def batches(self, first_step: int = 0) -> Iterator[tuple[int, torch.Tensor]]:
        """(step, pieces [B, T, W]) from `first_step` on."""
        for step in count(first_step):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            yield step, torch.stack([self._piece(generator) for _ in range(self.batch)])

    def _piece(self, generator: torch.Generator) -> torch.Tensor:
        drawn = torch.rand(2, generator=generator)
        longer = 1 + self.stretch * (2 * float(drawn[0]) - 1)
        span = min(len(self.features) - 1.0, (self.frames - 1) / longer)
        times = float(drawn[1]) * (len(self.features) - 1 - span) + torch.linspace(0, span, self.frames)
        before = times.floor().long().clamp(max=len(self.features) - 2)
        share = (times - before)[:, None]
        piece = (1 - share) * self.features[before] + share * self.features[before + 1]
        piece[:, self.path] = piece[:, self.path] * (span / max(self.frames - 1, 1))
        return piece


class ClipTask(nn.Module):
    """The loss of clean predictions of a clip's pieces.

    Args:
        network: what is trained.
        normaliser: of the features.
    """

    def __init__(self, network: ClipNetwork, normaliser: Normaliser) -> None:
        super().__init__()
        self.network, self.normaliser = network, normaliser

    def forward(self, pieces: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        clean = self.normaliser.to_tokens(pieces).to(self.network.device)
        times = torch.rand(len(clean), generator=generator)
        times = (SHIFT * times / (1 + (SHIFT - 1) * times)).to(clean)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        drawn = int(torch.randint(1 << 31, (1,), generator=generator))
        with torch.random.fork_rng(
            devices=[]
        ):  # which blocks are left out is the step's own, so a run resumes exactly
            torch.manual_seed(drawn)
            predicted = self.network(MOTION_PATH.noisy(clean, noise, times), times)
        return {"flow": functional.mse_loss(predicted, clean)}


def body_of(motion: Motion, fps: float) -> tuple[Motion, MotionRepresentation]:
    """A clip with rotations and nothing missing, and the features of its own body.

    Args:
        motion: of any joint tree.
        fps: frames per second of the features.

    Raises:
        ValueError: a joint that is never seen, or a clip too short to learn from.
    """
    if motion.missing.any():
        motion = motion.fill_missing()
    if motion.missing.any():
        raise ValueError("a joint of the clip is missing in all its frames")
    if motion.rotations is None:
        motion = motion.with_rotations()
    motion = motion.resample(fps)
    if motion.frames < 2 * fps:
        raise ValueError(f"the clip lasts {motion.frames / fps:.1f} s; give one of 2 s at least, better 10")
    return motion, MotionRepresentation(motion.skeleton, fps, patch=1)


def trained_on(motion: Motion, fps: float, **sizes: Any) -> tuple[ClipMotion, torch.Tensor]:
    """A new generator for a clip, and the clip's features [T, W]."""
    motion, representation = body_of(motion, fps)
    features = representation.encode(motion)[0]
    normaliser = Normaliser.fit(features, representation)
    network = ClipNetwork(representation.width, frames=len(features), **sizes)
    return ClipMotion(network, normaliser), features


def windows_of(
    features: torch.Tensor, representation: MotionRepresentation, frames: int, batch: int, seed: int
) -> ClipWindows:
    """The batches of a clip; pieces are at most three quarters of it."""
    return ClipWindows(
        features, representation.parts[PATH], min(frames, int(0.75 * len(features))), batch, seed
    )


PAPER = Paper(
    "sinmdm",
    title="Single Motion Diffusion",
    arxiv="2302.05905",
    parts={"generator": ClipMotion},
    ours=(
        "flow matching with clean prediction and 20 steps instead of DDPM with 1,000",
        "6D rotations and steps relative to the heading in metres and unit variance, not positions beside rotations",
        "64 channels instead of 128, pieces of 64 frames, and minutes on a CPU instead of the whole clip 60,000 times",
        "known frames are put in without slopes at their ends",
        "stochastic depth up to .2, not .5, for the short training",
    ),
    verdict=(
        "does not help after three minutes on half a core (some 2,000 steps; the paper has 60,000): on two clips of "
        "30 s it invents new motion (longest copied run under 1 % of it), but trembles (jerk 3.8 and 4.5 times the "
        "clip's, for 2.7 and 2.2 of pieces of the clip cross-faded without learning) and covers less of the clip (0 for "
        ".16 and .26)"
    ),
    command="kinema motion --model runs/fox/single --seconds 20 -o more.bvh",
)
