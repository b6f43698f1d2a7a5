"""Recipe `mosa`: MoSA's structure blocks and HADC on a frozen backbone (arXiv 2508.17404).

    kinema train mosa --data data.toml --set objectives.track.tracker=cotracker3.pt --out runs/mosa

Of the paper: CogVideoX-5B (or `--backbone wan2.1-1.3b`), the denoising loss with the mask loss and the tracking loss of
CoTracker3 over pairs of frames, weighed by e^(|t - t'| / 2). Ours, because the paper gives no numbers: the lambdas, gaps
in latent frames and weights that add up to 1, batch, rate, warm-up, steps, drops, and the frozen backbone. Its contact
loss is one of 3D motion: `kinema train motion --set objectives.contact=0.01`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinema.training.frozen import AdapterModel
from kinema.training.objectives import MaskTerm, Objectives, TrackTerm
from kinema.training.recipes import control
from kinema.training.sources import VideoData
from kinema.training.trainer import TrainerConfig
from kinema.training.video_task import Conditions

run = control.run


@dataclass(frozen=True)
class Recipe(control.Recipe):
    """MoSA with its paper's settings."""

    model: AdapterModel = AdapterModel("mosa", "cogvideox-5b")
    data: VideoData = VideoData(batch=16, frames=49)
    conditions: Conditions = Conditions(drop_text=0.1, drop_pose=0.1, drop_camera=0.0, drop_both=0.0)
    objectives: Objectives = Objectives(mask=MaskTerm(0.1), track=TrackTerm(0.01, pairs="all"))
    trainer: TrainerConfig = TrainerConfig(
        steps=20_000, learning_rate=1e-4, warmup=250, betas=(0.9, 0.95), validate_steps=0
    )
