"""OpenPose JSON: 2D keypoints of several people, one file per frame in a folder, or one file.

A frame is `{"people": [{"pose_keypoints_2d": [x, y, confidence, ...], ...}], "canvas_width": 640, ...}` with
18 (COCO) or 25 (BODY_25) body points, told apart by their count. Face (70) and hands (21 each) are kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text
from kinema.scene.keypoints import DetectedPeople, Keypoints, follow_people
from kinema.scene.mappings import joint_mapping
from kinema.scene.skeleton import DWPOSE134

THRESHOLD = 0.3
LAYOUTS = {18: "openpose18", 25: "body25"}
PARTS = {
    "face": ("face_keypoints_2d", 70),
    "left_hand": ("hand_left_keypoints_2d", 21),
    "right_hand": ("hand_right_keypoints_2d", 21),
}
BODY25_TO_OPENPOSE18 = (*range(8), *range(9, 19))
"""BODY_25 index of each OpenPose-18 point: the same, without the middle of the hips and the feet."""

_BODY = "pose_keypoints_2d"
_MAX_BYTES = 1 << 26
_MAX_PERSON_FRAMES = 1 << 18  # two hours of one person at 30 fps (ours)
_MAX_PEOPLE = 1000  # in one frame (ours)
_LARGEST = 1e6  # pixels
_UNIT_LIMIT = 2.0  # coordinates that never exceed this are fractions of the picture (ours)

Person = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class KeypointSequence:
    """2D keypoints of several people over time, in pixels.

    Args:
        body: x, y, confidence per person and point, [T, P, K, 3]; NaN, NaN, 0 where missing.
        layout: "openpose18" (K = 18) or "body25" (K = 25), names of `kinema.scene.skeleton`.
        fps: frames per second.
        size: (width, height) of the picture, if known.
        face: [T, P, 70, 3], if any.
        left_hand, right_hand: [T, P, 21, 3], if any.
        tracked: whether a place in the arrays is one person throughout; else it is a place in the list of each frame.

    Raises:
        ValueError: a shape does not fit the layout.
    """

    body: np.ndarray
    layout: str
    fps: float = 30.0
    size: tuple[int, int] | None = None
    face: np.ndarray | None = None
    left_hand: np.ndarray | None = None
    right_hand: np.ndarray | None = None
    tracked: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS.values():
            raise ValueError(f"layout={self.layout!r}; give one of {', '.join(LAYOUTS.values())}")
        count = next(count for count, name in LAYOUTS.items() if name == self.layout)
        for name, points in (("body", count), *((name, points) for name, (_, points) in PARTS.items())):
            array = getattr(self, name)
            if array is not None and array.shape != (*self.body.shape[:2], points, 3):
                raise ValueError(f"{name} has shape {list(array.shape)}; give [T, P, {points}, 3]")

    @property
    def points(self) -> np.ndarray:
        """Body points in pixels, NaN where missing, [T, P, K, 2]."""
        return self.body[..., :2]

    @property
    def confidence(self) -> np.ndarray:
        """Confidence of the body points, 0 (missing) to 1, [T, P, K]."""
        return self.body[..., 2]

    def to_openpose18(self) -> KeypointSequence:
        """The same with the 18 body points that skeleton maps are drawn from."""
        if self.layout == "openpose18":
            return self
        return replace(self, body=self.body[..., BODY25_TO_OPENPOSE18, :], layout="openpose18")

    @classmethod
    def of_people(cls, detected: DetectedPeople) -> KeypointSequence:
        """People who were detected in pictures, as body, face and hands of OpenPose.

        Face points beyond the 68 that are known, the pupils, are missing.
        """
        parts: dict[str, list[np.ndarray]] = {"body": [], **{name: [] for name in PARTS}}
        for person in detected.people:
            points, confidence = joint_mapping(person.layout, DWPOSE134).apply(
                person.points, person.confidence
            )
            whole = np.concatenate([points, confidence[..., None]], axis=-1)
            whole[np.isnan(points).any(-1)] = (np.nan, np.nan, 0.0)
            pupils = np.broadcast_to([np.nan, np.nan, 0.0], (len(whole), 2, 3))
            parts["body"].append(whole[:, :18])
            parts["face"].append(np.concatenate([whole[:, 24:92], pupils], axis=1))
            parts["left_hand"].append(whole[:, 92:113])
            parts["right_hand"].append(whole[:, 113:])
        stacked = {name: np.stack(each, axis=1) for name, each in parts.items()}
        kept = {name: each for name, each in stacked.items() if np.isfinite(each).any()}
        body = kept.pop("body")
        return cls(body, "openpose18", detected.fps, detected.size, **kept, tracked=True)

    def to_people(self) -> DetectedPeople:
        """Each person's body, feet, face and hands as DWPose-134; who is who is followed where nobody says.

        Raises:
            ValueError: nobody in any frame, or the size of the pictures is not known.
        """
        if self.size is None:
            raise ValueError("keypoints do not say how large the pictures are: give their size")
        frames, people = self.body.shape[:2]
        blank = np.full((frames, people, 6, 3), np.nan)
        feet = self.body[..., 19:, :] if self.layout == "body25" else blank
        parts = [self.to_openpose18().body, feet]
        for name, count in (("face", 68), ("left_hand", 21), ("right_hand", 21)):
            array = getattr(self, name)
            parts.append(
                np.full((frames, people, count, 3), np.nan) if array is None else array[..., :count, :]
            )
        whole = np.concatenate(parts, axis=2)
        if not self.tracked:
            order = follow_people(whole[..., :2])
            whole = np.take_along_axis(whole, order[:, :, None, None], axis=1)
        seen = np.isfinite(whole[..., 0]).any(axis=(0, 2))
        return DetectedPeople(
            tuple(
                Keypoints(
                    whole[:, k, :, :2], np.nan_to_num(whole[:, k, :, 2]), "dwpose134", self.fps, self.size
                )
                for k in np.flatnonzero(seen)
            )
        )


def read(
    path: str | os.PathLike[str],
    *,
    fps: float = 30.0,
    threshold: float = THRESHOLD,
    size: tuple[int, int] | None = None,
    normalised: bool | None = None,
) -> KeypointSequence:
    """Read a folder of per-frame files, or one file with a frame or a list of frames.

    Files are ordered by the last number in their names; numbers left out are frames without people. People
    keep their `person_id` over time where every one has it, else their place in the list.

    Args:
        path: the folder or file.
        fps: frames per second; the files do not say.
        threshold: points of less confidence are missing.
        size: (width, height) in pixels, where the files have no canvas_width and canvas_height.
        normalised: whether coordinates are fractions of the picture; by default, if none exceeds 2.

    Raises:
        FormatError: not such files; the file and field are named.
    """
    frames: list[list[tuple[int | None, Person]]] = []
    canvas: tuple[int, int] | None = None
    total = 0
    for source in _frame_files(Path(path)):
        if source is None:
            frames.append([])
            continue
        total += source.stat().st_size
        if total > _MAX_BYTES:
            raise FormatError(path, f"more than {_MAX_BYTES} bytes of JSON", hint="split the sequence")
        for where, frame in _parse_frames(source):
            found = _canvas(source, where, frame)
            if found is not None and canvas is not None and found != canvas:
                raise FormatError(source, f"canvas is {found}, but was {canvas} before", where or None)
            canvas = found or canvas
            frames.append(_parse_people(source, where, frame))
    if not frames:
        raise FormatError(path, "has no frames")
    tracked = _tracked(frames)
    arrays = _stack(path, frames, tracked)
    body = arrays.pop("body")
    sequence = KeypointSequence(body, LAYOUTS[body.shape[2]], fps, canvas or size, **arrays, tracked=tracked)
    return _clean(path, sequence, threshold, normalised)


def read_people(
    path: str | os.PathLike[str],
    *,
    fps: float = 30.0,
    threshold: float = THRESHOLD,
    size: tuple[int, int] | None = None,
) -> DetectedPeople:
    """Read people who can drive a model without 3D, see `kinema.signals.control_signals`.

    Args:
        path: the folder or file, see `read`.
        fps: frames per second; the files do not say.
        threshold: points of less confidence are missing.
        size: (width, height) of the pictures, where the files have no canvas_width and canvas_height.

    Raises:
        FormatError: not such files, nobody in them, or no size.
    """
    sequence = read(path, fps=fps, threshold=threshold, size=size)
    if sequence.size is None:
        raise FormatError(path, "has no canvas_width, canvas_height", hint="give the size of the pictures")
    try:
        return sequence.to_people()
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def write(path: str | os.PathLike[str], keypoints: KeypointSequence, *, normalised: bool = False) -> None:
    """Write one file (`path` ends in .json; a list where there are several frames) or a folder of files.

    Args:
        path: the file, or a folder that is new or empty.
        keypoints: people who are missing from a frame are left out of it.
        normalised: write fractions of the picture instead of pixels.

    Raises:
        FormatError: the folder is not empty.
        ValueError: normalised without a picture size.
    """
    if normalised and keypoints.size is None:
        raise ValueError("normalised coordinates need the size of the picture")
    target = Path(path)
    frames = frame_objects(keypoints, normalised=normalised)
    if target.suffix.lower() == ".json":
        content = frames[0] if len(frames) == 1 else frames
        with atomic_write(target) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FormatError(path, "is not an empty folder", hint="give a new folder, or a name ending in .json")
    folder = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for t, frame in enumerate(frames):
            name = f"{target.name}_{t:012d}_keypoints.json"
            (folder / name).write_text(json.dumps(frame), encoding="utf-8")
        folder.chmod(0o755)
        os.replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def frame_objects(keypoints: KeypointSequence, *, normalised: bool = False) -> list[dict]:
    """What JSON holds of each frame, as `write` writes it.

    Args:
        keypoints: people who are missing from a frame are left out of it.
        normalised: fractions of the picture instead of pixels.
    """
    return [_frame_object(keypoints, t, normalised) for t in range(len(keypoints.body))]


def _frame_files(path: Path) -> list[Path | None]:
    """The files in order of time; None for frames between them that have no file."""
    if not path.is_dir():
        return [path]
    numbered: dict[int, Path] = {}
    for file in sorted(path.glob("*.json")):
        digits = re.findall(r"\d+", file.stem)
        if not digits or len(digits[-1]) > 15:
            raise FormatError(
                file, "has no frame number in its name", hint="e.g. dance_000000000012_keypoints.json"
            )
        number = int(digits[-1])
        if number in numbered:
            raise FormatError(file, f"is a second file for frame {number}, beside {numbered[number].name}")
        numbered[number] = file
    if not numbered:
        raise FormatError(path, "has no .json files")
    first, last = min(numbered), max(numbered)
    if last - first >= _MAX_PERSON_FRAMES:
        raise FormatError(path, f"frame numbers run from {first} to {last}, more than {_MAX_PERSON_FRAMES}")
    return [numbered.get(number) for number in range(first, last + 1)]


def _parse_frames(path: Path) -> list[tuple[str, dict]]:
    """(place in the file, frame object) of each frame."""
    text = read_text(path, _MAX_BYTES)
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FormatError(
            path, f"not JSON ({error.msg})", f"line {error.lineno}", "it may be truncated"
        ) from None
    except RecursionError:
        raise FormatError(path, "is nested too deeply") from None
    except ValueError as error:
        raise FormatError(path, f"not JSON numbers ({error})") from None
    several = isinstance(content, list)
    frames = [(f"frame {i}", f) for i, f in enumerate(content)] if several else [("", content)]
    for where, frame in frames:
        if not isinstance(frame, dict) or not isinstance(frame.get("people"), list):
            raise FormatError(path, "has no list 'people'", where or None, "is it OpenPose JSON?")
        if len(frame["people"]) > _MAX_PEOPLE:
            raise FormatError(path, f"{len(frame['people'])} people, more than {_MAX_PEOPLE}", where or None)
    return frames


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")


def _canvas(path: Path, where: str, frame: dict) -> tuple[int, int] | None:
    sides = []
    for field in ("canvas_width", "canvas_height"):
        value = frame.get(field)
        if isinstance(value, (int, float)) and 1 <= value <= 65536:
            sides.append(int(value))
        elif value is not None:
            raise FormatError(path, f"{str(value)[:40]} is no size in pixels", f"{where} {field}".strip())
    return (sides[0], sides[1]) if len(sides) == 2 else None


def _parse_people(path: Path, where: str, frame: dict) -> list[tuple[int | None, Person]]:
    people: list[tuple[int | None, Person]] = []
    for index, person in enumerate(frame["people"]):
        place = f"{where} people[{index}]".strip()
        if not isinstance(person, dict):
            raise FormatError(path, "is no object", place)
        parts: Person = {}
        body = _triples(path, place, person, _BODY, tuple(LAYOUTS))
        if body is not None:
            parts["body"] = body
        for name, (field, count) in PARTS.items():
            points = _triples(path, place, person, field, (count, 68) if name == "face" else (count,))
            if points is not None:
                parts[name] = points
        number = person.get("person_id")
        number = number[0] if isinstance(number, list) and len(number) == 1 else number
        people.append((number if type(number) is int and number >= 0 else None, parts))
    return people


def _triples(path: Path, place: str, person: dict, field: str, counts: tuple[int, ...]) -> np.ndarray | None:
    """The points of one part, [N, 3]; None where the person has none."""
    values = person.get(field)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) not in [3 * count for count in counts]:
        have = f"{len(values)} numbers" if isinstance(values, list) else "no list"
        wanted = " or ".join(f"{count} x 3" for count in counts)
        raise FormatError(path, f"has {have}; {wanted} are known", f"{place}.{field}")
    for position, value in enumerate(values):
        if type(value) not in (int, float) or not abs(value) < _LARGEST:
            raise FormatError(
                path, f"{str(value)[:40]!r} is no sensible number", f"{place}.{field}[{position}]"
            )
    return np.array(values, dtype=np.float64).reshape(-1, 3)


def _tracked(frames: list[list[tuple[int | None, Person]]]) -> bool:
    """Whether every person of every frame has a number of their own."""
    numbers = [[number for number, _ in people] for people in frames]
    return all(None not in ids and len(set(ids)) == len(ids) for ids in numbers)


def _stack(
    path: str | os.PathLike[str], frames: list[list[tuple[int | None, Person]]], tracked: bool
) -> dict[str, np.ndarray]:
    """Arrays [T, P, N, 3] by part."""
    numbers = [[number for number, _ in people] for people in frames]
    slots: Sequence[int] = (
        sorted({number for ids in numbers for number in ids if number is not None})
        if tracked
        else range(max(map(len, frames)))
    )
    place = {number: slot for slot, number in enumerate(slots)}
    if len(frames) * len(slots) > _MAX_PERSON_FRAMES:
        raise FormatError(
            path, f"{len(frames)} frames of {len(slots)} people are more than {_MAX_PERSON_FRAMES}"
        )
    sizes: dict[str, int] = {name: count for name, (_, count) in PARTS.items()}
    bodies = {len(parts["body"]) for people in frames for _, parts in people if "body" in parts}
    if len(bodies) > 1:
        raise FormatError(path, "has people with 18 and with 25 body points", hint="keep to one layout")
    sizes["body"] = bodies.pop() if bodies else 25
    present = {name for people in frames for _, parts in people for name in parts} | {"body"}
    arrays = {name: np.full((len(frames), len(slots), sizes[name], 3), np.nan) for name in present}
    for t, people in enumerate(frames):
        for index, (number, parts) in enumerate(people):
            slot = place[number] if tracked and number is not None else index
            for name, points in parts.items():
                arrays[name][t, slot, : len(points)] = points
    return arrays


def _clean(
    path: str | os.PathLike[str], sequence: KeypointSequence, threshold: float, normalised: bool | None
) -> KeypointSequence:
    """Missing points as NaN with confidence 0, coordinates in pixels."""
    names = ["body", *(name for name in PARTS if getattr(sequence, name) is not None)]
    arrays = {name: getattr(sequence, name) for name in names}
    largest = 0.0
    for array in arrays.values():
        confidence = np.clip(np.nan_to_num(array[..., 2]), 0.0, 1.0)
        missing = (confidence <= 0) | (confidence < threshold)
        array[..., 2] = np.where(missing, 0.0, confidence)
        array[missing, :2] = np.nan
        largest = max(largest, float(np.abs(array[~missing, :2]).max(initial=0.0)))
    fractions = 0 < largest <= _UNIT_LIMIT if normalised is None else normalised
    if fractions:
        if sequence.size is None:
            raise FormatError(
                path, "has normalised coordinates and no canvas_width, canvas_height", hint="give the size"
            )
        for array in arrays.values():
            array[..., :2] *= sequence.size
    return sequence


def _frame_object(keypoints: KeypointSequence, t: int, normalised: bool) -> dict:
    unit = np.array(keypoints.size if normalised and keypoints.size else (1.0, 1.0))
    people = []
    for slot in range(keypoints.body.shape[1]):
        person: dict[str, object] = {"person_id": [slot]}
        seen = False
        for name, field in [("body", _BODY), *((name, field) for name, (field, _) in PARTS.items())]:
            array = getattr(keypoints, name)
            points = np.zeros((0, 3)) if array is None else array[t, slot].copy()
            points[:, :2] /= unit
            points[~np.isfinite(points).all(axis=1) | (points[:, 2] <= 0)] = 0.0
            seen = seen or bool(points.any())
            person[field] = [round(float(value), 6) for value in points.ravel()]
        if seen:
            people.append(person)
    frame: dict[str, object] = {"version": 1.3, "people": people}
    if keypoints.size is not None:
        frame |= {"canvas_width": keypoints.size[0], "canvas_height": keypoints.size[1]}
    return frame
