"""Captions: those given beside the videos, or by a model that sees pictures behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import base64
import os
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np

from kinema.data.curation.clip_folder import ClipFolder, Judged
from kinema.data.curation.stage import Needs
from kinema.motion.prompt_endpoint import Endpoint, EndpointError
from kinema.scene.formats.files import atomic_write

CAPTION = "caption.txt"
_TASK = (
    "These are frames of one video in their order. Describe in one English paragraph of at most 80 words what the person "
    "looks like, what they do, how they move, where they are, and how the camera moves. Only what is seen; no preface."
)
_SIDE = 512
_LONGEST = 4000  # characters of a caption


@dataclass(frozen=True)
class Captions:
    """Writes `caption.txt`.

    Args:
        url: of the endpoint; captions given beside the videos where None.
        model: the model's name there.
        pictures: of a clip that it is shown.
        again: also for clips that have a caption.
        needed: leave out clips without one.
        attempts: for each clip; waiting 1, 2, 4, ... seconds between them.
        timeout: seconds for an answer.

    A key is read from KINEMA_LLM_KEY in the environment of the workers.
    """

    name: ClassVar[str] = "captions"
    reads: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    url: str | None = None
    model: str = "default"
    pictures: int = 4
    again: bool = False
    needed: bool = False
    attempts: int = 4
    timeout: float = 120.0

    @property
    def needs(self) -> Needs:
        """An endpoint's answers, where there is one."""
        return "network" if self.url else "processor"

    def __call__(self, clip: ClipFolder) -> Judged:
        caption = clip.facts["caption"].strip()
        asked = self.url is not None and (self.again or not caption)
        if asked:
            caption = self._answer(clip)
        if not caption and self.needed:
            return Judged("no caption")
        with atomic_write(clip.path / CAPTION) as temporary:
            temporary.write_text(caption, "utf-8")
        return Judged("", {"caption": "model" if asked else "given" if caption else "none"}, (CAPTION,))

    def _answer(self, clip: ClipFolder) -> str:
        """What the model says of the clip.

        Raises:
            EndpointError: no usable answer after all attempts.
        """
        assert self.url is not None
        endpoint = Endpoint(self.url, self.model, os.environ.get("KINEMA_LLM_KEY") or None, self.timeout)
        shown: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}
            for picture in _pictures(clip, self.pictures)
        ]
        messages = [{"role": "user", "content": [{"type": "text", "text": _TASK}, *shown]}]
        for attempt in range(self.attempts):
            try:
                caption = " ".join(endpoint.ask(messages).split())
                if not caption:
                    raise EndpointError("its answer is empty")
                return caption[:_LONGEST]
            except EndpointError as error:
                if attempt + 1 == self.attempts:
                    raise EndpointError(f"{self.url}: {error} ({self.attempts} attempts)") from None
                time.sleep(2**attempt)
        raise AssertionError


def _pictures(clip: ClipFolder, count: int) -> list[str]:
    """Frames at equal distances, JPEG in base64."""
    from PIL import Image

    from kinema.media.decoding import open_video

    frames = clip.facts["frames"]
    wanted = set(np.linspace(0, frames - 1, count + 2).round().astype(int)[1:-1].tolist())
    made, number = [], 0
    with open_video(clip.video, max_side=_SIDE) as source:
        for chunk in source.chunks(16):
            for picture in chunk:
                if number in wanted:
                    file = BytesIO()
                    Image.fromarray(picture).save(file, "jpeg", quality=85)
                    made.append(base64.b64encode(file.getvalue()).decode())
                number += 1
    return made
