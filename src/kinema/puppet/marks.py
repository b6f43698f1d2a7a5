"""Joints that somebody gives: a file, edited by hand or dragged in a page, completed to a whole body."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from kinema.puppet.body import BONES, TRUNK, PictureBody, hands_before, scaled
from kinema.scene.formats import openpose
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24

_MOST_BYTES = 1 << 20  # of a file of marks (ours)
_LEAST = 4  # joints from which a body can be completed (ours)
_SAME_SHAPE = 0.02  # by how much the picture's proportions may differ from those that were marked (ours)
_BESIDE = (
    0.5  # confidence of a joint that nobody marked, in the trunk or next to one that somebody did (ours)
)
_SHOWN = 900  # pixels of the longer side at which joints are shown with their names (ours)

# AnimatedDrawings' names where they are not SMPL-24's: its torso lies between the shoulders, its neck in the head.
_DRAWN = {
    "hip": "pelvis",
    "torso": "neck",
    "neck": "head",
    "left_hand": "left_wrist",
    "right_hand": "right_wrist",
    "left_foot": "left_ankle",
    "right_foot": "right_ankle",
}
_SKULL = 0.66  # of the way from the neck to the middle of the head: where the head turns (ours)
_DRAWN_JOINT = re.compile(r"- loc:\s*\n\s*- ([-+.\deE]+)\s*\n\s*- ([-+.\deE]+)\s*\n\s*name: (\w+)")
_DRAWN_SIDE = re.compile(r"^(width|height): (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Marks:
    """Joints marked in a picture.

    Args:
        size: (width, height) of the picture that was marked.
        joints: pixels by SMPL-24's names; left is the person's own left.
    """

    size: tuple[int, int]
    joints: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, pixels: np.ndarray, size: tuple[int, int]) -> Marks:
        """SMPL-24's joints, [24, 2], as marks; those that are NaN are left out."""
        pairs = zip(SMPL24.names, np.round(pixels, 1).tolist(), strict=True)
        return cls(size, {name: (x, y) for name, (x, y) in pairs if math.isfinite(x) and math.isfinite(y)})

    def pixels(self, size: tuple[int, int]) -> np.ndarray:
        """SMPL-24's joints in the same picture at another size, NaN where not marked, [24, 2].

        Raises:
            ValueError: the marked picture had other proportions.
        """
        across, down = size[0] / self.size[0], size[1] / self.size[1]
        if abs(across / down - 1) > _SAME_SHAPE:
            raise ValueError(
                f"joints were marked in a picture of {self.size[0]}x{self.size[1]} pixels, this one has "
                f"{size[0]}x{size[1]}; mark them in this picture"
            )
        points = np.full((24, 2), np.nan)
        for name, (x, y) in self.joints.items():
            points[SMPL24.index(name)] = x * across, y * down
        return points


