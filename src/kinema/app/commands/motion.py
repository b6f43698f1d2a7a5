"""`kinema motion`: makes motions from text, converts motion files and says what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from kinema.app.commands.shared import (
    ENDPOINT,
    ENDPOINT_MODEL,
    FORCE,
    FPS,
    JSON,
    PART,
    PERSON,
    READING,
    VIDEO_HELP,
    reads_motion,
    takes_part,
)
from kinema.app.console import note, result, work

if TYPE_CHECKING:
    from kinema.scene import Motion
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.lasting import Part


class PromptOrCommand(TyperGroup):
    """A group whose first word is one of its commands, or else belongs to the command `create`."""

    default = "create"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PromptOrCommand,
    help="Make a motion from text, convert motion files, and see what is in them. "
    'The first word is a command below, or what the person does: `kinema motion "a person waves" -o wave.bvh` '
    "(`create` may be left out; its options: `kinema motion create --help`).",
    no_args_is_help=True,
)


@app.command()
@reads_motion
def create(
    source: str | None = typer.Argument(
        None,
        metavar="PROMPT",
        help='What the person does; parts after "then" follow each other. A file that exists, or a single word that '
        "ends like one (.bvh, .glb, .npz, .npy), is converted instead; everything else is a prompt.",
    ),
    output: Path = typer.Option(
        ..., "--output", "-o", help="The file: .bvh, .glb, .npy (HumanML3D) or .npz (a Kinema scene)."
    ),
    kind: str | None = typer.Option(
        None, "--format", help="For .npz: kinema, amass or kimodo. Default: what the suffix says."
    ),
    seconds: str | None = typer.Option(None, help="Length. Default: what the text says, or 4 s a part."),
    fps: float | None = FPS,
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same motion."),
    timeline: Path | None = typer.Option(
        None,
        help="A timeline file instead of a prompt: blocks of text with start, end and body parts (.json), or STMC's "
        "lines `text # start # end # part, part` (.txt).",
    ),
    blend: str | None = typer.Option(
        None,
        help="How a timeline's blocks are put together: a paper with the part `timeline`, such as stmc. Default: one "
        "within the other.",
    ),
    together: Path | None = typer.Option(
        None,
        help="A plan of several people instead of a prompt: what each does, where they start, which joints touch or "
        "stay apart (.json); the result is a .npz.",
    ),
    pair: tuple[str, str] | None = typer.Option(
        None,
        metavar="FIRST SECOND",
        help="Two people instead of a prompt: what each does. The second may answer the first: mirrors, copies or "
        "follows the first, steps back, turns to face the first; or both shake hands, hold hands, give a high five. A "
        ".npz.",
    ),
    react: Path | None = typer.Option(
        None,
        help="A motion file that the prompt answers, as the second of --pair does; the result is the one who answers, or "
        "both in a .npz.",
    ),
    apart: float | None = typer.Option(
        None, min=0.2, max=20, help="Metres between two people at the start. Default: what they need."
    ),
    jointly: str | None = typer.Option(
        None,
        help="How people of a plan are made: a paper with the part `together`, such as intercontrol. Default: one by "
        "one, then moved.",
    ),
    like: Path | None = typer.Option(
        None,
        help="With a --model of one clip (`kinema train single`): a motion of the same body whose course is followed.",
    ),
    style: str | None = typer.Option(None, help="How it is done, e.g. happy, elderly, exhausted."),
    steps: int | None = typer.Option(None, min=1, max=200, help="Sampling steps. Default: the model's."),
    guidance: float | None = typer.Option(
        None, min=0, max=20, help="How much the text counts; 1 is twice as fast. Default: the model's."
    ),
    guider: str | None = typer.Option(
        None,
        help="How the text is made to count: a paper with the part `guider.motion`, such as motionduet, whose scale "
        "--guidance then is. Default: against no text.",
    ),
    reach: list[str] | None = typer.Option(
        None,
        help="Where a joint shall be: JOINT@SECONDS:X,Y,Z in metres, e.g. left_wrist@2s:0.4,1.5,0.3; repeatable. The "
        "person starts at 0,0 and looks along Z.",
    ),
    after: Path | None = typer.Option(
        None, help="Go on with this motion: the result begins with it, and --seconds counts it, too."
    ),
    completion: str | None = typer.Option(
        None,
        help="How --after is kept: a paper with the part `completion`, such as humanmac. Default: the model is told.",
    ),
    search: str | None = typer.Option(
        None,
        help="How --reach is met: a paper with the part `search.motion`, such as dart. Default: predictions are moved.",
    ),
    rounds: int = typer.Option(
        0,
        min=0,
        max=20,
        help="Measure what the prompt says (turns, metres, raised hands, standing still), mend what is wrong, and again, "
        "so many times at most.",
    ),
    explain: bool = typer.Option(False, "--explain", help="With --rounds: say what was measured and mended."),
    preview: str | None = typer.Option(None, help=f"Also film it on the stage: {VIDEO_HELP}"),
    camera: str | None = typer.Option(None, help="The preview's camera in words, or a camera file."),
    size: str = typer.Option(
        "384x384", help="Of the preview and the scene's camera, width x height in pixels."
    ),
    model: Path | None = typer.Option(None, help="A folder with a motion model. Default: the embedded one."),
    lora: list[str] | None = typer.Option(
        None,
        help="An adapter of the motion model from `kinema train motion-lora`, FILE or FILE:STRENGTH (1 as trained); "
        "repeatable.",
    ),
    person: int | None = PERSON,
    reading: MotionReading = READING,
    endpoint: str | None = ENDPOINT,
    endpoint_model: str = ENDPOINT_MODEL,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Make a motion from text."""
    from kinema.app.inputs import (
        check_camera,
        check_video,
        fingerprint,
        parse_seconds,
        parse_size,
        parse_strength,
        parse_target,
    )
    from kinema.app.motion_facts import facts_of, words_of
    from kinema.app.motion_orders import (
        BESIDE,
        Model,
        PromptOrder,
        of_answer,
        of_pair,
        of_plan,
        of_timeline,
    )
    from kinema.app.text_motion import (
        check_motion_output,
        film_preview,
        names_a_file,
        sampling_settings,
        seen_by,
        write_scene_or_motion,
    )
    from kinema.motion.generator import generator_in
    from kinema.scene import Scene
    from kinema.scene.formats import read_motion

    if source is timeline is together is None and (after or not generator_in(model).hears_words):
        source = ""  # whoever goes on may do anything
    if sum(each is not None for each in (source, timeline, together, pair)) != 1:
        raise ValueError("give one of: a prompt (or a file to convert), --timeline, --together, --pair")
    if react is not None and source is None:
        raise ValueError("--react answers a motion by a prompt; say what the second person does")
    if apart is not None and pair is react is None:
        raise ValueError("--apart is for two people, --pair or --react")
    if seconds is not None and (timeline or react):
        raise ValueError("--seconds: a timeline, or the motion that is answered, says how long it is")
    if jointly is not None and together is None:
        raise ValueError("--jointly is for the people of a plan, --together")
    if blend is not None and timeline is None:
        raise ValueError("--blend is for the blocks of a --timeline")
    if source is not None and names_a_file(source):
        _refuse_text_options(seconds=seconds, style=style, steps=steps, preview=preview, camera=camera)
        check_motion_output(output, kind, force=force)
        _convert(Path(source), output, reading, kind, fps, person, as_json)
        return
    if explain and not rounds:
        raise ValueError("--explain tells of --rounds; say how many, e.g. --rounds 3")
    if rounds and (timeline or together or pair or react or reach or after or like):
        raise ValueError(
            "--rounds is for prompts alone, without --timeline, --together, --pair, --react, --reach, --after and --like"
        )
    if completion is not None and (after is None or reach or style or guider):
        raise ValueError("--completion is for --after, without --reach, --style and --guider")
    if search is not None and not reach:
        raise ValueError("--search is for what --reach asks for")
    wordless = (like is not None or bool(reach)) and not generator_in(model).hears_words
    if like is not None and not wordless:
        raise ValueError("--like is for a --model of one clip, which `kinema train single` makes")
    if reach and wordless:
        raise ValueError("--reach: a model of one clip keeps known frames alone, with --after")
    if (reach or after) and (timeline or together or pair or react):
        raise ValueError("--reach and --after are for prompts of one person who answers nobody")
    if pair is not None:
        _refuse_of_people(output, kind, guider=guider)
    if together is not None:
        _refuse_of_people(output, kind, seconds=seconds, style=style, guider=guider)
    targets = [(each, parse_target(each)) for each in reach or ()]
    chosen = Model(model, [parse_strength(each) for each in lora or ()])
    check_motion_output(output, kind, force=force)
    length = parse_seconds(seconds, "--seconds")
    preview_size = parse_size(size)
    if preview is not None:
        check_video(preview, force=force)
    if camera is not None:
        check_camera(camera)
    options: dict[str, Any] = {"seed": seed, "style": style, "steps": steps, "guidance": guidance}
    if guider is not None:
        options["guidance"] = _guider(guider, guidance)
    if together is not None:
        made = of_plan(chosen, together, jointly, options)
    elif pair is not None:
        made = of_pair(chosen, pair, length, apart, options)
    elif timeline is not None:
        made = of_timeline(chosen, timeline, blend, options)
    elif react is not None:
        actor = read_motion(react, person=person or 0, **vars(reading))
        both = output.suffix.lower() == ".npz" and kind in (None, "kinema")
        made = of_answer(chosen, str(source), actor, apart, both, options)
        made.told["react"] = fingerprint(react)
    else:
        order = PromptOrder(
            str(source), length, targets, after, like, search, completion, rounds, person, reading,
            (endpoint, endpoint_model),
        )  # fmt: skip
        made = order.make(chosen, options)
    camera = made.camera if camera is None else camera
    if camera is None and preview is not None and (pair or react):
        camera = BESIDE
    people = [each if fps is None else each.resample(fps) for each in made.people]
    motion = people[0]
    settings: dict[str, Any] = {
        "command": "motion",
        **made.told,
        "camera": camera,
        "seed": seed,
        "style": style,
        **sampling_settings(made.generator, steps=steps, guidance=guidance),
        "guider": guider,
        **chosen.settings(),
    }
    scene = seen_by(Scene(tuple(people), None, motion.fps, made.text), camera, preview_size)
    write_scene_or_motion(output, scene, kind, settings)
    work.written.append(str(output))
    if preview is not None:
        film_preview(preview, scene, preview_size, seed, settings)
        settings["preview"] = preview
    words = "; ".join(words_of(each) for each in people)
    if explain:
        words += "".join(f"\nround {number}: {line}" for number, line in enumerate(made.told["rounds"]))
    said = f"{output}: {words}" + ("" if preview is None else f"\n{preview}: the preview")
    result({"output": str(output), **settings, **facts_of(motion)}, said, as_json)


