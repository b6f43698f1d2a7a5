"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

JSON: bool = typer.Option(False, "--json", help="Print the result as one line of JSON.")
CRF: int = typer.Option(18, min=0, max=51, help="Video quality: 0 lossless, 18 visually clean, 51 worst.")
TRACKING: str = typer.Option(
    "auto", help="none, pan or follow: how a camera in words keeps the person in view; auto follows a walker."
)
ENDPOINT: str | None = typer.Option(
    None,
    envvar="KINEMA_LLM_URL",
    help="OpenAI-compatible address, e.g. http://localhost:8000/v1, that splits the prompt into motion and camera. "
    "Default: rules on this machine; a key is read from KINEMA_LLM_KEY.",
)
ENDPOINT_MODEL: str = typer.Option(
    "default", envvar="KINEMA_LLM_MODEL", help="The language model's name at --endpoint."
)

FORCE: bool = typer.Option(False, "--force", help="Overwrite what is there; else an existing file is kept.")
FPS: float | None = typer.Option(None, help="Frames per second of the result. Default: the motion's own.")
VIDEO_HELP = ".mp4, .mov, .webm, .gif, .apng or .webp; or a folder of PNGs: frames/ (with the slash), or frames/%04d.png."

PERSON: int | None = typer.Option(
    None,
    min=0,
    help="Of a file with several people, counted from 0. Default: all that the new file can hold.",
)

READING: Any = None
"""Stands in a command where the options about motion files go; see `reads_motion`."""

PART: Any = None
"""Stands in a command where the options about time go; see `takes_part`."""

CAMERA_READING: Any = None
"""Stands in a command where the options about camera files go; see `reads_camera`."""

LOOK: Any = None
"""Stands in a command where the options of a rough take's looks go; see `looks_rough`."""

_WORDS: dict[str, tuple[Any, Any]] = {
    "unit": (
        str,
        typer.Option(
            "auto",
            help="Of lengths: m, dm, cm, mm, inch, cgspeed, metres as a number, or auto.",
        ),
    ),
    "up": (
        str,
        typer.Option("auto", help="The axis of a motion file that points up: y, z, -y, -z, x, -x, or auto."),
    ),
    "ground": (
        str,
        typer.Option(
            "auto",
            help="keep a file's heights, put the lowest foot on the floor (lowest), or auto.",
        ),
    ),
    "source_fps": (
        float | None,
        typer.Option(None, help="Frames per second of a motion file that says none, or says it wrong."),
    ),
    "joints": (
        Path | None,
        typer.Option(
            None, help="Which joint is which: a .json file from SMPL-24's names to the motion file's."
        ),
    ),
    "animation": (
        str | None,
        typer.Option(None, help="Of a motion file with several animations: its name or number, from 0."),
    ),
    "positions": (
        str,
        typer.Option("auto", help="Position channels of BVH replace OFFSET, or add to it; or auto."),
    ),
    "skip_frames": (
        int | None,
        typer.Option(
            None,
            min=0,
            help="Frames to leave out at the start. Default: 1 where it is a T-pose before the motion.",
        ),
    ),
    "stats": (
        Path | None,
        typer.Option(None, help="Folder with Mean.npy and Std.npy, by which features were normalised."),
    ),
}
"""Type and option of each word about motion files; `MotionReading` says more."""


_TIMES: dict[str, tuple[Any, Any]] = {
    "start": (
        str | None,
        typer.Option(None, "--from", help="Begin at this second of the motion or video, e.g. 2s or 1:30."),
    ),
    "stop": (str | None, typer.Option(None, "--to", help="End at this second of it.")),
    "seconds": (
        str | None,
        typer.Option(None, help="Length of the result at most. Default: as long as the motion goes."),
    ),
    "beyond": (
        str,
        typer.Option(
            "end",
            help="Where the motion is shorter than --seconds: end there, hold its last frame, or loop it.",
        ),
    ),
}
"""Type and option of each word about time; `Part` says more."""


_CAMERA_WORDS: dict[str, tuple[Any, Any]] = {
    "camera_scale": (
        str,
        typer.Option(
            "auto",
            help="Metres per unit of a camera file, or auto: metres stay, others are fitted to the person's distance.",
        ),
    ),
    "camera_absolute": (
        bool | None,
        typer.Option(
            None,
            "--camera-absolute/--camera-relative",
            help="Take a camera file's poses where they are, or lay the first one in front of the person. Default: "
            "absolute where the file is made for the shot (Kinema's own, glTF).",
        ),
    ),
    "camera_up": (
        str,
        typer.Option("auto", help="The axis of a camera file that points up: y, z, -y, -z, x, -x, or auto."),
    ),
    "camera_fps": (
        float | None,
        typer.Option(
            None,
            help="Frames per second of a camera file. Default: its time stamps; without any its poses are spread over "
            "the shot.",
        ),
    ),
    "camera_fov": (
        float | None,
        typer.Option(None, help="Vertical field of view in degrees instead of a camera file's own."),
    ),
    "camera_name": (
        str | None,
        typer.Option(None, help="Of a file with several cameras: its name or number, from 0."),
    ),
    "camera_format": (
        str | None,
        typer.Option(None, help="What a camera file is, e.g. tum, whatever its content looks like."),
    ),
}
"""Type and option of each word about camera files; `CameraReading` says more."""


