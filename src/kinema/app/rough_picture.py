"""The picture of a rough take: read with what the user says about it, and its person made ready to move."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from kinema.app.inputs import fingerprint
from kinema.app.progress import Progress
from kinema.app.request import RoughLook, VideoRequest
from kinema.app.request_inputs import fingerprints, picture_of_request
from kinema.puppet.cast import found_in, people_of, prepare_people
from kinema.puppet.find import Found, find_everybody
from kinema.puppet.marks import Marks, read_marks
from kinema.puppet.masks import on_white, read_mask
from kinema.puppet.suitability import Suitability, suitability, verdict_of
from kinema.puppet.take import Puppet, PuppetOptions, prepare
from kinema.scene.skeleton import SMPL24
from kinema.video.registry import EMBEDDED

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 1280
"""Pixels of a rough take's longer side, where no size is asked for (ours)."""

_FOUND_AT = 512  # pixels of the longer side from which on people are found well (ours)
_STANDS = 0.8  # share of the picture that somebody fills whose joints nobody knows (ours)
# Findings that tell of a choice, or that a mask or a number mends, whatever the verdict.
_ALWAYS_SAID = ("several people", "touching", "half body", "legs hidden", "seated")


class NobodyInPicture(ValueError):
    """There is no person in the picture that could be moved."""


@dataclass(frozen=True, eq=False)
class RoughPicture:
    """A picture and its person.

    Args:
        given: the picture as it was read, RGB.
        puppet: the person, ready to move, at the size that is worked with.
        report: what to expect of it.
        name: of the picture's file.
        number: of the person among those of a picture of whom several are moved, from the left.
    """

    given: Image.Image
    puppet: Puppet
    report: Suitability
    name: str = "picture"
    number: int | None = None

    @property
    def marks(self) -> Marks:
        """Where the joints are, to be edited by hand."""
        return Marks.of(self.puppet.body.pixels, self.puppet.size)


def rough_pictures(
    request: VideoRequest, movers: int, size: tuple[int, int] | None, progress: Progress
) -> tuple[RoughPicture, ...]:
    """The people of a request's picture or pictures who are moved; what is doubtful becomes notes.

    Args:
        request: with a picture.
        movers: how many of the scene's people move somebody.
        size: (width, height) of the result, where it is asked for.
        progress: told how far it is.

    Raises:
        NobodyInPicture: nobody is found.
        ValueError, OSError: what of pictures, masks, marks or background cannot be used; or fewer people are there than
            move or are named.
    """
    look, pictures = request.rough, request.pictures
    if len(pictures) > 1:
        shown = []
        for number, picture in enumerate(pictures):
            own = replace(
                look,
                mask=_of(look.mask, number),
                marks=_of(look.marks, number),
                picture_person=_of(look.picture_person, number),
                clothes=_of(look.clothes, number),
                legs=_of(look.legs, number),
                background=look.background if number == 0 else "keep",
            )
            shown.append(rough_picture(replace(request, picture=picture, rough=own), size, progress))
        return tuple(shown)
    listed = any(isinstance(each, (list, tuple)) for each in (look.mask, look.marks))
    several = movers > 1 or look.picture_person == "all" or listed
    if not several and (look.picture_person is None or isinstance(look.picture_person, int)):
        return (rough_picture(request, size, progress),)
    return _group(request, movers, size, progress)


def rough_picture(request: VideoRequest, size: tuple[int, int] | None, progress: Progress) -> RoughPicture:
    """The person of a request's picture, found, cut out and put on bones; what is doubtful becomes notes.

    Args:
        request: with one picture, of which one person is moved.
        size: (width, height) of the result, where it is asked for.
        progress: told how far it is.

    Raises:
        NobodyInPicture: nobody is found.
        ValueError, OSError: what of picture, mask, marks or background cannot be used.
    """
    look, name = request.rough, _name(request.pictures[0])
    picture, pixels, share = _read(request, size, progress)
    person = look.picture_person
    assert person is None or isinstance(person, int)
    assert isinstance(look.clothes, str)
    assert isinstance(look.legs, str)
    options = PuppetOptions(
        look.clothes,
        person,
        *_said_of_person(look.marks, look.mask, picture.size, share),
        _background(look, progress),
        legs=look.legs,
    )
    progress.stage("cutting the person out")
    found = None
    if person is None and options.mask is not None and pixels.shape[2] == 3:
        everybody = find_everybody(pixels)
        found = found_in(options.mask, pixels, everybody) if len(everybody) > 1 else None
        if found is None and len(everybody) > 1 and options.joints is None:
            raise ValueError(
                f"{name}: nobody is found in the mask; let it show all of one person, or give --marks, too"
            )
    puppet = prepare(pixels, found=found, options=options)
    if puppet is None:
        raise _nobody(name)
    report = suitability(puppet.picture, puppet)
    report = _without(report, ("touching",) if options.mask is not None else ())
    _note(report, progress)
    return RoughPicture(picture.convert("RGB"), puppet, report, name)


