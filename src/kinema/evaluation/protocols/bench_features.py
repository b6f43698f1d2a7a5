"""What is measured of a video of a known setting, so that each measurement answers to its own factor alone.

A measurement is a vector: what the setting says it should be, and by how much the video is off. Pose and background
are compared with the setting as the camera that is found in the video would see it: a video that ignores the camera
has no error of pose or background for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from tqdm import tqdm

from kinema.evaluation.judges.camera import JUDGES, CameraJudge, wide
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.studio import KINDS, Shown, Studio
from kinema.evaluation.metrics.image import cielab
from kinema.evaluation.protocols.bench_difference import people_by_difference
from kinema.evaluation.protocols.bench_palettes import LEAST_PIXELS, palettes
from kinema.evaluation.protocols.staging import Staged
from kinema.scene import Scene
from kinema.scene.camera import invert_rigid
from kinema.stage import shoot

MEASUREMENTS = ("pose", "camera", "identity", "background")
PARTS = {
    "head": (12, 15),
    "trunk": (0, 3, 6, 9, 13, 14),
    "arms": (16, 17, 18, 19),
    "hands": (20, 21, 22, 23),
    "thighs": (1, 2),
    "shins": (4, 5),
    "feet": (7, 8, 10, 11),
}
"""Groups of SMPL-24 segments whose colours make up an identity."""


@dataclass(frozen=True)
class Measured:
    """Measurements of one video: those of MEASUREMENTS, and second opinions named `... by ...`.

    Args:
        wanted: what the setting says, per measurement, [components].
        off: what the video differs by, per measurement, [components]; NaN where nothing could be measured.
        cameras: per camera judge, the path found, [T, 4, 4].
    """

    wanted: dict[str, np.ndarray]
    off: dict[str, np.ndarray]
    cameras: dict[str, np.ndarray]


def measure_all(
    videos: Sequence[np.ndarray],
    films: Sequence[Staged],
    network: KeypointNetworkJudge,
    *,
    judges: Sequence[CameraJudge] = JUDGES,
    description: str = "measuring",
    progress: bool = False,
) -> list[Measured]:
    """`measure` of many videos."""
    pairs = tqdm(
        zip(videos, films, strict=True), total=len(films), desc=description, unit="clip", disable=not progress
    )
    return [measure(video, film, network, judges) for video, film in pairs]


def measure(
    video: np.ndarray,
    film: Staged,
    network: KeypointNetworkJudge,
    judges: Sequence[CameraJudge] = JUDGES,
) -> Measured:
    """Measures a video against its setting.

    Args:
        video: uint8 [T, H, W, 3].
        film: the setting's film.
        network: finds the silhouette.
        judges: of the camera; the first one's path is used for pose and background.
    """
    take, setting = film.take, film.setting
    height, width = video.shape[1:3]
    path = setting.camera.resize(width, height)
    silhouette = network.silhouette(video)
    studio = Studio(setting.world, (width, height))
    people = silhouette | take.person_mask
    cameras = {
        judge.name: judge.watch(video, people, studio, path.intrinsics, path.c2w[0]) for judge in judges
    }
    found = next(iter(cameras.values()))
    wanted = {"camera": camera_turns(path.c2w)}
    off = {"camera": camera_turns(found) - wanted["camera"]}
    for judge in judges[1:]:
        wanted[f"camera by {judge.name}"] = wanted["camera"]
        off[f"camera by {judge.name}"] = camera_turns(cameras[judge.name]) - wanted["camera"]
    due = shoot(
        Scene((setting.motion,), replace(path, c2w=found), path.fps),
        [setting.actor],
        setting.world,
        shadows=False,
    )
    wanted["pose"] = spread_out(take.person_mask)
    off["pose"] = spread_out(silhouette) - spread_out(due.person_mask)
    different = people_by_difference(video, studio, found, path.intrinsics)
    wanted["pose by difference"] = wanted["pose"]
    off["pose by difference"] = spread_out(different) - spread_out(due.person_mask)
    body = silhouette & take.person_mask
    wanted["identity"], off["identity"] = _colours(
        video, take.rgb, [body & np.isin(take.part_ids, np.array(parts) + 1) for parts in PARTS.values()]
    )
    free = ~wide(people)
    known = studio.shown_to(path.c2w[0], path.intrinsics[0], ~free[0])
    studio_there, surfaces = _surfaces(studio, known, found, path.intrinsics)
    _, off["background"] = _colours(video, studio_there, [mask & free for mask in surfaces])
    wanted["background"] = _means(*_surfaces(studio, known, path.c2w, path.intrinsics))
    shown_colours, true_colours = palettes(video, different), palettes(take.rgb, take.person_mask)
    wanted |= true_colours
    off |= {name: shown_colours[name] - colours for name, colours in true_colours.items()}
    return Measured(wanted, off, cameras)


def _surfaces(
    studio: Studio, known: Shown, poses: np.ndarray, lenses: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The studio from poses, uint8 [T, H, W, 3], and masks of floor, backdrop and the things that the first picture
    shows, bool [T, H, W] each."""
    views = [studio.view(pose, lens) for pose, lens in zip(poses, lenses, strict=True)]
    strange = np.stack(
        [
            studio.strange(view, pose, lens, known)
            for view, pose, lens in zip(views, poses, lenses, strict=True)
        ]
    )
    kinds = np.stack([view.kind for view in views])
    masks = [(kinds == kind) & ~strange for kind in range(len(KINDS))]
    return np.stack([view.rgb for view in views]), masks


