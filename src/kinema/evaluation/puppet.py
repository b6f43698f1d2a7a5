"""How well the rough take moves a person: stage actors whose clothes and hair stand off the body are the truth.

An actor stands before the camera (the picture); the same actor with the same bones then moves (the truth). The puppet
sees the picture alone and is filmed by the same words of the camera language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from kinema.data.filming import standing
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.metrics.image import psnr, ssim
from kinema.puppet.backdrop import room_of
from kinema.puppet.body import PictureBody
from kinema.puppet.layers import BACK, layers_of
from kinema.puppet.mesh import mesh_of
from kinema.puppet.parts import parts_of
from kinema.puppet.placing import FOV, own_pose
from kinema.puppet.render import posed
from kinema.puppet.take import Puppet, feet_of, film, place_in, prepare
from kinema.scene.camera import CameraPath
from kinema.scene.camera_language import camera_path
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import Actor, World, photo_studio, random_actor, shoot
from kinema.stage.assemble import assemble

METHODS = ("frozen", "flat", "puppet", "given")
"""The picture itself, the puppet without thickness, the puppet from the picture alone, and the puppet that is given the
actor's true outline, joints and bones: what better finding could bring."""

_FPS, _SECONDS, _EVERY = 12, 2.0, 4  # a film of two seconds, judged at every fourth frame (the trial's)
_FLAT = 0.02  # of a body's thickness: a sheet of paper
_FILL = 0.7  # of the picture's height that the standing actor fills
_HAIR = ("long", "ponytail", "bun", "bob")


@dataclass(frozen=True)
class PuppetTake:
    """What is filmed.

    Args:
        clip: of the motion library.
        begin: second of the clip at which the film begins.
        camera: words of the camera language.
    """

    clip: str
    begin: float
    camera: str


CAMERAS = ("static", "dolly in 0.6m", "arc left 40deg")
MOTIONS = (
    ("cmu_exercises/13_30_0000", 0.0),  # jumping jacks
    ("bandai_namco/dataset-1_kick_normal_001", 1.0),
    ("bandai_namco/dataset-2_walk-turn-left_active_003", 1.0),
    ("deepmimic/spin", 0.5),
)
TAKES = tuple(PuppetTake(clip, begin, camera) for clip, begin in MOTIONS for camera in CAMERAS)
"""The protocol: four motions, three cameras. Nothing is tuned on them."""


@dataclass(frozen=True, eq=False)
class Truth:
    """An actor's picture, and the film of the same actor.

    Args:
        picture: uint8 [H, W, 3].
        alpha: the actor in it, float32 [H, W].
        body: the actor's joints in it.
        motion: the actor's, soles on the floor.
        rgb: the film, uint8 [T, H, W, 3].
        masks: the actor in it, bool [T, H, W].
    """

    picture: np.ndarray
    alpha: np.ndarray
    body: PictureBody
    motion: Motion
    rgb: np.ndarray
    masks: np.ndarray


def puppet_protocol(
    takes: Sequence[PuppetTake] = TAKES, size: tuple[int, int] = (512, 768), seed: int = 0
) -> list[dict[str, Any]]:
    """One row for each take and method.

    Args:
        takes: what is filmed, each with another actor.
        size: (width, height) in pixels.
        seed: of actors and worlds.

    Returns:
        clip, camera, method, psnr_person (dB over the union of true and own mask), psnr_both (where both are), ssim (of
        the box round the union), iou, holes (see `holes`); of puppets also identity_iou (the picture's own pose before
        its own camera), sole_m (metres from the floor to the lowest sole there) and standing_sole_m (see `soles`). A
        take in which nobody was found has one row only, of `puppet`, with iou 0.
    """
    library = MotionLibrary.open()
    rows: list[dict[str, Any]] = []
    for number, take in enumerate(takes):
        motion = library.find(take.clip).motion()
        truth = film_truth(motion, take, size, np.random.default_rng([seed, number]))
        for method, frames, masks, facts in renditions(truth, take):
            rows.append(
                {"clip": take.clip, "camera": take.camera, "method": method}
                | compared(truth, frames, masks)
                | {"holes": holes(masks)}
                | facts
            )
    return rows


