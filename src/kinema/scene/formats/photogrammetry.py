"""Cameras that were found in photographs: cameras.sfm of Meshroom (AliceVision), sfm_data.json of OpenMVG,
reconstruction.json of OpenSfM, cameras.xml of Metashape, and folders of Nerfies and DyCheck.

All have OpenCV axes; the unit is arbitrary, except where Metashape knows a scale. What differs is how a pose is told:
a rotation of the camera and its centre (Meshroom writes it column by column, and numbers as text), or world-to-camera,
in OpenSfM as a rotation vector and a translation. The photographs are sorted by name, and lenses lose their distortion.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import MAX_FRAMES
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.json_numbers import flat, number, numbers, parse
from kinema.scene.formats.nerf import common, natural
from kinema.scene.formats.reading import Assumption

MAX_BYTES = 512 << 20
Path = str | os.PathLike[str]
Lens = tuple[np.ndarray, tuple[int, int]]


@dataclass(frozen=True)
class Photo:
    """A photograph whose camera was found: its name, camera-to-world [3, 4], and lens; None where it has none."""

    name: str
    pose: np.ndarray
    lens: Lens | None


def kind_of(document: Any) -> str:
    """Which program wrote a document in JSON; "" for another one."""
    if isinstance(document, list):
        first = document[0] if document else None
        return "opensfm" if isinstance(first, dict) and "shots" in first else ""
    if "sfm_data_version" in document or {"views", "extrinsics"} <= set(document):
        return "openmvg"
    if isinstance(document.get("views"), list) and "intrinsics" in document:
        return "meshroom"
    return "nerfies" if {"orientation", "position", "focal_length"} <= set(document) else ""


def load(path: Path, reading: CameraReading) -> CameraContents:
    """Read any of those in JSON; or all in a folder of Nerfies.

    Raises:
        FormatError: naming the camera and field that is wrong, or that none was found.
    """
    if FilePath(path).is_dir():
        return _nerfies_folder(FilePath(path), reading)
    document = parse(path, read_text(path, MAX_BYTES))
    kind = kind_of(document)
    if kind == "opensfm":
        return _opensfm(path, document, reading)
    if kind == "openmvg":
        return gathered(path, "sfm_data.json of OpenMVG", _openmvg(path, document), len(document["views"]))
    if kind == "meshroom":
        return gathered(path, "cameras of Meshroom", _meshroom(path, document), len(document["views"]))
    if kind == "nerfies":
        return gathered(path, "camera of Nerfies", [_nerfies(path, document)], 1)
    raise FormatError(path, "is JSON, but not of Meshroom, OpenMVG, OpenSfM or Nerfies")


def gathered(path: Path, kind: str, photos: list[Photo], of: int, **known: Any) -> CameraContents:
    """The photographs as one path, sorted by name.

    Args:
        path: for the errors.
        kind: what the file is.
        photos: those with a camera.
        of: how many there are in all.
        known: what the format says of its world, as `CameraTrack` has it.

    Raises:
        FormatError: none has a camera, or one that is no camera.
    """
    if not 1 <= len(photos) <= MAX_FRAMES:
        what = (
            f"none of the {of} photographs has a camera" if not photos else f"more than {MAX_FRAMES} cameras"
        )
        raise FormatError(
            path, f"is {kind}, but {what}", hint="let the program find (align) the cameras first"
        )
    photos = sorted(photos, key=lambda photo: natural(photo.name))
    rows = np.array([photo.pose for photo in photos])
    c2w = rigid(path, rows, lambda row: photos[row].name[:80], scaled=True)
    intrinsics, size = common([photo.lens for photo in photos])
    assumed = [Assumption("", "photographs are a film, sorted by name", "the file has no times")]
    if of > len(photos):
        assumed.append(
            Assumption("", f"{of - len(photos)} of {of} photographs are left out", "no camera was found")
        )
    return CameraContents(kind, CameraTrack(c2w, intrinsics, size, **known), assumed=tuple(assumed))


def _meshroom(path: Path, document: dict[str, Any]) -> list[Photo]:
    views = {str(view.get("poseId")): view for view in objects(path, document.get("views"), "views")}
    lenses = {
        str(lens.get("intrinsicId")): lens for lens in objects(path, document.get("intrinsics"), "intrinsics")
    }
    photos = []
    for each, entry in enumerate(objects(path, document.get("poses", []), "poses")):
        where = f"poses[{each}]"
        transform = entry.get("pose", {}).get("transform") if isinstance(entry.get("pose"), dict) else None
        if not isinstance(transform, dict):
            raise FormatError(path, "has no transform", where=where)
        turn = _spelled(path, transform.get("rotation"), 9, f"{where}.rotation").reshape(3, 3)
        centre = _spelled(path, transform.get("center"), 3, f"{where}.center")
        view = views.get(str(entry.get("poseId")), {})
        lens = _meshroom_lens(path, lenses.get(str(view.get("intrinsicId")), {}))
        name = FilePath(str(view.get("path", "")).replace("\\", "/")).name
        photos.append(Photo(name, np.concatenate([turn, centre[:, None]], axis=1), lens))
    return photos


def _meshroom_lens(path: Path, fields: dict[str, Any]) -> Lens | None:
    """Focal lengths in millimetres of a sensor, or pixels before version 1.2."""
    said = {
        name: _spelled(path, [fields[name]], 1, f"intrinsics.{name}")[0]
        for name in ("width", "height", "sensorWidth", "focalLength", "pixelRatio")
        if isinstance(fields.get(name), str | int | float) and fields[name] != ""
    }
    if "width" not in said or "height" not in said:
        return None
    width, height = said["width"], said["height"]
    pixels = fields.get("pxFocalLength")
    if pixels is not None:
        entries = flat(pixels)
        focal = _spelled(path, entries, len(entries), "intrinsics.pxFocalLength")[[0, -1]]
    elif said.get("focalLength") and said.get("sensorWidth"):
        across = said["focalLength"] / said["sensorWidth"] * width
        focal = np.array([across, across * (said.get("pixelRatio") or 1.0)])
    else:
        return None
    middle = _spelled(path, fields.get("principalPoint", [0, 0]), 2, "intrinsics.principalPoint")
    if np.abs(middle).max() < width / 4:  # from the middle, since version 1.2
        middle = middle + np.array([width, height]) / 2
    return lens_of(focal, middle, (width, height))


def _openmvg(path: Path, document: dict[str, Any]) -> list[Photo]:
    views: dict[str, dict[str, Any]] = {}
    for each in _valued(path, document.get("views"), "views"):
        view = _inner(each["value"])
        views[str(view.get("id_pose"))] = view
    lenses = {
        str(each.get("key")): _inner(each["value"])
        for each in _valued(path, document.get("intrinsics", []), "intrinsics")
    }
    photos = []
    for index, entry in enumerate(_valued(path, document.get("extrinsics", []), "extrinsics")):
        where, value = f"extrinsics[{index}]", entry["value"]
        turn = numbers(path, flat(value.get("rotation")), 9, f"{where}.rotation").reshape(3, 3)
        centre = numbers(path, value.get("center"), 3, f"{where}.center")
        view = views.get(str(entry.get("key")), {})
        lens = lenses.get(str(view.get("id_intrinsic")), {})
        focal, middle = number(path, lens, "focal_length", "intrinsics"), lens.get("principal_point")
        width, height = (number(path, lens, side, "intrinsics") for side in ("width", "height"))
        known = None
        if focal and width and height:
            point = numbers(path, middle, 2, "intrinsics.principal_point")
            known = lens_of(np.array([focal, focal]), point, (width, height))
        photos.append(
            Photo(str(view.get("filename", "")), np.concatenate([turn.T, centre[:, None]], axis=1), known)
        )
    return photos


def _opensfm(path: Path, document: list[Any], reading: CameraReading) -> CameraContents:
    models = objects(path, document, "the list")
    counts = [len(model["shots"]) if isinstance(model.get("shots"), dict) else 0 for model in models]
    chosen = int(np.argmax(counts))
    model = models[chosen]
    cameras = model.get("cameras", {})
    photos = []
    for name, shot in (model.get("shots") or {}).items():
        if not isinstance(shot, dict):
            raise FormatError(path, "must be an object", where=f"shots.{name}"[:80])
        where = f"shots.{name}"[:80]
        turn = Rotation.from_rotvec(numbers(path, shot.get("rotation"), 3, f"{where}.rotation")).as_matrix().T
        centre = -turn @ numbers(path, shot.get("translation"), 3, f"{where}.translation")
        fields = cameras.get(str(shot.get("camera"))) if isinstance(cameras, dict) else None
        lens = _opensfm_lens(path, fields) if isinstance(fields, dict) else None
        photo = Photo(name, np.concatenate([turn, centre[:, None]], axis=1), lens)
        photos.append(_upright(photo, shot.get("orientation")))
    found = gathered(path, "reconstruction.json of OpenSfM", photos, len(photos), axis_up=True)
    if len(models) == 1:
        return found
    largest = Assumption("", f"reconstruction {chosen} of {len(models)}", "the largest", doubtful=True)
    return CameraContents(found.kind, found.track, assumed=(*found.assumed, largest))


def _upright(photo: Photo, orientation: object) -> Photo:
    """The camera of a photograph as it is shown, where EXIF's orientation says that it was taken on its side."""
    pose, lens = photo.pose, photo.lens
    quarters = {6: 1, 3: 2, 8: 3}.get(orientation, 0) if isinstance(orientation, int) else 0
    for _ in range(quarters):  # clockwise: its top comes to the right
        pose = np.stack([-pose[:, 1], pose[:, 0], pose[:, 2], pose[:, 3]], axis=1)
        if lens is not None:
            (fx, fy, cx, cy), (width, height) = lens
            lens = np.array([fy, fx, height - cy, cx]), (height, width)
    return Photo(photo.name, pose, lens)


