"""How long a recipe takes on how many GPUs, and what fits: on paper, before anything is loaded.

Computing is operations over a share of the peak. Sharded weights come over links twice a pass through the batch, and
gradients go back once (FSDP, arXiv 2304.11277, Sec. 3; rings as NCCL has them: n - 1 hops, each link carrying (n - 1) / n
of the bytes). What is gathered overlaps with what is computed: the longer of the two counts. All of it is rough: a factor
of 1.5 is possible. `benchmarks/scale.py` prints the tables of docs/scale.md with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kinema.training.cost import PEAKS, StepCost
from kinema.training.memory import Layout, Memory
from kinema.training.planned import Planned, planned
from kinema.video.planning import SHARE_OF_PEAK
from kinema.video.work import text_tokens

SHARE_OF_LINK = 0.8
"""What a ring reaches of a link's nominal rate (ours; NCCL's own tests come to 0.8 to 0.9 for large messages)."""

HOP = 1e-5
"""Seconds of one hop of a ring between nodes; a tenth of it inside a node (ours)."""

AUTOENCODER_SHARE = 0.2
"""What the autoencoder's convolutions do of the peak (ours)."""


@dataclass(frozen=True)
class Machine:
    """A GPU and how it is joined to others.

    Args:
        name: for messages.
        memory: bytes.
        peak: dense 16-bit operations a second.
        inside: bytes a second in each direction to the other GPUs of its node.
        between: bytes a second in each direction to other nodes, its share of the node's links.
        node: GPUs of a node.
    """

    name: str
    memory: float
    peak: float
    inside: float
    between: float
    node: int = 8


MACHINES: dict[str, Machine] = {
    # NVLink 4 has 900 GB/s both ways, a DGX H100 one 400 Gb/s InfiniBand port for each GPU (data sheet of DGX H100).
    "h100": Machine("h100", 80e9, PEAKS["h100"], 450e9, 50e9),
    "h200": Machine("h200", 141e9, PEAKS["h200"], 450e9, 50e9),
    "b200": Machine("b200", 180e9, PEAKS["b200"], 900e9, 50e9),
    # NVLink 3 has 600 GB/s both ways, a DGX A100 one 200 Gb/s port for each GPU (data sheet of DGX A100).
    "a100": Machine("a100", 80e9, PEAKS["a100"], 300e9, 25e9),
    # No NVLink: PCIe 4.0 with 16 lanes, shared; nodes on 25 Gb/s Ethernet for each GPU (ours).
    "rtx4090": Machine("rtx4090", 24e9, PEAKS["rtx4090"], 16e9, 3e9),
    "rtx3090": Machine("rtx3090", 24e9, PEAKS["rtx3090"], 16e9, 3e9),
    "l40s": Machine("l40s", 48e9, PEAKS["l40s"], 16e9, 25e9),
}
"""GPUs by the names of `--gpu`."""


@dataclass(frozen=True)
class Estimate:
    """One way to run a recipe.

    Args:
        way: `whole` (every GPU has all weights), `fsdp` (shared among all), or `hsdp` (among those of a node).
        gpus: how many.
        samples: that a GPU goes through at once.
        parts: in which it goes through its share of the batch one after the other.
        memory: on one GPU, by term.
        fits: whether it fits.
        why: what does not fit.
        compute: seconds a step in matrices and convolutions.
        gather: seconds a step in which weights come over links, beside what is computed.
        reduce: seconds a step in which gradients go over links, after it.
        step: seconds a step.
        tokens_per_second: video tokens of all GPUs.
        mfu: share of the peak that the model's own operations are.
        hours: to the planned steps.
        feed: bytes a second that all GPUs read from the cache.
    """

    way: str
    gpus: int
    samples: int
    parts: int
    memory: Memory
    fits: bool
    why: str
    compute: float
    gather: float
    reduce: float
    step: float
    tokens_per_second: float
    mfu: float
    hours: float
    feed: float

    def as_json(self) -> dict[str, Any]:
        """As JSON types, with the sum of the memory."""
        return {**asdict(self), "memory_total": self.memory.total}