def film_truth(motion: Motion, take: PuppetTake, size: tuple[int, int], rng: np.random.Generator) -> Truth:
    """The picture and the film of one actor, whose bones are drawn at random and are the same in both."""
    lengths = SMPL24.bone_lengths * np.exp(rng.normal(0, 0.04, 24))
    swap = SMPL24.mirror_index
    bones = SMPL24.with_bone_lengths((lengths + lengths[swap]) / 2)
    last = min(take.begin + _SECONDS, motion.duration)
    begin = max(0.0, last - _SECONDS)
    motion = motion.crop(begin, last).resample(_FPS).retarget(bones)
    actor = loose_actor(rng)
    motion = _grounded(motion, actor, 0.05)
    first = camera_path("static", size=size, fps=_FPS, frames=1, subject=motion, fov=FOV, fill=_FILL)
    camera = camera_path(
        take.camera,
        size=size,
        fps=_FPS,
        frames=motion.frames,
        subject=motion,
        fov=FOV,
        start=first.c2w[0],
    )
    pose = _grounded(standing(motion, facing=first.c2w[0, :3, 3], turn=float(rng.normal(0, 8))), actor, 0.0)
    root = motion.joints[0, 0]
    world = replace(photo_studio(rng, centre=(float(root[0]), float(root[2]))), props=())
    still = _shot(pose, first, actor, world)
    picked = np.arange(0, motion.frames, _EVERY)
    shown = _shot(
        replace(motion, joints=motion.joints[picked], rotations=None, confidence=None),
        _part(camera, picked),
        actor,
        world,
    )
    local = first.to_camera(pose.joints)[0]
    metre = float(first.intrinsics[0, 1] / local[0, 2])
    pixels = still.keypoints[0, 0].astype(float)
    body = PictureBody(pixels, local[:, 2] - local[0, 2], np.ones(24), metre)
    return Truth(
        still.rgb[0],
        still.person_mask[0].astype(np.float32),
        body,
        motion,
        shown.rgb,
        shown.person_mask,
    )


def renditions(
    truth: Truth, take: PuppetTake
) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict[str, float]]]:
    """Each method's frames uint8 [T, H, W, 3], masks bool [T, H, W], and what else was measured."""
    count = len(truth.rgb)
    own = prepare(truth.picture)
    if own is None:
        nothing = np.zeros(truth.masks.shape, bool)
        yield "puppet", np.repeat(truth.picture[None], count, 0), nothing, {"found": 0.0}
        return
    frozen = np.repeat(own.alpha[None] > 0.5, count, 0)
    yield "frozen", np.repeat(truth.picture[None], count, 0), frozen, {}
    yield "flat", *_filmed(assembled(truth.picture, own.alpha, own.body, _FLAT), truth, take), {}
    yield "puppet", *_filmed(own, truth, take), identity(own) | soles(own, truth)
    given = assembled(truth.picture, truth.alpha, truth.body, 1.0)
    yield "given", *_filmed(given, truth, take), identity(given) | soles(given, truth)


def compared(truth: Truth, frames: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """PSNR, SSIM and IoU of the person, means over the frames."""
    values: dict[str, list[float]] = {"psnr_person": [], "psnr_both": [], "ssim": [], "iou": []}
    for rgb, mask, true_rgb, true_mask in zip(frames, masks, truth.rgb, truth.masks, strict=True):
        either, both = mask | true_mask, mask & true_mask
        if not either.any():
            continue
        values["iou"].append(float(both.sum() / either.sum()))
        values["psnr_person"].append(psnr(rgb[either], true_rgb[either]))
        if both.any():
            values["psnr_both"].append(psnr(rgb[both], true_rgb[both]))
        x, y, w, h = cv2.boundingRect(either.astype(np.uint8))
        box = (slice(y, y + max(h, 11)), slice(x, x + max(w, 11)))
        if min(rgb[box].shape[:2]) > 10:
            values["ssim"].append(ssim(rgb[box], true_rgb[box]))
    return {name: float(np.mean(each)) if each else float("nan") for name, each in values.items()}


def identity(puppet: Puppet) -> dict[str, float]:
    """The puppet in the picture's own pose before the picture's own camera."""
    place = own_pose(puppet.body, puppet.mesh, puppet.size)
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, _FPS, 1)
    mask = next(film(puppet, place, camera)).coverage > 127
    cut = puppet.alpha > 0.5
    soles = float(np.quantile(place.vertices[:, 1], 0.0005))
    return {
        "identity_iou": float((mask & cut).sum() / max(1, (mask | cut).sum())),
        "sole_m": abs(soles),
    }


