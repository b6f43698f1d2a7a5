"""Motions, cameras and scenes as small HTML for notebooks: stick figures and ways from above in SVG, and facts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kinema.scene.camera import CameraPath
    from kinema.scene.motion import Motion
    from kinema.scene.scene import Scene

HEIGHT = 110
"""Pixels of a drawing (ours)."""

POSES = 7
"""Poses that are shown of a motion, evenly over its time (ours)."""

_MOST_PEOPLE = 4
_MOST_POINTS = 60  # of a way from above
_TURN = np.radians(30)  # from which side figures are seen: a little beside the front of where they start


def motion_html(motion: Motion) -> str:
    """Some of a motion's poses beside each other, its way from above, and what it is."""
    return _box(_figures(motion) + _ways([motion], None), motion_facts(motion))


def camera_html(camera: CameraPath) -> str:
    """A camera's way from above with the directions it looks in, and what it is."""
    return _box(_ways([], camera), camera_facts(camera))


def scene_html(scene: Scene) -> str:
    """People, and everybody's ways from above with the camera's."""
    people = scene.people[:_MOST_PEOPLE]
    lines = [f"person {number}: {motion_facts(person)}" for number, person in enumerate(people)]
    if len(scene.people) > len(people):
        lines.append(f"and {len(scene.people) - len(people)} more people")
    lines.append("no camera" if scene.camera is None else camera_facts(scene.camera))
    if scene.text:
        lines.append(f"“{scene.text[:200]}”")
    return _box("".join(map(_figures, people)) + _ways(scene.people, scene.camera), *lines)


def motion_facts(motion: Motion) -> str:
    """What a motion is, in a line."""
    path = motion.root_path()
    path = path[np.isfinite(path).all(axis=1)]
    far = float(np.linalg.norm(np.diff(path[:, [0, 2]], axis=0), axis=1).sum())
    missing = float(motion.missing.mean())
    return (
        f"{motion.frames} frames at {motion.fps:g} fps ({motion.duration:.2f} s), {len(motion.skeleton)} joints"
        f"{' with rotations' if motion.rotations is not None else ''}, a way of {far:.2f} m"
        f"{f', {missing:.0%} of joints missing' if missing else ''}"
    )


def camera_facts(camera: CameraPath) -> str:
    """What a camera path is, in a line."""
    far = float(np.linalg.norm(np.diff(camera.positions, axis=0), axis=1).sum())
    width, height = camera.size
    return (
        f"camera: {camera.frames} frames at {camera.fps:g} fps ({camera.duration:.2f} s), {width}x{height}, "
        f"{float(camera.fov_y[0]):.0f}° high, a way of {far:.2f} m"
    )


def _figures(motion: Motion) -> str:
    """Poses beside each other, each seen from the side on which the motion starts, feet on one line."""
    picked = np.unique(np.linspace(0, motion.frames - 1, POSES).round().astype(int))
    joints = motion.joints[picked]
    facing = motion.facing()
    known = facing[np.isfinite(facing).all(axis=1)]
    front = np.arctan2(known[0, 0], known[0, 2]) if len(known) else 0.0
    side = np.array([np.cos(front + _TURN), 0.0, -np.sin(front + _TURN)])
    across = joints @ side
    with np.errstate(all="ignore"):
        middle = np.where(np.isfinite(across[:, :1]), across[:, :1], 0.0)
        across, up = across - middle, joints[..., 1]
        seen = np.isfinite(across) & np.isfinite(up)
        if not seen.any():
            return ""
        reach = max(float(np.abs(across[seen]).max()), 0.2)
        low, high = float(up[seen].min()), float(up[seen].max())
    scale = (HEIGHT - 12) / max(high - low, 0.2)
    width = 2 * reach * scale + 6
    figures = []
    for number, (xs, ys) in enumerate(zip(across, up, strict=True)):
        x = xs * scale + width * (number + 0.5)
        y = HEIGHT - 6 - (ys - low) * scale
        lines = [
            f"M{x[parent]:.1f} {y[parent]:.1f}L{x[joint]:.1f} {y[joint]:.1f}"
            for joint, parent in enumerate(motion.skeleton.parents)
            if parent >= 0 and seen[number, joint] and seen[number, parent]
        ]
        shade = 35 + round(40 * (1 - (number + 1) / len(picked)))
        figures.append(f'<path d="{"".join(lines)}" stroke="hsl(215 60% {shade}%)"/>')
    return _svg(width * len(picked), "".join(figures), "1.8")


def _ways(people: Sequence[Motion], camera: CameraPath | None) -> str:
    """Everybody's way along the floor from above, the camera's in red with the directions it looks in."""
    ways = [_few(person.root_path())[:, [0, 2]] for person in people]
    ways = [way[np.isfinite(way).all(axis=1)] for way in ways]
    looks = np.zeros((0, 2, 2))
    if camera is not None:
        eyes, ahead = _few(camera.positions)[:, [0, 2]], _few(camera.c2w[:, :3, 2])[:, [0, 2]]
        looks = np.stack([eyes, eyes + 0.6 * ahead], axis=1)
    points = np.concatenate([*ways, looks.reshape(-1, 2)])
    if not len(points):
        return ""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (HEIGHT - 16) / max(float((high - low).max()), 1.0)
    width = max(float(high[0] - low[0]) * scale + 16, HEIGHT / 2)

    def drawn(points: np.ndarray, colour: str, begins: bool = True) -> str:
        at = (points - low) * scale + 8
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        dot = f'<circle cx="{at[0, 0]:.1f}" cy="{at[0, 1]:.1f}" r="2.5" fill="{colour}"/>'
        return f'<polyline points="{text}" stroke="{colour}"/>{dot if begins else ""}'

    inner = [drawn(way, "hsl(215 60% 45%)") for way in ways if len(way)]
    if len(looks):
        inner.append(drawn(looks[:, 0], "hsl(5 70% 50%)"))
        inner += [drawn(look, "hsl(5 70% 70%)", begins=False) for look in looks[:: max(1, len(looks) // 6)]]
    return _svg(width, "".join(inner), "1.2")


def _few(values: np.ndarray) -> np.ndarray:
    return values[np.unique(np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int))]


def _svg(width: float, inner: str, stroke: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{HEIGHT}" fill="none" '
        f'stroke-width="{stroke}" stroke-linecap="round" style="margin-right:12px">{inner}</svg>'
    )


def _box(drawing: str, *lines: str) -> str:
    facts = "<br>".join(map(escape, lines))
    return f'<div style="font:12px sans-serif"><div>{drawing}</div>{facts}</div>'
