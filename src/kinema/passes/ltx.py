"""LTX-2 and 2.3 with IC-LoRAs: a reference film, be it the stage's, skeletons or depth; a first frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kinema.passes.drawing import inverse_depth_of, skeletons
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot
from kinema.signals.depth_map import relative_depth_film
from kinema.signals.skeleton_map import SkeletonStyle

DRAWN_AT, LINE_WIDTH = 512, 4  # pixels (ours): DWPose's own; what the LoRAs were trained on is not published


@register
class Ltx(Profile):
    """`order`: rgb or bgr of skeletons, because which one the weights saw is not published: try both."""

    name = "ltx"
    title = "LTX-2 and LTX-2.3 with IC-LoRAs (Union-Control, Pose, Depth, motion and camera transfer)"
    source = (
        "diffusers: LTX2InContextPipeline (pipeline_ltx2_ic_lora.py); Lightricks/LTX-2#19 ('DWPose video')"
    )
    form = PassForm((768, 512), 24.0, multiple=32, frame_step=8, longest=257)
    follows = frozenset({"pose", "camera", "depth"})
    parts = ("body", "hands", "face")
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"order": ("rgb", "bgr")}

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        swapped = options.extra.get("order") == "bgr"
        style = SkeletonStyle.dwpose(LINE_WIDTH, swapped=swapped, shrunk=DRAWN_AT / min(shot.size))
        goes = "frames of LTX2ReferenceCondition, reference_conditions= of LTX2InContextPipeline"
        made = []
        if shot.camera is not None:
            made.append(
                Pass("driving", "film", shot.film, f"{goes}, with a LoRA that transfers motion or camera")
            )
        made.append(
            Pass(
                "pose",
                "film",
                skeletons(shot, style, self.shown(options)),
                f"{goes}, with Union-Control or Pose",
            )
        )
        if shot.camera is not None:
            depth = relative_depth_film(inverse_depth_of(shot))
            made.append(Pass("depth", "film", depth, f"{goes}, with Union-Control or Depth"))
        if shot.picture is not None:
            first = filled(shot.picture, shot.size)
            made.append(Pass("start", "picture", first, "frames of LTX2VideoCondition(index=0), conditions="))
        return made

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "One of the films at a time. Union-Control 'ref0.5': reference_downscale_factor=2; the pipeline shrinks it.",
            "121 frames at 24 fps; sides multiples of 32, of 64 with the second stage that doubles them.",
            "30 steps, guidance 3; distilled: 8 steps, guidance 1.",
            "Whether skeletons are RGB or BGR is not published: where people come out wrong, try --set order=bgr.",
        ]
