"""The pipeline: a prompt, a character picture and a scene become video, with any family of video models.

Long videos are made window by window; each continues the frames that it shares with the one before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch.distributed import ProcessGroup

from kinema.diffusion.guider import Guider, Run
from kinema.diffusion.loop import Solver, Step, denoise
from kinema.diffusion.windows import Windows
from kinema.media.pictures import picture_of
from kinema.passes.shot import Footage, Shot
from kinema.scene import DetectedPeople
from kinema.signals.control_signals import ControlSignals, Source, control_signals
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attached
from kinema.video.adapters.reading import read_signals
from kinema.video.caching import Caching, reset_caches
from kinema.video.few_steps import Fast
from kinema.video.guided import CONDITIONS, GuidedPrediction, WindowInputs
from kinema.video.models.video_model import VideoFormat, VideoModel
from kinema.video.parallel import idle
from kinema.video.pixels import picture_tensor, to_uint8


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
    scene: Source | None
    notes: tuple[str, ...] = ()


class OfFormat:
    """What every pipeline says of the size and rate of its videos, which are those of its `video_model`."""

    video_model: Any

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

    def fit(self, image: Image.Image | np.ndarray) -> tuple[int, int]:
        """(width, height) of the videos of a picture, which the pipeline makes from now on; most models keep theirs.

        To be asked before a camera is framed for a picture; a call does it by itself.
        """
        shown = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
        width, height = self.video_model.size_for(*shown)
        self.video_model.form = replace(self.video_format, width=width, height=height)
        return width, height


class KinemaPipeline(OfFormat, DiffusionPipeline):
    """Text, picture and scene to video.

    Its components are those of the video model, under the names that diffusers gives them, and the adapters under
    theirs, so that diffusers' own placement and offloading work on it.

    Args:
        video_model: of any family.
        adapters: control adapters by name, attached to the model's transformer.
        drives: which of `pose` and `camera` each adapter may use; both where it is not named.

    Attributes:
        caching: a cache between steps, where one is switched on.
        fast: how it is sampled in few steps, where it is.
        loaded_with: what settings say about how it was loaded.
        ranks: processes of which each makes some of the passes of guidance (CFG parallel); all make the same call.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->transformer->transformer_2->vae"

    def __init__(
        self,
        video_model: VideoModel,
        adapters: Mapping[str, ControlAdapter] | None = None,
        drives: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        super().__init__()
        self.adapters = dict(adapters or {})
        self.drives = {name: frozenset(CONDITIONS) for name in self.adapters} | dict(drives or {})
        self.video_model: VideoModel = video_model
        for name, denoiser in itertools.product(self.adapters, video_model.denoisers):
            if attached(video_model.transformer) and name not in attached(denoiser):
                raise ValueError(
                    f"{name} is not attached to every expert of {video_model.name}: attach it to each of `denoisers`"
                )
        self.caching: Caching | None = None
        self.fast: Fast | None = None
        self.loaded_with: dict[str, Any] = {}
        self.ranks: ProcessGroup | None = None
        self.register_modules(**video_model.components, **self.adapters)
        # Sites are parts of the transformer and move with it; their adapters are placed before they encode.
        self._exclude_from_cpu_offload = list(self.adapters)

    @classmethod
    def _get_signature_keys(cls, obj: Any) -> tuple[list[str], list[str]]:
        """Tells diffusers what the components are: those that were registered, not the arguments of __init__."""
        return sorted(key for key in obj.config if not key.startswith("_")), []

    @property
    def adapter(self) -> ControlAdapter | None:
        """The first adapter."""
        return next(iter(self.adapters.values()), None)

    @property
    def follows(self) -> frozenset[str]:
        """What of a scene is followed, by adapters or by the model itself."""
        return self.video_model.follows.union(*self.drives.values())

    @property
    def conditions(self) -> frozenset[str]:
        """What guidance can tell apart: the text, and what adapters follow."""
        return frozenset({"text"}).union(*self.drives.values())

    @torch.no_grad()
    def __call__(
        self,
        prompt: str = "",
        image: Image.Image | np.ndarray | None = None,
        scene: Source | None = None,
        *,
        frames: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guider | None = None,
        shift: float | None = None,
        negative_prompt: str = "",
        footage: Footage | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> KinemaOutput:
        """Makes a video.

        Args:
            prompt: what happens; may be empty.
            image: the character, as the first camera sees it; any size, cropped to fill. For models that read one.
            scene: people and camera; either may be missing. People who were only detected in pictures do for methods
                that follow skeleton maps.
            frames: length; by default the scene's duration, or one window.
            seed: of the noise.
            steps: denoising steps per window; the model's default where None.
            guidance: scales per condition, or any other guider; the model's default where None.
            shift: spends more steps near the noise where above 1; the model's default where None.
            negative_prompt: what text guidance leads away from.
            footage: a film that keeps its room, on the frames of the video; for models that follow scenes themselves.
            progress: called with (steps done, steps in all); what it raises ends the call.

        Raises:
            ValueError: a picture that is missing or not read, a length that the model cannot make, or detected people
                where a method needs a scene in 3D.
            FloatingPointError: the network returned NaN or infinity.
        """
        model = self.video_model
        if model.needs_picture and image is None:
            raise ValueError(f"{model.name} needs a reference picture: pass the character as `image`")
        if image is not None and not model.reads_picture:
            raise ValueError(f"{model.name} makes videos from text alone and reads no picture: leave it out")
        if image is not None:
            image = picture_of(image) if isinstance(image, np.ndarray) else image
            self.fit(image)
            image = model.framed(image)
        form = self.video_format
        steps = model.defaults.steps if steps is None else steps
        guidance = guidance or model.defaults.guidance
        shift = model.defaults.shift if shift is None else shift
        if frames is None:
            frames = form.frames if scene is None else max(1, round(scene_seconds(scene) * form.fps) + 1)
        windows = windows_of(model, frames)
        cautions = self.cautions(guidance)
        if self.caching is not None:
            self.caching.begin(steps)

        device = self._execution_device
        picture = None if image is None else picture_tensor(image, form.size).to(device)
        prompt = prompt or model.default_prompt
        texts = model.encode_text(prompt, device), model.encode_text(negative_prompt, device)
        read = self._read(scene, picture, windows.total)
        shot, notes = None, read.notes
        if model.follows:
            length = frames if model.continues_shot else windows.total
            shown_scene = self._shot(scene, image, length, footage)
            shot, notes = model.read_shot(shown_scene), (*notes, *model.notes(shown_scene))
        generator = torch.Generator().manual_seed(seed)

        asked: dict[str, Any] = getattr(self, "_progress_bar_config", {})
        self.set_progress_bar_config(**{"desc": "sampling", "unit": "step", **asked})
        made: list[np.ndarray] = []
        known: torch.Tensor | None = None
        with self.progress_bar(total=windows.count * steps) as bar:
            done = itertools.count(1)

            def on_step(step: Step, prediction: torch.Tensor) -> None:
                bar.update()
                if progress is not None:
                    progress(next(done), windows.count * steps)

            for start in windows.starts:
                reset_caches(model.denoisers)  # what a cache of diffusers has kept is of another window
                plain = model.begin_window(picture, known, windows.length, generator, device)
                shown = plain
                if read.conditioning is not None:
                    shown = model.conditioned(plain, read.conditioning, start, windows.length)
                if model.follows:
                    plain = shown = model.conditioned(plain, shot, start, windows.length)
                signals = self._window_signals(read, start, windows.length, device)
                inputs = WindowInputs(texts, plain, shown, signals, read.conditions)
                solver = model.solver(steps, shift, generator, device)
                adapters = self._placed_adapters(device)
                predict = GuidedPrediction(
                    model, adapters, self.drives, guidance, solver, inputs, self.caching, self.ranks
                )
                latents = self._denoise(predict, solver, start, windows.length, generator, device, on_step)
                latents = model.own_latents(latents, shown)
                decoded = model.finished(model.decode(latents), shown)
                video = to_uint8(decoded[0])
                made.append(video if known is None else video[windows.overlap :])
                if windows.overlap:
                    known = model.carried(decoded[:, :, -windows.overlap :]).to(device)
        self.maybe_free_model_hooks()
        settings = {
            "backbone": model.name,
            "adapters": {name: sorted(self.drives[name]) for name in self.adapters},
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "seed": seed,
            "steps": steps,
            "shift": shift,
            "guidance": guidance.settings(),
            "frames": frames,
            "fps": form.fps,
            "size": list(form.size),
            "dtype": str(model.transformer.dtype).removeprefix("torch."),
            **model.settings(),
            **self.loaded_with,
        }
        notes = (*cautions, *notes)
        return KinemaOutput(np.concatenate(made)[:frames], form.fps, settings, scene, notes)

    def cautions(self, guidance: Guider) -> tuple[str, ...]:
        """What a person should know before a call with a guider."""
        few = () if self.fast is None else self.fast.cautions(guidance)
        return few if self.ranks is None else (*few, *idle(self.ranks, guidance, self.conditions))

    def _shot(
        self,
        scene: Source | None,
        image: Image.Image | None,
        frames: int,
        footage: Footage | None,
    ) -> Shot:
        """What a model that follows scenes by itself reads; the whole of every window, its last frame held.

        Raises:
            ValueError: no scene.
        """
        form, model = self.video_format, self.video_model
        if scene is None:
            raise ValueError(f"{model.name} follows a scene: give a motion or a camera")
        if footage is not None:
            if not model.keeps_room:
                raise ValueError(
                    f"{model.name} keeps no film's room: take a model and recipe that replace somebody"
                )
            footage = footage.held(frames)
        picture = None if image is None else np.asarray(image.convert("RGB"))
        return Shot(scene, form.size, frames, form.fps, picture=picture, footage=footage)

    def _read(self, scene: Source | None, picture: torch.Tensor | None, frames: int) -> _Read:
        """What adapters and model read of a scene; nothing where no adapter could follow it."""
        if scene is None or not self.adapters:
            return _Read({}, None, None, frozenset({"text"}), ())
        form = self.video_format
        on_video: Any = {"size": form.size, "frames": frames, "fps": form.fps}
        signals = read_signals(self.adapters, scene, **on_video)
        notes: dict[str, None] = {}
        for name, adapter in self.adapters.items():
            notes.update(dict.fromkeys(f"{name}: {note}" for note in adapter.notes(signals[name])))
        if isinstance(scene, DetectedPeople):
            return _Read(signals, None, None, frozenset({"text", "pose"}), tuple(notes))
        driven = frozenset().union(*(self.drives[name] for name in self.adapters))
        conditioning = None
        if "camera" in driven:
            conditioning = self.video_model.conditioning(scene, picture, frames, "pose" in driven)
        has = {"text", "camera"} | ({"pose"} if scene.people else set())
        cameras = control_signals(scene, **on_video, names=("cameras",)).cameras
        return _Read(signals, cameras, conditioning, frozenset(has), tuple(notes))

    def _denoise(
        self,
        predict: GuidedPrediction,
        solver: Solver,
        start: int,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
        on_step: Callable[[Step, torch.Tensor], None],
    ) -> torch.Tensor:
        """The latents of one window."""
        model, guider, inputs = self.video_model, predict.guider, predict.inputs
        noise = model.window_noise(inputs.plain, frames, generator).to(device)
        run = Run(inputs.conditions, solver, frames, model.encode_video, generator, start)

        def edit_clean(clean: torch.Tensor, step: Step) -> torch.Tensor:
            return model.edit_clean(clean, inputs.plain)

        def after(x: torch.Tensor, step: Step) -> torch.Tensor:
            # what is known of the window is put back last: no guider may change what was shown already
            return model.after_step(guider.after(x, step), step, solver, noise, inputs.plain)

        return denoise(
            noise,
            solver,
            predict,
            start=guider.begin(noise, run),
            edit_clean=edit_clean if model.edits_clean else None,
            after=after,
            on_step=on_step,
        )

    def _placed_adapters(self, device: torch.device) -> dict[str, ControlAdapter]:
        """The adapters on the device; offloading the transformer takes their sites away with it."""
        return {name: adapter.to(device) for name, adapter in self.adapters.items()}

    def _window_signals(
        self, read: _Read, start: int, frames: int, device: torch.device
    ) -> dict[str, ControlSignals]:
        reference = None
        if start and self.video_model.rays_follow_window and read.cameras is not None:
            reference = torch.linalg.solve(read.cameras[:, 0], read.cameras[:, start])
        return {
            name: signals.window(start, frames, reference).to(device, self.adapters[name].dtype)
            for name, signals in read.signals.items()
        }


@dataclass(frozen=True, eq=False)
class _Read:
    """What a scene gives: signals by adapter, the cameras that windows begin with, conditioning for the model, names of
    conditions, notes for people."""

    signals: dict[str, ControlSignals]
    cameras: torch.Tensor | None
    conditioning: Any
    conditions: frozenset[str]
    notes: tuple[str, ...]


def windows_of(model: VideoModel, frames: int) -> Windows:
    """How a video of `frames` frames is cut into windows of a model.

    Raises:
        ValueError: no frame, or more than one window of a model that cannot continue a video.
    """
    if frames < 1:
        raise ValueError(f"a video has at least one frame, not {frames}")
    window = model.window_frames(frames)
    if frames > window and not model.overlap:
        raise ValueError(
            f"{model.name} makes at most {window} frames ({window / model.form.fps:.1f} s), not {frames}: it "
            "cannot continue a video; shorten it, or take a model that starts from a picture"
        )
    return Windows.covering(frames, window, model.overlap)


def scene_seconds(scene: Source) -> float:
    """How long a scene is, by who moves longest; of nobody by its camera."""
    if isinstance(scene, DetectedPeople):
        return scene.duration
    lengths = [person.duration for person in scene.people]
    if scene.camera is not None and not lengths:
        lengths = [(len(scene.camera.c2w) - 1) / scene.camera.fps]
    return max(lengths) if lengths else 1.0
