"""Folders of passes: complete or not there, nobody else's files touched, masks without loss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kinema
from kinema.passes.files import PassSet
from kinema.passes.profile import Pass

EXAMPLES = Path(__file__).parents[2] / "examples"


def passes():
    rng = np.random.default_rng(0)
    mask = np.where(rng.random((3, 32, 48)) < 0.5, 0, 255).astype(np.uint8)
    film = rng.integers(0, 256, (3, 32, 48, 3)).astype(np.uint8)
    return (
        Pass("pose", "film", film, "there"),
        Pass("mask", "mask", mask, "there"),
        Pass("reference", "picture", film[0], "there"),
        Pass("depth", "depth16", rng.integers(0, 65536, (3, 32, 48)).astype(np.uint16), "there"),
        Pass("tracks", "array", np.arange(6.0), "there"),
        Pass("cameras", "text", "1 2\n", "there"),
        Pass("people", "json", [{"people": []}] * 2, "there"),
    )


def made(each=None):
    return PassSet(
        "toy", "Toy", "nowhere", each or passes(), (48, 32), 3, 16.0, ("a note",), ("a guide",), {"x": 1}
    )


def test_everything_comes_back(tmp_path):
    names = made().save(tmp_path / "out", "lossless")
    assert names == [
        "pose.mkv",
        "mask.mkv",
        "reference.png",
        "depth/",
        "tracks.npy",
        "cameras.txt",
        "people/",
    ]
    given = {each.name: each.data for each in passes()}
    video = kinema.read_video(tmp_path / "out" / "pose.mkv")
    assert np.array_equal(video.frames, given["pose"])
    assert video.fps == 16.0
    assert np.array_equal(kinema.read_video(tmp_path / "out" / "mask.mkv").frames[..., 1], given["mask"])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "reference.png")), given["reference"])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "depth" / "00001.png")), given["depth"][1])
    assert np.array_equal(np.load(tmp_path / "out" / "tracks.npy"), given["tracks"])
    assert (tmp_path / "out" / "cameras.txt").read_text() == "1 2\n"
    assert len(list((tmp_path / "out" / "people").iterdir())) == 2
    settings = json.loads((tmp_path / "out" / "passes.json").read_text())
    assert settings["settings"] == {"x": 1}
    assert (settings["model"], settings["fps"], settings["frames"]) == ("toy", 16.0, 3)
    readme = (tmp_path / "out" / "README.txt").read_text()
    assert all(
        word in readme
        for word in ("pose.mkv", "there", "a note", "a guide", "nowhere", "16 frames per second")
    )


@pytest.mark.parametrize("kind", ["mp4", "png"])
def test_masks_lose_nothing(tmp_path, kind):
    made().save(tmp_path / "out", kind)
    mask = passes()[1].data
    if kind == "mp4":
        back = kinema.read_video(tmp_path / "out" / "mask.mp4").frames[..., 0]
    else:
        back = np.stack(
            [np.asarray(Image.open(p))[..., 0] for p in sorted((tmp_path / "out" / "mask").iterdir())]
        )
    assert np.array_equal(back, mask)
    assert not list((tmp_path / "out").rglob("*.mp4.json"))


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    made().save(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"other files \(mine.txt\)"):
        made().save(tmp_path, force=True)
    (tmp_path / "mine.txt").unlink()
    with pytest.raises(FileExistsError, match="--force"):
        made().save(tmp_path)
    made(passes()[:1]).save(tmp_path, force=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["README.txt", "passes.json", "pose.mp4"]


def test_a_failure_leaves_nothing(tmp_path):
    bad = (*passes(), Pass("odd", "film", np.zeros((2, 8, 8), np.float32), "nowhere"))
    with pytest.raises(ValueError, match="uint8"):
        made(bad).save(tmp_path / "deep" / "out")
    assert not list(tmp_path.iterdir())


def test_passes_by_name():
    assert made()["tracks"].sum() == 15
    with pytest.raises(KeyError, match="there are pose, mask"):
        made()["nose"]


def test_no_pass_needs_torch():
    source = (
        "import sys, pkgutil, importlib, kinema.passes\n"
        "for module in pkgutil.iter_modules(kinema.passes.__path__):\n"
        "    importlib.import_module('kinema.passes.' + module.name)\n"
        "import kinema\n"
        f"made = kinema.make_passes({str(EXAMPLES / 'jumping_jacks.bvh')!r}, 'vace', size=(96, 64), seconds=0.1,"
        " progress=kinema.Progress())\n"
        "assert made['pose'].any()\n"
        "assert 'torch' not in sys.modules, sorted(name for name in sys.modules if name.startswith('kinema'))\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_same_film_under_two_names_is_written_twice(tmp_path):
    film = passes()[0].data
    for kind in ("lossless", "png"):
        both = (Pass("control", "film", film, "there"), Pass("pose", "film", film, "there"))
        made(both).save(tmp_path / kind, kind)
        folder = tmp_path / kind
        files = [
            sorted(path for path in folder.rglob("*") if name in path.as_posix() and path.is_file())
            for name in ("control", "pose")
        ]
        assert len(files[0]) == len(files[1]) > 0
        assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
