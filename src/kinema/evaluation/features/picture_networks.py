"""Figures of a single video, or of a pair, by the user's weights: LPIPS, CLIPSIM and VBench's dimensions.

After the public code of LPIPS and VBench. Mean cosines and errors are per video; NaN where it is too short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.evaluation.features.weights import Weights
from kinema.evaluation.metrics.temporal import FLOW_FPS
from kinema.motion.checkpoints import load_exactly, read_state_dict

_VGG_STAGES = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
_VGG_READ = (3, 8, 15, 22, 29)  # the ReLUs that LPIPS reads
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_AT_ONCE = 16


class Vgg16Features(nn.Module):
    """VGG16's convolutions in torchvision's layout; its classifier is not needed."""

    def __init__(self, shrink: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in _VGG_STAGES:
            if isinstance(stage, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, stage // shrink, 3, padding=1), nn.ReLU()]
            channels = stage // shrink
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        read = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in _VGG_READ:
                read.append(x)
        return read


class Lpips:
    """LPIPS v0.1 with VGG16 (Zhang et al., CVPR 2018).

    Args:
        vgg: the convolutions, in evaluation mode.
        linear: five weights [1, C, 1, 1].
    """

    def __init__(self, vgg: Vgg16Features, linear: list[torch.Tensor]) -> None:
        self.vgg, self.linear = vgg, linear

    @classmethod
    def load(cls, vgg16: Weights, linear: Weights) -> Lpips:
        """From torchvision's VGG16 and the package's linear weights."""
        state = read_state_dict(vgg16.path)
        vgg = Vgg16Features()
        load_exactly(vgg, {k: v for k, v in state.items() if k.startswith("features.")}, vgg16.path)
        lines = read_state_dict(linear.path)
        try:
            return cls(vgg.eval(), [lines[f"lin{number}.model.1.weight"].float() for number in range(5)])
        except KeyError as error:
            raise ValueError(f"{linear.path} holds no LPIPS weights for VGG: it has no {error}") from None

    @torch.no_grad()
    def __call__(self, made: np.ndarray, true: np.ndarray, rescaled: bool = True) -> float:
        """Mean over frames of the distance of two videos, uint8 [T, H, W, 3].

        Args:
            made: frames.
            true: frames.
            rescaled: pictures in [-1, 1], as the network wants them. DisCo's script feeds [0, 1].
        """
        mean = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
        spread = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        total = 0.0
        for begin in range(0, len(made), _AT_ONCE):
            both = [_pictures(video[begin : begin + _AT_ONCE]) for video in (made, true)]
            ready = [((x * 2 - 1 if rescaled else x) - mean) / spread for x in both]
            for a, b, line in zip(self.vgg(ready[0]), self.vgg(ready[1]), self.linear, strict=True):
                difference = (_unit_channels(a) - _unit_channels(b)) ** 2
                total += float(functional.conv2d(difference, line).mean(dim=(1, 2, 3)).double().sum())
        return total / len(made)


class ClipFigures:
    """CLIPSIM and VBench's background consistency by a transformers CLIP folder, read offline."""

    def __init__(self, weights: Weights) -> None:
        from transformers import AutoTokenizer, CLIPModel

        options: dict[str, Any] = {"local_files_only": True}
        self.model = CLIPModel.from_pretrained(weights.path, use_safetensors=True, **options).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(weights.path, **options)
        self.side = self.model.config.vision_config.image_size

    @torch.no_grad()
    def pictures(self, frames: np.ndarray) -> torch.Tensor:
        """Unit vectors of frames uint8 [T, H, W, 3]: shorter side to CLIP's size (bicubic), centre crop."""
        found = []
        for begin in range(0, len(frames), _AT_ONCE):
            x = _shorter_side(_pictures(frames[begin : begin + _AT_ONCE]), self.side, "bicubic")
            top, left = ((size - self.side) // 2 for size in x.shape[2:])
            x = x[..., top : top + self.side, left : left + self.side].clamp(0, 1)
            found.append(
                self.model.visual_projection(self.model.vision_model(_normal(x, _CLIP)).pooler_output)
            )
        return functional.normalize(torch.cat(found), dim=-1)

    @torch.no_grad()
    def text(self, prompt: str) -> torch.Tensor:
        """Unit vector of a prompt, [D]."""
        tokens = self.tokenizer([prompt], truncation=True, max_length=77, return_tensors="pt")
        states = self.model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        return functional.normalize(self.model.text_projection(states)[0], dim=-1)

    def clipsim(self, frames: np.ndarray, prompt: str) -> float:
        """Mean cosine of frames and prompt."""
        return float((self.pictures(frames) @ self.text(prompt)).double().mean())

    def background_consistency(self, frames: np.ndarray) -> float:
        """VBench's: see `consistency`, over whole frames."""
        return consistency(self.pictures(frames))


class DinoFigures:
    """VBench's subject consistency by a transformers DINO folder, read offline."""

    def __init__(self, weights: Weights) -> None:
        from transformers import ViTModel

        self.model = ViTModel.from_pretrained(
            weights.path, local_files_only=True, use_safetensors=True, add_pooling_layer=False
        ).eval()
        self.side = self.model.config.image_size

    @torch.no_grad()
    def subject_consistency(self, frames: np.ndarray) -> float:
        """See `consistency`, over class tokens of whole frames, the shorter side at the network's size."""
        found = []
        for begin in range(0, len(frames), _AT_ONCE):
            x = _shorter_side(_pictures(frames[begin : begin + _AT_ONCE]), self.side, "bilinear")
            states = self.model(_normal(x, _IMAGENET), interpolate_pos_encoding=True).last_hidden_state
            found.append(states[:, 0])
        return consistency(functional.normalize(torch.cat(found), dim=-1))


def consistency(vectors: torch.Tensor) -> float:
    """VBench: mean over frames of max(0, cosine) to the frame before and to the first one, halved.

    Args:
        vectors: unit vectors of frames, [T, D].

    Returns:
        0 to 1; NaN for a single frame.
    """
    if len(vectors) < 2:
        return float("nan")
    before = (vectors[1:] * vectors[:-1]).sum(dim=-1).clamp(min=0)
    first = (vectors[1:] @ vectors[0]).clamp(min=0)
    return float(((before + first) / 2).double().mean())


class Scripted:
    """A TorchScript archive of the user; see `weights.SOURCES` for the interfaces."""

    def __init__(self, weights: Weights) -> None:
        self.network = torch.jit.load(str(weights.path), map_location="cpu").eval()

    @torch.no_grad()
    def smoothness(self, frames: np.ndarray) -> float:
        """VBench's motion smoothness: every odd frame is made anew from its neighbours; 1 - mean error / 255."""
        errors = []
        for middle in range(1, len(frames) - 1, 2):
            before, true, after = (_pictures(frames[i : i + 1]) for i in (middle - 1, middle, middle + 1))
            made = self.network(before, after).clamp(0, 1)
            errors.append(float((made - true).abs().double().mean()))
        return 1 - float(np.mean(errors)) if errors else float("nan")

    @torch.no_grad()
    def dynamic(self, frames: np.ndarray, fps: float) -> float:
        """VBench's dynamic degree, 0 or 1: at about 8 fps, the fastest 5 % of the flow is over 6 min(H, W) / 256
        pixels in at least round(4 n / 16) of n frames."""
        chosen = frames[:: max(1, round(fps / FLOW_FPS))]
        if len(chosen) < 2:
            return float("nan")
        threshold = 6 * min(frames.shape[1:3]) / 256
        wanted, seen = round(4 * len(chosen) / 16), 0
        for before, after in pairwise(chosen):
            flow = self.network(_pictures(before[None]) * 2 - 1, _pictures(after[None]) * 2 - 1)
            speed = flow[0].norm(dim=0).flatten().sort(descending=True).values
            seen += float(speed[: max(1, int(len(speed) * 0.05))].mean()) > threshold
        return float(seen >= wanted)

    @torch.no_grad()
    def quality(self, frames: np.ndarray) -> float:
        """VBench's imaging quality: mean over frames, / 100."""
        scores = [float(self.network(_pictures(frame[None])).double().mean()) for frame in frames]
        return float(np.mean(scores)) / 100


def video_figures(
    given: Mapping[str, Weights],
) -> dict[str, Callable[[np.ndarray, float, str | None], float]]:
    """Figures of one video that the given weights make possible: name -> f(frames, fps, prompt).

    CLIPSIM is NaN where a clip has no prompt.
    """
    figures: dict[str, Callable[[np.ndarray, float, str | None], float]] = {}
    if "clip" in given:
        clip = ClipFigures(given["clip"])
        figures["clipsim"] = lambda x, fps, text: clip.clipsim(x, text) if text else float("nan")
        figures["background-consistency"] = lambda x, fps, text: clip.background_consistency(x)
    if "dino" in given:
        dino = DinoFigures(given["dino"])
        figures["subject-consistency"] = lambda x, fps, text: dino.subject_consistency(x)
    if "interpolator" in given:
        interpolator = Scripted(given["interpolator"])
        figures["motion-smoothness"] = lambda x, fps, text: interpolator.smoothness(x)
    if "flow" in given:
        flow = Scripted(given["flow"])
        figures["dynamic-degree"] = lambda x, fps, text: flow.dynamic(x, fps)
    if "quality" in given:
        quality = Scripted(given["quality"])
        figures["imaging-quality"] = lambda x, fps, text: quality.quality(x)
    return figures


def _pictures(frames: np.ndarray) -> torch.Tensor:
    """uint8 [T, H, W, 3] -> [T, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def _shorter_side(x: torch.Tensor, side: int, mode: str) -> torch.Tensor:
    scale = side / min(x.shape[2:])
    size = [max(side, int(extent * scale)) for extent in x.shape[2:]]
    return functional.interpolate(x, size, mode=mode, align_corners=False)


def _normal(x: torch.Tensor, constants: tuple[tuple[float, ...], tuple[float, ...]]) -> torch.Tensor:
    mean, spread = (torch.tensor(values)[:, None, None] for values in constants)
    return (x - mean) / spread


def _unit_channels(x: torch.Tensor) -> torch.Tensor:
    return x / (x.norm(dim=1, keepdim=True) + 1e-10)
