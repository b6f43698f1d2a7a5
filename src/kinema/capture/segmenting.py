"""Which pixels are a person's: MediaPipe's pose network and its selfie segmentation, both asked about one body."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.capture.detectors.blaze import Body
from kinema.capture.detectors.litert import Network, bundled

_SELFIE = "selfie_segmentation/selfie_segmentation.tflite"
_ROOM = 1.25  # side of the square that selfie segmentation sees, in longer sides of the person's box (ours)


def segmented(network: Network, picture: np.ndarray, body: Body) -> np.ndarray:
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


def near(own: np.ndarray) -> np.ndarray:
    """The pose network's opinion spread a little: what selfie segmentation may add beside others, float32 [H, W]."""
    reach = max(1.0, 0.01 * max(own.shape))
    return cv2.GaussianBlur(own, (0, 0), reach)


def selfie_network() -> Network:
    """The network of selfie segmentation.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    return Network(bundled(_SELFIE)[0], _SELFIE, 2)


def selfie(picture: np.ndarray, body: Body, network: Network | None = None) -> np.ndarray:
    """Selfie segmentation of a square round the body, on the whole picture, float32 [H, W]."""
    height, width = picture.shape[:2]
    inside = body.points[:33][body.presence[:33] > 0.3]
    inside = np.clip(inside if len(inside) > 3 else body.points[:33], 0, [width, height])
    low, high = inside.min(axis=0), inside.max(axis=0)
    side = _ROOM * float(max(high - low)) + 2
    left, top = (low + high) / 2 - side / 2
    network = network or selfie_network()
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
