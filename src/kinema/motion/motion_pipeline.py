"""Text to motion: a prompt, and what must hold, become the motion of one person."""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from kinema.diffusion.guider import Guider
from kinema.motion.constraints import Constraint, JointTarget, check_constraints
from kinema.motion.feet import clean_feet
from kinema.motion.generator import SETTINGS, MotionGenerator, generator_folder
from kinema.motion.layout import lay_out, paste
from kinema.motion.normalise import Normaliser
from kinema.motion.paths import go_as_far
from kinema.motion.prompt_steps import Step, check_seconds, clean_text, plan_steps
from kinema.motion.refine import Person, reach
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation, Stance
from kinema.motion.sampling import Draft, TextGuidance, sample, words_for
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.motion.transformer import MotionTransformer
from kinema.motion.window_sampling import TargetSearch, WindowSampling
from kinema.scene.motion import Motion

_AHEAD = 4  # tokens that a stream makes beyond its chunk, so that a chunk does not end like a motion
_TEXTS = 64  # prompts whose states are kept
_REPRESENTATION = "representation.json"


class TextToMotionPipeline(MotionGenerator):
    """The embedded generator: text to motion of any length by flow matching, window by window.

    Args:
        transformer: the network.
        normaliser: of its features, and with it the representation.
        text_encoder: as in training; by default the embedded one, loaded when first needed.
        steps: of sampling, by default.
        guidance: scale of classifier-free guidance, by default.
        window: tokens that are made at once, as in training; longer motion is made in windows.
        overlap: tokens of a window that are known from the one before.

    Raises:
        ValueError: the network is not of the representation's sizes.
    """

    def __init__(
        self,
        transformer: MotionTransformer,
        normaliser: Normaliser,
        text_encoder: TextEncoder | None = None,
        steps: int = 4,
        guidance: float = 2.0,
        window: int = 48,
        overlap: int = 12,
    ) -> None:
        features, sizes = normaliser.representation, transformer.config
        if (sizes.features, sizes.patch, sizes.parts) != (
            features.width,
            features.patch,
            len(features.parts),
        ):
            raise ValueError(
                f"the network has {sizes.features} features in {sizes.parts} parts, {sizes.patch} frames a token, and "
                f"{features!r} has {features.width} in {len(features.parts)}"
            )
        self.representation = features
        self.transformer = transformer.eval()
        self.normaliser = normaliser
        self.steps = steps
        self.guidance = guidance
        self.window, self.overlap = window, overlap
        self._text_encoder = text_encoder
        self._texts: OrderedDict[str, torch.Tensor] = OrderedDict()

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> TextToMotionPipeline:
        """A pipeline from its folder: `transformer/`, `statistics.safetensors`, `pipeline.json`, `representation.json`.

        Args:
            folder: by default the embedded weights, `kinema/weights/motion`. Without a representation of its own it
                speaks SMPL24_MOTION.

        Raises:
            FileNotFoundError: there are no weights.
            ValueError: a file in it does not hold what it should.
        """
        place = generator_folder(folder)
        if not (place / "transformer" / "config.json").is_file():
            raise FileNotFoundError(
                f"no motion model in {place}: give a folder made by `kinema train motion`, "
                "or install Kinema with its weights"
            )
        transformer = MotionTransformer.from_pretrained(place / "transformer", dtype=torch.float32)
        settings = json.loads((place / SETTINGS).read_text()) if (place / SETTINGS).is_file() else {}
        settings.pop("generator", None)
        representation = SMPL24_MOTION
        if (place / _REPRESENTATION).is_file():
            representation = MotionRepresentation.from_json(json.loads((place / _REPRESENTATION).read_text()))
        return cls(transformer, Normaliser.load(place, representation), **settings)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the pipeline into a folder; weights in their present precision."""
        place = Path(folder)
        self.transformer.save_pretrained(place / "transformer", max_shard_size="15MB")
        self.normaliser.save(place)
        settings = self.settings() | {"window": self.window, "overlap": self.overlap}
        (place / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n")
        (place / _REPRESENTATION).write_text(json.dumps(self.representation.to_json()) + "\n")

    @property
    def styles(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the styles the model knows."""
        return tuple(self.transformer.config.styles)

    def networks(self) -> dict[str, torch.nn.Module]:
        """The transformer; text and bodies stay on the CPU, where they are quick."""
        return {"transformer": self.transformer}

    def settings(self) -> dict[str, Any]:
        return {"steps": self.steps, "guidance": self.guidance}

    def mean_features(self) -> torch.Tensor:
        return self.normaliser.mean

    def __call__(
        self,
        prompt: str | Sequence[str],
        seconds: float | Sequence[float] | None = None,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | Guider | None = None,
        constraints: Sequence[Constraint] = (),
        clean: bool = True,
        progress: Callable[[int, int], None] | None = None,
        search: TargetSearch | None = None,
    ) -> Motion:
        """Makes one motion.

        Args:
            prompt: what the person does; a text is divided at "then", a list is taken as one step each. The empty
                prompt gives any motion.
            seconds: of the whole, or of each step; see `plan_steps`.
            seed: of the noise; the same seed gives the same motion on the same machine.
            style: one of `styles`, or None for what the text says.
            steps: Euler steps.
            guidance: scale of classifier-free guidance; 1 is twice as fast and follows the text less. Or any guider
                of the condition `text`.
            constraints: what must hold: Known frames or parts, a RootPath, JointTargets. Without them, metres and
                degrees in the text ("for about six metres", "turns 90 degrees left") are kept by a second draft on the
                first one's path, made as long and as turned.
            clean: pin standing feet to the floor.
            progress: called with (windows done, windows in all).
            search: looks for noise from which JointTargets are met; by default predictions are moved towards them.

        Returns:
            The motion on the representation's body with rotations, round(fps * seconds) + 1 frames. Without
            constraints it starts at the origin facing +Z.

        Raises:
            ValueError: what was asked for cannot be made; the message says why.
        """
        representation, plan = self.representation, plan_steps(prompt, seconds)
        total = sum(step.seconds for step in plan)
        check_constraints(constraints, total, representation)
        words = words_for(plan, self.text_states, self.style_number(style), representation)
        frames = representation.frames_in(total) + 1
        layout = lay_out(constraints, len(words.clock), frames, representation)
        targets = [c for c in constraints if isinstance(c, JointTarget)]
        guider = self._guider(guidance)
        make = WindowSampling(
            self.transformer,
            self.normaliser,
            words,
            seed,
            self._steps(steps),
            guider,
            len(words.clock) if guider.whole else self.window,
            0 if guider.whole else self.overlap,
            progress,
            search,
        )
        features = make(layout)
        if layout.free_path and (
            targets
            or (layout.anchors and layout.anchors[-1][0] >= representation.patch * layout.known_path_tokens)
        ):
            layout = layout.bent(features, targets)
            features = make(layout)
        elif layout.free_path and any(step.measured for step in plan) and not layout.anchors:
            layout = layout.with_path(go_as_far(features, plan, representation), layout.stance)
            features = make(layout)
        if targets:
            features = make(layout, targets)
        features, given = features[:frames], layout.given[:frames]
        if clean:
            features = clean_feet(features, layout.stance, representation)
        features = paste(features, layout.known[:frames], given, representation)
        if targets:
            features = reach(Person(features, layout.stance, representation), targets, given).features
        return representation.decode(features, layout.stance)

    def stream(
        self,
        prompt: str | Iterable[str],
        chunk_seconds: float = 1.6,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | Guider | None = None,
        clean: bool = True,
    ) -> Iterator[Motion]:
        """Makes motion without end, chunk by chunk; memory does not grow.

        Args:
            prompt: one text for ever, or an iterator that gives the text of each chunk and ends the stream; it is
                asked just before a chunk is made, so it can follow what a user types.
            chunk_seconds: how much each result holds; 0.4 to 6.4 s of the embedded weights.
            seed, style, steps, guidance, clean: see `__call__`.

        Yields:
            Motions that continue each other in one world: the first frame of one follows the last of the one before.
        """
        representation = self.representation
        fps, patch, width = representation.fps, representation.patch, representation.width
        tokens = max(1, round(check_seconds(chunk_seconds, "a chunk") * fps / patch))
        most = self.window - self.overlap - _AHEAD
        if tokens > most:
            raise ValueError(
                f"a chunk of {chunk_seconds:g} s is too long; give at most {most * patch / fps:g} s"
            )
        number, generator = self.style_number(style), torch.Generator().manual_seed(seed)
        count, guider = self._steps(steps), self._guider(guidance)
        past, stance = torch.empty(0, width), Stance()
        texts = itertools.repeat(prompt) if isinstance(prompt, str) else prompt
        for text in texts:
            before = len(past) // patch
            end = before + tokens + _AHEAD
            step = Step(clean_text(text), end * patch / fps)
            words = words_for([step], self.text_states, number, representation, endless=True).part(0, end)
            known = torch.zeros(len(words.clock) * patch, width)
            known[: len(past)] = past
            mask = torch.zeros(len(words.clock), len(representation.parts), dtype=torch.bool)
            mask[:before] = True
            draft = Draft(words, known, mask)
            features = sample(self.transformer, self.normaliser, draft, generator, count, guider)
            if clean:
                given = torch.zeros_like(known, dtype=torch.bool)
                given[: len(past)] = True
                features = paste(clean_feet(features, stance, representation), known, given, representation)
            features = features[: len(past) + tokens * patch]
            whole = representation.decode(features, stance)
            yield frames_between(whole, len(past), whole.frames)
            kept = min(len(features), self.overlap * patch)
            placed = representation.place(features, stance)
            x, _, z = placed.joints[-kept, representation.skeleton.root].tolist()
            past, stance = features[-kept:].clone(), Stance(x, z, float(placed.yaw[-kept]))

    def text_states(self, texts: list[str]) -> torch.Tensor:
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

    def style_number(self, style: str | None) -> int:
        """Index of a style into (none, *styles).

        Raises:
            ValueError: there is no such style.
        """
        if style is None:
            return 0
        if style not in self.styles:
            raise ValueError(f"no style {style!r}; there are {', '.join(self.styles)}")
        return 1 + self.styles.index(style)

    def _guider(self, guidance: float | Guider | None) -> Guider:
        if isinstance(guidance, Guider):
            return guidance
        return TextGuidance(self.guidance if guidance is None else guidance)

    def _steps(self, steps: int | None) -> int:
        steps = self.steps if steps is None else steps
        if not 1 <= steps <= 200:
            raise ValueError(f"{steps} sampling steps; give 1 to 200")
        return steps


def frames_between(motion: Motion, begin: int, end: int) -> Motion:
    """Frames begin to end (exclusive) of a motion, where they are."""
    rotations = None if motion.rotations is None else motion.rotations[begin:end]
    return Motion(motion.joints[begin:end], motion.fps, motion.skeleton, rotations)
