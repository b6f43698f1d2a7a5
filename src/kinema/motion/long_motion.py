"""Motions of any length, frame rate and camera as motion tokens.

The tokenizer itself takes any length. Video models do not: they see windows, 49 frames with the published weights, and
each window needs tokens of its own, because its first latent frame holds one frame only. `windows` says where to cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from kinema.scene import CameraPath, Motion
from kinema.scene.skeleton import SMPL24

WINDOW = 49  # frames, as published
OVERLAP = 9  # frames, as in the published long videos
_STEP = 8  # frames: windows start on borders of chunks, where nothing crosses
_MILLIMETRES = 1000.0  # per metre


def windows(frames: int, size: int = WINDOW, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """Where to cut so many frames: (start, stop) of each window.

    A motion of at most `size` frames is one window. Of a longer one, all windows have `size` frames; the last stops at
    the next 8k + 1 (there the last frame is to be held), and overlaps the one before by `overlap` or more.

    Args:
        frames: of the motion, at least 8.
        size: frames of a window, 8k + 1.
        overlap: frames that two windows share, 8k + 1, less than `size`.

    Raises:
        ValueError: lengths that do not fit.
    """
    if frames < _STEP:
        raise ValueError(f"{frames} frames are too few for motion tokens; give at least {_STEP}")
    if size % _STEP != 1 or overlap % _STEP != 1 or not 1 <= overlap < size:
        raise ValueError(
            f"windows of {size} frames that overlap by {overlap}: give lengths of the form 8k + 1, the overlap shorter"
        )
    if frames <= size:
        return [(0, frames)]
    last = -(-(frames - 1) // _STEP) * _STEP + 1 - size
    starts = [*range(0, last, size - overlap), last]
    return [(start, start + size) for start in starts]


def stitch(parts: Sequence[torch.Tensor], cuts: Sequence[tuple[int, int]], joints: int = 24) -> torch.Tensor:
    """One sequence from the tokens of windows.

    Where windows overlap, the tokens of the earlier one are kept: the later one's first latent frame holds one frame
    instead of four. As windows start on borders of chunks, which nothing crosses, the result equals the tokens of the
    whole motion encoded at once (in the forms that subtract: if every window was encoded with `first` of the whole).

    Args:
        parts: tokens of each window, indices [B, f * J] or vectors [B, f * J, D].
        cuts: (start, stop) of each window, see `windows`.
        joints: J.

    Returns:
        Tokens [B, F * J] or [B, F * J, D] of all frames up to the last stop.
    """
    kept, done = [], 0  # latent frames
    for tokens, (start, _) in zip(parts, cuts, strict=True):
        # Latent frame j of a window ends at frame start + 4 j, as latent frame start / 4 + j of the whole does.
        kept.append(tokens[:, (done - start // 4) * joints :])
        done = start // 4 + tokens.shape[1] // joints
    return torch.cat(kept, dim=1)


def camera_joints(motion: Motion, camera: CameraPath | None = None, fps: float | None = None) -> torch.Tensor:
    """A motion as the tokenizer reads it: resampled by time, seen by the camera, in millimetres.

    Joints missing for a while are put on the line between the moments in which they are seen (Motion.fill_missing).

    Args:
        motion: of a human skeleton.
        camera: a path that lasts at least as long; without one, a level camera that looks at the subject's front.
        fps: of the result, for instance the tokenizer's; None: the motion's.

    Returns:
        Joints in the camera's axes (x right, y down, z forward) relative to where the root is in the first frame,
        float32 [1, N, 24, 3]. Published weights were trained on absolute camera positions: there, do not centre, but
        use `CameraPath.to_camera` as it is.

    Raises:
        ValueError: not a human skeleton, a joint that is never seen, or a camera that ends before the motion.
    """
    person = motion.to_smpl24().fill_missing().resample(motion.fps if fps is None else fps)
    unseen = np.isnan(person.joints).any(axis=(0, 2))
    if unseen.any():
        names = ", ".join(np.array(SMPL24.names)[unseen])
        raise ValueError(f"motion tokens need every joint, and these are never seen: {names}")
    if camera is None:
        joints = person.joints * [1.0, -1.0, -1.0]
    else:
        joints = camera.resample(person.fps, times=person.times).to_camera(person.joints)
    joints = (joints - joints[0, SMPL24.root]) * _MILLIMETRES
    return torch.from_numpy(joints.astype(np.float32))[None]
