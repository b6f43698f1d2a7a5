"""PoseErr and DetErr of matched people, camera errors by pycolmap: against hand-made answers, and joined into reports."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.capture.tiny_onnx import write_simcc
from tests.data.made_sets import room, turning
from tests.evaluation.test_videos import named, write_clip

from kinema.capture.detectors.detector import DetectorUnavailable
from kinema.evaluation.judges.people import PeopleJudge, names_people_judge
from kinema.evaluation.judges.solved_camera import CameraSolver
from kinema.evaluation.metrics.camera_error import published_camera_errors
from kinema.evaluation.metrics.people_error import at_paper_size, match_people, people_pose_error
from kinema.evaluation.protocols.videos import evaluate_videos, table
from kinema.evaluation.protocols.videos_bench import Options
from kinema.scene import Scene

FPS = 12.0


def people(*places: float, frames: int = 3) -> np.ndarray:
    """People of four keypoints at these columns: a square of 40 pixels, [T, P, 4, 2]."""
    square = np.array([[0, 0], [40, 0], [0, 40], [40, 40]], float)
    return np.stack([np.stack([square + np.array([x, 0]) for x in places])] * frames)


def test_people_are_matched_whatever_their_order():
    true, made = people(0, 100, 300), people(303, 2, 101)
    assert sorted(match_people(made[0], true[0])) == [(0, 2), (1, 0), (2, 1)]
    sure = np.ones(true.shape[:3])
    assert people_pose_error(made, sure, true, sure) == pytest.approx((3 + 2 + 1) / 3)
    assert people_pose_error(true[:, ::-1], sure, true, sure) == 0


def test_what_is_not_found_is_left_out_or_costs():
    true, made = people(0, 100), people(4)
    sure, one = np.ones(true.shape[:3]), np.ones(made.shape[:3])
    assert people_pose_error(made, one, true, sure) == pytest.approx(4)
    assert people_pose_error(made, one, true, sure, worst=0.5) == pytest.approx((4 + 20) / 2)
    nobody = np.full_like(made, np.nan)
    assert np.isnan(people_pose_error(nobody, 0 * one, true, sure))
    assert people_pose_error(nobody, 0 * one, true, sure, worst=0.5) == 20
    unsure = sure.copy()
    unsure[:, 1] = 0.2  # the second person of the reference does not count
    assert people_pose_error(made, one, true, unsure, worst=0.5) == pytest.approx(4)
    assert np.isnan(people_pose_error(made, one, true, 0 * sure))
    with pytest.raises(ValueError, match="differ in length"):
        people_pose_error(made, one, true[:2], sure[:2])


def test_pixels_are_those_of_the_papers_size():
    assert at_paper_size(3.0, (384, 256)) == 3
    assert at_paper_size(3.0, (768, 512)) == pytest.approx(1.5)


def test_a_judge_is_named_by_its_file():
    assert names_people_judge("mediapipe")
    assert names_people_judge("weights/dw-ll_ucoco_384.onnx,yolox_l.onnx")
    assert not names_people_judge("weights/keypoints")
    with pytest.raises(FileNotFoundError, match=r"gone\.onnx"):
        PeopleJudge("gone.onnx")


@pytest.fixture
def dots(tmp_path):
    """A pose network in ONNX that sees the reddest pixel, in the whole frame."""
    pytest.importorskip("onnxruntime")
    path = tmp_path / "dots.onnx"
    write_simcc(path)
    return f"{path},frame"


def dotted(moves: float, frames: int = 17) -> np.ndarray:
    video = np.zeros((frames, 64, 48, 3), np.uint8)
    for t in range(frames):
        video[t, 20:23, 10 + round(moves * t) : 13 + round(moves * t), 0] = 255
    return video


def test_a_whole_body_network_judges_both_sides(dots, tmp_path):
    judge = PeopleJudge(dots)
    assert judge.name == "onnx"
    assert not any("dots.onnx" in str(value) for value in judge.settings().values())
    seen = judge.watch(dotted(1))
    assert (seen.count == 1).all()
    assert seen.points.shape == (17, 1, 17, 2)
    assert np.allclose(seen.points[:, 0, 0, 0], 11 + np.arange(17), atol=1.3)
    for name in ("a", "b"):
        write_clip(tmp_path / "real", name, dotted(1))
        write_clip(tmp_path / "made", name, np.roll(dotted(1), 8, axis=2))
    report = evaluate_videos(
        tmp_path / "made", Options(fps=FPS, people=dots), reference=tmp_path / "real", ladder=2
    )
    row = named(report, "pose-err[onnx-found]")
    assert row["mean"] == pytest.approx(at_paper_size(8, (48, 64)), rel=0.15)
    assert named(report, "det-err[onnx]")["mean"] == 0
    floor = next(v for k, v in report["ladder"]["means"].items() if k.startswith("pose-err[onnx-found"))
    assert floor["ground truth"] == 0 < floor["frozen"]


def test_mediapipe_judges_photographs_of_several_people():
    """Two of a real photograph beside one another, and the same moved: that is the error."""
    pytest.importorskip("mediapipe")
    from skimage import data

    one = data.astronaut()[:400]
    two = np.repeat(np.concatenate([one, one], axis=1)[None], 3, axis=0)
    judge = PeopleJudge()
    true, made = judge.watch(two), judge.watch(np.roll(two, 12, axis=2))
    assert (true.count == 2).all()
    error = people_pose_error(made.points, made.confidence, true.points, true.confidence)
    assert 9 < error < 18
    assert people_pose_error(true.points, true.confidence, true.points, true.confidence, worst=0.5) == 0
    nobody = judge.watch(np.full_like(two, 128))
    assert (nobody.count == 0).all()
    missed = people_pose_error(nobody.points, nobody.confidence, true.points, true.confidence, worst=0.5)
    assert missed > 60


def test_a_network_of_other_keypoints_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    write_simcc(tmp_path / "hand.onnx", keypoints=21)
    with pytest.raises((DetectorUnavailable, ValueError), match="21 keypoints"):
        PeopleJudge(f"{tmp_path / 'hand.onnx'},frame")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Two rooms seen by a camera that moves; `made` has one of them seen by another camera, and one without a room."""
    pytest.importorskip("pycolmap")
    folder = tmp_path_factory.mktemp("rooms")
    size, clips = (96, 64), []
    for number, name in enumerate(("a", "b")):
        camera = turning(25, size, -20.0)
        write_clip(folder / "real", name, room(camera, number))
        Scene((), camera, FPS).save(folder / f"{name}.npz")
        clips.append({"name": name, "scene": f"{name}.npz"})
    write_clip(folder / "made", "a", room(turning(25, size, -10.0), 0))
    write_clip(folder / "made", "b", np.full((25, 64, 96, 3), 90, np.uint8))
    head = {"format": "kinema.manifest", "version": 1, "fps": FPS, "frames": 25, "size": list(size)}
    (folder / "manifest.json").write_text(json.dumps({**head, "clips": clips}))
    return folder


