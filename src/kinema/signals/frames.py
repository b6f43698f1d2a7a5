"""What signals are made from: people and camera on the frames of a video, and what several signals need, computed once.

A source is a scene, or people whose keypoints a detector found in pictures: those have no depth and no camera, and give
the signals that can be drawn from a picture alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kinema.scene import CameraPath, DetectedPeople, Keypoints, Motion, Scene
from kinema.scene.checks import check_size
from kinema.scene.hands import hand_points
from kinema.scene.mappings import joint_mapping, smpl24_to_openpose18, to_smpl24
from kinema.scene.motion import FILLED
from kinema.scene.sampling import sample_scene, video_length
from kinema.scene.skeleton import DWPOSE134, SMPL24
from kinema.scene.timing import frame_times

PARTS = ("body", "hands", "face")
"""What a skeleton map can show of a person."""

_FEET, _FACE, _HANDS = slice(18, 24), slice(24, 92), slice(92, 134)  # of DWPose-134
_TOES = [SMPL24.index("left_foot"), SMPL24.index("right_foot")]
_HEAD = (0, 14, 15, 16, 17)  # of OpenPose-18: nose, eyes, ears
_LIMBS = tuple(range(2, 14))  # of OpenPose-18: what is neither head nor neck
_WRISTS = (7, 4)  # of OpenPose-18, left and right
# Ours: keypoints belong to this camera where limbs project to within a tenth of the person's height of them.
_AGREES, _FEWEST_LIMBS = 0.1, 4
# Ours: a head is seen from another side where its points, once it lies where it was seen, are this much of its size off:
# some thirty degrees.
_TURNED = 0.3


@dataclass(frozen=True)
class SignalOptions:
    """How signals are drawn.

    Args:
        parts: of PARTS, what skeleton maps show where the source has it. Weights that have never seen hands or faces
            say so, see `ControlAdapter.skeleton_parts`.
        style: of the skeleton maps, see `skeleton_map`.
        scale: of the rays' translations, see `ray_map`.
        supersample: anti-aliasing of the skeleton maps. None: 4 below a height of 256 pixels (ours: hard edges of
            one-pixel limbs jump), else 1 as public code draws.
        threshold: joints and keypoints of a lower confidence count as missing.

    Raises:
        ValueError: an unknown part.
    """

    parts: tuple[str, ...] = PARTS
    style: str = "dwpose"
    scale: str = "metric"
    supersample: int | None = None
    threshold: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in self.parts:
            if part not in PARTS:
                raise ValueError(f"unknown part {part!r} of a skeleton map: there are {', '.join(PARTS)}")


class SceneFrames:
    """A scene on the T frames of a video.

    The scene is resampled by time to `fps`, its camera resized to `size` (crop to fill), cut or held to `frames`
    frames and padded to the next 4k + 1 by repeating the last one. What is None is not known of this source.

    Args:
        scene: people in any skeleton that maps to SMPL-24, and a camera.
        size: (width, height) in pixels.
        frames: of the video. None: as many as the scene has.
        fps: of the video. None: the scene's.
        options: how signals are drawn.

    Attributes:
        size: (width, height) in pixels.
        frames: T.
        fps: frames per second.
        people: motions of T frames; none for people of whom only keypoints are known.
        camera: path of T frames, resized to `size`.

    Raises:
        ValueError: the scene has no camera, or frames or fps are not positive.
    """

    people: tuple[Motion, ...]
    camera: CameraPath | None

    def __init__(
        self,
        scene: Scene,
        size: tuple[int, int],
        frames: int | None = None,
        fps: float | None = None,
        options: SignalOptions | None = None,
    ) -> None:
        self.options = options or SignalOptions()
        self.people, self.camera = sample_scene(scene, size=size, frames=frames, fps=fps, pad=True)
        self.size = self.camera.size
        self.frames = self.camera.frames
        self.fps = scene.fps if fps is None else fps
        self._scene = scene
        self._asked = frames

    @cached_property
    def joints(self) -> np.ndarray | None:
        """SMPL-24 joints in the world, metres, NaN where missing, [T, P, 24, 3]; None without people.

        Raises:
            ValueError: somebody's skeleton is not a human one.
        """
        if not self.people:
            return None
        return np.stack([smpl24_joints(person, self.options.threshold) for person in self.people], axis=1)

    @cached_property
    def joint_pixels(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where the joints are in the picture, [T, P, 24, 2], and their depth in metres, [T, P, 24]."""
        if self.joints is None or self.camera is None:
            return None
        return self.camera.project(self.joints)

    @cached_property
    def _projected(self) -> tuple[np.ndarray, np.ndarray] | None:
        if self.joints is None or self.camera is None:
            return None
        return self.camera.project(smpl24_to_openpose18(self.joints))

    @property
    def keypoints(self) -> np.ndarray | None:
        """OpenPose-18 keypoints in pixels, NaN where missing or behind the camera, [T, P, 18, 2]."""
        return None if self._projected is None else self._projected[0]

    @property
    def keypoint_depth(self) -> np.ndarray | None:
        """Depth of the keypoints, metres along the camera's axis, [T, P, 18]."""
        return None if self._projected is None else self._projected[1]

    @cached_property
    def toes(self) -> np.ndarray | None:
        """Left and right toe in pixels, NaN where missing, [T, P, 2, 2]: the balls of the feet, SMPL-24's last joints."""
        return None if self.joint_pixels is None else self.joint_pixels[0][:, :, _TOES]

    @cached_property
    def hands(self) -> np.ndarray | None:
        """Left and right hand in pixels, NaN where missing, [T, P, 2, 21, 2]; None where nobody's are known.

        They are those of finger joints; of somebody without, those that were detected in the captured pictures, as
        long as the camera is that of the pictures.
        """
        if self.keypoints is None or self.camera is None:
            return None
        hands = np.full((self.frames, len(self.people), 2, 21, 2), np.nan)
        for index, person in enumerate(self.people):
            fingers = hand_points(confident_joints(person, self.options.threshold), person.skeleton)
            if fingers is not None:
                hands[:, index] = self.camera.project(fingers)[0]
            elif self._detected is not None:
                found = self._detected[:, index, _HANDS].reshape(self.frames, 2, 21, 2)
                wrists = self.keypoints[:, index, _WRISTS]
                hands[:, index] = found + (wrists - found[:, :, 0])[:, :, None]
        return _with_fingers(hands)

    @cached_property
    def face(self) -> np.ndarray | None:
        """The 68 face points in pixels, NaN where missing, [T, P, 68, 2]; None where nobody's are known.

        Only detectors tell them: as for hands, as long as the camera is that of the pictures, and as long as it sees
        the head from about the same side.
        """
        if self.keypoints is None or self._detected is None:
            return None
        head = self.keypoints[:, :, _HEAD]
        shift = head - self._detected[:, :, _HEAD]
        mean = _mean(shift)[:, :, None]
        apart = np.linalg.norm(head[:, :, :, None] - head[:, :, None], axis=-1)
        turned = np.fmax.reduce(np.linalg.norm(shift - mean, axis=-1), axis=2) > _TURNED * np.fmax.reduce(
            apart, axis=(2, 3)
        )
        face = np.where(turned[:, :, None, None], np.nan, self._detected[:, :, _FACE] + mean)
        return face if np.isfinite(face).any() else None

    @property
    def face_seen(self) -> np.ndarray | None:
        """The face points where they were in the captured pictures, not moved onto the head in 3D, as `face`."""
        return None if self._detected is None else self._detected[:, :, _FACE]

    @cached_property
    def _detected(self) -> np.ndarray | None:
        """What was detected of each person in the captured pictures, DWPose-134 in pixels of this camera,
        [T, P, 134, 2]; NaN where this camera does not see what that of the pictures saw, None where nothing is known.
        """
        scene = self._scene
        if scene.keypoints is None or scene.camera is None or self.keypoints is None:
            return None
        length = len(frame_times(scene.duration, self.fps))
        times = _held(length, self._asked, self.frames) / self.fps
        points = np.full((self.frames, len(self.people), len(DWPOSE134), 2), np.nan)
        for index, found in enumerate(scene.keypoints):
            if found is not None:
                pixels = fill_picture(
                    _whole_body(found, times, self.fps, self.options), found.size, scene.camera.size
                )
                points[:, index] = fill_picture(pixels, scene.camera.size, self.size)
        agrees = _agrees(points[:, :, _LIMBS], self.keypoints[:, :, _LIMBS])
        return np.where(agrees[:, :, None, None], points, np.nan) if agrees.any() else None


