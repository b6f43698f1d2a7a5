from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.capture.tiny_onnx import write_constant, write_simcc

from kinema.capture.detectors import DETECTORS, DetectorUnavailable, open_detector
from kinema.capture.detectors.blaze import Region, box_iou, region_around
from kinema.capture.detectors.mediapipe_pose import search_windows
from kinema.capture.observation import Observation
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import SMPL24, skeleton


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder of the networks that come with mediapipe 0.10."""
    mediapipe = pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    folder = Path(mediapipe.__file__).parent / "modules"
    if not (folder / "pose_detection" / "pose_detection.tflite").is_file():
        pytest.skip("this release of mediapipe brings no networks")
    return folder


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="module")
def two_people(astronaut) -> np.ndarray:
    """The photograph beside its mirror image, smaller: two people, [4, 256, 512, 3]."""
    import cv2

    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    return np.repeat(np.concatenate([small, small[:, ::-1]], axis=1)[None], 4, axis=0)


def legal(observation: Observation, layout: str, size: tuple[int, int]) -> None:
    count = len(skeleton(layout))
    assert observation.points.shape == (count, 2)
    assert observation.confidence.shape == (count,)
    missing = np.isnan(observation.points).any(axis=1)
    assert (missing == (observation.confidence == 0)).all()
    assert ((observation.confidence >= 0) & (observation.confidence <= 1)).all()
    left, top, right, bottom = observation.box
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert 0 <= observation.score <= 1
    if observation.joints is not None:
        assert observation.joints.shape == (24, 3)
        np.testing.assert_allclose(observation.joints[0], 0, atol=1e-9)


def solutions_landmarks(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What MediaPipe itself says: pixels [33, 2] and metres [33, 3]."""
    from mediapipe.python.solutions import pose

    with pose.Pose(static_image_mode=True, model_complexity=1) as detector:
        found = detector.process(frame)
    height, width = frame.shape[:2]
    points = np.array([[mark.x * width, mark.y * height] for mark in found.pose_landmarks.landmark])
    world = np.array([[mark.x, mark.y, mark.z] for mark in found.pose_world_landmarks.landmark])
    return points, world


def test_a_photograph_is_read_as_mediapipe_reads_it(modules, astronaut):
    with open_detector("mediapipe") as detector:
        ((person,),) = detector.detect(astronaut[None])
    legal(person, "mediapipe33", (512, 512))
    points, _ = solutions_landmarks(astronaut)
    seen = person.confidence > 0.5
    assert seen[:13].all()
    away = np.linalg.norm(person.points[seen] - points[seen], axis=1)
    assert np.median(away) < 4
    assert away.max() < 12
    assert np.isnan(person.points[25:]).all()  # knees and feet are not in the picture
    left, top, right, bottom = person.box
    assert left < 60
    assert 330 < right < 460
    assert top < 110
    assert bottom == 512


def test_joints_are_metres_in_the_cameras_axes(modules, astronaut):
    with open_detector("mediapipe") as detector:
        ((person,),) = detector.detect(astronaut[None])
    joints = dict(zip(SMPL24.names, person.joints, strict=True))
    assert (
        0.25 < joints["left_shoulder"][0] - joints["right_shoulder"][0] < 0.5
    )  # she looks at us: her left is right
    assert -0.75 < joints["head"][1] < -0.45  # y points down
    assert joints["left_ankle"][1] > 0.5


def test_the_same_video_gives_the_same_people(modules, astronaut):
    video = np.stack([np.roll(astronaut, 6 * t, axis=1) for t in range(6)])
    seen = []
    for chunks in ([6], [1, 2, 3]):
        with open_detector("mediapipe", people=2) as detector:
            seen.append(
                [p for part in np.split(video, np.cumsum(chunks)[:-1]) for p in detector.detect(part)]
            )
    for first, second in zip(*seen, strict=True):
        assert len(first) == len(second) == 1
        np.testing.assert_array_equal(first[0].points, second[0].points)
        np.testing.assert_allclose(first[0].joints, second[0].joints, atol=1e-12)


