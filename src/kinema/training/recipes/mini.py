"""Recipes `mini` and `tokenmotion`: the mini transformer with its pose and camera control, and the control alone.

`mini` trains the transformer together with TokenMotion, dropping signals at random, because at this size a network
learns what people look like far sooner when it is told where they are (ours; the published method freezes the
backbone). `tokenmotion` is the published way: the transformer is frozen, the adapter trains.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from kinema.appearance.adapters.attach import attach, detach
from kinema.appearance.adapters.context import ATTENTION_KEY
from kinema.appearance.adapters.tokenmotion import TokenMotionAdapter
from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.mini import MiniFormat, make_mini, mini_input, mini_output
from kinema.appearance.guidance import add_noise
from kinema.data.takes import Reservoir
from kinema.structure.text import TextEncoder
from kinema.training.filmed import TakeFilm, batch_signals, batch_video
from kinema.training.objectives import flow_matching, training_times
from kinema.training.trainer import Trainer, TrainerConfig


class MiniTask(nn.Module):
    """The loss of one batch of takes.

    Args:
        transformer: with the adapter attached.
        adapter: TokenMotion.
        autoencoder: fixed.
        drop: chance that (text, pose, camera, pose and camera) is missing.
        know: chance that the first latent frame is given, as for the later windows of a long video.
        people: how much more a latent position with a person in it counts (ours).
        shift: of the training times. A token of hundreds of numbers still shows its picture at t = 0.6, where the
            control is not needed: large shifts train where it is (ours).
    """

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        adapter: TokenMotionAdapter,
        autoencoder: AutoencoderPatchPCA,
        *,
        drop: tuple[float, float, float, float] = (0.1, 0.06, 0.06, 0.04),
        know: float = 0.3,
        people: float = 16.0,
        shift: float = 10.0,
        text_tokens: int = 24,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.adapter = adapter
        self.autoencoder = autoencoder.requires_grad_(False)
        self.drop = drop
        self.know = know
        self.people = people
        self.shift = shift
        self.text_tokens = text_tokens
        self._prompts: dict[str, torch.Tensor] = {}
        self._encoder: TextEncoder | None = None

    def forward(self, takes: list[dict[str, Any]], generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch = len(takes)
        device = next(self.transformer.parameters()).device
        video, reference = (each.to(device) for each in batch_video(takes))
        clean = self.autoencoder.encode(video).latent_dist.mode()
        reference = self.autoencoder.encode(reference).latent_dist.mode()
        text = self._text(takes).to(device)

        chance = torch.rand(batch, 3, generator=generator)
        text = text * (chance[:, 0] >= self.drop[0]).to(text)[:, None, None]
        _, pose, camera, both = self.drop
        roll = chance[:, 1]
        neither = roll < both
        present = {
            "pose": ~(neither | ((roll >= both) & (roll < both + pose))),
            "camera": ~(neither | ((roll >= both + pose) & (roll < both + pose + camera))),
        }
        known = (chance[:, 2] < self.know).to(device)

        t = training_times(batch, self.shift, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        noisy = add_noise(clean, noise, t)
        # The known frame comes from an imperfect earlier window: a little noise keeps errors from adding up.
        slightly = clean[:, :, :1] + 0.1 * torch.randn(clean[:, :, :1].shape, generator=generator).to(device)
        first = torch.where(known.view(-1, 1, 1, 1, 1), slightly, noisy[:, :, :1])
        noisy = torch.cat([first, noisy[:, :, 1:]], dim=2)

        tokens = self.adapter.encode(batch_signals(takes).to(device), present)
        raw = self.transformer(
            mini_input(noisy, t, reference, known),
            1000 * t,
            text,
            attention_kwargs={ATTENTION_KEY: {self.adapter.adapter_name: tokens}},
            return_dict=False,
        )[0]
        predicted = mini_output(raw, reference)
        weight = self._importance(takes, clean.shape).to(device)
        weight[:, :, :1] *= (~known).to(weight).view(-1, 1, 1, 1, 1)
        return flow_matching(predicted, clean, weight)

    def _importance(self, takes: list[dict[str, Any]], shape: torch.Size) -> torch.Tensor:
        """Weight of each latent position [B, 1, F, h, w]: `people` where a person is seen."""
        mask = torch.stack([torch.from_numpy(take["silhouette"]) for take in takes]).float()
        cells = nn.functional.adaptive_max_pool2d(mask, shape[-2:])
        grouped = torch.cat([cells[:, :1], cells[:, 1:].unflatten(1, (-1, 4)).amax(2)], dim=1)
        return (1 + (self.people - 1) * grouped).unsqueeze(1)

    def _text(self, takes: list[dict[str, Any]]) -> torch.Tensor:
        new = sorted({take["caption"] for take in takes} - set(self._prompts))
        if new:
            self._encoder = self._encoder or TextEncoder()
            self._prompts.update(zip(new, self._encoder(new, self.text_tokens).half(), strict=True))
        return torch.stack([self._prompts[take["caption"]] for take in takes]).float()


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    weights: str,
    joint: bool = True,
    steps: int = 6000,
    batch: int = 16,
    frames: int = 17,
    rate: float = 6e-4,
    warmup: int = 200,
    decay: float = 0.25,
    shift: float = 10.0,
    people: float = 16.0,
    know: float = 0.3,
    width: int = 256,
    layers: int = 6,
    motion_width: int = 128,
    rank: int = 128,
    capacity: int = 768,
    reuse: float = 4.0,
    workers: int = 1,
    save_seconds: float = 300.0,
    compile: bool = False,
    start_from: str | None = None,
    library: str | None = None,
    licence: str = "any",
) -> Path:
    """Trains mini.

    Args:
        out: folder for checkpoints; the result is exported to `out/export` in the layout of the embedded weights.
        minutes: stops (with a checkpoint) after that time.
        device: `cpu` or `cuda`.
        seed: of everything random.
        weights: folder with `autoencoder/`, and with `transformer/` where joint is False.
        joint: train transformer and adapter together; False freezes the transformer.
        steps, batch, rate, warmup, decay: see TrainerConfig.
        frames: of each film, 4k + 1; fewer train faster.
        shift, people, know: see MiniTask.
        width, layers, motion_width, rank: size of new models.
        capacity, reuse, workers: see Reservoir.
        compile: compile each block (needs a C++ compiler on the CPU).
        start_from: an exported folder whose weights the run starts from.
        library, licence: of the motion.
    """
    torch.manual_seed(seed)
    form = MiniFormat(frames=frames)
    autoencoder = AutoencoderPatchPCA.from_pretrained(Path(weights) / "autoencoder")
    transformer, adapter = _models(
        Path(start_from) if start_from else None,
        None if joint else Path(weights),
        autoencoder.config.latent_channels,
        width,
        layers,
        motion_width,
        rank,
    )
    transformer.requires_grad_(joint)
    attach(transformer, adapter)
    task = MiniTask(
        transformer,
        adapter,
        autoencoder,
        know=know,
        people=people,
        shift=shift,
        text_tokens=form.text_tokens,
    ).to(device)
    if compile:
        for block in transformer.blocks:
            block.compile()
    config = TrainerConfig(
        steps=steps, learning_rate=rate, warmup=warmup, decay=decay, seed=seed, save_seconds=save_seconds
    )
    trainer = Trainer(task, task, config, out)
    trainer.resume()
    reservoir = Reservoir(TakeFilm(form, seed, library, licence), capacity, batch, reuse, seed, workers)
    trainer.run(reservoir.batches(trainer.step), minutes)
    trainer.averaged()
    detach(transformer)
    export(out / "export", transformer, adapter, autoencoder)
    return out / "export"


def export(
    folder: Path,
    transformer: WanTransformer3DModel,
    adapter: TokenMotionAdapter,
    autoencoder: AutoencoderPatchPCA,
) -> None:
    """Saves a pipeline folder: bf16 safetensors shards of at most 15 MB."""
    for name, model in (("transformer", transformer), (adapter.adapter_name, adapter)):
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        model.save_pretrained(folder / name, max_shard_size="15MB")
    autoencoder.save_pretrained(folder / "autoencoder")
    for config in folder.glob("*/config.json"):
        facts = json.loads(config.read_text())
        facts.pop("_name_or_path", None)  # where this machine keeps its files is nobody's business
        config.write_text(json.dumps(facts, indent=2) + "\n")
    (folder / "pipeline.json").write_text(
        json.dumps({"backbone": "mini", "format": asdict(MiniFormat())}, indent=1)
    )


def _models(
    start: Path | None,
    frozen: Path | None,
    channels: int,
    width: int,
    layers: int,
    motion_width: int,
    rank: int,
) -> tuple[WanTransformer3DModel, TokenMotionAdapter]:
    load: dict[str, Any] = {"torch_dtype": torch.float32}
    folder = start or frozen
    if folder is not None:
        transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", **load)
    else:
        transformer = make_mini(channels, width, layers)
    if start is not None and (start / "tokenmotion").is_dir():
        adapter = TokenMotionAdapter.from_pretrained(start / "tokenmotion", **load)
    else:
        adapter = TokenMotionAdapter(
            hidden_size=transformer.config.num_attention_heads * transformer.config.attention_head_dim,
            blocks=tuple(range(0, len(transformer.blocks), 2)),
            motion_width=motion_width,
            heads=max(1, motion_width // 32),
            first_width=motion_width // 2,
            rank=rank,
        )
    return transformer, adapter
