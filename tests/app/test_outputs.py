"""What every command does with its result: kinds, --force, folders, names, transparency, times, and Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from tests.app.test_cli import moving

import kinema
from kinema.app.cli import app
from kinema.app.inputs import MAX_NAME_BYTES, check_output
from kinema.media.video import read_video
from kinema.scene.formats import read_motion, write_motion

SIZE = ("--size", "48x64")


@pytest.fixture
def bvh(tmp_path: Path) -> Path:
    write_motion(tmp_path / "move.bvh", moving())
    return tmp_path / "move.bvh"


def commands(group=None, name: str = "") -> dict[str, set[str]]:
    """Options of every command by its name."""
    group = group or typer.main.get_command(app)
    found = {}
    for key, each in group.commands.items():
        if hasattr(each, "commands"):
            found |= commands(each, f"{name}{key} ")
        else:
            found[f"{name}{key}"] = {flag for one in each.params for flag in one.opts}
    return found


def test_options_mean_the_same_wherever_they_are():
    there = commands()
    going_on = {"train", "evaluate protocol", "curate"}  # the same command goes on with what is there
    writing = {name for name, options in there.items() if "-o" in options} - going_on | {"motion convert"}
    assert {name for name, options in there.items() if "--force" in options} == writing
    timed = {"preview", "animate", "motion convert", "passes", "replace"}
    assert {name for name, options in there.items() if "--beyond" in options} == timed
    assert {name for name, options in there.items() if "--from" in options} == timed | {"capture"}
    for name in (*(timed - {"replace"}), "generate", "capture", "camera", "motion create"):
        assert {"--seconds", "--fps"} <= there[name], name


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.png", "frames/", "frames/%04d.png"])
def test_what_is_there_is_kept_unless_forced(run, tmp_path, bvh, name, monkeypatch):
    words = ["preview", bvh, *SIZE, "--seconds", 0.2, "-o", f"{tmp_path}/new/{name}"]
    assert run(*words, keep=True)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    with monkeypatch.context() as before_the_work:
        before_the_work.setattr("kinema.stage.filming.film", None)
        code, _, said = run(*words, "--seed", 1, keep=True)
    assert (code, "--force" in said) == (2, True)
    assert {path: path.read_bytes() for path in before} == before
    assert run(*words, "--seed", 1, "--force", keep=True)[0] == 0
    assert any(path.read_bytes() != data for path, data in before.items() if path.suffix != ".json")


@pytest.mark.parametrize(
    "words",
    [
        ["camera", "static", "-o", "there.json"],
        ["motion", "convert", "move.bvh", "there.npz"],
        ["motion", "move.bvh", "-o", "there.npz"],
        ["motion", "a person waves", "-o", "there.npz"],
        ["generate", "a person waves", "-o", "there.mp4"],
        ["generate", "a person waves", "-o", "new.mp4", "--scene", "there.npz"],
        ["animate", "--motion", "move.bvh", "-o", "there.mp4"],
        ["animate", "--motion", "move.bvh", "-o", "new.mp4", "--scene", "there.npz"],
        ["capture", "there.mp4", "-o", "there.npz"],
        ["library", "wave", "-o", "there.npz"],
        ["evaluate", "motion", "-o", "."],
        ["evaluate", "judges", "-o", "there.json"],
        ["evaluate", "manifest", ".", "-o", "there.json"],
        ["compare", ".", ".", "--html", "there.html"],
    ],
)
def test_every_command_keeps_what_is_there(run, tmp_path, bvh, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    for name in ("there.json", "there.npz", "there.mp4", "there.html", "motion.json"):
        (tmp_path / name).write_text("mine")
    code, _, said = run(*words, keep=True)
    assert code == 2
    assert "exists: add --force" in said
    assert (tmp_path / "there.npz").read_text() == "mine"


def test_a_missing_folder_is_made_but_not_for_what_fails(run, cli, tmp_path, bvh):
    cli("preview", bvh, *SIZE, "--seconds", 0.1, "-o", tmp_path / "one" / "two" / "a.mp4")
    assert (tmp_path / "one" / "two" / "a.mp4").is_file()
    cli("motion", "convert", bvh, tmp_path / "three" / "a.glb")
    cli("camera", "static", "-o", tmp_path / "four" / "a.json")
    assert run("preview", bvh, "--camera", "wobble", "-o", tmp_path / "five" / "a.mp4")[0] == 2
    assert run("motion", "convert", tmp_path / "gone.bvh", tmp_path / "five" / "a.npz")[0] == 2
    assert not (tmp_path / "five").exists()


@pytest.mark.parametrize(
    "name", ["two words.mp4", "tänzer 舞 🎥.gif", "-dash.webm", "take: 1.mov", "100%.mp4"]
)
def test_any_name_will_do(run, tmp_path, bvh, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    bvh.rename(tmp_path / "-schön 1.bvh")
    code, _, said = run(
        "preview", *SIZE, "--seconds", 0.1, "-o", name, "--force", "--", "-schön 1.bvh", keep=True
    )
    assert code == 0, said
    assert (tmp_path / name).is_file()


def test_names_that_cannot_be_are_said_before_the_work(tmp_path):
    long = tmp_path / f"{'n' * MAX_NAME_BYTES}.mp4"
    with pytest.raises(ValueError, match="the name has 244 bytes"):
        check_output(long, ".mp4", force=False)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file"):
        check_output(tmp_path / "file" / "deep" / "a.mp4", ".mp4", force=False)
    with pytest.raises(IsADirectoryError, match="give a file name"):
        check_output(tmp_path, force=False)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(FileExistsError, match="--force"):
        check_output(tmp_path / "link.mp4", force=False)


def test_people_alone(cli, cli_error, tmp_path, bvh):
    words = ["preview", bvh, *SIZE, "--seed", 2, "--transparent"]
    cli(*words, "-o", tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (64, 48, 4)
    alpha = picture[..., 3]
    assert alpha[2, 2] == 0
    assert alpha.max() == 255
    assert 0.03 < (alpha > 127).mean() < 0.4
    assert ((alpha > 0) & (alpha < 255)).any(), "edges are smooth"
    cli("preview", bvh, *SIZE, "--seed", 2, "-o", tmp_path / "b.png")
    whole = np.asarray(Image.open(tmp_path / "b.png"))
    inside = alpha == 255
    assert np.abs(picture[inside][:, :3].astype(int) - whole[inside]).mean() < 6, "the same person"
    cli(*words, "--seconds", 0.2, "-o", f"{tmp_path}/frames/")
    assert np.asarray(Image.open(tmp_path / "frames" / "00002.png")).shape == (64, 48, 4)
    assert ".mp4 cannot be transparent; .mov" in cli_error(*words, "-o", tmp_path / "a.mp4")


def test_times_mean_the_same_in_preview_and_convert(run, cli, tmp_path, bvh):
    """The motion: eleven frames at ten a second."""
    words = ["preview", bvh, *SIZE, "-o", tmp_path / "a.mp4"]
    assert cli(*words, "--from", "0.2s", "--to", "0:0.6")["frames"] == 5
    assert cli(*words, "--from", 0.2, "--seconds", 0.3)["frames"] == 4
    code, _, said = run(*words, "--seconds", 3)
    assert code == 0
    assert "the motion lasts 1.0 s, and the result ends there, not at 3 s; --beyond hold or loop" in said
    for beyond in ("hold", "loop"):
        code, _, said = run(*words, "--seconds", 3, "--beyond", beyond)
        assert (code, "note" in said) == (0, False)
        assert len(read_video(tmp_path / "a.mp4").frames) == 31
        cli("motion", "convert", bvh, tmp_path / "b.npz", "--seconds", 3, "--beyond", beyond)
        assert read_motion(tmp_path / "b.npz").frames == 31
    code, _, said = run("motion", "convert", bvh, tmp_path / "b.npz", "--seconds", 3)
    assert "ends there, not at 3 s" in said
    assert "there are end, hold, loop" in run(*words, "--beyond", "bounce")[2]
    assert "nothing begins at 4 s" in run(*words, "--from", 4)[2]
    assert cli("camera", "static", "-o", tmp_path / "c.json", "--seconds", 2, "--fps", 10)["frames"] == 21


def test_odd_sides_are_said(run, tmp_path, bvh):
    words = ["preview", bvh, "--size", "47x65", "--seconds", 0.1]
    assert "47x65 is padded to 48x66" in run(*words, "-o", tmp_path / "a.mp4")[2]
    assert "padded" not in run(*words, "-o", tmp_path / "a.gif")[2]
    assert Image.open(tmp_path / "a.gif").size == (47, 65)


def test_an_option_given_twice_is_refused(cli_error, run, tmp_path, bvh):
    words = ["animate", "--motion", bvh, "-o", tmp_path / "a.mp4"]
    assert "--motion is given 2 times" in cli_error(*words, "--motion", bvh)
    assert "--output is given 2 times" in cli_error(*words, "-o", tmp_path / "b.mp4")
    assert run("preview", bvh, *SIZE, "--standing", "--standing", "-o", tmp_path / "a.png")[0] == 0


def test_a_size_or_rate_that_a_model_has_not_is_said_at_once(cli_error, tmp_path, bvh):
    words = ["animate", "--motion", bvh, "-o", tmp_path / "a.mp4"]
    for option in (["--size", "100x100"], ["--fps", 24], ["--window", 33]):
        said = cli_error(*words, *option)
        assert "96x128 pixels at 12 frames per second" in said
        assert "{" not in said


def hears_ctrl_c() -> None:
    """Shells let what they start in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames/"])
