"""Skeleton and ray maps against plain loops, one limb, person and frame at a time, as public code draws them.

Both sides run on one thread, in turns, on the same input, and must draw the same pictures. What counts is the
process's own time (page faults included), so that other programs on the machine do not. Run:
    python benchmarks/control_maps.py
The last line is JSON; the gates are skeleton_speedup >= 10 and rays_speedup >= 3.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import cv2
import numpy as np

from kinema.scene import CameraPath
from kinema.signals.ray_map import ray_map
from kinema.signals.skeleton_map import COLOURS, LIMBS, skeleton_map

GATES = {"skeleton_speedup": 10.0, "rays_speedup": 3.0}
FRAMES = 49
SIZES = ((768, 512), (384, 256))
# A standing person, OpenPose-18, in units of their height; y down from the middle of the body.
STANDING = np.array([
    (0.0, -0.43), (0.0, -0.31), (-0.11, -0.31), (-0.16, -0.13), (-0.17, 0.03), (0.11, -0.31), (0.16, -0.13),
    (0.17, 0.03), (-0.06, 0.02), (-0.07, 0.25), (-0.08, 0.46), (0.06, 0.02), (0.07, 0.25), (0.08, 0.46),
    (-0.02, -0.45), (0.02, -0.45), (-0.04, -0.44), (0.04, -0.44),
])  # fmt: skip


def walking_people(frames: int, people: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Keypoints of people two thirds of the picture high who swing their limbs, pixels, [T, P, 18, 2]."""
    rng = np.random.default_rng(seed)
    width, height = size
    time_s = np.arange(frames)[:, None, None, None] / 8
    swing = 0.05 * np.sin(2 * np.pi * (time_s + rng.random((1, people, 18, 2))))
    places = np.stack([width * (np.arange(people) + 1) / (people + 1), np.full(people, height / 2)], axis=-1)
    return places[:, None] + (STANDING + swing) * height * 2 / 3


def orbit(frames: int, size: tuple[int, int]) -> CameraPath:
    """A camera that turns about a point 3 m away."""
    angle = np.linspace(0, np.pi / 3, frames)
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    c2w[:, 0, 0], c2w[:, 0, 2] = np.cos(angle), -np.sin(angle)
    c2w[:, 2, 0], c2w[:, 2, 2] = np.sin(angle), np.cos(angle)
    c2w[:, 0, 3], c2w[:, 2, 3] = 3 * np.sin(angle), 3 - 3 * np.cos(angle)
    return CameraPath(c2w, np.array([size[1], size[1], size[0] / 2, size[1] / 2]), size, 8.0)


def plain_skeleton_map(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The skeleton map by OpenCV polygons and circles on whole pixels, [T, H, W, 3]."""
    width, height = size
    radius = max(1, round(4 * height / 512))
    pictures = []
    for frame in keypoints:
        canvas = np.zeros((height, width, 3), np.uint8)
        for limb, (start, stop) in enumerate(LIMBS):
            for person in frame:
                ends = person[[start, stop]]
                if not np.isfinite(ends).all():
                    continue
                x, y = np.mean(ends, axis=0)
                dx, dy = ends[1] - ends[0]
                axes = (int(0.5 * math.hypot(dx, dy)), radius)
                angle = int(math.degrees(math.atan2(dy, dx)))
                polygon = cv2.ellipse2Poly((int(x), int(y)), axes, angle, 0, 360, 1)
                cv2.fillConvexPoly(canvas, polygon, COLOURS[limb])
        canvas = (canvas * 0.6).astype(np.uint8)
        for joint in range(18):
            for person in frame:
                x, y = person[joint]
                if np.isfinite([x, y]).all():
                    cv2.circle(canvas, (int(x), int(y)), radius, COLOURS[joint], thickness=-1)
        pictures.append(canvas)
    return np.stack(pictures)


def plain_ray_map(camera: CameraPath) -> np.ndarray:
    """The ray map with a pixel grid, a matrix product and a cross product per frame, float32 [T, 6, H, W]."""
    width, height = camera.size
    first = np.linalg.inv(camera.c2w[0])
    frames = []
    for pose, (fx, fy, cx, cy) in zip(camera.c2w, camera.intrinsics, strict=True):
        pose = (first @ pose).astype(np.float32)
        u, v = np.meshgrid(
            np.arange(width, dtype=np.float32) + np.float32(0.5),
            np.arange(height, dtype=np.float32) + np.float32(0.5),
        )
        x, y = (u - np.float32(cx)) / np.float32(fx), (v - np.float32(cy)) / np.float32(fy)
        directions = np.stack([x, y, np.ones_like(x)], axis=-1)
        directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        directions = directions @ pose[:3, :3].T
        origins = np.broadcast_to(pose[:3, 3], directions.shape)
        moments = np.cross(origins, directions)
        frames.append(np.concatenate([moments, directions], axis=-1).transpose(2, 0, 1))
    return np.stack(frames)


def same_picture(ours: np.ndarray, plain: np.ndarray) -> float:
    """Share of the drawn pixels (of either) that have the same colour in both."""
    drawn = ours.any(axis=-1) | plain.any(axis=-1)
    return float((ours == plain).all(axis=-1)[drawn].mean())


def best_times(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """The fastest of several runs of each, taken in turns, seconds of processor time."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, taken in zip((first, second), times, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return min(times[0]), min(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    rows, result = [], {}
    skeletons, rays = [], []
    for size in SIZES:
        for people in (1, 2):
            keypoints = walking_people(FRAMES, people, size)
            agreement = same_picture(skeleton_map(keypoints, None, size), plain_skeleton_map(keypoints, size))
            assert agreement > 0.8, (
                f"the skeleton maps differ: only {agreement:.0%} of the drawn pixels agree"
            )
            ours, plain = best_times(
                lambda k=keypoints, s=size: skeleton_map(k, None, s),
                lambda k=keypoints, s=size: plain_skeleton_map(k, s),
                repeats,
            )
            skeletons.append(plain / ours)
            rows.append(
                (
                    f"skeletons, {people} in {size[0]}x{size[1]}",
                    plain,
                    ours,
                    f"{agreement:.1%} of pixels equal",
                )
            )
        camera = orbit(FRAMES, size)
        error = float(np.abs(ray_map(camera) - plain_ray_map(camera)).max())
        assert error < 1e-4, f"the ray maps differ by {error}"
        ours, plain = best_times(lambda c=camera: ray_map(c), lambda c=camera: plain_ray_map(c), repeats)
        rays.append(plain / ours)
        rows.append((f"rays in {size[0]}x{size[1]}", plain, ours, f"largest difference {error:.0e}"))
    print(f"{FRAMES} frames, one thread, processor time, fastest of {repeats} runs in turns")
    print(f"{'workload':<28}{'plain ms':>10}{'ours ms':>10}{'ratio':>8}  check")
    for name, plain, ours, check in rows:
        print(f"{name:<28}{1e3 * plain:>10.1f}{1e3 * ours:>10.1f}{plain / ours:>8.1f}  {check}")
    # The smallest ratio of all workloads counts.
    result = {"skeleton_speedup": round(min(skeletons), 2), "rays_speedup": round(min(rays), 2)}
    for name, gate in GATES.items():
        print(
            f"{name}: {result[name]} ({'meets' if result[name] >= gate else 'MISSES'} the gate of {gate:g})"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
