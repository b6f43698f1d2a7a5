"""Which nodes of a glTF file are the joints of a figure: by its skins, its humanoid map (VRM), or what is animated.

Sources: glTF 2.0 (skins), VRM 0.x (`VRM`), VRM 1.0 (`VRMC_vrm`) and VRMA (`VRMC_vrm_animation`), whose humanoid
maps say which node is which bone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.gltf_curves import Curve, sample
from kinema.scene.formats.gltf_document import GltfDocument
from kinema.scene.formats.kinematics import MAX_JOINTS
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24, Skeleton

_PERSON = 13  # joints that even the simplest person has: hips, legs and arms
_NO_SHAPE = frozenset({"mesh", "camera", "skin"})
_PELVIS, _ANKLES = SMPL24.index("pelvis"), [SMPL24.index("left_ankle"), SMPL24.index("right_ankle")]


@dataclass(frozen=True, eq=False)
class Rig:
    """The joints of one figure.

    Args:
        nodes: the node of each joint, [J].
        skeleton: their tree; its rest is where the nodes are without animation, in the file's unit and axes.
        human: whether the names are those of a person.
    """

    nodes: tuple[int, ...]
    skeleton: Skeleton
    human: bool

    @property
    def extent(self) -> float:
        """How far the joints spread at rest along the axis where they spread furthest, in the file's unit."""
        return float(np.ptp(self.skeleton.rest, axis=0).max())

    @property
    def stands(self) -> bool:
        """Whether the legs of a person point down the file's Y axis at rest."""
        if not self.human:
            return False
        joints = smpl24_mapping(self.skeleton).apply(self.skeleton.rest)[0]
        leg = joints[_PELVIS] - joints[_ANKLES].mean(axis=0)
        return bool(leg[1] > 0.8 * np.linalg.norm(leg))


def humanoid_bones(document: GltfDocument) -> tuple[str, dict[int, str]]:
    """What kind of humanoid file it is ("VRM 0.x", "VRM 1.0", "VRMA" or ""), and the bone that each node is."""
    for extension, kind in (("VRM", "VRM 0.x"), ("VRMC_vrm", "VRM 1.0"), ("VRMC_vrm_animation", "VRMA")):
        humanoid = document.extension(extension).get("humanoid")
        listed = humanoid.get("humanBones") if isinstance(humanoid, dict) else None
        pairs: Iterable[tuple[object, object]] = ()
        if isinstance(listed, list):
            entries = [entry for entry in listed if isinstance(entry, dict)]
            pairs = [(entry.get("bone"), entry.get("node")) for entry in entries]
        elif isinstance(listed, dict):
            pairs = [(bone, entry.get("node")) for bone, entry in listed.items() if isinstance(entry, dict)]
        count = len(document.objects("nodes"))
        bones = {
            node: bone
            for bone, node in pairs
            if isinstance(bone, str) and bone and type(node) is int and 0 <= node < count
        }
        if document.extension(extension):
            return kind, bones
    return "", {}


def find_rigs(
    document: GltfDocument, parents: list[int], bones: dict[int, str], animated: set[int]
) -> tuple[list[Rig], int]:
    """The figures of a file: all people, or else the largest tree of joints.

    Args:
        document: the file.
        parents: of its nodes.
        bones: what a humanoid map calls them.
        animated: the nodes that the chosen animation moves.

    Returns:
        The figures, and how many joints belong to none of them.

    Raises:
        FormatError: no figure, or one of too many joints.
    """
    groups = _groups(document, bones)
    if groups:
        rigs = _rigs(document, parents, bones, [tree for group in groups for tree in _trees(group, parents)])
        if not any(rig.human for rig in rigs):  # a skin may name but a part of what moves
            joined = [_joined(_with_moving(group, parents, animated), parents) for group in groups]
            rigs = _rigs(document, parents, bones, joined)
    else:
        rigs = _rigs(document, parents, bones, _fewest_first(_plain_trees(document, parents, animated)))
        if not any(rig.human for rig in rigs):
            moving = sorted(animated | _ends(document, parents, animated))
            rigs = _rigs(document, parents, bones, [_joined(moving, parents)] if moving else [])
    if not rigs:
        raise FormatError(document.path, _nothing(document))
    chosen = [rig for rig in rigs if rig.human] or [max(rigs, key=lambda rig: len(rig.nodes))]
    known = {node for group in groups for node in group}
    return chosen, len(known - {node for rig in chosen for node in rig.nodes})


