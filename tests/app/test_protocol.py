"""Papers' protocols end to end, on tiny models of the real classes and made-up sets in the true layouts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data import made_sets
from tests.video import published_tiny

from kinema.evaluation.protocols.published import HUMANVID, MOSA, PROTOCOLS, RE10K, TIKTOK, prompts_by_rule
from kinema.evaluation.protocols.published_split import SplitAsked, SplitForm, clips_of_set, make_split
from kinema.evaluation.protocols.videos_manifest import Manifest
from kinema.scene import Scene

SIZE, FORM = (32, 48), SplitForm((32, 48), 9, 8.0)
MODEL = ("--control", "none", "--size", "32x48", "--window", 9, "--steps", 1, "--ladder", 0)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    published_tiny.cogvideox_pipeline(rotary=False).save_pretrained(folder / "t2v")
    published_tiny.cogvideox_pipeline(picture=True).save_pretrained(folder / "i2v")
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """HumanVid, RealEstate10K and TikTok, and captured scenes for TikTok's sequences."""
    folder = tmp_path_factory.mktemp("sets")
    made_sets.humanvid(folder / "HumanVid", ("a", "b"), size=SIZE)
    made_sets.re10k(folder / "RealEstate10K", ("c", "d"), size=SIZE)
    annotations = folder / "RealEstate10K" / "annotations"
    shutil.copy(annotations / "train.json", annotations / "test.json")
    (folder / "scenes").mkdir()
    for name in ("00001", "00335", "00340"):
        camera = made_sets.turning(45, SIZE, 0.0)
        camera = type(camera)(camera.c2w, camera.intrinsics, SIZE, 30.0)
        (folder / "TikTok" / name / "images").mkdir(parents=True)
        for number, frame in enumerate(made_sets.room(camera, int(name))):
            Image.fromarray(frame).save(folder / "TikTok" / name / "images" / f"{number + 1:04d}.png")
        walker = made_sets.walker(camera)
        people = tuple(type(each)(each.joints, 30.0, each.skeleton) for each in walker.people)
        Scene(people, camera, 30.0).save(folder / "scenes" / f"{name}.npz")
    return folder


def copied(sets: Path, place: Path) -> Path:
    return Path(shutil.copytree(sets, place / "sets"))


def test_numbers_and_labels_are_those_of_papers_and_metrics():
    assert set(PROTOCOLS) == {"tiktok", "humanvid", "re10k", "mosa-prompts"}
    printed = {
        (row.title, name): value
        for each in PROTOCOLS.values()
        for row in each.figures
        for name, value in row.printed.items()
    }
    assert printed["FVD", "TokenMotion T2V"] == 361.03
    assert printed["RotErr, mean deg", "TokenMotion"] == 0.71
    assert printed["FVD", "MoSA"] == 1093
    assert printed["FID-VID", "MTVCrafter"] == 6.98
    prompts = prompts_by_rule()
    assert len(prompts) == len(set(prompts)) == 300 == MOSA.clips


def test_tiktok_end_to_end_and_only_the_test_sequences(models, sets, cli, tmp_path):
    out = tmp_path / "out"
    words = ("evaluate", "protocol", "tiktok", "--model", models / "i2v", *MODEL, "--data", sets / "TikTok",
             "--scenes", sets / "scenes", "--no-floors", "--out", out)  # fmt: skip
    result = cli(*words)
    assert [clip["name"] for clip in json.loads((out / "split.json").read_text())["clips"]] == [
        "00335",
        "00340",
    ]
    rows = {row["title"]: row for row in result["rows"]}
    assert rows["PSNR"]["values"]["ours"] > 3
    assert rows["PSNR, DisCo's overflow"]["values"]["ours"] is not None
    assert rows["FID-VID"]["values"]["ours"] is None
    assert "--weights resnet3d-50=PATH" in rows["FID-VID"]["why"]
    assert rows["FID-VID"]["printed"] == {"MTVCrafter": 6.98}
    manifest = Manifest(out / "manifest.json")
    assert len(manifest.known("00335").scene.people) == 1
    assert len(list((out / "generated" / "00340").glob("*.png"))) == 9


