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
    planes_a, planes_b = a.reshape(*a.shape[:2], -1), b.reshape(*b.shape[:2], -1)
    colours = [
        _plane_ssim(planes_a[..., c], planes_b[..., c], variant, radius, data_range)
        for c in range(planes_a.shape[2])
    ]
    return float(np.mean(colours))


def _plane_ssim(a: np.ndarray, b: np.ndarray, variant: str, radius: int, data_range: float) -> float:
    """SSIM of one colour, [H, W]. Plane by plane and in place: everything stays in the processor's cache."""
    taps, total, correction = _window(variant, radius)
    inner = slice(None) if variant == "gaussian-border" else slice(radius, -radius)

    def smooth(x: np.ndarray) -> np.ndarray:
        filtered = cv2.sepFilter2D(x, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REFLECT)
        return np.ascontiguousarray(filtered[inner, inner], dtype=np.float32) / total

    # Centred at mid-grey, so that float32 does not lose the variance in the difference of two large numbers.
    x, y = (plane.astype(np.float32) / np.float32(data_range) - np.float32(0.5) for plane in (a, b))
    mean_x, mean_y = smooth(x), smooth(y)
    product, squares = smooth(x * y), smooth(x * x + y * y)
    product -= mean_x * mean_y
    squares -= mean_x * mean_x
    squares -= mean_y * mean_y
    mean_x += np.float32(0.5)
    mean_y += np.float32(0.5)
    c1, c2 = np.float32(0.01**2), np.float32(0.03**2)
    similarity = 2 * mean_x * mean_y + c1
    product *= np.float32(2 * correction)
    product += c2
    similarity *= product
    mean_x *= mean_x
    mean_y *= mean_y
    mean_x += mean_y
    mean_x += c1
    squares *= np.float32(correction)
    squares += c2
    mean_x *= squares
    similarity /= mean_x
    return float(similarity.mean(dtype=np.float64))


def video_ssim(a: np.ndarray, b: np.ndarray, variant: str = "gaussian", data_range: float = 255.0) -> float:
    """Mean SSIM over the frames of two videos [T, H, W, C]."""
    _same_shape(a, b)
    return float(np.mean([ssim(x, y, variant, data_range) for x, y in zip(a, b, strict=True)]))


def _window(variant: str, radius: int) -> tuple[np.ndarray, np.float32, float]:
    """Filter taps, what to divide by, and the factor that turns the filtered moments into (co)variances.

    Whole taps are divided afterwards: sevenths, rounded, would not add up to one.
    """
    size = 2 * radius + 1
    if variant == "uniform-7":
        return np.ones(size, np.float32), np.float32(size**2), size**2 / (size**2 - 1)
    offsets = np.arange(-radius, radius + 1)
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    return (taps / taps.sum()).astype(np.float32), np.float32(1.0), 1.0


def cielab(frames: np.ndarray) -> np.ndarray:
    """CIELAB of sRGB pictures uint8 [N, H, W, 3]: L in 0 to 100, a and b about zero; float32 [N, H, W, 3]."""
    return np.stack([cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for frame in frames])


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in shape: {list(a.shape)} and {list(b.shape)}")
