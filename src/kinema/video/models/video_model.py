"""What the pipeline and training must know of a family of video models; families differ only here and in spec.py.

Latents are [B, C, F, h, w] for every family, whatever its transformer reads, with F = 1 + (T - 1) / 4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from kinema.diffusion.guider import Guidance
from kinema.diffusion.loop import Solver, Step
from kinema.diffusion.path import Path, Times
from kinema.passes.shot import Shot
from kinema.scene import Scene
from kinema.video.pixels import from_uint8, to_uint8

if TYPE_CHECKING:
    from kinema.video.whole import WholeModel

TEMPORAL_COMPRESSION = 4
SPATIAL_COMPRESSION = 8


@dataclass(frozen=True)
class VideoFormat:
    """The videos that a model makes.

    Args:
        width, height: pixels.
        frames: of one window, 4k + 1.
        fps: frames per second.
        text_tokens: token states per prompt.
    """

    width: int
    height: int
    frames: int
    fps: float
    text_tokens: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def latent_shape(
        self, channels: int, frames: int, spatial: int = SPATIAL_COMPRESSION
    ) -> tuple[int, int, int, int, int]:
        """[1, C, F, h, w] for that many frames, with `spatial` pixels per latent along each side."""
        return 1, channels, latent_frames(frames), self.height // spatial, self.width // spatial


@dataclass(frozen=True)
class SamplingDefaults:
    """How a model is sampled where the user does not say.

    Args:
        steps: denoising steps.
        guidance: scales per condition.
        shift: of the noise schedule; None leaves what the model's scheduler was saved with.
    """

    steps: int
    guidance: Guidance
    shift: float | None = None


@dataclass(frozen=True)
class AdapterTraining:
    """How adapters are trained on a frozen model where the user does not say.

    Args:
        shift: of the training times; None leaves what the model was trained with.
        people: how much more a latent position with a person in it counts than another.
        given: share of windows whose first latent frame is given, as for the later windows of a long video.
        sizes: arguments of new adapters that shall differ from the method's own, by adapter.
    """

    shift: float | None = None
    people: float = 1.0
    given: float = 0.0
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Draw = Callable[[torch.Size], torch.Tensor]
"""Normal noise of a shape [B, ...], where the batch is."""


class VideoModel(ABC):
    """One family of video models: its parts, and what it makes of text, pictures and predictions.

    Attributes:
        family: name of the family.
        size_multiple: that the sides of the picture must be.
        frame_step: n, where windows have nk + 1 frames.
        spatial_compression: pixels per latent along each side of the picture.
        name: of this model, as settings show it.
        form: the videos it makes.
        transformer: the denoiser, to which adapters are attached.
        reads_picture: whether it can be shown a picture of the character.
        overlap: frames that a window of a long video shares with the one before, 4k + 1; 0 where the model cannot
            continue a video.
        rays_follow_window: whether each window's rays are relative to its own first camera. A model that sees the
            reference picture in every window keeps them relative to that picture's camera.
        knows_only: which pictures it can read, where that is less than any; said before the work to whoever brings one.
        film_words: what a control method that follows a film is told where nobody says anything, e.g. other clocks.
        edits_clean: whether `edit_clean` changes anything.
        path: what its predictions mean.
        times: where on the path it is trained.
        whole_windows: whether every window has the format's length, however short the video; else no more than needed.
        defaults: of sampling.
        adapter_training: how adapters are trained on it.
        any_size: whether it can be trained on pictures of another size than its format's.
        takes_adapters: whether control methods can be attached to it.
        camera_hint: how it would follow a camera that it does not follow as it is set.
        follows: what of a scene it follows by itself, without an adapter: pose, camera, depth, room; see `read_shot`.
        people: how many of a scene it follows by itself, the first ones; None for any number.
        continues_shot: whether it is given a shot of the video's own frames and continues it itself where its windows
            reach further; else the shot's last frame is held.
        default_prompt: what it is told where nobody says what happens.
    """

    family: ClassVar[str]
    size_multiple: ClassVar[int] = 16
    frame_step: ClassVar[int] = TEMPORAL_COMPRESSION
    spatial_compression: ClassVar[int] = SPATIAL_COMPRESSION
    rays_follow_window: ClassVar[bool] = True
    edits_clean: ClassVar[bool] = False
    knows_only: ClassVar[str] = ""
    film_words: ClassVar[str] = ""

    adapter_training: ClassVar[AdapterTraining] = AdapterTraining()

    takes_adapters: ClassVar[bool] = True
    camera_hint: ClassVar[str] = ""
    whole_windows: bool = False
    any_size: bool = True
    follows: frozenset[str] = frozenset()
    people: ClassVar[int | None] = None
    continues_shot: ClassVar[bool] = False
    default_prompt: ClassVar[str] = ""
    name: str
    form: VideoFormat
    transformer: nn.Module
    reads_picture: bool
    overlap: int
    defaults: SamplingDefaults

    @property
    @abstractmethod
    def path(self) -> Path: ...

    @property
    @abstractmethod
    def times(self) -> Times: ...

    @property
    @abstractmethod
    def components(self) -> dict[str, Any]:
        """Every part by the name that diffusers gives it."""

    @abstractmethod
    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        """Token states of a prompt as the transformer reads them, [1, L, D]; "" is what guidance compares with."""

    def encode_texts(self, prompts: Sequence[str], device: torch.device) -> torch.Tensor:
        """Token states of several prompts, [N, L, D]."""
        return torch.cat([self.encode_text(prompt, device) for prompt in prompts])

    @abstractmethod
    def encode_video(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels in [-1, 1], [B, 3, T, H, W], to the latents that the transformer denoises."""

    @abstractmethod
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to pixels in about [-1, 1], [B, 3, T, H, W]."""

    def conditioning(self, scene: Scene, picture: torch.Tensor | None, frames: int, posed: bool) -> Any:
        """What the model itself, without any adapter, reads of a scene beside its picture; None for most models.

        Args:
            scene: with a camera.
            picture: the character, pixels in [-1, 1], [1, 3, 1, H, W].
            frames: of the whole video.
            posed: whether anything says where the scene's people shall be.
        """
        return None

    def plate(self, scene: Scene, picture: torch.Tensor, frames: int) -> torch.Tensor | None:
        """A video of the scene that needs no network: what this model draws people before; None where there is none.

        Args:
            scene: with a camera.
            picture: the character, pixels in [-1, 1], [1, 3, 1, H, W].
            frames: of the video.

        Returns:
            Pixels in [-1, 1], [1, 3, T, H, W].
        """
        return None

    def widen_for_picture(self) -> None:
        """Lets a text-to-video model read a picture beside the noise; it says what it said until it is trained.

        Raises:
            ValueError: a family that cannot.
        """
        raise ValueError(f"{self.name} cannot be widened to read a picture: take an image-to-video backbone")

    @property
    def denoisers(self) -> tuple[nn.Module, ...]:
        """Every transformer that denoises, the one of the first steps first; most families have one."""
        return (self.transformer,)

    def denoiser(self, t: Any) -> nn.Module:
        """The one of `denoisers` that predicts at a time, as the network is told it."""
        return self.transformer

    def read_shot(self, shot: Shot) -> Any:
        """What a model that follows scenes by itself reads of one; handed to `conditioned`, whose passes all see it.

        Args:
            shot: the scene on the frames of the whole video, with the picture and the footage that the user gave.

        Returns:
            None for a model that follows no scene by itself.

        Raises:
            ValueError: the shot lacks what the model reads.
        """
        return None

    def notes(self, shot: Shot) -> list[str]:
        """What of a shot it will not follow, a sentence each; for models that follow scenes by themselves."""
        return []

    def settings(self) -> dict[str, Any]:
        """What is written down beside a video of how the model was set, as JSON types."""
        return {}

    @abstractmethod
    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> Any:
        """What every step of one window sees beside noise and text; handed to `predict`.

        Args:
            picture: the character, pixels [1, 3, 1, H, W].
            known: the last `overlap` frames of the window before, pixels [1, 3, overlap, H, W].
            frames: of the window.
            generator: for encoders that sample.
            device: on which the transformer runs; pictures are there already.
        """

    def conditioned(self, window: Any, conditioning: Any, start: int, frames: int) -> Any:
        """A window as the passes see it that know the camera; the same for models without `conditioning`.

        Args:
            window: as `begin_window` gave it.
            conditioning: of the whole video.
            start, frames: the window's part of it.
        """
        return window

    def without_text(self, window: Any) -> Any:
        """A window as the passes see it that do not know the text; the same for most models."""
        return window

    def carried(self, pixels: torch.Tensor) -> torch.Tensor:
        """The last frames of a window, [1, 3, overlap, H, W], as the next one knows them: in 8 bits, as shown."""
        return from_uint8(to_uint8(pixels[0]))

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the model's encoders make of windows that it shall be trained on; caches keep it.

        Args:
            pixels: in [-1, 1], [B, 3, T, H, W].
            picture: the characters, [B, 3, 1, H, W]; models whose picture is the window's first frame do not look at it.

        Returns:
            `latents` [B, C, F, h, w], and what `training_window` reads beside them, each with the batch first.
        """
        return {"latents": self.encode_video(pixels)}

    @abstractmethod
    def training_window(self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw) -> Any:
        """What a training step's prediction sees beside noise and text: `begin_window` for a batch.

        Args:
            encoded: of the batch, as `encode_window` made it.
            given: which samples are told their first latent frame, bool [B]; for models that are trained so.
            draw: noise, for models that blur what is given.
        """

    @property
    def conditioner(self) -> Callable[[Scene, np.ndarray, int, bool], Any] | None:
        """`conditioning` without the model: (scene, picture uint8 [H, W, 3], frames, posed) -> the same, picklable, so
        that worker processes can draw it. What it returns has `window(start, frames)`. None where there is nothing."""
        return None

    def conditioned_batch(self, window: Any, drawn: Sequence[Any], known: torch.Tensor) -> Any:
        """`conditioned` for a batch.

        Args:
            window: of the batch, as `training_window` gave it.
            drawn: of each sample's window, as `conditioner` gave it; None where there is no camera.
            known: which samples may know the camera, bool [B].
        """
        return window

    @abstractmethod
    def draw_noise(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        """Noise of one window, [1, C, F, h, w], on the CPU, in the order in which the family's own pipeline draws it."""

    def window_noise(self, window: Any, frames: int, generator: torch.Generator) -> torch.Tensor:
        """`draw_noise` for a window; of more latent frames where pictures stand in front of the video's own."""
        return self.draw_noise(frames, generator)

    def whole_tokens(self, latents: torch.Tensor) -> torch.Tensor:
        """A video's latents [B, C, F, h, w] as the transformer is shown them, where its tokens hold several frames."""
        return latents

    def own_latents(self, latents: torch.Tensor, window: Any) -> torch.Tensor:
        """Denoised latents of a window without those that were in front of the video's own."""
        return latents

    @abstractmethod
    def solver(
        self, steps: int, shift: float | None, generator: torch.Generator, device: torch.device
    ) -> Solver:
        """Steps of the sampling loop.

        Args:
            steps: how many.
            shift: of the noise schedule; None leaves it as the model has it.
            generator: for solvers that add noise.
            device: on which the loop runs.

        Raises:
            ValueError: a shift where the schedule has none.
        """

    @abstractmethod
    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: Any, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        """One pass of the transformer over noisy latents, on the family's path, float32.

        Args:
            x: [B, C, F, h, w].
            t: as the network is told it, a number or [B]: the solver's timesteps, or `timestep` of a path's time.
            text: token states, [B, L, D].
            window: of the batch.
            attention_kwargs: for the transformer.
        """

    def timestep(self, time: torch.Tensor) -> torch.Tensor:
        """A path's times [B] as the network is told them."""
        return time

    def edit_clean(self, clean: torch.Tensor, window: Any) -> torch.Tensor:
        """The clean sample that a step's prediction means, with what is known of the window put into it."""
        return clean

    def after_step(
        self, x: torch.Tensor, step: Step, solver: Solver, noise: torch.Tensor, window: Any
    ) -> torch.Tensor:
        """Latents after a step, with what is known of the window put back as noisy as the rest."""
        return x

    def finished(self, pixels: torch.Tensor, window: Any) -> torch.Tensor:
        """What is shown of decoded pixels [1, 3, T, H, W]; all of them by default."""
        return pixels

    def window_frames(self, frames: int) -> int:
        """Frames of each window of a video of `frames` frames."""
        if self.whole_windows:
            return self.form.frames
        return min(self.form.frames, -(-(frames - 1) // self.frame_step) * self.frame_step + 1)

    @property
    def keeps_room(self) -> bool:
        """Whether it takes a film, as `Shot.footage`, and keeps what stands round its people."""
        return False

    @property
    def needs_picture(self) -> bool:
        """Whether it makes nothing without a picture."""
        return self.reads_picture

    def framed(self, picture: Image.Image) -> Image.Image:
        """A picture as the model is shown it, where it is not cropped to fill the video."""
        return picture

    def follow_nothing(self) -> None:
        """Makes videos of text and picture alone from now on, without a scene.

        Raises:
            ValueError: it cannot.
        """
        if self.follows:
            raise ValueError(f"{self.name} makes no video without a scene: leave out --control none")

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a video that starts from a picture of that size; the format's for most models."""
        return self.form.size

    def check(self) -> None:
        """Says what is wrong with the format.

        Raises:
            ValueError: as `check_format`.
        """
        check_format(self.form, type(self), self.name)


def latent_frames(frames: int) -> int:
    """Latent frames that hold that many frames: the first alone, then four in each."""
    return 1 + -(-(frames - 1) // TEMPORAL_COMPRESSION)


def check_format(form: VideoFormat, model: type[VideoModel] | type[WholeModel], name: str) -> None:
    """Says what is wrong with a format for models of a class.

    Raises:
        ValueError: a side that is not a multiple of `size_multiple`, frames that are not nk + 1, or a rate out of range.
    """
    multiple, step = model.size_multiple, model.frame_step
    if form.width % multiple or form.height % multiple:
        near = "x".join(str(max(1, round(side / multiple)) * multiple) for side in form.size)
        raise ValueError(
            f"{name} makes pictures whose sides are multiples of {multiple} pixels, "
            f"not {form.width}x{form.height}; take {near}"
        )
    if form.frames % step != 1:
        raise ValueError(f"{name} makes windows of {step}k + 1 frames, not {form.frames}")
    if not 0 < form.fps <= 240:
        raise ValueError(f"fps {form.fps:g}: give between 0 and 240 frames per second")
