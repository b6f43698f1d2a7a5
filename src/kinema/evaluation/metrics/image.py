"""PSNR, L1 and SSIM of pictures. Public scripts disagree in the second decimal, so every variant has a name."""

from __future__ import annotations

import cv2
import numpy as np

SSIM_VARIANTS = ("gaussian", "gaussian-border", "uniform-7")
_GAUSSIAN_RADIUS = 5  # 11 taps at sigma 1.5, Wang et al. 2004
_UNIFORM_RADIUS = 3


def psnr(a: np.ndarray, b: np.ndarray, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB over all numbers of two arrays, in float64; infinite where equal.

    Args:
        a: pictures or video, any shape.
        b: the same shape.
        data_range: the largest possible difference.

    Raises:
        ValueError: shapes differ.
    """
    _same_shape(a, b)
    error = np.mean(np.square(a.astype(np.float64) - b.astype(np.float64)))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(data_range**2 / error))


def l1(a: np.ndarray, b: np.ndarray, data_range: float = 255.0) -> float:
    """Mean absolute difference over all numbers of two arrays, in float64, as a share of `data_range`.

    Raises:
        ValueError: shapes differ.
    """
    _same_shape(a, b)
    return float(np.mean(np.abs(a.astype(np.float64) - b.astype(np.float64))) / data_range)


def ssim(a: np.ndarray, b: np.ndarray, variant: str = "gaussian", data_range: float = 255.0) -> float:
    """Structural similarity of one picture (Wang et al. 2004), mean over pixels and colours.

    Args:
        a: one picture, [H, W] or [H, W, C].
        b: the same shape.
        variant: `gaussian` (11 taps, sigma 1.5, borders left out), `gaussian-border` (the same with reflected
            borders kept) or `uniform-7` (7x7 means and sample covariance, borders left out: scikit-image's
            default, and the one behind the TikTok tables).
        data_range: the largest possible difference.

    Raises:
        ValueError: shapes differ, the picture is smaller than the window, or an unknown variant.
    """
    _same_shape(a, b)
    if variant not in SSIM_VARIANTS:
        raise ValueError(f"unknown SSIM variant {variant!r}; known: {', '.join(SSIM_VARIANTS)}")
    radius = _UNIFORM_RADIUS if variant == "uniform-7" else _GAUSSIAN_RADIUS
    if a.ndim not in (2, 3) or min(a.shape[:2]) <= 2 * radius:
        raise ValueError(
            f"SSIM {variant} needs a picture larger than {2 * radius} pixels, got {list(a.shape)}"
        )
    taps, correction = _window(variant, radius)

    def smooth(x: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(x, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REFLECT)

    # Centred at mid-grey, so that float32 does not lose the variance in the difference of two large numbers.
    x = a.astype(np.float32) / np.float32(data_range) - np.float32(0.5)
    y = b.astype(np.float32) / np.float32(data_range) - np.float32(0.5)
    mean_x, mean_y = smooth(x), smooth(y)
    product = smooth(x * y) - mean_x * mean_y
    squares = smooth(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    light_x, light_y = mean_x + np.float32(0.5), mean_y + np.float32(0.5)
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * light_x * light_y + c1) * (2 * correction * product + c2)
    similarity /= (light_x**2 + light_y**2 + c1) * (correction * squares + c2)
    if variant != "gaussian-border":
        similarity = similarity[radius:-radius, radius:-radius]
    return float(similarity.mean(dtype=np.float64))


def video_ssim(a: np.ndarray, b: np.ndarray, variant: str = "gaussian", data_range: float = 255.0) -> float:
    """Mean SSIM over the frames of two videos [T, H, W, C]."""
    _same_shape(a, b)
    return float(np.mean([ssim(x, y, variant, data_range) for x, y in zip(a, b, strict=True)]))


def _window(variant: str, radius: int) -> tuple[np.ndarray, float]:
    """Filter taps, and the factor that turns the filtered moments into (co)variances."""
    size = 2 * radius + 1
    if variant == "uniform-7":
        return np.full(size, 1 / size, np.float32), size**2 / (size**2 - 1)
    offsets = np.arange(-radius, radius + 1)
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    return (taps / taps.sum()).astype(np.float32), 1.0


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in shape: {list(a.shape)} and {list(b.shape)}")
