"""What the commands that make videos, `animate`, `generate` and `replace`, have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.console import note, result, work

if TYPE_CHECKING:
    import numpy as np

    from kinema.app.fulfil import Prepared, VideoResult
    from kinema.app.model_cache import ModelCache
    from kinema.app.request import RoughLook, VideoRequest
    from kinema.media.sound import Sound

AUDIO: bool = typer.Option(
    False, "--audio", help="Keep the sound of the driving video (.mp4, .mov, .webm). Default: silent."
)
SIDE_BY_SIDE: bool = typer.Option(False, "--side-by-side", help="Show skeleton and preview beside the video.")
SCALE: int = typer.Option(1, min=1, max=16, help="Enlarge the picture so many times, for viewing.")
IMAGE_HELP = "A picture of the character, standing, seen from the front. Default: an actor of the stage."
ACTOR: int | None = typer.Option(None, min=0, help="Chooses the actor of the stage. Default: by --seed.")
STEADY: bool | None = typer.Option(
    None,
    "--steady/--no-steady",
    help="Take the trembling out of the motion. Default: where it is read off a video.",
)
KEEP: str = typer.Option("best", help="Of several takes: best, or all (NAME.seed-N.mp4 beside the best).")
SCENE_FILE: Path | None = typer.Option(None, help="Also keep the scene: motion and camera (.npz).")


def pictures(given: list[Path] | None) -> Path | tuple[Path, ...] | None:
    """One picture, or several."""
    return None if not given else given[0] if len(given) == 1 else tuple(given)


def check_result(output: str, look: RoughLook, *, force: bool, side_by_side: bool = False) -> None:
    """Says before the work what would make writing the video fail after it.

    Raises:
        ValueError, OSError: as `check_video`; or what is transparent shall be shown beside other pictures.
    """
    from kinema.app.inputs import check_video

    check_video(output, force=force, transparent=look.transparent)
    if look.transparent and side_by_side:
        raise ValueError("--side-by-side shows pictures on white: leave out --background transparent")


def make_video(
    request: VideoRequest,
    command: str,
    output: str,
    *,
    scene: Path | None = None,
    aligned: Path | None = None,
    audio: bool = False,
    keep: str = "best",
    side_by_side: bool,
    scale: int,
    crf: int,
    as_json: bool,
) -> None:
    """Fulfils a request, writes the video, and says so.

    Args:
        request: what is asked for.
        command: its name, for the settings.
        output: the video.
        scene: where the scene is kept, before sampling.
        aligned: where the skeleton on the picture is shown, before sampling.
        audio: keep the sound of the driving video.
        keep: of several takes, best or all.
        side_by_side, scale, crf, as_json: see the options.

    Raises:
        ValueError, OSError: as `fulfil`; or there is no sound to keep.
    """
    from kinema.app.progress import Bars
    from kinema.app.request_inputs import sound_of
    from kinema.media.pictures import write_picture

    if aligned is not None and request.is_rough:
        raise ValueError(
            "--aligned shows what a video model is given: name one (--backbone), or leave it out"
        )
    if keep not in ("best", "all"):
        raise ValueError(f"--keep {keep}: give best or all")
    sound = sound_of(request, output) if audio else None

    def before_sampling(made: Prepared) -> None:
        if scene is not None and made.source is not None:
            made.source.save(scene)
            work.written.append(str(scene))
        if aligned is not None and made.aligned is not None:
            write_picture(aligned, made.aligned)
            work.written.append(str(aligned))

    if os.environ.get("RANK", "0") != "0":  # one of torchrun's, and not the first
        if not request.is_rough:
            from kinema.app.in_step import follow

            follow()
        return
    if request.is_rough and not side_by_side and not request.sampling.score:
        from kinema.app.model_cache import ModelCache
        from kinema.app.rough import rough_take

        bars = Bars()
        take = rough_take(request, bars, ModelCache())
        before_sampling(take.prepared)
        settings: dict[str, Any] = {**take.settings, "command": command}
        written = _written(
            output, take.film(bars), take.camera.fps, settings, crf=crf, scale=scale, sound=sound
        )
    else:
        from kinema.app.fulfil import fulfil

        with _models(request) as models:
            made: VideoResult = fulfil(request, Bars(), models=models, on_prepared=before_sampling)
        settings = {**made.settings, "command": command}
        frames = made.beside_scene(scale) if side_by_side else made.frames
        scale = 1 if side_by_side else scale
        written = _written(output, frames, made.fps, settings, crf=crf, scale=scale, sound=sound)
        for other in made.others if keep == "all" else ():
            beside = _beside(output, other.settings["seed"])
            _written(beside, other.frames, other.fps, dict(other.settings), crf=crf, scale=scale, sound=sound)
            work.written.append(beside)
    said = f"{output}: {written}"
    if scene is not None:
        said += f"\n{scene}: the scene"
    facts = {"output": output, "scene": None if scene is None else str(scene), **settings}
    result(facts, said, as_json)


def _models(request: VideoRequest) -> AbstractContextManager[ModelCache | None]:
    """Where the models of a request work: in this process, or in all that torchrun has started."""
    parallel = getattr(request.model, "parallel", None)
    if request.is_rough or (parallel is None and os.environ.get("WORLD_SIZE", "1") == "1"):
        return nullcontext()
    from kinema.app.in_step import leading

    return leading(parallel)


def check_picture(request: VideoRequest, output: str, *, force: bool, as_json: bool) -> None:
    """Says what to expect of a picture, and writes where its person's joints are, to be looked at and edited.

    Args:
        request: with a picture.
        output: the video that would be made: `out.mp4` gives `out.marks.json` and `out.marks.png`; of several people
            `out.0.marks.json` and so on.
        force, as_json: see the options.

    Raises:
        ValueError, OSError: what of the picture cannot be read, or not be written.
    """
    from kinema.app.inputs import check_output
    from kinema.app.rough_picture import checked_pictures
    from kinema.media.pictures import write_picture
    from kinema.puppet.marks import show_marks, write_marks

    if request.picture is None:
        raise ValueError("--check says what to expect of a picture: give one")
    stem = Path(output).with_suffix("")
    for path in (Path(f"{stem}.marks.json"), Path(f"{stem}.marks.png")):
        check_output(path, force=force)
    checked = checked_pictures(request)
    lines, people = [], []
    for number, (report, marks, pixels) in enumerate(checked):
        own = f"{stem}.{number}" if len(checked) > 1 else f"{stem}"
        marks_file, look_file = Path(f"{own}.marks.json"), Path(f"{own}.marks.png")
        for path in (marks_file, look_file):
            check_output(path, force=force)
        write_marks(marks_file, marks)
        write_picture(look_file, show_marks(pixels, marks))
        who = f"person {number}: " if len(checked) > 1 else ""
        lines += [f"{who}{report.verdict}", *(f"- {finding.text}" for finding in report.findings)]
        lines.append(f"{look_file}: the joints; edit {marks_file} and give it as --marks")
        people.append({**report.as_json(), "marks": str(marks_file), "look": str(look_file)})
    result(people[0] if len(people) == 1 else {"people": people}, "\n".join(lines), as_json)


def _beside(output: str, seed: int) -> str:
    """The name of a further take: out.mp4 gives out.seed-3.mp4, frames/ gives frames.seed-3/."""
    path = Path(output)
    return f"{path.with_suffix('')}.seed-{seed}{path.suffix}{'/' if output.endswith('/') else ''}"


def _written(
    output: str,
    frames: Iterable[np.ndarray],
    fps: float,
    settings: dict[str, Any],
    *,
    crf: int,
    scale: int,
    sound: Sound | None,
) -> str:
    """Writes frames as they come; says how many of which size there are."""
    from kinema.media.video import open_video
    from kinema.media.video_kinds import padded, video_target

    width = height = 0
    with open_video(output, fps, settings, crf=crf, scale=scale, sound=sound) as video:
        for frame in frames:
            height, width = frame.shape[:2]
            video.write(frame)
    if (sides := padded(video_target(output), (width, height))) is not None:
        note(sides)
    return f"{video.frames_written} frames at {fps:g} fps, {width}x{height}"