def test_a_person_who_moves_is_followed(modules, astronaut):
    video = np.stack([np.roll(astronaut, 6 * t, axis=1) for t in range(8)])
    with open_detector("mediapipe") as detector:
        noses = [people[0].points[0] for people in detector.detect(video)]
    steps = np.diff(noses, axis=0)
    assert steps[:, 0].mean() == pytest.approx(6, abs=2)
    assert np.abs(steps[:, 1].mean()) < 2


def test_several_people(modules, two_people):
    with open_detector("mediapipe", people=3) as detector:
        seen = detector.detect(two_people)
    for people in seen:
        assert len(people) == 2
        for person in people:
            legal(person, "mediapipe33", (512, 256))
        assert sorted(person.points[0][0] > 256 for person in people) == [False, True]
    with open_detector("mediapipe", people=1) as detector:
        assert [len(people) for people in detector.detect(two_people)] == [1] * 4


def test_small_people_are_found(modules, astronaut):
    import cv2

    wide = np.full((300, 512, 3), 128, np.uint8)
    wide[40:260, 280:500] = cv2.resize(astronaut, (220, 220), interpolation=cv2.INTER_AREA)
    with open_detector("mediapipe") as detector:
        ((person,),) = detector.detect(wide[None])
    expected = np.array([280, 40]) + np.array([224, 127]) * 220 / 512
    assert np.linalg.norm(person.points[0] - expected) < 5


def test_nobody_is_no_error(modules):
    with open_detector("mediapipe", people=2) as detector:
        assert detector.detect(np.full((3, 64, 96, 3), 90, np.uint8)) == [[], [], []]
        assert detector.detect(np.zeros((0, 64, 96, 3), np.uint8)) == []
        with pytest.raises(ValueError, match="uint8 frames"):
            detector.detect(np.zeros((2, 64, 96, 3)))


def test_a_task_file_gives_the_same(modules, astronaut, tmp_path):
    with zipfile.ZipFile(tmp_path / "pose.task", "w") as archive:
        archive.write(modules / "pose_detection/pose_detection.tflite", "pose_detector.tflite")
        archive.write(modules / "pose_landmark/pose_landmark_full.tflite", "pose_landmarks_detector.tflite")
    seen = []
    for model in (None, tmp_path / "pose.task"):
        with open_detector("mediapipe", model=model) as detector:
            seen.append(detector.detect(astronaut[None])[0][0])
            settings = detector.settings()
        assert json.loads(json.dumps(settings)) == settings
    np.testing.assert_array_equal(seen[0].points, seen[1].points)


def test_wrong_task_files(modules, tmp_path):
    (tmp_path / "a.task").write_text("no zip")
    with pytest.raises(FormatError, match=r"a\.task.*no \.task"):
        open_detector("mediapipe", model=tmp_path / "a.task")
    with zipfile.ZipFile(tmp_path / "b.task", "w") as archive:
        archive.writestr("hand.tflite", b"")
    with pytest.raises(FormatError, match=r"holds no pose_detector\.tflite"):
        open_detector("mediapipe", model=tmp_path / "b.task")
    with zipfile.ZipFile(tmp_path / "c.task", "w") as archive:
        for name in ("pose_detector.tflite", "pose_landmarks_detector.tflite"):
            archive.write(modules / "hand_landmark/hand_landmark_lite.tflite", name)
    with pytest.raises(FormatError, match="not that of MediaPipe Pose"):
        open_detector("mediapipe", model=tmp_path / "c.task")
    with zipfile.ZipFile(tmp_path / "d.task", "w") as archive:
        for name in ("pose_detector.tflite", "pose_landmarks_detector.tflite"):
            archive.writestr(name, b"none such")
    with pytest.raises(FormatError, match="no TFLite network"):
        open_detector("mediapipe", model=tmp_path / "d.task")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_detector("mediapipe", model=tmp_path / "nowhere.task")


