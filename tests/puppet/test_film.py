"""Films of a puppet: the same with any number of threads, at any size, under any camera, and without torch."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.media.pictures import read_picture
from kinema.puppet.take import Filming, Frame, Puppet, PuppetOptions, film, place_in, prepare
from kinema.scene.camera import CameraPath
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    picture = Image.fromarray(np.asarray(read_picture(EXAMPLES / "character.png")))
    picture.thumbnail((384, 384))
    made = prepare(np.asarray(picture))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def motion() -> Motion:
    return read_motion(EXAMPLES / "jumping_jacks.bvh").resample(6).crop(0, 0.7)


def filmed(
    puppet: Puppet,
    motion: Motion,
    words: str = "arc left 40deg",
    filming: Filming = Filming(),  # noqa: B008
    share: float = 1.0,
) -> list[Frame]:
    place = place_in(puppet, motion)
    size = round(puppet.size[0] * share), round(puppet.size[1] * share)
    path = camera_path(
        words,
        size=size,
        fps=6,
        frames=place.motion.frames,
        subject=place.motion,
        start=place.camera,
        fov=40,
    )
    return list(film(puppet, place, path, filming))


def test_importing_needs_no_torch_and_little_time() -> None:
    code = "import kinema.puppet.take, sys; print('torch' in sys.modules)"
    begin = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
    assert time.perf_counter() - begin < 15  # seconds on a busy machine; about 1 s alone


def test_threads_do_not_change_a_pixel(puppet: Puppet, motion: Motion) -> None:
    one, two = (filmed(puppet, motion, filming=Filming(threads=count)) for count in (1, 2))
    assert len(one) == len(two) == motion.frames
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.rgb, b.rgb)
        assert np.array_equal(a.known, b.known)


def test_a_film_that_is_not_watched_to_its_end_ends(puppet: Puppet, motion: Motion) -> None:
    place = place_in(puppet, motion)
    path = CameraPath.static(place.camera, place.lens, place.size, 6, place.motion.frames)
    frames = film(puppet, place, path)
    assert next(frames).rgb.shape[:2] == puppet.size[::-1]
    frames.close()


def test_what_is_known_falls_as_the_camera_turns(puppet: Puppet, motion: Motion) -> None:
    frames = filmed(puppet, motion, "arc left 80deg")
    share = [frame.known[frame.coverage > 200].mean() for frame in (frames[0], frames[-1])]
    assert share[0] > 150
    assert share[1] < 0.5 * share[0]


def test_a_small_preview_looks_like_the_film(puppet: Puppet, motion: Motion) -> None:
    large, small = filmed(puppet, motion)[1], filmed(puppet, motion, share=0.4)[1]
    shrunk = np.asarray(
        Image.fromarray(large.rgb).resize(small.rgb.shape[1::-1], Image.Resampling.BOX), float
    )
    assert np.abs(shrunk - small.rgb).mean() < 6
    assert abs((small.coverage > 127).mean() - (large.coverage > 127).mean()) < 0.02


def test_a_transparent_film_has_no_fringe(puppet: Puppet, motion: Motion) -> None:
    plain = filmed(puppet, motion)[0]
    clear = filmed(puppet, motion, filming=Filming(transparent=True))[0]
    assert np.array_equal(plain.coverage, clear.coverage)
    assert (clear.known[clear.coverage == 0] == 0).all()
    alpha = clear.coverage[..., None] / 255.0
    edge = (clear.coverage > 60) & (clear.coverage < 200)
    room = (plain.rgb - alpha * clear.rgb)[edge] / (1 - alpha[edge])  # what must have been behind
    assert room.min() > -20
    assert room.max() < 275
    bright = clear.rgb[edge].mean()
    inside = clear.rgb[clear.coverage == 255].mean()
    assert abs(bright - inside) < 60


@pytest.mark.parametrize("eye", [(0, 1, 0), (0, -1, 3), (0, 1, -9), (40, 1, 0), (0, 1.2, 0.3)])
def test_no_camera_breaks_a_film(puppet: Puppet, motion: Motion, eye: tuple[float, float, float]) -> None:
    place = place_in(puppet, motion)
    c2w = place.camera.copy()
    c2w[:3, 3] = eye
    c2w[:3, :2] *= -1  # upside down
    frames = list(film(puppet, place, CameraPath.static(c2w, place.lens, place.size, 6, place.motion.frames)))
    assert len(frames) == motion.frames
    assert frames[0].rgb[frames[0].coverage == 0].mean() > 20 if (frames[0].coverage == 0).any() else True


def test_another_background_and_wall(puppet: Puppet) -> None:
    green = np.zeros((30, 90, 3), np.uint8)
    green[..., 1] = 200
    other = prepare(puppet.picture, options=PuppetOptions(background=green, wall=5.0))
    assert other is not None
    assert other.room.wall == 5.0
    assert (other.room.plate.near[..., :3] == (0, 200, 0)).all()


@pytest.mark.parametrize("shape", [(16, 16), (1, 4000), (4000, 1)])
def test_tiny_pictures_do_not_fail(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    made = prepare(picture)
    assert made is None or made.size == shape[::-1]
