"""Exact goals: a few steps of L-BFGS on the rotations, through forward kinematics.

A generator comes near a target; inverse kinematics over the whole motion makes it meet it, changing as little as
possible and smoothly in time (as InterControl, Wang et al. 2024, ends its guidance; weights are ours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from kinema.motion.constraints import JointTarget
from kinema.motion.features import HEIGHT, PATH
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation, Stance

Objective = Callable[[Sequence[torch.Tensor]], torch.Tensor]
"""Joints of each person in the world, [T, J, 3] each -> a number to make small, metres squared."""

TOLERANCE = 0.03
"""Metres; a target missed by more is an error."""


_SPREAD = 0.3
"""Seconds, one standard deviation: a change for one moment takes about a second in all (ours)."""


@dataclass(frozen=True)
class Person:
    """One motion that is refined: raw features [T, W] and where they start."""

    features: torch.Tensor
    stance: Stance
    representation: MotionRepresentation = SMPL24_MOTION

    def joints(self) -> torch.Tensor:
        """In the world, metres, [T, J, 3]."""
        return self.representation.place(self.features, self.stance).joints


@torch.enable_grad()
def refine(
    people: Sequence[Person],
    objective: Objective,
    held: Sequence[torch.Tensor | None] | None = None,
    moves: bool = False,
    iterations: int = 60,
) -> list[Person]:
    """Motions changed as little as possible so that an objective becomes small.

    Args:
        people: what to change.
        objective: of all of them.
        held: for each person the numbers that may not change, [T, W] bool.
        moves: whether people may also be put elsewhere on the floor.
        iterations: of L-BFGS.
    """
    scales = [_scale(person.representation) for person in people]
    changes = [torch.zeros_like(person.features, requires_grad=True) for person in people]
    places = [torch.zeros(2, requires_grad=moves) for _ in people]
    free = [
        torch.ones_like(person.features) if held is None or held[n] is None else (~held[n]).float()  # type: ignore[operator]
        for n, person in enumerate(people)
    ]
    optimiser = torch.optim.LBFGS(
        [*changes, *(places if moves else [])],
        max_iter=iterations,
        history_size=12,
        line_search_fn="strong_wolfe",
    )

    def applied(n: int) -> torch.Tensor:
        return people[n].features + _smoothed(changes[n], people[n].representation) * scales[n] * free[n]

    def joints() -> list[torch.Tensor]:
        found = []
        for n, person in enumerate(people):
            offset = torch.stack([places[n][0], torch.zeros(()), places[n][1]])
            found.append(person.representation.place(applied(n), person.stance).joints + offset)
        return found

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = 1e3 * objective(joints())
        for change in changes:
            loss = loss + 0.02 * change.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return [
        Person(
            applied(n).detach(),
            Stance(
                person.stance.x + float(places[n][0].detach()),
                person.stance.z + float(places[n][1].detach()),
                person.stance.yaw,
            ),
            person.representation,
        )
        for n, person in enumerate(people)
    ]


def _scale(representation: MotionRepresentation) -> torch.Tensor:
    """How far each number goes as easily as any other, [W]; the path hardly does."""
    scale = torch.full((representation.width,), 0.3)
    scale[representation.parts[PATH]] = 0.001
    scale[HEIGHT] = 0.05
    return scale


def _smoothed(change: torch.Tensor, representation: MotionRepresentation) -> torch.Tensor:
    """A change [T, W] spread over the frames around it: nobody reaches and draws back within a frame."""
    spread = max(1, representation.frames_in(_SPREAD))
    away = torch.arange(-3 * spread, 3 * spread + 1)
    kernel = torch.exp(-0.5 * (away / spread) ** 2)
    columns = change.T.unsqueeze(1)
    return functional.conv1d(columns, (kernel / kernel.sum())[None, None], padding=3 * spread)[:, 0].T


def reach(person: Person, targets: Sequence[JointTarget], held: torch.Tensor | None = None) -> Person:
    """A motion whose joints meet their targets, with standing feet where they were.

    Args:
        person: the motion.
        targets: joints, times and places.
        held: numbers that may not change, [T, W] bool.

    Raises:
        ValueError: a target is missed by more than 3 cm: out of reach, or against another one.
    """
    frames, joints, goals = _goals(targets, person)
    for _ in range(3):  # each round starts from what the last one reached, so that "little change" gives way
        person = refine([person], misses(person, targets), [held])[0]
        apart = (person.joints()[frames, joints] - goals).norm(dim=-1)
        if float(apart.max()) < TOLERANCE / 2:
            return person
    worst = int(apart.argmax())
    if float(apart[worst]) > TOLERANCE:
        raise ValueError(
            f"{targets[worst].joint} stays {float(apart[worst]) * 100:.0f} cm from its target at "
            f"{int(frames[worst]) / person.representation.fps:g} s; it is out of reach there, or other constraints hold "
            "the body: move it nearer, or give a root path that leads there"
        )
    return person


def approach(person: Person, targets: Sequence[JointTarget], held: torch.Tensor | None = None) -> Person:
    """A clean prediction moved towards targets: the gradient guidance of one sampling step."""
    return refine([person], misses(person, targets), [held], iterations=5)[0]


def _goals(targets: Sequence[JointTarget], person: Person) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames, joints and places of targets, [N], [N] and [N, 3]."""
    last, representation = len(person.features) - 1, person.representation
    return (
        torch.tensor([min(representation.frames_in(target.time), last) for target in targets]),
        torch.tensor([representation.skeleton.index(target.joint) for target in targets]),
        torch.tensor([target.position for target in targets], dtype=torch.float32),
    )


def misses(person: Person, targets: Sequence[JointTarget]) -> Objective:
    """How far a person's joints are from targets, and how far feet that stood have slipped, metres squared."""
    frames, joints, goals = _goals(targets, person)
    standing = list(person.representation.feet)
    before = person.representation.place(person.features, person.stance)
    stands = before.contacts.clamp(0, 1).unsqueeze(-1)
    feet = before.joints[:, standing]

    def objective(found: Sequence[torch.Tensor]) -> torch.Tensor:
        slips = ((found[0][:, standing] - feet).square() * stands).sum()
        return (found[0][frames, joints] - goals).square().sum() + 0.05 * slips

    return objective
