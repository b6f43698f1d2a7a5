"""What requests may name: models, controls, styles, joints. Names only; no path of a request is ever opened."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kinema.app.catalogue import backbones
from kinema.app.server.errors import Refused

AUTOMATIC = "automatic"
"""What is said for the default model where there is none: a picture's rough take, or the embedded model."""


def check_model(name: str | None) -> None:
    """Whether a backbone may be named.

    Raises:
        Refused: it is not one of those that are here.
    """
    known = [model for model, state in backbones().items() if state in ("embedded", "in the cache")]
    if name is not None and name not in known:
        raise Refused(
            422, "no_such_model", f"model: there is no {name[:80]!r}; there are {', '.join(known)}", "model"
        )


def check_control(name: str) -> None:
    """Whether a control method may be named, alone or with the signal that it sees.

    Raises:
        Refused: there is none of that name.
    """
    from kinema.video.registry import adapter_names, control_methods

    method, _, signal = name.partition(":")
    signals = ("", "pose", "camera") if method in adapter_names() else ("",)
    if method not in control_methods() or signal not in signals:
        text = f"control: there is no {name[:80]!r}; there are {', '.join(control_methods())}, with :pose or :camera"
        raise Refused(422, "no_such_control", text, "control")


@lru_cache(maxsize=4)
def choices(backbone: str | None) -> dict[str, Any]:
    """What an editor offers.

    Args:
        backbone: the server's default; where None it depends on whether there is a picture.
    """
    import json
    from importlib.resources import files

    from kinema.motion.timeline import BODY_PARTS
    from kinema.scene.camera_vocabulary import VERBS
    from kinema.scene.skeleton import SMPL24
    from kinema.video.registry import control_methods

    card = files("kinema") / "weights" / "motion" / "transformer" / "config.json"
    styles = json.loads(card.read_text())["styles"] if card.is_file() else []
    return {
        "default_model": backbone or AUTOMATIC,
        "models": backbones(),
        "controls": control_methods(),
        "styles": styles,
        "body_parts": list(BODY_PARTS),
        "camera_words": sorted(VERBS),
        "joints": list(SMPL24.names),
        "parents": list(SMPL24.parents),
        "rest": SMPL24.rest.round(4).tolist(),
    }
