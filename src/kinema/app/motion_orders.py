"""What `kinema motion` was asked for, made: people of a prompt, a timeline, a plan, a pair, or an answer to a motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.app.console import note
from kinema.app.inputs import fingerprint
from kinema.app.text_motion import counting, motion_model, split
from kinema.papers import find

if TYPE_CHECKING:
    from kinema.motion.constraints import JointTarget
    from kinema.scene import Motion
    from kinema.scene.formats.reading import MotionReading

LORA, REPAIR = "david", "irg-motionllm"
"""The papers whose parts --lora and --rounds take."""

BESIDE = "follow side left 5m"
"""Camera of the preview of a pair where none is said: from the front one would hide the other."""

_SECONDS = 4.0


@dataclass(frozen=True)
class Model:
    """The motion model.

    Args:
        folder: of it; the embedded one where None.
        adapters: low-rank ones, and their strengths.
    """

    folder: Path | None = None
    adapters: Sequence[tuple[Path, float]] = ()

    def load(self, texts: Sequence[str]) -> Any:
        """The model, after a note on words of the texts that it has not learned, as far as that is known."""
        from kinema.motion.learned import unlearned

        made = motion_model(self.folder)
        if self.adapters:
            find("adapter.motion", LORA)(made, self.adapters)
        for text in dict.fromkeys(texts) if self.folder is None and not self.adapters else ():
            if (strange := unlearned(text)) is not None:
                note(strange)
        return made

    def settings(self) -> dict[str, Any]:
        """What is written down of it."""
        return {
            "lora": {file.name: strength for file, strength in self.adapters} or None,
            "model": "embedded" if self.folder is None else self.folder.name,
        }


@dataclass(frozen=True)
class Made:
    """What was made.

    Args:
        people: the first is the one that facts are told of.
        generator: that made them.
        text: of all of them.
        told: settings of this kind of order.
        camera: in words that stood in a prompt.
    """

    people: Sequence[Motion]
    generator: Any
    text: str
    told: dict[str, Any]
    camera: str | None = None


def of_plan(model: Model, file: Path, jointly: str | None, options: dict[str, Any]) -> Made:
    """The people of a plan, --together."""
    from kinema.motion.together import Together, make_together

    plan = Together.load(file)
    texts = [role.text for role in plan.people]
    generator = model.load(texts)
    join = make_together if jointly is None else find("together", jointly)
    own = {name: value for name, value in options.items() if name != "style"}
    with counting("making the people") as on:
        people = join(generator, plan, progress=on, **own)
    return Made(people, generator, "; ".join(texts), {"together": plan.document(), "jointly": jointly})


def of_pair(
    model: Model, texts: tuple[str, str], seconds: float | None, apart: float | None, options: dict[str, Any]
) -> Made:
    """Two people, --pair."""
    from kinema.motion.pairs import answer_of, make_pair, touch_of

    lasts = seconds or _SECONDS
    generated = [text for text in texts if not answer_of(text).rule and touch_of(text, "", lasts) is None]
    generator = model.load(generated)
    with counting("making the people") as on:
        people = make_pair(generator, *texts, lasts, distance=apart, progress=on, **options)
    return Made(people, generator, "; ".join(texts), {"pair": texts, "apart": apart, "seconds": lasts})


def of_answer(
    model: Model, prompt: str, actor: Motion, apart: float | None, both: bool, options: dict[str, Any]
) -> Made:
    """One who answers a motion, --react, and the actor before them where both are wanted."""
    from kinema.motion.pairs import react

    generator = model.load([])
    made = react(generator, actor, prompt, distance=apart, **options)
    people = [made]
    if both:
        people.insert(0, generator.representation.decode(*generator.representation.encode(actor)))
    return Made(people, generator, prompt, {"prompt": prompt, "apart": apart})


def of_timeline(model: Model, file: Path, blend: str | None, options: dict[str, Any]) -> Made:
    """One who follows a timeline."""
    from kinema.motion.timeline import Timeline
    from kinema.motion.timeline_motion import make_timeline

    plan = Timeline.load(file)
    texts = [block.text for block in plan.blocks]
    generator = model.load(texts)
    make = make_timeline if blend is None else find("timeline", blend)
    with counting("making the motion") as on:
        motion = make(generator, plan, progress=on, **options)
    return Made([motion], generator, "; ".join(texts), {"timeline": plan.document(), "blend": blend})


@dataclass(frozen=True)
class PromptOrder:
    """What one who does what a prompt says must keep.

    Args:
        prompt: may be empty.
        seconds: of the whole; the generator's own where None.
        targets: what joints reach, as they were said and read.
        after, like: motion files.
        search, completion: names of papers.
        rounds: of measuring and mending.
        person: of files with several people.
        reading: how files are read.
        endpoint: (address, model) that divides prompts; none where None.
    """

    prompt: str
    seconds: float | None = None
    targets: Sequence[tuple[str, JointTarget]] = ()
    after: Path | None = None
    like: Path | None = None
    search: str | None = None
    completion: str | None = None
    rounds: int = 0
    person: int | None = None
    reading: MotionReading | None = None
    endpoint: tuple[str | None, str] = field(default=(None, ""))

    def make(self, model: Model, options: dict[str, Any]) -> Made:
        """The motion."""
        from kinema.motion.constraints import Known
        from kinema.motion.prompt import SplitPrompt

        parts = split(self.prompt, *self.endpoint) if self.prompt else SplitPrompt("", None)
        seconds, options = self.seconds, dict(options)
        told: dict[str, Any] = {"prompt": self.prompt, "motion_prompt": parts.motion, "seconds": seconds}
        held: list[Any] = [target for _, target in self.targets]
        if held:
            told |= {"reach": [said for said, _ in self.targets], "search": self.search}
        if self.after is not None:
            told |= {"after": fingerprint(self.after), "completion": self.completion}
            begun = self._read(self.after)
            held.append(Known(begun))
            seconds = begun.duration + _SECONDS if seconds is None else seconds
        if self.like is not None:
            told["like"], options["like"] = fingerprint(self.like), self._read(self.like)
        if self.search is not None:
            options["search"] = find("search.motion", self.search)()
        if held:
            options["constraints"] = held
        generator = model.load([parts.motion])
        make = self._way(generator, told)
        with counting("making the motion") as on:
            motion = make(parts.motion, seconds, progress=on, **options)
        return Made([motion], generator, self.prompt, told, parts.camera)

    def _way(self, generator: Any, told: dict[str, Any]) -> Callable[..., Motion]:
        """How the generator is called."""
        if self.completion is not None:
            complete = find("completion", self.completion)

            def completed(text: str, seconds: float, progress: Any, constraints: Any, **rest: Any) -> Motion:
                del rest["style"]
                return complete(generator, constraints, text, seconds, **rest)

            return completed
        if self.rounds:

            def mended(*given: Any, **rest: Any) -> Motion:
                motion, trace = find("repair.motion", REPAIR)(generator, *given, rounds=self.rounds, **rest)
                told["rounds"] = [each.words() for each in trace]
                if not trace[0].facts:
                    note(
                        "--rounds: nothing in the prompt is measured: turns, metres, raised hands, standing still"
                    )
                return motion

            return mended
        return generator

    def _read(self, file: Path) -> Motion:
        from kinema.scene.formats import read_motion

        return read_motion(file, person=self.person or 0, **vars(self.reading))