def read_marks(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> Marks:
    """Joints from a file: `write_marks`' JSON, OpenPose's JSON of one picture, or AnimatedDrawings' char_cfg.yaml.

    Args:
        path: the file.
        size: (width, height) of the picture, where the file does not say it (OpenPose).

    Raises:
        FormatError: not such a file, an unknown joint, or a place that is not two numbers.
        FileNotFoundError: there is no such file.
    """
    text = read_text(path, _MOST_BYTES)
    if not text.lstrip().startswith(("{", "[")):
        return _read_drawn(path, text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"not JSON: {error}", hint="it may be truncated") from None
    if isinstance(data, dict) and "joints" in data:
        return _read_own(path, data)
    return _read_openpose(path, size)


def is_marks(path: str | os.PathLike[str]) -> bool:
    """Whether a file is what `write_marks` writes, whole or not."""
    try:
        data = json.loads(read_text(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and {"size", "joints"} <= set(data)


def write_marks(path: str | os.PathLike[str], marks: Marks) -> None:
    """Writes joints as JSON that a person can edit: one joint a line."""
    joints = ",\n".join(f"    {json.dumps(name)}: [{x:g}, {y:g}]" for name, (x, y) in marks.joints.items())
    body = f'{{\n  "size": [{marks.size[0]}, {marks.size[1]}],\n  "joints": {{\n{joints}\n  }}\n}}\n'
    with atomic_write(path) as temporary:
        temporary.write_text(body, encoding="utf-8")


def show_marks(picture: np.ndarray, marks: Marks) -> np.ndarray:
    """The picture with its joints, bones and their names; enlarged where small.

    Args:
        picture: uint8 [H, W, 3].
        marks: joints.

    Returns:
        uint8 [H', W', 3]; the person's left in red, right in blue.
    """
    height, width = picture.shape[:2]
    scale = max(1.0, _SHOWN / max(height, width))
    size = round(width * scale), round(height * scale)
    canvas = np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
    at = marks.pixels(size)
    thick = max(1, round(max(size) / 450))
    places = [
        tuple(np.round(point).astype(int).tolist()) if np.isfinite(point).all() else None for point in at
    ]
    for child, parent in BONES:
        start, end = places[parent], places[child]
        if start is not None and end is not None:
            cv2.line(canvas, start, end, (255, 255, 255), thick + 2, cv2.LINE_AA)
            cv2.line(canvas, start, end, (60, 60, 60), thick, cv2.LINE_AA)
    for name, place in zip(SMPL24.names, places, strict=True):
        if place is None:
            continue
        tone = (220, 40, 40) if "left" in name else (30, 90, 230) if "right" in name else (20, 150, 60)
        cv2.circle(canvas, place, 3 * thick, tone, -1, cv2.LINE_AA)
        label = place[0] + 4 * thick, place[1] - 2 * thick
        for colour, weight in (((255, 255, 255), 3 * thick), (tone, thick)):
            cv2.putText(
                canvas, name, label, cv2.FONT_HERSHEY_SIMPLEX, 0.22 * thick, colour, weight, cv2.LINE_AA
            )
    return canvas


def marked_body(marks: Marks, size: tuple[int, int], detected: PictureBody | None = None) -> PictureBody:
    """A body from marked joints; what is not marked is as detected, else as a body's proportions say.

    There is no depth, but hands and elbows before the trunk stand before it.

    Args:
        marks: joints, at least four where nothing was detected.
        size: (width, height) of the picture.
        detected: the person as the networks see them.

    Raises:
        ValueError: too few joints, or marked in another picture.
    """
    points = marks.pixels(size)
    given = np.isfinite(points).all(1)
    confidence = given.astype(float)
    depth = np.zeros(24)
    if detected is not None:
        points = np.where(given[:, None], points, detected.pixels)
        confidence = np.where(given, 1.0, detected.confidence)
        return hands_before(PictureBody(points, detected.depth, confidence, detected.metre))
    if given.sum() < _LEAST:
        raise ValueError(
            f"{int(given.sum())} joints are marked; mark at least hips, shoulders, neck and head"
        )
    metre = _metre(points)
    trunk = list(TRUNK)
    confidence[trunk] = np.maximum(confidence[trunk], _BESIDE)
    for child, parent in BONES:
        if given[child] != given[parent]:
            guessed = parent if given[child] else child
            confidence[guessed] = max(confidence[guessed], _BESIDE)
    body = PictureBody(_completed(points, metre), depth, confidence, metre)
    return hands_before(scaled(body))


def _metre(points: np.ndarray) -> float:
    """Pixels per metre of SMPL-24's rest pose, from bones and pairs of joints that are marked."""
    known = np.flatnonzero(np.isfinite(points).all(1))
    here = np.linalg.norm(points[known, None] - points[None, known], axis=-1)
    rest = np.linalg.norm(SMPL24.rest[known, None, :2] - SMPL24.rest[None, known, :2], axis=-1)
    apart = rest > 0
    return float(max(np.median(here[apart] / rest[apart]), 1e-3))


def _completed(points: np.ndarray, metre: float) -> np.ndarray:
    """Joints that are not marked, so that bones are as near to the rest pose's as marked ones allow, [24, 2].

    Hands, feet and the head go on in the direction of the bone before them.
    """
    given = np.isfinite(points).all(1)
    rest = SMPL24.rest[:, :2] * [metre, -metre]
    matrix, target = [], []
    for child, parent in BONES:
        row = np.zeros(24)
        row[child], row[parent] = 1.0, -1.0
        weight = 1.0 / max(float(np.linalg.norm(rest[child] - rest[parent])), 1.0)
        matrix.append(weight * row)
        target.append(weight * (rest[child] - rest[parent]))
    whole, wanted = np.array(matrix), np.array(target)
    free = ~given
    result = points.copy()
    if free.any():
        known = wanted - whole[:, given] @ points[given]
        result[free] = np.linalg.lstsq(whole[:, free], known, rcond=None)[0]
    for leaf, joint, before in ((22, 20, 18), (23, 21, 19), (15, 12, 9)):
        if free[leaf] and given[joint]:
            along = result[joint] - result[before]
            long = max(float(np.linalg.norm(along)), 1e-6)
            result[leaf] = result[joint] + along / long * np.linalg.norm(rest[leaf] - rest[joint])
    return result


def _read_own(path: str | os.PathLike[str], data: dict) -> Marks:
    size, joints = data.get("size"), data["joints"]
    if not (isinstance(size, list) and len(size) == 2 and all(_is_number(v) and v >= 1 for v in size)):
        raise FormatError(path, "must be [width, height] of the marked picture", where="size")
    if not isinstance(joints, dict):
        raise FormatError(path, "must be an object of names and places", where="joints")
    return Marks(
        (int(size[0]), int(size[1])), {name: _place(path, name, place) for name, place in joints.items()}
    )


def _place(path: str | os.PathLike[str], name: str, place: object) -> tuple[float, float]:
    if name not in SMPL24.names:
        raise FormatError(path, "is no joint", where=name, hint=f"joints are {', '.join(SMPL24.names)}")
    if not (isinstance(place, list) and len(place) == 2 and all(_is_number(value) for value in place)):
        raise FormatError(path, "must be [x, y] in pixels", where=name)
    return float(place[0]), float(place[1])


def _is_number(value: object) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) < 1e6  # type: ignore[arg-type, operator]


def _read_openpose(path: str | os.PathLike[str], size: tuple[int, int] | None) -> Marks:
    """The person of OpenPose's JSON who has the most points."""
    sequence = openpose.read(path, size=size)
    if sequence.size is None:
        raise FormatError(
            path, "does not say how large its picture is", hint="add canvas_width, canvas_height"
        )
    people = sequence.body[0]
    if not len(people):
        raise FormatError(path, "has nobody in it")
    person = people[int(np.argmax(np.isfinite(people[..., :2]).all(-1).sum(-1)))]
    points, _ = smpl24_mapping(sequence.layout).apply(person[:, :2], person[:, 2])
    return Marks.of(points, sequence.size)


def _read_drawn(path: str | os.PathLike[str], text: str) -> Marks:
    """AnimatedDrawings' char_cfg.yaml (Smith et al. 2023)."""
    sides = {name: int(value) for name, value in _DRAWN_SIDE.findall(text)}
    found = _DRAWN_JOINT.findall(text)
    if len(sides) < 2 or not found:
        raise FormatError(path, "is no file of joints", hint="give JSON with size and joints")
    joints = {}
    for x, y, name in found:
        own = _DRAWN.get(name, name)
        if own in SMPL24.names:
            try:
                joints[own] = float(x), float(y)
            except ValueError:
                raise FormatError(path, "is not at two numbers", where=name) from None
    if "head" in joints and "neck" in joints:
        low, middle = np.array(joints["neck"]), np.array(joints["head"])
        x, y = low + _SKULL * (middle - low)
        joints["head"] = float(x), float(y)
    return Marks((sides["width"], sides["height"]), joints)