def _group(
    request: VideoRequest, movers: int, size: tuple[int, int] | None, progress: Progress
) -> tuple[RoughPicture, ...]:
    """Several people of one picture."""
    look, name = request.rough, _name(request.pictures[0])
    picture, pixels, share = _read(request, size, progress)
    masks, marks, background = look.mask, look.marks, _background(look, progress)
    given: list[np.ndarray | None] = []
    if isinstance(masks, (list, tuple)):
        given = [None if mask is None else _sized(_mask(mask, picture.size), share) for mask in masks]
    progress.stage("cutting the people out")
    numbered = look.picture_person is not None  # else the masks say who it is
    found_by = () if numbered else [mask for mask in given if mask is not None]
    everybody = people_of(on_white(pixels) if pixels.shape[2] == 4 else pixels, found_by)
    if not everybody:
        raise _nobody(name)
    numbers = _who(look, everybody, movers, name)
    if isinstance(marks, (list, tuple)) and len(marks) != len(numbers):
        raise ValueError(
            f"{len(marks)} files of joints for {len(numbers)} people: give one for each (--marks)"
        )
    options = [
        PuppetOptions(
            _of(look.clothes, k),
            number,
            _read_marks(_of(marks, k), picture.size),
            given[k] if given else None,
            background if k == 0 else None,
            legs=_of(look.legs, k),
        )
        for k, number in enumerate(numbers)
    ]
    puppets = prepare_people(pixels, options, everybody)
    if len(puppets) < len(numbers):
        raise ValueError(
            f"{name}: nothing is left of one of the {len(numbers)} people; do two masks show the same person?"
        )
    shown = []
    for number, puppet in zip(numbers, puppets, strict=True):
        report = suitability(puppet.picture, puppet)
        report = _without(report, ("several people", "touching") if given else ("several people",))
        _note(report, progress, f"person {number}: ")
        shown.append(RoughPicture(picture.convert("RGB"), puppet, report, name, number))
    return tuple(shown)


def _who(look: RoughLook, everybody: Sequence[Found], movers: int, name: str) -> list[int]:
    """Numbers of the people who are moved: those who are named, else the largest, from the left."""
    asked = look.picture_person
    if asked == "all" or (asked is None and isinstance(look.mask, (list, tuple))):
        return list(range(len(everybody)))
    if asked is None:
        if movers > len(everybody):
            raise ValueError(
                f"{name}: {_people(len(everybody))} found in it, and {movers} of the scene would move them: choose "
                f"with --person {','.join(map(str, range(len(everybody))))}"
            )
        largest = sorted(range(len(everybody)), key=lambda k: -everybody[k].side)[:movers]
        return sorted(largest)
    numbers = [asked] if isinstance(asked, int) else [int(number or 0) for number in asked]
    for number in numbers:
        if not 0 <= number < len(everybody):
            raise ValueError(
                f"--picture-person {number}: {_people(len(everybody))} found in {name}, counted from the left from 0"
            )
    return numbers


def _people(number: int) -> str:
    return "1 person is" if number == 1 else f"{number} people are"


def _read(
    request: VideoRequest, size: tuple[int, int] | None, progress: Progress
) -> tuple[Image.Image, np.ndarray, float]:
    """The picture as it was given, its pixels at the size that is worked with, and that size's share."""
    picture = picture_of_request(request.pictures[0], progress, alpha=True)
    assert picture is not None
    share = _share(picture.size, size)
    return picture, _sized(np.asarray(picture), share), share


def _background(look: RoughLook, progress: Progress) -> np.ndarray | None:
    room = None if look.plain else picture_of_request(look.background, progress)
    return None if room is None else np.asarray(room)


def _said_of_person(
    marks: Any, mask: Any, size: tuple[int, int], share: float
) -> tuple[Marks | None, np.ndarray | None]:
    """Joints and outline that somebody says a person has."""
    return (
        _read_marks(marks, size),
        None if mask is None else _sized(_mask(mask, size), share),
    )


def _read_marks(marks: Any, size: tuple[int, int]) -> Marks | None:
    return None if marks is None else read_marks(marks, size)


def _of(given: Any, number: int) -> Any:
    """What of a list is said about the picture of that number."""
    return given[number] if isinstance(given, (list, tuple)) else given


def _name(picture: Any) -> str:
    return (fingerprint(picture) or {}).get("name", "picture")


def _nobody(name: str) -> NobodyInPicture:
    return NobodyInPicture(
        f"{name}: nobody is found in it; give a picture of one person, best from head to feet, or name a video model "
        f"(--backbone {EMBEDDED})"
    )


def _without(report: Suitability, known: Sequence[str]) -> Suitability:
    """A report without what the user has answered already."""
    findings = tuple(each for each in report.findings if each.what not in known)
    return replace(report, findings=findings, verdict=verdict_of(findings))


def _note(report: Suitability, progress: Progress, who: str = "") -> None:
    for finding in report.findings:
        if report.verdict == "poor" or finding.what in _ALWAYS_SAID:
            progress.note(f"picture: {who}{finding.text}")


def checked_pictures(request: VideoRequest) -> list[tuple[Suitability, Marks, np.ndarray]]:
    """What to expect of a request's pictures, where the joints of each person are, and the pixels, uint8 [H, W, 3].

    Raises:
        ValueError, OSError: as `rough_pictures`.
    """
    movers = request.direction.people
    count = len(movers) if movers is not None and movers != "all" else 1
    try:
        shown = rough_pictures(request, count, None, Progress())
        return [(each.report, each.marks, each.puppet.picture) for each in shown]
    except NobodyInPicture:
        if len(request.pictures) > 1:
            raise
        return [without_person(request)]


def without_person(request: VideoRequest) -> tuple[Suitability, Marks, np.ndarray]:
    """The same where nobody is found: the joints are somebody's who stands in the middle, to be dragged.

    Raises:
        ValueError, OSError: the picture cannot be read.
    """
    _, pixels, _ = _read(request, None, Progress())
    pixels = on_white(pixels) if pixels.shape[2] == 4 else pixels
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
        "clothes": look.clothes if isinstance(look.clothes, str) else list(look.clothes),
        "legs": look.legs if isinstance(look.legs, str) else list(look.legs),
        "background": look.background if look.plain else fingerprint(look.background),
        "picture_person": look.picture_person,
        "mask": fingerprints(look.mask),
        "marks": fingerprints(look.marks),
        "begin_with_picture": look.begin_with_picture,
        "face": look.face,
        "fingers": look.fingers,
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
