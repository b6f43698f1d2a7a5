"""GrabCut, the same every time."""

from __future__ import annotations

import cv2
import numpy as np


def grab_cut(picture: np.ndarray, labels: np.ndarray, rounds: int) -> None:
    """GrabCut (Rother et al. 2004) from first labels, which it changes in place; the same every time.

    Args:
        picture: uint8 [H, W, 3].
        labels: of cv2.GC_BGD, GC_FGD, GC_PR_BGD, GC_PR_FGD, uint8 [H, W].
        rounds: how often colours are learned and the cut is made.
    """
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, labels, (0, 0, 1, 1), background, foreground, rounds, cv2.GC_INIT_WITH_MASK)