def test_face_points_lie_on_the_face(modules, astronaut):
    with open_detector("mediapipe-holistic") as detector:
        person = detector.detect(np.repeat(astronaut[None], 3, axis=0))[-1][0]
        settings = detector.settings()
    assert len(settings["sha256"]) == 4
    legal(person, "coco_wholebody133", (512, 512))
    names = skeleton("coco_wholebody133").names
    points = dict(zip(names, person.points, strict=True))
    assert np.isfinite(person.points[23:91]).all()
    for side in ("left", "right"):
        lids = np.mean([points[f"{side}_lid_{k}"] for k in range(6)], axis=0)
        assert np.linalg.norm(lids - points[f"{side}_eye"]) < 8
    assert points["left_lid_0"][0] > points["right_lid_0"][0]
    assert np.linalg.norm(points["nose_bridge_3"] - points["nose"]) < 8
    assert 30 < points["chin"][1] - points["nose"][1] < 70
    assert points["lip_top"][1] < points["lip_bottom"][1]


def test_regions_turn_with_the_body():
    upright = region_around(np.array([50.0, 60]), np.array([50.0, 20]))
    assert upright.angle == 0
    assert upright.side == 100
    lying = region_around(np.array([50.0, 60]), np.array([90.0, 60]))
    assert lying.angle == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(lying.to_picture(np.array([[0.5, 0.1]])), [[90, 60]])
    frame = np.zeros((120, 120, 3), np.uint8)
    frame[58:63, 88:93] = 255
    crop = lying.crop(frame, 50)
    assert crop[5, 25].min() > 0.9
    assert crop.sum() == pytest.approx(crop[2:9, 22:29].sum())
    assert Region(np.zeros(2), 10.0, 0.3).crop(frame, 8).shape == (8, 8, 3)


@pytest.mark.parametrize(("width", "height"), [(512, 512), (640, 360), (96, 128), (1000, 100), (16, 16)])
def test_the_search_covers_the_picture(width, height):
    windows = search_windows(width, height)
    assert windows[0] == (0, 0, max(width, height))
    assert len(windows) < 40
    parts = np.zeros((height, width), int)
    for left, top, side in windows[1:]:
        assert left >= 0
        assert top >= 0
        assert left + side <= width
        assert top + side <= height
        parts[top : top + side, left : left + side] += 1
    assert parts.min() >= 1


def test_overlap_of_boxes():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    np.testing.assert_allclose(box_iou(boxes, boxes), [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]], atol=1e-9)


def dot(x: int, y: int, height: int = 120, width: int = 160) -> np.ndarray:
    """A black picture with one red pixel, blurred a little so that it survives resampling."""
    import cv2

    picture = np.zeros((height, width, 3), np.uint8)
    picture[y - 2 : y + 3, x - 2 : x + 3, 0] = 160
    picture[y, x, 0] = 255
    return cv2.GaussianBlur(picture, (5, 5), 1)


@pytest.mark.parametrize(("keypoints", "layout"), [(133, "coco_wholebody133"), (17, "coco17")])
@pytest.mark.parametrize("batch", ["n", 1])
def test_simcc_bins_are_pixels(tmp_path, keypoints, layout, batch):
    pytest.importorskip("onnxruntime")
    write_simcc(tmp_path / "pose.onnx", keypoints, 256, 192, batch)
    frames = np.stack([dot(40, 30), dot(100, 90), dot(80, 60)])
    with open_detector("wholebody-onnx", model=tmp_path / "pose.onnx", boxes="frame") as detector:
        assert detector.layout == layout
        seen = detector.detect(frames)
        assert json.loads(json.dumps(detector.settings())) == detector.settings()
    for (person,), place in zip(seen, [(40, 30), (100, 90), (80, 60)], strict=True):
        legal(person, layout, (160, 120))
        assert np.abs(person.points - (np.array(place) + 0.5)).max() < 1.0


def test_what_a_network_is_unsure_of_is_missing(tmp_path):
    pytest.importorskip("onnxruntime")
    write_simcc(tmp_path / "pose.onnx")
    with open_detector("wholebody-onnx", model=tmp_path / "pose.onnx", boxes="frame") as detector:
        ((person,),) = detector.detect(np.zeros((1, 120, 160, 3), np.uint8))
    assert np.isnan(person.points).all()
    assert (person.confidence == 0).all()


