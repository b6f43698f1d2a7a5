"""Writes what was trained so that `load_pipeline` reads it: the adapter alone, or a whole pipeline of a small family."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError

from kinema.training import ranks, whereabouts
from kinema.training.backbone import save_backbone
from kinema.training.checkpoint import put_in_place, reason
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import family
from kinema.video.trained_adapters import BACKBONE


@dataclass(frozen=True)
class Export:
    """What is exported.

    Args:
        whole: the transformer and all else of the pipeline beside the adapter; where none, as the family does it.
        shard: largest file, in the way diffusers writes sizes.
    """

    whole: bool | None = None
    shard: str = "15MB"


def export(folder: Path, trained: ranks.Prepared, model: VideoModel, config: Export | None = None) -> Path:
    """Saves bf16 safetensors shards, the adapter under its own name, with the name of its backbone in its config.

    The parameters of what is saved are bf16 afterwards. Of several processes the first one writes.

    Raises:
        OSError: it cannot be written; what was there before still is.
        ValueError: a whole pipeline of a family that is exported without.
    """
    config, kind = config or Export(), family(model.family)
    whole = kind.exports_whole if config.whole is None else config.whole
    if whole and not kind.exports_whole:
        raise ValueError(f"{model.name} is not exported whole: its adapter alone is (export.whole=false)")
    transformer, adapter = trained.gathered(frozen=whole)
    assert adapter is not None
    if ranks.rank() == 0:
        fresh = folder.with_name(folder.name + ".new")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            for name, part in (("transformer", transformer), (adapter.adapter_name, adapter)):
                if name == "transformer" and not whole:
                    continue
                for parameter in part.parameters():
                    parameter.data = parameter.data.to(torch.bfloat16)
                part.save_pretrained(fresh / name, max_shard_size=config.shard)
            if not whole:
                save_backbone(transformer, fresh, model)
            if whole:
                kind.save_rest(model, fresh)
            for file in fresh.rglob("config.json"):
                facts = json.loads(file.read_text())
                facts.pop("_name_or_path", None)  # where this machine keeps its files is nobody's business
                if file.parent.name == adapter.adapter_name:
                    facts[BACKBONE] = model.name
                file.write_text(json.dumps(facts, indent=2) + "\n")
            put_in_place(fresh, folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise OSError(
                f"cannot write {folder}: {reason(error)}; the training is safe in its checkpoint: make room, and "
                "start again with --resume"
            ) from error
    whereabouts.wait("writing the export")
    return folder
