"""What fits on a card: memory and seconds of each stage, counted before anything is loaded.

Weights are counted exactly; what is at work beside them is a formula whose constants were measured with random weights of
full size (`benchmarks/full_size.py`). Seconds are floating-point operations over what a card does of its peak, and are
rough: a factor of two is possible. A probe of two steps on the machine itself corrects them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kinema.video.shapes import ModelShape

BYTES = {"bfloat16": 2.0, "float32": 4.0, "fp8": 1.0, "nf4": 0.56}
"""Bytes of a weight; of four bits with a scale for each 64."""

AT_WORK = 16.0
"""Numbers of the width that a token needs in a step beside the feed-forward's: the stream, its norms in 32 bits, queries,
keys and values, tables of positions. Ours: blocks of Wan's and CogVideoX's widths took 14.5 to 16.1."""

CONTROL = 8
"""The same of VACE's second stream, beside a hint for each of its blocks (ours, measured alike)."""

SHARE_OF_PEAK = 0.4
"""What a transformer of this kind does of a card's peak (ours)."""

RESERVED = 0.8e9
"""Bytes that a driver and its kernels take of a card (ours)."""

HOST_LINK = 12e9
"""Bytes a second from main memory to the card (ours: PCIe 4.0, half of its peak)."""

DISK = 2.5e9
"""Bytes a second from a file, where weights do not fit into main memory (ours: an NVMe disk)."""

_ABOUT = 1.2  # times as slow is about as fast (ours)

TILE = 256 * 256
"""Pixels of a tile of the autoencoder, as diffusers cuts them."""

TEXT_TOKENS = 512


@dataclass(frozen=True)
class Card:
    """Where a model works.

    Args:
        name: for messages.
        memory: bytes of the card, or of the machine where there is none.
        speed: peak floating-point operations a second in bfloat16 without sparsity, as the maker says; of a processor as
            measured.
        host: bytes of main memory that are free.
        accelerator: whether it is one; else all is float32 in main memory.
    """

    name: str
    memory: float
    speed: float
    host: float = 64e9
    accelerator: bool = True


CARDS: dict[str, tuple[float, float]] = {
    "rtx3060": (12, 51), "rtx3090": (24, 71), "rtx4060ti": (16, 88), "rtx4070": (12, 117), "rtx4080": (16, 195),
    "rtx4090": (24, 165), "rtx5080": (16, 225), "rtx5090": (32, 209), "a10": (24, 125), "l4": (24, 121),
    "l40s": (48, 362), "a6000": (48, 155), "a100": (80, 312), "h100": (80, 989), "h200": (141, 989), "t4": (16, 65),
}  # fmt: skip
"""GB and peak TFLOPS of cards by name, from the makers' data sheets (16-bit, dense, sums in 32 bits where they say)."""


@dataclass(frozen=True)
class Stage:
    """One stage of making a video.

    Args:
        name: text, picture, denoising or decoding.
        memory: bytes on the card at the worst moment.
        host: bytes in main memory.
        seconds: about.
    """

    name: str
    memory: float
    host: float
    seconds: float


@dataclass(frozen=True)
class Choice:
    """A set of options, and what comes of it.

    Args:
        options: as the command line has them.
        stages: see Stage.
        fits: whether every stage fits, on the card and in main memory.
        why: what does not fit.
    """

    options: tuple[str, ...]
    stages: tuple[Stage, ...]
    fits: bool
    why: str = ""

    @property
    def memory(self) -> float:
        """Bytes on the card at the worst moment."""
        return max(stage.memory for stage in self.stages)

    @property
    def host(self) -> float:
        """Bytes in main memory at the worst moment."""
        return max(stage.host for stage in self.stages)

    @property
    def seconds(self) -> float:
        """About, for the whole video."""
        return sum(stage.seconds for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "memory": self.memory, "host": self.host, "seconds": self.seconds}


