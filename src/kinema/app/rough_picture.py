"""The picture of a rough take: read with what the user says about it, and its person made ready to move."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from kinema.app.inputs import fingerprint
from kinema.app.progress import Progress
from kinema.app.request import RoughLook, VideoRequest
from kinema.app.request_inputs import picture_of_request
from kinema.puppet.marks import Marks, read_marks
from kinema.puppet.masks import read_mask
from kinema.puppet.suitability import Suitability, suitability
from kinema.puppet.take import Puppet, PuppetOptions, prepare
from kinema.scene.skeleton import SMPL24
from kinema.video.registry import EMBEDDED

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 1280
"""Pixels of a rough take's longer side, where no size is asked for (ours)."""

_FOUND_AT = 512  # pixels of the longer side from which on people are found well (ours)
_STANDS = 0.8  # share of the picture that somebody fills whose joints nobody knows (ours)
_ALWAYS_SAID = ("several people", "half body", "legs hidden", "seated")  # findings that tell of a choice


class NobodyInPicture(ValueError):
    """There is no person in the picture that could be moved."""


@dataclass(frozen=True, eq=False)
class RoughPicture:
    """A picture and its person.

    Args:
        given: the picture as it was read, RGB.
        puppet: the person, ready to move, at the size that is worked with.
        report: what to expect of it.
    """

    given: Image.Image
    puppet: Puppet
    report: Suitability

    @property
    def marks(self) -> Marks:
        """Where the joints are, to be edited by hand."""
        return Marks.of(self.puppet.body.pixels, self.puppet.size)


def rough_picture(request: VideoRequest, size: tuple[int, int] | None, progress: Progress) -> RoughPicture:
    """The person of a request's picture, found, cut out and put on bones; what is doubtful becomes notes.

    Args:
        request: with a picture.
        size: (width, height) of the result, where it is asked for.
        progress: told how far it is.

    Raises:
        NobodyInPicture: nobody is found.
        ValueError, OSError: what of picture, mask, marks or background cannot be used.
    """
    look = request.rough
    picture = picture_of_request(request.picture, progress, alpha=True)
    assert picture is not None
    background = None
    if not look.plain:
        room = picture_of_request(look.background, progress)
        background = None if room is None else np.asarray(room)
    mask = None if look.mask is None else _mask(look.mask, picture.size)
    marks = None if look.marks is None else read_marks(look.marks, picture.size)
    share = _share(picture.size, size)
    pixels = _sized(np.asarray(picture), share)
    options = PuppetOptions(
        look.clothes,
        look.picture_person,
        marks,
        None if mask is None else _sized(mask, share),
        background,
        legs=look.legs,
    )
    progress.stage("cutting the person out")
    puppet = prepare(pixels, options=options)
    if puppet is None:
        name = (fingerprint(request.picture) or {}).get("name", "picture")
        raise NobodyInPicture(
            f"{name}: nobody is found in it; give a picture of one person, best from head to feet, or name a video model "
            f"(--backbone {EMBEDDED})"
        )
    report = suitability(puppet.picture, puppet)
    for finding in report.findings:
        if report.verdict == "poor" or finding.what in _ALWAYS_SAID:
            progress.note(f"picture: {finding.text}")
    return RoughPicture(picture.convert("RGB"), puppet, report)


def checked_picture(request: VideoRequest) -> tuple[Suitability, Marks, np.ndarray]:
    """What to expect of a request's picture, where its joints are, and its pixels, uint8 [H, W, 3].

    Where nobody is found the joints are somebody's who stands in the middle: to be dragged to where they belong.

    Raises:
        ValueError, OSError: as `rough_picture`.
    """
    try:
        shown = rough_picture(request, None, Progress())
        return shown.report, shown.marks, shown.puppet.picture
    except NobodyInPicture:
        picture = picture_of_request(request.picture, Progress())
        assert picture is not None
        pixels = _sized(np.asarray(picture), _share(picture.size, None))
        return suitability(pixels, None), _standing(pixels.shape[1], pixels.shape[0]), pixels


def _standing(width: int, height: int) -> Marks:
    """The joints of somebody who stands in the middle of a picture."""
    rest = SMPL24.rest[:, :2] * [1, -1]
    low, high = rest.min(axis=0), rest.max(axis=0)
    scale = _STANDS * min(height / (high - low)[1], width / (high - low)[0])
    points = (rest - (low + high) / 2) * scale + [width / 2, height / 2]
    return Marks.of(points, (width, height))


def said_of_look(look: RoughLook) -> dict[str, Any]:
    """What is written down of the user's words about the picture."""
    return {
        "clothes": look.clothes,
        "legs": look.legs,
        "background": look.background if look.plain else fingerprint(look.background),
        "picture_person": look.picture_person,
        "mask": fingerprint(look.mask),
        "marks": fingerprint(look.marks),
        "begin_with_picture": look.begin_with_picture,
    }


def _share(picture: tuple[int, int], size: tuple[int, int] | None) -> float:
    """How many pixels a side are worked with for each of the picture: as many as the result needs."""
    longest = max(picture)
    if size is None:
        return min(1.0, LONGEST_SIDE / longest)
    wanted = max(side / own for side, own in zip(size, picture, strict=True))
    return min(1.0, max(wanted, _FOUND_AT / longest))


def _sized(pixels: np.ndarray, share: float) -> np.ndarray:
    """Pixels at that share of their size; sides are even, as most videos' are."""
    width, height = (max(16, round(side * share) // 2 * 2) for side in pixels.shape[1::-1])
    if share == 1:
        return np.ascontiguousarray(pixels[:height, :width])
    if pixels.ndim == 3 and pixels.shape[2] == 4:  # what cannot be seen has no colour that could show
        alpha = pixels[..., 3:].astype(np.float32) / 255
        colours = _shrunk(pixels[..., :3] * alpha, (width, height))
        clear = _shrunk(alpha, (width, height))[..., None]
        straight = np.clip(colours / np.maximum(clear, 1e-4) + 0.5, 0, 255)
        return np.concatenate([straight, clear * 255 + 0.5], axis=2).astype(np.uint8)
    return _shrunk(pixels, (width, height))


def _shrunk(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _mask(given: str | os.PathLike[str] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How much of each pixel is the person, float32 [H, W].

    Raises:
        FormatError, FileNotFoundError: not a picture, of another size, or nothing in it.
        ValueError: numbers of another shape.
    """
    if isinstance(given, (str, os.PathLike)):
        return read_mask(Path(given), size)
    if given.shape != (size[1], size[0]):
        raise ValueError(
            f"the mask is {list(given.shape)}, the picture {[size[1], size[0]]}: give one of its size"
        )
    return given.astype(np.float32) / (255 if given.dtype == np.uint8 else 1)
