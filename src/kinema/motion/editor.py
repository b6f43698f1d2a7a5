"""A motion changed as it is told, by a model that reads it: the generator with a low-rank adapter, and a reader.

`kinema train edit` trains one. What rules can change exactly is in `edit_rules`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import torch

from kinema.diffusion.guider import Guidance
from kinema.motion.constraints import Known
from kinema.motion.context import ContextReader, Source, reader_class
from kinema.motion.features import PATH
from kinema.motion.feet import clean_feet
from kinema.motion.layout import lay_out, paste
from kinema.motion.learned import WORDS, stem
from kinema.motion.low_rank import merge_low_rank, save_low_rank
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.prompt_steps import clean_text
from kinema.motion.sampling import Words
from kinema.motion.window_sampling import WindowSampling
from kinema.scene.motion import Motion

_SETTINGS = "editor.json"
_SMALL = frozenset(
    map(
        stem,
        re.findall(
            r"\w+", "a an the in on with of as and more less much like way do it them him her make be to from"
        ),
    )
)


class MotionEditor:
    """Changes a motion by a text, with a trained reader.

    Args:
        base: the generator, with the adapter on it or merged into it.
        reader: of the source.
        context: name of the paper whose reader it is.
        words: stems of the words of the edits that it has learned, with how many edits say them.
    """

    def __init__(
        self, base: TextToMotionPipeline, reader: ContextReader, context: str, words: Mapping[str, int]
    ) -> None:
        self.base, self.reader, self.context, self.words = base, reader, context, words

    def knows(self, edit: str) -> bool:
        """Whether a word of an edit occurs in what was learned, but for small words."""
        said = {stem(word) for word in re.findall(r"[a-z]+", edit.lower())} - _SMALL
        return any(word in self.words for word in said)

    @classmethod
    def from_pretrained(cls, folder: str | Path | None = None, strength: float = 1.0) -> MotionEditor:
        """An editor from its folder: `reader/`, `lora.safetensors`, `editor.json`, `learned_words.json`.

        Args:
            folder: made by `kinema train edit`; by default the embedded one, `kinema/weights/motion_editor`.
            strength: of the adapter.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a file in it does not hold what it should.
        """
        place = Path(str(files("kinema") / "weights" / "motion_editor")) if folder is None else Path(folder)
        if not (place / _SETTINGS).is_file():
            raise FileNotFoundError(
                f"no editor in {place}: give the folder `edit` that `kinema train edit` makes"
            )
        said = json.loads((place / _SETTINGS).read_text())
        base = TextToMotionPipeline.from_pretrained(said.get("base"))
        merge_low_rank(base.transformer, place / "lora.safetensors", strength)
        reader = reader_class(said["context"]).from_pretrained(place / "reader")
        return cls(base, reader, said["context"], json.loads((place / WORDS).read_text()))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes reader and adapter, bfloat16; the generator stays where it is."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        save_low_rank(self.base.transformer, place / "lora.safetensors")
        self.reader.to(torch.bfloat16).save_pretrained(place / "reader")
        self.reader.float()
        (place / _SETTINGS).write_text(json.dumps({"context": self.context}) + "\n")
        (place / WORDS).write_text(json.dumps(dict(self.words), indent=0) + "\n")

    @torch.no_grad()
    def __call__(
        self,
        motion: Motion,
        edit: str,
        seed: int = 0,
        steps: int | None = None,
        guidance: float = 2.0,
        source_guidance: float = 1.0,
        keep: Sequence[str] = (PATH,),
        clean: bool = True,
    ) -> Motion:
        """The motion, changed.

        Args:
            motion: of a human body.
            edit: what shall be changed.
            seed: of the noise.
            steps: of sampling; the generator's own where None.
            guidance: how much the text counts, beside the source.
            source_guidance: how much the source counts.
            keep: groups of features that stay exactly as they are, by default where the person goes.
            clean: pin standing feet to the floor.

        Returns:
            As long as `motion`, on the generator's body with rotations; it starts where `motion` does.
        """
        representation = self.base.representation
        features, stance = representation.encode(motion)
        patch, frames = representation.patch, len(features)
        tokens = -(-frames // patch)
        padded = torch.cat([features, features[-1:].expand(tokens * patch - frames, -1)])
        source = Source(
            self.reader, self.base.normaliser.to_tokens(padded), torch.ones(tokens, dtype=torch.bool)
        )
        make = WindowSampling(
            self.base.transformer,
            self.base.normaliser,
            self._words(edit, tokens),
            seed,
            self.base.steps if steps is None else steps,
            Guidance(source=source_guidance, text=guidance),
            self.base.window,
            self.base.overlap,
            source=source,
        )
        kept = [Known(representation.decode(padded, stance), parts=keep)] if keep else []
        layout = lay_out(kept, tokens, tokens * patch, representation)
        made = make(layout)[:frames]
        made = clean_feet(made, stance, representation) if clean else made
        made = paste(made, layout.known[:frames], layout.given[:frames], representation)
        return representation.decode(made, stance)

    def _words(self, edit: str, tokens: int) -> Words:
        """All tokens read all of the edit, without a clock or a style."""
        states = self.base.text_states([clean_text(edit)])[0]
        states = states[(states != 0).any(-1)]
        return Words(
            torch.full((tokens, 2), torch.nan),
            torch.zeros(tokens, dtype=torch.long),
            states,
            torch.ones(tokens, len(states)),
        )
