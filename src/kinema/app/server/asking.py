"""A video's body as the request that the library fulfils, with the files that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kinema.app.inputs import parse_size
from kinema.app.server import schemas
from kinema.app.server.actor_pictures import actor_picture
from kinema.app.server.camera_words import understand
from kinema.app.server.catalogue import STAGE
from kinema.app.server.config import ServerConfig

if TYPE_CHECKING:
    from kinema.app.request import FromFile, FromPrompt, FromVideo, RoughLook, VideoRequest


class Finder(Protocol):
    """Knows where what a body names lies."""

    config: ServerConfig
    device: str

    def upload(self, file: str) -> Path: ...

    def made(self, job: str, name: str) -> Path: ...

    def source(self, file: str) -> FromFile | FromVideo: ...

    def actors(self, body: schemas.VideoRequest) -> list[int]: ...


def asked_video(body: schemas.VideoRequest, here: Finder) -> VideoRequest:
    """What a body asks for.

    Raises:
        ValueError: a file or job that is gone.
    """
    from kinema.app.request import Direction, ModelChoice, RoughLook, Sampling, VideoRequest

    backbone = body.model or here.config.backbone
    cast = _cast(body, here)
    size = None if body.size is None else parse_size(body.size)
    return VideoRequest(
        picture=cast.pictures[0] if len(cast.pictures) == 1 else cast.pictures or None,
        motion=_driving(body, here),
        camera=None if body.camera is None else understand(body.camera).camera,
        prompt=body.prompt,
        actor=body.actor if not cast.pictures else None,
        direction=Direction(
            people=cast.people,
            tracking=body.tracking,
            seconds=body.seconds,
            longest=here.config.max_seconds,
            centre=body.centre,
            retarget=body.retarget,
            steady=body.steady,
        ),
        model=ModelChoice(
            backbone=None if backbone == STAGE else backbone,
            controls=None if body.control is None else tuple(body.control),
            size=_frame(cast, body, here) if size is None else size,
            device=here.device,
        ),
        sampling=Sampling(
            seed=body.seed,
            steps=body.steps,
            guidance=body.guidance.model_dump(),
            shift=body.shift,
            negative_prompt=body.negative_prompt,
        ),
        rough=cast.look if cast.pictures else RoughLook(),
    )


@dataclass(frozen=True)
class _Cast:
    """Who of a scene moves whom of pictures.

    Args:
        pictures: files, in the order of the people.
        people: as of `Direction`.
        look: what is said of the pictures.
    """

    pictures: list[Path]
    people: Any
    look: RoughLook


def _cast(body: schemas.VideoRequest, here: Finder) -> _Cast:
    """Pictures before actors of the stage: the first one's room is filmed."""
    from kinema.app.request import RoughLook

    def upload(file: str | None) -> Path | None:
        return None if file is None else here.upload(file)

    def uploads(given: Any) -> Any:
        return [upload(file) for file in given] if isinstance(given, list) else upload(given)

    given = body.pictures
    people: Any = (body.person,) if isinstance(body.person, int) else body.person
    people = () if people == "none" else "all" if people == "all" else people and tuple(people)
    look: dict[str, Any] = {name: getattr(body, name) for name in ("clothes", "legs", "picture_person")}
    look |= {"mask": uploads(body.mask), "marks": uploads(body.marks)}
    if None not in given:
        return _Cast([here.upload(str(each)) for each in given], people, RoughLook(**look))
    numbers = list(range(len(given))) if people in (None, "all") else list(people)
    movers = numbers * len(given) if len(numbers) == 1 else numbers
    seeds = here.actors(body)
    order = sorted(range(len(given)), key=lambda k: given[k] is None)
    made = {
        k: actor_picture(here.config.root, seeds[movers[k] % len(seeds)]) for k in order if given[k] is None
    }
    marks = look["marks"] if isinstance(look["marks"], list) else [look["marks"]] * len(given)
    look["marks"] = [made[k].marks if k in made else marks[k] for k in range(len(given))]
    look["mask"] = look["mask"] if isinstance(look["mask"], list) else [None] * len(given)
    for name, said in look.items():
        if isinstance(said, list):
            look[name] = [said[k] for k in order]
    pictures = [made[k].picture if k in made else here.upload(str(given[k])) for k in order]
    return _Cast(pictures, tuple(movers[k] for k in order) if len(numbers) > 1 else people, RoughLook(**look))


def _frame(cast: _Cast, body: schemas.VideoRequest, here: Finder) -> tuple[int, int] | None:
    """Size of a film of several pictures, where none is asked for: the scene's shape, as large as the first picture."""
    if len(cast.pictures) < 2 or body.scene is None:
        return None
    from PIL import Image

    from kinema.media.picture_files import picture_formats
    from kinema.scene import Scene

    camera = Scene.load(here.made(body.scene, "scene.npz")).camera
    with Image.open(cast.pictures[0], formats=picture_formats()) as picture:
        return None if camera is None else frame_of(camera.size, picture.size)


def frame_of(shape: Sequence[int], picture: Sequence[int]) -> tuple[int, int]:
    """A size with the shape of a scene's camera and as many pixels as a picture has at the size of rough takes."""
    from kinema.app.rough_picture import LONGEST_SIDE
    from kinema.scene.framing import same_aspect

    share = min(1.0, LONGEST_SIDE / max(picture))
    width, height = (round(side * share) for side in picture)
    return same_aspect((shape[0], shape[1]), (width, height))


def _driving(body: schemas.VideoRequest, here: Finder) -> FromFile | FromVideo | FromPrompt | None:
    """Who moves how: a finished scene or motion, an upload, the prompt, or nobody."""
    from kinema.app.request import FromFile, FromPrompt

    if body.scene is not None:
        return FromFile(here.made(body.scene, "scene.npz"))
    if body.motion is not None and body.motion.startswith("motion_"):
        return FromFile(here.made(body.motion, "motion.npz"))
    if body.motion is not None:
        return here.source(body.motion)
    return FromPrompt(body.seconds, body.style) if body.moves_by_prompt else None
