"""GLB (binary glTF 2.0): a skinned, animated figure, as game engines and viewers read it. Metres, Y up."""

from __future__ import annotations

import os
import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.gltf_curves import Curve, sample
from kinema.scene.formats.gltf_document import GltfDocument
from kinema.scene.formats.gltf_figure import FigureBuilder, SkinnedMesh, bone_figure, check_mesh
from kinema.scene.formats.kinematics import (
    MAX_JOINT_FRAMES,
    MAX_JOINTS,
    check_complete,
    fit_bones,
    reorder,
)
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.motion import Motion
from kinema.scene.skeleton import Skeleton

_DEFAULT_FPS = 30.0  # for curves with uneven or few keys (ours)
_SLOWEST_BAKE = 10.0  # keys less frequent than this were set by hand, not sampled (ours)


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read the joints of a skin and how an animation moves them.

    Curves are sampled evenly from their first to their last key. Rotations are relative to the rest pose of
    the nodes. Without a skin, the animated nodes are the joints.

    Args:
        path: the file.
        reading: of it `animation` and `source_fps` are used here; by default the rate is that of the keys, or 30 where
            keys are few or uneven.

    Raises:
        FormatError: not such a file; the field is named.
    """
    animation, fps = int(reading.animation or 0), reading.source_fps
    document = GltfDocument(path)
    parents = document.parents()
    curves = document.curves(animation)
    chosen = document.skin_joints(0) if document.objects("skins") else sorted({c.node for c in curves})
    chosen = _largest_tree(path, chosen, parents)
    needed = _with_ancestors(chosen, parents)
    if len(needed) > MAX_JOINTS:
        raise FormatError(path, f"{len(needed)} joints, more than {MAX_JOINTS}")
    curves = [curve for curve in curves if curve.node in needed]
    if not curves:
        raise FormatError(path, "moves none of the joints", f"animations[{animation}]")
    rate, times = _sample_times(
        path, curves, fps or document.fps_note(animation), fps is not None, len(needed)
    )
    rest, rest_turned = _world(document, needed, parents, [], times[:1])
    moved, turned = _world(document, needed, parents, curves, times)
    place = {node: joint for joint, node in enumerate(chosen)}
    tree = tuple(place.get(_joint_above(node, place, parents), -1) for node in chosen)
    joints = np.empty((len(times), len(chosen), 3))
    quaternions = np.empty((len(times), len(chosen), 4))
    delta = {node: turned[node] * rest_turned[node].inv() for node in chosen}
    for joint, node in enumerate(chosen):
        joints[:, joint] = moved[node]
        above = tree[joint]
        local = delta[node] if above < 0 else delta[chosen[above]].inv() * delta[node]
        quaternions[:, joint] = local.as_quat(scalar_first=True)
    try:
        skeleton = Skeleton(_names(document, chosen), tree, np.array([rest[node][0] for node in chosen]))
        motion = reorder(Motion(joints, rate, skeleton, rotations=quaternions))
    except ValueError as error:
        raise FormatError(path, str(error)) from error
    return Contents("GLB", (Clip.of(motion),))


def write(
    path: str | os.PathLike[str], motion: Motion, *, mesh: SkinnedMesh | None = None, name: str = "kinema"
) -> None:
    """Write a figure with its motion; joints read back within 0.5 mm, rotations within 0.01 deg.

    Rotations that the motion lacks are solved from its joints; a joint whose bone changes length gets a
    translation curve. Confidence is not kept.

    Args:
        path: the file.
        motion: the motion; no joint may be missing.
        mesh: the body; a plain figure of one solid a bone by default.
        name: of the figure in the file.

    Raises:
        FormatError: a joint is missing (NaN) in some frame.
        ValueError: the mesh does not fit the skeleton.
    """
    check_complete(path, motion, "glTF")
    mesh = bone_figure(motion.skeleton) if mesh is None else mesh
    check_mesh(mesh, len(motion.skeleton))
    bones, rotations, moving, _ = fit_bones(motion)
    builder = FigureBuilder(name)
    builder.add_figure(motion.skeleton, bones, mesh)
    builder.add_animation(motion.fps, rotations, moving)
    with atomic_write(path) as temporary:
        builder.document().save_binary(os.fspath(temporary))


def _largest_tree(path: str | os.PathLike[str], chosen: list[int], parents: list[int]) -> list[int]:
    """The joints under the root with the most of them; a motion has one root."""
    place = {node: node for node in chosen}
    roots: dict[int, int] = {}
    for node in _with_ancestors(chosen, parents):  # parents come first
        if node in place:
            above = _joint_above(node, place, parents)
            roots[node] = node if above < 0 else roots[above]
    members: dict[int, list[int]] = {}
    for node in chosen:
        members.setdefault(roots[node], []).append(node)
    largest = max(members.values(), key=len, default=[])
    if not largest:
        raise FormatError(path, "has neither a skin nor animated nodes")
    if len(largest) < len(chosen):
        warnings.warn(
            f"{os.fspath(path)}: {len(chosen) - len(largest)} joints outside the figure left out",
            stacklevel=3,
        )
    return largest


def _joint_above(node: int, place: dict[int, int], parents: list[int]) -> int:
    """The nearest ancestor that is a joint, -1 if there is none."""
    above = parents[node]
    while above >= 0 and above not in place:
        above = parents[above]
    return above


def _with_ancestors(chosen: list[int], parents: list[int]) -> list[int]:
    """The nodes that place the chosen ones, parents before children."""
    ordered: dict[int, None] = {}
    for node in chosen:
        way = []
        while node >= 0 and node not in ordered:
            way.append(node)
            node = parents[node]
        ordered.update(dict.fromkeys(reversed(way)))
    return list(ordered)


def _names(document: GltfDocument, nodes: list[int]) -> tuple[str, ...]:
    taken: dict[str, None] = {}
    for node in nodes:
        name = document.name(node)
        taken[name if name not in taken else f"{name}#{node}"] = None
    if len(taken) < len(nodes):
        return tuple(f"node{node}" for node in nodes)
    return tuple(taken)


def _sample_times(
    path: str | os.PathLike[str], curves: list[Curve], wanted: float | None, forced: bool, nodes: int
) -> tuple[float, np.ndarray]:
    """Frames per second and the time of each frame."""
    start = min(float(curve.times[0]) for curve in curves)
    end = max(float(curve.times[-1]) for curve in curves)
    densest = max((curve.times for curve in curves), key=len)
    rate = _DEFAULT_FPS
    if len(densest) > 1:
        steps = np.diff(densest)
        mean = float(densest[-1] - densest[0]) / len(steps)
        even = bool((np.abs(steps - mean) < 0.1 * mean).all())
        baked = 1.0 / mean
        if even and baked >= _SLOWEST_BAKE:
            rate = float(round(baked)) if abs(baked - round(baked)) < 1e-4 * baked else baked
        if wanted is not None and even and not forced and abs(wanted - baked) > 0.01 * baked:
            wanted = None  # a note that the keys contradict
    rate = rate if wanted is None else wanted
    if not 0 < rate <= 1e5:
        raise ValueError(f"fps={rate}; give a positive number of frames per second")
    frames = round((end - start) * rate) + 1
    if frames * nodes > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{end - start:g} s at {rate:g} fps are {frames} frames, too many")
    return rate, start + np.arange(frames) / rate


def _world(
    document: GltfDocument, nodes: list[int], parents: list[int], curves: list[Curve], times: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, Rotation]]:
    """World position [T, 3] (T = 1 for what never moves) and world rotation of each node."""
    by_target = {(curve.node, curve.path): curve for curve in curves}
    positions: dict[int, np.ndarray] = {}
    rotations: dict[int, Rotation] = {}
    linear: dict[int, np.ndarray] = {}  # rotation and scale of all that is above, [T, 3, 3]
    for node in nodes:
        here = {}
        for path, resting in zip(("translation", "rotation", "scale"), document.placement(node), strict=True):
            curve = by_target.get((node, path))
            here[path] = resting[None] if curve is None else sample(curve, times)
        rotation = Rotation.from_quat(here["rotation"])
        own = rotation.as_matrix() * here["scale"][:, None, :]
        parent = parents[node]
        if parent < 0:
            positions[node], rotations[node], linear[node] = here["translation"], rotation, own
        else:
            positions[node] = positions[parent] + (linear[parent] @ here["translation"][..., None])[..., 0]
            rotations[node], linear[node] = rotations[parent] * rotation, linear[parent] @ own
        if not (np.abs(positions[node]) < 1e7).all():
            raise FormatError(document.path, "is absurdly far away", f"nodes[{node}]")
    return positions, rotations
