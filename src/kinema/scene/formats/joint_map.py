"""Which joint of a file is which, as a user says it: a mapping from SMPL-24's names to the file's.

    {"left_hip": "Bone.004", "left_knee": "Bone.005"}

What it leaves out follows from names and shape. The joints then have SMPL-24's names, so whatever is written of the
motion keeps what was said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.reading import Clip
from kinema.scene.joint_names import SMPL_NAMES
from kinema.scene.joint_rules import human_parts
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton

Joints = str | os.PathLike[str] | Mapping[str, str]
"""A .json file or what stands in one."""

Figure = TypeVar("Figure", Motion, Clip)
"""A motion, or what a file has before it is settled."""


def with_joints(
    path: str | os.PathLike[str], people: Sequence[Figure], joints: Joints | None
) -> tuple[Figure, ...]:
    """People whose joints have SMPL-24's names, as far as is said and as names and shape tell; as they are for None.

    Raises:
        FormatError: not such a mapping, a name that is no joint, or it leaves too much open.
    """
    if joints is None:
        return tuple(people)
    said = _read(joints)
    return tuple(_named(path, person, said) for person in people)


def _read(joints: Joints) -> dict[str, str]:
    """The mapping, checked against SMPL-24's names."""
    if isinstance(joints, Mapping):
        place: str | Path = "joints"
        said = dict(joints)
    else:
        place = Path(joints)
        try:
            said = json.loads(read_text(place))
        except json.JSONDecodeError as error:
            raise FormatError(place, f"is no JSON: {error.msg}", f"line {error.lineno}") from None
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said.values()):
        example = '{"left_hip": "Bone.004", "left_knee": "Bone.005"}'
        raise FormatError(place, f"says no joints; give names for SMPL-24's, e.g. {example}")
    for name in said:
        if name not in SMPL24.names:
            raise FormatError(place, f"SMPL-24 has no joint {name!r}{_near(name, SMPL24.names)}")
    twice = next((name for name in said.values() if list(said.values()).count(name) > 1), None)
    if twice is not None:
        both = " and ".join(joint for joint, name in said.items() if name == twice)
        raise FormatError(place, f"{both} cannot both be the joint {twice!r}")
    return said


def _named(path: str | os.PathLike[str], motion: Figure, said: dict[str, str]) -> Figure:
    """The motion with SMPL-24's names for what is said, and for the parts that follow."""
    skeleton = motion.skeleton
    for joint, name in said.items():
        if name not in skeleton.names:
            raise FormatError(
                path,
                f"has no joint {name!r}, which {joint} should be{_near(name, skeleton.names)}",
                hint="`kinema motion info` lists its joints",
            )
    try:
        parts, _ = human_parts(
            skeleton, {part: said[joint] for part, joint in SMPL_NAMES.items() if joint in said}
        )
    except ValueError as error:
        raise FormatError(path, str(error)) from error
    names = {name: SMPL_NAMES[part] for part, name in parts.items()}
    return replace(motion, skeleton=_renamed(skeleton, names | {name: joint for joint, name in said.items()}))


def _renamed(skeleton: Skeleton, names: Mapping[str, str]) -> Skeleton:
    """The tree with new names; a joint that had one of them and is another makes way."""
    taken = set(names.values())
    changed = [names.get(name, f"{name} (file)" if name in taken else name) for name in skeleton.names]
    return Skeleton(tuple(changed), skeleton.parents, skeleton.rest)


def _near(name: str, names: Sequence[str]) -> str:
    plain = {each.lower(): each for each in names}
    near = [plain[each] for each in get_close_matches(name.lower(), plain, n=3, cutoff=0.4)]
    return f"; is it {' or '.join(near)}?" if near else ""
