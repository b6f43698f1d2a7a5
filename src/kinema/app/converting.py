"""People of one file in another: who fits into it, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kinema.app.progress import Progress
from kinema.scene import Motion, Scene
from kinema.scene.cast import check_person
from kinema.scene.formats import write_motion


def only_who_fits(
    scene: Scene, target: Path, kind: str | None, person: int | None, progress: Progress
) -> Scene:
    """The people that a file can hold: all in a Kinema .npz, else one, with a note about the others.

    Args:
        scene: who is there.
        target: the file to write.
        kind: its format, a name of `MOTION_FORMATS`; what the suffix says where None.
        person: who alone is wanted, counted from 0; None for all.
        progress: takes the note.

    Raises:
        ValueError: there is no such person, or nobody at all.
    """
    if not scene.people:
        raise ValueError("the file holds a camera and nobody; `kinema camera` converts cameras")
    if person is None and (_holds_scenes(target, kind) or len(scene.people) == 1):
        return scene
    if person is None:
        progress.note(
            f"{target.name} can hold one person: person 0 of {len(scene.people)} is written (--person, or a .npz for all)"
        )
    check_person(scene, person or 0)
    return Scene((scene.people[person or 0],), scene.camera, scene.fps, scene.text)


def changed(scene: Scene, change: Callable[[Motion], Motion]) -> Scene:
    """The scene with every person changed alike, where they are."""
    people = tuple(change(person) for person in scene.people)
    if all(new is old for new, old in zip(people, scene.people, strict=True)):
        return scene
    return Scene(people, scene.camera, people[0].fps, scene.text)


def mirrored(scene: Scene, progress: Progress) -> Scene:
    """The scene with left and right swapped; its camera, which is not, is left out with a note."""
    if scene.camera is not None:
        progress.note(
            "the camera of the scene is left out: it does not see the people where they are mirrored"
        )
    return Scene(tuple(person.mirror() for person in scene.people), None, scene.fps, scene.text)


def write_people(target: Path, scene: Scene, kind: str | None) -> None:
    """Writes several people, or one with camera and text, as a scene, and one person as a motion."""
    if _holds_scenes(target, kind) and (len(scene.people) > 1 or scene.camera or scene.text):
        scene.save(target)
    else:
        write_motion(target, scene.people[0], format=kind)


def _holds_scenes(target: Path, kind: str | None) -> bool:
    return kind in (None, "kinema") and target.suffix.lower() == ".npz"
