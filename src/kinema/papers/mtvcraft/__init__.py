"""MTVCraft (ICLR 2026): human motion as discrete 4D tokens, read by the video tokens through motion attention."""

from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.papers.mtvcraft.loading import MTVCraftCheckpoint
from kinema.papers.paper import Paper

PAPER = Paper(
    name="mtvcraft",
    title="MTVCraft: Tokenizing 4D Motion for Arbitrary Character Animation",
    arxiv="2505.10238",
    parts={"adapter": MTVCraftAdapter, "checkpoint": MTVCraftCheckpoint},
    reads=("joints", "cameras", "intrinsics"),
)
