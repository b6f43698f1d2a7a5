"""How well a picture will move, said before the work: what is wrong with it, and what helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np

from kinema.puppet.body import LEFT_ARM, RIGHT_ARM, PictureBody, body_of
from kinema.puppet.cutout import cut_out
from kinema.puppet.drawing import is_drawing
from kinema.puppet.find import Found
from kinema.puppet.parts import PARTS
from kinema.puppet.staying import ARMS, Why, arm_shown, why_staying
from kinema.puppet.take import Puppet

Verdict = Literal["good", "usable", "poor", "nobody"]

VERDICTS: tuple[Verdict, ...] = ("good", "usable", "poor", "nobody")
"""From the best to the worst."""

# All limits are ours.
UNSURE, LOST = 0.7, 0.5
"""Agreement of the two networks below which the cut-out is doubtful, and below which it is probably wrong."""

_PLAUSIBLE = (0.06, 0.5)  # area of a person in squares of their height
_SEEN = 0.3  # confidence below which a joint counts as not seen
_TOUCHING = 0.1  # share of a person's outline at which others begin, from which on it is said
_REACH = 0.006  # of the longer side: how wide that outline is
_SMALL, _TINY = 240, 120  # pixels from the highest to the lowest that is seen of the person
_SIDE, _BACK = np.radians(50.0), np.radians(120.0)
_SKIN = 45.0  # distance in Lab from the face's colour beyond which a hand does not show


@dataclass(frozen=True)
class Finding:
    """One thing about a picture.

    Args:
        what: a name for programs, like "half body".
        text: a sentence for people: what is seen, and what to do.
        poor: whether the result will be poor because of it.
    """

    what: str
    text: str
    poor: bool = False


@dataclass(frozen=True)
class Suitability:
    """What to expect of a picture.

    Args:
        verdict: "good"; "usable", a result with faults that are named; "poor"; "nobody", no result.
        findings: what was found, the worst first.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "findings": [asdict(finding) for finding in self.findings]}


_NOBODY = Finding("nobody", "Nobody is found: mark the joints (--marks), or give another picture.", poor=True)
_DRAWING = Finding(
    "drawing",
    "This looks like a drawing: its joints are placed from its outline alone; drag them, or give --marks.",
    True,
)


def suitability(picture: np.ndarray, subject: Puppet | Found | None) -> Suitability:
    """How well a picture will move.

    Args:
        picture: uint8 [H, W, 3].
        subject: the picture made ready, or the person found in it; None where nobody was.
    """
    if subject is None:
        if is_drawing(picture, None):
            return Suitability("poor", (_DRAWING,))
        return Suitability("nobody", (_NOBODY,))
    if isinstance(subject, Puppet):
        found, body, alpha, source = subject.found, subject.body, subject.alpha, subject.source
    else:
        found, body, source = (
            subject,
            body_of(subject),
            "preset" if is_drawing(picture, subject) else "detected",
        )
        alpha = cut_out(picture, found, body)
    if source == "preset":
        return Suitability("poor", (_DRAWING,))
    findings = list(_doubts(picture, found, body, alpha, source))
    natural = why_staying(body, alpha)
    stays = subject.stays if isinstance(subject, Puppet) else natural
    findings += [*_framing(found, body, alpha), *_legs(stays, natural), *_pose(body, alpha, stays)]
    findings += _hands(picture, found, body)
    findings.sort(key=lambda finding: not finding.poor)
    return Suitability(verdict_of(findings), tuple(findings))


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """What findings about somebody come to."""
    if any(finding.poor for finding in findings):
        return "poor"
    return "usable" if findings else "good"


def _doubts(
    picture: np.ndarray, found: Found | None, body: PictureBody, alpha: np.ndarray, source: str
) -> Iterator[Finding]:
    """Whether this is a person at all, and which."""
    if found is None or source == "marked":
        return
    area = float((alpha > 0.5).sum()) / body.height**2
    if source == "detected" and (found.agreement < UNSURE or not _PLAUSIBLE[0] < area < _PLAUSIBLE[1]):
        yield Finding(
            "unsure",
            "I am not sure who or what this is: look at the cut-out, and give --mask or --marks.",
            found.agreement < LOST,
        )
    if found.people > 1:
        yield Finding(
            "several people",
            f"{found.people} people are in the picture, the largest is taken: choose with --picture-person, counted from "
            "the left, or all.",
        )
    if found.others is not None and touching(alpha, found.others) > _TOUCHING:
        yield Finding(
            "touching",
            "Somebody else touches or covers the person, and the line between them is a guess: give --mask, or a picture "
            "in which they stand apart.",
        )


def touching(alpha: np.ndarray, others: np.ndarray) -> float:
    """Share of a person's outline at which somebody else begins.

    Args:
        alpha: how much of each pixel is the person, [H, W].
        others: probability of each pixel to be somebody else, [H, W].
    """
    mask = (alpha > 0.5).astype(np.uint8)
    reach = 2 * max(1, round(_REACH * max(mask.shape))) + 1
    rim = (cv2.dilate(mask, np.ones((reach, reach), np.uint8)) > 0) & (mask == 0)
    return float((others[rim] > 0.5).mean()) if rim.any() else 0.0


