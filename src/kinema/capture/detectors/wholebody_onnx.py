"""Whole-body keypoints from the user's ONNX files: DWPose, RTMW or RTMPose with SimCC heads, and YOLOX for boxes.

Formats after the public exports of MMDeploy (Apache-2.0): a pose network takes normalised RGB crops and gives
`simcc_x` and `simcc_y`, one row of bins per keypoint (Li et al., "SimCC", 2022); YOLOX gives either all its anchors or
boxes already suppressed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np

from kinema.capture.detectors.blaze import box_iou
from kinema.capture.detectors.detector import DetectorUnavailable, check_frames
from kinema.capture.detectors.looks import look_of
from kinema.capture.detectors.mediapipe_pose import box_around, hints, open_follower
from kinema.capture.observation import Observation
from kinema.scene.formats.errors import FormatError

LAYOUTS = {17: "coco17", 133: "coco_wholebody133"}
MAX_MODEL_BYTES = 2 << 30
"""Largest model file that is opened, 2 GiB (ours)."""

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_PADDING = 1.25  # of a box around a person, MMPose's own
_BATCH = 16  # crops at a time (ours)
_LEAST = 0.3  # confidence below which a keypoint counts as not seen, DWPose's own
_PERSON_LEAST, _SAME_PERSON = 0.3, 0.45  # score and overlap of boxes, DWPose's own
_STRIDES = (8, 16, 32)  # of YOLOX's anchors

Found = list[tuple[np.ndarray, float, np.ndarray | None]]
"""Box [4], score and, if known, SMPL-24 joints of the people in a frame."""


class _Finder(Protocol):
    """What says where people are."""

    def find(self, frame: np.ndarray) -> Found: ...

    def settings(self) -> dict[str, Any]: ...


class WholeBodyOnnx:
    """The detector "wholebody-onnx"."""

    name = "wholebody-onnx"

    def __init__(self, session: OnnxModel, finder: _Finder) -> None:
        self._model, self._finder = session, finder
        shape = session.inputs[0].shape
        if len(shape) != 4 or shape[1] != 3:
            raise FormatError(session.path, f"takes {shape}; a pose network takes [N, 3, height, width]")
        self._side = tuple(
            int(n) if isinstance(n, int) else d for n, d in zip(shape[2:], (384, 288), strict=True)
        )
        self._fixed = shape[0] if isinstance(shape[0], int) else None
        x, y = self._run(np.zeros((self._fixed or 1, 3, *self._side), np.float32))
        if x.shape[1] not in LAYOUTS or x.shape[:2] != y.shape[:2]:
            raise FormatError(session.path, f"gives {x.shape[1]} keypoints; 133 or 17 are known")
        self.layout = LAYOUTS[x.shape[1]]

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """See `Detector.detect`."""
        found = [self._finder.find(np.ascontiguousarray(frame)) for frame in check_frames(frames)]
        where = [(number, box) for number, people in enumerate(found) for box, _, _ in people]
        keypoints = iter(self._keypoints(frames, where))
        return [
            [self._observed(frame, *next(keypoints), box, score, joints) for box, score, joints in people]
            for frame, people in zip(frames, found, strict=True)
        ]

    def settings(self) -> dict[str, Any]:
        """See `Detector.settings`."""
        return {
            "detector": self.name,
            "model": str(self._model.path),
            "sha256": self._model.sha256,
            "boxes": self._finder.settings(),
        }

    def close(self) -> None:
        """Frees the networks."""
        del self._model, self._finder

    def _keypoints(
        self, frames: np.ndarray, where: list[tuple[int, np.ndarray]]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Points [K, 2] and confidence [K] of the people in boxes, in batches."""
        results = []
        size = self._fixed or _BATCH
        for start in range(0, len(where), size):
            part = where[start : start + size]
            matrices = [_crop_matrix(box, self._side) for _, box in part]
            batch = np.zeros((self._fixed or len(part), 3, *self._side), np.float32)
            for k, ((number, _), matrix) in enumerate(zip(part, matrices, strict=True)):
                crop = cv2.warpAffine(
                    frames[number], matrix, self._side[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                )
                batch[k] = ((crop - _MEAN) / _STD).transpose(2, 0, 1)
            x, y = self._run(batch)
            for k, matrix in enumerate(matrices):
                cells = np.stack([x[k].argmax(-1), y[k].argmax(-1)], axis=-1).astype(np.float64)
                cells *= [self._side[1] / x.shape[-1], self._side[0] / y.shape[-1]]
                confidence = np.clip(np.minimum(x[k].max(-1), y[k].max(-1)), 0, 1).astype(np.float64)
                results.append((cells @ matrix[:, :2].T + matrix[:, 2] + 0.5, confidence))
        return results

    def _run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = self._model.run(batch)
        if len(outputs) < 2 or any(output.ndim != 3 for output in outputs[:2]):
            raise FormatError(self._model.path, "gives no simcc_x and simcc_y; it is no SimCC pose network")
        return outputs[0], outputs[1]

    def _observed(
        self,
        frame: np.ndarray,
        points: np.ndarray,
        confidence: np.ndarray,
        box: np.ndarray,
        score: float,
        joints: np.ndarray | None,
    ) -> Observation:
        seen = confidence >= _LEAST
        points = np.where(seen[:, None], points, np.nan)
        confidence = np.where(seen, confidence, 0.0)
        return Observation(
            points, confidence, box, score, joints, look_of(frame, points, confidence, self.layout)
        )

    def __enter__(self) -> WholeBodyOnnx:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class OnnxModel:
    """An ONNX file opened by onnxruntime.

    Raises:
        DetectorUnavailable: onnxruntime is not installed.
        FormatError: no such model, or one that cannot be run.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DetectorUnavailable(
                f"ONNX models need onnxruntime: pip install onnxruntime ({error})"
            ) from error
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: no such model file")
        if self.path.stat().st_size > MAX_MODEL_BYTES:
            raise FormatError(self.path, f"is larger than {MAX_MODEL_BYTES} bytes")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(self.path), options, providers=providers)
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise FormatError(self.path, f"is no ONNX model that runs here ({str(error)[:200]})") from None
        self.inputs = self._session.get_inputs()
        with open(self.path, "rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """All outputs for one float32 batch."""
        return self._session.run(None, {self.inputs[0].name: batch})


class YoloxBoxes:
    """People's boxes from a YOLOX network, each frame by itself, the surest first."""

    def __init__(self, model: OnnxModel, people: int) -> None:
        self._model, self._people = model, people
        shape = model.inputs[0].shape
        if len(shape) != 4:
            raise FormatError(model.path, f"takes {shape}; YOLOX takes [1, 3, height, width]")
        self._side = tuple(int(n) if isinstance(n, int) else 640 for n in shape[2:])

    def find(self, frame: np.ndarray) -> Found:
        """Boxes and scores of people in a frame, uint8 [H, W, 3]."""
        scale = min(self._side[0] / frame.shape[0], self._side[1] / frame.shape[1])
        inner = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
        square = np.full((*self._side, 3), 114, np.uint8)
        square[: inner[1], : inner[0]] = cv2.resize(frame, inner, interpolation=cv2.INTER_AREA)
        bgr = square[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)  # as it was trained
        boxes, scores = self._decoded(self._model.run(np.ascontiguousarray(bgr)))
        boxes = boxes / scale
        found: Found = []
        for k in np.argsort(-scores, kind="stable"):
            new = scores[k] >= _PERSON_LEAST
            if new and found:
                new = box_iou(boxes[k : k + 1], np.stack([box for box, _, _ in found])).max() <= _SAME_PERSON
            if new and len(found) < self._people:
                limits = np.tile(frame.shape[1::-1], 2)
                found.append((np.clip(boxes[k].astype(np.float64), 0, limits), float(scores[k]), None))
        return found

    def settings(self) -> dict[str, Any]:
        """What decides the boxes."""
        return {"model": str(self._model.path), "sha256": self._model.sha256, "people": self._people}

    def _decoded(self, outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Corners [N, 4] in pixels of the square, and scores [N], of the class "person"."""
        raw = outputs[0][0]
        if raw.ndim == 2 and raw.shape[1] == 5:  # suppressed already: corners and score; then labels
            person = outputs[1][0] == 0 if len(outputs) > 1 else np.ones(len(raw), bool)
            return raw[person, :4], raw[person, 4]
        grids = []
        for stride in _STRIDES:
            rows, columns = self._side[0] // stride, self._side[1] // stride
            x, y = np.meshgrid(np.arange(columns), np.arange(rows))
            grids.append(np.stack([x.ravel(), y.ravel(), np.full(rows * columns, stride)], axis=1))
        grid = np.concatenate(grids)
        if raw.ndim != 2 or raw.shape[1] < 6 or len(raw) != len(grid):
            raise FormatError(self._model.path, f"gives {list(outputs[0].shape)}; it is no YOLOX")
        centre = (raw[:, :2] + grid[:, :2]) * grid[:, 2:]
        half = np.exp(np.clip(raw[:, 2:4], -20, 20)) * grid[:, 2:] / 2
        return np.concatenate([centre - half, centre + half], axis=1), raw[:, 4] * raw[:, 5]


class MediaPipeBoxes:
    """People's boxes from MediaPipe Pose, which follows them, and its guess of their joints."""

    def __init__(self, people: int, threads: int) -> None:
        self._follower = open_follower(None, people=people, threads=threads)

    def find(self, frame: np.ndarray) -> Found:
        """Boxes, scores and joints of people in a frame, uint8 [H, W, 3]."""
        bodies = self._follower.follow(frame)
        boxes = [box_around(body.points[:33], frame.shape[1], frame.shape[0]) for body in bodies]
        return [
            (box, body.score, joints) for box, body, joints in zip(boxes, bodies, hints(bodies), strict=True)
        ]

    def settings(self) -> dict[str, Any]:
        """What decides the boxes."""
        return self._follower.settings()


class WholeFrame:
    """One person who fills the picture."""

    def find(self, frame: np.ndarray) -> Found:
        """The whole frame."""
        return [(np.array([0.0, 0.0, frame.shape[1], frame.shape[0]]), 1.0, None)]

    def settings(self) -> dict[str, Any]:
        """What decides the boxes."""
        return {"boxes": "whole frame"}


def open_wholebody(
    *,
    model: str | os.PathLike[str] | None = None,
    people: int = 1,
    boxes: str | os.PathLike[str] = "mediapipe",
    threads: int = 2,
) -> WholeBodyOnnx:
    """Opens a pose network in ONNX.

    Args:
        model: the pose network, e.g. DWPose's dw-ll_ucoco_384.onnx, or one of RTMW or RTMPose.
        people: how many people to look for at most.
        boxes: where people are: a YOLOX network in ONNX, "mediapipe", or "frame" for one person who fills it.
        threads: CPU threads.

    Raises:
        DetectorUnavailable: no model is given, or a library is missing.
        FormatError: a model file is not what it should be.
    """
    if model is None:
        raise DetectorUnavailable(
            'the detector "wholebody-onnx" needs the pose network: give its .onnx file as model'
        )
    session = OnnxModel(model, threads)
    finder: _Finder
    if boxes == "mediapipe":
        finder = MediaPipeBoxes(people, threads)
    elif boxes == "frame":
        finder = WholeFrame()
    else:
        finder = YoloxBoxes(OnnxModel(boxes, threads), people)
    return WholeBodyOnnx(session, finder)


def _crop_matrix(box: np.ndarray, side: tuple[int, ...]) -> np.ndarray:
    """From pixel indices of a crop [height, width] to those of the frame, [2, 3]; the box padded, its shape kept."""
    height, width = side
    wide, high = np.maximum(box[2:] - box[:2], 1.0) * _PADDING
    scale = max(wide / width, high / height)
    centre = (box[:2] + box[2:]) / 2
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = centre - scale * np.array([width, height]) / 2 + 0.5 * scale - 0.5
    return matrix
