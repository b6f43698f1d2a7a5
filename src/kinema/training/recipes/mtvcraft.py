"""Recipe `mtvcraft`: MTVCraft's motion attention (arXiv 2505.10238), with its backbone frozen, by LoRA, or trained.

    kinema train mtvcraft --data data.toml --set model.tokenizer=runs/4dmot/tokenizer --out runs/mtvcraft

Of the paper and its public code: CogVideoX-5B or Wan2.1-I2V-14B, 49 frames of 512 x 512, the whole backbone fine-tuned
(`model.train_backbone=all`), motion tokens replaced at random by the learned tokens of no motion. Ours, because neither
says: batch 32, rate 1e-5 for a backbone that trains, betas, warm-up, steps, how often motion and text are left out, and
the default of a LoRA, which fits where 5 billion weights with their moments do not. The backbone by default is
CogVideoX-5B-I2V, whose picture is its first frame; the published model is `--backbone cogvideox-5b --set
model.picture=repeat`, which repeats it on every frame and reads no text.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinema.training.frozen import AdapterModel
from kinema.training.objectives import MaskTerm, Objectives
from kinema.training.recipes import control
from kinema.training.sources import VideoData
from kinema.training.trainer import TrainerConfig
from kinema.training.video_task import Conditions

run = control.run


@dataclass(frozen=True)
class Recipe(control.Recipe):
    """MTVCraft with its paper's settings."""

    model: AdapterModel = AdapterModel("mtvcraft", "cogvideox-5b-i2v", train_backbone="lora")
    data: VideoData = VideoData(batch=32, frames=49)
    conditions: Conditions = Conditions(drop_text=0.1, drop_pose=0.1, drop_camera=0.0, drop_both=0.0)
    objectives: Objectives = Objectives(mask=MaskTerm(0.0))
    trainer: TrainerConfig = TrainerConfig(
        steps=20_000, learning_rate=1e-5, warmup=500, betas=(0.9, 0.95), validate_steps=0
    )
