"""`evaluate videos` and `compare` on filmed clips: checks before scoring, failures, the ladder, verdicts, the report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.evaluation import report as html_report
from kinema.evaluation.protocols import compare, videos
from kinema.evaluation.protocols.videos_bench import Options
from kinema.evaluation.protocols.videos_folder import ClipFolder, read_pictures
from kinema.evaluation.protocols.videos_manifest import Manifest, write_manifest
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, random_actor, shoot

CLIPS, FRAMES, SIZE, FPS = 6, 17, (48, 64), 8.0
FEW = 2


OPTIONS = Options(fps=FPS)


def write_clip(folder: Path, name: str, frames: np.ndarray) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name / f"{number:04d}.png")


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Folders `real`, `good` (a little noise) and `bad` (moved, much noise) of filmed people, and a manifest."""
    root = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    clips = []
    for number in range(CLIPS):
        name = f"clip{number}"
        joints = np.repeat(SMPL24.rest[None], FRAMES, axis=0).astype(float)
        time_s = np.arange(FRAMES)[:, None] / FPS
        joints[:, 18:24, 1] += 0.3 * np.sin(2 * time_s + number)
        joints[:, :, 2] += 0.4 * time_s
        person = Motion(joints, FPS, SMPL24)
        words = "static" if number % 2 else "arc left 40deg"
        camera = camera_path(words, size=SIZE, fps=FPS, frames=FRAMES, subject=person, tracking="none")
        scene = Scene((person,), camera, FPS)
        chance = np.random.default_rng(number)
        take = shoot(scene, [random_actor(chance)], photo_studio(chance))
        video = take.rgb
        near = np.clip(video + rng.normal(0, 2, video.shape), 0, 255).astype(np.uint8)
        far = np.clip(np.roll(video, 4, axis=2) + rng.normal(0, 25, video.shape), 0, 255).astype(np.uint8)
        for folder, frames in (("real", video), ("good", near), ("bad", far)):
            write_clip(root / folder, name, frames)
        truth = {"person_mask": take.person_mask, "part_ids": take.part_ids, "depth": take.depth}
        np.savez(root / f"{name}.npz", **truth)
        take.scene.save(root / f"{name}_scene.npz")
        clips.append(
            {"name": name, "truth": f"{name}.npz", "scene": f"{name}_scene.npz", "prompt": "</script>"}
        )
    head = {"format": "kinema.manifest", "version": 1, "fps": FPS, "frames": FRAMES, "size": list(SIZE)}
    (root / "manifest.json").write_text(json.dumps({**head, "clips": clips}))
    return root


@pytest.fixture(scope="module")
def few(films, tmp_path_factory) -> Path:
    """The folders `real` and `good` with the first clips only."""
    root = tmp_path_factory.mktemp("few")
    for folder in ("real", "good"):
        for number in range(FEW):
            shutil.copytree(films / folder / f"clip{number}", root / folder / f"clip{number}")
    return root