def yolox(side: int, people: list[tuple[float, float, float, float, float]]) -> np.ndarray:
    """YOLOX's raw output for boxes x, y, width, height and score, given at stride 16."""
    cells = [(side // stride) ** 2 for stride in (8, 16, 32)]
    raw = np.zeros((1, sum(cells), 85), np.float32)
    for x, y, width, height, score in people:
        column, row = int(x // 16), int(y // 16)
        at = cells[0] + row * (side // 16) + column
        raw[0, at, :6] = (
            x / 16 - column, y / 16 - row, np.log(width / 16), np.log(height / 16), score, 1.0,
        )  # fmt: skip
    return raw


def test_boxes_from_yolox(tmp_path):
    """Raw or suppressed; the surest first, doubles gone, boxes in pixels of the frame."""
    pytest.importorskip("onnxruntime")
    write_simcc(tmp_path / "pose.onnx")
    people = [(16, 24, 16, 24, 0.9), (17, 40, 16, 24, 0.2), (50, 24, 12, 20, 0.6), (50, 39, 12, 20, 0.5)]
    write_constant(tmp_path / "raw.onnx", {"output": yolox(64, people)})
    corners = np.array([[[8, 12, 24, 36, 0.9], [44, 14, 56, 34, 0.6], [0, 0, 9, 9, 0.8]]], np.float32)
    labels = np.array([[0, 0, 5]], np.int64)
    write_constant(tmp_path / "nms.onnx", {"dets": corners, "labels": labels})
    frames = np.zeros((1, 96, 128, 3), np.uint8)
    for name in ("raw", "nms"):
        options = {"model": tmp_path / "pose.onnx", "boxes": tmp_path / f"{name}.onnx", "people": 4}
        with open_detector("wholebody-onnx", **options) as detector:
            (seen,) = detector.detect(frames)
        boxes = np.array([person.box for person in seen])
        assert boxes[0] == pytest.approx([16, 24, 48, 72], abs=1e-3)
        assert boxes[1] == pytest.approx([88, 28, 112, 68], abs=1e-3)
        assert [round(person.score, 3) for person in seen][:2] == [0.9, 0.6]
    with open_detector("wholebody-onnx", **{**options, "people": 1}) as detector:
        assert len(detector.detect(frames)[0]) == 1


def test_boxes_from_mediapipe(modules, two_people, tmp_path):
    pytest.importorskip("onnxruntime")
    write_simcc(tmp_path / "pose.onnx")
    with open_detector("wholebody-onnx", model=tmp_path / "pose.onnx", people=2) as detector:
        seen = detector.detect(two_people[:2])
    assert [len(people) for people in seen] == [2, 2]
    assert all(person.joints.shape == (24, 3) for people in seen for person in people)


def test_wrong_onnx_files(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"none such")
    with pytest.raises(FormatError, match=r"a\.onnx.*no ONNX model"):
        open_detector("wholebody-onnx", model=tmp_path / "a.onnx")
    write_simcc(tmp_path / "b.onnx", keypoints=5)
    with pytest.raises(FormatError, match="5 keypoints; 133 or 17"):
        open_detector("wholebody-onnx", model=tmp_path / "b.onnx", boxes="frame")
    write_constant(tmp_path / "c.onnx", {"output": np.zeros((1, 5, 85), np.float32)})
    with pytest.raises(FormatError, match="no simcc_x"):
        open_detector("wholebody-onnx", model=tmp_path / "c.onnx", boxes="frame")
    write_simcc(tmp_path / "d.onnx")
    with (
        pytest.raises(FormatError, match=r"c\.onnx.*no YOLOX"),
        open_detector("wholebody-onnx", model=tmp_path / "d.onnx", boxes=tmp_path / "c.onnx") as detector,
    ):
        detector.detect(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_detector("wholebody-onnx", model=tmp_path / "nowhere.onnx")


class TinyNlf(torch.nn.Module):
    """NLF's interface: millimetres, one list entry a frame; as many people as the first pixel's red says."""

    def __init__(self, rest: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("rest", rest)

    @torch.jit.export
    def detect_smpl_batched(self, frames: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        said: dict[str, list[torch.Tensor]] = {
            "boxes": [],
            "joints3d": [],
            "joints2d": [],
            "joint_uncertainties": [],
        }
        for frame in frames:
            count = int(frame[0, 0, 0])
            shift = 40.0 * torch.arange(count, dtype=torch.float32)[:, None, None]
            body = self.rest[None].expand(count, 24, 3)
            points = body[..., :2] * 0.04 + 60 + shift
            said["joints3d"].append(body + torch.tensor([0.0, 0.0, 3000.0]))
            said["joints2d"].append(points)
            said["joint_uncertainties"].append(torch.full((count, 24), 50.0))
            scores = 0.9 - 0.1 * torch.arange(count, dtype=torch.float32)
            said["boxes"].append(torch.cat([torch.zeros(count, 4), scores[:, None]], dim=1))
        return said

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames


@pytest.fixture
def nlf_file(tmp_path) -> Path:
    rest = torch.from_numpy(SMPL24.rest * [1000, -1000, 1000]).float()
    torch.jit.script(TinyNlf(rest)).save(str(tmp_path / "nlf.torchscript"))
    return tmp_path / "nlf.torchscript"


def test_nlf_gives_joints_in_metres(nlf_file):
    frames = np.zeros((11, 120, 160, 3), np.uint8)
    frames[:, 0, 0, 0] = [0, 1, 2, 3, 0, 0, 1, 1, 1, 2, 0]
    with pytest.warns(UserWarning, match="TorchScript program"):
        detector = open_detector("nlf", model=nlf_file, people=2)
    with detector:
        seen = detector.detect(frames)
        assert json.loads(json.dumps(detector.settings())) == detector.settings()
    assert [len(people) for people in seen] == [0, 1, 2, 2, 0, 0, 1, 1, 1, 2, 0]
    expected = (SMPL24.rest - SMPL24.rest[0]) * [1, -1, 1]
    for people in seen:
        for number, person in enumerate(people):
            legal(person, "smpl24", (160, 120))
            assert person.score == pytest.approx(0.9 - 0.1 * number, abs=1e-6)
            np.testing.assert_allclose(person.joints, expected, atol=1e-5)
            assert person.confidence.max() == pytest.approx(np.exp(-1 / 3), abs=1e-5)


def test_wrong_nlf_files(tmp_path):
    (tmp_path / "a.torchscript").write_bytes(b"none such")
    with (
        pytest.warns(UserWarning, match="program"),
        pytest.raises(FormatError, match=r"a\.torchscript.*no TorchScript"),
    ):
        open_detector("nlf", model=tmp_path / "a.torchscript")
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "b.torchscript"))
    with pytest.warns(UserWarning, match="program"), pytest.raises(FormatError, match="detect_smpl_batched"):
        open_detector("nlf", model=tmp_path / "b.torchscript")


@pytest.mark.parametrize("name", ["wholebody-onnx", "nlf"])
def test_models_that_the_user_must_give(name):
    with pytest.raises(DetectorUnavailable, match="give"):
        open_detector(name)


def test_names_and_numbers_are_checked():
    with pytest.raises(ValueError, match=", ".join(DETECTORS)):
        open_detector("openpose")
    with pytest.raises(ValueError, match="1 to 64"):
        open_detector("mediapipe", people=0)
    assert issubclass(DetectorUnavailable, ValueError)


def test_without_mediapipe_the_message_says_what_to_install(monkeypatch):
    from kinema.capture.detectors import litert

    monkeypatch.setattr(litert, "find_spec", lambda name: None)
    with pytest.raises(DetectorUnavailable, match=r"pip install --no-deps mediapipe.*\.task"):
        open_detector("mediapipe")
