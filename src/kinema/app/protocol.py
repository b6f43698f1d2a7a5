"""`kinema evaluate protocol`: the test set, the videos, the figures, and one table beside the paper's."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kinema.app.batch import BatchReport, make_videos
from kinema.app.list_rows import read_list
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.request import FromPrompt, ModelChoice, Sampling, VideoRequest
from kinema.evaluation.features.weights import parse_weights
from kinema.evaluation.protocols.published import PROTOCOLS, Protocol
from kinema.evaluation.protocols.published_split import (
    SplitAsked,
    SplitForm,
    held_still,
    make_split,
    read_split,
)
from kinema.evaluation.protocols.published_table import (
    OURS,
    build_table,
    figures_of,
    means_of,
    rung_of,
    write_html,
)
from kinema.evaluation.protocols.videos import evaluate_videos, plain_json, write_report_json
from kinema.evaluation.protocols.videos_bench import Bench, Options, open_bench
from kinema.evaluation.protocols.videos_folder import ClipFolder
from kinema.evaluation.protocols.videos_sets import set_score
from kinema.scene.formats.files import read_text

STILL, ROUGH, ROUND_TRIP = "first frame held", "rough take", "round trip"
_SAYS = {
    OURS: "",
    STILL: "the reference's first frame, or without a reference our own, held: what a picture alone scores",
    ROUGH: "the picture's own person moved without a model: the best answer that needs no learning",
    ROUND_TRIP: "the reference through a codec, judged against itself: the floor of metrics and judges",
}


@dataclass(frozen=True)
class ProtocolAsked:
    """What is asked of a protocol.

    Args:
        name: of `PROTOCOLS`.
        split: what the test set is made of.
        out: folder of everything.
        model: whose videos.
        sampling: how they are sampled; the seed is added to each clip's number.
        options: how they are measured, without rate.
        reference: of prompts: folder of real videos, named as the clips.
        frames: of a clip; the model's own window where None.
        capture: find people in clips that come without.
        floors: make the floors' columns.
        ladder: clips of the sanity ladder.
        part: of several processes.
    """

    name: str
    split: SplitAsked
    out: Path
    model: ModelChoice
    sampling: Sampling
    options: Options
    reference: Path | None = None
    frames: int | None = None
    capture: bool = True
    floors: bool = True
    ladder: int = 24
    part: tuple[int, int] | None = None


def run_protocol(asked: ProtocolAsked, progress: Progress) -> dict[str, Any] | BatchReport:
    """Runs a protocol, or goes on with it.

    Returns:
        The result, also written as OUT/protocol.json and OUT/protocol.html; of one of several processes what became of
        its videos, and the figures are made by a later call without a part.

    Raises:
        ValueError, OSError: what can be mended; the message says how.
    """
    if asked.name not in PROTOCOLS:
        raise ValueError(f"no protocol {asked.name!r}; there are {', '.join(PROTOCOLS)}")
    protocol, out = PROTOCOLS[asked.name], asked.out
    shared = asked.part or (int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    models = ModelCache()
    split = _split(asked, protocol, models, progress) if shared[0] == 0 else _awaited(out, progress)
    defaults = VideoRequest(motion=FromPrompt(), model=_formed(asked.model, split), sampling=asked.sampling)
    rows = read_list(out / "list.jsonl", defaults)
    batch = make_videos(
        rows, out / "generated", written_as="png", part=shared, models=models, progress=progress
    )
    if shared[1] > 1:
        return batch
    if not (batch.made or batch.kept):
        raise ValueError(f"no video could be made: {batch.text}")
    models.clear()
    floors = _floors(asked, protocol, split, progress) if asked.floors else {}
    return _measured(asked, protocol, split, batch, floors, progress)


def _split(
    asked: ProtocolAsked, protocol: Protocol, models: ModelCache, progress: Progress
) -> dict[str, Any]:
    known = read_split(asked.out)
    if known is not None and known.get("done"):
        form, picture = _form_of(known), bool(known["picture"])
        wanted = asked.frames or form.frames
        if wanted != form.frames or (asked.model.size or form.size) != form.size:
            raise ValueError(f"{asked.out} holds clips of another form, {form}; take another --out")
    else:
        progress.stage("loading the model")
        pipeline = models.video(asked.model)
        form = SplitForm(pipeline.size, asked.frames or pipeline.video_format.frames, pipeline.fps)
        picture = bool(pipeline.video_model.reads_picture)
    finds = _capture() if asked.capture and "pose" in protocol.gives else None
    return make_split(protocol, replace(asked.split, picture=picture), form, asked.out, finds, progress.step)


def _capture() -> Any:
    from kinema.capture.capture import capture

    return capture


def _awaited(out: Path, progress: Progress) -> dict[str, Any]:
    """The test set that the first process makes; torchrun ends this one if that fails."""
    progress.stage("waiting for the test set")
    while True:
        split = read_split(out)
        if split is not None and split.get("done"):
            return split
        time.sleep(1.0)


def _form_of(split: Mapping[str, Any]) -> SplitForm:
    form = split["form"]
    return SplitForm((form["size"][0], form["size"][1]), form["frames"], form["fps"])


def _formed(model: ModelChoice, split: Mapping[str, Any]) -> ModelChoice:
    """The model at the size of the test set."""
    return replace(model, size=_form_of(split).size)


def _floors(
    asked: ProtocolAsked, protocol: Protocol, split: dict[str, Any], progress: Progress
) -> dict[str, Path]:
    """Folders of videos that no learning made: column -> folder."""
    out = asked.out
    held_still(out / ("reference" if protocol.kind else "generated"), split, out / "floors" / "still")
    floors = {STILL: out / "floors" / "still"}
    moved = [clip["name"] for clip in split["clips"] if clip["people"]]
    if protocol.rough and moved:
        form = _form_of(split)
        rows = []
        for line in read_text(out / "list.jsonl", 1 << 28).splitlines():
            row = json.loads(line)
            row["picture"] = f"reference/{row['name']}/00000.png"
            if row["name"] in moved:
                rows.append(
                    {
                        name: value
                        for name, value in row.items()
                        if name not in ("retarget", "steady", "person")
                    }
                )
        path = out / "floors" / "rough.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in _from_above(rows)), encoding="utf-8")
        choice = ModelChoice("rough", size=form.size, fps=form.fps)
        made = make_videos(
            read_list(path, VideoRequest(model=choice)),
            out / "floors" / "rough",
            written_as="png",
            progress=progress,
        )
        if made.made or made.kept:
            floors[ROUGH] = out / "floors" / "rough"
        else:
            progress.note(
                "no rough take could be made: " + (made.failed[0].why if made.failed else "no rows")
            )
    return floors


def _from_above(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose paths are seen from the folder below."""
    return [{**row, **{key: f"../{row[key]}" for key in ("picture", "motion")}} for row in rows]


