"""One person's motion: joint positions over time, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.scene import body_frame, timing
from kinema.scene import quaternions as quat
from kinema.scene.blending import blend_joints, smoothstep
from kinema.scene.checks import check_confidence, check_fps, check_missing, floats, read_only, unit
from kinema.scene.mappings import restore_cmu_branches, smpl24_mapping
from kinema.scene.retarget import retarget_joints
from kinema.scene.rotations import (
    fit_skeleton,
    joints_from_bones,
    joints_from_rotations,
    local_bones,
    rotations_from_joints,
)
from kinema.scene.skeleton import SMPL24, Skeleton

FILLED = 0.25
"""Confidence of joints made up by `Motion.fill_missing` (ours)."""


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of one person (or animal). Methods return new motions; arrays are read-only float64.

    Args:
        joints: joint positions in the world, metres, Y up, [T, J, 3]; NaN where missing (all three numbers).
        fps: frames per second.
        skeleton: the joint tree, J joints.
        rotations: local rotation of each joint relative to its parent, quaternions wxyz, [T, J, 4]; all
            identity is the skeleton's rest pose; NaN where unknown.
        confidence: 0 (missing) to 1, [T, J].

    Raises:
        ValueError: a shape does not fit the skeleton, fps is not positive, a position is infinite or partly
            NaN, a quaternion is not of unit length, or a confidence lies outside 0 to 1.

    Example:
        >>> motion = kinema.read_motion("examples/walk_and_wave.bvh")
        >>> motion.crop(0, 1).resample(12).mirror().joints.shape
        (13, 24, 3)
    """

    joints: np.ndarray
    fps: float
    skeleton: Skeleton
    rotations: np.ndarray | None = None
    confidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.skeleton, Skeleton):
            raise ValueError(f"skeleton is a {type(self.skeleton).__name__}; give a Skeleton, e.g. SMPL24")
        object.__setattr__(self, "fps", check_fps(self.fps))
        joints = floats(self.joints, "joints", (None, len(self.skeleton), 3))
        check_missing(joints, "joints", self.skeleton)
        object.__setattr__(self, "joints", read_only(joints))
        if self.rotations is not None:
            rotations = floats(self.rotations, "rotations", (len(joints), len(self.skeleton), 4))
            check_missing(rotations, "rotations", self.skeleton)
            object.__setattr__(self, "rotations", read_only(unit(rotations, self.skeleton)))
        if self.confidence is not None:
            confidence = floats(self.confidence, "confidence", (len(joints), len(self.skeleton)))
            check_confidence(confidence, self.skeleton)
            object.__setattr__(self, "confidence", read_only(confidence))

    @classmethod
    def from_rotations(
        cls,
        rotations: np.ndarray,
        root_position: np.ndarray,
        fps: float,
        skeleton: Skeleton,
        confidence: np.ndarray | None = None,
    ) -> Motion:
        """A motion by forward kinematics.

        Args:
            rotations: local, quaternions wxyz, [T, J, 4].
            root_position: metres, [T, 3].
            fps: frames per second.
            skeleton: the body.
            confidence: [T, J].
        """
        joints = joints_from_rotations(rotations, skeleton, root_position)
        return cls(joints, fps, skeleton, rotations, confidence)

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.joints)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame, (T - 1) / fps."""
        return (self.frames - 1) / self.fps

    @property
    def times(self) -> np.ndarray:
        """Time of each frame, seconds, [T]."""
        return np.arange(self.frames) / self.fps

    @property
    def missing(self) -> np.ndarray:
        """Where a joint is missing (NaN, or confidence 0), [T, J] bool."""
        missing = np.isnan(self.joints[..., 0])
        return missing if self.confidence is None else missing | (self.confidence == 0)

    # Time

    def resample(self, fps: float, times: np.ndarray | Sequence[float] | None = None) -> Motion:
        """The motion at other moments: positions by cubic Hermite curves, rotations by slerp.

        With rotations, joints are placed by them, so that a rigid body stays rigid. A moment beside a missing
        frame is missing; nothing is filled in. Steady movement keeps its speed.

        Args:
            fps: frame rate of the result.
            times: seconds in this motion, [N]; by default 0, 1/fps, ... as far as it lasts.

        Raises:
            ValueError: fps is not positive, or a moment lies outside the motion.
        """
        fps = check_fps(fps)
        if times is None:
            times = timing.frame_times(self.duration, fps)
        at = timing.frame_positions(np.asarray(times, dtype=np.float64), self.fps, self.frames)
        joints = timing.sample_positions(self.joints, self.missing, at)
        rotations, confidence = self.rotations, self.confidence
        if rotations is not None:
            bones = local_bones(
                np.where(self.missing[..., None], np.nan, self.joints), rotations, self.skeleton
            )
            bones = timing.sample_linearly(bones, at)
            rotations = timing.sample_rotations(rotations, at)
            placed = joints_from_bones(bones, rotations, self.skeleton, joints)
            exact = (at == np.round(at))[:, None, None] | np.isnan(joints)
            joints = np.where(exact, joints, placed)
        if confidence is not None:
            confidence = timing.sample_confidence(confidence, self.missing, at)
        return Motion(joints, fps, self.skeleton, rotations, confidence)

    def crop(self, start_s: float, end_s: float | None = None) -> Motion:
        """The part from start_s to end_s (both included, seconds; to the end by default), starting at 0.

        Raises:
            ValueError: the part does not lie within the motion.
        """
        end_s = self.duration if end_s is None else end_s
        if not 0 <= start_s <= end_s <= self.duration + 1e-6:
            raise ValueError(
                f"cannot crop from {start_s} s to {end_s} s: the motion lasts from 0 to {self.duration:.3f} s"
            )
        end_s = min(end_s, self.duration)
        return self.resample(self.fps, start_s + timing.frame_times(end_s - start_s, self.fps))

    @staticmethod
    def concatenate(a: Motion, b: Motion, blend_s: float = 0.3, align: bool = True) -> Motion:
        """First a, then b, cross-faded over blend_s seconds; lasts a.duration + b.duration - blend_s.

        The last blend_s of a and the first of b lie over each other. b is resampled to a's frame rate, and
        retargeted if its skeleton has other proportions. Rotations are kept where both have them.

        Args:
            a, b: motions of the same joint tree.
            blend_s: seconds, at most the length of either; 0 cuts, with a's last frame in place of b's first.
            align: turn b about Y and move it along the floor so that root and facing agree in mid-blend.

        Raises:
            ValueError: the trees differ, or the blend is longer than a motion.
        """
        if not a.skeleton.same_tree(b.skeleton):
            raise ValueError(
                f"cannot join a motion of {a.skeleton!r} and one of {b.skeleton!r}; map both to SMPL-24 first"
            )
        if not 0 <= blend_s <= min(a.duration, b.duration) + 1e-6:
            raise ValueError(
                f"a blend of {blend_s} s does not fit motions of {a.duration:.3f} s and {b.duration:.3f} s"
            )
        b = b if b.skeleton == a.skeleton else b.retarget(a.skeleton)
        b = b if b.fps == a.fps else b.resample(a.fps)
        overlap = min(round(blend_s * a.fps) + 1, a.frames, b.frames)
        start, middle = a.frames - overlap, overlap // 2
        if align:
            b = b._moved_onto(a, start + middle, middle)
        weights = smoothstep(overlap)
        joints, rotations = blend_joints(
            np.where(a.missing[start:, :, None], np.nan, a.joints[start:]),
            np.where(b.missing[:overlap, :, None], np.nan, b.joints[:overlap]),
            None if b.rotations is None or a.rotations is None else a.rotations[start:],
            None if b.rotations is None or a.rotations is None else b.rotations[:overlap],
            a.skeleton,
            weights,
        )
        confidence = None
        if a.confidence is not None or b.confidence is not None:
            first, second = a._certainty(), b._certainty()
            mixed = first[start:] + weights[:, None] * (second[:overlap] - first[start:])
            mixed[np.isnan(joints[..., 0])] = 0.0
            confidence = np.concatenate([first[:start], mixed, second[overlap:]])
        return Motion(
            np.concatenate([a.joints[:start], joints, b.joints[overlap:]]),
            a.fps,
            a.skeleton,
            None
            if a.rotations is None or b.rotations is None
            else np.concatenate([a.rotations[:start], rotations, b.rotations[overlap:]]),
            confidence,
        )

    def fill_missing(self, max_gap_s: float = np.inf, confidence: float = FILLED) -> Motion:
        """Missing joints put on the line between the frames around them, marked by a low confidence.

        At the ends the nearest frame is held; a joint that is never seen stays missing. Rotations are filled
        by slerp.

        Args:
            max_gap_s: longer gaps stay, seconds.
            confidence: of what is filled in, above 0 to 1.

        Raises:
            ValueError: the confidence is not above 0 and up to 1, or the gap is negative.
        """
        if not 0 < confidence <= 1 or not max_gap_s >= 0:
            raise ValueError(
                f"confidence {confidence} and max_gap_s {max_gap_s}; give 0 < confidence <= 1, a gap >= 0"
            )
        columns = np.arange(len(self.skeleton))
        fill, low, high, share = timing.gaps(self.missing, max_gap_s * self.fps)
        ends = self.joints[low, columns], self.joints[high, columns]
        line = ends[0] + share[..., None] * (ends[1] - ends[0])
        rotations = self.rotations
        if rotations is not None:
            gap, low, high, share = timing.gaps(np.isnan(rotations[..., 0]), max_gap_s * self.fps)
            turned = quat.slerp(rotations[low, columns], rotations[high, columns], share)
            rotations = np.where(gap[..., None], turned, rotations)
        return Motion(
            np.where(fill[..., None], line, self.joints),
            self.fps,
            self.skeleton,
            rotations,
            np.where(fill, confidence, self._certainty()),
        )

    # Space

    def translate(self, offset: np.ndarray | Sequence[float]) -> Motion:
        """Moved by `offset` metres, [3]."""
        offset = np.asarray(offset, dtype=np.float64)
        if offset.shape != (3,):
            raise ValueError(f"offset has shape {list(offset.shape)}; give x, y, z")
        return replace(self, joints=self.joints + offset)

    def rotate_y(self, degrees: float, about: np.ndarray | Sequence[float] = (0.0, 0.0, 0.0)) -> Motion:
        """Turned about the vertical axis through `about` [3]; +90 degrees turns +Z to +X (to its left)."""
        turn = quat.about_axis(np.array([0.0, 1.0, 0.0]), np.radians(degrees))
        about = np.asarray(about, dtype=np.float64)
        rotations = self.rotations
        if rotations is not None:
            rotations = rotations.copy()
            rotations[:, self.skeleton.root] = quat.multiply(turn, rotations[:, self.skeleton.root])
        return replace(self, joints=quat.rotate(turn, self.joints - about) + about, rotations=rotations)

    def align(self) -> Motion:
        """In the first frame facing +Z with the root at x = z = 0; the floor at y = 0.

        The floor is the 1st percentile over time of the lowest joint, as in our motion library.

        Raises:
            ValueError: the root or the facing of the first frame is missing.
        """
        forward, start = self.facing()[0], self.root_path()[0]
        if np.isnan(forward).any() or np.isnan(start).any():
            raise ValueError(
                "the first frame lacks the root or the sides of the trunk; crop or fill_missing() first"
            )
        lowest = body_frame.lowest(np.where(self.missing[..., None], np.nan, self.joints))
        floor = np.nanpercentile(lowest, 1)
        turned = self.translate([-start[0], -floor, -start[2]])
        return turned.rotate_y(-np.degrees(body_frame.yaw(forward)))

    def mirror(self) -> Motion:
        """Left and right swapped, by reflection in the plane x = 0; twice is the motion itself.

        The skeleton's rest pose is mirrored too, which changes nothing for a symmetric body.

        Raises:
            ValueError: there are rotations, and the tree is not the same on both sides.
        """
        swap, flip = self.skeleton.mirror_index, np.array([-1.0, 1.0, 1.0])
        skeleton = Skeleton(self.skeleton.names, self.skeleton.parents, self.skeleton.rest[swap] * flip)
        rotations = self.rotations
        if rotations is not None:
            parents = np.array(self.skeleton.parents)
            if (np.where(parents < 0, -1, swap[parents])[swap] != parents).any():
                raise ValueError("the joint tree differs between left and right; mirror without rotations")
            rotations = rotations[:, swap] * np.array([1.0, 1.0, -1.0, -1.0])
        return Motion(
            self.joints[:, swap] * flip,
            self.fps,
            self.skeleton if skeleton == self.skeleton else skeleton,
            rotations,
            None if self.confidence is None else self.confidence[:, swap],
        )

    # Body

    def retarget(self, skeleton: Skeleton) -> Motion:
        """Another body doing the same: bone directions kept, its own lengths, feet on the floor y = 0.

        The root path is scaled by the ratio of leg lengths about its start, and the lowest joint of each
        frame is put at the scaled height it had.

        Args:
            skeleton: the same joints and parents, other proportions.

        Raises:
            ValueError: another joint tree.
        """
        if not skeleton.same_tree(self.skeleton):
            raise ValueError(
                f"cannot retarget {self.skeleton!r} to {skeleton!r}: other joints; use to_smpl24() first"
            )
        lengths = self.bone_lengths()
        lengths = np.where(np.isnan(lengths), self.skeleton.bone_lengths, lengths)
        joints = np.where(self.missing[..., None], np.nan, self.joints)
        joints, rotations = retarget_joints(joints, self.rotations, self.skeleton, skeleton, lengths)
        return Motion(joints, self.fps, skeleton, rotations, self.confidence)

    def to_smpl24(self) -> Motion:
        """The motion with SMPL-24 joints, by name; without rotations, as rest poses differ.

        Joints that had to be interpolated or extrapolated carry a confidence below 1 (see `mappings`).

        Raises:
            ValueError: not a human skeleton.
        """
        if self.skeleton.same_tree(SMPL24):
            return self
        source = self
        restored = restore_cmu_branches(self.skeleton)
        if restored != self.skeleton and self.rotations is not None:
            source = Motion.from_rotations(
                self.rotations, self.root_path(), self.fps, restored, self.confidence
            )
        joints, confidence = smpl24_mapping(source.skeleton).apply(source.joints, source.confidence)
        certain = self.confidence is None and bool((confidence == 1).all())
        return Motion(joints, self.fps, SMPL24, confidence=None if certain else confidence)

    def with_rotations(self) -> Motion:
        """The motion with rotations solved from its joints, and a skeleton of its own proportions.

        Twist that positions cannot tell is none (see `rotations_from_joints`).
        """
        joints = np.where(self.missing[..., None], np.nan, self.joints)
        skeleton = fit_skeleton(joints, self.skeleton)
        rotations, _ = rotations_from_joints(joints, skeleton)
        return replace(self, skeleton=skeleton, rotations=rotations)

    def bone_lengths(self) -> np.ndarray:
        """Median distance of each joint to its parent, metres, [J]; 0 for the root, NaN if never seen."""
        parents = np.array(self.skeleton.parents)
        joints = np.where(self.missing[..., None], np.nan, self.joints)
        lengths = np.linalg.norm(joints - joints[:, parents], axis=-1)
        lengths[:, self.skeleton.root] = 0.0
        seen = ~np.isnan(lengths).all(0)
        return np.array([np.nanmedian(lengths[:, j]) if seen[j] else np.nan for j in range(len(parents))])

    # Measures

    def facing(self) -> np.ndarray:
        """The horizontal direction the trunk faces, unit vectors [T, 3]; NaN where its joints are missing."""
        return body_frame.facing(np.where(self.missing[..., None], np.nan, self.joints), self.skeleton)

    def root_path(self) -> np.ndarray:
        """Position of the root joint, metres, [T, 3]; NaN where missing."""
        root = self.skeleton.root
        return np.where(self.missing[:, root, None], np.nan, self.joints[:, root])

    def velocities(self) -> np.ndarray:
        """Joint velocities by central differences (one-sided at the ends), m/s, [T, J, 3]; NaN beside NaN."""
        if self.frames == 1:
            return np.where(np.isnan(self.joints), np.nan, 0.0)
        return np.gradient(np.where(self.missing[..., None], np.nan, self.joints), axis=0) * self.fps

    def foot_contacts(
        self,
        height: float = 0.05,
        speed: float = 0.15,
        joints: Sequence[int | str] | None = None,
    ) -> np.ndarray:
        """Whether each foot stands: nearer than `height` to the floor y = 0 and slower than `speed`.

        Args:
            height: metres.
            speed: m/s.
            joints: joints to judge, by index or name; by default the ends of the legs, in joint order
                (SMPL-24: left foot, right foot).

        Returns:
            [T, number of feet] bool; False where missing.
        """
        if joints is None:
            chosen = list(body_frame.feet(self.skeleton))
        else:
            chosen = [self.skeleton.index(j) if isinstance(j, str) else int(j) for j in joints]
        velocity = np.linalg.norm(self.velocities()[:, chosen], axis=-1)
        with np.errstate(invalid="ignore"):
            return (self.joints[:, chosen, 1] < height) & (velocity < speed)

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from kinema.scene.showing import motion_html

        return motion_html(self)

    def _certainty(self) -> np.ndarray:
        """Confidence, or what the joints say of it: 1, and 0 where missing. [T, J]."""
        return np.where(self.missing, 0.0, 1.0 if self.confidence is None else self.confidence)

    def _moved_onto(self, other: Motion, there: int, here: int) -> Motion:
        """Turned and moved along the floor: frame `here` stands where `other` does in frame `there`."""
        turn = body_frame.yaw(other.facing()[there]) - body_frame.yaw(self.facing()[here])
        target, start = other.root_path()[there], self.root_path()[here]
        if np.isnan(target).any() or np.isnan(start).any():
            raise ValueError(
                "the root is missing where the motions meet; fill_missing() first, or align=False"
            )
        turned = self.rotate_y(0.0 if np.isnan(turn) else np.degrees(turn), about=start)
        return turned.translate((target - start) * [1.0, 0.0, 1.0])
