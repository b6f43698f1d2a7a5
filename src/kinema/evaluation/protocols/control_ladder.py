"""The sanity ladder: what must come out in a known order before a figure of control is believed.

Ground truth, its round trip, the nearest film of the train split, the generated video judged against another clip, a
video made without control, and the first frame held still: a metric on which these do not descend, or on which the
generated video is no better than the nearest film, does not measure control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.nearest_motion import RATE, MotionNeighbours, limb_directions
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.evaluation.protocols.control_scores import ALPHA, IOU, NETWORK, Scores
from kinema.scene import Motion
from kinema.stage import shoot

RUNGS = ("render", "roundtrip", "generated", "nearest", "shuffled", "none", "frozen")
_STRIDE = 1.0  # seconds between the windows of the train split that are looked at


@dataclass(frozen=True)
class NearestClips:
    """For each clip, the most similar part of the train split, on film in its place.

    Args:
        pck, iou: of the films, judged like generated videos, [clips].
        degrees: mean angle of limbs between the clip and what was found, [clips].
    """

    pck: np.ndarray
    iou: np.ndarray
    degrees: np.ndarray

    @classmethod
    def film(
        cls,
        library: MotionLibrary,
        clips: Sequence[ControlClip],
        network: KeypointNetworkJudge,
        progress: bool = False,
    ) -> NearestClips:
        """Looks for each clip's neighbour in windows of the train split, and films it: same actor, studio and camera,
        facing as the clip does and on its way over the floor.

        Args:
            library: all splits; `train` is searched.
            clips: what neighbours are looked for.
            network: the judge.
            progress: a bar.
        """
        fps, frames = clips[0].film.scene.fps, len(clips[0].video)
        seconds = (frames - 1) / fps
        windows, known = [], []
        for clip in tqdm(library.split("train"), desc="train split", unit="clip", disable=not progress):
            joints = clip.joints()[:: max(1, round(clip.fps / RATE))]
            rate = clip.fps / max(1, round(clip.fps / RATE))
            for begin in np.arange(0.0, max(clip.seconds - seconds, 0.0) + 1e-6, _STRIDE):
                first = round(begin * rate)
                part = joints[first : first + round(seconds * rate) + 1]
                if len(part) > 1:
                    windows.append((clip, float(begin)))
                    known.append(limb_directions(part, rate))
        neighbours = MotionNeighbours(known)
        scores = []
        for each in clips:
            own = each.film.take.scene.people[0]
            row, degrees = neighbours.nearest(limb_directions(own.joints, own.fps))
            clip, begin = windows[row]
            motion = clip.motion()
            times = np.minimum(begin + np.arange(frames) / fps, motion.duration)
            placed = _in_place(motion.resample(fps, times=times), own)
            scene = replace(each.film.take.scene, people=(placed,))
            sighting, silhouette = network.watch_all(
                shoot(scene, [each.film.actor], each.film.world, antialias=2).rgb
            )
            scores.append(
                (pck(sighting.points, each.truth, ALPHA), silhouette_iou(silhouette, each.mask), degrees)
            )
        return cls(*np.array(scores).T)


def ladder(scores: Scores, nearest: NearestClips, joint: dict[str, Any], count: int) -> dict[str, Any]:
    """PCK and IoU on every rung over the first `count` clips, and whether they descend.

    Args:
        scores: of all clips.
        nearest: of the first `count` clips.
        joint: figures of the same clips without control, see `joint_control`.
        count: how many clips.

    Returns:
        `pck` and `iou`: per rung a figure; `admitted`: whether render >= roundtrip > nearest > shuffled, none, frozen
        holds for both.
    """
    rungs: dict[str, Any] = {}
    for name, judge, other in (("pck", NETWORK, nearest.pck), ("iou", IOU, nearest.iou)):
        values = {key: float(np.nanmean(scores[judge][key][:count])) for key in scores[judge]}
        values |= {"nearest": float(np.nanmean(other)), "none": float(joint["none"][name])}
        rungs[name] = {rung: round(values[rung], 4) for rung in RUNGS}
    slack = 0.01  # a linear autoencoder smooths, and a judge may like that
    rungs["admitted"] = all(
        rung["render"] + slack >= rung["roundtrip"] > rung["nearest"] > max(rung["shuffled"], rung["frozen"])
        for rung in (rungs["pck"], rungs["iou"])
    )
    rungs["nearest_degrees"] = round(float(nearest.degrees.mean()), 2)
    return rungs


def _in_place(motion: Motion, own: Motion) -> Motion:
    """A motion on another's body and way, facing as that does in the first frame."""
    yaw = np.degrees([np.arctan2(*each.facing()[0][[0, 2]]) for each in (own, motion)])
    turned = motion.rotate_y(float(yaw[0] - yaw[1]), about=motion.joints[0, 0]).retarget(own.skeleton)
    joints = turned.joints - turned.joints[:, :1] * [1, 0, 1] + own.joints[:, :1] * [1, 0, 1]
    return Motion(joints, own.fps, own.skeleton)
