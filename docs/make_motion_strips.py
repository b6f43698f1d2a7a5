"""Makes the strips of frames in docs/papers/: what the methods of motion made, six moments each.

python docs/make_motion_strips.py [NAME ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import kinema

PAGES = Path(__file__).parent / "papers"
WALK = Path(__file__).parent.parent / "examples" / "walk_and_wave.bvh"
TIMELINE = (
    "a person walks forward # 0 # 6 # legs\na person raises both hands # 2 # 4.5 # left arm, right arm\n"
)
PEOPLE = {
    "seconds": 4,
    "people": [
        {"text": "a person waves with the right hand", "at": [0, 0], "facing": 0},
        {"text": "a person waves with the right hand", "at": [0, 0.9], "facing": 180},
    ],
    "pairs": [{"joints": [[0, "right_wrist"], [1, "right_wrist"]], "from": 1.5, "to": 2.2, "distance": 0.05}],
}
HIGH = "left_wrist@2s:0.4,1.7,0.3"
STRIPS = {
    "stmc": ["motion", "--timeline", "{folder}/line.txt", "--blend", "stmc", "-o", "{out}"],
    "motionduet": ["motion", "a person turns 90 degrees left", "--guider", "motionduet", "-o", "{out}"],
    "dart": ["motion", "a person stands still", "--reach", HIGH, "--search", "dart", "-o", "{out}"],
    "intercontrol": ["motion", "--together", "{folder}/people.json", "--jointly", "intercontrol", "-o", "{out}"],
    "humanmac": ["motion", "--after", str(WALK), "--seconds", "8", "--completion", "humanmac", "-o", "{out}"],
    "umo": ["edit", str(WALK), "like an old man", "-o", "{out}"],
    "irg-motionllm": [
        "motion", "a person turns left and raises the right hand", "--rounds", "3", "--seed", "2", "-o", "{out}",
    ],
}  # fmt: skip
"""Name of the method, and the words of its command."""


def strip(name: str, folder: Path) -> Path:
    """The picture of one method."""
    out = folder / f"{name}.npz"
    words = [word.format(folder=folder, out=out) for word in STRIPS[name]]
    subprocess.run([sys.executable, "-m", "kinema", *words], check=True, capture_output=True)
    frames = kinema.preview(out, size=(224, 224), camera="arc left 50deg").frames
    chosen = [frames[int(at)] for at in np.linspace(0, len(frames) - 1, 6)]
    made = PAGES / f"{name}.jpg"
    Image.fromarray(np.concatenate(chosen, axis=1)).save(made, quality=80)
    return made


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "line.txt").write_text(TIMELINE)
        (folder / "people.json").write_text(json.dumps(PEOPLE))
        for name in sys.argv[1:] or STRIPS:
            print(strip(name, folder))


if __name__ == "__main__":
    main()
