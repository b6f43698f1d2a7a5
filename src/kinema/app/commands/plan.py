"""`kinema plan`: what of a model fits on a card, before anything is fetched or loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import JSON
from kinema.app.console import note, result

if TYPE_CHECKING:
    from kinema.video.planning import Card, Choice, Job
    from kinema.video.shapes import ModelShape


_DISTILLED = 5120
"""Width of the models for which there are LoRAs of few steps, see `video/few_steps.py`."""
_FEW = 4


def plan(
    backbone: str = typer.Argument(..., help="A published model by its name (`kinema models`), or a folder."),
    card: str | None = typer.Option(
        None,
        help="The card: rtx4090, a100 and so on, or its memory, e.g. 24GB. Default: what is in this machine.",
    ),
    ram: float | None = typer.Option(
        None, min=1, help="Main memory in GB. Default: this machine's, if --card is left out; else 64."
    ),
    size: str | None = typer.Option(None, help="WxH in pixels. Default: the model's own."),
    seconds: str | None = typer.Option(None, help="Length of the video. Default: one window."),
    steps: int | None = typer.Option(None, min=1, max=1000, help="Denoising steps. Default: the model's."),
    probe: bool = typer.Option(
        False, "--probe", help="Load the model, make two steps here, and correct the plan by what they took."
    ),
    as_json: bool = JSON,
) -> None:
    """Say what fits: memory and seconds of a model on a card, with the options that make it fit, best first."""
    from kinema.app.inputs import parse_seconds, parse_size
    from kinema.video.models.published import EMBEDDED_INDEX, embedded_folder
    from kinema.video.planning import Job, choices, smaller
    from kinema.video.shapes import shape_of

    if (embedded_folder() / backbone / EMBEDDED_INDEX).is_file():
        raise ValueError(f"{backbone} is in the package and runs on any machine: it needs no plan")
    if probe and card is not None:
        raise ValueError("--probe measures this machine: leave out --card")
    try:
        shape = shape_of(backbone)
    except ValueError as error:
        from kinema.passes.profile import PROFILES

        if backbone in PROFILES:
            raise ValueError(f"{backbone} is not sampled here: `kinema passes` makes files for it") from None
        raise error from None
    job = Job.of(
        shape, None if size is None else parse_size(size), parse_seconds(seconds, "--seconds"), steps
    )
    where = _card(card, ram)
    made = choices(shape, job, where)
    best = made[0] if made[0].fits else smaller(shape, job, where)
    lines = [_head(backbone, shape, job, where)]
    lines += [f"  {_line(choice)}" for choice in made]
    if best is not None and shape.transformer.startswith("Wan") and shape.width >= _DISTILLED:
        few = best.seconds * _FEW / (job.steps * job.passes)
        lines.append(f"  with a LoRA of few steps (--fast lightx2v) about {_time(few)}")
    if not made[0].fits:
        lines.append(
            f"  smaller: {_line(best)}" if best is not None else "  no size of this model fits there"
        )
    lines.append(
        "memory is counted; seconds are rough, by a factor of two" + ("" if probe else "; --probe measures")
    )
    facts = {
        "backbone": backbone,
        "card": {"name": where.name, "memory": where.memory, "host": where.host},
        "size": list(job.size),
        "frames": job.frames,
        "windows": job.windows,
        "steps": job.steps,
        "tokens": shape.tokens(job.size, job.frames),
        "parameters": shape.parameters * shape.experts,
        "choices": [choice.as_json() for choice in made],
        "best": None if best is None else best.as_json(),
    }
    if probe:
        measured = _measured(backbone, _possible(made) if best is None else best, job)
        facts["probe"] = measured.__dict__
        lines.append(
            f"measured: {measured.memory / 1e9:.1f} GB, a step {measured.step:.2f} s, "
            f"{_time(measured.seconds(job.steps, job.windows))} in all"
        )
    result(facts, "\n".join(lines), as_json)


def _possible(made: list[Choice]) -> Choice:
    """What needs least of the choices whose packages are here."""
    return min((each for each in made if "--quantise" not in each.options), key=lambda each: each.memory)


def _measured(backbone: str, best: Choice, job: Job):  # type: ignore[no-untyped-def]  # a Probe, loaded late
    from kinema.app.probing import probe
    from kinema.app.progress import Bars
    from kinema.app.request import ModelChoice

    words = list(best.options)
    memory = words[words.index("--memory") + 1] if "--memory" in words else "high"
    quantise = words[words.index("--quantise") + 1] if "--quantise" in words else None
    choice = ModelChoice(
        backbone,
        controls=(),
        size=job.size,
        memory=memory,  # type: ignore[arg-type]  # one of its levels
        fp8="--fp8" in words,
        quantise=quantise,
    )
    return probe(choice, Bars())


def _card(text: str | None, ram: float | None) -> Card:
    """The card that is named, or this machine's.

    Raises:
        ValueError: no such card.
    """
    import re

    from kinema.video.planning import CARDS, Card, this_machine

    if text is None:
        here = this_machine()
        return here if ram is None else Card(here.name, here.memory, here.speed, ram * 1e9, here.accelerator)
    plain = re.sub(r"[\s_-]|geforce|nvidia", "", text.lower())
    host = (64.0 if ram is None else ram) * 1e9
    if (size := re.fullmatch(r"(\d+(?:\.\d+)?)(?:gb|gib|g)?", plain)) is not None:
        note(f"--card {text}: seconds are those of a card of 100 TFLOPS")
        if not 1 <= float(size[1]) <= 4096:
            raise ValueError(f"--card {text}: a card has 1 to 4096 GB")
        return Card(f"a card of {size[1]} GB", float(size[1]) * 1e9, 100e12, host)
    if plain not in CARDS:
        raise ValueError(f"--card {text}: give its memory, e.g. 24GB, or one of {', '.join(CARDS)}")
    memory, speed = CARDS[plain]
    return Card(plain, memory * 1e9, speed * 1e12, host)


def _head(backbone: str, shape: ModelShape, job: Job, card: Card) -> str:
    experts = f"{shape.experts} x " if shape.experts > 1 else ""
    return (
        f"{backbone} ({experts}{shape.parameters / 1e9:.1f} billion weights) on {card.name}: "
        f"{job.windows} x {job.frames} frames of {job.size[0]}x{job.size[1]}, {job.steps} steps"
    )


def _line(choice: Choice) -> str:
    options = " ".join(choice.options) or "no options"
    worst = max(choice.stages, key=lambda stage: stage.memory).name
    host = f" and {choice.host / 1e9:.0f} GB of main memory" if choice.host else ""
    said = f"{options:<32}{choice.memory / 1e9:>6.1f} GB ({worst}){host}, about {_time(choice.seconds)}"
    return said if choice.fits else f"{said}; does not fit: {choice.why}"


def _time(seconds: float) -> str:
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200)):
        if seconds < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"
