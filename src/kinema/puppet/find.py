"""Finding the person in a picture: MediaPipe's pose networks and its selfie segmentation, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.capture.detectors.blaze import Body
from kinema.capture.detectors.litert import Network
from kinema.capture.detectors.mediapipe_holistic import hands_and_face
from kinema.capture.detectors.mediapipe_pose import PoseFollower, landmarks, open_follower
from kinema.capture.segmenting import near, segmented, selfie

_LEAST = 0.3  # score of the person detector; what it means is judged by the agreement of the two networks
_MOST = 8  # people that are looked for
_INSIDE = 0.7  # share of a body's points on a larger one (or of its pixels) from which it is no person of its own (ours)
_BYSTANDER = 0.3  # probability from which on a pixel may show another person (ours)
_SAME_HAND = 0.6  # of a palm's length: two hands that are nearer on the average are one (ours)
_FACE, _HANDS = slice(23, 91), (slice(91, 112), slice(112, 133))  # among COCO-WholeBody's points


@dataclass(frozen=True, eq=False)
class Found:
    """The person in a picture.

    Args:
        points: MediaPipe's 33 landmarks, pixels, [33, 2]; NaN where rather outside the picture.
        confidence: of each, 0 to 1, [33].
        world: metres from the middle of the hips, axes of the camera, [33, 3].
        probability: of each pixel to be this person's, float32 [H, W].
        agreement: intersection over union of what the two networks take for the person, 0 to 1.
        people: how many there are in the picture.
        side: of the square that holds the person, pixels.
        others: probability of each pixel to be another person's, float32 [H, W]; None where nobody else is there.
        hands: MediaPipe's 21 points of the left and the right hand, pixels, [21, 2]; None where none is seen.
        face: the 68 points of the face as in iBUG, pixels, [68, 2]; None where none is seen.
    """

    points: np.ndarray
    confidence: np.ndarray
    world: np.ndarray
    probability: np.ndarray
    agreement: float
    people: int
    side: float = 0.0
    others: np.ndarray | None = None
    hands: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    face: np.ndarray | None = None

    @property
    def bystanders(self) -> np.ndarray | None:
        """Where other people are, bool [H, W]; None where nobody else is there."""
        return None if self.others is None else self.others > _BYSTANDER


def find(picture: np.ndarray, person: int | None = None) -> Found | None:
    """The largest person in a picture; None where nobody is found.

    Args:
        picture: uint8 [H, W, 3].
        person: of several, counted from the left; the largest where None.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
        ValueError: there is no such person.
    """
    follower, people = _people(picture)
    if not people:
        return None
    if person is not None and not 0 <= person < len(people):
        raise ValueError(f"person {person}: {len(people)} people are in the picture, counted from the left")
    sizes = [body.region.side for body, _ in people]
    number = int(np.argmax(sizes)) if person is None else person
    return _found(picture, follower, people, number)


def find_everybody(picture: np.ndarray) -> tuple[Found, ...]:
    """Everybody in a picture, from the left; each pixel is rather one person's than another's.

    Args:
        picture: uint8 [H, W, 3].

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    follower, people = _people(picture)
    return tuple(_found(picture, follower, people, number) for number in range(len(people)))


def _people(picture: np.ndarray) -> tuple[PoseFollower, list[tuple[Body, np.ndarray]]]:
    """Who found them, and everybody with their segmentation, from the left."""
    follower = open_follower(None, people=_MOST, confidence=_LEAST, tracking=_LEAST)
    bodies = sorted(follower.follow(np.ascontiguousarray(picture)), key=lambda body: -body.region.side)
    people = _separate(follower.landmarker, picture, bodies)
    return follower, sorted(people, key=lambda one: float(one[0].points[33, 0]))


def _found(
    picture: np.ndarray, follower: PoseFollower, people: list[tuple[Body, np.ndarray]], number: int
) -> Found:
    """One of the people."""
    body, own = people[number]
    points, confidence = landmarks(body)
    whole = selfie(picture, body)
    others = [other for k, (_, other) in enumerate(people) if k != number]
    rest = None
    if others:  # selfie segmentation does not tell people apart
        rest = np.max(others, axis=0)
        whole = whole * np.clip(4 * near(own), 0, 1) * (rest <= np.maximum(own, 0.5))
        own = own * (rest <= own)
    both = np.minimum(own > 0.5, whole > 0.5).sum() / max(1, np.maximum(own > 0.5, whole > 0.5).sum())
    probability = 0.5 * np.maximum(own, whole) + 0.25 * (own + whole)
    hands, face = _hands_and_face(follower, picture, body)
    return Found(
        points,
        confidence,
        body.world[:33],
        probability,
        float(both),
        len(people),
        body.region.side,
        rest,
        hands,
        face,
    )


def _hands_and_face(
    follower: PoseFollower, picture: np.ndarray, body: Body
) -> tuple[tuple[np.ndarray | None, np.ndarray | None], np.ndarray | None]:
    """Points of both hands and of the face, where the networks for them see any."""
    seen = hands_and_face(follower).observe(np.ascontiguousarray(picture), body)
    left, right, face = (seen.points[part] for part in (*_HANDS, _FACE))
    wrists = body.points[[15, 16]]
    if np.isfinite(left).all() and np.isfinite(right).all():
        apart = float(np.linalg.norm(left - right, axis=1).mean())
        if apart < _SAME_HAND * float(np.linalg.norm(left[0] - left[9])):  # one hand, seen twice
            if np.linalg.norm(left[0] - wrists[0]) < np.linalg.norm(right[0] - wrists[1]):
                right = np.full_like(right, np.nan)
            else:
                left = np.full_like(left, np.nan)
    there = [each if np.isfinite(each).all() else None for each in (left, right, face)]
    return (there[0], there[1]), there[2]


def _separate(network: Network, picture: np.ndarray, bodies: list[Body]) -> list[tuple[Body, np.ndarray]]:
    """Each person once, with their segmentation: the detector sees smaller ones in sleeves and skirts."""
    height, width = picture.shape[:2]
    people: list[tuple[Body, np.ndarray]] = []
    for body in bodies:  # the largest first
        at = np.clip(np.round(body.points[:33]).astype(int), 0, [width - 1, height - 1])
        if any((own[at[:, 1], at[:, 0]] > 0.5).mean() > _INSIDE for _, own in people):
            continue
        mask = segmented(network, picture, body)
        area = max(int((mask > 0.5).sum()), 1)
        if all(((mask > 0.5) & (own > 0.5)).sum() < _INSIDE * area for _, own in people):
            people.append((body, mask))
    return people
