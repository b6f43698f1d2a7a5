"""Motion files read as they are: metres, Y up, no foot moved to the floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion

AS_IT_IS: dict[str, Any] = {"unit": "m", "up": "y", "ground": "keep", "skip_frames": 0}
"""Words that leave nothing to be guessed."""


def exactly(path: Path, **words: Any) -> Motion:
    """The motion of a BVH file, one unit a metre unless `words` say otherwise."""
    return read_motion(path, **{"format": "bvh", **AS_IT_IS, **words})
