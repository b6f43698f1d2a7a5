"""How far videos follow their scene, as `--score` says it: exact films, still ones, and what Time-to-Move adds to one.

Stage: an exact film of three cameras, and its first frame held still, which needs no model.
Time-to-Move: the rough take that it begins at, mini guided by it, and mini with neither it nor an adapter; small
pictures are enlarged for the detector, all of them alike. Sheets of frames are written with `--out`. Run:
    python benchmarks/followed.py [--out FOLDER]
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import kinema
from kinema.app.fulfil import fulfil
from kinema.app.model_cache import ModelCache
from kinema.app.request import ModelChoice, RoughLook, VideoRequest
from kinema.evaluation.followed import followed
from kinema.media.pictures import write_picture

EXAMPLES = Path(__file__).parents[1] / "examples"
CAMERAS = ("static", "arc left 40deg", "dolly in 1m")
CLIPS = ("jumping_jacks", "walk_and_wave")
SECONDS = 1.33
"""One window of mini."""
LARGER = 4
CLOCKS = "0.6+0.3"
"""Noise levels for mini, whose clocks nobody has published."""


def judged(video: Any, frames: np.ndarray | None = None, larger: int = 1) -> dict[str, Any]:
    """Scores of a video, or of other frames in its place."""
    shown = video.frames if frames is None else frames
    size = shown.shape[2] * larger, shown.shape[1] * larger
    shown = np.stack(
        [np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BICUBIC)) for each in shown]
    )
    scene = video.scene.with_camera(video.scene.camera.resize(*size))
    said = followed(shown, video.fps, scene).as_json()
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in said.items()}


def stage_films() -> dict[str, Any]:
    """Exact films and still ones, by camera."""
    made = {}
    for words in CAMERAS:
        video = kinema.preview(
            EXAMPLES / "walk_and_wave.bvh", camera=words, size=(512, 512), seconds=3, fps=16
        )
        still = np.repeat(video.frames[:1], len(video.frames), axis=0)
        made[words] = {"film": judged(video), "still": judged(video, still)}
    return made


def time_to_move(models: ModelCache, sheets: Path | None) -> dict[str, Any]:
    """Rough take, mini guided by it, and mini alone, by clip."""
    made = {}
    for clip in CLIPS:
        asked = VideoRequest.of(
            picture=EXAMPLES / "character.png",
            motion=EXAMPLES / f"{clip}.bvh",
            seconds=SECONDS,
            backbone="mini",
            controls=(),
            steps=10,
            seed=1,
        )
        alone = fulfil(asked, models=models)
        guided = replace(asked, model=replace(asked.model, controls=(f"time-to-move:{CLOCKS}",)))
        height, width = alone.frames.shape[1:3]
        film = VideoRequest.of(
            picture=alone.picture,
            motion=asked.motion,
            seconds=SECONDS,
            model=ModelChoice("rough", size=(width, height), fps=alone.fps),
            rough=RoughLook(begin_with_picture=True),
        )
        videos = {
            "rough take": fulfil(film),
            "time-to-move": fulfil(guided, models=models),
            "mini alone": alone,
        }
        made[clip] = {name: judged(video, larger=LARGER) for name, video in videos.items()}
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            write_picture(
                sheets / f"{clip}.png", np.concatenate([_row(each.frames) for each in videos.values()])
            )
    return made


def _row(frames: np.ndarray, count: int = 8) -> np.ndarray:
    return np.concatenate(list(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]), axis=1)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="Where sheets of frames are written. Default: nowhere.")
    options = parser.parse_args()
    figures = {"stage": stage_films(), "time-to-move": time_to_move(ModelCache(), options.out)}
    for part, rows in figures.items():
        for name, videos in rows.items():
            for kind, said in videos.items():
                print(f"{part:14}{name:18}{kind:14}", *(f"{key} {value}" for key, value in said.items()))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