class DetectedFrames(SceneFrames):
    """People whose keypoints a detector found in pictures, on the T frames of a video.

    Time and size are as for a scene: resampled by seconds, scaled to fill the picture and cropped. Where nothing was
    detected nothing is filled in. There are no joints, no camera and no depth.

    Args:
        detected: the people.
        size, frames, fps, options: as for SceneFrames.

    Raises:
        ValueError: frames or fps are not positive.
    """

    def __init__(
        self,
        detected: DetectedPeople,
        size: tuple[int, int],
        frames: int | None = None,
        fps: float | None = None,
        options: SignalOptions | None = None,
    ) -> None:
        fps = detected.fps if fps is None else fps
        length = len(frame_times(detected.duration, fps))
        if frames is not None and frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}")
        self.options = options or SignalOptions()
        self.people, self.camera = (), None
        self.size = check_size(size)
        self.frames = video_length(length if frames is None else frames)
        self.fps = fps
        times = _held(length, frames, self.frames) / fps
        found = [_whole_body(person, times, fps, self.options) for person in detected.people]
        self._points = fill_picture(np.stack(found, axis=1), detected.size, self.size)

    @property
    def keypoints(self) -> np.ndarray:
        return self._points[:, :, :18]

    @cached_property
    def toes(self) -> np.ndarray:
        """Left and right toe in pixels, NaN where missing, [T, P, 2, 2]: the middle of big and small toe."""
        feet = self._points[:, :, _FEET].reshape(*self._points.shape[:2], 2, 3, 2)
        return feet[:, :, :, :2].mean(axis=3)

    @cached_property
    def hands(self) -> np.ndarray | None:
        return _with_fingers(self._points[:, :, _HANDS].reshape(*self._points.shape[:2], 2, 21, 2))

    @cached_property
    def face(self) -> np.ndarray | None:
        face = self._points[:, :, _FACE]
        return face if np.isfinite(face).any() else None

    @property
    def face_seen(self) -> np.ndarray | None:
        return self.face


