"""BVH: a joint tree and its motion as text, written by nearly every motion capture tool.

Channel orders of any kind, positions on any joint and End Sites are read. Rotation channels apply in file
order (the first is outermost), angles in degrees. BVH has neither a unit nor an up axis; see settling. The tree is read
by bvh_hierarchy, the numbers by bvh_motion.
"""

from __future__ import annotations

import io
import math
import os
import re
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import quaternions
from kinema.scene.formats.bvh_hierarchy import Node, parse_hierarchy
from kinema.scene.formats.bvh_motion import MotionPart, parse_motion, unit_mark
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_any_text
from kinema.scene.formats.kinematics import TOLERANCE, check_complete, fit_bones, forward
from kinema.scene.formats.reading import UNITS, Assumption, Clip, Contents, MotionReading
from kinema.scene.motion import Motion
from kinema.scene.skeleton import Skeleton

_ABSURD = 1e15  # units or degrees (ours)
MAX_BYTES = 1 << 28
_MAX_HEADER = 1 << 22
_MOTION = re.compile(r"^[ \t]*MOTION[ \t]*$", re.MULTILINE | re.IGNORECASE)


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read a BVH file, a clip per ROOT. Joints by forward kinematics; rotations are kept.

    The rest pose is the pose of zero angles. The End Site of `x` becomes a joint `x_end`.

    Args:
        path: the file.
        reading: of it `positions` and `source_fps` are used here.

    Raises:
        FormatError: not a BVH file; the line is named.
    """
    text, encoding = read_any_text(path, MAX_BYTES)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    header = _MOTION.search(text)
    if header is None or header.start() > _MAX_HEADER:
        parse_hierarchy(path, text[:_MAX_HEADER])  # the first thing that is wrong, if the tree has it
        raise FormatError(path, "has no line MOTION after the tree", hint="it may be truncated")
    nodes, channels, assumed = parse_hierarchy(path, text[: header.start()])
    if not encoding.startswith("utf"):
        assumed += (Assumption("", f"names in {encoding}", "the file is no UTF-8", doubtful=True),)
    part = parse_motion(path, text, header.end(), channels, len(nodes))
    assumed += part.assumed
    _check_sizes(path, nodes, part.values)
    added = reading.positions == "add"
    if reading.positions == "auto" and _are_added(nodes, part.values):
        added = True
        why = "bones would have no length if they replaced it"
        assumed += (Assumption("positions", "added to OFFSET", why, doubtful=True),)
    clips = tuple(_clip(tree, part, added) for tree in _trees(nodes))
    if len(clips) > 1:
        clips = tuple(replace(clip, name=clip.skeleton.names[clip.skeleton.root]) for clip in clips)
    if reading.source_fps is not None:
        assumed = tuple(each for each in assumed if each.word != "source_fps")
    return Contents("BVH of Kinema" if part.unit else "BVH", clips, assumed=assumed)


def write(
    path: str | os.PathLike[str],
    motion: Motion,
    *,
    unit: float | str = "m",
    order: str = "ZXY",
    stretch: bool = True,
    tolerance: float = TOLERANCE,
) -> None:
    """Write a BVH file. Read back, joints agree within `tolerance`, rotations in 1e-5°.

    The unit is kept too, as white space where other programs skip it; see `bvh_motion.unit_mark`.

    Rotations that the motion lacks are solved from its joints. Where one bone vector cannot place a joint
    within `tolerance` (bones that change length), the joint gets position channels, or the error is reported
    as a warning if `stretch` is False. Confidence is not kept: BVH has no place for it.

    Args:
        path: the file.
        motion: the motion; no joint may be missing.
        unit: metres per unit, or a name of `UNITS`.
        order: of the rotation channels, e.g. "ZXY".
        stretch: allow position channels on joints other than the root.
        tolerance: metres.

    Raises:
        FormatError: a joint is missing (NaN) in some frame.
        ValueError: an unknown unit or order.
    """
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"order={order!r}; give the letters X, Y and Z in the order of the channels")
    metres = _metres(unit)
    joints = np.asarray(motion.joints, dtype=np.float64)
    check_complete(path, motion, "BVH")
    bones, rotations, moving, worst = fit_bones(motion, tolerance, stretch)
    if worst > tolerance:
        warnings.warn(
            f"{os.fspath(path)}: bones change length; joints are up to {worst * 1000:.1f} mm off",
            stacklevel=2,
        )
    places = 6 + max(0, math.ceil(math.log10(metres)))  # a micrometre, or finer
    bones = np.round(bones / metres, places)
    ends = _end_sites(motion.skeleton, bones, rotations, moving)
    lines, visited = _format_tree(
        motion.skeleton, [_numbers(bone, places) for bone in bones], moving, ends, order
    )
    columns = []
    for joint in visited:
        if joint in moving:
            columns.append(moving[joint] / metres)
        columns.append(_continuous_angles(rotations[:, joint], order))
    data = io.StringIO()
    np.savetxt(data, np.concatenate(columns, axis=1), fmt=f"%.{places}f")
    lines += ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / motion.fps!r}{unit_mark(metres)}"]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n" + data.getvalue(), encoding="utf-8")


def _metres(unit: float | str) -> float:
    """Metres per unit."""
    metres = MotionReading(unit=unit).metres
    if metres is None:
        raise ValueError(f"unit={unit!r}; give one of {', '.join(UNITS)}, or metres per unit")
    return metres


def _trees(nodes: list[Node]) -> list[list[Node]]:
    """The nodes below each root; the parents count within the tree."""
    starts = [index for index, node in enumerate(nodes) if node.parent < 0] + [len(nodes)]
    trees = []
    for start, end in pairwise(starts):
        tree = nodes[start:end]
        for node in tree[1:]:
            node.parent -= start
        trees.append(tree)
    return trees


def _check_sizes(path: str | os.PathLike[str], nodes: list[Node], values: np.ndarray) -> None:
    """Numbers beyond all lengths and angles are damage; arithmetic with them overflows."""
    offsets = np.array([node.offset for node in nodes])
    largest = max(float(np.abs(offsets).max()), float(np.abs(values).max(initial=0.0)))
    if not largest < _ABSURD:
        raise FormatError(
            path, f"holds {largest:g}, which is no length and no angle", hint="it may be damaged"
        )


def _are_added(nodes: list[Node], values: np.ndarray) -> bool:
    """Whether position channels are zero for most of the joints that have them and bones with a length."""
    zero = []
    for node in nodes:
        assert node.offset is not None
        length = np.linalg.norm(node.offset)
        if node.parent >= 0 and len(node.positions) == 3 and length > 0:
            zero.append(np.abs(values[:, list(node.positions.values())]).max() < 1e-3 * length)
    return bool(zero) and np.mean(zero) > 0.5


def _clip(nodes: list[Node], part: MotionPart, added: bool) -> Clip:
    values = part.values
    parents = tuple(node.parent for node in nodes)
    offsets = np.array([node.offset for node in nodes])
    local = np.repeat(offsets[None], len(values), axis=0)
    rotations = np.zeros((len(values), len(nodes), 4))
    rotations[..., 0] = 1.0
    same_order: dict[str, list[int]] = {}
    for joint, node in enumerate(nodes):
        for axis, column in node.positions.items():
            base = offsets[joint, axis] if added else 0.0
            local[:, joint, axis] = base + values[:, column]
        if node.rotations:
            same_order.setdefault("".join(axis for axis, _ in node.rotations), []).append(joint)
    for axes, joints in same_order.items():
        columns = [column for joint in joints for _, column in nodes[joint].rotations]
        angles = values[:, columns].reshape(-1, len(axes))
        rotations[:, joints] = _turned(axes, angles).reshape(len(values), len(joints), 4)
    rest = Skeleton(tuple(node.name for node in nodes), parents, offsets).with_offsets(offsets)
    joints_world, _ = forward(local, rotations, rest)
    if part.unit is None:
        return Clip(joints_world, rest, rotations, fps=part.fps)
    return Clip(
        joints_world,
        rest,
        rotations,
        fps=part.fps,
        unit=part.unit,
        up="y",
        grounded=True,
    )


def _turned(axes: str, degrees: np.ndarray) -> np.ndarray:
    """Rotations about the moving axes, the first outermost: [N, len(axes)] -> quaternions wxyz [N, 4]."""
    radians = np.radians(np.remainder(degrees, 360.0))
    turned = np.broadcast_to(quaternions.IDENTITY, (len(degrees), 4))
    for number, axis in enumerate(axes):
        turn = quaternions.about_axis(np.eye(3)["XYZ".index(axis)], radians[:, number])
        turned = quaternions.multiply(turned, turn) if number else turn
    return turned


def _format_tree(
    skeleton: Skeleton, bones: list[str], moving: dict[int, np.ndarray], ends: set[int], order: str
) -> tuple[list[str], list[int]]:
    """The HIERARCHY lines, and the joints with channels in the order in which they appear."""
    names = _plain_names(skeleton.names)
    lines = ["HIERARCHY"]
    visited: list[int] = []
    stack = [(skeleton.root, 0, False)]
    while stack:
        joint, depth, close = stack.pop()
        tab = "\t" * depth
        if close:
            lines.append(f"{tab}}}")
            continue
        if joint in ends:
            lines += [f"{tab}End Site", f"{tab}{{", f"{tab}\tOFFSET {bones[joint]}", f"{tab}}}"]
            continue
        visited.append(joint)
        kind = "ROOT" if depth == 0 else "JOINT"
        lines += [f"{tab}{kind} {names[joint]}", f"{tab}{{"]
        lines.append(f"{tab}\tOFFSET {bones[joint]}")
        channels = [f"{axis}position" for axis in "XYZ"] if joint in moving else []
        channels += [f"{axis}rotation" for axis in order]
        lines.append(f"{tab}\tCHANNELS {len(channels)} {' '.join(channels)}")
        if not skeleton.children[joint]:
            lines += [
                f"{tab}\tEnd Site",
                f"{tab}\t{{",
                f"{tab}\t\tOFFSET 0 0 0",
                f"{tab}\t}}",
            ]
        stack.append((joint, depth, True))
        stack += [(child, depth + 1, False) for child in reversed(skeleton.children[joint])]
    return lines, visited


def _end_sites(
    skeleton: Skeleton, bones: np.ndarray, rotations: np.ndarray, moving: dict[int, np.ndarray]
) -> set[int]:
    """Joints that were End Sites when read: an only child without children, named so, that never turns."""
    ends = set()
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0 or skeleton.children[joint] or skeleton.children[parent] != (joint,):
            continue
        named = skeleton.names[joint] == f"{skeleton.names[parent]}_end"
        still = joint not in moving and np.abs(rotations[:, joint, 1:]).max() < 1e-9
        if named and still and bones[joint].any():
            ends.add(joint)
    return ends


def _numbers(vector: np.ndarray, places: int) -> str:
    return " ".join(f"{x:.{places}f}" for x in vector)


def _plain_names(names: tuple[str, ...]) -> list[str]:
    """Names without spaces and braces, which BVH cannot hold, all different and not empty."""
    plain: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names):
        wanted = re.sub(r"[\s{}\x00]+", "_", name.strip()) or "joint"
        if wanted in taken:
            wanted = f"{wanted}_{number}"
        while wanted in taken:
            wanted += "_"
        taken.add(wanted)
        plain.append(wanted)
    return plain


def _continuous_angles(quaternions: np.ndarray, order: str) -> np.ndarray:
    """Euler angles in degrees, [T, 3], without jumps of a full turn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gimbal lock: one of many right answers is chosen
        angles = Rotation.from_quat(quaternions, scalar_first=True).as_euler(order, degrees=True)
    return np.unwrap(angles, axis=0, period=360.0)
