"""Videos as scenes for the commands: capture with a progress bar and the user's cache."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.console import note
from kinema.scene import Scene

if TYPE_CHECKING:
    from PIL import Image

    from kinema.capture.observation import Capture
    from kinema.capture.retarget_person import Matched


def parse_seconds(text: str | None, option: str) -> float | None:
    """`2`, `2.5s`, `1:30` or `1:02:03` as seconds; None stays None.

    Raises:
        ValueError: another form.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)\s*s?", text.strip().lower())
    if not match:
        raise ValueError(f"{option} {text}: give seconds, e.g. 2.5s, or minutes and seconds, e.g. 1:30")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def captured(path: str | os.PathLike[str], **options: Any) -> Capture:
    """The capture of a video with a progress bar; what it assumed or missed goes to standard error.

    Args:
        path: the video.
        options: of `kinema.capture.capture.capture`.

    Raises:
        ValueError, OSError: as `capture`.
    """
    from tqdm import tqdm

    from kinema.capture.capture import capture

    with tqdm(file=sys.stderr, dynamic_ncols=True, mininterval=0.2, unit="frame") as bar:

        def on(stage: str, done: int, total: int) -> None:
            if stage == "watching":
                bar.total = total or None
                bar.update(done - bar.n)
            bar.set_description({"camera": "solving the camera"}.get(stage, stage), refresh=True)

        made = capture(path, progress=on, **options)
        bar.disable = bar.n == 0  # it was in the cache
    for line in made.notes:
        note(line)
    return made


def video_as_motion(path: Path) -> Scene:
    """A video as the scene that drives a character: the largest person in it, without gaps, kept in the cache.

    Raises:
        ValueError, OSError: as `capture`.
    """
    scene = captured(path, fill="all", cache=True).scene
    if not np.isfinite(scene.people[0].joints).any():
        raise ValueError(f"{path}: too little of the person is seen at once to read a motion from it")
    made_up = float(np.mean([filled_share(scene, number) for number in range(len(scene.people))]))
    if made_up > 0.02:
        note(f"{made_up:.0%} of the joints were not seen and are filled in; `kinema capture` shows which")
    return scene


def write_scene(path: Path, scene: Scene) -> None:
    """The whole scene as .npz, or its one person as any other motion file."""
    from kinema.scene.formats import write_motion

    if path.suffix.lower() == ".npz":
        scene.save(path)
    else:
        write_motion(path, scene.people[0])


def filled_share(scene: Scene, person: int) -> float:
    """Share of a person's joints that were filled in, by their confidence."""
    from kinema.scene.motion import FILLED

    confidence = scene.people[person].confidence
    return 0.0 if confidence is None else float(np.isclose(confidence, FILLED).mean())


def matched_to_picture(
    scene: Scene, picture: Image.Image, person: int, detector: str = "mediapipe"
) -> Matched | None:
    """The scene with the body, the place and the camera's side of the person in a picture; None where there is none.

    What was assumed, or that nobody was found, goes to standard error.

    Args:
        scene: whose motion drives the character.
        picture: the character.
        person: who of the scene, counted from 0.
        detector: finds the person in the picture.

    Raises:
        ValueError: the scene has no such person, or the detector cannot run here.
    """
    from kinema.capture.detectors import open_detector
    from kinema.capture.people import People, choose
    from kinema.capture.retarget_person import match_reference

    pixels = np.asarray(picture)
    with open_detector(detector, people=1) as eyes:
        people = People(eyes.layout, max_people=1)
        people.add(eyes.detect(pixels[None]))
    found = people.finish(1.0, (pixels.shape[1], pixels.shape[0]))
    if not found:
        note("nobody was found in the picture: the motion keeps its own proportions and camera")
        return None
    matched = match_reference(scene, choose(found), picture=pixels, person=person)
    for line in matched.notes:
        note(f"picture: {line}")
    return matched
