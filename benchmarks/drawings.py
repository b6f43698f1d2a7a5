"""The rough take beside AnimatedDrawings (Smith et al. 2023, MIT) on its own example characters and motions.

Both get the same drawing, mask, joints and motion. Needs a checkout of AnimatedDrawings and a Python with its
dependencies and Mesa's off-screen library (libOSMesa); both are the reader's. Run:
    python benchmarks/drawings.py CHECKOUT --python PYTHON --out FOLDER
Writes one sheet for each motion: a row for each character, AnimatedDrawings' frames above ours, and prints processor
seconds of both. The last line is JSON. AnimatedDrawings draws 500x500 pixels, the rough take the drawing's own size.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kinema.media.pictures import read_picture
from kinema.media.video import read_video
from kinema.puppet.marks import read_marks
from kinema.puppet.take import Filming, PuppetOptions, film, place_in, prepare
from kinema.scene.camera import CameraPath
from kinema.scene.formats import read_motion
from kinema.scene.formats.reading import AssumptionWarning

MOTIONS = {
    "dab": "fair1_ppf",
    "wave_hello": "fair1_ppf",
    "jumping_jacks": "cmu1_pfp",
    "zombie": "fair1_spf",
    "jesse_dance": "mixamo_fff",
}
"""Motions of AnimatedDrawings' examples, each with the retargeting its own examples use."""

CHARACTERS = ("char1", "char2", "char3", "char4")
"""Its bipeds with two arms; the others need bones that no human motion has."""

LONGEST = 160  # frames of a motion
SHOWN = 6  # frames in a row
HEIGHT = 240
RUN = """
import resource, sys
import animated_drawings.render as render
render.start(sys.argv[1])
spent = resource.getrusage(resource.RUSAGE_SELF)
print("spent", spent.ru_utime + spent.ru_stime)
"""


@dataclass(frozen=True)
class Told:
    """A motion of the examples.

    Args:
        file: of the motion, from the checkout.
        first, last: frames, the last one not included.
        text: of the file that says so, cut to these frames.
    """

    file: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Taken:
    """Frames of one method and what they cost.

    Args:
        frames: uint8 [T, H, W, 3].
        seconds: of the processor, from reading the drawing to the last frame.
    """

    frames: list[np.ndarray]
    seconds: float

    @property
    def milliseconds(self) -> float:
        """A frame, all work before shared out among them."""
        return 1e3 * self.seconds / max(1, len(self.frames))


def told_of(checkout: Path, motion: str) -> Told:
    """What AnimatedDrawings' example says of a motion, cut to `LONGEST` frames."""
    text = (checkout / "examples" / "config" / "motion" / f"{motion}.yaml").read_text()
    lines = dict(re.findall(r"^(filepath|start_frame_idx|end_frame_idx): *(\S+)", text, re.MULTILINE))
    first = int(lines["start_frame_idx"])
    given = lines["end_frame_idx"]
    last = first + LONGEST if given == "null" else min(int(given), first + LONGEST)
    return Told(
        lines["filepath"], first, last, text.replace(f"end_frame_idx: {given}", f"end_frame_idx: {last}")
    )