@dataclass(frozen=True)
class Job:
    """What shall be made.

    Args:
        size: (width, height) in pixels.
        frames: of one window.
        windows: how many.
        steps: denoising steps of each.
        passes: of the transformer in a step.
    """

    size: tuple[int, int]
    frames: int
    windows: int
    steps: int
    passes: int

    @classmethod
    def of(
        cls,
        shape: ModelShape,
        size: tuple[int, int] | None = None,
        seconds: float | None = None,
        steps: int | None = None,
    ) -> Job:
        """The job of a model for so many seconds; one window where None.

        Raises:
            ValueError: a size or length that the model cannot make.
        """
        windows = 1
        if seconds is not None and seconds * shape.fps > shape.frames:
            if shape.one_window:
                longest = shape.frames / shape.fps
                raise ValueError(
                    f"it makes one window of {shape.frames} frames, {longest:.1f} s: it cannot continue a video"
                )
            windows = max(1, math.ceil((seconds * shape.fps - 1) / (shape.frames - 9)))
        multiple = 2 * shape.vae.spatial
        if size is not None and any(side % multiple for side in size):
            near = "x".join(str(max(1, round(side / multiple)) * multiple) for side in size)
            raise ValueError(
                f"sides are multiples of {multiple} pixels, not {size[0]}x{size[1]}; take {near}"
            )
        return cls(size or shape.size, shape.frames, windows, steps or shape.steps, shape.passes)


def choices(shape: ModelShape, job: Job, card: Card) -> list[Choice]:
    """Every set of options, those that fit first, see `_rank`."""
    made = [_choice(shape, job, card, options) for options in _options(card)]
    return sorted(made, key=_rank)


def _rank(choice: Choice) -> tuple[bool, int, float, float]:
    """What fits first; of those that are about as fast whole weights before fewer bits, then what moves least."""
    if not choice.fits:
        return True, 0, choice.memory, 0.0
    lossy = 2 if "--quantise" in choice.options else 1 if "--fp8" in choice.options else 0
    moves = 2 if "low" in choice.options else 1 if "medium" in choice.options else 0
    return False, round(math.log(choice.seconds) / math.log(_ABOUT)), lossy, moves


def smaller(shape: ModelShape, job: Job, card: Card) -> Choice | None:
    """The largest picture of the same shape, or else the longest window, with which something fits; None of none."""
    for number in range(9, 2, -1):
        size = (16 * round(job.size[0] * number / 160), 16 * round(job.size[1] * number / 160))
        frames = job.frames if number > 4 else 4 * round(job.frames * number / 40) + 1
        less = replace(job, size=size, frames=frames)
        best = choices(shape, less, card)[0]
        if best.fits:
            words = ["--size", f"{size[0]}x{size[1]}"]
            if frames != job.frames:
                words += ["--window", str(frames)]
            return replace(best, options=(*best.options, *words))
    return None


def denoising_bytes(shape: ModelShape, size: tuple[int, int], frames: int, bytes_each: float = 2.0) -> float:
    """What is at work in a denoising step beside the weights, bytes of one pass.

    Args:
        shape: of the model.
        size: (width, height) in pixels.
        frames: of a window.
        bytes_each: of a number.
    """
    made = shape.full_config
    feed = int(made.get("ffn_dim") or 4 * shape.width)
    tokens = shape.tokens(size, frames)
    control = 0.0
    if (
        shape.transformer == "WanVACETransformer3DModel"
    ):  # every control layer keeps its hint until it is added
        control = (len(made["vace_layers"]) + CONTROL) * shape.width
    return tokens * bytes_each * (AT_WORK * shape.width + feed + control)


def operations(shape: ModelShape, size: tuple[int, int], frames: int) -> float:
    """Floating-point operations of one pass: two for each weight and token, and attention over all pairs of tokens."""
    tokens = shape.tokens(size, frames)
    layers = int(shape.full_config["num_layers"])
    return 2.0 * shape.parameters * tokens + 4.0 * float(tokens) ** 2 * shape.width * layers


def _options(card: Card) -> Iterator[tuple[str, ...]]:
    if not card.accelerator:
        yield ()
        yield ("--memory", "medium")
        return
    for memory in ("high", "medium", "low"):
        words = () if memory == "high" else ("--memory", memory)
        yield words
        if memory != "low":
            yield (*words, "--fp8")
            yield (*words, "--quantise", "nf4")