def _framing(found: Found | None, body: PictureBody, alpha: np.ndarray) -> Iterator[Finding]:
    """What of the person the picture shows, and how large."""
    height, width = alpha.shape
    rows = np.flatnonzero((alpha > 0.5).any(axis=1))
    seen = float(rows[-1] - rows[0] + 1) if rows.size else 0.0
    if seen < _SMALL:
        yield Finding(
            "small",
            f"The person is only {round(seen)} pixels high: crop, or give a larger picture.",
            seen < _TINY,
        )
    if ((body.pixels[:, 1] > height - 1) | (body.confidence < _SEEN))[[1, 2]].all():
        yield Finding(
            "close-up",
            "Only head and shoulders are in the picture, and little more than they can move: give a picture down to the "
            "feet.",
        )
    eyes = body.pixels[15:16] if found is None else found.points[[2, 5]]
    if not (eyes[:, 1] > 0.01 * height).all():
        yield Finding("head cut", "The head is cut off: give a picture that shows it.", True)
    beside = [
        name
        for name, chain in (("left arm", LEFT_ARM), ("right arm", RIGHT_ARM))
        if not (0 <= body.pixels[chain[3], 0] < width and 0 <= body.pixels[chain[2], 0] < width)
    ]
    if beside:
        yield Finding(
            "cut off",
            f"The {' and the '.join(beside)} leaves the picture: what is beyond its edge is missing; give a wider one.",
        )


_STAYS: dict[Why, Finding] = {
    "cut off": Finding(
        "half body",
        "The feet are not in the picture: what is at its lower edge stays there, the rest moves; --legs move moves all, "
        "and a picture of the whole person does better.",
    ),
    "hidden": Finding(
        "legs hidden",
        "The legs can hardly be seen: hips and legs stay as in the picture, the rest moves; --legs move moves all.",
    ),
    "bent": Finding(
        "seated",
        "The person sits, kneels or crouches: hips and legs stay as in the picture, the rest moves; --legs move moves "
        "all, and a standing picture does better.",
    ),
}


def _legs(stays: Why | None, natural: Why | None) -> Iterator[Finding]:
    """Why legs stay where they are, or what is wrong with legs that move because the user says so."""
    if stays in _STAYS:
        yield _STAYS[stays]
    elif stays is None and natural is not None:
        yield Finding(
            "legs unseen",
            "The picture does not show the legs as somebody's who stands, so they come out wrong: --legs stay leaves "
            "them as they are.",
            True,
        )


def _pose(body: PictureBody, alpha: np.ndarray, stays: Why | None) -> Iterator[Finding]:
    """Limbs that are not seen, side and back views."""
    seen = body.confidence >= _SEEN
    hidden = []
    if stays is not None:
        resting = [PARTS[part] for part, chain in ARMS if not arm_shown(alpha, body, chain)]
        if resting:
            yield Finding(
                "arms rest",
                f"The {' and the '.join(resting)} {'goes' if len(resting) == 1 else 'go'} with the body: too little of "
                "it is seen, or it is folded; a picture with free arms does better.",
            )
    else:
        for name, chain in (("left arm", LEFT_ARM[2:4]), ("right arm", RIGHT_ARM[2:4])):
            if not seen[list(chain)].any():
                hidden.append(name)
        feet = seen[[7, 8]]
        if feet.any() and not feet.all():
            hidden.append("left leg" if not feet[0] else "right leg")
    if hidden:
        yield Finding(
            "hidden",
            f"The {' and the '.join(hidden)} cannot be seen and {'is' if len(hidden) == 1 else 'are'} copied from "
            "the other side: mark the joints (--marks), or give a picture that shows all limbs.",
            len(hidden) > 1,
        )
    turned = abs(body.yaw)
    if turned > _BACK:
        yield Finding("back", "The person is seen from behind: there is no face when they turn round.")
    elif turned > _SIDE:
        yield Finding(
            "side", "The person is seen from the side, their other half is made up: a front view does better."
        )


def _hands(picture: np.ndarray, found: Found | None, body: PictureBody) -> Iterator[Finding]:
    """Hands that do not show, and hands before the trunk."""
    before, lost = [], []
    face = _face_colour(picture, found)
    trunk = cv2.convexHull(body.pixels[[16, 17, 2, 1]].astype(np.float32))
    for side, chain, points in (("left", LEFT_ARM, (15, 17, 19, 21)), ("right", RIGHT_ARM, (16, 18, 20, 22))):
        wrist = chain[3]
        if body.confidence[wrist] < _SEEN:
            continue
        if face is not None and found is not None:
            hand = _colour(picture, found.points[list(points)], 0.012 * body.height)
            if hand is not None and float(np.linalg.norm(hand - face)) > _SKIN:
                lost.append(side)
                continue
        if cv2.pointPolygonTest(trunk, tuple(body.pixels[wrist].tolist()), False) > 0:
            before.append(side)
    if lost:
        yield Finding(
            "hands hidden",
            f"The {' and the '.join(lost)} hand does not show (in a pocket, a sleeve or a glove?): it moves as the "
            "cloth does; give a picture with free hands.",
        )
    if before:
        yield Finding(
            "hands before trunk",
            f"The {' and the '.join(before)} hand lies before the body: what it covers is made up; arms beside the "
            "body do better.",
        )


def _face_colour(picture: np.ndarray, found: Found | None) -> np.ndarray | None:
    """Of the skin between nose and mouth, Lab [3]."""
    if found is None or found.confidence[[0, 9, 10]].min() < 0.5:
        return None
    eyes = float(np.linalg.norm(found.points[2] - found.points[5]))
    return _colour(picture, found.points[[0, 9, 10, 2, 5]], max(1.0, 0.25 * eyes))


def _colour(picture: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray | None:
    """The middle colour round some points, Lab [3]; None outside the picture."""
    if not np.isfinite(points).all():
        return None
    canvas = np.zeros(picture.shape[:2], np.uint8)
    for point in points:
        cv2.circle(canvas, tuple(np.round(point).astype(int).tolist()), max(1, round(radius)), 1, -1)
    inside = canvas > 0
    if not inside.any():
        return None
    lab = cv2.cvtColor(picture[inside][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return np.asarray(np.median(lab, axis=0))