def theirs(checkout: Path, python: str, character: str, motion: str) -> Taken:
    """AnimatedDrawings in a process of its own; starting Python counts, which is little."""
    with tempfile.TemporaryDirectory() as folder:
        film_path, config = Path(folder) / "out.mp4", Path(folder) / "mvc.yaml"
        examples = checkout / "examples"
        shortened = Path(folder) / "motion.yaml"
        shortened.write_text(told_of(checkout, motion).text)
        scene = {
            "character_cfg": str(examples / "characters" / character / "char_cfg.yaml"),
            "motion_cfg": str(shortened),
            "retarget_cfg": str(examples / "config" / "retarget" / f"{MOTIONS[motion]}.yaml"),
        }
        controller = {
            "MODE": "video_render",
            "OUTPUT_VIDEO_PATH": str(film_path),
            "OUTPUT_VIDEO_CODEC": "mp4v",
        }
        document = {
            "scene": {"ANIMATED_CHARACTERS": [scene]},
            "view": {"USE_MESA": True},
            "controller": controller,
        }
        config.write_text(json.dumps(document))  # YAML reads JSON
        done = subprocess.run(
            [python, "-c", RUN, str(config)], cwd=checkout, capture_output=True, text=True, check=False
        )
        if done.returncode or not film_path.exists():
            sys.exit(
                f"AnimatedDrawings failed on {character}, {motion}:\n{done.stdout[-800:]}\n{done.stderr[-800:]}"
            )
        spent = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("spent "))
        return Taken(list(read_video(film_path).frames), spent)


def ours(checkout: Path, character: str, motion: str) -> Taken:
    """The rough take of the same drawing, mask and joints, from a camera that stands still."""
    folder = checkout / "examples" / "characters" / character
    told = told_of(checkout, motion)
    before = time.process_time()
    picture = np.asarray(read_picture(folder / "texture.png").convert("RGB"))
    mask = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_GRAYSCALE)
    size = picture.shape[1], picture.shape[0]
    options = PuppetOptions(
        joints=read_marks(folder / "char_cfg.yaml", size), mask=np.asarray(mask, np.float32) / 255
    )
    puppet = prepare(picture, options=options)
    assert puppet is not None
    moving = read_motion(checkout / told.file)
    moving = moving.crop(told.first / moving.fps, (told.last - 1) / moving.fps)
    place = place_in(puppet, moving)
    camera = CameraPath.static(place.camera, tuple(place.lens), size, moving.fps, moving.frames)
    frames = [frame.rgb for frame in film(puppet, place, camera, Filming(threads=1))]
    return Taken(frames, time.process_time() - before)


def row(taken: Taken) -> np.ndarray:
    """Frames from begin to end, side by side, on white."""
    chosen = np.linspace(0, len(taken.frames) - 1, SHOWN).round().astype(int)
    cells = []
    for number in chosen:
        frame = taken.frames[number]
        width = max(1, round(frame.shape[1] * HEIGHT / frame.shape[0]))
        small = cv2.resize(frame, (min(width, HEIGHT), HEIGHT), interpolation=cv2.INTER_AREA)
        cell = np.full((HEIGHT, HEIGHT, 3), 255, np.uint8)
        left = (HEIGHT - small.shape[1]) // 2
        cell[:, left : left + small.shape[1]] = small
        cells.append(cell)
    return np.concatenate(cells, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of AnimatedDrawings")
    parser.add_argument("--python", default=sys.executable, help="a Python that has its dependencies")
    parser.add_argument("--out", type=Path, default=Path("drawings"))
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", AssumptionWarning)
    ours(checkout, CHARACTERS[0], "jumping_jacks")  # kernels are compiled before the clock starts
    figures: dict[str, list[float]] = {"theirs": [], "ours": []}
    for motion in MOTIONS:
        rows = []
        for character in CHARACTERS:
            pair = theirs(checkout, arguments.python, character, motion), ours(checkout, character, motion)
            for name, taken in zip(figures, pair, strict=True):
                figures[name].append(taken.milliseconds)
            print(
                f"{motion:16}{character:8} theirs {pair[0].milliseconds:7.1f} ms, ours {pair[1].milliseconds:7.1f} ms"
            )
            rows += [row(taken) for taken in pair]
        cv2.imwrite(str(arguments.out / f"{motion}.png"), np.concatenate(rows)[..., ::-1])
    means = {f"{name}_ms": round(float(np.mean(values)), 1) for name, values in figures.items()}
    print(json.dumps({**means, "ratio": round(means["ours_ms"] / means["theirs_ms"], 2)}))


if __name__ == "__main__":
    main()
