"""A face's texture that follows an expression: lids slide over the eyes, brows rise, lips part before a mouth's inside.

Everything is a map along the face's own vertical, column by column between lines that the face's points give (ours):
what is at rest there stays as it is, pixel for pixel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import cv2
import numpy as np

from kinema.puppet.face import PictureFace
from kinema.puppet.layers import FILLED
from kinema.puppet.mesh import Mesh
from kinema.puppet.render import Skin

# Points of MediaPipe's face mesh, from the picture's left to its right.
_UPPER_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (362, 398, 384, 385, 386, 387, 388, 466, 263),
)
_LOWER_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
)
_BROWS = (
    ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
    ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276)),
)
_UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_JAW = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
_ROOT, _BASE, _CHIN = 168, 2, 152
_EYES = (33, 263)
_HEAD = 15  # of SMPL-24

_FINE = 4  # entries of a line's table for each pixel
_LOWER_SHARE = 0.85  # of the mouth's opening: what the jaw does, the rest is the upper lip's (ours)
_CHIN_SHARE = 0.8  # of what the lower lip does (ours)
_STIFF = 3.0  # how much a lid may be drawn out (ours)
_OWN_MOUTH = 0.04  # of the nose: a mouth that the picture shows as far open shows its own inside (ours)
_TEETH = 0.13  # of the nose: how far upper teeth are seen (ours)


class FacePainter:
    """Redraws the face on a person's surface, frame by frame.

    Args:
        face: in the picture.
        mesh: of the person.
        surface: of the mesh, at its own size or smaller; its atlas is copied.
    """

    def __init__(self, face: PictureFace, mesh: Mesh, surface: Skin) -> None:
        self.surface = replace(surface, atlas=surface.atlas.copy())
        front = np.zeros(len(mesh.uv), bool)
        front[np.unique(mesh.triangles[mesh.is_front])] = True
        of_head = front & (mesh.bones[:, 0] == _HEAD)
        self._parts: list[_Part] = []
        if not of_head.any():
            return
        corner = np.median((mesh.pixels - mesh.uv)[of_head], axis=0)
        scale = np.array(surface.alpha.shape[::-1]) / np.array(mesh.alpha.shape[::-1])
        points = (face.points - corner + 0.5) * scale - 0.5
        piece = front & (np.abs(mesh.pixels - mesh.uv - corner).max(axis=1) < 0.01)
        inner = (mesh.uv[piece] + 0.5) * scale - 0.5
        limits = np.array([np.floor(inner.min(axis=0)), np.ceil(inner.max(axis=0))]).astype(int)
        self._parts = [_Eyes(points, surface.atlas, limits), _Mouth(points, surface.atlas, limits)]

    def draw(self, changes: np.ndarray) -> None:
        """Draws the face onto the surface's atlas, which is then what `Painter` reads; changes: [7]."""
        for part in self._parts:
            part.draw(changes, self.surface.atlas)


