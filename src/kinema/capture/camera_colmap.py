"""The process that runs pycolmap: `python -m kinema.capture.camera_colmap GIVEN MADE`, see camera_mapping.py.

COLMAP's incremental mapping (Schönberger & Frahm 2016) of points that were followed, so that features need neither be
found nor matched, and an adjustment of everything with a forgiving loss (ours).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pycolmap

from kinema.capture.camera_tracks import ENOUGH

CLOSE = 1.2  # working pixels, error of an observation that the map explains
_SEED = 1
_TELLS = 0.97  # of the cost, below which a refined focal length is believed
_RANGE = (0.4, 2.5)  # of the guess, where a refined focal length is believed


@dataclass(frozen=True, eq=False)
class Given:
    """What was followed: per observation its view, the point's number and working pixels; views in time order."""

    view: np.ndarray
    point: np.ndarray
    pixels: np.ndarray
    names: np.ndarray
    size: np.ndarray
    focal: np.ndarray
    known: bool
    zoom: bool

    @property
    def count(self) -> int:
        return len(self.focal)

    def camera(self, k: int) -> pycolmap.Camera:
        width, height = self.size
        return pycolmap.Camera(
            model="SIMPLE_PINHOLE", width=round(width), height=round(height), camera_id=1 + (k if self.zoom else 0),
            params=[self.focal[k], width / 2, height / 2], has_prior_focal_length=True,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Found:
    """A map: which views have cameras [K], world to camera [K, 3, 3] and [K, 3], focal [K], points [N, 3] (NaN: not
    mapped), the share of observations it explains, and its cost."""

    registered: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    focal: np.ndarray
    points: np.ndarray
    explained: float
    cost: float


def main(given_path: Path, made_path: Path) -> None:
    """Reads what was followed, maps it, writes the best map."""
    pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)
    with np.load(given_path, allow_pickle=False) as file:
        names, point = np.unique(file["id"], return_inverse=True)
        given = Given(
            file["view"], point, file["pixels"], names, file["size"], file["focal"],
            bool(file["known"]), bool(file["zoom"]),
        )  # fmt: skip
    found: list[Found] = []
    for model in _incremental(given, made_path.parent):
        _adjust(model, refine=given.zoom)
        found.append(_read(model, given))
        if not given.known and not given.zoom:
            _adjust(model, refine=True)
            refined = _read(model, given)
            ratio = float(refined.focal[0] / given.focal[0])
            if refined.cost < _TELLS * found[-1].cost and _RANGE[0] < ratio < _RANGE[1]:
                found[-1] = refined
    if not found:
        raise SystemExit("no two views start a map")
    best = max(found, key=lambda f: f.explained)
    mapped = np.isfinite(best.points).all(axis=1)
    np.savez(
        made_path, registered=best.registered, rotation=best.rotation, translation=best.translation,
        focal=best.focal, ids=given.names[mapped], points=best.points[mapped], explained=best.explained,
    )  # fmt: skip