@pytest.fixture(scope="module")
def measured(films, tmp_path_factory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("out")
    report = videos.evaluate_videos(
        films / "good",
        OPTIONS,
        reference=films / "real",
        manifest=films / "manifest.json",
        out=out,
        html=out / "report.html",
    )
    return report, out


def named(report: dict, label: str, part: str = "metrics") -> dict:
    return next(row for row in report[part].values() if row["label"] == label)


def test_every_name_has_a_hash_and_every_figure_an_interval(measured):
    report, out = measured
    assert len(report["metrics"]) >= 18
    for name in [*report["metrics"], *report["sets"]]:
        assert re.fullmatch(r"[a-z0-9-]+\[[a-z0-9-]+@[0-9a-f]{8}\]", name), name
    row = named(report, "psnr[rgb]")
    assert row["low"] <= row["mean"] <= row["high"]
    assert (row["clips"], row["missing"]) == (CLIPS, 0)
    assert json.loads((out / "videos.json").read_text()) == report
    assert {clip["clip"] for clip in report["clips"]} == {f"clip{i}" for i in range(CLIPS)}


def test_the_ladder_admits_what_can_tell_and_not_what_a_frozen_video_wins(measured):
    report, _ = measured
    assert named(report, "psnr[rgb]")["status"] == "admitted"
    assert named(report, "ssim[gaussian]")["status"] == "admitted"
    assert named(report, "flicker-off[luminance]")["status"] == "admitted"
    assert named(report, "background-psnr[static]")["status"] != "admitted"
    assert named(report, "flicker[luminance]")["status"] == "descriptive"
    means = next(m for name, m in report["ladder"]["means"].items() if name.startswith("psnr["))
    assert means["ground truth"] == 100 > means["round trip"] > means["frozen"] > means["shuffled"]
    for name, means in report["ladder"]["means"].items():
        if name.startswith("frechet["):
            assert means["shuffled"] <= 1e-9  # blind to order
            assert means["ground truth"] <= 1e-12


def test_what_is_missing_is_skipped_with_a_line(measured, few):
    report, _ = measured
    assert report["skipped"]["lpips"].startswith("skipped: lpips needs VGG16's weights")
    assert "fvd" in report["skipped"]
    alone = "reference clips; give --reference"
    bare = videos.evaluate_videos(few / "good", OPTIONS, ladder=0)
    assert alone in bare["skipped"]["psnr[rgb]"]
    assert named(bare, "dynamic-degree[dis-flow]")["clips"] == FEW
    assert bare["sets"] == {}


def test_a_set_metric_stands_beside_real_against_real(measured):
    report, _ = measured
    for row in report["sets"].values():
        assert row["value"] < 1.5 * row["half"]["real_real_high"]
        assert row["half"]["clips"] == CLIPS // 2
        assert row["half"]["real_real_low"] <= row["half"]["real_real"] <= row["half"]["real_real_high"]


def test_figures_do_not_depend_on_the_number_of_workers(few):
    runs = [
        videos.evaluate_videos(
            few / "good", Options(fps=FPS, workers=workers), reference=few / "real", ladder=0
        )
        for workers in (1, 2)
    ]
    assert runs[0] == runs[1]


def test_compare_says_which_is_better_and_that_equals_cannot_be_told(films, few, tmp_path):
    report = compare.compare_videos(
        films / "bad",
        films / "good",
        OPTIONS,
        reference=films / "real",
        ladder=0,
        out=tmp_path,
        html=tmp_path / "c.html",
    )
    assert named(report, "psnr[rgb]")["verdict"] == "B better"
    assert named(report, "l1[rgb]")["verdict"] == "B better"
    assert all(row["verdict"] == "B better" for row in report["sets"].values())
    assert named(report, "psnr[rgb]")["high"] < 0
    assert "B better" in compare.table(report)
    assert (tmp_path / "compare.json").is_file()
    same = compare.compare_videos(few / "good", few / "good", OPTIONS, reference=few / "real", ladder=0)
    for row in [*same["metrics"].values(), *same["sets"].values()]:
        assert row["verdict"].startswith(("undecidable", "no value")), row


def test_without_a_reference_sets_are_compared_with_each_other(films):
    report = compare.compare_videos(films / "bad", films / "good", OPTIONS, ladder=0)
    row = named(report, "frechet[space-time]", "sets")
    assert row["A"] is None
    assert row["difference"] > 0
    assert row["verdict"] == "A and B differ"


def test_a_metric_that_was_not_admitted_decides_nothing():
    row = {"p": 0.001, "clips": 9, "difference": 1.0, "better": "higher", "A": 2.0, "smallest_visible": 0.5}
    assert compare.verdict({**row, "status": "admitted"}) == "A better"
    assert compare.verdict({**row, "status": "admitted", "better": "lower"}) == "B better"
    assert compare.verdict({**row, "status": "not admitted"}) == "A ahead, but the metric is not admitted"
    assert compare.verdict({**row, "status": "descriptive", "better": ""}) == "A higher"
    assert compare.verdict({**row, "status": "admitted", "p": 0.2}).startswith("undecidable (under 0.5 ")


def test_failures_are_counted_and_listed_and_never_replaced(films, tmp_path):
    for number in range(4):
        shutil.copytree(films / "real" / f"clip{number}", tmp_path / "real" / f"clip{number}")
        if number != 3:
            shutil.copytree(films / "good" / f"clip{number}", tmp_path / "made" / f"clip{number}")
    (tmp_path / "made" / "clip2" / "0003.png").write_bytes(b"no picture")
    report = videos.evaluate_videos(tmp_path / "made", OPTIONS, reference=tmp_path / "real", ladder=0)
    assert report["failures"]["clip3"] == "missing"
    assert "0003.png" in report["failures"]["clip2"]
    row = named(report, "psnr[rgb]")
    assert (row["clips"], row["missing"]) == (2, 2)
    assert named(report, "frechet[space-time]", "sets")["missing"] == 2
    failed = {clip["clip"]: clip["failed"] for clip in report["clips"]}
    assert failed["clip3"] == "missing"
    assert report["clips"][3]["scores"]["generated"][next(iter(report["metrics"]))] is None
    assert html_report.worst_first(report)[:2] == ["clip2", "clip3"]
    assert "failed: clip3: missing" in videos.table(report)


def test_clips_of_another_form_stop_before_scoring(films, tmp_path):
    write_clip(tmp_path / "made", "clip0", read_pictures(films / "good" / "clip0")[:9])
    write_clip(tmp_path / "made", "clip1", read_pictures(films / "good" / "clip1")[:, :32])
    write_clip(tmp_path / "made", "other", read_pictures(films / "good" / "clip1"))
    with pytest.raises(
        ValueError, match="other: not expected; clip0: 9 frames, not 17; clip1: 48x32 pixels"
    ) as error:
        videos.evaluate_videos(tmp_path / "made", OPTIONS, reference=films / "real", out=tmp_path / "out")
    assert "clip2" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_manifest_holds_reference_and_generated_clips_to_their_hashes(films, few, tmp_path):
    path = tmp_path / "m.json"
    written = write_manifest(path, ClipFolder(few / "real", FPS))
    assert len(written["clips"]) == FEW
    assert Manifest(path).forms()["clip0"].size == SIZE
    good = videos.evaluate_videos(few / "good", OPTIONS, reference=few / "real", manifest=path, ladder=0)
    assert good["failures"] == {}
    written["clips"][1]["reference_sha256"] = "0" * 64
    written["clips"][0]["generated_sha256"] = "1" * 64
    path.write_text(json.dumps(written))
    with pytest.raises(
        ValueError, match="reference clips are not those of the manifest: clip1: another sha256"
    ):
        videos.evaluate_videos(few / "good", OPTIONS, reference=few / "real", manifest=path)
    with pytest.raises(
        ValueError, match="generated clips are not those of the manifest: clip0: another sha256"
    ):
        videos.evaluate_videos(few / "good", OPTIONS, manifest=path)
    with pytest.raises(ValueError, match="--fps"):
        write_manifest(path, ClipFolder(films / "real"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(format="x"), "is no manifest"),
        (lambda m: m.update(version=2), "version 2; this reader knows 1"),
        (lambda m: m.update(clips=[]), "clips: must be a list"),
        (lambda m: m["clips"].append(m["clips"][0]), r"clips\[6\] \(clip0\): appears twice"),
        (lambda m: m["clips"][1].update(frames="9"), r"clips\[1\] \(clip1\): frames is '9'"),
        (lambda m: m["clips"][1].update(size=[1]), r"size is \[1\]"),
        (lambda m: m["clips"][1].update(fps=0), "fps is 0"),
        (lambda m: m["clips"][1].update(promt="x"), "unknown field 'promt'"),
        (lambda m: m["clips"][1].update(reference_sha256="xyz"), "64 hexadecimal digits"),
    ],
)
def test_wrong_manifests_are_named(films, tmp_path, change, says):
    content = json.loads((films / "manifest.json").read_text())
    change(content)
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=says):
        Manifest(tmp_path / "m.json")


