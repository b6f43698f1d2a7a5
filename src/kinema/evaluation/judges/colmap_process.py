"""The process that runs COLMAP on a folder of frames: `python -m kinema.evaluation.judges.colmap_process FOLDER`.

COLMAP's own way (Schönberger & Frahm 2016): SIFT features, matching, incremental mapping; one pinhole camera. It runs in
a process of its own, because one that has imported pycolmap before an image library crashes when that writes PNGs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pycolmap

EXHAUSTIVE = 60
"""Frames up to which every pair is matched; longer videos match each frame with its 20 next (ours)."""

_SEED = 1


def main(folder: Path) -> None:
    """Reads FOLDER/asked.json, FOLDER/frames and, where there are any, FOLDER/masks; writes FOLDER/found.npz."""
    pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    pycolmap.set_random_seed(_SEED)
    reading = pycolmap.ImageReaderOptions()
    reading.camera_model = "SIMPLE_PINHOLE"
    if asked["focal"] is not None:
        width, height = asked["size"]
        reading.camera_params = f"{asked['focal']},{width / 2},{height / 2}"
    if (folder / "masks").is_dir():
        reading.mask_path = folder / "masks"
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.num_threads = 1
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads = 1
    checks = pycolmap.TwoViewGeometryOptions()
    checks.ransac.random_seed = _SEED
    database, on = folder / "map.db", pycolmap.Device.cpu
    pycolmap.extract_features(
        database, folder / "frames", camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reading,
        extraction_options=extraction, device=on,
    )  # fmt: skip
    if asked["frames"] <= EXHAUSTIVE:
        pycolmap.match_exhaustive(database, matching, verification_options=checks, device=on)
    else:
        pairing = pycolmap.SequentialPairingOptions()
        pairing.overlap = 20
        pycolmap.match_sequential(database, matching, pairing, checks, on)
    options = pycolmap.IncrementalPipelineOptions(
        multiple_models=False, min_model_size=3, extract_colors=False, num_threads=1, random_seed=_SEED,
        ba_refine_focal_length=asked["focal"] is None, ba_refine_extra_params=False,
        max_runtime_seconds=round(asked["seconds"]),
    )  # fmt: skip
    options.mapper.num_threads, options.mapper.random_seed = 1, _SEED
    options.triangulation.random_seed = _SEED
    models = pycolmap.incremental_mapping(database, folder / "frames", folder, options)
    if not models:
        raise SystemExit("no two frames start a map")
    model = max(models.values(), key=lambda each: each.num_reg_images())
    count = asked["frames"]
    registered, pose = np.zeros(count, bool), np.tile(np.eye(4), (count, 1, 1))
    for image in model.images.values():
        if image.has_pose:
            frame = int(Path(image.name).stem)
            registered[frame], pose[frame, :3] = True, image.cam_from_world().matrix()
    np.savez(folder / "found.npz", registered=registered, w2c=pose)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
