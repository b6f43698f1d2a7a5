"""Writes what was trained in the layout of the embedded weights, so that `load_pipeline` reads it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError

from kinema.training import ranks
from kinema.training.checkpoint import put_in_place, reason
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.network import MiniFormat


def export(folder: Path, trained: ranks.Prepared, autoencoder: AutoencoderPatchPCA) -> Path:
    """Saves a pipeline folder: bf16 safetensors shards of at most 15 MB, the adapter under its own name.

    The models' parameters are bf16 afterwards. Of several processes the first one writes.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    transformer, adapter = trained.gathered()
    if ranks.rank() == 0:
        fresh = folder.with_name(folder.name + ".new")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            for name, model in (("transformer", transformer), (adapter.adapter_name, adapter)):
                for parameter in model.parameters():
                    parameter.data = parameter.data.to(torch.bfloat16)
                model.save_pretrained(fresh / name, max_shard_size="15MB")
            autoencoder.save_pretrained(fresh / "autoencoder")
            for config in fresh.rglob("config.json"):
                facts = json.loads(config.read_text())
                facts.pop("_name_or_path", None)  # where this machine keeps its files is nobody's business
                config.write_text(json.dumps(facts, indent=2) + "\n")
            (fresh / "pipeline.json").write_text(
                json.dumps({"backbone": "mini", "format": asdict(MiniFormat())}, indent=1)
            )
            put_in_place(fresh, folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise OSError(
                f"cannot write {folder}: {reason(error)}; the training is safe in its checkpoint: make room, and "
                "start again with --resume"
            ) from error
    ranks.wait()
    return folder
