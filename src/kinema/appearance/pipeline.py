"""The pipeline: a prompt, a character picture and a scene become video.

Long videos are made window by window. Every window sees the reference picture and rays relative to the reference's
camera; from the second on, its first frame is the last frame of the window before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, WanTransformer3DModel
from PIL import Image

from kinema.appearance.adapters import ADAPTERS, adapter_class
from kinema.appearance.adapters.adapter import ControlAdapter
from kinema.appearance.adapters.attach import attach
from kinema.appearance.adapters.context import ATTENTION_KEY
from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.mini import MiniFormat, mini_input, mini_output
from kinema.appearance.guidance import Condition, Guidance, euler_flow, flow_times
from kinema.control.signals import ControlSignals, control_signals
from kinema.scene import Scene
from kinema.structure.text import TextEncoder, default_text_encoder


@dataclass(frozen=True)
class KinemaOutput:
    """A generated video.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames per second.
        settings: everything that is needed to make the video again, apart from the inputs themselves.
        scene: the scene as it was filmed: resampled to `fps`, with the camera at the video's size.
    """

    frames: np.ndarray
    fps: float
    settings: dict[str, Any]
    scene: Scene | None


class KinemaPipeline(DiffusionPipeline):
    """Text, reference picture and scene to video with mini.

    Args:
        transformer: the video transformer, with its adapter attached.
        autoencoder: the video autoencoder.
        adapter: the control adapter, or None for text and picture alone.
        video_format: size, window and frame rate that the transformer was trained on; mini's where None.
        text_encoder: prompts to token states; loaded when first needed.
    """

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        autoencoder: AutoencoderPatchPCA,
        adapter: ControlAdapter | None,
        video_format: MiniFormat | None = None,
        text_encoder: TextEncoder | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, autoencoder=autoencoder, adapter=adapter)
        self.video_format = video_format or MiniFormat()
        self._text_encoder = text_encoder

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
        steps: int = 2,
        guidance: Guidance | None = None,
        shift: float = 10.0,
    ) -> KinemaOutput:
        """Makes a video.

        Args:
            prompt: what happens; may be empty.
            image: the character, as the first camera sees it standing; any size, cropped to fill.
            scene: people and camera; either may be missing.
            frames: length; by default the scene's duration, or one window.
            seed: of the noise.
            steps: denoising steps per window; few beat many while a model is undertrained.
            guidance: scales per signal.
            shift: spends more steps near the noise where above 1, as in training.

        Raises:
            ValueError: no reference picture, or a length below one frame.
        """
        if image is None:
            raise ValueError("mini needs a reference picture: pass the character as `image`")
        guidance = guidance or Guidance()
        form = self.video_format
        if frames is None:
            frames = form.frames if scene is None else max(1, round(_seconds(scene) * form.fps) + 1)
        if frames < 1:
            raise ValueError(f"a video has at least one frame, not {frames}")
        windows = max(1, -(-(frames - 1) // (form.frames - 1)))
        total = windows * (form.frames - 1) + 1

        reference = self.autoencoder.encode(picture_tensor(image, form.size)).latent_dist.mode()
        text = self._text(prompt)
        signals = None
        if scene is not None and self.adapter is not None:
            signals = control_signals(scene, size=form.size, frames=total, fps=form.fps)
        generator = torch.Generator().manual_seed(seed)

        self.set_progress_bar_config(desc="sampling", unit="step")
        made: list[np.ndarray] = []
        with self.progress_bar(total=windows * steps) as bar:
            for window in range(windows):
                start = window * (form.frames - 1)
                part = None if signals is None else signals.window(start, form.frames)
                known = (
                    None if not made else self.autoencoder.encode(_pixels(made[-1][-1:])).latent_dist.mode()
                )
                noise = torch.randn(
                    (*reference.shape[:2], 1 + (form.frames - 1) // 4, *reference.shape[3:]),
                    generator=generator,
                )
                predictor = _Predictor(self, guidance, text, reference, known, part)
                latent = euler_flow(
                    noise, flow_times(steps, shift), predictor, on_step=lambda step, clean: bar.update()
                )
                video = to_uint8(self.autoencoder.decode(predictor.with_known(latent)).sample[0])
                made.append(video if window == 0 else video[1:])
        settings = {
            "backbone": "mini",
            "adapter": None if self.adapter is None else self.adapter.adapter_name,
            "prompt": prompt,
            "seed": seed,
            "steps": steps,
            "shift": shift,
            "guidance": asdict(guidance),
            "frames": frames,
            "fps": form.fps,
            "size": list(form.size),
        }
        return KinemaOutput(np.concatenate(made)[:frames], form.fps, settings, scene)

    def _text(self, prompt: str) -> torch.Tensor:
        if not prompt.strip():
            return torch.zeros(1, self.video_format.text_tokens, self.transformer.config.text_dim)
        self._text_encoder = self._text_encoder or default_text_encoder()
        return self._text_encoder([prompt], self.video_format.text_tokens)


class _Predictor:
    """The guided clean-sample prediction of one window; control is encoded here, once."""

    def __init__(
        self,
        pipeline: KinemaPipeline,
        guidance: Guidance,
        text: torch.Tensor,
        reference: torch.Tensor,
        known: torch.Tensor | None,
        signals: ControlSignals | None,
    ) -> None:
        self.transformer = pipeline.transformer
        self.adapter = pipeline.adapter
        self.guidance = guidance
        self.text = text
        self.reference = reference
        self.known = known
        self.has_pose = signals is not None and signals.skeletons is not None
        self.has_camera = signals is not None and signals.rays is not None
        self.tokens: dict[tuple[bool, bool], Any] = {}
        if signals is None or self.adapter is None:
            return
        passes = guidance.passes(self.has_pose, self.has_camera, progress=guidance.interval[0])
        if guidance.interval != (0.0, 1.0):
            passes.append((1.0, Condition(text=True, pose=False, camera=False)))
        for _, condition in passes:
            key = (condition.pose, condition.camera)
            if key not in self.tokens:
                self.tokens[key] = self.adapter.encode(
                    signals,
                    {"pose": torch.tensor([condition.pose]), "camera": torch.tensor([condition.camera])},
                )

    def with_known(self, latent: torch.Tensor) -> torch.Tensor:
        if self.known is None:
            return latent
        return torch.cat([self.known, latent[:, :, 1:]], dim=2)

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        times = torch.tensor([t])
        x = mini_input(self.with_known(x), times, self.reference, torch.tensor([self.known is not None]))
        clean = torch.zeros_like(x[:, : self.reference.shape[1]])
        for weight, condition in self.guidance.passes(self.has_pose, self.has_camera, progress=1 - t):
            text = self.text if condition.text else torch.zeros_like(self.text)
            tokens = self.tokens.get((condition.pose, condition.camera))
            attention_kwargs = {} if tokens is None else {ATTENTION_KEY: {self.adapter.adapter_name: tokens}}
            raw = self.transformer(
                x, 1000 * times, text, attention_kwargs=attention_kwargs, return_dict=False
            )[0]
            clean = clean + weight * mini_output(raw, self.reference)
        return self.with_known(clean)


def load_pipeline(name: str | Path = "mini", adapters: Sequence[str] = ("tokenmotion",)) -> KinemaPipeline:
    """Loads a pipeline from the embedded weights or from a folder in the same layout.

    Args:
        name: `mini`, or a folder with `pipeline.json`, `transformer/`, `autoencoder/` and one folder per adapter.
        adapters: the adapter to attach; empty for none.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: an unknown adapter.
    """
    folder = Path(name) if Path(name).is_dir() else Path(str(files("kinema") / "weights" / str(name)))
    if not (folder / "pipeline.json").is_file():
        raise FileNotFoundError(
            f"no pipeline {str(name)!r}: neither embedded weights nor a folder with pipeline.json"
        )
    unknown = set(adapters) - set(ADAPTERS)
    if unknown or len(adapters) > 1:
        raise ValueError(f"adapters must be at most one of {', '.join(ADAPTERS)}, not {list(adapters)}")
    form = MiniFormat(**json.loads((folder / "pipeline.json").read_text())["format"])
    load = {"torch_dtype": torch.float32}
    transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", **load).eval()
    autoencoder = AutoencoderPatchPCA.from_pretrained(folder / "autoencoder", **load).eval()
    adapter = None
    if adapters:
        adapter = adapter_class(adapters[0]).from_pretrained(folder / adapters[0], **load).eval()
        attach(transformer, adapter)
    return KinemaPipeline(transformer, autoencoder, adapter, form)


def picture_tensor(image: Image.Image | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """A picture cropped to fill (width, height), as one frame of pixels in [-1, 1], [1, 3, 1, H, W]."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image = image.convert("RGB")
    if image.size != size:
        scale = max(size[0] / image.width, size[1] / image.height)
        crop_width, crop_height = size[0] / scale, size[1] / scale
        left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
        box = (left, top, left + crop_width, top + crop_height)
        image = image.resize(size, Image.Resampling.LANCZOS, box=box)
    return _pixels(np.asarray(image)[None])


def _pixels(frames: np.ndarray) -> torch.Tensor:
    """uint8 [T, H, W, 3] to [1, 3, T, H, W] in [-1, 1]."""
    return torch.from_numpy(frames.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1


def to_uint8(video: torch.Tensor) -> np.ndarray:
    """[3, T, H, W] in [-1, 1] to uint8 [T, H, W, 3]."""
    return ((video.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).numpy()


def _seconds(scene: Scene) -> float:
    lengths = [person.duration for person in scene.people]
    if scene.camera is not None and not lengths:
        lengths = [(len(scene.camera.c2w) - 1) / scene.camera.fps]
    return max(lengths) if lengths else 1.0
