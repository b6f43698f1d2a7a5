"""Which sizes the models of the package make, said before anything is loaded; without torch."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kinema.app.request import ROUGH
from kinema.app.server.errors import Refused
from kinema.app.server.schemas import VideoRequest
from kinema.video.models.published import EMBEDDED_INDEX, embedded_folder, embedded_names
from kinema.video.registry import EMBEDDED


def check_size(request: VideoRequest, default: str | None) -> None:
    """Whether a model of the package makes videos of the size that is asked for; others say so when they are loaded.

    Args:
        request: of a video.
        default: the server's model; where None it depends on whether there is a picture.

    Raises:
        Refused: it does not.
    """
    name = request.model or default or (ROUGH if request.pictures else EMBEDDED)
    form = _embedded_form(name)
    if request.size is None or form is None:
        return
    wanted, made = request.size, f"{form['width']}x{form['height']}"
    if wanted != made:
        text = f"size: {name} makes videos of {made} pixels, not {wanted}; `scale` enlarges them"
        raise Refused(422, "invalid_request", text, "size")


@lru_cache(maxsize=8)
def _embedded_form(name: str) -> dict[str, Any] | None:
    """What the index of a model of the package says of its videos; None of another."""
    if name not in embedded_names(embedded_folder()):
        return None
    index = embedded_folder() / name / EMBEDDED_INDEX
    form: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))["format"]
    return form
