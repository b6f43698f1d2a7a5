"""Cutting the person out: GrabCut between the networks' opinion and the bones; drawings by a recipe of their own."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.puppet.body import BONES, PictureBody
from kinema.puppet.find import Found

_SIDE = 420  # pixels of the longer side at which GrabCut works (ours)
_BAND = 0.022  # of the longer side: how far from the networks' outline GrabCut may decide otherwise (ours)
_SMALLEST = 0.03  # share of the largest piece below which a piece is dropped (ours)
_SOFT = 0.006  # of the longer side: radius of the guided filter that finds the edge (ours)


def cut_out(picture: np.ndarray, found: Found, body: PictureBody) -> np.ndarray:
    """How much of each pixel is the person, float32 [H, W].

    Args:
        picture: uint8 [H, W, 3].
        found: the person.
        body: the same person's joints; the lines of the bones are surely inside.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    likely = cv2.resize(found.probability, size, interpolation=cv2.INTER_AREA)
    band = max(2, round(_BAND * max(size)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    inside = (likely > 0.5).astype(np.uint8)
    labels = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate(inside, kernel) > 0] = cv2.GC_PR_BGD
    labels[inside > 0] = cv2.GC_PR_FGD
    labels[cv2.erode(inside, kernel) > 0] = cv2.GC_FGD
    at = np.round(body.pixels * scale).astype(int)
    line = max(1, round(0.004 * max(size)))
    bones = np.zeros_like(labels)
    for child, parent in BONES:
        if min(body.confidence[child], body.confidence[parent]) > 0.5:
            cv2.line(bones, tuple(at[parent].tolist()), tuple(at[child].tolist()), 1, line)
    labels[(bones > 0) & (likely > 0.2)] = cv2.GC_FGD
    if (labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any():
        grab_cut(small, labels, 3)
    mask = pieces(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8), bones)
    whole = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return refined(picture, whole)


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


def refined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A mask whose edge follows that of the picture (guided filter, He et al. 2010), float32 [H, W]."""
    radius = max(2, round(_SOFT * max(picture.shape[:2])))
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    box = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, box)

    mean_guide, mean_mask = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (mean(guide * guide) - mean_guide**2 + 1e-3)
    soft = mean(slope) * guide + mean(mean_mask - slope * mean_guide)
    return np.clip((soft - 0.1) / 0.8, 0, 1).astype(np.float32)


def pieces(mask: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """The pieces of a mask that bones run through, without the small ones, uint8 [H, W]."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    touched = np.setdiff1d(labels[bones > 0], [0])
    if not touched.size:
        touched = np.array([1 + int(np.argmax(areas[1:]))])
    kept = touched[areas[touched] >= _SMALLEST * areas[touched].max()]
    return np.isin(labels, kept).astype(np.uint8)


def drawing_mask(picture: np.ndarray) -> np.ndarray:
    """The figure of a drawing on paper: closed strokes and all they enclose, float32 [H, W].

    After the recipe that AnimatedDrawings publishes (Smith et al. 2023): adaptive threshold, closing, dilation, a flood
    from outside, the largest piece.
    """
    height, width = picture.shape[:2]
    grey = picture.min(axis=2)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 115, 8)
    strokes = cv2.bitwise_not(ink)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    strokes = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, kernel, iterations=4)
    strokes = cv2.dilate(strokes, kernel, iterations=2)
    room = cv2.copyMakeBorder(strokes, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outside = room.copy()
    cv2.floodFill(outside, None, (0, 0), 255)
    filled = (room > 0) | (outside == 0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(filled[1:-1, 1:-1].astype(np.uint8))
    if count < 2:
        return np.zeros((height, width), np.float32)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = cv2.erode((labels == largest).astype(np.uint8), kernel, iterations=2)
    return mask.astype(np.float32)
