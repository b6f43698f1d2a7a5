"""Writes what was trained in the layout of the embedded weights, so that `load_pipeline` reads it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel

from kinema.appearance.adapters.adapter import ControlAdapter
from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.mini import MiniFormat


def export(
    folder: Path,
    transformer: WanTransformer3DModel,
    adapter: ControlAdapter,
    autoencoder: AutoencoderPatchPCA,
) -> Path:
    """Saves a pipeline folder: bf16 safetensors shards of at most 15 MB, the adapter under its own name.

    The models' parameters are bf16 afterwards.
    """
    for name, model in (("transformer", transformer), (adapter.adapter_name, adapter)):
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        model.save_pretrained(folder / name, max_shard_size="15MB")
    autoencoder.save_pretrained(folder / "autoencoder")
    for config in folder.rglob("config.json"):
        facts = json.loads(config.read_text())
        facts.pop("_name_or_path", None)  # where this machine keeps its files is nobody's business
        config.write_text(json.dumps(facts, indent=2) + "\n")
    (folder / "pipeline.json").write_text(
        json.dumps({"backbone": "mini", "format": asdict(MiniFormat())}, indent=1)
    )
    return folder
