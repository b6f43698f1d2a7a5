"""One self-contained HTML file of `kinema evaluate videos` or `kinema compare`: figures, and the worst clips to look at.

Nothing is loaded from anywhere. Videos are sheets of frames (WebP), drawn on canvases by one clock, so that every
column shows the same moment, frame by frame, in every browser. All text is put in as text, never as markup.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from kinema.evaluation.metrics.keypoint_error import COUNTED_CONFIDENCE
from kinema.evaluation.metrics.part_colours import BONES
from kinema.evaluation.protocols.videos_bench import SeenSet
from kinema.evaluation.report_page import PAGE
from kinema.scene.formats.files import atomic_write

CLIPS = 12
"""Clips whose videos are in the report at most."""

BUDGET = 48 << 20
"""Bytes of pictures at most; clips beyond are listed without videos."""

SIDE = 320
"""Pixels of the longer side of a shown video at most."""

QUALITY = 90


def write_html(path: str | Path, report: Mapping[str, Any], columns: Mapping[str, SeenSet]) -> None:
    """Writes the report.

    Args:
        path: the file, written completely or not at all.
        report: of `evaluate_videos` or `compare_videos`.
        columns: what stands side by side: title -> clip -> what was seen in it.

    Raises:
        ValueError: not an .html name.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path}: name the report .html")
    order = worst_first(report)
    shown: dict[str, Any] = {}
    spent = 0
    for name in order[:CLIPS]:
        videos = {title: sheet(seen[name]) for title, seen in columns.items() if name in seen}
        spent += sum(len(video["picture"]) for video in videos.values())
        if shown and spent > BUDGET:
            break
        shown[name] = videos
    data = {
        "report": report,
        "order": order,
        "columns": list(columns),
        "videos": shown,
        "bones": [list(pair) for pairs in BONES.values() for pair in pairs],
    }
    text = PAGE.replace("@DATA@", script_json(data))
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def worst_first(report: Mapping[str, Any]) -> list[str]:
    """The clips, failed ones first, then by their mean rank over the metrics that have a better side.

    Metrics that the ladder did not admit do not count. In a comparison a clip is as bad as the worse of A and B.
    """
    metrics = {
        name: row["better"]
        for name, row in report["metrics"].items()
        if row["better"] and row["status"] in ("admitted", "untested")
    }
    badness = np.zeros(len(report["clips"]))
    for metric, better in metrics.items():
        sign = -1.0 if better == "higher" else 1.0
        worst = np.array([_worst(clip["scores"], metric, sign) for clip in report["clips"]], np.float64)
        known = np.isfinite(worst)
        ranks = np.full(len(worst), 0.5)
        if known.sum() > 1:
            ranks[known] = np.argsort(np.argsort(worst[known], kind="stable"), kind="stable") / (
                known.sum() - 1
            )
        badness += ranks
    keys = [(clip["failed"] is None, -badness[i], clip["clip"]) for i, clip in enumerate(report["clips"])]
    return [name for _, _, name in sorted(keys)]


def sheet(seen: Any) -> dict[str, Any]:
    """A video as one picture of all its frames in rows, with its keypoints.

    Returns:
        picture (a data address), size of a frame on it, columns, frames, fps, keypoints [T][18] as [x, y] or null.
    """
    frames = seen.frames()
    height, width = frames.shape[1:3]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    per_row = max(1, int(np.ceil(np.sqrt(len(frames) * size[1] / size[0]))))
    rows = int(np.ceil(len(frames) / per_row))
    canvas = np.zeros((rows * size[1], per_row * size[0], 3), np.uint8)
    for number, frame in enumerate(frames):
        top, left = number // per_row * size[1], number % per_row * size[0]
        canvas[top : top + size[1], left : left + size[0]] = frame
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "WEBP", quality=QUALITY, method=2)
    sure = seen.confidence >= COUNTED_CONFIDENCE
    points = np.round((seen.points * scale).astype(np.float64), 1)
    return {
        "picture": "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii"),
        "size": list(size),
        "columns": per_row,
        "frames": len(frames),
        "fps": seen.fps,
        "keypoints": [
            [list(map(float, point)) if there else None for point, there in zip(row, found, strict=True)]
            for row, found in zip(points, sure, strict=True)
        ],
    }


def script_json(data: Any) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _worst(scores: Mapping[str, Mapping[str, float | None]], metric: str, sign: float) -> float:
    values: Sequence[float] = [
        sign * value for column in scores.values() if (value := column.get(metric)) is not None
    ]
    return max(values, default=float("nan"))
