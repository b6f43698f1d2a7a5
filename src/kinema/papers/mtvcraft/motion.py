"""Motion as MTVCraft's tokens want it: SMPL-24 joints seen from the camera, in millimetres, with no gaps.

Also what goes wrong with real motion and can be seen beforehand (`check_motion`); `scene.framing.centred` mends some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from kinema.motion.representation import SMPL24_MOTION
from kinema.scene import Motion
from kinema.scene.body_frame import facing
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import ControlSignals

if TYPE_CHECKING:
    from kinema.motion.tokenizer import MotionTokenizer

CHUNK = 8
"""Frames that the motion tokenizer reads at once."""

_OFF_CENTRE = 0.5  # metres; users of the published weights see characters walk out from here on
_LATENT = 4  # frames per latent frame


def camera_joints_mm(joints: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
    """World joints [B, P, T, 24, 3] in metres to camera axes (x right, y down, z forward) in millimetres.

    Args:
        joints: NaN where missing, and so is the result.
        cameras: camera-to-world, OpenCV axes, [B, T, 4, 4].
    """
    rotation, position = cameras[:, None, :, :3, :3], cameras[:, None, :, None, :3, 3]
    return 1000 * (joints - position) @ rotation  # row vectors: R^T (x - t)


def on_neutral_bodies(joints: torch.Tensor) -> torch.Tensor:
    """World joints as the neutral SMPL body has them in the same pose at the same place, as the paper takes them.

    Forward kinematics of the rotations that the joints mean; the root stays where it is. Missing joints of somebody who
    is seen are filled first (`without_gaps`); nobody stays nobody.

    Args:
        joints: metres, Y up, NaN where missing, [B, P, T, 24, 3].
    """
    moved = joints.clone()
    rest = torch.tensor(SMPL24.rest, dtype=joints.dtype, device=joints.device)
    for sample, person in joints.isfinite().all(-1).flatten(2).any(-1).nonzero().tolist():
        own = without_gaps(joints[sample, person], rest)
        # Any rate will do; at this one nothing is resampled.
        motion = Motion(own.double().cpu().numpy(), SMPL24_MOTION.fps, SMPL24)
        neutral = SMPL24_MOTION.on_neutral_body(motion).joints
        pose = torch.from_numpy(neutral - neutral[:, :1]).to(own)
        moved[sample, person] = own[:, :1] + pose
    return moved


def places_in_picture(
    joints_mm: torch.Tensor, intrinsics: torch.Tensor, pixels_per_token: int
) -> torch.Tensor:
    """Row and column, in video tokens, at which cameras see joints; the middle of the first token is 0.

    Args:
        joints_mm: in the cameras' own axes, [B, P, T, 24, 3].
        intrinsics: fx, fy, cx, cy in pixels, [B, T, 4].
        pixels_per_token: size of a video token.

    Returns:
        [B, P, T, 24, 2]; joints nearer than 10 cm are taken to be that far away.
    """
    focal, centre = intrinsics[:, None, :, None].split(2, dim=-1)
    pixels = joints_mm[..., :2] / joints_mm[..., 2:].clamp(min=100.0) * focal + centre
    return pixels.flip(-1) / pixels_per_token - 0.5


def without_gaps(joints: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """Fills missing (NaN) joints of people who are seen at all (ours; published code needs every joint).

    A gap in time is bridged linearly and held at the ends. A joint that is never seen follows its parent at the
    distance it has in the mean skeleton; a root that is never seen stands where the other joints put it.

    Args:
        joints: [..., T, 24, 3], every person with at least one joint in one frame.
        rest: mean skeleton, same unit and axes, [24, 3].
    """
    seen = joints.isfinite().all(-1)  # [..., T, 24]
    filled = _bridged(joints, seen)
    ever = seen.any(-2)  # [..., 24]
    offset = torch.where(ever[..., None, :, None], filled - rest, torch.nan)
    place = rest[SMPL24.order[0]] + offset.nanmean(-2)  # [..., T, 3]
    columns = list(filled.unbind(-2))
    for joint in SMPL24.order:
        parent = SMPL24.parents[joint]
        if parent >= 0:
            place = columns[parent] + rest[joint] - rest[parent]
        columns[joint] = torch.where(ever[..., None, joint, None], columns[joint], place)
    return torch.stack(columns, dim=-2)


def _bridged(joints: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Linear between the nearest frames in which a joint is seen; NaN where there is none."""
    frames = joints.shape[-3]
    now = torch.arange(frames, device=joints.device)[:, None].expand_as(seen)
    before = torch.where(seen, now, -1).cummax(-2).values
    after = torch.where(seen, now, frames).flip(-2).cummin(-2).values.flip(-2)
    before, after = (
        torch.where(before < 0, after, before).clamp(max=frames - 1),
        torch.where(after == frames, before, after).clamp(min=0),
    )
    share = (now - before) / (after - before).clamp(min=1)
    start, end = (joints.gather(-3, each[..., None].expand_as(joints)) for each in (before, after))
    return torch.where(seen[..., None], joints, torch.lerp(start, end, share[..., None].to(joints)))


