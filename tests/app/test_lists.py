"""Lists of videos: what rows may say, what is kept and what is made again, shares, failures, kills."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from tests.video import tiny

from kinema.app import batch
from kinema.app.batch import make_videos, request_key
from kinema.app.cli import app
from kinema.app.list_rows import read_list
from kinema.app.list_words import WORDS
from kinema.app.request import FromFile, FromPrompt, ModelChoice, VideoRequest
from kinema.media.pictures import write_picture
from kinema.media.video import read_settings
from kinema.scene.formats.errors import FormatError

PICTURE = (255 * tiny.np.random.default_rng(0).random((48, 32, 3))).astype("uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(tiny.FORM)}))
    return folder


@pytest.fixture
def asked(folder) -> VideoRequest:
    return VideoRequest.of(motion=FromPrompt(), model=ModelChoice(str(folder)), steps=1)


def listed(folder: Path, rows: list[dict], name: str = "list.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tiny.scene(5).save(folder / "walk.npz")
    write_picture(folder / "hero.png", PICTURE)
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


ROWS = [
    {"name": "a", "picture": "hero.png", "motion": "walk.npz", "prompt": "a person walks", "seed": 1},
    {"name": "b", "picture": "hero.png", "motion": "walk.npz", "prompt": "a person walks", "seed": 2},
    {"name": "c", "picture": "hero.png", "motion": "none", "camera": "pan left 20deg", "seconds": 0.5},
]


def test_columns_are_words_of_the_options():
    command = typer.main.get_command(app)
    known = {
        opt.removeprefix("--").removeprefix("no-")
        for name in ("generate", "animate")
        for each in command.commands[name].params
        for opt in (*each.opts, *each.secondary_opts)
    }
    assert set(WORDS) - {"name", "picture"} <= known
    left = "list part as output o scene side-by-side scale keep crf force json check aligned audio parallel endpoint"
    one_video = {
        *left.split(),
        "-o",
        "endpoint-model",
        "camera-relative",
        "image",
        "list-file",
        "written-as",
        "list-part",
    }
    assert known - set(WORDS) - one_video == set()


def test_rows_are_requests(tmp_path):
    path = listed(tmp_path, [{**ROWS[0], "size": "64x48", "control": "tokenmotion:camera", "guidance_text": "4",
                              "person": "all", "retarget": "no", "from": "0.2"}])  # fmt: skip
    row = read_list(path)[0]
    request = row.request
    assert (row.name, row.line) == ("a", 2)
    assert request.picture == tmp_path / "hero.png"
    assert isinstance(request.motion, FromFile)
    assert request.motion.path == tmp_path / "walk.npz"
    assert (request.model.size, request.model.controls) == ((64, 48), ("tokenmotion:camera",))
    assert request.sampling.guidance == {"text": 4.0}
    assert (request.direction.people, request.direction.retarget, request.direction.start) == (
        "all",
        False,
        0.2,
    )
    lines = tmp_path / "list.jsonl"
    lines.write_text(json.dumps({"prompt": "a person waves", "seconds": 2, "style": None}) + "\n\n")
    told = read_list(lines)[0]
    assert (told.name, told.request.motion.seconds, told.request.direction.seconds) == ("000000", 2.0, None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"promt": "x"}, r"list.csv: line 2: no column 'promt'; is it 'prompt'\?"),
        ({"name": "a", "seed": "seven"}, "line 2, column seed: 'seven': give a whole number"),
        ({"name": "../a"}, "line 2, column name: '../a' cannot be the name of a file"),
        ({"prompt": "x", "size": "10"}, "line 2, column size: '10': size 10: give width x height"),
        ({"prompt": "x", "camera_fov": "40"}, "line 2: words about a camera file, and no camera"),
        ({"prompt": "x", "beyond": "turn"}, "line 2: beyond 'turn'"),
    ],
)
def test_mistakes_name_line_and_column(tmp_path, row, message):
    path = listed(tmp_path, [row])
    with pytest.raises(FormatError, match=message):
        read_list(path)


def test_two_rows_of_one_name_and_broken_files(tmp_path):
    with pytest.raises(FormatError, match="the name 'a' is in line 2 already"):
        read_list(listed(tmp_path, [ROWS[0], ROWS[0]]))
    (tmp_path / "b.jsonl").write_text('{"prompt": ')
    with pytest.raises(FormatError, match="line 1: no JSON"):
        read_list(tmp_path / "b.jsonl")
    (tmp_path / "c.csv").write_text("name,prompt\n1,a,b\n")
    with pytest.raises(FormatError, match="3 cells under 2 columns"):
        read_list(tmp_path / "c.csv")


@pytest.mark.parametrize("kind", ["mp4", "png"])
def test_what_is_there_is_kept_and_what_changed_is_made_again(tmp_path, asked, kind):
    out = tmp_path / "videos"
    make = lambda rows: make_videos(read_list(listed(tmp_path, rows), asked), out, written_as=kind)  # noqa: E731
    first = make(ROWS)
    assert (first.made, first.kept, first.failed) == (["a", "b", "c"], [], [])
    assert make(ROWS).kept == ["a", "b", "c"]
    changed = [ROWS[0], {**ROWS[1], "seed": 3}, ROWS[2]]
    assert make(changed).made == ["b"]
    write_picture(tmp_path / "other.png", 255 - PICTURE)
    assert make([{**ROWS[0], "picture": "other.png"}, *changed[1:]]).made == ["a"]
    (out / ("b" if kind == "png" else "b.mp4")).rename(tmp_path / f"gone-{kind}")
    assert make(changed).made == ["a", "b"]
    if kind == "mp4":
        assert read_settings(out / "a.mp4")["row"] == "a"


def test_a_row_that_fails_stops_no_other(tmp_path, folder, run, asked):
    rows = [ROWS[0], {**ROWS[1], "motion": "gone.bvh"}, {**ROWS[2], "camera": "wobble"}]
    words = ("generate", "--list", listed(tmp_path, rows), "--backbone", folder, "--steps", 1)
    code, out, _ = run(*words, "-o", tmp_path / "videos", "--json", keep=True)
    facts = json.loads(out.splitlines()[-1])
    assert code == 2
    assert (facts["made"], [(each["name"], each["line"]) for each in facts["failed"]]) == (
        1,
        [("b", 3), ("c", 4)],
    )
    assert "gone.bvh" in facts["failed"][0]["why"]
    assert sorted(path.name for path in (tmp_path / "videos").glob("[!.]*")) == ["a.mp4", "a.mp4.json"]
    (tmp_path / "videos" / "b.mp4").write_bytes(b"mine")
    assert "--force replaces it" in run(*words, "-o", tmp_path / "videos", keep=True)[1]


def test_parts_share_the_rows(tmp_path, asked, monkeypatch, cli, cli_error, folder):
    rows = read_list(listed(tmp_path, ROWS), asked)
    made = [make_videos(rows, tmp_path / "videos", part=(number, 2)).made for number in (0, 1)]
    assert made == [["a", "c"], ["b"]]
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert make_videos(rows, tmp_path / "again").made == ["b"]
    words = ("generate", "--list", tmp_path / "list.csv", "--backbone", folder, "-o", tmp_path / "v")
    assert "give N/M" in cli_error(*words, "--part", "2/2")
    assert "--parallel" in cli_error(*words, "--parallel", "auto")
    assert "give a prompt" in cli_error("generate", "-o", tmp_path / "v.mp4")


def test_rows_of_one_model_come_together(tmp_path, asked, folder):
    rows = [{**ROWS[0], "window": "5"}, {**ROWS[1], "window": "9"}, {**ROWS[0], "name": "d", "window": "5"}]
    read = read_list(listed(tmp_path, rows), asked)
    assert [row.name for row in batch._by_model(read)] == ["a", "d", "b"]


def test_a_backbones_and_adapters_files_are_part_of_the_key(tmp_path, asked, folder):
    row = read_list(listed(tmp_path, ROWS), asked)[0].request
    first = request_key(row)
    batch._files.cache_clear()
    weights = folder / "transformer" / "config.json"
    os.utime(weights, ns=(1, 1))
    assert request_key(row) != first


@pytest.mark.slow
def test_a_killed_list_goes_on_and_leaves_nothing_partial(tmp_path, folder, asked):
    rows = [{**ROWS[0], "name": f"v{number}", "seed": number} for number in range(6)]
    path, out = listed(tmp_path, rows), tmp_path / "videos"
    command = [sys.executable, "-m", "kinema", "generate", "--list", path, "--backbone", folder, "--steps", "1",
               "--as", "png", "-o", out]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(out.glob("v*/settings.json"))) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {each.parent.name for each in out.glob("v*/settings.json")}
    assert len(there) >= 2
    report = make_videos(read_list(path, asked), out, written_as="png")
    assert set(report.kept) == there
    assert len(report.made) + len(report.kept) == 6
    make_videos(read_list(path, asked), tmp_path / "whole", written_as="png")
    for number in range(6):
        frames = sorted((tmp_path / "whole" / f"v{number}").glob("*.png"))
        assert frames
        for frame in frames:
            assert frame.read_bytes() == (out / f"v{number}" / frame.name).read_bytes()