class _Part(ABC):
    """A box of the atlas in the face's own axes: across, and down, in pixels from the nose's root."""

    def __init__(self, points: np.ndarray, atlas: np.ndarray, limits: np.ndarray, span: np.ndarray) -> None:
        """`span`: lowest and highest (across, down) of the part, [2, 2]; `limits`: of the atlas, [2, 2]."""
        across = points[_EYES[1]] - points[_EYES[0]]
        self.wide = float(np.linalg.norm(across))
        self.axes = np.stack([across, [-across[1], across[0]]]) / max(self.wide, 1e-6)
        self.nose = float(np.linalg.norm(points[_BASE] - points[_ROOT]))
        self.origin = points[_ROOT]
        corners = np.array([[span[i, 0], span[j, 1]] for i in (0, 1) for j in (0, 1)]) @ self.axes
        corners = corners + self.origin
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int), limits[0])
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int), limits[1])
        high = np.maximum(high, low + 1)
        self.box = slice(low[1], high[1]), slice(low[0], high[0])
        self.own = atlas[self.box].copy()
        self.low = low
        rows, columns = np.mgrid[self.box]
        local = (np.stack([columns, rows], axis=-1) - self.origin) @ self.axes.T
        self.u, self.v = (np.ascontiguousarray(local[..., k], np.float32) for k in range(2))
        self._rests = True

    @staticmethod
    def local_of(points: np.ndarray) -> np.ndarray:
        """Points in the face's axes, [468, 2]."""
        across = points[_EYES[1]] - points[_EYES[0]]
        axes = np.stack([across, [-across[1], across[0]]]) / max(float(np.linalg.norm(across)), 1e-6)
        return np.asarray((points - points[_ROOT]) @ axes.T)

    def draw(self, changes: np.ndarray, atlas: np.ndarray) -> None:
        given = self._of(changes)
        if not np.any(given):
            if not self._rests:
                atlas[self.box] = self.own
            self._rests = True
            return
        self._rests = False
        atlas[self.box] = self._drawn(given)

    @abstractmethod
    def _of(self, changes: np.ndarray) -> np.ndarray:
        """The changes that this part shows."""

    @abstractmethod
    def _drawn(self, changes: np.ndarray) -> np.ndarray:
        """The box with these changes, uint8 [h, w, 4]."""

    def _sampled(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The picture's own colours at places in the face's axes, float32 [h, w, 4]."""
        x = u * self.axes[0, 0] + v * self.axes[1, 0] + (self.origin[0] - self.low[0])
        y = u * self.axes[0, 1] + v * self.axes[1, 1] + (self.origin[1] - self.low[1])
        return np.asarray(
            cv2.remap(
                self.own,
                x.astype(np.float32),
                y.astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.float32,
        )


class _Eyes(_Part):
    """Lids and brows."""

    def __init__(self, points: np.ndarray, atlas: np.ndarray, limits: np.ndarray) -> None:
        local = self.local_of(points)
        nose = float(np.linalg.norm(points[_BASE] - points[_ROOT]))
        brows = local[np.array(_BROWS).reshape(-1)]
        lids = local[np.array(_LOWER_LIDS).reshape(-1)]
        low = brows.min(axis=0) - [0.3 * nose, 0.8 * nose]
        high = np.maximum(brows.max(axis=0) + 0.3 * nose, lids.max(axis=0) + 2)
        super().__init__(points, atlas, limits, np.array([low, high]))
        self.lids = []
        self.rises = []
        u = self.u
        for upper, lower, (top, bottom) in zip(_UPPER_LIDS, _LOWER_LIDS, _BROWS, strict=True):
            lid, rest = local[list(upper)], local[list(lower)]
            above = np.interp(u, *_ordered(lid)).astype(np.float32)
            below = np.interp(u, *_ordered(rest)).astype(np.float32)
            below = np.maximum(below, above)
            brow = np.interp(u, *_ordered(local[list(bottom)])).astype(np.float32)
            start = np.minimum(brow, above - 0.12 * self.nose)
            inside = (u > lid[0, 0]) & (u < lid[-1, 0])
            self.lids.append((above, below, start, inside))
            crest = np.interp(u, *_ordered(local[list(top)])).astype(np.float32)
            rim = np.minimum(above - 0.02 * self.nose, brow + 0.25 * self.nose)
            gap = np.maximum(rim - brow, 0.05 * self.nose)
            rise = np.clip((rim - self.v) / gap, 0, 1)
            rise = np.minimum(rise, _smooth((self.v - crest + 0.7 * self.nose) / (0.7 * self.nose)))
            left, right = local[list(bottom)][:, 0].min(), local[list(bottom)][:, 0].max()
            reach = 0.25 * self.nose
            rise = rise * _smooth((u - left) / reach + 1) * _smooth((right - u) / reach + 1)
            self.rises.append((rise, float(0.8 * np.median(gap))))

    def _of(self, changes: np.ndarray) -> np.ndarray:
        return changes[:4]

    def _drawn(self, changes: np.ndarray) -> np.ndarray:
        u, v = self.u, self.v
        for (rise, most), raised in zip(self.rises, changes[2:], strict=True):
            if raised:
                v = v + np.float32(np.clip(raised * self.nose, -most, most)) * rise
        out, hidden = v.copy(), v
        cover = None
        for (above, below, start, inside), shut in zip(self.lids, changes[:2], strict=True):
            if not shut:
                continue
            edge = above + np.float32(shut) * (below - above)
            room, drawn = above - start, edge - start
            share = np.clip((v - start) / drawn, 0, 1)
            ratio = np.minimum(drawn / room, _STIFF)
            skin = start + room * (share + (ratio - 1) * share * share * (share - 1))
            ball = v if shut > 0 else above + (v - edge) * (below - above) / np.maximum(below - edge, 1e-3)
            here = inside & (v > start) & (v < below + 0.5)
            lid = np.where(here, np.clip(edge - v + 0.5, 0, 1), 1)
            out = np.where(here, skin, out)
            hidden = np.where(here, ball, hidden)
            cover = lid if cover is None else np.minimum(cover, lid)
        colours = self._sampled(u, out)
        if cover is not None and cover.min() < 1:
            cover = cover[..., None]
            colours = cover * colours + (1 - cover) * self._sampled(u, hidden)
        return np.asarray(colours + 0.5, np.uint8)


class _Mouth(_Part):
    """Lips, the jaw below them, and what is behind lips that part."""

    def __init__(self, points: np.ndarray, atlas: np.ndarray, limits: np.ndarray) -> None:
        local = self.local_of(points)
        nose = float(np.linalg.norm(points[_BASE] - points[_ROOT]))
        jaw = local[list(_JAW)]
        upper, lower = local[list(_UPPER_LIP)], local[list(_LOWER_LIP)]
        left, right = upper[0], upper[-1]
        chin = float(local[_CHIN, 1])
        low = np.array([jaw[:, 0].min(), local[_BASE, 1]])
        high = np.array([jaw[:, 0].max(), chin + 0.6 * (chin - float(lower[:, 1].max()))])
        super().__init__(points, atlas, limits, np.array([low, high]))
        self.left, self.right = float(left[0]), float(right[0])
        self.middle, self.half = (self.left + self.right) / 2, max((self.right - self.left) / 2, 1.0)
        self.first = float(low[0])
        at = np.arange(int((high[0] - low[0]) * _FINE) + 2) / _FINE + self.first
        upper_line, lower_line = np.interp(at, *_ordered(upper)), np.interp(at, *_ordered(lower))
        lower_line = np.maximum(lower_line, upper_line)
        self.gap = float((lower_line - upper_line).max())
        aside = (at - self.middle) / self.half
        parts = np.clip(1 - aside**2, 0, None) ** 0.6
        chin_line = np.interp(at, *_ordered(jaw))
        chin_line = np.maximum(chin_line, lower_line + 0.25 * nose)
        reach = np.minimum(at - jaw[:, 0].min(), jaw[:, 0].max() - at)
        drops = _smooth(reach / (0.35 * (jaw[:, 0].max() - jaw[:, 0].min())))
        self.end = float(high[1])
        self.start = float(low[1])
        chin_line = np.minimum(chin_line, self.end - 0.2 * nose)
        self.table = np.stack([upper_line, lower_line, parts, chin_line, drops]).astype(np.float32)
        window = _smooth((self.v - self.start) / (0.3 * nose)) * _smooth((self.end - self.v) / (0.5 * nose))
        x = (self.u - self.middle) / self.half
        self.spread = window * _smooth((2.0 - np.abs(x)) / 0.9)
        sides = [
            np.exp(-((self.u - c[0]) ** 2 + (self.v - c[1]) ** 2) / (0.55 * self.half) ** 2)
            for c in (left, right)
        ]
        self.lifts = window * (sides[0] + sides[1])
        skin = self.own[..., :3].reshape(-1, 3)
        self.light = float(np.percentile(skin.mean(axis=1), 60)) / 255

    def _of(self, changes: np.ndarray) -> np.ndarray:
        return changes[4:]

    def _drawn(self, changes: np.ndarray) -> np.ndarray:
        opened, widened, lifted = (float(each) for each in changes)
        u, v = self.u, self.v
        if widened:
            share = np.float32(widened * self.wide / (2 * self.half))
            u = self.middle + (u - self.middle) / (1 + share * self.spread)
        if lifted:
            v = v + np.float32(lifted * self.nose) * self.lifts
        if not opened:
            return np.asarray(self._sampled(u, v) + 0.5, np.uint8)
        at = np.clip(np.round((u - self.first) * _FINE), 0, self.table.shape[1] - 1).astype(np.intp)
        top, bottom, parts, chin, drops = (line[at] for line in self.table)
        way = max(opened * self.nose, -self.gap)
        new_top = top - np.float32((1 - _LOWER_SHARE) * max(way, 0)) * parts
        down = way * (_LOWER_SHARE if way > 0 else 1)
        new_bottom = np.maximum(bottom + np.float32(down) * parts, new_top)
        new_chin = chin + np.float32(_CHIN_SHARE * down) * drops
        above = self.start + (v - self.start) * (top - self.start) / np.maximum(new_top - self.start, 1e-3)
        lip = bottom + (v - new_bottom) * (chin - bottom) / np.maximum(new_chin - new_bottom, 1e-3)
        below = chin + (v - new_chin) * (self.end - chin) / np.maximum(self.end - new_chin, 1e-3)
        below = np.where(v < new_chin, lip, np.minimum(below, np.maximum(v, self.end)))
        middle = (new_top + new_bottom) / 2
        out = np.where(v < middle, np.minimum(above, top), np.maximum(below, bottom))
        out = np.where((v <= self.start) | (v >= self.end), v, out)
        colours = self._sampled(u, out)
        inside = np.clip(v - new_top + 0.5, 0, 1) * np.clip(new_bottom - v + 0.5, 0, 1)
        inside = (inside * np.clip(new_bottom - new_top, 0, 1))[..., None]
        if inside.max() > 0:
            colours = (1 - inside) * colours + inside * self._inside(u, v, top, bottom, new_top, new_bottom)
        return np.asarray(colours + 0.5, np.uint8)

    def _inside(
        self,
        u: np.ndarray,
        v: np.ndarray,
        top: np.ndarray,
        bottom: np.ndarray,
        new_top: np.ndarray,
        new_bottom: np.ndarray,
    ) -> np.ndarray:
        """The mouth's inside: the picture's own as far as it shows one, then teeth and dark, float32 [h, w, 4]."""
        aside = np.clip(np.abs(u - self.middle) / self.half, 0, 1)
        wide = np.maximum(new_bottom - new_top, 1e-3)
        deep = np.clip((v - new_top) / wide, 0, 1)
        dark = self.light * (np.array([58, 24, 24]) + deep[..., None] * [62, 30, 30])
        teeth = self.light * np.array([214, 206, 196]) * (1 - 0.55 * aside**2)[..., None]
        long = np.minimum(_TEETH * self.nose, 0.42 * wide) * (1 - 0.5 * aside**2)
        shown = np.clip((long - (v - new_top)) / max(0.025 * self.nose, 1.0) + 0.5, 0, 1)
        shown = shown * np.clip(wide / (0.06 * self.nose) - 0.5, 0, 1) * np.clip((1 - aside) / 0.25, 0, 1)
        if self.gap > _OWN_MOUTH * self.nose:
            shown = shown * 0
        made = dark + shown[..., None] * (teeth - dark)
        made = np.concatenate([made, np.full((*v.shape, 1), FILLED)], axis=-1).astype(np.float32)
        if self.gap <= _OWN_MOUTH * self.nose:
            return made
        own = self._sampled(u, np.clip(v, np.minimum(top + 1, bottom), bottom))
        soft = max(0.04 * self.nose, 1.0)
        keeps = (np.clip((bottom - v) / soft, 0, 1) * np.clip((bottom - top) / soft, 0, 1))[..., None]
        return np.asarray(keeps * own + (1 - keeps) * made, np.float32)


def _ordered(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line's points from left to right, as `np.interp` reads them."""
    order = np.argsort(points[:, 0])
    return points[order, 0], points[order, 1]


def _smooth(share: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1 on, softly between."""
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