def test_who_stops_it_is_told_what_was_done(tmp_path, bvh, name):
    words = ["preview", bvh, "--size", "256x256", "--seconds", "300", "--beyond", "loop", "-o", f"new/{name}"]
    log = tmp_path / "log.txt"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "kinema", *map(str, words)],
            cwd=tmp_path,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(Path(kinema.__file__).parents[1])},
            preexec_fn=hears_ctrl_c,
        ) as running,
    ):
        try:
            while not re.search(r"[1-9]\d*/3001", log.read_text()):
                assert running.poll() is None, log.read_text()
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 130
        finally:
            running.kill()
    said = log.read_text()
    assert "kinema: stopped at filming, " in said
    assert " of 3001; nothing was written" in said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"move.bvh", "log.txt"}


def test_what_was_written_before_it_was_stopped_is_named(run, tmp_path, monkeypatch, motion_folder, letters):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("kinema.app.text_motion.film_preview", stopped)
    words = ["motion", "a person waves", "--model", motion_folder, "--seconds", 1]
    code, _, said = run(*words, "-o", tmp_path / "a.bvh", "--preview", tmp_path / "a.mp4")
    assert code == 130
    assert f"{tmp_path / 'a.bvh'} written before that" in said
    assert (tmp_path / "a.bvh").is_file()