def confident_joints(motion: Motion, threshold: float = 0.3) -> np.ndarray:
    """A motion's joints, metres, [T, J, 3], NaN where missing or less certain than the threshold.

    What was filled in is there: it was made to be shown.
    """
    if motion.confidence is None:
        return motion.joints
    doubtful = (motion.confidence < threshold) & ~np.isclose(motion.confidence, FILLED)
    return np.where(doubtful[..., None], np.nan, motion.joints)


def smpl24_joints(motion: Motion, threshold: float = 0.3) -> np.ndarray:
    """A motion's joints as SMPL-24, metres, [T, 24, 3], as `confident_joints` has them.

    Raises:
        ValueError: the skeleton is not a human one.
    """
    joints = confident_joints(motion, threshold)
    return joints if motion.skeleton.same_tree(SMPL24) else to_smpl24(joints, motion.skeleton)


def fill_picture(pixels: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Places in pictures that are scaled to fill another size and cropped in the middle, as `CameraPath.resize` does.

    Args:
        pixels: [..., 2].
        old, new: (width, height).
    """
    before, after = np.array(old, dtype=np.float64), np.array(new, dtype=np.float64)
    return (pixels - before / 2) * (after / before).max() + after / 2


def _held(length: int, asked: int | None, frames: int) -> np.ndarray:
    """The frame of the source that each frame of the video shows, [T], as `sample_scene` picks them."""
    last = length if asked is None else min(asked, length)
    return np.arange(frames).clip(max=last - 1)


def _whole_body(found: Keypoints, times: np.ndarray, fps: float, options: SignalOptions) -> np.ndarray:
    """One person's keypoints at moments in seconds as DWPose-134, pixels of their own pictures, [T, 134, 2]."""
    sampled = found.resample(fps, times)
    confidence = np.where(sampled.confidence < options.threshold, 0.0, sampled.confidence)
    return joint_mapping(found.layout, DWPOSE134).apply(sampled.points, confidence)[0]


def _with_fingers(hands: np.ndarray) -> np.ndarray | None:
    """Hands of which more than the wrist is known, [T, P, 2, 21, 2]; None where there are none."""
    known = np.isfinite(hands[..., 1:, :]).any(axis=(-2, -1))
    return np.where(known[..., None, None], hands, np.nan) if known.any() else None


def _agrees(points: np.ndarray, projected: np.ndarray) -> np.ndarray:
    """Whether limbs were detected where they project to, [T, P, K, 2] twice -> bool [T, P]."""
    off = np.linalg.norm(points - projected, axis=-1)
    known = np.isfinite(off)
    low = np.where(known[..., None], projected, np.inf).min(axis=2)
    high = np.where(known[..., None], projected, -np.inf).max(axis=2)
    enough = known.sum(axis=2) >= _FEWEST_LIMBS
    height = np.where(enough, (high - low).max(axis=-1), 0.0)
    middle = np.nanmedian(np.where(enough[..., None], off, 0.0), axis=2)
    return enough & (middle < _AGREES * height)


def _mean(shift: np.ndarray) -> np.ndarray:
    """Mean over what is known, [T, P, K, 2] -> [T, P, 2]; NaN where nothing is."""
    known = np.isfinite(shift).all(axis=-1, keepdims=True)
    count = known.sum(axis=2)
    total = np.where(known, shift, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