def soles(puppet: Puppet, truth: Truth) -> dict[str, float]:
    """How far the lowest of the puppet is from the floor in frames in which the actor stands, nine in ten of them.

    One stands while a joint of the feet is within 3 cm of the lowest tenth of all frames.
    """
    place, mesh = place_in(puppet, truth.motion), puppet.mesh
    under = truth.motion.joints[:, (7, 8, 10, 11), 1].min(axis=1)
    maps = place.maps()[under - np.quantile(under, 0.1) < 0.03]
    lowest = [posed(place.vertices, mesh.bones, mesh.weights, each)[:, 1].min() for each in maps]
    return {"standing_sole_m": float(np.quantile(np.abs(lowest), 0.9))}


def holes(masks: np.ndarray) -> float:
    """The largest share of a mask that lies in small gaps enclosed by it, over the frames [T, H, W].

    A gap between arm and trunk is large; what opens at a seam is small: less than 0.3 % of the mask.
    """
    worst = 0.0
    for mask in masks:
        count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
        area = max(int(mask.sum()), 1)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        small = [
            int(stats[label, cv2.CC_STAT_AREA])
            for label in range(1, count)
            if label not in edge and stats[label, cv2.CC_STAT_AREA] < 0.003 * area
        ]
        worst = max(worst, sum(small) / area)
    return worst


def loose_actor(rng: np.random.Generator) -> Actor:
    """An actor with long or bound hair and, two times in three, a skirt or an open coat."""
    actor = random_actor(rng, detail="high", plain=False)
    kind = int(rng.integers(3))
    outfit = replace(
        actor.outfit,
        hair_style=_HAIR[int(rng.integers(len(_HAIR)))],
        skirt=float(rng.uniform(0.35, 0.6)) if kind == 0 else 0.0,
        coat=float(rng.uniform(0.25, 0.5)) if kind == 1 else 0.0,
        leg=0.1 if kind == 0 else max(actor.outfit.leg, 0.5),
    )
    return Actor(actor.body, outfit)


def assembled(picture: np.ndarray, alpha: np.ndarray, body: PictureBody, thickness: float) -> Puppet:
    """A puppet from an outline and joints that are known."""
    labels = parts_of(picture, alpha, body)
    mesh = mesh_of(layers_of(picture, alpha, labels, body), body, BACK, thickness)
    return Puppet(picture, alpha, body, labels, mesh, room_of(picture, alpha, body.height, feet_of(body)))


def _filmed(puppet: Puppet, truth: Truth, take: PuppetTake) -> tuple[np.ndarray, np.ndarray]:
    place = place_in(puppet, truth.motion, keep_in_view=False)  # the truth leaves the picture, too
    camera = camera_path(
        take.camera,
        size=puppet.size,
        fps=_FPS,
        frames=truth.motion.frames,
        subject=place.motion,
        fov=FOV,
        start=place.camera,
    )
    picked = np.arange(0, truth.motion.frames, _EVERY)
    moved = replace(place.motion, joints=place.motion.joints[picked], rotations=None, confidence=None)
    frames = list(film(puppet, replace(place, motion=moved), _part(camera, picked)))
    return np.stack([frame.rgb for frame in frames]), np.stack([frame.coverage for frame in frames]) > 127


def _shot(motion: Motion, camera: CameraPath, actor: Actor, world: World) -> Any:
    return shoot(Scene((motion,), camera, _FPS), [actor], world, antialias=2)


def _part(camera: CameraPath, picked: np.ndarray) -> CameraPath:
    return replace(camera, c2w=camera.c2w[picked], intrinsics=camera.intrinsics[picked])


def _grounded(motion: Motion, actor: Actor, share: float) -> Motion:
    """The motion lifted so that the actor's soles stand on the floor in all but a share of its lowest frames."""
    camera = CameraPath.static(np.eye(4), [1, 1, 1, 1], (2, 2), _FPS, motion.frames)
    _, vertices, _, _ = assemble(Scene((motion,), camera, _FPS), [actor], World())
    lowest = np.quantile(vertices[..., 1].min(axis=1), share)
    return motion.translate((0.0, -float(lowest), 0.0))
