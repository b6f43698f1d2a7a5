"""What papers measured and printed: their sets, forms and numbers, and which of our metrics stands beside each.

Numbers are those of the papers' tables, copied; nothing here was measured by us. A paper's number is named with what is
known of how it came about, and what is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """A row of a protocol's table.

    Args:
        title: as papers print it.
        label: of our metric, without its hash.
        printed: system -> the paper's number.
        note: how the paper's convention differs from ours, or is not known.
        factor: ours is shown so many times as large.
    """

    title: str
    label: str
    printed: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    factor: float = 1.0


@dataclass(frozen=True)
class Protocol:
    """A protocol of a paper.

    Args:
        name: as it is asked for.
        title: of its table.
        kind: of the data set, a name of `READERS`; empty where there are prompts alone.
        gives: what drives the videos, of pose and camera.
        clips: of the test set, at most.
        prompt: where a clip has no caption.
        rule: which clips are the test set, in words.
        figures: rows of the table.
        conventions: what else differs from the paper, or is not known, a sentence each.
        cameras: whether camera errors are part of it.
        people: whether PoseErr and DetErr are.
        rough: whether a rough take stands beside it, the best answer without learning.
    """

    name: str
    title: str
    kind: str
    gives: tuple[str, ...]
    clips: int
    prompt: str
    rule: str
    figures: tuple[Figure, ...]
    conventions: tuple[str, ...]
    cameras: bool = False
    people: bool = False
    rough: bool = False


TIKTOK_TEST = range(335, 341)
"""Sequences of the TikTok set that DisCo's authors name as their test part (DisCo, issue 27)."""

_FVD = (
    "Which frames, preprocessing and covariance a paper took is mostly not said; covariance by n or n - 1 alone is 7 % "
    "at 16 clips."
)
_OURS_FRAMES = (
    "Clips are cut to the model's length, rate and size, from their beginning; papers differ or do not say."
)

TIKTOK = Protocol(
    "tiktok",
    "TikTok: a person of a picture moves like a dance (DisCo's protocol, MTVCraft's table)",
    "tiktok",
    ("pose", "camera"),
    6,
    "a person is dancing",
    "sequences 335 to 340 of the TikTok set, which DisCo's authors name as their test part",
    (
        Figure(
            "L1", "l1[rgb]", note="Papers print L1 divided by the number of pixels twice: l1[disco-twice]."
        ),
        Figure(
            "PSNR",
            "psnr[rgb]",
            note="Published PSNR above 25 dB is mostly DisCo's uint8 overflow: 18.18 became 29.49.",
        ),
        Figure("PSNR, DisCo's overflow", "psnr[disco-uint8-overflow]"),
        Figure(
            "SSIM",
            "ssim[gaussian]",
            note="DisCo's is of grey pictures with uniform 7x7 windows: ssim[disco-grey-uniform-7].",
        ),
        Figure("SSIM, DisCo's", "ssim[disco-grey-uniform-7]"),
        Figure("LPIPS", "lpips[vgg]", note="DisCo's script feeds [0, 1] where the network wants [-1, 1]."),
        Figure("LPIPS, DisCo's", "lpips[disco-vgg-unscaled]"),
        Figure("FID", "fid[inception-2015]", note="DisCo uses pytorch-fid's port of this network."),
        Figure("FVD", "fvd[disco-i3d-logits]", note=_FVD),
        Figure(
            "FID-VID",
            "fid-vid[disco-resnet3d-50]",
            {"MTVCrafter": 6.98},
            "One public script takes overlapping windows, another segments of a video: ours takes segments.",
        ),
    ),
    (
        "DisCo's ten test videos were 335 to 340 of the public set and others that were never released: this part "
        "alone can be had, so published numbers stand beside another set.",
        "Public scripts replace clips that cannot be read by others at random; here they are failures.",
        _OURS_FRAMES,
        "The picture is the clip's first frame (ours).",
    ),
    rough=True,
)

HUMANVID = Protocol(
    "humanvid",
    "HumanVid: people and camera together (TokenMotion's joint control)",
    "humanvid",
    ("pose", "camera"),
    100,
    "a person",
    "100 clips in the order of a hash of seed and name (ours: neither TokenMotion nor HumanVid publishes a list)",
    (
        Figure(
            "LPIPS",
            "lpips[vgg]",
            {"TokenMotion T2V": 0.46},
            "The paper does not say which network its LPIPS has.",
        ),
        Figure("FID", "fid[inception-2015]", {"TokenMotion T2V": 82.36}),
        Figure(
            "FVD",
            "fvd[styleganv-i3d]",
            {
                "TokenMotion T2V": 361.03,
                "TokenMotion I2V": 332.27,
                "MotionBooth": 795.59,
                "ImageConductor I2V": 878.59,
                "CogVideoX-2B, no control": 402.34,
            },
            _FVD,
        ),
        Figure(
            "PoseErr, px",
            "pose-err[JUDGE-found]",
            {"TokenMotion T2V": 45.24, "MotionBooth": 165.49, "Direct-a-Video": 117.39, "MotionCtrl": 114.65},
            "Matching, the judge and what becomes of a miss are not stated; ours leaves misses out in this row.",
        ),
        Figure(
            "PoseErr, misses count", "pose-err[JUDGE]", note="ours: a miss costs half the person's height"
        ),
        Figure(
            "DetErr, %",
            "det-err[JUDGE]",
            {"TokenMotion T2V": 2.50, "MotionBooth": 13.19, "Direct-a-Video": 7.00},
        ),
        Figure("RotErr, deg", "rot-err[colmap-set-mean-deg]"),
        Figure("pycolmap failed, %", "colmap-failed[pycolmap]"),
    ),
    (
        "The paper's test clips, their number and its captions are not published.",
        _OURS_FRAMES,
        "People come from scenes that capture found, or that you give, not from HumanVid's own keypoints.",
        "KptsErr has no public definition and is left out.",
    ),
    cameras=True,
    people=True,
    rough=True,
)

