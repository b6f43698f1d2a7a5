"""Constraints laid out over the tokens of a motion: what is known, and where the person must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from kinema.motion.constraints import MOST_SPEED, Constraint, JointTarget, Known, RootPath
from kinema.motion.features import PATH, PELVIS
from kinema.motion.paths import bend_path, draw_path
from kinema.motion.representation import (
    MotionRepresentation,
    Stance,
    path_features,
)

_ARM = 0.3  # metres by which a joint may miss before the path is bent: the body leans and reaches (ours)
_EASE = 0.4  # seconds in which a difference at the border of known frames runs out (ours)


@dataclass
class Layout:
    """Known numbers of a motion of L tokens, T frames.

    Args:
        representation: of the features.
        known: raw features, read where given, [T, W].
        given: which numbers are known exactly, frame by frame, [T, W] bool.
        mask: which of the P parts of which tokens the network is given, [L, P] bool.
        stance: where the motion starts.
        anchors: (frame, x, z, yaw) of frames whose place in the world is known, rising.
    """

    representation: MotionRepresentation
    known: torch.Tensor
    given: torch.Tensor
    mask: torch.Tensor
    stance: Stance = field(default_factory=Stance)
    anchors: list[tuple[int, float, float, float]] = field(default_factory=list)

    @property
    def free_path(self) -> bool:
        """Whether the network decides where the person goes."""
        return not bool(self.mask[:, 0].all())

    @property
    def known_path_tokens(self) -> int:
        """Tokens at the start whose path is known."""
        known = self.mask[:, 0].tolist()
        return next((token for token, here in enumerate(known) if not here), len(known))

    def with_path(self, path: torch.Tensor, stance: Stance) -> Layout:
        """The same with the path known everywhere, [T, 3]."""
        known, given, mask = self.known.clone(), self.given.clone(), self.mask.clone()
        columns = self.representation.parts[PATH]
        known[:, columns], given[:, columns], mask[:, 0] = path, True, True
        return Layout(self.representation, known, given, mask, stance, self.anchors)

    def bent(self, features: torch.Tensor, targets: Sequence[JointTarget] = ()) -> Layout:
        """The path of a first draft, bent so that it meets the anchors and leads to targets, made known.

        Raises:
            ValueError: nobody is fast enough to be there in time.
        """
        fps, tree = self.representation.fps, self.representation.skeleton
        drafted = self.representation.place(features, self.stance)
        floor, yaw = drafted.joints[:, tree.root, [0, 2]].double().numpy(), drafted.yaw.double().numpy()
        wanted = {frame: (x, z, turn) for frame, x, z, turn in self.anchors}
        wanted.setdefault(0, (floor[0, 0], floor[0, 1], yaw[0]))
        for target in targets:
            frame = self.representation.frames_in(target.time)
            miss = np.array([target.position[0], target.position[2]])
            miss = miss - drafted.joints[frame, tree.index(target.joint), [0, 2]].double().numpy()
            far = float(np.linalg.norm(miss))
            miss = miss * max(0.0, far - _ARM) / max(far, 1e-9)
            wanted.setdefault(frame, (*(floor[frame] + miss), yaw[frame]))
        frames = sorted(wanted)
        places = np.array([wanted[frame] for frame in frames])
        floor, yaw = bend_path(floor, yaw, frames, places[:, :2], places[:, 2])
        speed = np.linalg.norm(np.diff(floor, axis=0), axis=1) * fps
        if speed.max() > MOST_SPEED:
            raise ValueError(
                f"to be where it is asked at {frames[-1] / fps:g} s, the person would move at {speed.max():.0f} m/s near "
                f"{int(speed.argmax()) / fps:g} s, and people reach {MOST_SPEED:g} m/s: give more time or nearer places"
            )
        return self.with_path(path_features(floor, yaw), Stance(*(float(v) for v in (*floor[0], yaw[0]))))


def lay_out(
    constraints: Sequence[Constraint], tokens: int, length: int, representation: MotionRepresentation
) -> Layout:
    """Constraints that were checked, laid out over tokens; joint targets are left to the end.

    Args:
        constraints: see `check_constraints`.
        tokens: of the motion.
        length: frames that are kept, at most all of the tokens.
        representation: of the motion.
    """
    frames = tokens * representation.patch
    layout = Layout(
        representation,
        torch.zeros(frames, representation.width),
        torch.zeros(frames, representation.width, dtype=torch.bool),
        torch.zeros(tokens, len(representation.parts), dtype=torch.bool),
    )
    for constraint in constraints:
        if isinstance(constraint, Known):
            _put(layout, constraint)
    layout.anchors.sort()
    if layout.anchors and layout.anchors[0][0] == 0:
        layout.stance = Stance(*layout.anchors[0][1:])
    for constraint in constraints:
        if isinstance(constraint, RootPath):
            start = layout.stance if layout.anchors else None
            path, stance = draw_path(constraint, length, representation.fps, start)
            layout = layout.with_path(torch.cat([path, path.new_zeros(frames - length, 3)]), stance)
            layout.anchors = []
    return layout


def _put(layout: Layout, constraint: Known) -> None:
    representation, patch = layout.representation, layout.representation.patch
    kept = constraint.kept(representation)
    features, stance = representation.encode(constraint.motion)
    begin = representation.frames_in(constraint.at)
    features = features[: len(layout.known) - begin]
    end = begin + len(features)
    for number, (name, part) in enumerate(representation.parts.items()):
        if name not in kept:
            continue
        first = begin + 1 if name == PATH and begin else begin  # a step into the first frame is not known
        layout.known[first:end, part] = features[first - begin :, part]
        layout.given[first:end, part] = True
        whole = slice(-(-first // patch), end // patch)
        if whole.start < whole.stop:
            layout.mask[whole, number] = True
        elif name != PATH:  # a keyframe: the network sees a token that holds it
            token = slice(begin // patch * patch, begin // patch * patch + patch)
            rest = ~layout.given[token, part]
            layout.known[token, part] = torch.where(rest, features[0, part], layout.known[token, part])
            layout.mask[begin // patch, number] = True
    if PATH in kept:
        placed = representation.place(features, stance)
        for frame, (root, yaw) in enumerate(
            zip(placed.joints[:, representation.skeleton.root].tolist(), placed.yaw.tolist(), strict=True)
        ):
            layout.anchors.append((begin + frame, root[0], root[2], yaw))


def paste(
    features: torch.Tensor, known: torch.Tensor, given: torch.Tensor, representation: MotionRepresentation
) -> torch.Tensor:
    """Known numbers [T, W] put into features; their differences at borders run out within 0.4 s.

    Steps and turns of the path are not smoothed: what is known of it is already in the features.
    """
    if not given.any():
        return features
    ease = representation.frames_in(_EASE)
    body = slice(representation.parts[PELVIS].start, None)
    added = torch.zeros_like(features)
    apart = torch.where(given, known - features, 0.0)
    for way in (1, -1):
        here, difference = (given, apart) if way == 1 else (given.flip(0), apart.flip(0))
        run, carried = torch.zeros_like(features), torch.full_like(features, float(ease + 1))
        for frame in range(1, len(features)):
            carried[frame] = torch.where(here[frame - 1], 1.0, carried[frame - 1] + 1)
            run[frame] = torch.where(here[frame - 1], difference[frame - 1], run[frame - 1])
        share = (1 - carried / (ease + 1)).clamp(min=0)
        eased = run * share * share * (3 - 2 * share)
        added = added + (eased if way == 1 else eased.flip(0))
    features = features.clone()
    features[:, body] = representation.renormalise(torch.where(given, features, features + added))[:, body]
    return torch.where(given, known, features)