def estimates(recipe: Any, gpus: int, machine: Machine) -> list[Estimate]:
    """Every way to run a recipe on so many GPUs: whole, and with several shared among all or among those of a node.

    Args:
        recipe: with its settings; of a published backbone.
        gpus: how many.
        machine: which.

    Raises:
        ValueError: a recipe or backbone whose size nothing is known of, or a batch that cannot be divided so.
    """
    model = planned(recipe)
    ways = {"whole": 1}
    if gpus > 1:
        ways["fsdp"] = gpus
    if gpus > machine.node:
        ways["hsdp"] = machine.node
    layout = layout_of(recipe, gpus)
    parts = recipe.trainer.accumulate
    return [estimate(model, way, replace(layout, shard=shard), parts, machine) for way, shard in ways.items()]


def layout_of(recipe: Any, gpus: int) -> Layout:
    """How a recipe's settings lie on so many GPUs, one copy on each.

    Raises:
        ValueError: a batch that cannot be divided so.
    """
    batch, parts = recipe.data.batch, recipe.trainer.accumulate
    if batch % (gpus * parts):
        raise ValueError(
            f"a batch of {batch} cannot be divided among {gpus} GPUs in {parts} parts: take data.batch="
            f"{gpus * parts * max(1, round(batch / gpus / parts))}, or other --gpus or trainer.accumulate"
        )
    exact = recipe.model.dtype == "float32"
    return Layout(
        gpus=gpus,
        samples=batch // gpus // parts,
        number=4.0 if exact else 2.0,
        checkpointing=recipe.model.checkpointing,
        optimiser=recipe.trainer.optimiser,
        averages_on_host=recipe.trainer.ema_offload,
    )


def estimate(model: Planned, way: str, layout: Layout, parts: int, machine: Machine) -> Estimate:
    """One way.

    Args:
        model: what is trained.
        way: its name.
        layout: how it lies on the GPUs.
        parts: in which a GPU goes through its share of the batch.
        machine: which GPU.
    """
    cost, memory = model.cost(layout.checkpointing), model.memory(layout)
    samples = layout.samples * parts
    compute = _compute(model, cost, samples, layout, machine)
    gather = parts * _gather(model, cost, layout, machine)
    reduce = parts * _reduce(cost, layout, machine)
    step = max(compute, gather) + reduce
    every = samples * layout.gpus
    worst = max(memory.terms(), key=lambda name: memory.terms()[name])
    fits = memory.total <= machine.memory
    return Estimate(
        way=way,
        gpus=layout.gpus,
        samples=layout.samples,
        parts=parts,
        memory=memory,
        fits=fits,
        why="" if fits else f"{memory.total / 1e9:.0f} GB of {machine.memory / 1e9:.0f}, most of it {worst}",
        compute=compute,
        gather=gather,
        reduce=reduce,
        step=step,
        tokens_per_second=every * cost.tokens / step,
        mfu=every * cost.flops / step / (layout.gpus * machine.peak),
        hours=model.steps * step / 3600,
        feed=every * cache_bytes(model) / step,
    )


