"""glTF 2.0 (.glb, .gltf) and what is built on it (.vrm, .vrma): a skinned, animated figure, as game engines and
viewers read it.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.gltf_curves import DEFAULT_FPS, SLOWEST_BAKE, Curve, baked_rate
from kinema.scene.formats.gltf_document import GltfDocument
from kinema.scene.formats.gltf_figure import GENERATOR, FigureBuilder, SkinnedMesh, bone_figure, check_mesh
from kinema.scene.formats.gltf_rig import Rig, find_rigs, humanoid_bones, with_ancestors, world
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, check_complete, fit_bones, reorder
from kinema.scene.formats.reading import Animation, Assumption, Clip, Contents, MotionReading
from kinema.scene.motion import Motion

_SMALLEST, _LARGEST = 0.3, 6.0  # metres; sizes that are believed (ours)
_NAMED = 12  # names that a message lists


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read the joints of the figures and how an animation moves them.

    Joints are those of the skins (one figure a body), of a humanoid map (VRM, whose names they take), or what is
    animated. Curves are sampled evenly from their first to their last key. Rotations are relative to the rest pose
    of the nodes. A file without animation is its figure in rest, one frame.

    Lengths are metres and Y is up by the standard, which many files do not keep. Files of Kinema and VRM are taken at
    their word; others are left open where metres make no figure, and where a person's legs do not point down.

    Args:
        path: the file.
        reading: of it `animation` and `source_fps` are used here; by default the rate is that of the keys, or 30 where
            keys are few or uneven.

    Raises:
        FormatError: not such a file (the field is named), no figure in it, or no such animation.
        FileNotFoundError: there is no such file.
    """
    document = GltfDocument(path)
    parents = document.parents()
    kind, bones = humanoid_bones(document)
    animations = _animations(document)
    assumed: list[Assumption] = []
    skinned = [j for number in range(len(document.objects("skins"))) for j in document.skin_joints(number)]
    chosen = _chosen(document, animations, reading.animation, set(with_ancestors(skinned, parents)))
    curves = [] if chosen is None else document.curves(chosen)
    rigs, left_out = find_rigs(document, parents, bones, {curve.node for curve in curves})
    needed = with_ancestors([node for rig in rigs for node in rig.nodes], parents)
    placing = set(needed)
    curves = [curve for curve in curves if curve.node in placing]
    if curves and chosen is not None:
        wanted = reading.source_fps or document.fps_note(chosen)
        rate, times = _sample_times(path, curves, wanted, reading.source_fps is not None, len(needed))
        if reading.animation is None and len(animations) > 1:
            assumed.append(_first(animations, chosen))
    elif reading.animation is not None:
        raise FormatError(path, "moves none of the joints", f"animations[{chosen}]")
    else:
        rate, times = reading.source_fps or DEFAULT_FPS, np.zeros(1)
        assumed.append(_at_rest(document, rigs))
    if left_out:
        joints = sum(len(rig.nodes) for rig in rigs)
        assumed.append(
            Assumption(
                "",
                f"{left_out} joints left out",
                "they hang on no figure",
                doubtful=2 * left_out > joints,
            )
        )
    ours = document.generator == GENERATOR
    if not (ours or bones) and max(rig.extent for rig in rigs) == 0:
        raise FormatError(path, "has no figure: what moves, moves as a whole")
    motions = _motions(document, rigs, needed, parents, curves, rate, times)
    clips = tuple(
        Clip(
            motion.joints,
            motion.skeleton,
            motion.rotations,
            fps=rate,
            unit=1.0 if ours or bones or _SMALLEST <= rig.extent <= _LARGEST else None,
            up="y" if ours or bones or rig.stands or not rig.human else None,
            grounded=ours,
        )
        for rig, motion in zip(rigs, motions, strict=True)
    )
    word = kind or ("GLB" if document.binary else "glTF")
    made_by = f" of {document.generator}" if document.generator else ""
    return Contents(f"{word}{made_by}", clips, animations, tuple(assumed))


