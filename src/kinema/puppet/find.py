"""Finding the person in a picture: MediaPipe's pose networks and its selfie segmentation, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kinema.capture.detectors.blaze import Body
from kinema.capture.detectors.litert import Network, bundled
from kinema.capture.detectors.mediapipe_pose import landmarks, open_follower

_SELFIE = "selfie_segmentation/selfie_segmentation.tflite"
_ROOM = 1.25  # side of the square that selfie segmentation sees, in longer sides of the person's box (ours)
_LEAST = 0.3  # score of the person detector; what it means is judged by the agreement of the two networks
_MOST = 8  # people that are looked for


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
    """

    points: np.ndarray
    confidence: np.ndarray
    world: np.ndarray
    probability: np.ndarray
    agreement: float
    people: int


def find(picture: np.ndarray, person: int | None = None) -> Found | None:
    """The largest person in a picture; None where nobody is found.

    Args:
        picture: uint8 [H, W, 3].
        person: of several, counted from the left; the largest where None.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
        ValueError: there is no such person.
    """
    follower = open_follower(None, people=_MOST, confidence=_LEAST, tracking=_LEAST)
    bodies = sorted(follower.follow(np.ascontiguousarray(picture)), key=lambda body: body.points[33, 0])
    if not bodies:
        return None
    if person is not None and not 0 <= person < len(bodies):
        raise ValueError(f"person {person}: {len(bodies)} people are in the picture, counted from the left")
    body = max(bodies, key=lambda body: body.region.side) if person is None else bodies[person]
    points, confidence = landmarks(body)
    own = _segmented(follower.landmarker, picture, body)
    selfie = _selfie(picture, body)
    both = np.minimum(own > 0.5, selfie > 0.5).sum() / max(1, np.maximum(own > 0.5, selfie > 0.5).sum())
    if len(bodies) > 1:  # selfie segmentation does not tell people apart
        selfie = selfie * np.clip(4 * _near(own), 0, 1)
    probability = 0.5 * np.maximum(own, selfie) + 0.25 * (own + selfie)
    return Found(points, confidence, body.world[:33], probability, float(both), len(bodies))


def _segmented(network: Network, picture: np.ndarray, body: Body) -> np.ndarray:
    """The pose network's own segmentation on the whole picture, float32 [H, W]."""
    outputs = network(body.region.crop(picture, network.side))
    logits = next(
        out for out in outputs if out.ndim == 4 and out.shape[1:] == (network.side, network.side, 1)
    )
    probability = (1 / (1 + np.exp(-np.clip(logits[0, ..., 0], -50, 50)))).astype(np.float32)
    return cv2.warpAffine(
        probability,
        body.region.matrix(network.side),
        (picture.shape[1], picture.shape[0]),
        flags=cv2.INTER_LINEAR,
    )


def _near(own: np.ndarray) -> np.ndarray:
    """The pose network's opinion spread a little: what selfie segmentation may add beside others, float32 [H, W]."""
    reach = max(1.0, 0.01 * max(own.shape))
    return cv2.GaussianBlur(own, (0, 0), reach)


def _selfie(picture: np.ndarray, body: Body) -> np.ndarray:
    """Selfie segmentation of a square round the body, on the whole picture, float32 [H, W]."""
    height, width = picture.shape[:2]
    inside = body.points[:33][body.presence[:33] > 0.3]
    inside = np.clip(inside if len(inside) > 3 else body.points[:33], 0, [width, height])
    low, high = inside.min(axis=0), inside.max(axis=0)
    side = _ROOM * float(max(high - low)) + 2
    left, top = (low + high) / 2 - side / 2
    network = Network(bundled(_SELFIE)[0], _SELFIE, 2)
    matrix = np.array([[side / network.side, 0, left], [0, side / network.side, top]])
    square = cv2.warpAffine(
        picture,
        matrix,
        (network.side, network.side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    probability = network(np.multiply(square, np.float32(1 / 255), dtype=np.float32))[0][0, ..., -1].copy()
    return cv2.warpAffine(probability, matrix, (width, height), flags=cv2.INTER_LINEAR)