def _refuse_of_people(output: Path, kind: str | None, **options: object) -> None:
    """Options that people of a plan or pair do not take, and where they can be written."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name}: not for several people; a plan of --together says it, if anything")
    if output.suffix.lower() != ".npz" or kind not in (None, "kinema"):
        raise ValueError(f"{output}: several people are written as a Kinema scene, .npz")


def _guider(name: str, scale: float | None) -> Any:
    """A paper's guider of motion, at its own scale where none is given."""
    from kinema.papers import find

    made = find("guider.motion", name)
    return made() if scale is None else made(scale)


def _refuse_text_options(**options: object) -> None:
    """Options of making motion say nothing about a file that is converted."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"--{name} is for prompts, and a file is converted here; `kinema motion convert` has options for files"
            )


def _convert(
    source: Path,
    target: Path,
    reading: MotionReading,
    kind: str | None,
    fps: float | None,
    person: int | None,
    as_json: bool,
) -> None:
    from kinema.app.capturing import scene_of
    from kinema.app.converting import changed, only_who_fits, write_people
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile

    progress = Bars()
    scene = scene_of(FromFile.read_as(source, reading), progress)
    scene = only_who_fits(scene, target, kind, person, progress)
    scene = changed(scene, lambda motion: motion if fps is None else motion.resample(fps))
    write_people(target, scene, kind)
    _say(target, as_json)


def _say(target: Path, as_json: bool) -> None:
    """What was written, read back: some formats have a rate and joints of their own."""
    from kinema.app.motion_facts import facts_of, words_of
    from kinema.scene.formats import read_motion_file

    scene = read_motion_file(target).scene
    lines = [f"{target}: {words_of(person)}" for person in scene.people]
    facts = {"output": str(target), "people": len(scene.people), **facts_of(scene.people[0])}
    result(facts, "\n".join(lines), as_json)


@app.command()
@reads_motion
@takes_part
def convert(
    source: Path = typer.Argument(..., help="The motion file to read, or a video."),
    target: Path = typer.Argument(..., help="The file to write; its suffix decides the format."),
    fps: float | None = FPS,
    skeleton: str | None = typer.Option(None, "--as", help="Convert to this skeleton; 'smpl24' is known."),
    mirror: bool = typer.Option(False, "--mirror", help="Swap left and right."),
    part: Part = PART,
    kind: str | None = typer.Option(
        None, "--format", help="For .npz: kinema, amass or kimodo. Default: kinema."
    ),
    person: int | None = PERSON,
    reading: MotionReading = READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Convert a motion file into another format; a Kinema .npz keeps all people."""
    from kinema.app.capturing import scene_of
    from kinema.app.converting import changed, mirrored, only_who_fits, write_people
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile, only_part
    from kinema.app.text_motion import check_motion_output

    check_motion_output(target, kind, force=force)
    if skeleton not in (None, "smpl24"):
        raise ValueError(f"--as {skeleton}: only smpl24 is known")
    progress = Bars()
    narrowed, part = only_part(FromFile.read_as(source, reading), part)
    scene = only_who_fits(scene_of(narrowed, progress), target, kind, person, progress)
    if (shorter := part.shortfall(scene.duration)) is not None:
        note(shorter)
    scene = part.of(scene)
    if part.seconds is not None and scene.duration > part.seconds:
        scene = scene.crop(0.0, part.seconds)

    def change(motion: Motion) -> Motion:
        if fps is not None:
            motion = motion.resample(fps)
        if skeleton is not None:
            motion = motion.to_smpl24()
        return motion

    scene = changed(scene, change)
    if mirror:
        scene = mirrored(scene, progress)
    write_people(target, scene, kind)
    _say(target, as_json)


@app.command()
@reads_motion
def info(
    file: Path = typer.Argument(..., help="A motion or scene file, or a video."),
    reading: MotionReading = READING,
    as_json: bool = JSON,
) -> None:
    """Say what is in a motion or scene file, and how it was read."""
    from kinema.app.capturing import scene_of
    from kinema.app.motion_facts import facts_of_file, facts_of_scene, words_of_file, words_of_scene
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.media.decoding import is_video
    from kinema.scene.formats import read_motion_file

    source = FromFile.read_as(file, reading)
    if is_video(file):
        scene = scene_of(source, Bars())
        result(
            {"file": str(file), **facts_of_scene(scene)},
            "\n  ".join([str(file), *words_of_scene(scene)]),
            as_json,
        )
        return
    read = read_motion_file(file, **source.words)
    result(facts_of_file(read), words_of_file(read), as_json)
