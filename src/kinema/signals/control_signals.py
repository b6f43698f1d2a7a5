"""Control signals: a scene as the tensors that adapters read, all derived from the same 3D scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from kinema.scene import Motion, Scene
from kinema.scene.mappings import smpl24_to_openpose18, to_smpl24
from kinema.scene.sampling import sample_scene
from kinema.scene.skeleton import SMPL24
from kinema.signals.person_mask import person_height_pixels, person_mask
from kinema.signals.ray_map import ray_map
from kinema.signals.skeleton_map import skeleton_map

_SHAPES = {
    "rays": ("B", "T", 6, "H", "W"),
    "skeletons": ("B", "T", 3, "H", "W"),
    "person_mask": ("B", "T", "H", "W"),
    "joints": ("B", "P", "T", 24, 3),
    "cameras": ("B", "T", 4, 4),
    "intrinsics": ("B", "T", 4),
}


@dataclass(frozen=True, eq=False)
class ControlSignals:
    """What adapters read. A signal that is None is absent, which is not the same as a blank picture.

    Args:
        rays: Plücker rays, moment first, relative to the first frame, [B, T, 6, H, W].
        skeletons: skeleton maps, RGB in 0 to 1, [B, T, 3, H, W].
        person_mask: where people are, bool [B, T, H, W].
        joints: SMPL-24 joints in the world, metres, NaN where missing, [B, P, T, 24, 3].
        cameras: camera-to-world poses, OpenCV axes, [B, T, 4, 4]; with them `joints` can be seen from the camera.
        intrinsics: fx, fy, cx, cy of the cameras in pixels, [B, T, 4].

    Raises:
        ValueError: a shape that is none of these, or signals that disagree on B, T, H or W.
    """

    rays: torch.Tensor | None = None
    skeletons: torch.Tensor | None = None
    person_mask: torch.Tensor | None = None
    joints: torch.Tensor | None = None
    cameras: torch.Tensor | None = None
    intrinsics: torch.Tensor | None = None

    def __post_init__(self) -> None:
        known: dict[str, tuple[int, str]] = {}
        for name, tensor in self._present_items():
            wanted = _SHAPES[name]
            shape = tuple(tensor.shape)
            if len(shape) != len(wanted) or any(
                isinstance(want, int) and want != have for want, have in zip(wanted, shape, strict=True)
            ):
                raise ValueError(f"{name} must have the shape {list(wanted)}, got {list(shape)}")
            for want, have in zip(wanted, shape, strict=True):
                if isinstance(want, str) and known.setdefault(want, (have, name))[0] != have:
                    first, other = known[want]
                    raise ValueError(f"{name} has {want} = {have}, but {other} has {want} = {first}")

    @property
    def present(self) -> frozenset[str]:
        """Names of the signals that are there."""
        return frozenset(name for name, _ in self._present_items())

    @classmethod
    def stack(cls, signals: Sequence[ControlSignals]) -> ControlSignals:
        """One batch from several; people are padded with NaN joints to the largest number.

        Raises:
            ValueError: none given, or they hold different signals (train with `present` per sample instead).
        """
        if not signals:
            raise ValueError("nothing to stack")
        present = signals[0].present
        for index, other in enumerate(signals):
            if other.present != present:
                raise ValueError(
                    f"sample {index} has {sorted(other.present)}, sample 0 has {sorted(present)}: "
                    "a batch holds the same signals for all"
                )
        tensors = {name: [getattr(one, name) for one in signals] for name in present}
        if "joints" in tensors:
            people = max(joints.shape[1] for joints in tensors["joints"])
            tensors["joints"] = [_pad_people(joints, people) for joints in tensors["joints"]]
        return cls(**{name: torch.cat(parts) for name, parts in tensors.items()})

    def drop(self, name: str) -> ControlSignals:
        """Without one signal; dropping what is not there changes nothing.

        Raises:
            ValueError: there is no signal of that name.
        """
        if name not in _SHAPES:
            raise ValueError(f"no signal {name!r}: there are {', '.join(_SHAPES)}")
        return replace(self, **{name: None})

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ControlSignals:
        """On another device; `dtype` is for the pictures: the mask stays bool, joints, cameras and places stay exact."""
        kept = {"person_mask", "joints", "cameras", "intrinsics"}
        return self._map(lambda name, tensor: tensor.to(device=device, dtype=None if name in kept else dtype))

    def window(self, start: int, frames: int, reference: torch.Tensor | None = None) -> ControlSignals:
        """`frames` frames from frame `start` on.

        Args:
            start: first frame.
            frames: how many.
            reference: pose (camera-to-world, in the frame of the present first camera) of the window's first
                camera, [4, 4] or [B, 4, 4]: `camera.relative().c2w[start]`. With it the rays are expressed in
                the window's own first camera; without it they stay relative to the old first frame.

        Raises:
            ValueError: the window does not lie inside.
        """
        for name, tensor in self._present_items():
            length = tensor.shape[_SHAPES[name].index("T")]
            if not 0 <= start < start + frames <= length:
                raise ValueError(
                    f"frames {start} to {start + frames} do not lie within the {length} of {name}"
                )
        cut = self._map(lambda name, tensor: tensor.narrow(_SHAPES[name].index("T"), start, frames))
        if reference is None or cut.rays is None:
            return cut
        return replace(cut, rays=rereference_rays(cut.rays, reference))

    def _present_items(self) -> list[tuple[str, torch.Tensor]]:
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, tensor) for name, tensor in pairs if tensor is not None]

    def _map(self, change: Callable[[str, torch.Tensor], torch.Tensor]) -> ControlSignals:
        return ControlSignals(**{name: change(name, tensor) for name, tensor in self._present_items()})


def control_signals(
    scene: Scene,
    *,
    size: tuple[int, int],
    frames: int | None = None,
    fps: float | None = None,
    style: str = "dwpose",
    scale: str = "metric",
    supersample: int | None = None,
    threshold: float = 0.3,
) -> ControlSignals:
    """All signals of one scene, B = 1.

    The scene is resampled by time to `fps`, its camera resized to `size` (crop to fill), cut or held to
    `frames` frames and padded to the next 4k + 1 by repeating the last one. Without people there are only
    rays and cameras.

    Args:
        scene: people in any skeleton that maps to SMPL-24, and a camera.
        size: (width, height) in pixels.
        frames: of the video. None: as many as the scene has.
        fps: of the video. None: the scene's.
        style: of the skeleton maps, see `skeleton_map`.
        scale: of the rays' translations, see `ray_map`.
        supersample: anti-aliasing of the skeleton maps. None: 4 below a height of 256 pixels (ours: hard
            edges of one-pixel limbs jump), else 1 as public code draws.
        threshold: joints of a lower confidence count as missing.

    Raises:
        ValueError: the scene has no camera, or somebody's skeleton is not a human one.
    """
    people, camera = sample_scene(scene, size=size, frames=frames, fps=fps, pad=True)
    rays = torch.from_numpy(ray_map(camera, scale=scale))[None]
    cameras = torch.from_numpy(camera.c2w.astype(np.float32))[None]
    intrinsics = torch.from_numpy(camera.intrinsics.astype(np.float32))[None]
    joints = None
    if people:
        joints = np.stack([smpl24_joints(person, threshold) for person in people], axis=1)  # [T, P, 24, 3]
    if joints is None:
        return ControlSignals(rays=rays, cameras=cameras, intrinsics=intrinsics)

    keypoints, depth = camera.project(smpl24_to_openpose18(joints))
    maps = skeleton_map(
        keypoints,
        None,
        camera.size,
        style=style,
        depth=depth,
        supersample=supersample or (4 if camera.size[1] < 256 else 1),
    )
    pixels, joint_depth = camera.project(joints)
    heights = [
        person_height_pixels(joints[:, p], camera.intrinsics[:, 1], joint_depth[:, p])
        for p in range(len(people))
    ]
    mask = person_mask(pixels, camera.size, person_height=np.stack(heights, axis=1))
    return ControlSignals(
        rays=rays,
        skeletons=torch.from_numpy(maps).permute(0, 3, 1, 2)[None].float().div_(255),
        person_mask=torch.from_numpy(mask)[None],
        joints=torch.from_numpy(joints.astype(np.float32)).permute(1, 0, 2, 3)[None].contiguous(),
        cameras=cameras,
        intrinsics=intrinsics,
    )


def smpl24_joints(motion: Motion, threshold: float = 0.3) -> np.ndarray:
    """A motion's joints as SMPL-24, metres, [T, 24, 3], NaN where missing or less certain than the threshold.

    Raises:
        ValueError: the skeleton is not a human one.
    """
    joints = motion.joints
    if motion.confidence is not None:
        joints = np.where((motion.confidence < threshold)[..., None], np.nan, joints)
    return joints if motion.skeleton.same_tree(SMPL24) else to_smpl24(joints, motion.skeleton)


def rereference_rays(rays: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Rays (moment first) expressed in another camera: d' = Rᵀ d, m' = Rᵀ (m − t × d).

    Args:
        rays: [B, T, 6, H, W].
        reference: that camera's pose [R | t] in the present frame of the rays, [4, 4] or [B, 4, 4].
    """
    pose = torch.as_tensor(reference).to(rays)
    pose = pose.expand(rays.shape[0], 4, 4)
    rotation, position = pose[:, :3, :3], pose[:, :3, 3]
    moment, direction = rays[:, :, :3], rays[:, :, 3:]
    shift = position[:, None, :, None, None].expand_as(direction)
    moment = moment - torch.linalg.cross(shift, direction, dim=2)
    return torch.cat(
        [torch.einsum("bji,btjhw->btihw", rotation, part) for part in (moment, direction)], dim=2
    )


def _pad_people(joints: torch.Tensor, people: int) -> torch.Tensor:
    missing = people - joints.shape[1]
    nobody = joints.new_full((joints.shape[0], missing, *joints.shape[2:]), torch.nan)
    return torch.cat([joints, nobody], dim=1)