def camera_turns(c2w: np.ndarray) -> np.ndarray:
    """Rotation vectors of the poses [T, 4, 4] after the first, seen from it, degrees, [3 (T - 1)]."""
    relative = invert_rigid(c2w[:1]) @ c2w[1:]
    return np.degrees(np.concatenate([cv2.Rodrigues(pose[:3, :3])[0][:, 0] for pose in relative]))


def spread_out(silhouette: np.ndarray) -> np.ndarray:
    """How a person's pixels lie about their middle, without place and size: the share of them in each cell of a grid
    of 8 by 6, a step of which is 0.6 times their root mean square distance from the middle; in percent.

    Args:
        silhouette: bool [T, H, W].

    Returns:
        [48 T]; NaN where less than LEAST_PIXELS are seen.
    """
    shares = np.full((len(silhouette), 48), np.nan)
    rows, columns = 0.6 * (np.arange(9) - 4), 0.6 * (np.arange(7) - 3)
    for frame, mask in enumerate(silhouette):
        points = np.argwhere(mask).astype(float)
        if len(points) < LEAST_PIXELS:
            continue
        points -= points.mean(0)
        points /= np.sqrt(np.square(points).sum(1).mean())
        points = np.clip(points, [rows[0], columns[0]], [rows[-1], columns[-1]])
        shares[frame] = (
            100
            * np.histogram2d(points[:, 0], points[:, 1], bins=[rows, columns])[0].reshape(-1)
            / len(points)
        )
    return shares.reshape(-1)


def changes(before: Measured, after: Measured, measurement: str, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """(measured, intended) change between two videos, [components] each.

    The intended change counts only where the edit was one of that measurement's own factor: elsewhere nothing should
    change but what follows from seeing the same from another side, and the measurement is off by as much as before.
    """
    intended = after.wanted[measurement] - before.wanted[measurement]
    drift = after.off[measurement] - before.off[measurement]
    return (intended + drift if own else drift), intended


def _colours(
    video: np.ndarray, truth: np.ndarray, masks: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean Lab colours of the truth inside masks, and by how much the video's differ, [3 len(masks)] each."""
    wanted = _means(truth, masks)
    return wanted, _means(video, masks) - wanted


def _means(video: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    colours = cielab(video)
    return np.concatenate(
        [colours[mask].mean(0) if mask.sum() >= LEAST_PIXELS else np.full(3, np.nan) for mask in masks]
    )
