"""The rows of the papers' ablation tables, how each is made from adapter and recipe options, and what was published.

Numbers are the papers' FVDs, lower is better: arXiv 2504.08181 (TokenMotion), 2505.10238 (MTVCraft), 2508.17404 (MoSA).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        name: in file names and on the command line.
        says: what the paper calls it.
        fvd: as published; None where our sources give no number.
        options: of the adapter.
        settings: of recipe `control`, where they differ.
        form: of a tokenizer that is trained for this row; None for the one that is given.
        trained: False for the frozen transformer without any adapter.
        ours: no row of the paper; not among the default rows.
    """

    name: str
    says: str
    fvd: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    form: str | None = None
    trained: bool = True
    ours: bool = False


@dataclass(frozen=True)
class System:
    """A paper's table.

    Args:
        rows: the full model first.
        orderings: (better, worse) as published.
        absent: rows that are not measured here, and why.
        settings: of recipe `control`, of all rows.
    """

    rows: tuple[Row, ...]
    orderings: tuple[tuple[str, str], ...]
    absent: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


SYSTEMS = {
    "tokenmotion": System(
        rows=(
            Row("full", "full model", 361.03),
            Row("summed", "no decouple-and-fuse", 890.39, {"decouple_and_fuse": False}),
            Row("learnable_mask", "learnable mask alone", options={"mask": "learnable"}),
            Row("no_control", "the backbone without control", 402.34, trained=False),
            Row(
                "controlnet",
                "tokens added instead of cross-attended",
                options={"conditioning": "controlnet"},
                ours=True,
            ),
            Row("drawn_mask", "drawn mask alone", options={"mask": "prior"}, ours=True),
            Row(
                "literal_prior",
                "prior of strength 1, fixed",
                options={"prior_strength": 1.0, "learn_prior": False},
                ours=True,
            ),
        ),
        orderings=(
            ("full", "summed"),
            ("full", "learnable_mask"),
            ("full", "no_control"),
        ),
        absent={
            "no patchification, ControlNet-style (590.62)": "the encoders here always patchify; row `controlnet` changes "
            "how tokens enter, which is another intervention",
            "the joint model driven by the camera alone against a camera-only model": "recipe `control` has no "
            "option that withholds the pose from a whole training; and pose figures would not show it",
        },
    ),
    "mtvcraft": System(
        rows=(
            Row("full", "4D positions", 317),
            Row("dynamic", "dynamic positions", 383, {"rope": "dynamic"}),
            Row("learnable", "learnable positions", 398, {"rope": "learnable"}),
            Row("time", "positions in time only", 458, {"rope": "time"}),
            Row("none", "no positions", 548, {"rope": "none"}),
            Row("differential", "tokenizer with differencing, trained here", 317.21, form="differential"),
            Row("centred", "tokenizer without differencing, trained here", 325.40, form="centred"),
        ),
        orderings=(
            ("full", "dynamic"),
            ("full", "learnable"),
            ("full", "time"),
            ("full", "none"),
            ("dynamic", "learnable"),
            ("learnable", "time"),
            ("time", "none"),
            ("differential", "centred"),
        ),
        absent={
            "no quantisation (332.97)": "the adapter reads codes; a tokenizer trained without them has none that fit "
            "(round trips: docs/motion_tokenizer.md)",
            "no depth (329.86)": "a tokenizer of 2D joints does not exist here (round trips: docs/motion_tokenizer.md)",
        },
    ),
    "mosa": System(
        rows=(
            Row("full", "full model", 1093),
            Row("no_control", "the base model, without additional human data", 1360, trained=False),
            Row("no_hadc", "no HADC", 1188, {"hadc": False}),
            Row("no_mask_loss", "HADC without mask loss", 1112, {"mask_head": False}),
            Row("no_tracking", "no tracking loss", 1172, settings={"objectives.track.weight": "0"}),
            Row("static_tracking", "static weights", 1114, settings={"objectives.track.static": "true"}),
        ),
        orderings=(
            ("full", "no_control"),
            ("full", "no_hadc"),
            ("full", "no_mask_loss"),
            ("full", "no_tracking"),
            ("full", "static_tracking"),
            ("no_hadc", "no_control"),
            ("no_mask_loss", "no_hadc"),
            ("static_tracking", "no_tracking"),
        ),
        absent={
            "no structure branch (1262)": "the paper fine-tunes the base model itself on the human data; here the "
            "backbone stays frozen, and without the branch nothing is left to train",
            "HumanVid as the human data (1217)": "all rows are trained on films of the stage",
            "2D instead of 3D structure (1230)": "the paper exchanges what generates the structure; here all rows "
            "are given the true 3D motion, and recipe and pipeline draw skeletons in one style only",
            "no contact constraint (1108)": "L_cont shapes the generated motion, not the appearance branch that is "
            "trained here, and no object is filmed",
            "Wan 2.1 with MoSA (1108, from 1251)": "another backbone; only the embedded one is trained here",
        },
        settings={"objectives.track.weight": "0.01"},
    ),
}
