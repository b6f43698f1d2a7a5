"""Made-up HumanVid and RealEstate10K in the true folder layouts: rooms of noise, seen by cameras that turn.

HumanVid: `videos/NAME.mp4`, `cameras/NAME.txt` of the same name (camera-to-world here), and `scenes/NAME.npz` where
people were captured. RealEstate10K as CameraCtrl has it: `annotations/train.json`, `video_clips/`, `pose_files/`.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from kinema.media.video import write_video
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import invert_rigid
from kinema.scene.formats import realestate10k
from kinema.scene.skeleton import SMPL24

FPS = 12.0


def turning(frames: int, size: tuple[int, int], degrees: float = 20.0, tilt: float = 6.0) -> CameraPath:
    """A camera that turns to the right and a little down, and goes to the right, camera-to-world."""
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    share = np.linspace(0, 1, frames)
    angles = np.c_[-tilt * share, degrees * share]
    c2w[:, :3, :3] = Rotation.from_euler("xy", angles, degrees=True).as_matrix()
    c2w[:, :3, 3] = np.c_[0.6 * share, np.zeros((frames, 2))]
    lens = (0.9 * max(size), 0.9 * max(size), size[0] / 2, size[1] / 2)
    return CameraPath(c2w, np.tile(lens, (frames, 1)), size, FPS)


ROOM = np.array([3.0, 2.0, 6.0])  # half its sides, metres; the first camera stands in its middle


def room(camera: CameraPath, seed: int) -> np.ndarray:
    """What the camera sees inside a box papered with noise, uint8 [T, H, W, 3]."""
    paper = np.random.default_rng(seed).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    paper = cv2.resize(paper, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    width, height = camera.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    frames = []
    for pose, (fx, fy, cx, cy) in zip(camera.c2w, camera.intrinsics, strict=True):
        rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1) @ pose[:3, :3].T
        reach = (np.where(rays > 0, ROOM, -ROOM) - pose[:3, 3]) / np.where(rays == 0, 1e-9, rays)
        wall = reach.argmin(-1)
        hit = pose[:3, 3] + rays * reach.min(-1)[..., None]
        across = np.where(wall == 0, hit[..., 2], hit[..., 0]) * 100 + 700 * wall
        down = np.where(wall == 1, hit[..., 2], hit[..., 1]) * 100
        at = np.float32(across % 1023), np.float32(down % 1023)
        frames.append(cv2.remap(paper, *at, cv2.INTER_LINEAR))
    return np.stack(frames)


def walker(camera: CameraPath) -> Scene:
    """Somebody in the rest pose gliding before the camera."""
    joints = np.repeat(SMPL24.rest[None], camera.frames, axis=0)
    joints = joints * np.array([1.0, -1.0, -1.0]) + np.array([0.0, 0.8, 4.0])
    joints[:, :, 0] += np.linspace(0, 0.3, camera.frames)[:, None]
    return Scene((Motion(joints, FPS, SMPL24),), camera, FPS)


def humanvid(
    folder: Path,
    names: tuple[str, ...] = ("a", "b"),
    *,
    frames: int = 15,
    size: tuple[int, int] = (48, 64),
    degrees: float = 20.0,
) -> Path:
    """A HumanVid of that many videos whose cameras turn by so many degrees, with the scenes of captured people."""
    for place in ("videos", "cameras", "scenes"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        camera = turning(frames, size, degrees, degrees / 3)
        write_video(folder / "videos" / f"{name}.mp4", room(camera, number), FPS)
        (folder / "videos" / f"{name}.txt").write_text("a person walks")
        (folder / "cameras" / f"{name}.txt").write_text(camera_lines(camera))
        walker(camera).save(folder / "scenes" / f"{name}.npz")
    return folder


def camera_lines(camera: CameraPath) -> str:
    """HumanVid's lines of a camera: frame, camera-to-world translation and quaternion xyzw, focal over sides, scale."""
    fx, fy = camera.intrinsics[0, :2] / np.array(camera.size)
    lines = []
    for frame, pose in enumerate(camera.c2w):
        xyzw = Rotation.from_matrix(pose[:3, :3]).as_quat()
        lines.append(" ".join(f"{value:.9f}" for value in [frame, *pose[:3, 3], *xyzw, fx, fy, 1.0]))
    return "\n".join(lines)


def re10k(
    folder: Path,
    names: tuple[str, ...] = ("c", "d"),
    *,
    frames: int = 15,
    size: tuple[int, int] = (64, 48),
    inverted: bool = False,
) -> Path:
    """A RealEstate10K of that many clips; `inverted` writes camera-to-world where its files have world-to-camera."""
    for place in ("video_clips", "pose_files", "annotations"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    entries = []
    for number, name in enumerate(names):
        camera = turning(frames, size, -20.0)
        write_video(folder / "video_clips" / f"{name}.mp4", room(camera, 10 + number), FPS)
        if inverted:
            camera = CameraPath(invert_rigid(camera.c2w), camera.intrinsics, size, FPS)
        realestate10k.write(folder / "pose_files" / f"{name}.txt", camera, url=f"https://example.org/{name}")
        entries.append(
            {
                "clip_name": name,
                "clip_path": f"video_clips/{name}.mp4",
                "pose_file": f"pose_files/{name}.txt",
                "caption": "a person",
            }
        )
    (folder / "annotations" / "train.json").write_text(json.dumps(entries))
    return folder


def data_file(folder: Path, **changes: str) -> Path:
    """A data.toml of both, one folder beside the other, HumanVid three times as often; `changes` replace lines."""
    lines = {
        "hv_convention": 'convention = "c2w"',
        "hv_weight": "weight = 3.0",
        "re_scale": 'scale = "unit"',
        **changes,
    }
    path = folder / "data.toml"
    path.write_text(
        f"""
[[set]]
kind = "humanvid"
name = "people"
videos = "HumanVid/videos"
cameras = "HumanVid/cameras"
scenes = "HumanVid/scenes"
{lines["hv_convention"]}
{lines["hv_weight"]}

[[set]]
kind = "realestate10k"
name = "rooms"
videos = "RealEstate10K/annotations/train.json"
root = "RealEstate10K"
{lines["re_scale"]}
"""
    )
    return path
