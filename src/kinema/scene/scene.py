"""The scene: people, a camera and time. All that is upstream makes scenes, all downstream reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.checks import check_fps
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import MAX_BYTES, atomic_write, read_npz
from kinema.scene.formats.kinema_npz import motion_from_arrays, motion_to_arrays
from kinema.scene.keypoints import Keypoints, keypoints_from_arrays, keypoints_to_arrays
from kinema.scene.motion import Motion
from kinema.scene.timing import frame_times

FORMAT = "kinema.scene"
VERSION = 1
MAX_PEOPLE = 1000


@dataclass(frozen=True, eq=False)
class Scene:
    """Who moves how, seen from where.

    People and camera may have their own frame rates; `at(fps)` puts all of them on one time base. A motion or
    camera of one frame is a still that holds for the whole scene.

    Args:
        people: one motion per person.
        camera: the camera path, or None where nobody has chosen one yet.
        fps: the time base that people and camera are read at together.
        text: the prompt, if any.
        keypoints: where a scene was captured from pictures, what was seen of each person there, face and hands
            included; None for a person, or for all, of whom nothing is known.

    Raises:
        ValueError: nobody and no camera, keypoints of another number of people, or a wrong type or frame rate.

    Example:
        >>> motion = kinema.read_motion("examples/walk_and_wave.bvh")
        >>> duet = kinema.Scene((motion, motion.mirror().translate((1, 0, 0))), None, fps=motion.fps)
        >>> duet = duet.with_camera(kinema.camera("dolly in 1m", motion))
        >>> duet.save("duet.npz")
    """

    people: tuple[Motion, ...]
    camera: CameraPath | None
    fps: float
    text: str | None = None
    keypoints: tuple[Keypoints | None, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", tuple(self.people))
        for number, person in enumerate(self.people):
            if not isinstance(person, Motion):
                raise ValueError(f"person {number} is a {type(person).__name__}; give a Motion")
        if self.camera is not None and not isinstance(self.camera, CameraPath):
            raise ValueError(f"the camera is a {type(self.camera).__name__}; give a CameraPath or None")
        if not self.people and self.camera is None:
            raise ValueError("a scene needs a person or a camera")
        if self.text is not None and not isinstance(self.text, str):
            raise ValueError(f"the text is a {type(self.text).__name__}; give a string or None")
        if self.keypoints is not None:
            object.__setattr__(self, "keypoints", tuple(self.keypoints))
            if len(self.keypoints) != len(self.people):
                raise ValueError(f"keypoints of {len(self.keypoints)} people, but {len(self.people)} move")
            for number, keypoints in enumerate(self.keypoints):
                if keypoints is not None and not isinstance(keypoints, Keypoints):
                    raise ValueError(
                        f"the keypoints of person {number} are a {type(keypoints).__name__}; give Keypoints or None"
                    )
        object.__setattr__(self, "fps", check_fps(self.fps))

    @property
    def duration(self) -> float:
        """Seconds for which everybody and the camera are there: the shortest of those that move."""
        parts: list[Motion | CameraPath] = [*self.people]
        if self.camera is not None:
            parts.append(self.camera)
        return min((part.duration for part in parts if part.frames > 1), default=0.0)

    @property
    def frames(self) -> int:
        """Number of frames at `fps`, the first at time 0."""
        return len(frame_times(self.duration, self.fps))

    def with_camera(self, camera: CameraPath | None) -> Scene:
        """The same people seen by another camera."""
        return replace(self, camera=camera)

    def at(self, fps: float) -> Scene:
        """Everybody and the camera on one time base: all with the same fps and the same number of frames.

        Raises:
            ValueError: fps is not positive.
        """
        return self._sampled(frame_times(self.duration, check_fps(fps)), fps)

    resample = at

    def crop(self, start_s: float, end_s: float | None = None) -> Scene:
        """The part from start_s to end_s (both included, seconds; to the end by default), at the scene's fps.

        Raises:
            ValueError: the part does not lie within the scene.
        """
        end_s = self.duration if end_s is None else end_s
        if not 0 <= start_s <= end_s <= self.duration + 1e-6:
            raise ValueError(
                f"cannot crop from {start_s} s to {end_s} s: the scene lasts from 0 to {self.duration:.3f} s"
            )
        times = start_s + frame_times(min(end_s, self.duration) - start_s, self.fps)
        return self._sampled(times, self.fps)

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from kinema.scene.showing import scene_html

        return scene_html(self)

    def _sampled(self, times: np.ndarray, fps: float) -> Scene:
        people = tuple(_person_at(person, times, fps) for person in self.people)
        camera = None if self.camera is None else _camera_at(self.camera, times, fps)
        keypoints = self.keypoints
        if keypoints is not None:
            keypoints = tuple(None if seen is None else seen.resample(fps, times) for seen in keypoints)
        return Scene(people, camera, fps, self.text, keypoints)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the scene as a plain .npz without pickle; every number is kept as it is.

        Arrays: `format`, `version`, `fps`, `people` (how many), `text` (UTF-8 bytes, if any); per person,
        under "person0." and so on, those of a motion file (formats/kinema_npz.py) and, if any, under
        "person0.keypoints.", those of scene/keypoints.py, which older readers pass over; and of a camera
        `camera.c2w`, `camera.intrinsics`, `camera.size`, `camera.fps`. A failed write leaves the old file.
        """
        arrays = {
            "format": np.array(FORMAT),
            "version": np.array(VERSION),
            "fps": np.array(self.fps),
            "people": np.array(len(self.people)),
        }
        if self.text is not None:
            arrays["text"] = np.frombuffer(self.text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        for number, person in enumerate(self.people):
            arrays |= motion_to_arrays(person, f"person{number}.")
        for number, keypoints in enumerate(self.keypoints or ()):
            if keypoints is not None:
                arrays |= keypoints_to_arrays(keypoints, f"person{number}.keypoints.")
        if self.camera is not None:
            arrays["camera.c2w"] = self.camera.c2w
            arrays["camera.intrinsics"] = self.camera.intrinsics
            arrays["camera.size"] = np.array(self.camera.size)
            arrays["camera.fps"] = np.array(self.camera.fps)
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> Scene:
        """Read a scene file.

        Raises:
            FormatError: not a scene file, of a newer version, larger than `max_bytes` once unpacked, or its
                arrays do not fit together.
            FileNotFoundError: there is no such file.
        """
        arrays = read_npz(path, max_bytes)
        if "format" not in arrays or str(arrays["format"]) != FORMAT:
            raise FormatError(path, "is no Kinema scene", hint="scenes are written by Scene.save")
        version = _number(arrays, path, "version")
        if version != VERSION:
            raise FormatError(
                path, f"version {version:g}; this reader knows {VERSION}", hint="upgrade kinema"
            )
        count = _number(arrays, path, "people")
        if count not in range(MAX_PEOPLE + 1):
            raise FormatError(path, f"{count:g} people; the limit is {MAX_PEOPLE}", where="array 'people'")
        people = tuple(motion_from_arrays(arrays, path, f"person{number}.") for number in range(int(count)))
        seen = tuple(keypoints_from_arrays(arrays, path, f"person{k}.keypoints.") for k in range(len(people)))
        keypoints = None if all(one is None for one in seen) else seen
        try:
            return cls(
                people, _camera(arrays, path), _number(arrays, path, "fps"), _text(arrays, path), keypoints
            )
        except FormatError:
            raise
        except ValueError as error:
            raise FormatError(path, str(error)) from None


def _person_at(person: Motion, times: np.ndarray, fps: float) -> Motion:
    if person.frames > 1:
        return person.resample(fps, times)
    frames = np.zeros(len(times), dtype=int)  # a still holds
    rotations, confidence = person.rotations, person.confidence
    return Motion(
        person.joints[frames],
        fps,
        person.skeleton,
        None if rotations is None else rotations[frames],
        None if confidence is None else confidence[frames],
    )


def _camera_at(camera: CameraPath, times: np.ndarray, fps: float) -> CameraPath:
    if camera.frames > 1:
        return camera.resample(fps, times)
    return CameraPath.static(camera.c2w[0], camera.intrinsics[0].tolist(), camera.size, fps, len(times))


def _number(arrays: dict[str, np.ndarray], path: str | os.PathLike[str], name: str) -> float:
    array = arrays.get(name)
    if array is None or array.dtype.kind not in "iuf" or array.size != 1:
        raise FormatError(path, "must hold one number", where=f"array {name!r}")
    return float(array.reshape(()))


def _text(arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> str | None:
    if "text" not in arrays:
        return None
    if arrays["text"].dtype != np.uint8:
        raise FormatError(path, "must hold UTF-8 bytes", where="array 'text'")
    try:
        return arrays["text"].tobytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise FormatError(path, "is not UTF-8", where="array 'text'") from None


def _camera(arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> CameraPath | None:
    names = ("camera.c2w", "camera.intrinsics", "camera.size", "camera.fps")
    if not any(name in arrays for name in names):
        return None
    for name in names:
        if name not in arrays or arrays[name].dtype.kind not in "iuf":
            raise FormatError(path, "is missing or holds no numbers", where=f"array {name!r}")
    c2w, intrinsics, size, _ = (arrays[name] for name in names)
    if size.shape != (2,):
        raise FormatError(
            path, f"has shape {list(size.shape)}; two numbers are needed", where="array 'camera.size'"
        )
    try:
        return CameraPath(
            c2w, intrinsics, (size[0].item(), size[1].item()), _number(arrays, path, "camera.fps")
        )
    except FormatError:
        raise
    except (ValueError, OverflowError) as error:
        raise FormatError(path, str(error), where="camera") from None
