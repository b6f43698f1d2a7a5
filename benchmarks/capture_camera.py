"""Cameras found from the background of filmed takes, against the cameras that filmed them.

Every move of the camera language is filmed with a person walking in front, in a textured world and in the plain
photo studio, at several frame rates and sizes, with the field of view told and not told. Run:
    python benchmarks/capture_camera.py            (about four minutes; --quick: a fifth of the takes; --large: 3 s each
                                                    at up to 512 px and 60 fps, about fifteen minutes)
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass

import numpy as np

from kinema.capture.camera_watch import CameraWatch
from kinema.capture.observation import CameraSolution
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, random_actor, shoot
from kinema.stage.world import busy_world

MOVES = {
    "static": "static",
    "pan right 30deg": "turning",
    "pan left 60deg ease": "turning",
    "tilt up 15deg": "turning",
    "roll cw 20deg": "turning",
    "zoom in 1.6x": "turning",
    "pan left 20deg with tilt up 8deg": "turning",
    "pan right 25deg then pan left 25deg": "turning",
    "arc left 60deg": "moving",
    "arc right 30deg ease": "moving",
    "dolly in 1m": "moving",
    "truck right 1m": "moving",
    "truck left 0.8m with pan right 15deg": "moving",
    "pedestal up 0.8m": "moving",
    "crane up 1m": "moving",
    "dolly-zoom in 0.8m": "moving",
    "static shaky": "moving",
    "arc right 45deg shaky": "moving",
}
"""Camera texts, and what kind of movement each one is."""

SMALL = (((256, 192), 24.0), ((192, 192), 12.0), ((320, 192), 30.0))
LARGE = (((384, 256), 24.0), ((256, 256), 12.0), ((512, 288), 60.0))
"""(Width, height) in pixels and frames per second, by turns."""


@dataclass(frozen=True, eq=False)
class Film:
    """A take without a picture in memory twice: frames, boxes of the people and the true camera."""

    rgb: np.ndarray
    boxes: list[np.ndarray]
    camera: CameraPath


def walker(frames: int, fps: float, seed: int) -> Motion:
    """A person who walks to and fro across the picture, swinging arms and legs."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames) / fps + rng.uniform(0, 4)
    joints = np.tile(np.array(SMPL24.rest, np.float64), (frames, 1, 1))
    joints[..., 1] -= joints[0, :, 1].min()
    swing = 0.25 * np.sin(2 * np.pi * 0.9 * time_s)[:, None]
    for joint, share in ((4, 0.5), (7, 1.0), (10, 1.0), (18, -0.5), (20, -1.0), (22, -1.1)):
        joints[:, joint, 2] += swing[:, 0] * share
    for joint, share in ((5, -0.5), (8, -1.0), (11, -1.0), (19, 0.5), (21, 1.0), (23, 1.1)):
        joints[:, joint, 2] += swing[:, 0] * share
    joints[..., 0] += 0.5 * np.sin(2 * np.pi * time_s[:, None] / 5.0)
    return Motion(joints=joints, fps=fps, skeleton=SMPL24)


def film(
    text: str, world: str, *, size: tuple[int, int], fps: float, seconds: float, fov: float, seed: int
) -> Film:
    """A walking person, filmed.

    Args:
        text: of the camera.
        world: "textured" or "studio".
        size: (width, height); fov: vertical, degrees.
        seed: of world, actor and shaking hand.
    """
    rng = np.random.default_rng(seed)
    frames = max(2, round(seconds * fps))
    person = walker(frames, fps, seed)
    camera = camera_path(text, size=size, fps=fps, frames=frames, fov=fov, seed=seed, fill=0.6)
    make = busy_world if world == "textured" else photo_studio
    take = shoot(Scene((person,), camera, fps), [random_actor(rng)], make(rng), antialias=2)
    return Film(take.rgb, person_boxes(take.person_mask), camera)


def person_boxes(masks: np.ndarray) -> list[np.ndarray]:
    """One box a frame round what shows a person, [P, 4] each."""
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        boxes.append(
            np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float64)
            if len(rows)
            else np.zeros((0, 4))
        )
    return boxes