def with_ancestors(chosen: Iterable[int], parents: list[int]) -> list[int]:
    """The nodes that place the chosen ones, parents before children."""
    ordered: dict[int, None] = {}
    for node in chosen:
        way = []
        while node >= 0 and node not in ordered:
            way.append(node)
            node = parents[node]
        ordered.update(dict.fromkeys(reversed(way)))
    return list(ordered)


def world(
    document: GltfDocument, nodes: list[int], parents: list[int], curves: list[Curve], times: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, Rotation]]:
    """World position [T, 3] (T = 1 for what never moves) and world rotation of each node.

    Below a mirrored node rotations are those of the mirrored axes; how they change is right.

    Args:
        document: the file.
        nodes: parents before children.
        parents: of all nodes.
        curves: that move them; none for the rest pose.
        times: seconds, [T].
    """
    by_target = {(curve.node, curve.path): curve for curve in curves}
    positions: dict[int, np.ndarray] = {}
    rotations: dict[int, Rotation] = {}
    linear: dict[int, np.ndarray] = {}  # rotation and scale of all that is above, [T, 3, 3]
    for node in nodes:
        here = {}
        placement = document.placement(node)
        for path, resting in zip(("translation", "rotation", "scale"), placement, strict=True):
            curve = by_target.get((node, path))
            here[path] = resting[None] if curve is None else sample(curve, times)
        rotation = Rotation.from_quat(here["rotation"])
        own = rotation.as_matrix() * here["scale"][:, None, :]
        rotation = rotation * _mirror(placement[2])
        parent = parents[node]
        if parent < 0:
            positions[node], rotations[node], linear[node] = here["translation"], rotation, own
        else:
            positions[node] = positions[parent] + (linear[parent] @ here["translation"][..., None])[..., 0]
            rotations[node], linear[node] = rotations[parent] * rotation, linear[parent] @ own
        if not (np.abs(positions[node]) < 1e7).all():
            raise FormatError(document.path, "is absurdly far away", f"nodes[{node}]")
    return positions, rotations


def _mirror(scale: np.ndarray) -> Rotation:
    """The turn that is left of a mirroring scale when all axes are mirrored once more where their number is odd."""
    signs = np.where(scale < 0, -1.0, 1.0)
    return Rotation.from_matrix(np.diag(signs * signs.prod()))


def _groups(document: GltfDocument, bones: dict[int, str]) -> list[list[int]]:
    """Nodes that skins and the humanoid map name, those of one body together."""
    named = [document.skin_joints(number) for number in range(len(document.objects("skins")))]
    groups: list[dict[int, None]] = []
    for joints in [list(bones), *named] if bones else named:
        mine = dict.fromkeys(joints)
        apart = [group for group in groups if group.keys().isdisjoint(mine)]
        for group in groups:
            if not group.keys().isdisjoint(mine):
                mine = group | mine
        groups = [*apart, mine]
    return [list(group) for group in groups]


def _trees(chosen: Iterable[int], parents: list[int]) -> list[list[int]]:
    """The chosen nodes by the topmost of them that they hang on."""
    place = dict.fromkeys(chosen)
    above = _joints_above(place, parents)
    top: dict[int, int] = {}
    for node in above:  # parents come first
        if node in place:
            top[node] = node if above[node] < 0 else top[above[node]]
    trees: dict[int, list[int]] = {}
    for node in place:
        trees.setdefault(top[node], []).append(node)
    return list(trees.values())


def _joints_above(place: dict[int, None] | dict[int, int], parents: list[int]) -> dict[int, int]:
    """The nearest joint among the ancestors of each node, -1 if there is none."""
    above: dict[int, int] = {}
    for node in with_ancestors(place, parents):
        parent = parents[node]
        above[node] = parent if parent < 0 or parent in place else above[parent]
    return above


