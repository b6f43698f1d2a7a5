"""What a video did not show, filled in by the lifter alone and by the motion generator (GENMO's training-free form).

    OMP_NUM_THREADS=1 python benchmarks/capture_prior.py [--takes 24]

Takes of unseen motions with exact keypoints and cameras; noise of 3 % of the person's height on the keypoints, three
gaps of .3 to 1 s without anybody, and in every second take an arm that is not seen for 1.5 s. Error of joints seen from
the pelvis, where they were hidden and where they were seen, and how far the hidden pelvis is off in the world; jerk and
sliding feet as ratios to the truth. Differences have a paired bootstrap interval over takes (10,000 draws).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np

from kinema.capture.lifting import lift
from kinema.capture.observation import PersonTrack
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.metrics.motion import jerk, slide_share
from kinema.evaluation.protocols.capture_scores import exact_tracks
from kinema.evaluation.protocols.capture_takes import CaptureTake, Conditions, film_take
from kinema.motion.generator import load_motion_generator
from kinema.papers.genmo import generated
from kinema.scene import Motion

ARM = [16, 18, 20, 22]
SHOWN = Conditions("one", "none", "static", 30.0, (128, 128), "textured", "known")


def observed(take: CaptureTake, seed: int) -> tuple[PersonTrack, np.ndarray]:
    """(what a detector saw, which joints of which frames it did not see [T, 24])."""
    rng, track = np.random.default_rng([5, seed]), exact_tracks(take)[0]
    hidden = track.confidence <= 0
    for part in range(3):
        length = round(float(rng.uniform(0.3, 1.0)) * track.fps)
        first = round((0.15 + 0.3 * part) * track.frames)
        hidden[first : first + length] = True
    if seed % 2:
        first = round(0.1 * track.frames)
        hidden[first : first + round(1.5 * track.fps), ARM] = True
    height = float(np.nanmedian(track.boxes[:, 3] - track.boxes[:, 1]))
    points = track.points + rng.normal(0, 0.03 * height, track.points.shape)
    boxes = np.where(hidden.all(1)[:, None], np.nan, track.boxes)
    points = np.where(hidden[..., None], np.nan, points)
    return replace(track, points=points, confidence=np.where(hidden, 0.0, 0.9), boxes=boxes), hidden


def scores(made: Motion, truth: Motion, hidden: np.ndarray) -> dict[str, float]:
    """Errors in millimetres and centimetres, and roughness."""
    frames = min(made.frames, truth.frames)
    away = [motion.joints[:frames] - motion.joints[:frames, :1] for motion in (made, truth)]
    apart, hidden = 1000 * np.linalg.norm(away[0] - away[1], axis=-1), hidden[:frames]
    world = 100 * np.linalg.norm(made.joints[:frames, 0] - truth.joints[:frames, 0], axis=-1)
    return {
        "hidden_mm": float(apart[hidden].mean()),
        "seen_mm": float(apart[~hidden].mean()),
        "hidden_pelvis_cm": float(world[hidden[:, 0]].mean()),
        "jerk": jerk(made) / jerk(truth),
        "slide": slide_share(made),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--takes", type=int, default=24)
    asked = parser.parse_args()
    clips, generator = MotionLibrary.open().split("test"), load_motion_generator()
    rows: dict[str, list[dict[str, float]]] = {"lifter": [], "generated": []}
    for number in range(asked.takes):
        take = film_take(clips, replace(SHOWN, camera=("static", "arc", "handheld")[number % 3]), number)
        truth = take.take.scene.people[0]
        track, hidden = observed(take, number)
        begun = time.process_time()
        lifted = lift(track, take.camera, fill="all").motion
        spent = {"lifter": time.process_time() - begun}
        ways = {"lifter": lifted}
        begun = time.process_time()
        ways["generated"] = generated(lifted, seed=number, generator=generator)
        spent["generated"] = spent["lifter"] + time.process_time() - begun
        for name, motion in ways.items():
            rows[name].append({**scores(motion, truth, hidden), "seconds": spent[name]})
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, asked.takes, (10_000, asked.takes))
    table = {}
    for name, each in rows.items():
        table[name] = {
            figure: round(float(np.nanmean([row[figure] for row in each])), 4) for figure in each[0]
        }
        if name != "lifter":
            for figure in each[0]:
                more = np.array([a[figure] - b[figure] for a, b in zip(each, rows["lifter"], strict=True)])
                low, high = np.quantile(more[drawn].mean(1), (0.025, 0.975))
                table[name][f"{figure} - lifter"] = [round(float(low), 4), round(float(high), 4)]
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