def padded_for_tokenizer(joints: torch.Tensor) -> torch.Tensor:
    """Holds the last frame up to the next 8k + 1 frames, of which the tokenizer loses none; [B, T, 24, 3].

    A video of 4k + 1 frames then has its own latent frames [0], [1-4], [5-8], ... at the start of what the tokenizer
    returns, and the rest is cut off (ours; the published models see 49 frames, which need no padding).
    """
    frames = joints.shape[1]
    missing = -(frames - 1) % CHUNK if frames > 1 else CHUNK
    return torch.cat([joints, joints[:, -1:].expand(-1, missing, -1, -1)], dim=1)


def latent_mean(joints: torch.Tensor) -> torch.Tensor:
    """Mean over the frames of each latent frame, [B, 4k + 1, ...] to [B, k + 1, ...]."""
    first, later = joints[:, :1], joints[:, 1:]
    return torch.cat([first, later.unflatten(1, (-1, _LATENT)).mean(2)], dim=1) if later.shape[1] else first


def check_motion(signals: ControlSignals, tokenizer: MotionTokenizer | None = None) -> list[str]:
    """What will not work well, as plain sentences for the user; none where all is well.

    Args:
        signals: with joints and cameras; the first sample is checked.
        tokenizer: if it knows where its training data stood, the distance from the camera is checked too.

    Raises:
        ValueError: no joints, or no cameras to see them from.
    """
    signals = signals.to("cpu")
    joints, cameras = signals.joints, signals.cameras
    if joints is None or cameras is None:
        lacking = "joints" if joints is None else "cameras"
        raise ValueError(f"the signals hold no {lacking}: motion tokens need people and a camera")
    people = camera_joints_mm(joints[:1], cameras[:1])[0] / 1000
    warnings = []
    for index, person in enumerate(people):
        name = f"person {index + 1}" if len(people) > 1 else "the person"
        if person.isfinite().all(-1).any():
            towards = facing(joints[0, index].numpy(), SMPL24)
            warnings += [f"{name} {what}" for what in _seen_from_camera(person, towards, cameras[0])]
            warnings += [f"{name} {what}" for what in _missing(person)]
            warnings += [f"{name} {what}" for what in _distance(person, tokenizer)]
        else:
            warnings.append(f"{name} is nowhere to be seen: no joint in any frame")
    return warnings


def _seen_from_camera(person: torch.Tensor, towards: np.ndarray, cameras: torch.Tensor) -> list[str]:
    warnings = []
    root = person[:, 0]
    x, z = root[:, 0].nan_to_num(), root[:, 2]
    farthest = int(x.abs().argmax())
    if x[farthest].abs() >= _OFF_CENTRE:
        side = "right" if x[farthest] > 0 else "left"
        warnings.append(
            f"is {x[farthest].abs():.1f} m {side} of the centre in frame {farthest}: "
            "beyond 0.5 m characters tend to walk out of the picture; centre the motion"
        )
    behind = z <= 0
    if behind.any():
        warnings.append(
            f"is behind the camera in {_share(behind)}, first in frame {int(behind.nonzero()[0])}: move the camera"
        )
    # Looking at the camera, the facing direction and the camera's view point at one another.
    view = cameras[:, :3, 2].numpy()
    away = torch.from_numpy((towards * view).sum(-1) > 0.5)
    if away.float().mean() > 0.5:
        warnings.append(
            f"faces away from the camera in {_share(away)}: such motion is followed least; film from the front"
        )
    return warnings


def _missing(person: torch.Tensor) -> list[str]:
    seen = person.isfinite().all(-1)
    never = [SMPL24.names[joint] for joint in range(24) if not seen[:, joint].any()]
    warnings = [f"never shows {', '.join(never)}: they follow the mean skeleton"] if never else []
    gaps = ~seen & seen.any(0)
    if gaps.any():
        warnings.append(f"lacks joints in {_share(gaps.any(1))}: they are bridged from the frames around")
    return warnings


def _distance(person: torch.Tensor, tokenizer: MotionTokenizer | None) -> list[str]:
    if tokenizer is None or tokenizer.config.form != "parity" or tokenizer.config.std is None:
        return []
    mean, deviation = tokenizer.config.mean[0][2] / 1000, tokenizer.config.std[0][2] / 1000
    near, far = max(mean - 3 * deviation, 0), mean + 3 * deviation
    z = person[:, 0, 2]
    outside = (z < near) | (z > far)
    if not outside.any():
        return []
    return [
        f"is {z[outside][0]:.1f} m from the camera in frame {int(outside.nonzero()[0])}: "
        f"the motion tokens were trained at {near:.1f} to {far:.1f} m"
    ]


def _share(frames: torch.Tensor) -> str:
    return f"{100 * frames.float().mean():.0f} % of the frames"