RE10K = Protocol(
    "re10k",
    "RealEstate10K: the camera alone (CameraCtrl's protocol, TokenMotion's camera-only row)",
    "realestate10k",
    ("camera",),
    1000,
    "a room",
    "1000 clips of the test part in the order of a hash of seed and name (CameraCtrl draws 1000 at random, and does not "
    "publish which)",
    (
        Figure(
            "RotErr, mean deg",
            "rot-err[colmap-set-mean-deg]",
            {"TokenMotion": 0.71, "MotionCtrl": 1.79},
            "TokenMotion prints degrees and does not say whether they are a sum or a mean.",
        ),
        Figure(
            "RotErr, sum rad",
            "rot-err[colmap-set-sum]",
            {"COLMAP's own floor": 1.02},
            "A sum grows with the clip's length.",
        ),
        Figure(
            "TransErr, sum",
            "trans-err[colmap-set-sum]",
            {"TokenMotion": 5.19, "MotionCtrl": 14.14, "COLMAP's own floor": 6.93},
            "Each path is divided by its own largest distance, as public code does; CameraCtrl's script is not public.",
        ),
        Figure(
            "CamMC, sum",
            "cam-mc[colmap-set-sum]",
            note="as public code after MotionCtrl: Frobenius distance of [R|t]",
        ),
        Figure(
            "TransErr, best scale", "trans-err[colmap-set-best-scale]", note="ours: mean, in the set's unit"
        ),
        Figure(
            "pycolmap failed, %",
            "colmap-failed[pycolmap]",
            note="papers drop such clips and do not say how many",
        ),
        Figure("FVD", "fvd[styleganv-i3d]", note=_FVD),
        Figure("CLIPSIM", "clipsim[clip]"),
    ),
    (
        "CameraCtrl measures 16 frames; here a clip has the model's own length, and sums grow with it.",
        "CameraCtrl's random clips are not published: the order is by a hash of the seed (ours).",
        "COLMAP's own floor stands as published for the set's real videos; ours is the column of the round trip.",
        "COLMAP's settings in the papers are not published; here it is told the set's focal length.",
    ),
    cameras=True,
)

MOSA = Protocol(
    "mosa-prompts",
    "Prompts of people who move (MoSA's 300 prompts)",
    "",
    ("pose", "camera"),
    300,
    "",
    "the lines of your file; or 300 prompts built of who, what and where (ours: MoSA's are not published)",
    (
        Figure("FVD", "fvd[styleganv-i3d]", {"MoSA": 1093, "HunyuanVideo": 1235, "Wan2.1": 1251, "CogVideoX-5B": 1360},
               "Against which real videos MoSA measured is not published: give yours by --reference."),
        Figure("CLIPSIM", "clipsim[clip]", {"MoSA": 0.3035, "Wan2.1": 0.2951}),
        Figure("subject consistency, %", "subject-consistency[vbench-dino]", {"MoSA": 96.83}, factor=100),
        Figure("background consistency, %", "background-consistency[vbench-clip]", {"MoSA": 97.43}, factor=100),
        Figure("motion smoothness, %", "motion-smoothness[vbench-interpolation]", {"MoSA": 99.25}, factor=100),
        Figure("dynamic degree, %", "dynamic-degree[vbench-flow]", {"MoSA": 52.86}, factor=100),
        Figure("imaging quality, %", "imaging-quality[vbench-quality]", {"MoSA": 65.43}, factor=100),
    ),
    (
        "MoSA's prompts and its reference videos are not published.",
        "VBench's consistencies and smoothness are won by a still picture: see the column that holds the first frame.",
        "Background consistency is CLIP's on whole frames, as VBench has it.",
        _OURS_FRAMES,
    ),
)  # fmt: skip

PROTOCOLS: dict[str, Protocol] = {each.name: each for each in (TIKTOK, HUMANVID, RE10K, MOSA)}


def prompts_by_rule(count: int = 300) -> list[str]:
    """Prompts of people who move, each once: who, what and where, in a fixed order (ours)."""
    who = ("a woman", "a man", "a girl in a red coat", "an old man with a hat", "a dancer", "a boy")
    what = (
        "walks forward",
        "runs and stops",
        "waves with the right hand",
        "jumps on the spot",
        "turns around",
        "sits down and stands up",
        "raises both arms",
        "kicks with the left leg",
        "dances",
        "bows",
    )
    where = (
        "in a park",
        "on a beach at sunset",
        "in an empty studio",
        "on a city street",
        "in a snowy field",
    )
    every = [f"{person} {action} {place}" for action in what for place in where for person in who]
    return every[:count]
