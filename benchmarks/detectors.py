"""Speed of the offline detectors, and how far they are from MediaPipe's own pipeline, on a photograph that moves.

The photograph is scikit-image's astronaut (public domain), 512 x 512. Run:
    python benchmarks/detectors.py [--threads 1]
The last line is JSON: frames per second by the clock, CPU milliseconds a frame (which other work on the machine does
not change), and the median and largest distance of visible landmarks to those of `solutions.pose`, in pixels.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from skimage import data

from kinema.capture.detectors import open_detector


def speed(name: str, video: np.ndarray, threads: int) -> dict[str, float]:
    """Frames per second and CPU time of one detector."""
    with open_detector(name, threads=threads) as detector:
        detector.detect(video[:2])
        clock, cpu = time.perf_counter(), time.process_time()
        detector.detect(video)
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {"fps": round(len(video) / clock, 1), "cpu_ms": round(1000 * cpu / len(video), 1)}


def distance(picture: np.ndarray) -> dict[str, float]:
    """Pixels between our landmarks and those of MediaPipe's own pipeline, over landmarks surely seen."""
    from mediapipe.python.solutions import pose

    with pose.Pose(static_image_mode=True, model_complexity=1) as own:
        marks = own.process(picture).pose_landmarks.landmark
    expected = np.array([[mark.x, mark.y] for mark in marks]) * picture.shape[1::-1]
    with open_detector("mediapipe") as detector:
        ((person,),) = detector.detect(picture[None])
    away = np.linalg.norm(person.points - expected, axis=1)[person.confidence > 0.5]
    return {"median_px": round(float(np.median(away)), 2), "largest_px": round(float(away.max()), 2)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60)
    arguments = parser.parse_args()
    picture = np.ascontiguousarray(data.astronaut())
    video = np.stack([np.roll(picture, 2 * (t % 30), axis=1) for t in range(arguments.frames)])
    figures = {name: speed(name, video, arguments.threads) for name in ("mediapipe", "mediapipe-holistic")}
    figures["agreement"] = distance(picture)
    for name, values in figures.items():
        print(f"{name:20}", "  ".join(f"{key} {value:g}" for key, value in values.items()))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
