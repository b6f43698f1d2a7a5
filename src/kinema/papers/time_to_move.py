"""Time-to-Move (arXiv 2511.08633): an image-to-video model follows a rough film of what shall happen, without training.

Sec. 3, SDEdit for motion: sampling begins at the noised film, at the weak clock: `TimeToMove.begin`. Dual-clock
denoising, x <- (1 - M) x + M x_film: until the strong clock, what lies in the mask is the noised film again after every
step: `TimeToMove.after`. Facts of the public code: the mask of a latent frame is that of its first picture, nearest
pixel: `latent_mask`; one noise for start and put-backs; clocks as step numbers of 50.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch.nn import functional

from kinema.diffusion.guider import Guider, Pass, Run
from kinema.diffusion.loop import Solver, Step
from kinema.diffusion.path import FlowPath
from kinema.papers.paper import Paper

_TEMPORAL = 4  # frames of a latent frame after the first


@dataclass(frozen=True)
class Clocks:
    """When denoising begins, as noise levels: 1 is noise, 0 the sample.

    A level is sigma of x_t = a x + sigma noise: t of a flow, sqrt(1 - alpha) of a diffusion. Of each, the step of a
    schedule counts that is nearest.

    Args:
        weak: where sampling begins; 1 leaves what lies outside the mask to the model.
        strong: until where the mask holds the film; 0 to the end, as large as `weak` not at all.

    Raises:
        ValueError: not 0 <= strong <= weak <= 1.
    """

    weak: float
    strong: float

    def __post_init__(self) -> None:
        if not 0 <= self.strong <= self.weak <= 1:
            raise ValueError(
                f"clocks are noise levels with 0 <= strong <= weak <= 1, not weak {self.weak:g} and strong "
                f"{self.strong:g}"
            )

    @classmethod
    def read(cls, text: str) -> Clocks:
        """`0.98+0.95` as weak and strong.

        Raises:
            ValueError: not two numbers in order.
        """
        try:
            weak, strong = (float(each) for each in text.split("+"))
        except ValueError:
            raise ValueError(f"clocks {text!r}: give weak and strong noise level, e.g. 0.98+0.95") from None
        return cls(weak, strong)

    def indices(self, solver: Solver) -> tuple[int, int]:
        """(first step, number of the step before which the mask is the film's for the last time)."""
        levels = noise_levels(solver)
        weak, strong = (
            int(np.argmin(np.abs(np.array(levels) - level))) for level in (self.weak, self.strong)
        )
        return min(weak, len(levels) - 2), strong


WAN_OBJECT = Clocks(0.979, 0.949)
"""tweak_index 3 and tstrong_index 7 of 50 on Wan 2.2's schedule (shift 3): something is moved in the picture."""

WAN_CAMERA = Clocks(0.986, 0.964)
"""2 and 5 of 50 there: the camera moves, and the mask is all that the film knows."""

COGVIDEOX = Clocks(0.9991, 0.9932)
"""4 and 9 of 50 on CogVideoX-5B-I2V's schedule."""


class TimeToMove(Guider):
    """Begins at a rough film and holds it where a mask says so, until the strong clock.

    Args:
        film: what shall happen, uint8 [T, H, W, 3] at the size and rate of the video, its first frame the picture; its
            last frame is held.
        mask: what of it is driven, bool [T, H, W].
        clocks: see there; as published for the model's kind where None.
        guidance: which passes a step makes, and how they are combined; the plain network where None.
        camera: whether the camera moves, for the published clocks.

    Raises:
        ValueError: film or mask that are none, or do not fit each other.
    """

    def __init__(
        self,
        film: np.ndarray,
        mask: np.ndarray,
        clocks: Clocks | None = None,
        guidance: Guider | None = None,
        camera: bool = False,
    ) -> None:
        if film.dtype != np.uint8 or film.ndim != 4 or film.shape[-1] != 3 or not len(film):
            raise ValueError(f"a film is uint8 [T, H, W, 3], not {film.dtype} {list(film.shape)}")
        if mask.dtype != bool or mask.shape != film.shape[:3]:
            raise ValueError(
                f"the mask of a film is bool {list(film.shape[:3])}, not {mask.dtype} {list(mask.shape)}"
            )
        self.film = film
        self.mask = mask
        self.clocks = clocks
        self.guidance = guidance or Guider()
        self.camera = camera
        self._window: _Window | None = None

    @classmethod
    def from_film(
        cls, film: np.ndarray, mask: np.ndarray, guidance: Guider, *, camera: bool = False, words: str = ""
    ) -> Self:
        """As the command line makes it.

        Args:
            film, mask, guidance, camera: see above.
            words: what stands after `time-to-move:`, the clocks.

        Raises:
            ValueError: clocks that are none.
        """
        return cls(film, mask, Clocks.read(words) if words else None, guidance, camera)

    @classmethod
    def check(cls, words: str) -> None:
        """Says early what is wrong with the words of `from_film`.

        Raises:
            ValueError: clocks that are none.
        """
        if words:
            Clocks.read(words)

    def settings(self) -> dict[str, Any]:
        clocks = self.clocks and [self.clocks.weak, self.clocks.strong]
        return {"guider": "time-to-move", "clocks": clocks, "guidance": self.guidance.settings()}

    def begin(self, noise: torch.Tensor, run: Run) -> tuple[torch.Tensor, int]:
        clocks = self.clocks or published_clocks(run.solver, self.camera)
        first, strong = clocks.indices(run.solver)
        rows = np.minimum(np.arange(run.start, run.start + run.frames), len(self.film) - 1)
        pixels = torch.from_numpy(self.film[rows]).to(noise.device).permute(3, 0, 1, 2)[None]
        clean = run.encode(pixels.float() / 127.5 - 1).to(noise)
        if clean.shape != noise.shape:
            raise ValueError(
                f"the film to follow gives latents {list(clean.shape)}, the video has {list(noise.shape)}: film it at "
                "the size of the video, for a model whose window is its own frames alone"
            )
        mask = latent_mask(torch.from_numpy(self.mask[rows]), clean.shape[3:]).to(noise)
        self._window = _Window(run.solver, clean, noise, mask, strong)
        self.guidance.begin(noise, run)  # which refuses what it cannot do
        if first == 0:
            return run.solver.start(noise), 0  # there is nothing yet of the film in what is all noise
        return run.solver.noised(clean, noise, first), first

    def passes(self, step: Step, conditions: frozenset[str]) -> list[Pass]:
        return self.guidance.passes(step, conditions)

    def every_pass(self, conditions: frozenset[str], steps: Sequence[Step]) -> list[frozenset[str]]:
        return self.guidance.every_pass(conditions, steps)

    def combine(
        self, predictions: Sequence[torch.Tensor], passes: Sequence[Pass], step: Step
    ) -> torch.Tensor:
        return self.guidance.combine(predictions, passes, step)

    def after(self, x: torch.Tensor, step: Step) -> torch.Tensor:
        window, following = self._window, step.index + 1
        assert window is not None
        x = self.guidance.after(x, step)
        if following > window.strong:
            return x
        film = window.solver.noised(window.clean, window.noise, following)
        return x * (1 - window.mask) + film * window.mask


@dataclass(frozen=True, eq=False)
class _Window:
    """The window that is being sampled: the film's latents, their noise, the mask, and the last step that sees them."""

    solver: Solver
    clean: torch.Tensor
    noise: torch.Tensor
    mask: torch.Tensor
    strong: int


def noise_levels(solver: Solver) -> list[float]:
    """sigma before every step, and 0 after the last."""
    nothing, noise = torch.zeros(1), torch.ones(1)
    return [float(solver.noised(nothing, noise, index)) for index in range(len(solver.timesteps) + 1)]


def published_clocks(solver: Solver, camera: bool) -> Clocks:
    """The clocks of the public code for a model's kind: a flow as Wan 2.2, a diffusion as CogVideoX."""
    if not isinstance(solver.path, FlowPath):
        return COGVIDEOX
    return WAN_CAMERA if camera else WAN_OBJECT


def latent_mask(mask: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """A mask of frames, [T, H, W], as one of latents, [1, 1, F, h, w]: that of frames 0, 1, 5, 9, ..., nearest pixel.

    Args:
        mask: of T = 4k + 1 frames.
        size: (h, w).
    """
    frames = torch.cat([mask[:1], mask[1::_TEMPORAL]]).float()
    return functional.interpolate(frames[None], size=tuple(size), mode="nearest")[None]


PAPER = Paper(
    name="time-to-move",
    title="Time-to-Move: Training-Free Motion Controlled Video Generation via Dual-Clock Denoising",
    arxiv="2511.08633",
    parts={"guider.film": TimeToMove},
    ours=(
        "Clocks are noise levels, not step numbers, so that other numbers of steps and schedules begin where the public "
        "code does; the nearest step counts.",
        "The film is the rough take of the same request, or the stage's; the mask is exact, not drawn.",
        "Where the camera moves, the mask is the person and all of the room that the picture itself shows.",
        "Start and put-backs share the noise of the loop; the public code draws a second one.",
        "CogVideoX's film is the encoder's mode, where the public code draws a sample.",
        "Later windows of a long video begin with their own part of the film; frames that are known from the window "
        "before stay as they were.",
    ),
    verdict="The same pixels as the public loop, written out by hand, on tiny random Wan and CogVideoX; published models "
    "were not run.",
    command="kinema animate hero.png --motion dance.bvh --backbone wan2.1-14b --control time-to-move -o out.mp4",
)