def _joined(group: list[int], parents: list[int]) -> list[int]:
    """One tree: the chosen nodes with what they all hang on, or the largest where they hang on nothing."""
    trees = _trees(group, parents)
    if len(trees) == 1:
        return group
    shared = with_ancestors(trees[0][:1], parents)
    for tree in trees[1:]:
        way = set(with_ancestors(tree[:1], parents))
        shared = [node for node in shared if node in way]
    return [shared[-1], *group] if shared else max(trees, key=len)


def _with_moving(group: list[int], parents: list[int], animated: set[int]) -> list[int]:
    """Joints with the animated nodes between and around them that hang on the same topmost node."""
    known = set(group)
    for tree in _trees([*group, *sorted(animated - known)], parents):
        if not known.isdisjoint(tree):
            group = [*group, *(node for node in tree if node not in known)]
    return group


def _plain_trees(document: GltfDocument, parents: list[int], animated: set[int]) -> list[list[int]]:
    """Trees of nodes that carry no shapes, without what stands still above the figure."""
    nodes = document.objects("nodes")
    plain = [number for number, node in enumerate(nodes) if number in animated or not _NO_SHAPE & node.keys()]
    trees = []
    for tree in _trees(plain, parents):
        members = dict.fromkeys(with_ancestors(tree, parents))
        below: dict[int, list[int]] = {}
        for node in members:
            below.setdefault(parents[node], []).append(node)
        top = next(iter(members))
        while top not in animated and len(below.get(top, [])) == 1:
            del members[top]
            top = below[top][0]
        trees.append([node for node in tree if node in members])
    return trees


def _fewest_first(trees: list[list[int]]) -> list[list[int]]:
    """Trees that may be people, as many as a file may have joints."""
    kept, joints = [], 0
    for tree in sorted(trees, key=len):
        joints += len(tree)
        if len(tree) >= _PERSON and joints <= MAX_JOINTS // 2:
            kept.append(tree)
    return kept


def _ends(document: GltfDocument, parents: list[int], animated: set[int]) -> set[int]:
    """Nodes without children and shapes that hang on animated ones: the tips of their bones."""
    nodes = document.objects("nodes")
    return {
        number
        for number, node in enumerate(nodes)
        if parents[number] in animated and not (_NO_SHAPE | {"children"}) & node.keys()
    }


def _rigs(
    document: GltfDocument, parents: list[int], bones: dict[int, str], trees: list[list[int]]
) -> list[Rig]:
    """The trees as figures in rest."""
    needed = with_ancestors([node for tree in trees for node in tree], parents)
    if len(needed) > MAX_JOINTS:
        raise FormatError(document.path, f"{len(needed)} joints, more than {MAX_JOINTS}")
    positions, _ = world(document, needed, parents, [], np.zeros(1))
    rigs = []
    for tree in trees:
        place = {node: joint for joint, node in enumerate(tree)}
        above = _joints_above(place, parents)
        tree_parents = tuple(place.get(above[node], -1) for node in tree)
        names = _names(document, tree, bones)
        try:
            skeleton = Skeleton(names, tree_parents, np.array([positions[node][0] for node in tree]))
        except ValueError as error:
            raise FormatError(document.path, str(error)) from error
        rigs.append(Rig(tuple(tree), skeleton, _is_human(skeleton)))
    return rigs


def _is_human(skeleton: Skeleton) -> bool:
    try:
        smpl24_mapping(skeleton)
    except ValueError:
        return False
    return True


def _names(document: GltfDocument, nodes: list[int], bones: dict[int, str]) -> tuple[str, ...]:
    taken: dict[str, None] = dict.fromkeys(bones[node] for node in nodes if node in bones)
    names = []
    for node in nodes:
        name = bones.get(node) or document.name(node)
        if node not in bones and name in taken:
            name = f"{name}#{node}"
        taken[name] = None
        names.append(name)
    return tuple(names) if len(set(names)) == len(names) else tuple(f"node{node}" for node in nodes)


def _nothing(document: GltfDocument) -> str:
    """What a file is that has no figure."""
    shapes, moves = len(document.objects("meshes")), len(document.objects("animations"))
    has = f"holds {shapes} shape{'s' * (shapes != 1)}" if shapes else "is empty"
    if moves:
        return f"{has} and no figure: its animations move no nodes (they may change shapes or colours)"
    return f"{has} and no figure: neither a skin nor an animation"
