"""`kinema library` on a folder of one's own."""

import pytest
from tests.motion.walking import walk

from kinema.motion.text import default_text_encoder
from kinema.scene.formats import read_motion, write_motion


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write_motion(folder / "walk.bvh", walk(41))
    write_motion(folder / "kick.npz", walk(21))
    (folder / "captions.txt").write_text(
        "walk.bvh: a person walks\nkick.npz: a person kicks with the left leg\n"
    )
    return folder


def test_a_folder_is_described(cli, folder):
    facts = cli("library", "--data", folder)
    assert (facts["clips"], facts["splits"]) == (2, {"train": 2})


def test_a_clip_is_found_and_written(cli, folder, tmp_path):
    try:
        default_text_encoder()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    facts = cli("library", "a kick with the right foot", "--data", folder, "-o", tmp_path / "kick.bvh")
    best = facts["found"][0]
    assert (best["id"], best["mirrored"]) == ("mine/kick.npz", True)
    assert best["caption"] == "a person kicks with the right leg"
    assert read_motion(tmp_path / "kick.bvh").frames == 21


def test_mistakes_are_said(cli_error, folder, tmp_path):
    assert "needs a query" in cli_error("library", "--data", folder, "-o", tmp_path / "a.bvh")
    assert "no captions" in cli_error("library", "walks", "--data", tmp_path)
    assert "AMASS" in cli_error("library", "walks", "--humanml3d", folder)
    assert "'any'" in cli_error("library", "walks", "--data", folder, "--licence", "mine")
