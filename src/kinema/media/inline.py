"""A video as HTML for notebooks: the film itself, made small, or some of its pictures where even that is too much."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np

from kinema.media.video import write_video

LONGEST_SIDE = 480
"""Pixels of the film in a notebook (ours)."""

MOST_BYTES = 6 << 20
"""Of it (ours); what is larger is shown as pictures."""

MOST_FRAMES = 900
"""Of it (ours)."""

SMALLEST_SIDE = 240
"""Pixels to which small films are enlarged where they are shown (ours)."""


def video_html(frames: np.ndarray, fps: float) -> str:
    """Frames uint8 [T, H, W, 3 or 4] as an element that plays by itself, or as a strip of pictures."""
    small = _shrunk(frames)
    height, width = small.shape[1:3]
    shown = max(1.0, SMALLEST_SIDE / max(height, width))
    size = f'width="{round(width * shown)}" height="{round(height * shown)}"'
    if len(small) <= MOST_FRAMES:
        suffix = ".webm" if small.shape[3] == 4 else ".mp4"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"film{suffix}"
            write_video(path, small, fps, crf=23)
            data = path.read_bytes()
        if len(data) <= MOST_BYTES:
            source = f"data:video/{suffix[1:]};base64,{base64.b64encode(data).decode()}"
            return f'<video src="{source}" {size} controls loop autoplay muted playsinline></video>'
    return _strip(small)


def _shrunk(frames: np.ndarray) -> np.ndarray:
    import cv2

    height, width = frames.shape[1:3]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return frames
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _strip(frames: np.ndarray) -> str:
    import io

    from PIL import Image

    picked = np.unique(np.linspace(0, len(frames) - 1, 6).round().astype(int))
    pictures = []
    for frame in frames[picked]:
        picture = Image.fromarray(frame)
        picture.thumbnail((160, 160))
        held = io.BytesIO()
        picture.save(held, "PNG")
        pictures.append(
            f'<img src="data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}" style="margin-right:2px">'
        )
    return "".join(pictures)
