"""The pipeline: a prompt, a character picture and a scene become video, with any family of video models.

Long videos are made window by window; each continues the frames that it shares with the one before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from kinema.appearance.adapters.adapter import ControlAdapter
from kinema.appearance.backbones.video_model import VideoFormat, VideoModel
from kinema.appearance.conditions import SIGNALS, GuidedPrediction
from kinema.appearance.guidance import Guidance
from kinema.appearance.pixels import from_uint8, picture_tensor, to_uint8
from kinema.control.signals import ControlSignals, control_signals
from kinema.scene import Scene


@dataclass(frozen=True)
class KinemaOutput:
    """A generated video.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames per second.
        settings: everything that is needed to make the video again, apart from the inputs themselves.
        scene: the scene as it was filmed: resampled to `fps`, with the camera at the video's size.
        notes: what of the scene the control methods will not have followed well.
    """

    frames: np.ndarray
    fps: float
    settings: dict[str, Any]
    scene: Scene | None
    notes: tuple[str, ...] = ()


class KinemaPipeline(DiffusionPipeline):
    """Text, picture and scene to video.

    Its components are those of the video model, under the names that diffusers gives them, and the adapters under
    theirs, so that diffusers' own placement and offloading work on it.

    Args:
        video_model: mini, CogVideoX or Wan.
        adapters: control adapters by name, attached to the model's transformer.
        drives: which of `pose` and `camera` each adapter may use; both where it is not named.

    Attributes:
        default_guidance: used where a call names none.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->transformer->vae"

    def __init__(
        self,
        video_model: VideoModel,
        adapters: Mapping[str, ControlAdapter] | None = None,
        drives: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        super().__init__()
        self.adapters = dict(adapters or {})
        self.drives = {name: frozenset(SIGNALS) for name in self.adapters} | dict(drives or {})
        self.video_model = video_model
        self.default_guidance = self._default_guidance()
        self.register_modules(**video_model.components, **self.adapters)
        # Sites are parts of the transformer and move with it; their adapters are placed before they encode.
        self._exclude_from_cpu_offload = list(self.adapters)

    @classmethod
    def _get_signature_keys(cls, obj: Any) -> tuple[list[str], list[str]]:
        """Tells diffusers what the components are: those that were registered, not the arguments of __init__."""
        return sorted(key for key in obj.config if not key.startswith("_")), []

    def _default_guidance(self) -> Guidance:
        """The model's own, with the scale of the pose that the adapter which drives it was trained for, if any."""
        guidance = self.video_model.defaults.guidance
        for name, adapter in self.adapters.items():
            if "pose" in self.drives[name] and adapter.pose_guidance is not None:
                return replace(guidance, pose=adapter.pose_guidance)
        return guidance

    @property
    def adapter(self) -> ControlAdapter | None:
        """The first adapter."""
        return next(iter(self.adapters.values()), None)

    @property
    def video_format(self) -> VideoFormat:
        return self.video_model.form

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.video_format.size

    @property
    def fps(self) -> float:
        return self.video_format.fps

    @torch.no_grad()
    def __call__(
        self,
        prompt: str = "",
        image: Image.Image | np.ndarray | None = None,
        scene: Scene | None = None,
        *,
        frames: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guidance | None = None,
        shift: float | None = None,
        negative_prompt: str = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> KinemaOutput:
        """Makes a video.

        Args:
            prompt: what happens; may be empty.
            image: the character, as the first camera sees it; any size, cropped to fill. For models that read one.
            scene: people and camera; either may be missing.
            frames: length; by default the scene's duration, or one window.
            seed: of the noise.
            steps: denoising steps per window; the model's default where None.
            guidance: scales per signal; `default_guidance` where None.
            shift: spends more steps near the noise where above 1; the model's default where None.
            negative_prompt: what text guidance leads away from.
            progress: called with (steps done, steps in all); what it raises ends the call.

        Raises:
            ValueError: a picture that is missing or not read, or a length that the model cannot make.
            FloatingPointError: the network returned NaN or infinity.
        """
        model, form = self.video_model, self.video_format
        if model.reads_picture and image is None:
            raise ValueError(f"{model.name} needs a reference picture: pass the character as `image`")
        if image is not None and not model.reads_picture:
            raise ValueError(f"{model.name} makes videos from text alone and reads no picture: leave it out")
        steps = model.defaults.steps if steps is None else steps
        guidance = guidance or self.default_guidance
        shift = model.defaults.shift if shift is None else shift
        if frames is None:
            frames = form.frames if scene is None else max(1, round(_seconds(scene) * form.fps) + 1)
        plan = WindowPlan.of(model, frames)

        device = self._execution_device
        picture = None if image is None else picture_tensor(image, form.size).to(device)
        texts = model.encode_text(prompt, device), model.encode_text(negative_prompt, device)
        signals = None
        notes: dict[str, None] = {}
        if scene is not None and self.adapters:
            shown = to_uint8(picture[0])[0] if picture is not None and model.reads_backdrop else None
            signals = control_signals(scene, size=form.size, frames=plan.total, fps=form.fps, picture=shown)
            for name, adapter in self.adapters.items():
                notes.update(dict.fromkeys(f"{name}: {note}" for note in adapter.notes(signals)))
        generator = torch.Generator().manual_seed(seed)

        asked: dict[str, Any] = getattr(self, "_progress_bar_config", {})
        self.set_progress_bar_config(**{"desc": "sampling", "unit": "step", **asked})
        made: list[np.ndarray] = []
        last: np.ndarray | None = None
        with self.progress_bar(total=plan.windows * steps) as bar:
            done = itertools.count(1)

            def on_step() -> None:
                bar.update()
                if progress is not None:
                    progress(next(done), plan.windows * steps)

            for start in plan.starts:
                known = None if last is None else from_uint8(last[-plan.overlap :]).to(device)
                model.transformer._reset_stateful_cache()  # what a cache of diffusers has kept is of another window
                window = model.begin_window(picture, known, plan.frames, generator, device)
                predict = GuidedPrediction(
                    model,
                    self._placed_adapters(device),
                    self.drives,
                    guidance,
                    texts,
                    window,
                    self._window_signals(signals, start, plan.frames, device),
                )
                latents = model.sample(
                    predict,
                    window,
                    plan.frames,
                    steps=steps,
                    shift=shift,
                    generator=generator,
                    device=device,
                    on_step=on_step,
                )
                video = to_uint8(model.finished(model.decode(latents), predict.seen)[0])
                made.append(video if last is None else video[plan.overlap :])
                last = video
        self.maybe_free_model_hooks()
        settings = {
            "backbone": model.name,
            "adapters": {name: sorted(self.drives[name]) for name in self.adapters},
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "steps": steps,
            "shift": shift,
            "guidance": asdict(guidance),
            "frames": frames,
            "fps": form.fps,
            "size": list(form.size),
            "dtype": str(model.transformer.dtype).removeprefix("torch."),
        }
        return KinemaOutput(np.concatenate(made)[:frames], form.fps, settings, scene, tuple(notes))

    def _placed_adapters(self, device: torch.device) -> dict[str, ControlAdapter]:
        """The adapters on the device; offloading the transformer takes their sites away with it."""
        return {name: adapter.to(device) for name, adapter in self.adapters.items()}

    def _window_signals(
        self, signals: ControlSignals | None, start: int, frames: int, device: torch.device
    ) -> ControlSignals | None:
        if signals is None:
            return None
        reference = None
        if start and self.video_model.rays_follow_window and signals.cameras is not None:
            reference = torch.linalg.solve(signals.cameras[:, 0], signals.cameras[:, start])
        dtype = next(iter(self.adapters.values())).dtype
        return signals.window(start, frames, reference).to(device, dtype)


@dataclass(frozen=True)
class WindowPlan:
    """How a video is cut into windows: `frames` each, sharing `overlap` with the one before."""

    windows: int
    frames: int
    overlap: int

    @classmethod
    def of(cls, model: VideoModel, frames: int) -> WindowPlan:
        """The windows of a video of `frames` frames.

        Raises:
            ValueError: no frame, or more than one window of a model that cannot continue a video.
        """
        if frames < 1:
            raise ValueError(f"a video has at least one frame, not {frames}")
        window = model.window_frames(frames)
        if frames <= window:
            return cls(1, window, model.overlap)
        if not model.overlap:
            raise ValueError(
                f"{model.name} makes at most {window} frames ({window / model.form.fps:.1f} s), not {frames}: it "
                "cannot continue a video; shorten it, or take a model that starts from a picture"
            )
        step = window - model.overlap
        if step < 1:
            raise ValueError(
                f"windows of {window} frames are too short to continue a video: they share {model.overlap}"
            )
        return cls(-(-(frames - model.overlap) // step), window, model.overlap)

    @property
    def starts(self) -> list[int]:
        """The first frame of each window."""
        return [index * (self.frames - self.overlap) for index in range(self.windows)]

    @property
    def total(self) -> int:
        """Frames that the windows make together."""
        return self.starts[-1] + self.frames


def _seconds(scene: Scene) -> float:
    lengths = [person.duration for person in scene.people]
    if scene.camera is not None and not lengths:
        lengths = [(len(scene.camera.c2w) - 1) / scene.camera.fps]
    return max(lengths) if lengths else 1.0
