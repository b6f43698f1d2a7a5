"""A take: pictures with everything that is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kinema.scene.scene import Scene


@dataclass(frozen=True)
class Surfaces:
    """What flow and tracks are computed from: the triangle under each pixel and where its corners are.

    Args:
        ids: triangle at each pixel centre or -1, int32 [T, H, W].
        vertices: world positions, float32 [T, V, 3].
        triangles: int32 [F, 3].
        chart: where each vertex is on a body that stands in a T-pose facing +Z, metres, float32 [V, 3].
        c2w: [T, 4, 4]; lens: fx, fy, cx, cy of the filmed size, [T, 4].
    """

    ids: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    chart: np.ndarray
    c2w: np.ndarray
    lens: np.ndarray


@dataclass(frozen=True)
class Take:
    """A filmed scene with exact ground truth. T frames of H x W pixels, P people.

    Args:
        rgb: uint8 [T, H, W, 3].
        depth: metres along the optical axis of people and props, inf elsewhere, float32 [T, H, W].
        part_ids: 0 no person, j + 1 the segment of SMPL joint j, uint8 [T, H, W].
        person_ids: 0 nobody, p + 1 person p, uint8 [T, H, W].
        keypoints: SMPL-24 joints in pixels, float32 [P, T, 24, 2].
        keypoint_depth: metres along the optical axis, float32 [P, T, 24].
        visibility: whether a joint is seen, see `shoot`, bool [P, T, 24].
        scene: the scene as filmed, all people and the camera at one frame rate and T frames.
        surfaces: what `flow` and `tracks` are computed from.
        alpha: of a take without a backdrop, how much of each pixel shows a person or prop, uint8 [T, H, W]; else None.
    """

    rgb: np.ndarray
    depth: np.ndarray
    part_ids: np.ndarray
    person_ids: np.ndarray
    keypoints: np.ndarray
    keypoint_depth: np.ndarray
    visibility: np.ndarray
    scene: Scene
    surfaces: Surfaces = field(repr=False)
    alpha: np.ndarray | None = None

    @property
    def person_mask(self) -> np.ndarray:
        """Pixels that show a person, bool [T, H, W]."""
        return self.person_ids > 0

    @property
    def pictures(self) -> np.ndarray:
        """What is shown: `rgb`, or without a backdrop with alpha, uint8 [T, H, W, 3 or 4]."""
        return self.rgb if self.alpha is None else np.concatenate([self.rgb, self.alpha[..., None]], axis=-1)

    @property
    def front(self) -> np.ndarray:
        """Pixels that show the front of a person's body: the half that faces +Z in a T-pose, bool [T, H, W]."""
        forward = self.surfaces.chart[self.surfaces.triangles, 2].mean(axis=1) > 0
        return self.person_mask & forward[np.maximum(self.surfaces.ids, 0)]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rgb)

    @property
    def flow(self) -> np.ndarray:
        """From each pixel centre to where its surface point is in the next frame, float32 [T-1, H, W, 2].

        Exact: points are fixed to the body's mesh, to props, to the floor or, above the horizon, to infinity.
        """
        return self._motion[0]

    @property
    def flow_valid(self) -> np.ndarray:
        """Whether the point is in the next picture and not hidden there, bool [T-1, H, W]."""
        return self._motion[1]

    @cached_property
    def _motion(self) -> tuple[np.ndarray, np.ndarray]:
        count, height, width = self.depth.shape
        flow = np.zeros((max(count - 1, 0), height, width, 2), np.float32)
        valid = np.zeros(flow.shape[:3], bool)
        grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1).reshape(-1, 2)
        for f in range(count - 1):
            pixels, seen = self._follow(self._anchor(grid, f), f + 1)
            flow[f] = (pixels - grid).reshape(height, width, 2)
            valid[f] = seen.reshape(height, width)
        flow[~np.isfinite(flow)] = 0.0
        return flow, valid

    def tracks(self, points: np.ndarray, frame: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Follow surface points through the whole take.

        Args:
            points: pixels (x, y) in one frame, centres at + 0.5, [N, 2]; each is fixed to what it shows.
            frame: the frame they are given in.

        Returns:
            Pixels in every frame, NaN behind the camera or where the person is missing, float32 [T, N, 2];
            whether each point is in the picture and not hidden, bool [T, N].

        Raises:
            ValueError: points outside the picture, or a frame that is not there.
        """
        points = np.asarray(points, np.float64)
        height, width = self.depth.shape[1:]
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"points have the shape {points.shape}; expected [N, 2]")
        if not 0 <= frame < self.frames:
            raise ValueError(f"frame {frame} is not among the take's {self.frames}")
        if not ((points >= 0) & (points < (width, height))).all():
            raise ValueError(f"points must lie in the picture of {width} x {height} pixels")
        anchors = self._anchor(points, frame)
        followed = [self._follow(anchors, f) for f in range(self.frames)]
        pixels = np.array([p for p, _ in followed], np.float32).reshape(self.frames, -1, 2)
        return pixels, np.array([s for _, s in followed], bool).reshape(self.frames, -1)

    def point_tracks(self, points: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Points on the people of one random frame, followed exactly through the whole take.

        Returns:
            queries (frame, x, y), float32 [N, 3]; tracks, pixels, float32 [T, N, 2]; tracked, whether they are seen,
            bool [T, N]. Where the frame shows nobody, no point is seen in any frame.
        """
        frame = int(rng.integers(self.frames))
        rows, columns = np.nonzero(self.person_mask[frame])
        somebody = len(rows) > 0
        if not somebody:
            rows, columns = np.zeros(1, int), np.zeros(1, int)
        picked = rng.integers(len(rows), size=points)
        places = np.stack([columns[picked], rows[picked]], axis=1) + 0.5
        tracks, seen = self.tracks(places, frame)
        queries = np.column_stack([np.full(points, frame), places]).astype(np.float32)
        return {"queries": queries, "tracks": tracks, "tracked": seen & somebody}

    def _anchor(self, pixels: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fix pixels to what they show: triangle or -1 [N], barycentrics [N, 3], homogeneous point [N, 4]."""
        s = self.surfaces
        fx, fy, cx, cy = s.lens[frame]
        c2w = s.c2w[frame]
        rays = np.stack([(pixels[:, 0] - cx) / fx, (pixels[:, 1] - cy) / fy, np.ones(len(pixels))], -1)
        rays = rays @ c2w[:3, :3].T
        triangle = s.ids[frame, pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
        corners = s.vertices[frame][s.triangles[np.maximum(triangle, 0)]].astype(np.float64) - c2w[:3, 3]
        shares = np.stack(
            [
                np.einsum("ni,ni->n", rays, np.cross(corners[:, (k + 1) % 3], corners[:, (k + 2) % 3]))
                for k in range(3)
            ],
            -1,
        )
        total = shares.sum(-1, keepdims=True)
        shares /= np.where(np.abs(total) > 1e-30, total, 1.0)
        height = c2w[1, 3]
        down = (rays[:, 1] < -1e-4) & (height > 0)
        reach = np.where(down, -height / np.where(down, rays[:, 1], -1.0), 0.0)
        floor = np.concatenate([c2w[:3, 3] + reach[:, None] * rays, np.ones((len(rays), 1))], -1)
        floor[:, 1] = 0.0
        far = np.concatenate([rays, np.zeros((len(rays), 1))], -1)
        return triangle, shares, np.where(down[:, None], floor, far)

    def _follow(
        self, anchors: tuple[np.ndarray, np.ndarray, np.ndarray], frame: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where anchored points are in another frame, pixels [N, 2], and whether they are seen there, [N]."""
        s = self.surfaces
        triangle, shares, world = anchors
        solid = triangle >= 0
        on_mesh = np.einsum("nk,nki->ni", shares, s.vertices[frame][s.triangles[np.maximum(triangle, 0)]])
        absent = solid & (on_mesh[:, 1] < -1e3)
        points = np.where(solid[:, None], np.concatenate([on_mesh, np.ones((len(triangle), 1))], -1), world)
        c2w = s.c2w[frame]
        local = (points[:, :3] - points[:, 3:] * c2w[:3, 3]) @ c2w[:3, :3]
        ahead = (local[:, 2] > 1e-6) & ~absent
        fx, fy, cx, cy = s.lens[frame]
        depth = np.where(ahead, local[:, 2], np.nan)
        pixels = np.stack([local[:, 0] / depth * fx + cx, local[:, 1] / depth * fy + cy], -1)
        height, width = self.depth.shape[1:]
        inside = ahead & (np.nan_to_num(pixels, nan=-1.0) >= 0).all(-1) & (pixels < (width, height)).all(-1)
        column = np.where(inside, pixels[:, 0], 0).astype(int)
        row = np.where(inside, pixels[:, 1], 0).astype(int)
        shown = self.depth[frame, row, column]
        close = np.abs(np.where(np.isfinite(shown), shown, 1e9) - local[:, 2]) < 0.03 + 0.015 * np.abs(
            local[:, 2]
        )
        return pixels, inside & np.where(solid, close, ~np.isfinite(shown))