def test_pycolmap_finds_a_cameras_turn_and_fails_where_nothing_is():
    pytest.importorskip("pycolmap")
    camera = turning(25, (96, 64), -20.0)
    found = CameraSolver().solve(room(camera, 3), focal=camera.intrinsics[0, 0])
    assert found.c2w is not None
    off = published_camera_errors(found.c2w, camera.c2w)["RotErr[sum-rad]"]
    still = published_camera_errors(np.tile(np.eye(4), (25, 1, 1)), camera.c2w)["RotErr[sum-rad]"]
    assert off < still / 5
    standing = CameraSolver().solve(np.repeat(room(camera, 3)[:1], 9, axis=0))
    assert standing.c2w is None, "a still picture has no camera that COLMAP could find"
    failed = CameraSolver().solve(np.zeros((9, 64, 96, 3), np.uint8))
    assert failed.c2w is None
    assert failed.why


def test_camera_errors_stand_in_the_report_beside_their_failures(rooms):
    options = Options(fps=FPS, cameras=True)
    report = evaluate_videos(
        rooms / "made", options, reference=rooms / "real", manifest=rooms / "manifest.json", ladder=2
    )
    assert named(report, "colmap-failed[pycolmap]")["mean"] == 50
    half = named(report, "rot-err[colmap-set-mean-deg]")
    assert (half["clips"], half["missing"]) == (1, 1)
    assert 3 < half["mean"] < 8, "ten degrees less at the end are five on average"
    floor = next(
        v for k, v in report["ladder"]["means"].items() if k.startswith("rot-err[colmap-set-mean-deg")
    )
    assert floor["ground truth"] < 1.5
    both = named(report, "rot-err[colmap-both-sum]")
    assert both["mean"] == pytest.approx(named(report, "rot-err[colmap-set-sum]")["mean"], rel=0.3)
    assert "colmap-failed" in table(report)
