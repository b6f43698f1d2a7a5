"""Text to motion: a prompt, and what must hold, become the motion of one person."""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch

from kinema.motion.constraints import Constraint, JointTarget, check_constraints
from kinema.motion.feet import clean_feet
from kinema.motion.generator import MotionTransformer
from kinema.motion.layout import Layout, lay_out, paste
from kinema.motion.normalise import Normaliser
from kinema.motion.paths import go_as_far
from kinema.motion.prompt_steps import Step, check_seconds, clean_text, plan_steps
from kinema.motion.refine import Person, approach, reach
from kinema.motion.representation import FPS, PARTS, PATCH, WIDTH, Stance, decode, place
from kinema.motion.sampling import Words, sample, words_for
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.scene.motion import Motion

WINDOW = 48
"""Tokens that are made at once, 9.6 s, as in training; longer motion is made in windows."""

OVERLAP = 12
"""Tokens of a window that are known from the one before."""

_AHEAD = 4  # tokens that a stream makes beyond its chunk, so that a chunk does not end like a motion
_TEXTS = 64  # prompts whose states are kept
_FILE = "pipeline.json"


class TextToMotionPipeline:
    """Makes motion from text, with what must hold given as constraints.

    Args:
        transformer: the generator.
        normaliser: of its features.
        text_encoder: as in training; by default the embedded one, loaded when first needed.
        steps: of sampling, by default.
        guidance: scale of classifier-free guidance, by default.
    """

    def __init__(
        self,
        transformer: MotionTransformer,
        normaliser: Normaliser,
        text_encoder: TextEncoder | None = None,
        steps: int = 4,
        guidance: float = 2.0,
    ) -> None:
        self.transformer = transformer.eval()
        self.normaliser = normaliser
        self.steps = steps
        self.guidance = guidance
        self._text_encoder = text_encoder
        self._texts: OrderedDict[str, torch.Tensor] = OrderedDict()

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> TextToMotionPipeline:
        """A pipeline from its folder: `transformer/`, `statistics.safetensors`, `pipeline.json`.

        Args:
            folder: by default the embedded weights, `kinema/weights/motion`.

        Raises:
            FileNotFoundError: there are no weights.
        """
        place = Path(folder) if folder is not None else Path(str(files("kinema") / "weights" / "motion"))
        if not (place / "transformer" / "config.json").is_file():
            raise FileNotFoundError(
                f"no motion model in {place}: give a folder made by `kinema train motion`, "
                "or install Kinema with its weights"
            )
        transformer = MotionTransformer.from_pretrained(place / "transformer", dtype=torch.float32)
        told = json.loads((place / _FILE).read_text()) if (place / _FILE).is_file() else {}
        return cls(transformer, Normaliser.load(place), **told)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the pipeline into a folder; weights in their present precision."""
        place = Path(folder)
        self.transformer.save_pretrained(place / "transformer", max_shard_size="15MB")
        self.normaliser.save(place)
        (place / _FILE).write_text(
            json.dumps({"steps": self.steps, "guidance": self.guidance}, indent=1) + "\n"
        )

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles the model knows."""
        return tuple(self.transformer.config.styles)

    def to(self, device: str | torch.device) -> TextToMotionPipeline:
        """Moves the generator; text and bodies stay on the CPU, where they are quick."""
        self.transformer.to(device)
        return self

    def __call__(
        self,
        prompt: str | Sequence[str],
        seconds: float | Sequence[float] | None = None,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        constraints: Sequence[Constraint] = (),
        clean: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Motion:
        """Makes one motion.

        Args:
            prompt: what the person does; a text is divided at "then", a list is taken as one step each. The empty
                prompt gives any motion.
            seconds: of the whole, or of each step; see `plan_steps`.
            seed: of the noise; the same seed gives the same motion on the same machine.
            style: one of `styles`, or None for what the text says.
            steps: Euler steps.
            guidance: scale of classifier-free guidance; 1 is twice as fast and follows the text less.
            constraints: what must hold: Known frames or parts, a RootPath, JointTargets. Without them, metres in the
                text ("for about six metres") are kept by a second draft on the first one's path, made as long.
            clean: pin standing feet to the floor.
            progress: called with (windows done, windows in all).

        Returns:
            The motion on the neutral SMPL-24 body with rotations, 20 fps, round(20 seconds) + 1 frames. Without
            constraints it starts at the origin facing +Z.

        Raises:
            ValueError: what was asked for cannot be made; the message says why.
        """
        plan = plan_steps(prompt, seconds)
        total = sum(step.seconds for step in plan)
        check_constraints(constraints, total)
        words = words_for(plan, self._states, self._style(style))
        frames = round(total * FPS) + 1
        layout = lay_out(constraints, len(words.clock), frames)
        targets = [c for c in constraints if isinstance(c, JointTarget)]
        scale = self.guidance if guidance is None else guidance
        make = _Maker(self, words, seed, self._steps(steps), scale, progress)
        features = make(layout, [])
        if layout.free_path and (
            targets or (layout.anchors and layout.anchors[-1][0] >= PATCH * _prefix(layout))
        ):
            layout = layout.bent(features, targets)
            features = make(layout, [])
        elif layout.free_path and any(step.metres for step in plan) and not layout.anchors:
            layout = layout.with_path(go_as_far(features, plan), layout.stance)
            features = make(layout, [])
        if targets:
            features = make(layout, targets)
        features, given = features[:frames], layout.given[:frames]
        if clean:
            features = clean_feet(features, layout.stance)
        features = paste(features, layout.known[:frames], given)
        if targets:
            features = reach(Person(features, layout.stance), targets, given).features
        return decode(features, layout.stance)

    def stream(
        self,
        prompt: str | Iterable[str],
        chunk_seconds: float = 1.6,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        clean: bool = True,
    ) -> Iterator[Motion]:
        """Makes motion without end, chunk by chunk; memory does not grow.

        Args:
            prompt: one text for ever, or an iterator that gives the text of each chunk and ends the stream; it is
                asked just before a chunk is made, so it can follow what a user types.
            chunk_seconds: how much each result holds, 0.4 to 6 s.
            seed, style, steps, guidance, clean: see `__call__`.

        Yields:
            Motions that continue each other in one world: the first frame of one follows the last of the one before.
        """
        tokens = round(check_seconds(chunk_seconds, "a chunk") * FPS / PATCH)
        if tokens > WINDOW - OVERLAP - _AHEAD:
            raise ValueError(f"a chunk of {chunk_seconds:g} s is too long; give at most 6 s")
        number, generator = self._style(style), torch.Generator().manual_seed(seed)
        count, scale = self._steps(steps), self.guidance if guidance is None else guidance
        past, stance = torch.empty(0, WIDTH), Stance()
        texts = itertools.repeat(prompt) if isinstance(prompt, str) else prompt
        for text in texts:
            before = len(past) // PATCH
            step = Step(clean_text(text), (before + tokens + _AHEAD) * PATCH / FPS)
            words = words_for([step], self._states, number, endless=True).part(0, before + tokens + _AHEAD)
            known = torch.zeros(len(words.clock) * PATCH, WIDTH)
            known[: len(past)] = past
            mask = torch.zeros(len(words.clock), len(PARTS), dtype=torch.bool)
            mask[:before] = True
            features = sample(self.transformer, self.normaliser, words, generator, count, scale, known, mask)
            if clean:
                given = torch.zeros_like(known, dtype=torch.bool)
                given[: len(past)] = True
                features = paste(clean_feet(features, stance), known, given)
            features = features[: len(past) + tokens * PATCH]
            whole = decode(features, stance)
            yield _frames(whole, len(past), whole.frames)
            kept = min(len(features), OVERLAP * PATCH)
            placed = place(features, stance)
            x, _, z = placed.joints[-kept, 0].tolist()
            past, stance = features[-kept:].clone(), Stance(x, z, float(placed.yaw[-kept]))

    def _states(self, texts: list[str]) -> torch.Tensor:
        """Token states of texts [N, S, 384]; those used lately are kept."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if missing:
            encoder = self._text_encoder or default_text_encoder()
            longest = min(24, max(encoder.length(text) for text in missing) + 2)
            for text, states in zip(missing, encoder(missing, longest), strict=True):
                self._texts[text] = states
        found = [self._texts[text] for text in texts]
        for text in texts:
            self._texts.move_to_end(text)
        while len(self._texts) > _TEXTS:
            self._texts.popitem(last=False)
        return torch.nn.utils.rnn.pad_sequence(found, batch_first=True)

    def _style(self, style: str | None) -> int:
        if style is None:
            return 0
        if style not in self.styles:
            raise ValueError(f"no style {style!r}; there are {', '.join(self.styles)}")
        return 1 + self.styles.index(style)

    def _steps(self, steps: int | None) -> int:
        steps = self.steps if steps is None else steps
        if not 1 <= steps <= 200:
            raise ValueError(f"{steps} sampling steps; give 1 to 200")
        return steps


class _Maker:
    """Samples the windows of one motion; the noise is the same in every call."""

    def __init__(
        self,
        pipe: TextToMotionPipeline,
        words: Words,
        seed: int,
        steps: int,
        guidance: float,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.pipe, self.words, self.seed = pipe, words, seed
        self.steps, self.guidance, self.progress = steps, guidance, progress

    def __call__(self, layout: Layout, targets: Sequence[JointTarget]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        tokens, made = len(self.words.clock), 0
        known, mask = layout.known.clone(), layout.mask.clone()
        begins = range(0, max(1, tokens - OVERLAP), WINDOW - OVERLAP)
        for number, begin in enumerate(begins):
            end = min(begin + WINDOW, tokens)
            mask[begin:made] = True
            frames = slice(begin * PATCH, end * PATCH)
            guide = None
            if targets:
                start = _stance_at(known, layout.stance, begin * PATCH)
                shifted = [replace(t, time=t.time - begin * PATCH / FPS) for t in targets
                           if begin * PATCH <= t.frame < end * PATCH]  # fmt: skip
                held = layout.given[frames]
                if shifted:
                    guide = lambda features: approach(Person(features, start), shifted, held).features  # noqa: E731, B023
            known[frames] = sample(
                self.pipe.transformer,
                self.pipe.normaliser,
                self.words.part(begin, end),
                generator,
                self.steps,
                self.guidance,
                known[frames],
                mask[begin:end],
                guide,
            )
            made = end
            if self.progress is not None:
                self.progress(number + 1, len(begins))
        return known


def _prefix(layout: Layout) -> int:
    """Tokens at the start whose path is known."""
    known = layout.mask[:, list(PARTS).index("path")].tolist()
    return next((token for token, here in enumerate(known) if not here), len(known))


def _stance_at(features: torch.Tensor, stance: Stance, frame: int) -> Stance:
    """Where the person is at a frame."""
    if frame == 0:
        return stance
    placed = place(features[: frame + 1], stance)
    x, _, z = placed.joints[-1, 0].tolist()
    return Stance(x, z, float(placed.yaw[-1]))


def _frames(motion: Motion, begin: int, end: int) -> Motion:
    """Frames begin to end (exclusive) of a motion, where they are."""
    rotations = None if motion.rotations is None else motion.rotations[begin:end]
    return Motion(motion.joints[begin:end], motion.fps, motion.skeleton, rotations)
