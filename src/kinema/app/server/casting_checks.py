"""Whether a request's model can film whom it names: said at once, before anything is queued."""

from __future__ import annotations

from kinema.app.request import ROUGH
from kinema.app.server import catalogue
from kinema.app.server.catalogue import STAGE
from kinema.app.server.errors import Refused
from kinema.app.server.schemas import GuidanceScales, VideoRequest


def check_model(request: VideoRequest, default: str | None) -> None:
    """Whether the model is here and takes what the request gives it.

    Args:
        request: of a video.
        default: the server's model; where None it depends on whether there is a picture.

    Raises:
        Refused: it is not, or does not; the message names the field.
    """
    catalogue.check_model(request.model)
    name = request.model or default
    if name == ROUGH and not request.pictures:
        raise Refused(422, "no_picture", f"model: {ROUGH} moves the person of a picture", "input_reference")
    if name == STAGE:
        _check_stage(request)
    elif name not in (None, ROUGH):
        _check_video_model(request, str(name))


def check_people(request: VideoRequest, there: int) -> None:
    """Whether the people whom a request names are in its scene, and are as many as its pictures.

    Args:
        request: of a video of a scene.
        there: people of the scene.

    Raises:
        Refused: they are not.
    """
    named = (
        request.person
        if isinstance(request.person, list)
        else [request.person]
        if isinstance(request.person, int)
        else []
    )
    for number in named:
        if number >= there:
            text = f"person: the scene has {there} people, from 0; there is no {number}"
            raise Refused(422, "no_such_person", text, "person")
    shown = len(request.pictures)
    moving = len(named) or (there if request.person == "all" else min(there, shown))
    if shown > 1 and moving not in (1, shown):
        text = f"input_reference: {shown} pictures for {moving} people of the scene; give one for each"
        raise Refused(422, "invalid_request", text, "input_reference")


def _check_stage(request: VideoRequest) -> None:
    if request.pictures:
        text = f"model: {STAGE} films actors; with a picture leave the model out, or name {ROUGH}"
        raise Refused(422, "invalid_request", text, "input_reference")
    if not (request.motion or request.scene or request.moves_by_prompt):
        text = f"model: {STAGE} films people; give a scene, a motion or a prompt"
        raise Refused(422, "invalid_request", text, "scene")
    plain = VideoRequest.model_validate({"prompt": "."})
    for name in (
        "control",
        "steps",
        "shift",
        "negative_prompt",
        "retarget",
        "mask",
        "marks",
        "clothes",
        "legs",
    ):
        if getattr(request, name) != getattr(plain, name):
            raise Refused(422, "invalid_request", f"{name}: {STAGE} has no use for it; leave it out", name)
    if request.guidance != GuidanceScales():
        raise Refused(
            422, "invalid_request", f"guidance: {STAGE} has no use for it; leave it out", "guidance"
        )


def _check_video_model(request: VideoRequest, name: str) -> None:
    if len(request.pictures) > 1:
        text = f"input_reference: {name} takes one picture; several people of pictures are a rough take (model {ROUGH})"
        raise Refused(422, "invalid_request", text, "input_reference")
