"""Windows of captured motion as a camera sees them: what motion tokens are trained on and judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kinema.data.filming import TRACKINGS, frame_subject
from kinema.data.motion_library import MotionLibrary
from kinema.motion.representation import SMPL24_MOTION
from kinema.scene.camera_language import random_camera
from kinema.scene.skeleton import SMPL24

_MILLIMETRES = 1000.0  # per metre
_SIZE = (96, 128)  # of the picture the camera frames the person in: a portrait format (ours)


@dataclass(frozen=True)
class CameraWindows:
    """Joints of one person seen by a moving camera; window number i depends on (settings, seed, i) alone.

    Cameras are placed and moved as in the films of training (`film_clip`), so that tokens see what a video shows.

    Args:
        frames: of a window; the last frame of a shorter clip is held.
        fps: frames per second; clips are resampled by time.
        seed: of every choice.
        split: of the library.
        mirror: swap left and right in half of the windows.
        library: folder of the motion library; the default place where None.
        licence: `any` or `commercial`, see MotionLibrary.licensed.
        rooted: relative to where the root is in the first frame; False leaves joints where the camera sees them, which
            a tokenizer of form `parity` reads.
        body: "own" joints of the actor, or the same motion on the "neutral" body.

    Raises:
        ValueError: an unknown body.
    """

    frames: int
    fps: float
    seed: int
    split: str = "train"
    mirror: bool = True
    library: str | None = None
    licence: str = "any"
    rooted: bool = True
    body: str = "own"

    def __post_init__(self) -> None:
        if self.body not in ("own", "neutral"):
            raise ValueError(f"body={self.body!r}: joints are of the own or of the neutral body")

    @cached_property
    def clips(self) -> MotionLibrary:
        return MotionLibrary.open(self.library).split(self.split).licensed(self.licence)

    @cached_property
    def shares(self) -> np.ndarray:
        """How often each clip is drawn: long ones hold more windows."""
        weights = np.sqrt(np.clip([clip.seconds for clip in self.clips], 0.5, 20.0))
        return weights / weights.sum()

    def __call__(self, number: int) -> np.ndarray:
        """One window.

        Returns:
            Joints in the camera's axes (x right, y down, z forward), millimetres, float32 [N, 24, 3].
        """
        rng = np.random.default_rng([self.seed, number])
        motion = self.clips[int(rng.choice(len(self.clips), p=self.shares))].motion()
        begin = rng.uniform(0, max(0.0, motion.duration - (self.frames - 1) / self.fps))
        times = np.minimum(begin + np.arange(self.frames) / self.fps, motion.duration)
        if self.body == "neutral":
            motion = SMPL24_MOTION.on_neutral_body(motion)
        motion = motion.resample(self.fps, times=times)
        if self.mirror and rng.random() < 0.5:
            motion = motion.mirror()
        camera = frame_subject(
            motion,
            random_camera(rng),
            size=_SIZE,
            fps=self.fps,
            azimuth=float(rng.normal(0, 50) if rng.random() < 0.85 else rng.uniform(-180, 180)),
            fill=float(rng.uniform(0.58, 0.72)),
            tracking=TRACKINGS[int(rng.choice(3, p=[0.4, 0.2, 0.4]))],
            seed=int(rng.integers(1 << 31)),
        )
        joints = camera.to_camera(motion.joints)
        origin = joints[0, SMPL24.root] if self.rooted else 0.0
        return ((joints - origin) * _MILLIMETRES).astype(np.float32)

    def stack(self, count: int, start: int = 0) -> np.ndarray:
        """Windows `start` to `start + count`, [count, N, 24, 3]."""
        return np.stack([self(number) for number in range(start, start + count)])
