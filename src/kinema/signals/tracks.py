"""Exact point tracks: points fixed on the limbs of a scene's people, followed through the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinema.scene import Scene
from kinema.scene.sampling import sample_scene
from kinema.scene.skeleton import SMPL24
from kinema.signals.frames import SceneFrames
from kinema.signals.signal import Signal, register

if TYPE_CHECKING:
    import torch


@register
class JointTracks(Signal):
    """Where every joint but the pelvis is: x, y in pixels and depth in metres, NaN where missing, float32."""

    name = "tracks"
    shape = ("B", "P", "T", len(SMPL24.bones), 3)
    exact = True

    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        if frames.joint_pixels is None:
            return None
        import torch

        ends = [child for _, child in SMPL24.bones]
        pixels, depth = frames.joint_pixels
        points = np.concatenate([pixels, depth[..., None]], axis=-1)[:, :, ends]
        return torch.from_numpy(points.astype(np.float32)).permute(1, 0, 2, 3)[None].contiguous()


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where N points per person are, frame by frame.

    Args:
        pixels: x, y (pixel centres at +0.5), NaN where there is no such point, float32 [P, T, N, 2].
        depth: metres along the camera's axis, float32 [P, T, N].
        visible: in the picture, in front of the camera and, where depth maps were given, not hidden, bool
            [P, T, N].
    """

    pixels: np.ndarray
    depth: np.ndarray
    visible: np.ndarray


def joint_tracks(
    scene: Scene,
    *,
    per_bone: int = 1,
    depth_maps: np.ndarray | None = None,
    tolerance: float = 0.15,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
) -> Tracks:
    """Tracks of points spread evenly along every bone, each bone's own joint included.

    Args:
        scene: people and a camera.
        per_bone: points per bone; N = per_bone (J - 1), bone by bone in the order of `Skeleton.bones`.
            People with fewer bones than others are padded with NaN.
        depth_maps: what the camera sees, metres, [T, H, W], inf where nothing is. Without them only the
            picture's edge and the camera's plane hide points.
        tolerance: how far inside the surface the bones lie, metres.
        size, frames, fps: the video's; see `sample_scene`.

    Raises:
        ValueError: no camera, nobody there, or depth maps of another shape.
    """
    if not scene.people:
        raise ValueError("tracks need at least one person in the scene")
    people, camera = sample_scene(scene, size=size, frames=frames, fps=fps)
    each = [bone_points(person.joints, person.skeleton.bones, per_bone=per_bone) for person in people]
    count = max(points.shape[1] for points in each)
    points = np.stack(
        [np.pad(p, ((0, 0), (0, count - p.shape[1]), (0, 0)), constant_values=np.nan) for p in each], axis=1
    )
    pixels, depth = camera.project(points)
    visible = camera.visible(points, depth_maps, tolerance=tolerance)
    return Tracks(
        pixels.swapaxes(0, 1).astype(np.float32),
        depth.swapaxes(0, 1).astype(np.float32),
        visible.swapaxes(0, 1),
    )


def bone_points(joints: np.ndarray, bones: tuple[tuple[int, int], ...], *, per_bone: int) -> np.ndarray:
    """Points at 1/n, 2/n, ..., n/n of every bone, [T, n len(bones), 3].

    Args:
        joints: [T, J, 3].
        bones: (parent, child) of each bone.
        per_bone: n.
    """
    if per_bone < 1:
        raise ValueError(f"per_bone must be at least 1, got {per_bone}")
    ends = np.array(bones, int).reshape(-1, 2)
    start, stop = joints[:, ends[:, 0], None], joints[:, ends[:, 1], None]
    along = (np.arange(1, per_bone + 1) / per_bone)[:, None]
    return (start + along * (stop - start)).reshape(len(joints), -1, 3)
