"""What the motion library shows without a clip of its own: quiet standing, and two things done at once.

Standing is cut out of clips before and after what they are named for. Two actions are put together by body part, as
SINC does (Athanasiou et al. 2023, "SINC: Spatial Composition of 3D Human Motions", section 3.2): legs, trunk and path
of one clip, the arms of another. SINC asks a language model which parts an action needs; the library's labels say it
here (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from kinema.data.motion_library import MotionClip
from kinema.data.motion_samples import EncodedClip
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation

STANDS = "stand"
"""Content of the pieces that `standing` cuts out."""

_QUIET = 0.3  # m/s that no joint exceeds (ours)
_OVER = 0.5  # seconds over which speed is averaged
_LEAST, _LASTS = 0.6, 4.0  # seconds of a piece, and to which it is prolonged, there and back (ours)
_UPRIGHT = 0.93  # of the clip's highest head
_HANGS = 0.25  # metres of a wrist below its shoulder
_HEAD, _SHOULDERS, _WRISTS = 15, [16, 17], [20, 21]

_BOTH = ("left_arm", "right_arm")
GOING = ("walk", "walking", "run", "walk-left", "walk-right", "walk-back")
ARMS = {
    "wave-left-hand": (("left_arm",), "waves with the left hand", "waving with the left hand"),
    "wave-right-hand": (("right_arm",), "waves with the right hand", "waving with the right hand"),
    "wave-both-hands": (_BOTH, "waves with both hands", "waving both arms"),
    "bye": (_BOTH, "waves goodbye", "waving goodbye"),
    "byebye": (_BOTH, "waves", "waving"),
    "raise-up-left-hand": (("left_arm",), "raises the left hand", "raising the left arm"),
    "raise-up-right-hand": (("right_arm",), "raises the right hand", "raising the right arm"),
    "raise-up-both-hands": (_BOTH, "raises both arms", "lifting both hands"),
}
"""By the label of a clip in which nothing but arms moves: the parts it lends, and what they do."""

_WENT = {
    "walk": ("walks", "walks forward", "walks along"),
    "walking": ("walks", "walks forward", "strolls along"),
    "walk-left": ("walks diagonally left",),
    "walk-right": ("walks diagonally right",),
    "walk-back": ("walks backwards",),
    "run": ("runs", "runs forward", "jogs"),
}
_JOINED = (
    "{went} and {does}",
    "{went} while {doing}",
    "{went}, {doing}",
    "{went} and {does} at the same time",
)


def standing(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """Pieces in which people stand upright with hanging arms and hardly move, four seconds long.

    Shorter ones go on there and back. Their style is the clip's.

    Args:
        clips: of the library.
    """
    pieces = []
    for clip in clips:
        joints = clip.joints()
        for number, (begin, end) in enumerate(_quiet(joints, clip.fps)):
            shown = _prolonged(joints[begin:end], round(_LASTS * clip.fps))
            labels = {name: value for name, value in clip.labels.items() if name == "style"}
            pieces.append(
                replace(
                    clip,
                    id=f"{clip.id}#stands{number}",
                    captions=("a person stands still",),
                    length=len(shown),
                    labels={**labels, "content": STANDS},
                    kinematics={},
                    timeline=(),
                    _read=partial(np.asarray, shown),
                )
            )
    return pieces


def together(
    clips: Sequence[EncodedClip],
    count: int,
    seed: int,
    representation: MotionRepresentation = SMPL24_MOTION,
) -> list[EncodedClip]:
    """People who go and move their arms, each put together from two clips of one style.

    Args:
        clips: as features.
        count: how many; none where the clips hold no two that fit.
        seed: of the choice.
        representation: of the features.
    """
    rng = np.random.default_rng(seed)
    going = [clip for clip in clips if clip.content in GOING]
    acting = [clip for clip in clips if clip.content in ARMS]
    pairs = [(a, b) for a in going for b in acting if a.style == b.style]
    if not pairs:
        return []
    made = []
    for chosen in rng.choice(len(pairs), size=min(count, len(pairs)), replace=False):
        goes, acts = pairs[chosen]
        parts, does, doing = ARMS[acts.content]
        frames = min(len(goes.features), len(acts.features))
        features = goes.features[:frames].copy()
        for part in parts:
            features[:, representation.parts[part]] = acts.features[:frames, representation.parts[part]]
        texts = [
            "a person " + joined.format(went=went, does=does, doing=doing)
            for went in _WENT[goes.content]
            for joined in _JOINED
        ]
        made.append(EncodedClip(features, tuple(texts), goes.style, f"{goes.content}+{acts.content}"))
    return made


def _quiet(joints: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """(first, end) of frames in which somebody stands still."""
    speed = np.linalg.norm(np.diff(joints, axis=0, prepend=joints[:1]), axis=-1).max(axis=1) * fps
    width = max(1, round(_OVER * fps))
    calm = np.convolve(np.pad(speed, width // 2, "edge"), np.ones(width) / width, "valid")[: len(speed)]
    upright = joints[:, _HEAD, 1] > _UPRIGHT * joints[:, _HEAD, 1].max()
    hanging = (joints[:, _SHOULDERS, 1] - joints[:, _WRISTS, 1] > _HANGS).all(axis=1)
    still = np.concatenate([[False], (calm < _QUIET) & upright & hanging, [False]])
    edges = np.flatnonzero(np.diff(still.astype(int)))
    spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(begin, end) for begin, end in spans if end - begin >= _LEAST * fps]


def _prolonged(joints: np.ndarray, frames: int) -> np.ndarray:
    """Frames there and back until there are so many."""
    turn = np.concatenate([joints, joints[-2:0:-1]])
    times = -(-frames // len(turn))
    return np.concatenate([turn] * times)[: max(frames, len(joints))]
