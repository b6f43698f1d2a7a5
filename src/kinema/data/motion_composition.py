"""New motions made of clips: one after the other, or parts of the body from one and the rest from another.

Captions are composed along: "a person walks", "a person waves with the left hand" -> "a person walks, then waves with
the left hand" or "a person walks while waving with the left hand".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kinema.motion.body import (
    matrices_from_6d,
    matrices_from_quaternions,
    matrices_to_6d,
    matrices_to_quaternions,
)
from kinema.motion.representation import SMPL24_MOTION, Stance
from kinema.motion.timeline import BODY_PARTS
from kinema.scene import quaternions as quat
from kinema.scene.motion import Motion

_M = SMPL24_MOTION
BLEND_SECONDS = 0.4
"""Over which clips and body parts go over into each other (ours)."""

_SUBJECT = re.compile(
    r"^(?:a|an|the)\s+(?:[\w-]+\s+)?(?:person|man|woman|figure|dancer)\s+|^(?:someone|somebody|he|she)\s+",
    re.IGNORECASE,
)
_IRREGULAR = {"does": "doing", "goes": "going", "lies": "lying", "is": "", "runs": "running", "hops": "hopping",
              "sits": "sitting", "puts": "putting", "steps": "stepping", "claps": "clapping", "nods": "nodding",
              "jogs": "jogging", "squats": "squatting", "taps": "tapping", "skips": "skipping"}  # fmt: skip


@dataclass(frozen=True)
class Composed:
    """A motion made of others.

    Args:
        motion: on the neutral body, 20 fps.
        caption: what it shows.
        parts: (start, end, caption) of what it was made of, seconds.
    """

    motion: Motion
    caption: str
    parts: tuple[tuple[float, float, str], ...]


def in_sequence(clips: Sequence[tuple[Motion, str]]) -> Composed:
    """Clips one after the other; each goes on from where the one before stands and faces.

    Raises:
        ValueError: no clips.
    """
    if not clips:
        raise ValueError("there are no clips to put in a row")
    encoded = [_M.encode(motion)[0] for motion, _ in clips]
    whole, parts = encoded[0], [(0.0, (len(encoded[0]) - 1) / _M.fps, clips[0][1])]
    for features, (_, caption) in zip(encoded[1:], clips[1:], strict=True):
        blend = min(_M.frames_in(BLEND_SECONDS), len(whole), len(features))
        share = _rise(blend)
        mixed = _mix(whole[-blend:], features[:blend], share)
        begin = (len(whole) - blend / 2) / _M.fps
        whole = torch.cat([whole[:-blend], mixed, features[blend:]])
        parts[-1] = (parts[-1][0], begin, parts[-1][2])
        parts.append((begin, (len(whole) - 1) / _M.fps, caption))
    caption = clips[0][1] + "".join(f", then {_predicate(text)}" for _, text in clips[1:])
    return Composed(_M.decode(whole, Stance()), caption, tuple(parts))


def at_once(
    base: tuple[Motion, str], other: tuple[Motion, str], parts: Sequence[str], start: float = 0.0
) -> Composed:
    """One clip with some parts of the body doing what another does: walk while waving.

    Args:
        base: motion and caption of the rest of the body; it decides where the person goes.
        other: motion and caption of the parts; cut where `base` ends.
        parts: names of `motion.timeline.BODY_PARTS` without the path, such as left_arm.
        start: seconds of `base` at which `other` begins.

    Raises:
        ValueError: unknown parts, parts that say where the person goes, or a start outside `base`.
    """
    unknown = [name for name in parts if name not in BODY_PARTS]
    if unknown or not parts:
        raise ValueError(f"no body parts {unknown}; there are {', '.join(BODY_PARTS)}")
    groups = {group for name in parts for group in BODY_PARTS[name]}
    if "path" in groups:
        raise ValueError(
            f"{', '.join(parts)} say where the person goes, and so does the other clip; take arms or torso"
        )
    features, stance = _M.encode(base[0])
    if not 0 <= start < base[0].duration:
        raise ValueError(f"start at {start:g} s: the clip lasts {base[0].duration:g} s")
    begin = _M.frames_in(start)
    added = _M.encode(other[0])[0][: len(features) - begin]
    end = begin + len(added)
    share = torch.ones(len(added))
    blend = min(_M.frames_in(BLEND_SECONDS), len(added) // 2)
    if begin:
        share[:blend] = _rise(blend)
    if end < len(features):
        share[len(added) - blend :] = _rise(blend).flip(0)
    for group in groups:
        columns = _M.parts[group]
        features[begin:end, columns] = _between(features[begin:end, columns], added[:, columns], share)
    caption = f"{base[1]} while {_gerund(_predicate(other[1]))}"
    spoken = ((0.0, (len(features) - 1) / _M.fps, base[1]), (start, (end - 1) / _M.fps, other[1]))
    return Composed(_M.decode(features, stance), caption, spoken)


def _mix(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Features [T, 122] of the whole body between two."""
    mixed = one + share[:, None] * (other - one)  # right for the path and the height
    for group, columns in _M.parts.items():
        if group != "path":
            turned = slice(columns.start + (group == "pelvis"), columns.stop)
            mixed[:, turned] = _between(one[:, turned], other[:, turned], share)
    return mixed


def _between(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Features of a limb [T, C] on the shortest way from one to another; 6D rotations, then contacts of legs."""
    turns = one.shape[1] // 6 * 6
    a, b = (
        matrices_to_quaternions(matrices_from_6d(limb[:, :turns].unflatten(-1, (-1, 6))))
        for limb in (one, other)
    )
    mixed = matrices_to_6d(matrices_from_quaternions(quat.slerp(a, b, share.numpy()[:, None])))
    contacts = one[:, turns:] + share[:, None] * (other[:, turns:] - one[:, turns:])
    return torch.cat([mixed.flatten(1), contacts], dim=1)


def _rise(frames: int) -> torch.Tensor:
    """From 0 to 1, smooth at both ends, [frames]."""
    at = torch.from_numpy((np.arange(frames) + 0.5) / max(frames, 1)).float()
    return at * at * (3 - 2 * at)


def _predicate(caption: str) -> str:
    """What is done, without who does it."""
    return _SUBJECT.sub("", caption.strip().rstrip(".")) or caption


def _gerund(predicate: str) -> str:
    """'waves with the left hand' -> 'waving with the left hand'; what is no such verb stays."""
    verb, _, rest = predicate.partition(" ")
    if verb in _IRREGULAR:
        doing = _IRREGULAR[verb]
    elif not verb.endswith("s") or verb.endswith("ss"):
        return predicate
    elif re.search(r"(?:sh|ch|x|z|ss)es$", verb):
        doing = verb[:-2] + "ing"
    elif verb.endswith("ies"):
        doing = verb[:-3] + "ying"
    else:
        stem = verb[:-1]
        doing = (stem[:-1] if stem.endswith("e") and not stem.endswith("ee") else stem) + "ing"
    return f"{doing} {rest}".strip()