def watch(film: Film, fov: float | None) -> tuple[CameraSolution, float]:
    """The solution, and the seconds it took."""
    begin = time.perf_counter()
    watcher = CameraWatch(film.camera.size, film.camera.fps, fov=fov)
    for at in range(0, len(film.rgb), 16):
        watcher.add(film.rgb[at : at + 16], film.boxes[at : at + 16])
    return watcher.solve(), time.perf_counter() - begin


def rotation_errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Degrees between camera rotations relative to the first frame, [T]."""
    a, b = (poses[0, :3, :3].T @ poses[:, :3, :3] for poses in (found, true))
    between = np.swapaxes(a, 1, 2) @ b
    skew = np.stack([between[:, i, j] - between[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], -1)
    return np.degrees(np.arctan2(np.linalg.norm(skew, axis=-1), np.trace(between, axis1=1, axis2=2) - 1))


def direction_error(found: np.ndarray, true: np.ndarray) -> float | None:
    """Mean degrees between the ways from the first camera to the later ones; None where nothing moves 10 cm."""
    a, b = ((p[:, :3, 3] - p[0, :3, 3]) @ p[0, :3, :3] for p in (found, true))
    far = np.linalg.norm(b, axis=1) > max(0.1, 0.25 * np.linalg.norm(b, axis=1).max())
    if not far.any():
        return None
    lengths = np.linalg.norm(a[far], axis=1) * np.linalg.norm(b[far], axis=1)
    cosine = (a[far] * b[far]).sum(1) / np.maximum(lengths, 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def processor_seconds() -> float:
    """Of this process and of those it started, so that other programs on the machine do not count."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def summary(rows: list[dict]) -> dict[str, float]:
    """Rotation and direction errors and the share of right kinds of some takes."""
    ways = [
        row["direction_deg"] for row in rows if row["direction_deg"] is not None and row["kind"] == "moving"
    ]
    return {
        "takes": len(rows),
        "rotation_mean_deg": round(float(np.mean([row["mean_deg"] for row in rows])), 3),
        "rotation_median_deg": round(float(np.median([row["mean_deg"] for row in rows])), 3),
        "rotation_max_deg": round(float(np.max([row["max_deg"] for row in rows])), 3),
        "within_2_deg": round(float(np.mean([row["mean_deg"] <= 2 for row in rows])), 3),
        "direction_median_deg": round(float(np.median(ways)), 2) if ways else float("nan"),
        "kind_right": round(float(np.mean([row["kind"] == row["true"] for row in rows])), 3),
        "processor_s_per_film_s": round(float(np.mean([row["cpu_s"] / row["seconds"] for row in rows])), 3),
    }


def main() -> None:
    """Films, watches, prints a line a take, and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the takes")
    parser.add_argument("--large", action="store_true", help="longer and larger takes")
    asked = parser.parse_args()
    rows = []
    settings, seconds = (LARGE, 3.0) if asked.large else (SMALL, 2.0)
    for world in ("textured", "studio"):
        for number, (text, kind) in enumerate(MOVES.items()):
            if asked.quick and number % 5:
                continue
            size, fps = settings[number % len(settings)]
            taken = film(text, world, size=size, fps=fps, seconds=seconds, fov=42.0, seed=number + 3)
            for fov in (42.0, None):
                begin = processor_seconds()
                solution, _ = watch(taken, fov)
                error = rotation_errors(solution.c2w, taken.camera.c2w)
                rows.append({
                    "world": world, "text": text, "told": fov is not None, "true": kind, "kind": solution.kind,
                    "mean_deg": round(float(error.mean()), 3), "max_deg": round(float(error.max()), 3),
                    "direction_deg": direction_error(solution.c2w, taken.camera.c2w),
                    "cpu_s": round(processor_seconds() - begin, 2), "seconds": seconds,
                })  # fmt: skip
                print(json.dumps(rows[-1]), flush=True)
    result: dict = {}
    for world in ("textured", "studio"):
        for told in (True, False):
            chosen = [row for row in rows if row["world"] == world and row["told"] == told]
            result[f"{world}_{'told' if told else 'free'}"] = summary(chosen)
    result["kinds"] = {
        f"{true} seen as {kind}": sum(row["true"] == true and row["kind"] == kind for row in rows)
        for true in ("static", "turning", "moving")
        for kind in ("static", "turning", "moving", "unknown")
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
