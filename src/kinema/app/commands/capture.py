"""`kinema capture`: a video becomes a scene."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import CRF, FORCE, JSON, VIDEO_HELP
from kinema.app.console import result, work


def capture(
    video: Path = typer.Argument(
        ...,
        help="The video: any file that FFmpeg reads, an animated picture, or a folder or pattern of numbered pictures "
        "(frames/%04d.png, 'frames/*.png'). Films of drawn OpenPose skeletons are read back.",
    ),
    output: Path = typer.Option(
        ...,
        "--output",
        "-o",
        help="The scene (.npz); the motion of one person as .bvh, .glb or .npy; or what was seen in the pictures, as "
        "OpenPose JSON (.json).",
    ),
    preview: str | None = typer.Option(
        None, help=f"Also show the skeletons on the video beside the scene on the stage: {VIDEO_HELP}"
    ),
    start: str | None = typer.Option(None, "--from", help="Begin there, e.g. 2s or 1:30."),
    end: str | None = typer.Option(None, "--to", help="End there."),
    seconds: str | None = typer.Option(None, help="Read only so much from there."),
    follow: str | None = typer.Option(
        None,
        help="Who is captured: largest, longest, centre, all, or the number of a person. Default: all; the largest for "
        "files that hold one person.",
    ),
    people: int | None = typer.Option(
        None, min=1, max=16, help="How many people to look for. Default: 1 for largest, else 4."
    ),
    detector: str = typer.Option(
        "mediapipe",
        help="mediapipe, mediapipe-holistic, wholebody-onnx or nlf, of which the last two need --model; or "
        "drawn-skeleton, which such films are given by themselves.",
    ),
    model: Path | None = typer.Option(
        None, help="The detector's file: .task for MediaPipe, .onnx, or TorchScript for NLF."
    ),
    camera: str = typer.Option(
        "auto", help="auto finds out how the camera moves; static, turning or moving where you know."
    ),
    fov: float | None = typer.Option(
        None, help="Vertical field of view in degrees. Default: the file's metadata, or a guess."
    ),
    stature: float | None = typer.Option(
        None, help="How tall the person is, metres; sets the scale. Default: 1.7."
    ),
    fill: str = typer.Option(
        "body",
        help="What was not seen is filled in and marked so: body, in all frames in which anything of the person is "
        "seen; short, in gaps to half a second; all, everywhere; none.",
    ),
    prior: str | None = typer.Option(
        None,
        help="Who fills in: a paper with the part `capture.prior`, such as genmo, whose motion generator makes what was "
        "not seen. Default: what lifts the person.",
    ),
    doing: str | None = typer.Option(None, help="With --prior: what the person does, in words."),
    fps: float | None = typer.Option(
        None, help="Read so many frames per second. Default: the video's own, at most 60."
    ),
    source_fps: float | None = typer.Option(
        None,
        help="The video's own frames per second, where it does not say them, as numbered pictures, or says them wrong. "
        "Of numbered pictures by default --fps, or 30.",
    ),
    max_side: int | None = typer.Option(None, min=64, help="Shrink larger pictures to this side, pixels."),
    cached: bool = typer.Option(
        True, "--cache/--no-cache", help="Keep results and take them from the cache."
    ),
    seed: int = typer.Option(0, help="Of the preview's actors and studio, and of what a --prior makes."),
    crf: int = CRF,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Read people and camera off a video."""
    from kinema.app.inputs import check_output, check_video
    from kinema.media.decoding import VIDEO_SUFFIXES
    from kinema.media.stills import picture_files
    from kinema.scene.formats import MOTION_FORMATS

    suffixes = dict.fromkeys([".npz", *(suffix for suffix, _ in MOTION_FORMATS.values()), ".json"])
    check_output(output, *suffixes, force=force)
    several = output.suffix.lower() in (".npz", ".json")
    if not several and follow == "all":
        raise ValueError(f"--follow all: {output.suffix} files hold one person; name the result .npz")
    if follow is None:
        follow = "all" if several else "largest"
    if doing is not None and prior is None:
        raise ValueError("--doing is for a --prior, which fills in what was not seen")
    if prior is not None and fill == "none":
        raise ValueError("--prior fills in what was not seen, and --fill none leaves it out")
    if preview is not None:
        if Path(preview).resolve() == video.resolve():
            raise ValueError(f"--preview {preview}: this is the video itself; name another file")
        check_video(preview, force=force)
    if not picture_files(video) and not video.is_file():
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise FileNotFoundError(f"{video}: no such video file (of {known} and whatever else FFmpeg reads)")

    import numpy as np

    from kinema import __version__
    from kinema.app.capturing import (
        captured,
        filled_share,
        with_prior,
        write_scene,
    )
    from kinema.app.inputs import fingerprint, seconds_between
    from kinema.app.progress import Bars
    from kinema.media.video import sidecar, write_json

    begin, stop = seconds_between(start, end, seconds)
    made = captured(
        video,
        Bars(),
        detector=detector,
        model=model,
        start=begin,
        stop=stop,
        fps=fps,
        source_fps=source_fps,
        max_side=max_side,
        follow=int(follow) if follow.isdigit() else follow,
        people=people,
        fov=fov,
        camera=camera,
        stature=stature,
        fill="all" if prior else fill,
        cache=cached,
    )
    if prior is not None:
        made = with_prior(made, prior, doing or "", seed, fill)
    scene = made.scene
    if not several and not np.isfinite(scene.people[0].joints).any():
        raise ValueError(f"{video}: too little of the person is seen at once to read a motion from it")
    write_scene(output, scene)
    settings = {
        "command": "capture",
        "video": fingerprint(video),
        **{**made.settings, "model": None if model is None else fingerprint(model)},
    }
    facts = {
        "people": [
            {
                "person": track.id,
                "seen": round(float(track.seen.mean()), 4),
                "filled": round(filled_share(scene, number), 4),
            }
            for number, track in enumerate(made.tracks)
        ],
        "camera": made.camera.kind,
        "frames": made.tracks[0].frames,
        "fps": scene.fps,
        "notes": made.notes,
    }
    write_json(
        sidecar(output), {"kinema": __version__, "settings": settings, **facts, "figures": made.figures}
    )
    work.written.append(str(output))
    if preview is not None:
        from kinema.app.capture_preview import write_capture_preview

        write_capture_preview(preview, video, made, seed=seed, settings=settings, crf=crf)
    who = "1 person" if len(scene.people) == 1 else f"{len(scene.people)} people"
    said = f"{output}: {facts['frames']} frames at {scene.fps:g} fps, {who}, {made.camera.kind} camera"
    if preview is not None:
        said += f"\n{preview}: the skeletons on the video, and the scene"
    told = {"output": str(output), "preview": preview, **settings, **facts}
    result(told, said, as_json)