def _choice(shape: ModelShape, job: Job, card: Card, options: tuple[str, ...]) -> Choice:
    stages = tuple(_stages(shape, job, card, options))
    memory, host = max(each.memory for each in stages), max(each.host for each in stages)
    place = "the card" if card.accelerator else "main memory"
    why = ""
    if memory > card.memory:
        worst = max(stages, key=lambda stage: stage.memory)
        why = f"{worst.name} needs {worst.memory / 1e9:.1f} GB of {place}'s {card.memory / 1e9:.0f}"
    elif card.accelerator and host > card.host:
        why = f"{host / 1e9:.0f} GB of main memory are needed, and {card.host / 1e9:.0f} are free"
    return Choice(options, stages, not why, why)


def _stages(shape: ModelShape, job: Job, card: Card, options: Sequence[str]) -> Iterator[Stage]:
    number = BYTES["bfloat16" if card.accelerator else "float32"]
    level = options[options.index("--memory") + 1] if "--memory" in options else "high"
    weight = BYTES["nf4"] if "--quantise" in options else BYTES["fp8"] if "--fp8" in options else number
    vae_number = BYTES["float32"] if shape.vae.float32 else number
    transformer = shape.parameters * weight
    text, vae = shape.encoders * number, shape.vae.parameters * vae_number
    everything = shape.experts * transformer + text + vae
    pixels = job.size[0] * job.size[1]
    tiles = level != "high"
    apart = card.accelerator and level != "high"
    # One block at a time comes out of files that are only mapped; the machine keeps of them what fits.
    host = everything if apart and level == "medium" else 0.0
    link = HOST_LINK if card.accelerator else math.inf
    if level == "low" and card.accelerator and everything > card.host:
        link = DISK
    speed = card.speed * SHARE_OF_PEAK
    base = RESERVED if card.accelerator else 0.0

    def stage(name: str, own: float, work: float, seconds: float) -> Stage:
        held = (
            everything
            if not apart
            else own
            if level == "medium"
            else min(own, _block(shape, own, name, weight))
        )
        moved = own / link if apart else 0.0
        return Stage(name, base + held + work, host, seconds + moved)

    yield stage("text", text, 0.2e9, 2.0 * shape.encoders * TEXT_TOKENS * job.passes / speed)
    area = min(pixels, TILE) if tiles else pixels
    scale = vae_number / 4
    film = job.frames * pixels * 3 * 4 * 2
    yield stage("picture", vae, shape.vae.encode * scale * area + film, 20.0 * film / speed)
    work = denoising_bytes(shape, job.size, job.frames, number)
    each = operations(shape, job.size, job.frames) / speed
    if level == "low":
        each = max(each, transformer / link if card.accelerator else 0.0)
    yield stage("denoising", transformer, work, job.windows * job.steps * job.passes * each)
    frames = job.windows * job.frames
    yield stage("decoding", vae, shape.vae.decode * scale * area + film, 2e6 * pixels * frames / speed)


def _block(shape: ModelShape, own: float, name: str, weight: float) -> float:
    """Bytes on the card where parts come block by block, the next one on its way: two of them.

    The largest layer of a text encoder is its table of words, a fifth of it.
    """
    layers = int(shape.full_config["num_layers"])
    return 2 * shape.parameters * weight / layers if name == "denoising" else own / 5


def this_machine() -> Card:
    """The accelerator of this machine; or its processor, whose speed is measured by multiplying matrices."""
    import os
    import time

    import torch

    pages, page = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    host = float(pages * page)
    if torch.accelerator.is_available():
        index = torch.accelerator.current_device_index()
        named = torch.cuda.get_device_name(index) if torch.cuda.is_available() else "the accelerator"
        free, _ = torch.accelerator.get_memory_info(index)
        plain = named.lower().replace(" ", "").replace("-", "")
        speed = next((speed for card, (_, speed) in CARDS.items() if card in plain), 100.0)
        return Card(named, float(free), speed * 1e12, host)
    side = 1024
    matrix = torch.randn(side, side)
    torch.mm(matrix, matrix)
    began = time.perf_counter()
    rounds = 4
    for _ in range(rounds):
        torch.mm(matrix, matrix)
    speed = rounds * 2.0 * side**3 / (time.perf_counter() - began)
    return Card("this machine's processor", host, speed, host, accelerator=False)