def cache_bytes(model: Planned, people: int = 1) -> float:
    """Bytes of one window in the latent cache: latents, the first frame as PNG, joints, camera, their names.

    Latents are counted in 16 bits, joints and camera in 64; a PNG is about two thirds of its pixels (ours).
    """
    width, height = model.size
    latent = 1 + (model.frames - 1) // 4
    latents = 16.0 * latent * (width // 8) * (height // 8) * 2
    pictured = 2.0 if int(model.shape.full_config["in_channels"]) > 16 else 1.0
    scene = model.frames * 8.0 * (people * 24 * 4 + 16 + 9)
    return latents * pictured + 2 * width * height + scene + 2000


def _compute(model: Planned, cost: StepCost, samples: int, layout: Layout, machine: Machine) -> float:
    """Seconds of one GPU's share of a step."""
    speed = machine.peak * (SHARE_OF_PEAK if layout.number == 2.0 else SHARE_OF_PEAK / 8)
    shape = model.shape
    text = 2.0 * shape.encoders * text_tokens(shape.transformer, shape.full_config)
    again = 0.25 / samples if model.track else 0.0  # L_track goes through one sample more, one step in four
    seconds = samples * ((1 + again) * cost.hardware_flops + text) / speed
    pixels = samples * model.encoding / 2 + (model.encoding / 2 if samples else 0.0)
    return seconds + pixels / (machine.peak * AUTOENCODER_SHARE)


def _gather(model: Planned, cost: StepCost, layout: Layout, machine: Machine) -> float:
    """Seconds in which sharded weights are gathered for one pass forward and backward."""
    if layout.shard == 1:
        return 0.0
    trained_own = cost.trained > cost.adapter
    frozen = cost.parameters * (4.0 if trained_own else layout.number)
    blocks = int(model.shape.full_config["num_layers"])
    backbone = 2 * _ring(frozen, layout.shard, machine, 1.0, blocks)
    return backbone + _ring(4.0 * cost.adapter, layout.shard, machine, 1.0)


def _reduce(cost: StepCost, layout: Layout, machine: Machine) -> float:
    """Seconds in which gradients are added up: scattered within a shard, then all-reduced between shards."""
    gradients = 4.0 * cost.trained
    seconds = _ring(gradients, layout.shard, machine, 1.0)
    copies = layout.gpus // layout.shard
    if copies > 1:
        seconds += _ring(gradients / layout.shard, copies, machine, 2.0, across=layout.shard > 1)
    return seconds


def _ring(
    size: float, ranks: int, machine: Machine, rounds: float, calls: int = 1, across: bool = False
) -> float:
    """Seconds of ring collectives.

    Args:
        size: bytes of all calls together.
        ranks: in the ring.
        machine: whose links.
        rounds: through the ring: 1 to gather or scatter, 2 to do both.
        calls: how many collectives.
        across: whether every rank is in another node.
    """
    if ranks <= 1:
        return 0.0
    far = across or ranks > machine.node
    # A ring over nodes goes through all of a node's ports at once where all its GPUs are in it.
    rate = machine.inside if not far else machine.between
    if far and not across:
        rate = min(machine.inside, machine.between * machine.node)
    hop = HOP if far else HOP / 10
    return rounds * (size * (ranks - 1) / ranks / (rate * SHARE_OF_LINK) + calls * (ranks - 1) * hop)


def table(made: Sequence[Estimate]) -> list[str]:
    """Estimates as lines of text: one for each way, and the memory's terms of the best."""
    lines = [f"{'way':<6} {'memory':>8} {'step':>8} {'tokens/s':>10} {'MFU':>5} {'to the end':>11}  "]
    for each in made:
        fits = "fits" if each.fits else f"does not fit: {each.why}"
        lines.append(
            f"{each.way:<6} {each.memory.total / 1e9:>5.1f} GB {_seconds(each.step):>8} "
            f"{each.tokens_per_second:>10,.0f} {each.mfu:>5.0%} {each.hours:>9.1f} h  {fits}"
        )
    best = best_of(made)
    terms = sorted(best.memory.terms().items(), key=lambda term: -term[1])
    held = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in terms if size >= 5e7)
    lines.append(f"memory of {best.way}, GB: {held}")
    lines.append(
        f"seconds of {best.way}: {best.compute:.2f} computing, {best.gather:.2f} gathering weights beside it, "
        f"{best.reduce:.2f} reducing gradients; {best.feed / 1e6:.1f} MB/s from the cache"
    )
    return lines


def best_of(made: Sequence[Estimate]) -> Estimate:
    """The quickest way that fits; the smallest one where none does."""
    fitting = [each for each in made if each.fits]
    if not fitting:
        return min(made, key=lambda each: each.memory.total)
    return min(fitting, key=lambda each: each.step)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
