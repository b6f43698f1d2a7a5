"""A take: pictures with everything that is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kinema.scene.scene import Scene


@dataclass(frozen=True)
class Surfaces:
    """What flow and tracks are computed from: the triangle under each pixel and where its corners are.

    Args:
        ids: triangle at each pixel centre or -1, int32 [T, H, W].
        vertices: world positions, float32 [T, V, 3].
        triangles: int32 [F, 3].
        c2w: [T, 4, 4]; lens: fx, fy, cx, cy of the filmed size, [T, 4].
    """

    ids: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    c2w: np.ndarray
    lens: np.ndarray


@dataclass(frozen=True)
class Take:
    """A filmed scene with exact ground truth. T frames of H x W pixels, P people.

    Args:
        rgb: uint8 [T, H, W, 3].
        depth: metres along the optical axis of people and props, inf elsewhere, float32 [T, H, W].
        part_ids: 0 no person, j + 1 the segment of SMPL joint j, uint8 [T, H, W].
        person_ids: 0 nobody, p + 1 person p, uint8 [T, H, W].
        keypoints: SMPL-24 joints in pixels, float32 [P, T, 24, 2].
        keypoint_depth: metres along the optical axis, float32 [P, T, 24].
        visibility: whether a joint is seen, see `shoot`, bool [P, T, 24].
        scene: the scene as filmed, all people and the camera at one frame rate and T frames.
        surfaces: what `flow` and `tracks` are computed from.
    """

    rgb: np.ndarray
    depth: np.ndarray
    part_ids: np.ndarray
    person_ids: np.ndarray
    keypoints: np.ndarray
    keypoint_depth: np.ndarray
    visibility: np.ndarray
    scene: Scene
    surfaces: Surfaces = field(repr=False)

    @property
    def person_mask(self) -> np.ndarray:
        """Pixels that show a person, bool [T, H, W]."""
        return self.person_ids > 0

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rgb)
