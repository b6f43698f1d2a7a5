"""The clips of `kinema evaluate control`: unseen motions of people who really move, with exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from kinema.data.filming import FilmedClip, film_clip
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.judge import COMMON_JOINTS
from kinema.evaluation.metrics.pck import KeypointTruth, frozen_pck, projected_height, standing_height
from kinema.stage import Take

CAMERAS = (
    "static",
    "arc left 40deg",
    "dolly in 0.6m",
    "arc right 40deg ease",
    "static",
    "dolly out 0.6m ease",
    "arc left 60deg",
    "arc right 25deg with pedestal up 0.3m",
)
FROZEN_LIMIT = 0.35  # exact PCK@0.1H of the first frame held still; above it the person hardly moves
STILL_LIMIT = 0.6  # the same in space: motions above it are not even filmed
ROUNDS = 8  # through the test split; from the third on, motions that were kept are filmed again
INSIDE_LEAST = 0.9  # share of the keypoints that lie in the picture
COUNTED_LEAST = 0.5  # share of the keypoints that are seen


@dataclass(frozen=True)
class ControlClip:
    """One test clip.

    Args:
        film: the take, the reference picture and the scene that a pipeline is given.
        truth: exact keypoints of the take.
        seed: of the film and of the generated video.
        frozen: exact PCK of the first frame held still.
    """

    film: FilmedClip
    truth: KeypointTruth
    seed: list[int]
    frozen: float

    @property
    def video(self) -> np.ndarray:
        """The render, uint8 [T, H, W, 3]."""
        return self.film.take.rgb

    @property
    def mask(self) -> np.ndarray:
        """The exact silhouette, bool [T, H, W]."""
        return self.film.take.person_mask


def keypoint_truth(take: Take) -> KeypointTruth:
    """The exact common keypoints of a take's first person: visible ones inside the picture count."""
    height, width = take.rgb.shape[1:3]
    points = take.keypoints[0][:, COMMON_JOINTS].astype(np.float64)
    with np.errstate(invalid="ignore"):
        inside = np.all((points >= 0) & (points < [width, height]), axis=-1)
    assert take.scene.camera is not None  # it was filmed
    camera = take.scene.camera.resize(width, height)
    stature = projected_height(
        take.scene.people[0].joints, camera.intrinsics[:, 1], take.keypoint_depth[0, :, 0]
    )
    return KeypointTruth(points, take.visibility[0][:, COMMON_JOINTS] & inside, stature)


def liveliest(
    joints: np.ndarray, fps: float, seconds: float, used: Sequence[float] = ()
) -> tuple[float, float]:
    """The part of a motion in which least stays where it was.

    Args:
        joints: SMPL-24, metres, [T, 24, 3].
        fps: of the joints.
        seconds: length of the part.
        used: where parts begin that it must not overlap, seconds.

    Returns:
        Where it begins, in seconds, and how still it is: the share of the common keypoints, over joints and
        frames, that are within a tenth of the standing height of where they began; infinite where nothing is left.
    """
    common = joints[:, COMMON_JOINTS]
    reach = 0.1 * standing_height(joints)
    length = min(len(common), round(seconds * fps) + 1)
    begins = np.arange(0, len(common) - length + 1, max(1, round(fps / 4)))
    begins = np.array([b for b in begins if all(abs(b / fps - other) >= seconds for other in used)], int)
    if not len(begins):
        return 0.0, float("inf")
    stillness = [
        np.mean(np.linalg.norm(common[begin : begin + length] - common[begin], axis=-1) <= reach)
        for begin in begins
    ]
    best = int(np.argmin(stillness))
    return float(begins[best] / fps), float(stillness[best])


def choose_clips(
    library: MotionLibrary,
    count: int,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    seed: int = 0,
    progress: bool = False,
) -> list[ControlClip]:
    """Films random clips of the test split and keeps those in which the person moves and stays in sight.

    Of each motion the liveliest part is filmed. The film is kept where a perfect detector on its first frame,
    held still, scores at most FROZEN_LIMIT, and the keypoints are mostly inside the picture and seen. Motions
    that were not kept get a second chance with other cameras. Where all motions do not suffice, further parts of
    the same ones are filmed, with another actor, studio and camera; intervals then go by motion, not by take.

    Args:
        library: all splits; `test` is used.
        count: clips wanted.
        size: (width, height) in pixels.
        fps: frames per second.
        frames: of each film.
        seed: of order, windows, actors, studios and cameras.
        progress: show a bar.

    Raises:
        ValueError: not enough clips with that much motion.
    """
    candidates = library.split("test")
    order = np.random.default_rng(seed).permutation(len(candidates))
    chosen: list[ControlClip] = []
    begins: dict[str, list[float]] = {}
    seconds = (frames - 1) / fps
    with tqdm(total=count, desc="clips", unit="clip", disable=not progress) as bar:
        for attempt, index in enumerate(np.tile(order, ROUNDS)):
            if len(chosen) == count:
                break
            clip = candidates[int(index)]
            again = attempt >= 2 * len(order)
            if not again and begins.get(clip.id):
                continue
            begin, stillness = liveliest(clip.joints(), clip.fps, seconds, begins.get(clip.id, ()))
            if stillness > STILL_LIMIT:
                continue
            film = film_clip(
                clip,
                size=size,
                fps=fps,
                frames=frames,
                seed=[seed, attempt],
                camera=CAMERAS[len(chosen) % len(CAMERAS)],
                begin=begin,
            )
            truth = keypoint_truth(film.take)
            frozen = frozen_pck(truth)
            if frozen <= FROZEN_LIMIT and _mostly_seen(truth, size):
                chosen.append(ControlClip(film, truth, [seed, attempt], frozen))
                begins.setdefault(clip.id, []).append(begin)
                bar.update()
    if len(chosen) < count:
        raise ValueError(
            f"only {len(chosen)} of {count} clips of the test split move enough "
            f"(frozen first frame at most {FROZEN_LIMIT}); ask for fewer"
        )
    return chosen


def _mostly_seen(truth: KeypointTruth, size: tuple[int, int]) -> bool:
    with np.errstate(invalid="ignore"):
        inside = np.all((truth.points >= 0) & (truth.points < size), axis=-1)
    return bool(inside.mean() >= INSIDE_LEAST and truth.counted.mean() >= COUNTED_LEAST)