def _measured(
    asked: ProtocolAsked,
    protocol: Protocol,
    split: dict[str, Any],
    batch: BatchReport,
    floors: Mapping[str, Path],
    progress: Progress,
) -> dict[str, Any]:
    out = asked.out
    options = replace(
        asked.options, fps=_form_of(split).fps, cameras=asked.options.cameras and protocol.cameras
    )
    if not protocol.people:
        options = replace(options, people=None)
    reference = out / "reference" if protocol.kind else asked.reference
    folders = {OURS: out / "generated", **floors}
    progress.stage("measuring")
    key = _key(options, folders, reference, asked)
    if (known := _known(out / "protocol.json", key)) is not None:
        return known
    bench = open_bench(reference, out / "manifest.json", options, folders[OURS])
    report = evaluate_videos(
        folders[OURS], options, reference=reference, manifest=out / "manifest.json", ladder=asked.ladder, out=out,
        html=out / "videos.html", bench=bench,
    )  # fmt: skip
    columns = {OURS: figures_of(report)}
    failures = {OURS: len(report["failures"])}
    for name, folder in floors.items():
        columns[name], failures[name] = _scored(bench, folder, name)
    if report["ladder"]["clips"]:
        columns[ROUND_TRIP] = rung_of(report, "round trip")
        failures[ROUND_TRIP] = 0
    judge = None if bench.watcher.people is None else bench.watcher.people.name
    result = plain_json(
        {
            "protocol": protocol.name,
            "title": protocol.title,
            "key": key,
            "split": {
                **{name: split.get(name) for name in ("rule", "seed", "limit", "form", "short")},
                "clips": len(split["clips"]),
            },
            "model": _said(asked.model),
            "sampling": _said(asked.sampling),
            "weights": {name: each.sha256 for name, each in bench.weights.items()},
            "generation": batch.facts()
            | {"output": "generated", "made": len(batch.made) + len(batch.kept), "kept": 0},
            "columns": {name: _SAYS[name] for name in columns},
            "failures": failures,
            "rows": build_table(protocol, columns, report["skipped"], failures, judge),
            "conventions": list(protocol.conventions),
        }
    )
    write_report_json(out / "protocol.json", result)
    write_html(out / "protocol.html", result)
    return result


def _scored(bench: Bench, folder: Path, what: str) -> tuple[dict[str, float | None], int]:
    """A floor's figures, and how many of its clips failed."""
    clips, failures = bench.open(folder)
    seen = bench.look(clips, failures, what)
    found = means_of(bench.score(seen, what), {metric.name: metric.label for metric in bench.metrics})
    if bench.references is not None:
        for metric in bench.sets:
            found[metric.label] = set_score(metric, seen, bench.true, seed=bench.options.seed, resamples=1)[
                "value"
            ]
    return found, len(failures)


def _key(options: Options, folders: Mapping[str, Path], reference: Path | None, asked: ProtocolAsked) -> str:
    """Says whether a result is still that of these videos, measured so."""
    facts: dict[str, Any] = {"options": plain_json(asdict(options)), "ladder": asked.ladder}
    for name, folder in {**folders, "reference": reference}.items():
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            clips = ClipFolder(folder, options.fps)
            facts[name] = {clip: clips.sha256(clip) for clip in clips.paths}
    weights = parse_weights(options.weights, allow_code=options.allow_code)
    facts["weights"] = {name: each.sha256 for name, each in weights.items()}
    for name in ("progress", "workers", "weights"):
        facts["options"].pop(name)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _known(path: Path, key: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        said = json.loads(read_text(path, 1 << 28))
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("key") == key else None


def _said(part: Any) -> dict[str, Any]:
    """What is not by default; of paths the name."""
    plain = type(part)()
    said = {}
    for name, value in vars(part).items():
        if value != getattr(plain, name) and value not in (None, {}, ()):
            said[name] = Path(value).name if isinstance(value, Path) or name == "backbone" else value
    return plain_json(said)
