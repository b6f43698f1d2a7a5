"""Recipe `tokenmotion`: TokenMotion on a frozen CogVideoX-2B, as its paper trains it (arXiv 2504.08181).

    kinema train tokenmotion --data data.toml --preset 8x80gb --minutes 6000 --out runs/tokenmotion

Of the paper: CogVideoX-2B frozen, 49 frames of 384 x 256, HumanVid and RealEstate10K, the backbone's denoising loss,
sixteen GPUs. The paper is silent, and ours are: batch 16 (one sample for each of its GPUs), steps, rate 1e-4 with betas
0.9 and 0.95, 250 steps of warm-up, and how often text, pose and camera are left out. Image to video:
`--set model.picture=first`, which widens the patch embedding and trains it.
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
    """TokenMotion with its paper's settings."""

    model: AdapterModel = AdapterModel("tokenmotion", "cogvideox-2b")
    data: VideoData = VideoData(batch=16, frames=49, size=(384, 256))
    conditions: Conditions = Conditions(drop_text=0.1, drop_pose=0.1, drop_camera=0.1, drop_both=0.05)
    objectives: Objectives = Objectives(mask=MaskTerm(0.0))
    trainer: TrainerConfig = TrainerConfig(
        steps=30_000, learning_rate=1e-4, warmup=250, betas=(0.9, 0.95), validate_steps=0
    )
