"""SCAIL-2 (2606.10804): a driving film as it was shot, and who is who in it by colours; the same of the picture."""

from __future__ import annotations

import numpy as np

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot

COLOURS = ((0, 0, 255), (255, 0, 0), (0, 255, 0), (255, 0, 255), (0, 255, 255), (255, 255, 0))
"""Of the people in their order: blue, red, green, magenta, cyan, yellow; a channel counts from 225 on."""


@register
class Scail2(Profile):
    """The film, its identity masks, and the masks of the picture's people, counted from the left as the scene's are."""

    name = "scail-2"
    title = "SCAIL-2 14B"
    source = "SCAIL-2's README; Comfy-Org/ComfyUI: comfy_extras/nodes_scail.py (WanSCAILToVideo)"
    form = PassForm((896, 512), 16.0, multiple=32, frame_step=4, people=len(COLOURS), longest=81)
    follows = frozenset({"pose", "camera"})
    needs_scene = True
    replaces = True
    reads_picture_people = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        ground, other = (255, 0) if options.replace else (0, 255)
        made = [
            Pass("driving", "film", shot.film, "the driving video; pose_video of WanSCAILToVideo"),
            Pass(
                "identities",
                "film",
                coloured(shot.person_ids, ground),
                "masks of the driving video; pose_video_mask of WanSCAILToVideo: people in their colours on "
                f"{'white' if ground else 'black'}",
                exact=True,
            ),
        ]
        if shot.picture is not None:
            made.append(
                Pass(
                    "reference",
                    "picture",
                    filled(shot.picture, shot.size),
                    "the reference picture; reference_image of WanSCAILToVideo",
                )
            )
        if shot.picture_people is not None:
            ids = np.zeros(shot.picture_people.shape[1:], np.uint8)
            for number, mask in enumerate(shot.picture_people):
                ids[mask] = number + 1
            made.append(
                Pass(
                    "reference_identities",
                    "picture",
                    filled(coloured(ids[None], other)[0], shot.size, sharp=True),
                    "masks of the picture; reference_image_mask of WanSCAILToVideo: people in their colours on "
                    f"{'white' if other else 'black'}",
                )
            )
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.picture is None:
            return ["no picture: scail-2 needs one, with its people in the same colours"]
        if shot.picture_people is None:
            return ["nobody was found in the picture: draw reference_identities by hand, in the same colours"]
        return []

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "Sides are multiples of 32, 512 or 704 the shorter one; 81 frames at 16 fps, windows share 5.",
            "UniPC, 40 steps, guidance 5, shift 3; with the lightx2v LoRA at 0.8: 6 steps, guidance 1, shift 5.",
            "Colours of masks are exact: they are written without loss, and must not be compressed or resized smoothly.",
            f"replacement_mode is {'on' if options.replace else 'off'}.",
            "Colours go by the scene's people in their order, and by the picture's from the left: the first is blue.",
        ]


def coloured(ids: np.ndarray, ground: int) -> np.ndarray:
    """People in their colours, uint8 [T, H, W, 3].

    Args:
        ids: 0 nobody, p + 1 person p, uint8 [T, H, W].
        ground: grey level where nobody is.
    """
    table = np.array([(ground,) * 3, *COLOURS], np.uint8)
    return table[np.minimum(ids, len(COLOURS))]
