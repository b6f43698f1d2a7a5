"""cameras.xml of Metashape: where it found each photograph, and the lenses.

    <chunk><sensors><sensor id="0"><calibration class="adjusted"><resolution width=".." height=".."/><f>..</f>..
    <cameras><camera sensor_id="0" label="IMG_1"><transform>16 numbers, camera-to-chunk, OpenCV axes

`cx` and `cy` count from the middle. A chunk may have a scale to metres; its rotation is used where the world is a local
one, whose Z points up, since the globe's axes say nothing of up. Cameras without a transform were not aligned.
"""

from __future__ import annotations

import os
from xml.etree import ElementTree

import numpy as np

from kinema.scene.formats.camera_reading import CameraContents, CameraReading
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.photogrammetry import Lens, Photo, gathered, lens_of

MAX_BYTES = 256 << 20
Path = str | os.PathLike[str]


def load(path: Path, reading: CameraReading) -> CameraContents:
    """Read the first chunk of cameras.xml.

    Raises:
        FormatError: no XML of Metashape, or naming the camera that is wrong.
    """
    text = read_text(path, MAX_BYTES)
    if "<!ENTITY" in text:
        raise FormatError(path, "is XML that defines entities, which no camera needs")
    try:
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError) as error:
        raise FormatError(path, f"not XML: {error}", hint="it may be truncated") from None
    chunk = root if root.tag == "chunk" else root.find("chunk")
    if chunk is None or chunk.find("cameras") is None:
        raise FormatError(
            path,
            f"is XML ({root.tag[:40]}), but not of Metashape",
            hint="export as COLMAP or transforms.json",
        )
    lenses = {sensor.get("id"): _lens(path, sensor) for sensor in chunk.iter("sensor")}
    cameras = list(chunk.iter("camera"))
    photos = []
    for number, camera in enumerate(cameras):
        transform = camera.findtext("transform")
        if transform is None:
            continue
        name = camera.get("label") or str(number)
        rows = _floats(path, transform, 16, f"camera {name[:60]}").reshape(4, 4)
        photos.append(Photo(name, rows[:3], lenses.get(camera.get("sensor_id"))))
    scale, turn = _world(path, chunk)
    if turn is not None:
        photos = [Photo(photo.name, turn @ photo.pose, photo.lens) for photo in photos]
    up = None if turn is None else "z"
    return gathered(path, "cameras.xml of Metashape", photos, len(cameras), unit=scale, up=up)


def _world(path: Path, chunk: ElementTree.Element) -> tuple[float | None, np.ndarray | None]:
    """Metres per unit of the chunk, and its rotation to a local world; None where they are not known."""
    transform = chunk.find("transform")
    if transform is None:
        transform = chunk.find("components/component/transform")
    if transform is None:
        return None, None
    scale, rotation = transform.findtext("scale"), transform.findtext("rotation")
    metres = None if scale is None else float(_floats(path, scale, 1, "scale")[0])
    if metres is not None and not 0 < metres < 1e6:
        raise FormatError(path, "must be positive", where="scale")
    if rotation is None or "LOCAL_CS" not in (chunk.findtext("reference") or ""):
        return metres, None
    return metres, _floats(path, rotation, 9, "rotation").reshape(3, 3)


def _lens(path: Path, sensor: ElementTree.Element) -> Lens | None:
    """The adjusted calibration of a sensor, else its focal length in millimetres."""
    where = f"sensor {sensor.get('id')}"
    found = sensor.findall("calibration")
    calibration = next(
        (each for each in found if each.get("class") == "adjusted"), found[0] if found else None
    )
    resolution = sensor.find("resolution")
    if resolution is None and calibration is not None:
        resolution = calibration.find("resolution")
    if resolution is None:
        return None
    size = _floats(path, f"{resolution.get('width')} {resolution.get('height')}", 2, where)
    if calibration is not None and calibration.findtext("f") is not None:
        said = {
            name: _floats(path, calibration.findtext(name) or "0", 1, where)[0]
            for name in ("f", "cx", "cy", "b1")
        }
        focal = np.array([said["f"] + said["b1"], said["f"]])
        return lens_of(focal, size / 2 + [said["cx"], said["cy"]], (size[0], size[1]))
    values = {each.get("name"): each.get("value") or "0" for each in sensor.findall("property")}
    if not {"focal_length", "pixel_width"} <= set(values):
        return None
    length, pixel = _floats(path, f"{values['focal_length']} {values['pixel_width']}", 2, where)
    return lens_of(np.full(2, length / pixel if pixel else 0.0), size / 2, (size[0], size[1]))


def _floats(path: Path, text: str, count: int, where: str) -> np.ndarray:
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise FormatError(path, f"must be {count} finite numbers", where=where)
    return values
