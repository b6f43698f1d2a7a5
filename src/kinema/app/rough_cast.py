"""Who moves whom in a rough take: the people of the scene, and those of the picture or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kinema.app.progress import Progress
from kinema.app.request import VideoRequest
from kinema.app.request_inputs import alone
from kinema.app.rough_picture import RoughPicture
from kinema.puppet.blend_in import from_the_picture
from kinema.puppet.cast import together
from kinema.puppet.cast_placing import from_the_left, place_apart, place_people, stand_people
from kinema.puppet.placing import Placed
from kinema.puppet.take import Puppet, place_in
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.cast import check_person, for_stage, is_nobody


def check_cast(request: VideoRequest) -> None:
    """What can be said about who moves whom before anything is read.

    Raises:
        ValueError: numbers that do not go together.
    """
    look, pictures, people = request.rough, request.pictures, request.direction.people
    who, several = look.picture_person, len(pictures) > 1
    if isinstance(who, (list, tuple)) and not several and len(set(who)) != len(who):
        raise ValueError(f"--picture-person {', '.join(map(str, who))}: name each person once")
    if several:
        nobody = request.motion is None or is_nobody(people)
        if nobody:
            raise ValueError(
                f"{len(pictures)} pictures, and nobody moves: a motion says where they stand; give one (--motion)"
            )
        if who is not None and (not isinstance(who, (list, tuple)) or len(who) != len(pictures)):
            raise ValueError(f"--picture-person: {len(pictures)} pictures; give one number for each of them")
        if look.begin_with_picture:
            raise ValueError("--begin-with-picture is for one picture: of several none is the first frame")
    elif isinstance(look.mask, (list, tuple)) and not isinstance(who, (list, tuple)) and who is not None:
        raise ValueError("several --mask say who is moved: leave out --picture-person")
    elif isinstance(look.mask, (list, tuple)) and who is None and any(each is None for each in look.mask):
        raise ValueError("a --mask for some people alone: say who they all are (--picture-person)")
    there = _named(request)
    said = {"--mask": look.mask, "--marks": look.marks, "--clothes": look.clothes, "--legs": look.legs}
    for option, given in said.items():
        if option in ("--clothes", "--legs") and isinstance(given, str):
            continue  # of all
        count = len(given) if isinstance(given, (list, tuple)) else 1
        if given is not None and there is not None and count != there:
            raise ValueError(f"{option}: {count} for {there} people; give one for each, in their order")
    moving = len(people) if people is not None and people != "all" else None
    if there is not None and moving is not None and moving not in (0, 1, there):
        raise ValueError(_unlike(moving, there))


def _named(request: VideoRequest) -> int | None:
    """How many people of pictures the request names; None where that depends on what is found."""
    look = request.rough
    if len(request.pictures) > 1:
        return len(request.pictures)
    for given in (look.mask, look.picture_person, look.marks):
        if isinstance(given, (list, tuple)):
            return len(given)
    return 1 if isinstance(look.picture_person, int) else None


def movers_asked(request: VideoRequest, scene: Scene | None) -> int:
    """How many of the scene's people move somebody, as far as the request says: one, if it says nothing.

    Args:
        request: what is asked for.
        scene: that drives them; it need be there only where all of it are asked for.
    """
    people = request.direction.people
    if people is None or is_nobody(people):
        return 1
    if people == "all":
        return 1 if scene is None else len(scene.people)
    return len(people)


def movers(request: VideoRequest, scene: Scene, shown: int, progress: Progress) -> list[int]:
    """Numbers of the scene's people who move those of the picture, in the same order; one may move all.

    Args:
        request: what is asked for.
        scene: that drives them.
        shown: how many people of pictures are moved.
        progress: told that of several people one alone moves somebody.

    Raises:
        ValueError: other people than there are, or as many as cannot be told apart.
    """
    people, there = request.direction.people, len(scene.people)
    if people is None:
        numbers = list(range(shown if there >= shown else min(1, there)))
        if shown == 1 and there > 1:
            progress.note(alone("the scene has", scene))
        elif 1 < there < shown:
            raise ValueError(_unlike(there, shown))
    elif people == "all":
        numbers = list(range(there))
        if len(request.pictures) == 1 and there > 1:
            numbers = from_the_left(for_stage(scene).people, scene.camera)
    else:
        numbers = [int(number) for number in people]
    for number in numbers:
        check_person(scene, number)
    if not numbers:
        raise ValueError(
            "nobody is in the scene: give a motion of somebody, or --person none for the camera alone"
        )
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"--person {', '.join(map(str, numbers))}: name each person once")
    if len(numbers) not in (1, shown):
        raise ValueError(_unlike(len(numbers), shown))
    return numbers


def _unlike(moving: int, shown: int) -> str:
    of = "1 person of the pictures is" if shown == 1 else f"{shown} people of the pictures are"
    return (
        f"{of} to be moved by {moving} of the scene: one may move all, or each one; choose with --person "
        f"{'0' if shown == 1 else ','.join(map(str, range(shown)))}"
    )


def say_who(
    shown: Sequence[RoughPicture], numbers: Sequence[int], request: VideoRequest, progress: Progress
) -> list[dict[str, object]]:
    """Notes who is moved by whom, where there are several, and what is written down of it."""
    chosen: list[int | None] = list(numbers)
    if len(numbers) < 2:  # one for all, or nobody
        chosen = (chosen or [None]) * len(shown)
    rows: list[dict[str, object]] = [
        {"picture": each.name, "picture_person": each.number, "person": number}
        for each, number in zip(shown, chosen, strict=True)
    ]
    if len(shown) > 1 and numbers:
        who = [each.name if each.number is None else f"person {each.number}" for each in shown]
        said = ", ".join(f"{one} by {number}" for one, number in zip(who, chosen, strict=True))
        order = "in the order of --mask" if isinstance(request.rough.mask, (list, tuple)) else "from the left"
        where = "" if shown[0].number is None else f"of the picture, {order}: "
        progress.note(f"{where}{said} of the scene")
    return rows


def placed_cast(
    shown: Sequence[RoughPicture],
    motions: Sequence[Motion],
    request: VideoRequest,
    camera: CameraPath | None,
    size: tuple[int, int] | None,
) -> tuple[Puppet, Placed]:
    """The people of pictures on their motions, as one puppet on one place.

    Args:
        shown: the people.
        motions: in step with the result: one for all, or one for each.
        request: what is asked for.
        camera: the scene's own.
        size: (width, height) of the result, where it is asked for.
    """
    puppets = [each.puppet for each in shown]
    places: Sequence[Placed]
    if len(puppets) == 1:
        places = [place_in(puppets[0], motions[0])]
    elif len(request.pictures) > 1:
        places = place_apart(puppets, motions, size, camera)
    else:
        places = place_people(puppets, motions, camera)
    if request.rough.begin_with_picture:
        places = [from_the_picture(place) for place in places]
    return together(puppets, places)


def still_cast(shown: Sequence[RoughPicture], fps: float, frames: int) -> tuple[Puppet, Placed]:
    """The people of a picture as it shows them, for as many frames, as one puppet on one place."""
    puppets = [each.puppet for each in shown]
    places = []
    for place in stand_people(puppets):
        joints = np.repeat(place.motion.joints[:1], frames, axis=0)
        places.append(replace(place, motion=Motion(joints, fps, place.motion.skeleton)))
    return together(puppets, places)