def _opensfm_lens(path: Path, fields: dict[str, Any]) -> Lens | None:
    """Focal lengths in parts of the longer side, and the principal point from the middle."""
    width, height = (number(path, fields, side, "cameras") for side in ("width", "height"))
    one = number(path, fields, "focal", "cameras")
    across, upright = (number(path, fields, f"focal_{axis}", "cameras") or one for axis in "xy")
    if not width or not height or not across or not upright:
        return None
    longer = max(width, height)
    middle = np.array([number(path, fields, f"c_{axis}", "cameras") or 0.0 for axis in "xy"]) * longer
    middle = middle + np.array([width, height]) / 2
    return lens_of(np.array([across, upright]) * longer, middle, (width, height))


def _nerfies_folder(folder: FilePath, reading: CameraReading) -> CameraContents:
    """The cameras of a folder, of which there may be several by the beginning of the files' names: 0_00012.json."""
    files = sorted(folder.glob("*.json"), key=lambda file: natural(file.name))
    groups: dict[str, list[FilePath]] = {}
    for file in files:
        groups.setdefault(file.stem.rpartition("_")[0], []).append(file)
    names = tuple(groups)
    wanted = names[0] if reading.name is None else str(reading.name)
    if wanted not in groups:
        raise FormatError(folder, f"has no camera {wanted!r}; there are {', '.join(names)}"[:400])
    photos = [
        _nerfies(file, parse(file, read_text(file, 1 << 20))) for file in groups[wanted][: MAX_FRAMES + 1]
    ]
    found = gathered(folder, "cameras of Nerfies (DyCheck)", photos, len(photos))
    if len(names) == 1:
        return found
    first = Assumption(
        "camera_name", f"camera {wanted!r}", f"there are {', '.join(names)}"[:200], doubtful=True
    )
    return CameraContents(found.kind, found.track, names, (first,) if reading.name is None else ())


