"""Pose parameters of SMPL, SMPL-H and SMPL-X under the names that the field's tools give them.

Read as SMPL-24 with rotations through our own proportions, as AMASS is (`amass`): `betas`, fingers and face are not
used, so bone lengths are ours. Angles are axis-angle [T, J, 3] or flat, or matrices [T, J, 3, 3].
Known by their names: smplx (global_orient, body_pose, transl), AMASS in parts (root_orient, pose_body, trans), GVHMR
and SLAHMR (groups like smpl_params_global, several people [P, T, ...]), WHAM (pose_world, trans_world), ROMP and BEV
(smpl_thetas, cam_trans), TRAM (pred_rotmat, pred_trans), SMPLer-X (one picture), EasyMocap (Rh, Th, poses), AIST++ and
EDGE (smpl_poses, smpl_trans), HY-Motion (Rh beside poses: Y up, 30 fps), and a plain array [T, 66, 72, 75, 85, 156,
165 or 322]. Which way is up they do not say: worlds have Y or Z up, cameras Y down; the figure tells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.array_checks import MAX_BYTES, RATE_KEYS, check_length, floats, rate_of
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import is_npz, npz_shapes, read_npy, read_npz
from kinema.scene.formats.joint_arrays import listed
from kinema.scene.formats.reading import Assumption, Clip, Contents, MotionReading
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import SMPL24

HANDS = {72: (22, 23), 156: (25, 40), 165: (28, 43)}
"""By numbers per frame (SMPL, SMPL-H, SMPL-X): the joints that serve as SMPL-24's left and right hand. In
SMPL-H and SMPL-X it is the base of the middle finger, which lies where SMPL-24 has the hand (ours)."""

PELVIS = np.array([-0.002, -0.230, 0.028])
"""Where SMPL's mean template has the pelvis, metres: `trans` moves the template's origin, not the pelvis."""

PELVIS_X = np.array([0.003, -0.351, 0.012])
"""The same of SMPL-X."""

ROOTS = ("global_orient", "root_orient", "poses_root_world", "root_pose", "poses_root", "orient", "Rh")
BODIES = ("body_pose", "pose_body", "poses_body")
WHOLES = (
    "pose_world",
    "poses",
    "pose",
    "smpl_poses",
    "smpl_thetas",
    "thetas",
    "fullpose",
    "full_pose",
    "pred_rotmat",
    "smpl_pose",
    "rotmat",
    "theta",
)
TRANSLATIONS = (
    "trans_world",
    "transl",
    "trans",
    "translation",
    "smpl_trans",
    "pred_trans",
    "root_translation",
    "root_trans",
    "cam_trans",
    "Th",
    "tran",
)
_WHOLE, _BODY = (22, 24, 52, 55), (21, 23)  # joints of an array of all angles, and of one without the root
_SMPLX_MARKS = {"jaw_pose", "pose_jaw", "leye_pose", "expression", "pose_eye"}
_GROUP = re.compile(r"^(.*)[./](.*)$|^(smpl_params_(?:global|incam)|world|camera)_(.*)$")
_WORLD_FIRST = ("global", "world", "", "smpl", "pred", "incam")
_MOTION_X = 322  # root 3, body 63, hands 90, jaw 3, expression 50, face shape 100, translation 3, betas 10
_FLAT = {
    66: (66, None),
    72: (72, None),
    75: (72, 72),
    85: (72, 72),
    156: (156, None),
    159: (156, 156),
    165: (165, None),
    168: (165, 165),
    _MOTION_X: (66, 309),
}
"""By numbers a frame of a plain array: how many are angles, and where the translation begins."""

_RATES = {_MOTION_X: 30.0}
_STILL = 0.6  # radians a body joint turns from one frame to the next; more is no motion (ours)
_BENT = 1.3  # radians that a body joint is turned in the middle; more is no person (ours)
_FAR = 100.0  # metres from the origin at which nobody is who was captured (ours)
_FULL_TURN = 2 * np.pi + 0.1


@dataclass(frozen=True, eq=False)
class Parameters:
    """Pose parameters of one or more people.

    Args:
        angles: axis-angle of SMPL-24, [P, T, 24, 3].
        translation: of the model's origin, metres, [P, T, 3]; None where there is none.
        smplx: whether the model is SMPL-X.
    """

    angles: np.ndarray
    translation: np.ndarray | None
    smplx: bool


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read pose parameters as SMPL-24 with rotations, one figure a person.

    Raises:
        FormatError: no such arrays, or they do not fit together; the array is named.
    """
    if not is_npz(path):
        return _plain(path)
    shapes = npz_shapes(path)
    group, names = parameter_names(shapes)
    if not names:
        raise FormatError(path, f"holds no pose parameters ({listed(shapes)})", hint=_wanted())
    beside = {*RATE_KEYS, "surface_model_type", "smpl_scaling"}
    arrays = read_npz(path, MAX_BYTES, names={*names.values(), *beside})
    said = str(arrays.get("surface_model_type", ""))
    smplx = True if said == "smplx" or _SMPLX_MARKS & set(shapes) else False if said else None
    parameters = _parameters(path, arrays, names, smplx)
    kind = "pose parameters of SMPL-X" if parameters.smplx else "pose parameters of SMPL"
    rate, up = rate_of(path, arrays), None
    if "Rh" in shapes and "poses" in shapes and "Th" not in shapes:
        kind, rate, up = "HY-Motion", rate or 30.0, "y"
    if "smpl_scaling" in arrays:
        kind, rate = "AIST++", rate or 60.0
    if group:
        kind += f" ({group})"
    parameters, scaled = _in_metres(path, parameters, arrays.get("smpl_scaling"))
    return Contents(kind, clips(path, parameters, rate, up), assumed=(*scaled, *still(parameters)))


