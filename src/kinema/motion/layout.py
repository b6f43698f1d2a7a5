"""Constraints laid out over the tokens of a motion: what is known, and where the person must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from kinema.motion.constraints import MOST_SPEED, Constraint, JointTarget, Known, RootPath
from kinema.motion.paths import bend_path, draw_path
from kinema.motion.representation import (
    FPS,
    PARTS,
    PATCH,
    WIDTH,
    Stance,
    encode,
    path_features,
    place,
    renormalise,
)

_ARM = 0.3  # metres by which a joint may miss before the path is bent: the body leans and reaches (ours)
_EASE = 8  # frames over which a difference at the border of known frames runs out (ours)


@dataclass
class Layout:
    """Known numbers of a motion of L tokens.

    Args:
        known: raw features, read where given, [4 L, 122].
        given: which numbers are known exactly, frame by frame, [4 L, 122] bool.
        mask: which parts of which tokens the network is given, [L, 7] bool.
        stance: where the motion starts.
        anchors: (frame, x, z, yaw) of frames whose place in the world is known, rising.
    """

    known: torch.Tensor
    given: torch.Tensor
    mask: torch.Tensor
    stance: Stance = field(default_factory=Stance)
    anchors: list[tuple[int, float, float, float]] = field(default_factory=list)

    @property
    def free_path(self) -> bool:
        """Whether the network decides where the person goes."""
        return not bool(self.mask[:, _PATH].all())

    def with_path(self, path: torch.Tensor, stance: Stance) -> Layout:
        """The same with the path known everywhere, [4 L, 3]."""
        known, given, mask = self.known.clone(), self.given.clone(), self.mask.clone()
        known[:, PARTS["path"]], given[:, PARTS["path"]], mask[:, _PATH] = path, True, True
        return Layout(known, given, mask, stance, self.anchors)

    def bent(self, features: torch.Tensor, targets: Sequence[JointTarget] = ()) -> Layout:
        """The path of a first draft, bent so that it meets the anchors and leads to targets, made known.

        Raises:
            ValueError: nobody is fast enough to be there in time.
        """
        drafted = place(features, self.stance)
        floor, yaw = drafted.joints[:, 0, [0, 2]].double().numpy(), drafted.yaw.double().numpy()
        wanted = {frame: (x, z, turn) for frame, x, z, turn in self.anchors}
        wanted.setdefault(0, (floor[0, 0], floor[0, 1], yaw[0]))
        for target in targets:
            miss = np.array([target.position[0], target.position[2]])
            miss = miss - drafted.joints[target.frame, target.index, [0, 2]].double().numpy()
            far = float(np.linalg.norm(miss))
            miss = miss * max(0.0, far - _ARM) / max(far, 1e-9)
            wanted.setdefault(target.frame, (*(floor[target.frame] + miss), yaw[target.frame]))
        frames = sorted(wanted)
        places = np.array([wanted[frame] for frame in frames])
        floor, yaw = bend_path(floor, yaw, frames, places[:, :2], places[:, 2])
        speed = np.linalg.norm(np.diff(floor, axis=0), axis=1) * FPS
        if speed.max() > MOST_SPEED:
            raise ValueError(
                f"to be where it is asked at {frames[-1] / FPS:g} s, the person would move at {speed.max():.0f} m/s near "
                f"{int(speed.argmax()) / FPS:g} s, and people reach {MOST_SPEED:g} m/s: give more time or nearer places"
            )
        return self.with_path(path_features(floor, yaw), Stance(*(float(v) for v in (*floor[0], yaw[0]))))


_PATH = list(PARTS).index("path")


def lay_out(constraints: Sequence[Constraint], tokens: int, length: int) -> Layout:
    """Constraints that were checked, laid out over tokens; joint targets are left to the end.

    Args:
        constraints: see `check_constraints`.
        tokens: of the motion.
        length: frames that are kept, at most four a token.
    """
    frames = tokens * PATCH
    layout = Layout(
        torch.zeros(frames, WIDTH),
        torch.zeros(frames, WIDTH, dtype=torch.bool),
        torch.zeros(tokens, len(PARTS), dtype=torch.bool),
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
            path, stance = draw_path(constraint, length, start)
            layout = layout.with_path(torch.cat([path, path.new_zeros(frames - length, 3)]), stance)
            layout.anchors = []
    return layout


def _put(layout: Layout, constraint: Known) -> None:
    features, stance = encode(constraint.motion)
    begin = round(constraint.at * FPS)
    features = features[: len(layout.known) - begin]
    end = begin + len(features)
    for number, (name, part) in enumerate(PARTS.items()):
        if name not in constraint.parts:
            continue
        first = begin + 1 if name == "path" and begin else begin  # a step into the first frame is not known
        layout.known[first:end, part] = features[first - begin :, part]
        layout.given[first:end, part] = True
        whole = slice(-(-first // PATCH), end // PATCH)
        if whole.start < whole.stop:
            layout.mask[whole, number] = True
        elif name != "path":  # a keyframe: the network sees a token that holds it
            token = slice(begin // PATCH * PATCH, begin // PATCH * PATCH + PATCH)
            rest = ~layout.given[token, part]
            layout.known[token, part] = torch.where(rest, features[0, part], layout.known[token, part])
            layout.mask[begin // PATCH, number] = True
    if "path" in constraint.parts:
        placed = place(features, stance)
        for frame, (root, yaw) in enumerate(
            zip(placed.joints[:, 0].tolist(), placed.yaw.tolist(), strict=True)
        ):
            layout.anchors.append((begin + frame, root[0], root[2], yaw))


def paste(features: torch.Tensor, known: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Known numbers [T, 122] put into features; their differences at borders run out over eight frames.

    Steps and turns of the path are not smoothed: what is known of it is already in the features.
    """
    if not given.any():
        return features
    body = slice(PARTS["pelvis"].start, None)
    added = torch.zeros_like(features)
    apart = torch.where(given, known - features, 0.0)
    for way in (1, -1):
        here, difference = (given, apart) if way == 1 else (given.flip(0), apart.flip(0))
        run, carried = torch.zeros_like(features), torch.full_like(features, float(_EASE + 1))
        for frame in range(1, len(features)):
            carried[frame] = torch.where(here[frame - 1], 1.0, carried[frame - 1] + 1)
            run[frame] = torch.where(here[frame - 1], difference[frame - 1], run[frame - 1])
        share = (1 - carried / (_EASE + 1)).clamp(min=0)
        eased = run * share * share * (3 - 2 * share)
        added = added + (eased if way == 1 else eased.flip(0))
    features = features.clone()
    features[:, body] = renormalise(torch.where(given, features, features + added))[:, body]
    return torch.where(given, known, features)