def write(
    path: str | os.PathLike[str], motion: Motion, *, mesh: SkinnedMesh | None = None, name: str = "kinema"
) -> None:
    """Write a figure with its motion; joints read back within 0.5 mm, rotations within 0.01 deg.

    Rotations that the motion lacks are solved from its joints; a joint whose bone changes length gets a
    translation curve. Confidence is not kept.

    Args:
        path: the file; a .gltf has its numbers embedded as text.
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
    finished = builder.document()
    with atomic_write(path) as temporary:
        if Path(path).suffix.lower() == ".gltf":
            numbers = base64.b64encode(finished.binary_blob()).decode()
            finished.buffers[0].uri = f"data:application/octet-stream;base64,{numbers}"
            finished.save_json(os.fspath(temporary))
        else:
            finished.save_binary(os.fspath(temporary))


def _animations(document: GltfDocument) -> tuple[Animation, ...]:
    """All animations of a file with their lengths."""
    return tuple(
        Animation(str(entry.get("name") or f"animation {number}"), document.seconds(number))
        for number, entry in enumerate(document.objects("animations"))
    )


def _chosen(
    document: GltfDocument, animations: tuple[Animation, ...], wanted: str | int | None, skinned: set[int]
) -> int | None:
    """The number of the animation that is meant; by default the first that moves what has a skin, or without skins
    any nodes; None where none does."""
    if wanted is None:
        for number in range(len(animations)):
            moved = {curve.node for curve in document.curves(number)}
            if moved & skinned if skinned else moved:
                return number
        return None
    names = [animation.name for animation in animations]
    text = str(wanted)
    if isinstance(wanted, str):
        same = [name for name in names if name == text] or [n for n in names if n.lower() == text.lower()]
        if same:
            return names.index(same[0])
    if text.isdecimal() and len(text) < 7 and int(text) < len(names):
        return int(text)
    there = f"it has {_listed(names)}" if names else "it has none"
    raise FormatError(
        document.path,
        f"has no animation {text[:40]!r}; {there}",
        hint="choose by name or by number from 0: --animation" if names else None,
    )


def _first(animations: tuple[Animation, ...], chosen: int) -> Assumption:
    names = [animation.name for number, animation in enumerate(animations) if number != chosen]
    return Assumption(
        "animation",
        f"{animations[chosen].name!r} ({animations[chosen].seconds:.1f} s)",
        f"the first of {len(animations)}, the others are {_listed(names)}",
        doubtful=True,
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name[:40]) for name in names[:_NAMED]) + more


def _at_rest(document: GltfDocument, rigs: list[Rig]) -> Assumption:
    joints = " and ".join(str(len(rig.nodes)) for rig in rigs)
    has = "no animation that moves it" if document.objects("animations") else "no animation"
    return Assumption("", f"has {has} (a figure of {joints} joints in rest)", "one frame", doubtful=True)


def _motions(
    document: GltfDocument,
    rigs: list[Rig],
    needed: list[int],
    parents: list[int],
    curves: list[Curve],
    rate: float,
    times: np.ndarray,
) -> list[Motion]:
    """How the joints of each figure move."""
    if len(times) * len(needed) > MAX_JOINT_FRAMES:
        raise FormatError(document.path, f"{len(times)} frames of {len(needed)} nodes, too many")
    _, rest_turned = world(document, needed, parents, [], times[:1])
    moved, turned = world(document, needed, parents, curves, times)
    motions = []
    for rig in rigs:
        joints = np.empty((len(times), len(rig.nodes), 3))
        quaternions = np.empty((len(times), len(rig.nodes), 4))
        delta = {node: turned[node] * rest_turned[node].inv() for node in rig.nodes}
        for joint, node in enumerate(rig.nodes):
            joints[:, joint] = moved[node]
            above = rig.skeleton.parents[joint]
            local = delta[node] if above < 0 else delta[rig.nodes[above]].inv() * delta[node]
            quaternions[:, joint] = local.as_quat(scalar_first=True)
        try:
            motions.append(reorder(Motion(joints, rate, rig.skeleton, rotations=quaternions)))
        except ValueError as error:
            raise FormatError(document.path, str(error)) from error
    return motions


def _sample_times(
    path: str | os.PathLike[str], curves: list[Curve], wanted: float | None, forced: bool, nodes: int
) -> tuple[float, np.ndarray]:
    """Frames per second and the time of each frame."""
    start = min(float(curve.times[0]) for curve in curves)
    end = max(float(curve.times[-1]) for curve in curves)
    baked = baked_rate(curves)
    rate = DEFAULT_FPS if baked is None or baked < SLOWEST_BAKE else baked
    if wanted is not None and baked is not None and not forced and abs(wanted - baked) > 0.01 * baked:
        wanted = None  # a note that the keys contradict
    rate = rate if wanted is None else wanted
    if not 0 < rate <= 1e5:
        raise ValueError(f"fps={rate}; give a positive number of frames per second")
    frames = round((end - start) * rate) + 1
    if frames * nodes > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{end - start:g} s at {rate:g} fps are {frames} frames, too many")
    return rate, start + np.arange(frames) / rate
