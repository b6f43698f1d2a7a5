"""Smooth colours where nobody knows them: a pyramid (push-pull), and a membrane relaxed on it."""

from __future__ import annotations

import cv2
import numpy as np

_WIDER = 5  # how much further colours spread along rows than along columns (ours)


def push_pull(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours everywhere: known ones stay, the rest is a smooth continuation.

    Args:
        colours: float32 [H, W, C].
        known: how far each is known, 0 to 1, float32 [H, W].
    """
    weight = known.astype(np.float32)[..., None]
    values = colours.astype(np.float32) * weight
    pyramid = [(values, weight)]
    while max(pyramid[-1][0].shape[:2]) > 1:
        values, weight = pyramid[-1]
        size = max(1, (values.shape[1] + 1) // 2), max(1, (values.shape[0] + 1) // 2)
        small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (values, weight)]
        values, weight = (np.asarray(each, np.float32).reshape(*size[::-1], -1) for each in small)
        pyramid.append((values, weight))
    values, weight = pyramid.pop()
    result = values / np.maximum(weight, 1e-6)
    while pyramid:
        values, weight = pyramid.pop()
        coarse = cv2.resize(result, values.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        coarse = coarse.reshape(values.shape)
        sure = np.clip(weight, 0, 1)
        result = values + (1 - sure) * coarse
    return result


def membrane(colours: np.ndarray, known: np.ndarray, rounds: int = 60) -> np.ndarray:
    """Colours everywhere, unknown ones stretched between the known ones without bumps, along rows rather than columns.

    Laplace's equation, relaxed from what lies left, right, above and below; rows count more because a room's light
    changes upwards, not sidewards.

    Args:
        colours: float32 [H, W, C].
        known: bool [H, W].
        rounds: of relaxation.
    """
    if known.all() or not known.any():
        return np.array(colours, np.float32)
    weight = known.astype(np.float32)[..., None]
    share = cv2.GaussianBlur(weight, (0, 0), 1.0).reshape(weight.shape)
    calm = cv2.GaussianBlur(colours * weight, (0, 0), 1.0).reshape(colours.shape) / np.maximum(share, 1e-6)
    total = np.zeros(weight.shape, np.float32)
    result = np.zeros(colours.shape, np.float32)
    for values, sure, out, amount, along in (
        (calm, known, result, total, _WIDER),
        (calm[:, ::-1], known[:, ::-1], result[:, ::-1], total[:, ::-1], _WIDER),
        (calm.swapaxes(0, 1), known.T, result.swapaxes(0, 1), total.swapaxes(0, 1), 1),
        (
            calm[::-1].swapaxes(0, 1),
            known[::-1].T,
            result[::-1].swapaxes(0, 1),
            total[::-1].swapaxes(0, 1),
            1,
        ),
    ):
        away, last = _along_rows(sure)
        seen = last >= 0
        near = np.where(seen, along / np.maximum(away, 1), 0)[..., None]
        out += near * np.take_along_axis(values, np.maximum(last, 0)[..., None], axis=1)
        amount += near
    smooth = push_pull(colours, known.astype(np.float32))
    free = (~known)[..., None]
    result = np.where(total > 0, result / np.maximum(total, 1e-9), smooth)
    result = np.where(free, result, colours).astype(np.float32)
    shape = result.shape
    for number in range(rounds):
        high = 2 * max(1, (rounds - number) // 20) + 1
        mean = cv2.blur(result, (_WIDER * high, high), borderType=cv2.BORDER_REPLICATE)
        result = np.where(free, mean.reshape(shape), colours).astype(np.float32)
    return result


def _along_rows(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far to the left the next known pixel is, and its column; -1 where there is none."""
    columns = np.where(known, np.arange(known.shape[1]), -1)
    last = np.maximum.accumulate(columns, axis=1)
    return np.arange(known.shape[1]) - last, last


def shrunk(colours: np.ndarray, known: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A smaller picture, from known pixels alone; a small pixel is known where all below it are.

    Args:
        colours: float32 [H, W, 3].
        known: bool [H, W].
        size: (width, height).
    """
    weight = known.astype(np.float32)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    values = cv2.resize(colours * weight[..., None], size, interpolation=cv2.INTER_AREA)
    values = values.reshape(*share.shape, -1) / np.maximum(share, 1e-6)[..., None]
    return values, share > 0.999


def continued(picture: np.ndarray, known: np.ndarray, reach: int) -> np.ndarray:
    """A picture with its unknown pixels filled: the nearest known one's colour, fading to a smooth continuation.

    Args:
        picture: uint8 [H, W, 3].
        known: bool [H, W].
        reach: pixels over which the nearest colour fades.
    """
    if not known.any():
        return picture.copy()
    smooth = push_pull(picture.astype(np.float32), known.astype(np.float32))
    unknown = (~known).astype(np.uint8)
    distance, index = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((int(index.max()) + 1, 3), np.float32)
    colours[index[known]] = picture[known]
    near = np.clip(1 - distance / max(reach, 1), 0, 1)[..., None]
    filled = near * colours[index] + (1 - near) * smooth
    return np.where(known[..., None], picture, np.clip(filled, 0, 255).astype(np.uint8))