def test_humanvid_beside_its_floors_and_the_table_says_what_differs(models, sets, run, tmp_path):
    out = tmp_path / "out"
    words = ("evaluate", "protocol", "humanvid", "--model", models / "i2v", *MODEL[:-1], 2, "--convention", "c2w",
             "--data", sets / "HumanVid", "--out", out)  # fmt: skip
    code, said, err = run(*words, keep=True)
    assert code == 0, err
    assert "361" in said
    assert "Not measured: LPIPS" in said
    assert "Differs: KptsErr has no public definition" in said
    result = json.loads((out / "protocol.json").read_text())
    assert {"ours", "first frame held", "round trip"} <= set(result["columns"])
    page = (out / "protocol.html").read_text()
    assert "TokenMotion T2V" in page
    assert "http" not in page.replace("http-equiv", "")
    still = next(row for row in result["rows"] if row["title"].startswith("pycolmap"))
    assert still["values"]["first frame held"] == 100, "COLMAP cannot solve a picture"
    made = (out / "generated" / "a" / "settings.json").stat().st_mtime_ns
    assert run(*words, keep=True)[0] == 0
    assert (out / "generated" / "a" / "settings.json").stat().st_mtime_ns == made


def test_re10k_by_a_model_without_pictures_in_two_parts(models, sets, cli, run, tmp_path):
    out = tmp_path / "out"
    words = ("evaluate", "protocol", "re10k", "--model", models / "t2v", *MODEL, "--data", sets / "RealEstate10K",
             "--no-floors", "--out", out)  # fmt: skip
    for part in ("0/2", "1/2"):
        facts = cli(*words, "--part", part)
        assert facts["made"] == 1
    result = cli(*words)
    assert result["split"]["clips"] == 2
    assert result["generation"]["failed"] == []
    rows = {row["title"]: row for row in result["rows"]}
    assert rows["pycolmap failed, %"]["values"]["ours"] is not None
    assert rows["RotErr, mean deg"]["printed"]["TokenMotion"] == 0.71
    listed = [json.loads(line) for line in (out / "list.jsonl").read_text().splitlines()]
    assert {row["person"] for row in listed} == {"none"}
    assert not any("picture" in row for row in listed)


def test_prompts_of_a_file(models, cli, cli_error, tmp_path):
    (tmp_path / "prompts.txt").write_text("a person walks\n\na person runs\n")
    words = (
        "evaluate",
        "protocol",
        "mosa-prompts",
        "--model",
        models / "t2v",
        *MODEL,
        "--data",
        tmp_path / "prompts.txt",
    )
    result = cli(*words, "--out", tmp_path / "out")
    assert result["split"]["clips"] == 2
    rows = {row["title"]: row for row in result["rows"]}
    assert rows["FVD"]["printed"]["MoSA"] == 1093
    assert "first frame held" in result["columns"]
    held = sorted((tmp_path / "out" / "floors" / "still" / "0001").glob("*.png"))
    first = tmp_path / "out" / "generated" / "0001" / "00000.png"
    assert len(held) == 9
    assert (np.asarray(Image.open(held[8])) == np.asarray(Image.open(first))).all()
    assert "--weights clip=PATH" in rows["CLIPSIM"]["why"]
    (tmp_path / "prompts.txt").write_text("a person walks\n")
    assert "another sha256" in cli_error(*words, "--out", tmp_path / "out")


