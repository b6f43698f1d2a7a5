"""`kinema curate`: raw videos become a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands.shared import ENDPOINT, ENDPOINT_MODEL, JSON
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.data.curation.curate import Plan


def curate(
    videos: str = typer.Argument(
        ...,
        help="Folder of videos, captions beside them as .txt; a .csv with video, caption, licence; or .tar shards.",
    ),
    output: Path = typer.Option(
        ..., "--out", "-o", help="Folder of the shards; the same command goes on with what is there."
    ),
    workers: int | None = typer.Option(
        None,
        min=1,
        help="Processes that work at the same time, by Ray. Default: this one alone, without Ray.",
    ),
    address: str | None = typer.Option(
        None, help="Of a Ray cluster: auto, host:port or ray://host:port; its machines must see the folders."
    ),
    stages: str | None = typer.Option(
        None,
        help="Only these, with commas: cut, quality, people, capture, motion, captions, latents, text, shards. Default: "
        "all.",
    ),
    again: str | None = typer.Option(None, help="Do this stage anew, and those that read its results."),
    shortest: float = typer.Option(2.0, help="Leave out shots shorter than so many seconds."),
    longest: float = typer.Option(20.0, help="Part longer shots into clips of so many seconds at most."),
    max_side: int = typer.Option(1280, min=64, help="Make larger pictures smaller, pixels."),
    fps: float | None = typer.Option(
        None, help="Frames per second of the clips. Default: the video's own, at most 60."
    ),
    people: str = typer.Option(
        "one", help="Keep clips with one person, or some; any: nobody is looked for, nor captured."
    ),
    detector: str = typer.Option("mediapipe", help="Of people, as for `kinema capture`."),
    model: Path | None = typer.Option(None, help="The detector's file."),
    camera: str = typer.Option(
        "auto",
        help="auto finds out how each camera moves, most of the work; static, turning or moving where you know.",
    ),
    keep_all: bool = typer.Option(
        False, "--keep-all", help="Measure quality and motion, and leave nothing out for it."
    ),
    endpoint: str | None = ENDPOINT,
    endpoint_model: str = ENDPOINT_MODEL,
    captions: str = typer.Option(
        "missing",
        help="With --endpoint: missing, for clips that have none; or all. Else the given ones are kept.",
    ),
    backbone: str | None = typer.Option(
        None, help="Also encode for this model, a name that `kinema models` lists, or a folder."
    ),
    size: str | None = typer.Option(None, help="Of the encoded windows, WxH. Default: the model's own."),
    frames: int | None = typer.Option(
        None, min=1, help="Of an encoded window, 4k + 1. Default: the model's own."
    ),
    text: bool = typer.Option(True, "--text/--no-text", help="Encode captions, too."),
    form: str = typer.Option("webdataset", "--format", help="Of the shards: webdataset or parquet."),
    shard_mib: int = typer.Option(512, min=1, help="MiB of a shard, about."),
    as_json: bool = JSON,
) -> None:
    """Make a data set of raw videos: shots, one person, capture, captions, latents, shards with a manifest."""
    import os
    from contextlib import closing

    # Sums of floating point depend on the number of threads that make them: one, so that any number of workers,
    # with Ray or without, write the same bytes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    from kinema.app.inputs import parse_size
    from kinema.app.progress import Bars
    from kinema.data.curation.curate import curate
    from kinema.data.curation.engine import LocalEngine

    for name, value, choices in (
        ("--people", people, ("one", "some", "any")),
        ("--captions", captions, ("missing", "all")),
        ("--format", form, ("webdataset", "parquet")),
        ("--camera", camera, ("auto", "static", "turning", "moving")),
    ):
        if value not in choices:
            raise ValueError(f"{name} {value}: choose {', '.join(choices)}")
    if captions == "all" and endpoint is None:
        raise ValueError("--captions all: say with --endpoint who writes them")
    plan = _plan(
        cut={"least": shortest, "most": longest, "max_side": max_side, "fps": fps},
        seeing={"detector": detector, "model": None if model is None else str(model)},
        people=people,
        camera=camera,
        keep_all=keep_all,
        caption={"url": endpoint, "model": endpoint_model, "again": captions == "all"},
        encode=None
        if backbone is None
        else {
            "backbone": backbone,
            "size": None if size is None else parse_size(size),
            "frames": frames,
        },
        text=text,
        shards={"form": form, "shard_bytes": shard_mib << 20},
    )
    only = None if stages is None else [name.strip() for name in stages.split(",")]
    engine: Any = LocalEngine()
    if workers is not None or address is not None:
        from kinema.data.curation.ray_engine import RayEngine

        engine = RayEngine(workers or 1, address)
    bars = Bars()
    with closing(engine):
        report = curate(videos, output, plan, only=only, again=again, engine=engine, say=bars.step)
    bars.close()
    result(report.facts(), report.text, as_json)
    if report.failed:
        raise typer.Exit(1)


def _plan(
    *,
    cut: dict[str, Any],
    seeing: dict[str, Any],
    people: Any,
    camera: str,
    keep_all: bool,
    caption: dict[str, Any],
    encode: dict[str, Any] | None,
    text: bool,
    shards: dict[str, Any],
) -> Plan:
    """The stages that the options mean."""
    from kinema.data.curation.captions import Captions
    from kinema.data.curation.capturing import Captured
    from kinema.data.curation.curate import Plan
    from kinema.data.curation.cut import Cut
    from kinema.data.curation.encoding import Latents, Texts
    from kinema.data.curation.movement import Movement
    from kinema.data.curation.people import People
    from kinema.data.curation.quality import Quality
    from kinema.data.curation.stage import Stage

    stages: list[Stage] = [Quality(measure_only=keep_all)]
    if people != "any":
        follow = "largest" if people == "one" else "all"
        stages += [
            People(people, **seeing),
            Captured(follow, camera, **seeing),
            Movement(measure_only=keep_all),
        ]
    stages.append(Captions(**caption))
    if encode is not None:
        stages.append(Latents(**encode, scenes=people != "any"))
        stages += [Texts(**encode)] if text else []
    return Plan(Cut(**cut), tuple(stages), **shards)