_LOOKS: dict[str, tuple[Any, Any]] = {
    "clothes": (
        str,
        typer.Option(
            "auto",
            help="Rough take: skirt, what hangs between the legs goes with both; trousers, it is cut between them; or "
            "auto.",
        ),
    ),
    "legs": (
        str,
        typer.Option(
            "auto",
            help="Rough take: move, legs go with the motion; stay, hips and legs as the picture has them; auto, they "
            "stay where it shows somebody seated, or no legs.",
        ),
    ),
    "background": (
        str,
        typer.Option(
            "keep",
            help="Rough take: keep the picture's room; transparent, the person alone (.webm, .mov or frames/, not .mp4); "
            "or a picture of another room.",
        ),
    ),
    "mask": (
        list[Path] | None,
        typer.Option(
            None,
            help="Rough take: a picture of the picture's size in which the person is white; repeatable, one for each "
            "person.",
        ),
    ),
    "marks": (
        list[Path] | None,
        typer.Option(
            None,
            help="Rough take: where the person's joints are in the picture (.json; `--check` writes one to edit); "
            "repeatable, one for each person.",
        ),
    ),
    "picture_person": (
        list[str] | None,
        typer.Option(
            None,
            help="Rough take: of several in the picture, counted from the left from 0; repeatable, or all. Default: the "
            "largest, as many as --person names.",
        ),
    ),
    "begin_with_picture": (
        bool,
        typer.Option(
            False,
            "--begin-with-picture",
            help="Rough take: the first frame is the picture, whose pose becomes the motion's in 0.4 s.",
        ),
    ),
    "face": (
        bool,
        typer.Option(
            True,
            "--face/--no-face",
            help="Rough take: eyes, brows and mouth follow the driving video's face, where both faces are large enough.",
        ),
    ),
    "fingers": (
        bool,
        typer.Option(
            False,
            "--fingers/--no-fingers",
            help="Rough take: fingers follow the driving video's, where the picture shows a hand large and open.",
        ),
    ),
}
"""Type and option of each word about a rough take; `RoughLook` says more."""


def looks_rough(command: Callable[..., None]) -> Callable[..., None]:
    """A command that makes rough takes: the options of their looks become its one argument `look`.

    The command has a parameter `look: RoughLook`, in whose place the options stand.
    """

    def look(**words: Any) -> Any:
        from kinema.app.inputs import people_in_picture
        from kinema.app.request import RoughLook

        for name in ("mask", "marks"):
            given = words[name]
            words[name] = None if not given else given[0] if len(given) == 1 else tuple(given)
        words["picture_person"] = people_in_picture(words["picture_person"])
        return RoughLook(**words)

    return with_options(command, "look", _LOOKS, look)


def reads_motion(command: Callable[..., None]) -> Callable[..., None]:
    """A command that reads motion files: the options about them become its one argument `reading`.

    The command has a parameter `reading: MotionReading`, in whose place the options stand.
    """

    def reading(**words: Any) -> Any:
        from kinema.scene.formats.reading import MotionReading

        number = words["animation"]
        if isinstance(number, str) and number.isdecimal():
            words["animation"] = int(number)
        return MotionReading(**words)

    return with_options(command, "reading", _WORDS, reading)


def reads_camera(command: Callable[..., None]) -> Callable[..., None]:
    """A command that reads camera files: the options about them become its one argument `camera_reading`.

    The command has a parameter `camera_reading: CameraReading`, in whose place the options stand.
    """

    def reading(**words: Any) -> Any:
        from kinema.scene.formats.camera_reading import CameraReading

        return CameraReading(**{name.removeprefix("camera_"): value for name, value in words.items()})

    return with_options(command, "camera_reading", _CAMERA_WORDS, reading)


def takes_part(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes a part of a motion or video: --from, --to, --seconds, --beyond become its argument `part`.

    The command has a parameter `part: Part`, in whose place the options stand.
    """

    def part(start: str | None, stop: str | None, seconds: str | None, beyond: str) -> Any:
        from kinema.app.inputs import parse_seconds
        from kinema.scene.lasting import Part

        begin, end = parse_seconds(start, "--from"), parse_seconds(stop, "--to")
        return Part(begin, end, parse_seconds(seconds, "--seconds"), beyond)  # type: ignore[arg-type]

    return with_options(command, "part", _TIMES, part)


_BUNDLES = ("reading", "camera_reading", "part", "look", "model", "sampling")
"""Arguments in whose place options stand."""


def with_options(
    command: Callable[..., None],
    argument: str,
    words: dict[str, tuple[Any, Any]],
    value_of: Callable[..., Any],
) -> Callable[..., None]:
    """A command with options in place of one argument, which is made of them."""
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)
        for name, (kind, option) in words.items()
    ]
    own = list(signature(command).parameters.values())
    place = [each.name for each in own].index(argument)
    kept = [_shown(each, command) for each in own if each.name != argument]

    @wraps(command)
    def run(**options: Any) -> None:
        mine = {name: options.pop(name) for name in words}
        command(**options, **{argument: value_of(**mine)})

    shown = [*kept[:place], *parameters, *kept[place:]]
    run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in shown}
    del run.__wrapped__  # type: ignore[attr-defined]  # typer would look through it
    return run


def _shown(parameter: Parameter, command: Callable[..., None]) -> Parameter:
    """A parameter with its type instead of the type's name; those that options will replace stay as they are."""
    kind = parameter.annotation
    if isinstance(kind, str) and parameter.name not in _BUNDLES:
        kind = eval(kind, command.__globals__)
    return parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind)
