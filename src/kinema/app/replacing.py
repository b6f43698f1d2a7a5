"""A film whose person becomes somebody else: what of it is kept, and how a request for it is made ready."""

from __future__ import annotations

from dataclasses import replace

from kinema.app.request import ModelChoice, VideoRequest
from kinema.app.request_inputs import is_from_video, path_of
from kinema.scene.cast import is_nobody
from kinema.video.models.published import PUBLISHED, local_backbone

REPLACING = ("vace-1.3b", "vace-14b", "vace-2.2", "wan-animate")
"""Published models that keep a film's room, the smallest first."""


def check_replacement(request: VideoRequest) -> None:
    """Says what of a request for a replacement cannot be, before anything heavy is read.

    Raises:
        ValueError: no film, no picture, a camera of its own, a part that the film does not have, or no video model.
    """
    if not is_from_video(request.motion):
        raise ValueError("to replace somebody, give the film that they are in")
    if request.picture is None:
        raise ValueError("to replace somebody, give a picture of who shall be there (--with hero.png)")
    if request.camera is not None:
        raise ValueError("a replacement is seen by the film's own camera: leave out --camera")
    if is_nobody(request.direction.people):
        raise ValueError("nobody is to be replaced: leave out --person none")
    if request.direction.beyond != "end" or request.direction.centre or request.direction.retarget:
        raise ValueError(
            "a replacement stands where the film's person does: leave out --beyond, --centre, --retarget"
        )
    if request.is_rough:
        raise ValueError(
            f"a rough take does not go into another film: name a video model, --backbone {' or '.join(_named())}"
        )
    named = request.model.backbone if isinstance(request.model, ModelChoice) else None
    if named is not None and local_backbone(named) is not None:
        assert isinstance(request.model, ModelChoice)
        _recipe_of(request.model)


def default_replacer() -> str:
    """The first published model on this machine that can replace somebody.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in _named():
        if local_backbone(name) is not None:
            return name
    first = _named()[0]
    raise FileNotFoundError(
        f"replacing somebody takes a video model, and none of {', '.join(_named())} is on this machine: "
        f"`hf download {PUBLISHED[first].hub_id} --local-dir {first}` (about {PUBLISHED[first].gigabytes} GB), then "
        f"--backbone {first}"
    )


def replacing_choice(model: ModelChoice, film: tuple[int, int]) -> ModelChoice:
    """A model set to keep a film's room, at the film's shape where no size is asked for.

    Args:
        model: as it was asked for.
        film: (width, height) of the film.

    Raises:
        ValueError: the model cannot replace anybody, or not by this recipe.
    """
    from kinema.video.model_loading import format_of

    assert model.backbone is not None
    recipe = _recipe_of(model)
    form, multiple = format_of(model.backbone, model.size, model.window, model.fps)
    size = model.size or _shaped(form.size, film, multiple)
    return replace(model, recipe=model.recipe or recipe or None, size=size)


def replacement(request: VideoRequest) -> VideoRequest:
    """A request for a replacement, with the model set to it and nobody moved out of their place.

    Args:
        request: as it was asked for.

    Raises:
        ValueError, FileNotFoundError, FormatError: as `replacing_choice` and `open_video`.
    """
    from kinema.media.decoding import open_video

    check_replacement(request)
    model = request.model
    if isinstance(model, ModelChoice):
        with open_video(path_of(request.motion)) as film:
            model = replacing_choice(model, film.size)
    steady = bool(request.direction.steady)
    direction = replace(request.direction, retarget=False, steady=steady)
    return replace(request, model=model, direction=direction)


def _shaped(size: tuple[int, int], film: tuple[int, int], multiple: int) -> tuple[int, int]:
    """(width, height) of about a format's area in the shape of a film."""
    scale = (size[0] * size[1] / (film[0] * film[1])) ** 0.5
    width, height = (multiple * max(1, round(scale * side / multiple)) for side in film)
    return width, height


def _recipe_of(model: ModelChoice) -> str:
    """The recipe by which a model keeps a film's room.

    Raises:
        ValueError: it has none, or another one is asked for.
    """
    from kinema.video.model_loading import family_of

    assert model.backbone is not None
    recipe = family_of(model.backbone).replaces
    if recipe is None:
        raise ValueError(
            f"{model.backbone} cannot put anybody into a film; {', '.join(_named())} and folders of their kind can"
        )
    if recipe and model.recipe is not None and model.recipe.split(",")[0].strip() != recipe:
        raise ValueError(f"replacing somebody is recipe {recipe}, not {model.recipe}")
    return recipe


def _named() -> list[str]:
    return [name for name in REPLACING if name in PUBLISHED]