def is_nerfies(folder: FilePath) -> bool:
    """Whether a folder holds a file a camera, as Nerfies and DyCheck have them."""
    first = next(iter(sorted(folder.glob("*.json"))), None)
    if first is None or first.stat().st_size > 1 << 20:
        return False
    try:
        document = parse(first, read_text(first, 1 << 20))
    except FormatError:
        return False
    return isinstance(document, dict) and kind_of(document) == "nerfies"


def _nerfies(path: Path, document: Any) -> Photo:
    if not isinstance(document, dict):
        raise FormatError(path, "is no camera of Nerfies")
    turn = numbers(path, flat(document.get("orientation")), 9, "orientation").reshape(3, 3).T
    centre = numbers(path, document.get("position"), 3, "position")
    focal, size = number(path, document, "focal_length", ""), document.get("image_size")
    lens = None
    if focal and size is not None:
        width, height = numbers(path, size, 2, "image_size")
        middle = document.get("principal_point")
        point = (
            np.array([width, height]) / 2 if middle is None else numbers(path, middle, 2, "principal_point")
        )
        ratio = number(path, document, "pixel_aspect_ratio", "") or 1.0
        lens = lens_of(np.array([focal, focal * ratio]), point, (width, height))
    return Photo(FilePath(path).name, np.concatenate([turn, centre[:, None]], axis=1), lens)


def lens_of(focal: np.ndarray, middle: np.ndarray, size: tuple[float, float]) -> Lens | None:
    """A lens in pixels; None where it cannot be one."""
    if not (min(size) >= 1 and max(size) <= 65536 and (focal > 0).all()):
        return None
    return np.array([*focal, *middle]), (round(size[0]), round(size[1]))


def objects(path: Path, values: object, where: str) -> list[dict[str, Any]]:
    """A list of objects; empty where there is none, which Meshroom writes as "".

    Raises:
        FormatError: it is something else.
    """
    if values in (None, ""):
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise FormatError(path, "must be a list of objects", where=where)
    return values


def _valued(path: Path, values: object, where: str) -> list[dict[str, Any]]:
    """OpenMVG's maps: a list of {key, value}."""
    entries = objects(path, values, where)
    if not all(isinstance(entry.get("value"), dict) for entry in entries):
        raise FormatError(path, "must be a list of keys and values", where=where)
    return entries


def _inner(value: dict[str, Any]) -> dict[str, Any]:
    """What OpenMVG wraps."""
    wrapped = value.get("ptr_wrapper")
    data = wrapped.get("data") if isinstance(wrapped, dict) else None
    return data if isinstance(data, dict) else value


def _spelled(path: Path, values: object, count: int, where: str) -> np.ndarray:
    """Numbers that are written as text."""
    if isinstance(values, list):
        try:
            values = [float(value) if isinstance(value, str) else value for value in values]
        except ValueError:
            raise FormatError(path, "must be numbers", where=where) from None
    return numbers(path, values, count, where)