def clips(
    path: str | os.PathLike[str], parameters: Parameters, rate: float | None, up: str | None
) -> tuple[Clip, ...]:
    """One figure a person, through SMPL-24's own proportions."""
    people = []
    for person, angles in enumerate(parameters.angles):
        frames = len(angles)
        check_length(path, frames, len(SMPL24))
        rotations = (
            Rotation.from_rotvec(angles.reshape(-1, 3)).as_quat(scalar_first=True).reshape(frames, 24, 4)
        )
        root = np.zeros((frames, 3)) if parameters.translation is None else parameters.translation[person]
        root = root + (PELVIS_X if parameters.smplx else PELVIS)
        joints = joints_from_rotations(rotations, SMPL24, root)
        people.append(Clip(joints, SMPL24, rotations, fps=rate, unit=1.0, up=up, upright=True))
    return tuple(people)


def still(parameters: Parameters) -> tuple[Assumption, ...]:
    """What pose parameters leave open: the body's shape, and the way where there is none."""
    shape = Assumption("", "SMPL-24's own proportions", "`betas` need the body model, which is not read")
    if parameters.translation is not None:
        return (shape,)
    return (
        shape,
        Assumption("", "the person stays in one place", "the file has no translation", doubtful=True),
    )


def parameter_names(shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> tuple[str, dict[str, str]]:
    """Which arrays of a file are pose parameters.

    Returns:
        the group they are in, "" for none, and array names by role: root, body, whole, translation.
    """
    groups = _groups(shapes)
    order = sorted(
        groups, key=lambda group: next((i for i, w in enumerate(_WORLD_FIRST) if w and w in group), 2)
    )
    for group in order:
        here = groups[group]
        roles = {}
        for role, known in (
            ("root", ROOTS),
            ("body", BODIES),
            ("whole", WHOLES),
            ("translation", TRANSLATIONS),
        ):
            found = next(
                (here[n] for n in known if n in here and (role != "whole" or _is_whole(shapes[here[n]][0]))),
                None,
            )
            if found is not None:
                roles[role] = found
        if "body" in roles and "root" in roles:
            roles.pop("whole", None)
        elif "whole" in roles:
            roles.pop("body", None)
        else:
            continue
        return group, roles
    return "", {}


def pose_array(array: np.ndarray) -> Parameters | None:
    """A plain array as pose parameters of a person; None where its angles are none."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    translation, size = None, array.shape[-1] if array.ndim else 0
    if array.ndim == 2 and size in _FLAT:
        count, start = _FLAT[size]
        translation = None if start is None else array[None, :, start : start + 3]
        angles = array[:, :count].reshape(len(array), -1, 3)
    elif array.ndim == 4 and array.shape[1] in _WHOLE and array.shape[2:] == (3, 3):
        matrices = _axis_angles(array)
        if matrices is None:
            return None
        angles = matrices
    elif array.ndim == 3 and array.shape[2] == 3 and array.shape[1] in _WHOLE:
        angles = array
    else:
        return None
    if not len(angles) or not _of_a_person(angles):
        return None
    return Parameters(_smpl24(angles)[None], translation, size in (165, 168, _MOTION_X))


def _plain(path: str | os.PathLike[str]) -> Contents:
    array = floats(path, read_npy(path, MAX_BYTES))
    parameters = pose_array(array)
    if parameters is None:
        raise FormatError(path, f"shape {list(array.shape)} holds no pose parameters", hint=_wanted())
    motion_x = array.shape[-1] == _MOTION_X
    kind = "Motion-X" if motion_x else "pose parameters of SMPL"
    return Contents(
        kind, clips(path, parameters, _RATES.get(array.shape[-1]), None), assumed=still(parameters)
    )


def _wanted() -> str:
    return "wanted are global_orient, body_pose and transl, or poses and trans"


def _groups(shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> dict[str, dict[str, str]]:
    """Array names without the group they are in, by group; "smpl_params_global/transl" is `transl` of a group."""
    groups: dict[str, dict[str, str]] = {}
    for name, (_, kind) in shapes.items():
        if kind in "iuf":
            match = _GROUP.match(name)
            group, own = (match[1] or match[3] or "", match[2] or match[4]) if match else ("", name)
            groups.setdefault(group, {})[own] = name
    return groups


def _is_whole(shape: tuple[int, ...]) -> bool:
    """Whether an array may hold the angles of a root and a body."""
    matrices = len(shape) >= 3 and shape[-2:] == (3, 3) and shape[-3] in _WHOLE
    vectors = len(shape) >= 2 and shape[-1] == 3 and shape[-2] in _WHOLE
    return matrices or vectors or (len(shape) >= 1 and shape[-1] in [3 * each for each in _WHOLE])


def _parameters(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    smplx: bool | None,
) -> Parameters:
    """Parameters from arrays by role; `smplx` is whether the file says so, None where it does not."""
    values = {role: floats(path, arrays[name], f"array {name!r}") for role, name in names.items()}
    part = "whole" if "whole" in values else "body"
    angles = _joint_angles(path, values[part], names[part], _WHOLE if part == "whole" else _BODY)
    root = _root(path, values["root"], names["root"], angles.shape[:2]) if "root" in values else None
    if part == "body":
        assert root is not None
        smplx = angles.shape[2] == 21 if smplx is None else smplx
        angles = np.concatenate([root, angles], axis=2)
    elif root is not None and not angles[:, :, 0].any():  # EasyMocap keeps the root apart
        angles = np.concatenate([root, angles[:, :, 1:]], axis=2)
    translation = None
    if "translation" in values:
        name, array = names["translation"], values["translation"]
        if array.size != angles[:, :, 0].size or array.shape[-1] != 3:
            wanted = [*angles.shape[:2], 3][angles.shape[0] == 1 :]
            raise FormatError(
                path, f"has shape {list(array.shape)}; poses ask for {wanted}", f"array {name!r}"
            )
        translation = array.reshape(*angles.shape[:2], 3)
    return Parameters(_smpl24(angles), translation, angles.shape[2] == 55 if smplx is None else smplx)


def _in_metres(
    path: str | os.PathLike[str], parameters: Parameters, scaling: np.ndarray | None
) -> tuple[Parameters, tuple[Assumption, ...]]:
    """Parameters whose translation is in the unit of the body, as AIST++'s is once it is divided by its scaling."""
    if parameters.translation is None:
        return parameters, ()
    if scaling is not None:
        factor = floats(path, scaling, "array 'smpl_scaling'")
        if factor.size != 1 or not factor.reshape(()) > 0:
            raise FormatError(path, "must be one positive number", "array 'smpl_scaling'")
        return replace(parameters, translation=parameters.translation / factor.reshape(())), ()
    far = float(np.median(np.linalg.norm(parameters.translation, axis=-1)))
    if far < _FAR:
        return parameters, ()
    unit, name = (0.01, "cm") if far < 10 * _FAR else (0.001, "mm")
    note = Assumption(
        "", f"the translation is in {name}", f"the person is {far:.0f} units away", doubtful=True
    )
    return replace(parameters, translation=parameters.translation * unit), (note,)


def _joint_angles(
    path: str | os.PathLike[str], array: np.ndarray, name: str, counts: tuple[int, ...]
) -> np.ndarray:
    """Axis-angle [P, T, J, 3] of vectors [..., J, 3] or [..., 3 J], or matrices [..., J, 3, 3]."""
    shape = array.shape
    if len(shape) >= 3 and shape[-2:] == (3, 3) and shape[-3] in counts:
        turned = _axis_angles(array)
        if turned is None:
            raise FormatError(path, "holds no rotation matrices", f"array {name!r}")
        lead, count = shape[:-3], shape[-3]
    elif len(shape) >= 2 and shape[-1] == 3 and shape[-2] in counts:
        turned, lead, count = array, shape[:-2], shape[-2]
    elif len(shape) >= 1 and shape[-1] in [3 * each for each in counts]:
        turned, lead, count = array, shape[:-1], shape[-1] // 3
    else:
        wanted = " or ".join(f"[T, {3 * each}]" for each in counts)
        raise FormatError(path, f"has shape {list(shape)}; {wanted} is known", f"array {name!r}")
    lead = tuple(extent for extent in lead if extent != 1)
    if len(lead) > 2 or 0 in lead:
        raise FormatError(path, f"has shape {list(shape)}: no people and frames", f"array {name!r}")
    return turned.reshape(*((1, 1), (1, *lead), lead)[len(lead)], count, 3)


def _root(path: str | os.PathLike[str], array: np.ndarray, name: str, wanted: tuple[int, ...]) -> np.ndarray:
    """Axis-angle [P, T, 1, 3] of the root, from vectors or matrices in any number of axes."""
    frames = int(np.prod(wanted))
    if array.size == 9 * frames and array.shape[-2:] == (3, 3):
        turned = _axis_angles(array)
        if turned is None:
            raise FormatError(path, "holds no rotation matrices", f"array {name!r}")
        array = turned
    if array.size != 3 * frames or array.shape[-1] != 3:
        shown = [*wanted, 3][wanted[0] == 1 :]
        raise FormatError(path, f"has shape {list(array.shape)}; poses ask for {shown}", f"array {name!r}")
    return array.reshape(*wanted, 1, 3)


def _axis_angles(matrices: np.ndarray) -> np.ndarray | None:
    """Axis-angle [..., 3] of matrices [..., 3, 3]; None where they are no rotations."""
    flat = matrices.reshape(-1, 3, 3)
    if not len(flat) or not (np.abs(flat) < 2).all():
        return None
    product = flat @ flat.transpose(0, 2, 1)
    if np.abs(product - np.eye(3)).max() > 0.05 or (np.linalg.det(flat) < 0).any():
        return None
    return Rotation.from_matrix(flat).as_rotvec().reshape(*matrices.shape[:-2], 3)


def _smpl24(angles: np.ndarray) -> np.ndarray:
    """SMPL-24's angles [..., 24, 3] of a body with or without fingers and face."""
    count = angles.shape[-2]
    if count in (24, *(numbers // 3 for numbers in HANDS)):
        left, right = HANDS[count * 3]
        return angles[..., [*range(22), left, right], :]
    whole = np.zeros((*angles.shape[:-2], 24, 3))
    kept = min(count, 24)
    whole[..., :kept, :] = angles[..., :kept, :]
    return whole


def _of_a_person(angles: np.ndarray) -> bool:
    """Whether axis-angles [T, J, 3] may be those of a body that moves."""
    size = np.linalg.norm(angles, axis=-1)
    if not (size <= _FULL_TURN).all() or not size[:, 1:22].any():
        return False
    step = np.abs(np.diff(angles[:, 1:22], axis=0))
    return bool(np.median(size[:, 1:22]) < _BENT and (not len(step) or np.median(step) < _STILL))