def test_truth_of_another_shape_is_named(films, tmp_path):
    content = json.loads((films / "manifest.json").read_text())
    for clip in content["clips"]:
        clip["scene"] = str(films / clip["scene"])
        clip["truth"] = "t.npz"
    np.savez(tmp_path / "t.npz", person_mask=np.zeros((2, 3, 4), bool))
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"t.npz: array 'person_mask': has shape \[2, 3, 4\]"):
        Manifest(tmp_path / "m.json").known("clip0")


def test_png_frames_need_a_rate_and_folders_need_clips(films, tmp_path):
    with pytest.raises(ValueError, match="--fps"):
        videos.evaluate_videos(films / "good", Options(), reference=films / "real")
    with pytest.raises(ValueError, match="holds no clips"):
        ClipFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        ClipFolder(tmp_path / "absent")


def test_the_report_is_one_file_that_loads_nothing(measured):
    _, out = measured
    text = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)
    assert "default-src 'none'" in text
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    content = json.loads(data[1])
    assert content["columns"] == ["reference", "generated"]
    assert len(content["videos"]) == CLIPS
    video = content["videos"]["clip0"]["generated"]
    assert video["picture"].startswith("data:image/webp;base64,")
    assert (video["frames"], video["size"]) == (FRAMES, list(SIZE))
    assert len(video["keypoints"]) == FRAMES


def test_text_cannot_leave_the_script_element():
    text = html_report.script_json({"name": "</script><img src=x onerror=alert(1)>&\u2028"})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text)["name"].startswith("</script>")


def test_a_report_needs_an_html_name(tmp_path):
    with pytest.raises(ValueError, match=r"name the report \.html"):
        html_report.write_html(tmp_path / "r.txt", {"metrics": {}, "clips": []}, {})
