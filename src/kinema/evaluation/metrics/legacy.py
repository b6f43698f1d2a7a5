"""Scores as the scripts behind published TikTok tables compute them, mistakes included, under names that say so.

After the public scripts of DisCo (ssim_l1_lpips_psnr.py), which MTVCraft's and other tables build on. They are
for reading those tables only; `metrics/image.py` has the right ones.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from kinema.evaluation.metrics.image import ssim


def psnr_disco_uint8_overflow(made: np.ndarray, true: np.ndarray) -> float:
    """PSNR in dB of one picture whose differences and squares wrap around at 256; 100 where nothing differs.

    The script subtracts and squares uint8 arrays, so that an error of 16 levels counts as none and the mean
    square error never exceeds 255: the true 18.18 dB of a table were printed as 29.49.

    Args:
        made: uint8 [H, W, 3].
        true: uint8, the same shape.
    """
    _uint8(made, true)
    wrapped = made - true
    error = float(np.mean(wrapped * wrapped))
    return 100.0 if error == 0 else 20 * math.log10(255.0 / math.sqrt(error))


def l1_disco_twice(made: np.ndarray, true: np.ndarray) -> float:
    """Mean absolute difference in levels, divided by the number of pixels once more.

    The script divides the array of differences by H W and then takes its mean: the "L1 (E-04)" of TikTok
    tables, which shrinks as pictures grow.

    Args:
        made: uint8 [H, W, 3].
        true: uint8, the same shape.
    """
    _uint8(made, true)
    difference = np.abs(made.astype(np.float64) - true.astype(np.float64))
    return float(difference.mean() / (made.shape[0] * made.shape[1]))


def ssim_disco_grey(made: np.ndarray, true: np.ndarray) -> float:
    """SSIM of grey pictures (OpenCV's weights, rounded to levels), 7x7 uniform windows, sample covariance.

    Not wrong, but another measure than SSIM by Gaussian windows over three colours: higher where colours differ.

    Args:
        made: uint8 [H, W, 3], RGB.
        true: uint8, the same shape.
    """
    _uint8(made, true)
    return ssim(cv2.cvtColor(made, cv2.COLOR_RGB2GRAY), cv2.cvtColor(true, cv2.COLOR_RGB2GRAY), "uniform-7")


def _uint8(made: np.ndarray, true: np.ndarray) -> None:
    if made.dtype != np.uint8 or true.dtype != np.uint8 or made.shape != true.shape or made.ndim != 3:
        raise ValueError(
            f"the legacy modes need two uint8 pictures [H, W, 3] of one size, got {made.dtype} "
            f"{list(made.shape)} and {true.dtype} {list(true.shape)}"
        )
