"""Joint trees. SMPL-24 is canonical; every other skeleton is a named mapping onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A joint tree with a rest pose.

    Args:
        names: joint names, [J].
        parents: parent index of each joint, -1 for a root, [J].
        rest: joint positions in the rest pose (T-pose, facing +Z, left = +X, Y up), metres, [J, 3].
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: np.ndarray
