"""How often a described motion is called what it is: `kinema describe` against the nearest clip of the train split.

    OMP_NUM_THREADS=1 python benchmarks/motion_captions.py [--clips 192]

Clips of the splits `test` and `test_combo` (pairs of content and style that were never seen together). Figures: share of
right contents and styles; of turning clips, right side of the turn; of raised or waved hands, right side. `nearest` takes
labels and side of the train clip whose vector by the same matcher is nearest; `most common` the commonest label.
Intervals are of the paired bootstrap over clips.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

import numpy as np

from kinema.data.motion_captions import PHRASES, STYLE_OF_LABEL
from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.evaluation.captions import MotionDescriber, plain_content
from motion_hooks import compared


def labels(clip: MotionClip) -> tuple[str, str]:
    """Content and style of a clip."""
    return plain_content(clip.labels.get("content", "")), STYLE_OF_LABEL.get(clip.labels.get("style", ""), "")


def side_of(content: str) -> str | None:
    """The side that a content names."""
    return next((side for side in ("left", "right", "both") if side in content.split("-")), None)


def judged(clip: MotionClip, way: str, content: str, style: str, side: str | None) -> dict[str, Any]:
    """One row."""
    true, manner = labels(clip)
    row: dict[str, Any] = {"case": clip.id, "way": way, "content": float(content == true)}
    row["style"] = float(style == manner) if manner else float("nan")
    named = side_of(true)
    turns = true.startswith("walk-turn")
    row["turn side"] = float(side == named) if turns else float("nan")
    row["hand side"] = float(side == named) if named and "hand" in true else float("nan")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=192)
    args = parser.parse_args()
    library = MotionLibrary.open()
    train = [clip for clip in library.split("train") if labels(clip)[0] in PHRASES]
    describe = MotionDescriber()
    known = describe.judge.motions([clip.motion() for clip in train])
    common = [Counter(each).most_common(1)[0][0] for each in zip(*map(labels, train), strict=True)]
    for split in ("test", "test_combo"):
        clips = [clip for clip in library.split(split) if labels(clip)[0] in PHRASES]
        chosen = np.random.default_rng(0).permutation(len(clips))[: args.clips]
        rows = []
        for clip in (clips[int(n)] for n in chosen):
            motion = clip.motion()
            part = max(describe(motion), key=lambda each: each.end - each.start)
            turned = "left" if part.degrees > 0 else "right"
            side = turned if labels(clip)[0].startswith("walk-turn") else part.hands
            rows.append(judged(clip, "describe", part.content, part.style, side))
            near = train[int(np.argmax(known @ describe.judge.motions([motion])[0]))]
            rows.append(judged(clip, "nearest", *labels(near), side_of(labels(near)[0])))
            rows.append(judged(clip, "most common", *common, side_of(common[0])))
        print(json.dumps({split: compared(rows, "nearest")}, indent=1), flush=True)


if __name__ == "__main__":
    main()
