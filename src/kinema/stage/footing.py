"""How a person's feet stand: how high their joints are above the sole, measured where the feet are on the floor (ours).

Skeletons disagree about where ankle and toe joints lie in a foot. The body's joints stay where the motion has them; the
foot round them is built so that its sole is level, and on the floor y = 0, where the foot stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.stage.rig import CHART_JOINTS, body_scale

_ANKLES, _TOES = [7, 8], [10, 11]
_LOWEST, _HIGHER = 2, 0.02  # per cent of a clip, and metres above: moments in which a foot is taken to stand
_ANKLE, _TOE = (
    (0.03, 0.2),
    (-0.03, 0.1),
)  # metres of a body of size 1: heights of joints of a foot that stands
_FLATTEST, _STEEPEST = np.sin(
    np.radians((8.0, 42.0))
)  # slopes of the way from ankle to toes; steeper: on the toes
_CHART = CHART_JOINTS[10] - CHART_JOINTS[7]


@dataclass(frozen=True)
class Footing:
    """A foot as it stands.

    Args:
        ankle, toe: heights of the joints above the sole, metres.
        length: from one to the other along the floor, metres.
    """

    ankle: float
    toe: float
    length: float

    @property
    def pitch(self) -> float:
        """How steeply the way from ankle to toe leads down, radians."""
        return float(np.arctan2(self.ankle - self.toe, self.length))


def footing_of(joints: np.ndarray) -> Footing | None:
    """How somebody's feet stand where they are lowest in a clip.

    Feet that only stand on their toes, as a runner's do, are taken for steep ones on flat soles.

    Args:
        joints: SMPL-24 in the world, floor at y = 0, [T, 24, 3]; frames with NaN do not count.

    Returns:
        None where no foot comes to the floor.
    """
    joints = joints[np.isfinite(joints).all(axis=(1, 2))]
    if not len(joints):
        return None
    scale = body_scale(joints)
    ankles, toes = joints[:, _ANKLES, 1].ravel(), joints[:, _TOES, 1].ravel()
    heights = ankles + toes
    standing = heights <= np.percentile(heights, _LOWEST) + _HIGHER * scale
    ankle, toe = float(np.median(ankles[standing])), float(np.median(toes[standing]))
    if not (_TOE[0] * scale < toe < _TOE[1] * scale and ankle < _ANKLE[1] * scale):
        return None
    bone = float(np.median(np.linalg.norm(joints[:, _TOES] - joints[:, _ANKLES], axis=-1)))
    slope = (ankle - toe) / max(bone, 1e-6)
    if ankle < _ANKLE[0] * scale or slope < _FLATTEST:
        slope = float(-_CHART[1] / np.linalg.norm(_CHART))
    slope = min(slope, float(_STEEPEST))
    return Footing(toe + slope * bone, toe, float(np.sqrt(1 - slope**2)) * bone)
