"""Draws docs/images/passes.jpg: the passes of every profile for one captured motion, seen by a camera on an arc.

    python docs/make_passes_sheet.py [SCENE]

Without a scene the stage films the jumping jacks, and the film is captured.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import kinema
from kinema.passes.profile import PROFILES, Pass

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "examples"
VARIANTS: dict[str, list[dict[str, str]]] = {
    "vace": [{}, {"recipe": "first-frame"}, {"recipe": "background"}, {"recipe": "pose-and-depth"}],
}
"""Settings of which more than the default is shown."""
SECONDS = 1.0
HEIGHT, LABEL, GAP, WIDTH, GROUND = 144, 18, 6, 1240, 236  # pixels, and a grey


def captured() -> kinema.Scene:
    """The jumping jacks, filmed on the stage and read off the film with hands and face."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "jacks.mp4"
        video = kinema.preview(EXAMPLES / "jumping_jacks.bvh", size=(480, 640), seconds=2.0, fps=25, seed=4)
        kinema.write_video(film, video.frames, video.fps)
        return kinema.capture_video(film, detector="mediapipe-holistic", fill="all")


def cell(each: Pass, label: str, at: float) -> Image.Image:
    """One pass with its name under it, from a moment of its film."""
    pixels = each.data if each.kind == "picture" else each.data[int((len(each.data) - 1) * at)]
    if pixels.dtype == np.uint16:  # millimetres: up to eight metres
        pixels = np.clip(pixels / 8000 * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels).convert("RGB")
    width, font = round(picture.width * HEIGHT / picture.height), ImageFont.load_default(12)
    room = max(width, int(font.getlength(label)) + 2) + GAP
    made = Image.new("RGB", (room, HEIGHT + LABEL + GAP), (GROUND,) * 3)
    made.paste(picture.resize((width, HEIGHT), Image.Resampling.LANCZOS))
    ImageDraw.Draw(made).text((1, HEIGHT + 2), label, fill=(0, 0, 0), font=font)
    return made


def cells_of(scene: kinema.Scene, name: str, extra: dict[str, str]) -> list[Image.Image]:
    """The passes of a profile that can be seen, those of a recipe that differ from the default's."""
    made = kinema.make_passes(
        scene,
        name,
        camera="arc left 60deg",
        picture=EXAMPLES / "character.png",
        seconds=SECONDS,
        extra=extra,
        replace=PROFILES[name].replaces and not extra and name != "vace",
        progress=kinema.Progress(),
    )
    shown = [each for each in made.passes if each.kind in ("film", "jpegs", "mask", "picture", "depth16")]
    if extra:
        shown = [each for each in shown if each.name in ("control", "mask")]
    title = " ".join([name, *extra.values()])
    made_cells = []
    for each in shown:
        at = 0.0 if extra.get("recipe") == "first-frame" else 0.75
        made_cells.append(cell(each, f"{title}: {each.name}" if not made_cells else each.name, at))
    return made_cells


def main() -> None:
    scene = kinema.read_scene(sys.argv[1]) if len(sys.argv) > 1 else captured()
    places, x, y, step = [], 0, 0, HEIGHT + LABEL + GAP
    for name in PROFILES:
        for extra in VARIANTS.get(name, [{}]):
            cells = cells_of(scene, name, extra)
            if x and x + sum(each.width for each in cells) > WIDTH:
                x, y = 0, y + step
            for each in cells:
                if x and x + each.width > WIDTH:
                    x, y = 0, y + step
                places.append((each, x, y))
                x += each.width
            x += 2 * GAP
    sheet = Image.new("RGB", (WIDTH, y + step), (GROUND,) * 3)
    for each, left, top in places:
        sheet.paste(each, (left, top))
    sheet.save(REPOSITORY / "docs" / "images" / "passes.jpg", quality=80)


if __name__ == "__main__":
    main()