def test_a_test_set_is_held_against_the_files_it_is_from(sets, tmp_path):
    sets = copied(sets, tmp_path)
    asked = SplitAsked(sets / "RealEstate10K")
    first = make_split(RE10K, asked, FORM, tmp_path / "out")
    assert make_split(RE10K, asked, FORM, tmp_path / "out") == first
    assert [clip["name"] for clip in first["clips"]] == [
        clip["name"] for clip in make_split(RE10K, asked, FORM, tmp_path / "again")["clips"]
    ]
    with pytest.raises(ValueError, match="holds another test set: its seed is 0, not 1"):
        make_split(RE10K, SplitAsked(sets / "RealEstate10K", seed=1), FORM, tmp_path / "out")
    with pytest.raises(ValueError, match="holds another test set: its form"):
        make_split(RE10K, asked, SplitForm(SIZE, 5, 8.0), tmp_path / "out")
    shutil.copy(
        sets / "RealEstate10K" / "video_clips" / "c.mp4", sets / "RealEstate10K" / "video_clips" / "d.mp4"
    )
    with pytest.raises(ValueError, match=r"d\.mp4 has another sha256"):
        make_split(RE10K, asked, FORM, tmp_path / "out")


def test_a_test_set_that_was_begun_is_finished(sets, tmp_path, monkeypatch):
    from kinema.evaluation.protocols import published_split

    asked, real, calls = SplitAsked(sets / "HumanVid", "c2w"), published_split.write_video, []

    def killed(*words):
        calls.append(words[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*words)

    monkeypatch.setattr(published_split, "write_video", killed)
    with pytest.raises(KeyboardInterrupt):
        make_split(HUMANVID, asked, FORM, tmp_path / "out")
    assert not (tmp_path / "out" / "list.jsonl").exists()
    made = make_split(HUMANVID, asked, FORM, tmp_path / "out")
    assert len(made["clips"]) == 2
    assert len(calls) == 3, "the first clip was kept"
    whole = make_split(HUMANVID, asked, FORM, tmp_path / "whole")
    assert [clip["frames_sha256"] for clip in made["clips"]] == [
        clip["frames_sha256"] for clip in whole["clips"]
    ]


def test_what_is_wrong_with_a_copy_is_said(sets, tmp_path, cli_error, models):
    with pytest.raises(ValueError, match="say --convention w2c"):
        clips_of_set(HUMANVID, SplitAsked(sets / "HumanVid"))
    with pytest.raises(FileNotFoundError, match=r"neither test\.json nor"):
        clips_of_set(RE10K, SplitAsked(sets / "HumanVid"))
    few = tmp_path / "TikTok"
    shutil.copytree(sets / "TikTok" / "00001", few / "00001")
    with pytest.raises(ValueError, match="none of the sequences 00335 to 00340"):
        make_split(TIKTOK, SplitAsked(few), FORM, tmp_path / "out")
    (tmp_path / "ids.txt").write_text("00001\n")
    made = make_split(TIKTOK, SplitAsked(few, ids=tmp_path / "ids.txt"), FORM, tmp_path / "own")
    assert made["rule"] == "your list"
    (tmp_path / "ids.txt").write_text("00001\n00002\n")
    with pytest.raises(ValueError, match=r"ids.txt: line 2: there is no clip '00002'"):
        make_split(TIKTOK, SplitAsked(few, ids=tmp_path / "ids.txt"), FORM, tmp_path / "other")
    with pytest.raises(ValueError, match="lasts 99 frames"):
        make_split(RE10K, SplitAsked(sets / "RealEstate10K"), SplitForm(SIZE, 99, 8.0), tmp_path / "long")
    words = ("evaluate", "protocol", "bench", "--model", models / "t2v", "--out", tmp_path / "x")
    assert "no protocol 'bench'; there are tiktok" in cli_error(*words)


def test_frames_are_those_of_the_video_at_the_models_rate(sets, tmp_path):
    made = make_split(TIKTOK, SplitAsked(sets / "TikTok", limit=1), FORM, tmp_path / "out")
    assert len(made["clips"]) == 1
    frames = sorted((tmp_path / "out" / "reference" / "00335").glob("*.png"))
    for number in (0, 1, 8):
        true = np.asarray(
            Image.open(sets / "TikTok" / "00335" / "images" / f"{round(number / 8 * 30) + 1:04d}.png")
        )
        assert (np.asarray(Image.open(frames[number])) == true).all()