def _incremental(given: Given, folder: Path) -> list[pycolmap.Reconstruction]:
    """COLMAP's own way, settings made for few and well followed points."""
    rows = [np.flatnonzero(given.view == k) for k in range(given.count)]
    with pycolmap.Database.open(folder / "map.db") as database:
        images = []
        for k in range(given.count):
            camera = given.camera(k)
            if k == 0 or given.zoom:
                camera.camera_id = database.write_camera(camera)
                rig = pycolmap.Rig()
                rig.add_ref_sensor(camera.sensor_id)
                rig_id = database.write_rig(rig)
            image = pycolmap.Image(name=f"{k:04d}.png", camera_id=camera.camera_id)
            image.image_id = database.write_image(image)
            frame = pycolmap.Frame(rig_id=rig_id)
            frame.add_data_id(image.data_id)
            database.write_frame(frame)
            database.write_keypoints(image.image_id, given.pixels[rows[k]].astype(np.float32))
            images.append(image.image_id)
        for a, b in combinations(range(given.count), 2):
            shared, first, second = np.intersect1d(
                given.point[rows[a]], given.point[rows[b]], assume_unique=True, return_indices=True
            )
            if len(shared) < 2 * ENOUGH:
                continue
            matches = np.stack([first, second], -1).astype(np.uint32)
            checks = pycolmap.TwoViewGeometryOptions(min_num_inliers=2 * ENOUGH - 4)
            checks.ransac.max_error, checks.ransac.random_seed = 1.5, _SEED
            pair = pycolmap.estimate_calibrated_two_view_geometry(
                given.camera(a),
                given.pixels[rows[a]],
                given.camera(b),
                given.pixels[rows[b]],
                matches,
                checks,
            )
            database.write_matches(images[a], images[b], matches)
            database.write_two_view_geometry(images[a], images[b], pair)
    options = pycolmap.IncrementalPipelineOptions(
        min_num_matches=ENOUGH, multiple_models=False, min_model_size=3, extract_colors=False, num_threads=1,
        random_seed=_SEED, ba_refine_focal_length=given.zoom, ba_refine_extra_params=False, init_num_trials=40,
        max_runtime_seconds=60,
    )  # fmt: skip
    mapper, triangulation = options.mapper, options.triangulation
    mapper.num_threads, mapper.random_seed = 1, _SEED
    mapper.init_min_num_inliers, mapper.init_max_error, mapper.init_min_tri_angle = 2 * ENOUGH, 1.5, 4.0
    mapper.init_max_forward_motion = 1.0  # a dolly shot goes straight ahead
    mapper.abs_pose_min_num_inliers, mapper.abs_pose_max_error = ENOUGH + 2, 4.0
    mapper.abs_pose_refine_focal_length = given.zoom
    mapper.filter_max_reproj_error, mapper.filter_min_tri_angle = 2.0, 0.7
    triangulation.min_angle, triangulation.random_seed = 0.7, _SEED
    return list(pycolmap.incremental_mapping(folder / "map.db", folder, folder / "models", options).values())


def _adjust(model: pycolmap.Reconstruction, refine: bool) -> None:
    """Adjustment of everything, with a loss that forgives points that slide along edges."""
    for scale in (1.0, 0.3):
        options = pycolmap.BundleAdjustmentOptions()
        options.refine_focal_length, options.refine_extra_params = refine, False
        options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
        options.ceres.loss_function_scale = scale
        options.ceres.solver_options.num_threads = 1
        options.ceres.solver_options.max_num_iterations = 50
        options.print_summary = False
        pycolmap.bundle_adjustment(model, options)


def _read(model: pycolmap.Reconstruction, given: Given) -> Found:
    """A model as arrays, and how much of what was followed three times or more it explains."""
    registered = np.zeros(given.count, bool)
    rotation, translation = np.tile(np.eye(3), (given.count, 1, 1)), np.zeros((given.count, 3))
    focal = given.focal.copy()
    rows, view_of = [np.flatnonzero(given.view == k) for k in range(given.count)], {}
    for number, image in model.images.items():
        k = view_of[number] = int(image.name[:4])
        if image.has_pose:
            pose = image.cam_from_world().matrix()
            registered[k], rotation[k], translation[k] = True, pose[:, :3], pose[:, 3]
            focal[k] = model.cameras[image.camera_id].params[0]
    points = np.full((len(given.names), 3), np.nan)
    for point in model.points3D.values():
        element = point.track.elements[0]
        points[given.point[rows[view_of[element.image_id]][element.point2D_idx]]] = point.xyz
    local = np.einsum("nij,nj->ni", rotation[given.view], points[given.point]) + translation[given.view]
    with np.errstate(invalid="ignore", divide="ignore"):
        pixels = focal[given.view, None] * local[:, :2] / local[:, 2:] + given.size / 2
        error = np.linalg.norm(pixels - given.pixels, axis=1)
        error[~(registered[given.view] & (local[:, 2] > 0))] = np.nan
    often = np.bincount(given.point)[given.point] >= 3
    close = np.nan_to_num(error, nan=np.inf) < CLOSE
    squared = np.nan_to_num(error[often], nan=1e3) ** 2 / 0.6**2
    return Found(
        registered, rotation, translation, focal, points,
        float(close[often].mean()) if often.any() else 0.0, float((squared / (1 + squared)).sum()),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
