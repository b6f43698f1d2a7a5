"""A real video becomes a scene: who is in it, how they move in metres, and how the camera moved.

One pass over the video feeds the detector, the tracker of people and the watcher of the background; the camera is
solved and placed in the world, and everybody who is followed is lifted to SMPL-24 joints seen by it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np

from kinema.capture.doubts import doubts, half_seen, unlike_people
from kinema.capture.filling import Fill, left_filled
from kinema.capture.observation import CameraChoice, CameraSolution, Capture, Observation, PersonTrack
from kinema.scene.camera import CameraPath
from kinema.scene.keypoints import Keypoints
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24

if TYPE_CHECKING:
    from kinema.capture.lifting import LiftedPerson

Progress = Callable[[str, int, int], None]
"""Called with the stage ("watching", "camera", "lifting"), how far it is and how far it goes (0: unknown)."""

FOLLOW_WORDS = ("largest", "longest", "centre", "all")
SEVERAL = 4
"""How many people are looked for where somebody has to be chosen among them and no number is given (ours)."""

DRAWN = "drawn-skeleton"
_DRAWN_NOTE = (
    "the video shows drawn skeletons in OpenPose's colours: their joints are read back, and the camera is taken to stand "
    "still"
)

CHUNK, CHUNK_BYTES = 32, 1 << 26
"""Frames and bytes of pictures in memory at once (ours)."""


class Frames(Protocol):
    """What is read: a `VideoSource`, or pictures from elsewhere with the same fields; `notes` may be left out."""

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def fps(self) -> float: ...
    @property
    def frames(self) -> int: ...
    @property
    def focal(self) -> float | None: ...
    def chunks(self, count: int) -> Iterator[np.ndarray]: ...


class NobodyFoundError(ValueError):
    """No person, or not the one asked for, was found in a video."""


def capture(
    video: str | os.PathLike[str] | Frames,
    *,
    detector: str = "mediapipe",
    model: str | os.PathLike[str] | None = None,
    start: float | None = None,
    stop: float | None = None,
    fps: float | None = None,
    source_fps: float | None = None,
    max_side: int | None = None,
    follow: str | int = "largest",
    people: int | None = None,
    fov: float | None = None,
    camera: CameraChoice = "auto",
    stature: float | None = None,
    fill: Fill = "none",
    cache: bool | str | os.PathLike[str] = False,
    progress: Progress | None = None,
) -> Capture:
    """Reads a scene off a video.

    Args:
        video: a video file, a folder or pattern of pictures (see `open_video`), or anything that gives frames as a
            `VideoSource` does.
        detector: mediapipe, or an optional one that needs `model`; see `kinema.capture.detectors`. Films of drawn
            skeletons are recognised and read by drawn-skeleton.
        model: the detector's file.
        start: seconds of the file at which the part begins; its beginning by default.
        stop: seconds at which it ends; its end by default.
        fps: frames per second to read; the file's own by default, at most 60.
        source_fps: the file's own frames per second, where it does not say them, as numbered pictures, or says them
            wrong.
        max_side: pixels; larger frames are made smaller.
        follow: who becomes a person of the scene: the `largest` in the picture, who is seen `longest`, who is
            nearest its `centre`, `all`, or the number of a track.
        people: how many are looked for; by default 1 for `largest`, else 4.
        fov: vertical field of view in degrees; from metadata, the background or a guess where None.
        camera: `auto` finds out whether and how it moves; `static` says that it does not, `turning` that it turns or
            zooms where it stands, `moving` that it leaves its place.
        stature: of whoever is followed, metres; it sets the scale. A grown-up's by default.
        fill: what was not seen of people stays missing (`none`); or is filled in and marked by a low confidence: in
            `short` gaps, in all frames in which anything of the `body` is seen, or in `all` frames.
        cache: keep results in the user's cache folder, or in this folder, and take them from there.
        progress: see Progress.

    Raises:
        NobodyFoundError: nobody there, or not the one asked for.
        FormatError: not a video, damaged, or nothing lies in the range.
        FileNotFoundError: no such video or model file.
        ValueError: an option out of range.
        ModuleNotFoundError: the detector's package is not installed.
    """
    settings = {
        "detector": detector,
        "model": None if model is None else os.fspath(model),
        "start": _number(start),
        "stop": _number(stop),
        "fps": _number(fps),
        "source_fps": _number(source_fps),
        "max_side": max_side,
        "follow": follow,
        "people": people,
        "fov": _number(fov),
        "camera": camera,
        "stature": _number(stature),
        "fill": fill,
    }
    _check(settings)
    if not isinstance(video, (str, os.PathLike)):
        return _as_asked(_read(video, settings, progress), settings)

    from kinema.capture.cache import CaptureCache
    from kinema.media.decoding import open_video

    store = CaptureCache(None if isinstance(cache, bool) else Path(cache)) if cache is not False else None
    key = store.key(video, {name: settings[name] for name in settings if name != "fill"}) if store else ""
    if store and (kept := store.load(key)) is not None:
        return _as_asked(kept, settings)
    with open_video(
        video, start=start, stop=stop, fps=fps, max_side=max_side, source_fps=source_fps
    ) as source:
        made = _read(source, settings, progress, name=os.fspath(video))
    if store:
        store.save(key, made)
    return _as_asked(made, settings)


def chosen_tracks(tracks: Sequence[PersonTrack], follow: str | int) -> tuple[PersonTrack, ...]:
    """Those who are followed, in order of their first appearance.

    Args:
        tracks: everybody.
        follow: see `capture`.

    Raises:
        NobodyFoundError: there is nobody, or nobody of that number.
    """
    from kinema.capture.people import choose

    if not tracks:
        raise NobodyFoundError("nobody was found in the video")
    if follow == "all":
        return tuple(tracks)
    try:
        return (choose(tracks, follow if follow in FOLLOW_WORDS else int(follow)),)
    except ValueError as error:
        raise NobodyFoundError(str(error)) from None


def lifted_or_missing(
    track: PersonTrack, camera: CameraPath, *, stature: float | None = None, fill: Fill = "none"
) -> LiftedPerson:
    """The person in the world; of whom too little is seen at once, every joint is missing and a note says so."""
    from kinema.capture.lifting import LiftedPerson, lift

    try:
        return lift(track, camera, stature=stature, fill=fill)
    except ValueError as error:
        nowhere = np.full((track.frames, len(SMPL24), 3), np.nan)
        motion = Motion(nowhere, track.fps, SMPL24, confidence=np.zeros(nowhere.shape[:2]))
        return LiftedPerson(motion, track.id, SMPL24.bone_lengths, float("nan"), (str(error),))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _as_asked(made: Capture, settings: dict[str, Any]) -> Capture:
    """A capture in which everything is filled, with as much of that left as the settings ask."""
    people = tuple(left_filled(person, settings["fill"]) for person in made.scene.people)
    halves = [
        half_seen(person, track, settings["fill"])
        for person, track in zip(made.scene.people, made.tracks, strict=True)
    ]
    notes = (*made.notes, *(note for half in halves for note in half))
    return replace(made, scene=replace(made.scene, people=people), settings=settings, notes=notes)


def _read(source: Frames, settings: dict[str, Any], progress: Progress | None, name: str = "") -> Capture:
    """What a video shows, every gap filled: `_as_asked` takes out what is not wanted."""
    from kinema.capture.placing import place

    report = progress or (lambda stage, done, total: None)
    clock = _Clock()
    tracks, solution, looks_like = _watch(source, settings, report, clock)
    try:
        followed = chosen_tracks(tracks, settings["follow"])
    except NobodyFoundError as error:
        where = f"{name}: " if name else ""
        raise NobodyFoundError(f"{where}{error}; {_hint(tracks, settings, looks_like)}") from None
    stature = settings["stature"]
    with clock("placing"):
        placed = place(followed, solution, source.fps, source.size, stature=stature)
    notes = [*getattr(source, "notes", ()), *solution.notes, *placed.notes]
    lifted = []
    for number, track in enumerate(followed):
        report("lifting", number, len(followed))
        with clock("lifting"):
            lifted.append(lifted_or_missing(track, placed.camera, stature=stature, fill="all"))
    report("lifting", len(followed), len(followed))
    figures: dict[str, float] = {f"seconds_{stage}": seconds for stage, seconds in clock.spent.items()}
    figures["frames"] = float(followed[0].frames)
    for track, person in zip(followed, lifted, strict=True):
        figures[f"residual_pixels_{track.id}"] = person.residual
        notes += [*person.notes, *doubts(track)]
    seen = tuple(Keypoints(t.points, t.confidence, t.layout, t.fps, t.size) for t in followed)
    scene = Scene(tuple(person.motion for person in lifted), placed.camera, source.fps, keypoints=seen)
    return Capture(scene, followed, solution, settings, tuple(dict.fromkeys(notes)), figures)


def _watch(
    source: Frames, settings: dict[str, Any], report: Progress, clock: _Clock
) -> tuple[list[PersonTrack], CameraSolution, str]:
    """The one pass: everybody's tracks, the camera's own movement, and what pictures look like that show no people.

    Frames are decoded ahead and the background is watched behind the detector, in threads of their own.
    """
    from kinema.capture.body_mask import background_of_people
    from kinema.capture.camera_watch import CameraWatch
    from kinema.capture.detectors import open_detector
    from kinema.capture.drawn_limbs import colour_order
    from kinema.capture.people import People

    wanted = settings["people"] or (1 if settings["follow"] == "largest" else SEVERAL)
    frames = 0
    with ExitStack() as stack:
        watch = CameraWatch(source.size, source.fps, focal=source.focal, fov=settings["fov"])
        reader, watcher = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
        width, height = source.size
        chunks = iter(source.chunks(min(CHUNK, max(1, CHUNK_BYTES // (3 * width * height)))))

        def decode() -> np.ndarray | None:
            with clock("decoding"):
                return next(chunks, None)

        def watch_background(chunk: np.ndarray, seen: list[list[Observation]]) -> None:
            with clock("camera"):
                free = [background_of_people(frame, detector.layout, source.size) for frame in seen]
                watch.add_masked(chunk, np.array(free))

        report("watching", 0, source.frames)
        coming, watched = reader.submit(decode), watcher.submit(lambda: None)
        first = coming.result()
        with clock("opening"):
            name, model, kind = settings["detector"], settings["model"], settings["camera"]
            if name != DRAWN and first is not None and colour_order(first) is not None:
                name, model = DRAWN, None
            if name == DRAWN and kind == "auto":
                kind = "static"  # there is no background
            detector = stack.enter_context(open_detector(name, model=model, people=wanted))
        everybody, still = People(detector.layout, max_people=wanted), kind == "static"
        while (chunk := coming.result()) is not None:
            coming = reader.submit(decode)
            with clock("detecting"):
                seen = detector.detect(chunk)
            with clock("tracking"):
                everybody.add(seen)
            if not (still and frames):  # a camera that is known to be still needs to be seen once
                shown = slice(0, 1 if still else None)
                watched.result()  # at most one chunk waits, so that memory stays flat
                watched = watcher.submit(watch_background, chunk[shown], seen[shown])
            frames += len(chunk)
            report("watching", frames, source.frames)
        watched.result()
        with clock("tracking"):
            tracks = everybody.finish(source.fps, source.size)
    report("camera", 0, 1)
    with clock("camera"):
        solution = watch.solve(kind)
    if name == DRAWN:
        solution = replace(solution, notes=(_DRAWN_NOTE,))
    report("camera", 1, 1)
    if still:
        times = np.zeros(frames, int)
        solution = replace(solution, c2w=solution.c2w[times], intrinsics=solution.intrinsics[times])
    looks_like = "" if tracks or first is None else unlike_people(first)
    return tracks, solution, looks_like


class _Clock:
    """Seconds spent by stage; stages that run at once overlap."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.perf_counter() - begun


def _check(settings: dict[str, Any]) -> None:
    """Says what is wrong with the options before anything is opened."""
    follow, people = settings["follow"], settings["people"]
    if follow not in FOLLOW_WORDS and not str(follow).isdigit():
        raise ValueError(f"follow {follow}: give {', '.join(FOLLOW_WORDS)}, or the number of a person")
    if people is not None and people < 1:
        raise ValueError(f"people {people}: look for at least one")
    for name, choices in (("camera", get_args(CameraChoice)), ("fill", get_args(Fill))):
        if settings[name] not in choices:
            raise ValueError(f"{name} {settings[name]!r}: choose {', '.join(choices)}")
    if settings["fov"] is not None and not 1 <= settings["fov"] <= 170:
        raise ValueError(f"fov {settings['fov']:g}: a vertical field of view lies between 1 and 170 degrees")
    if settings["stature"] is not None and not 0.3 <= settings["stature"] <= 2.8:
        raise ValueError(f"stature {settings['stature']:g}: give metres between 0.3 and 2.8")


def _hint(tracks: Sequence[PersonTrack], settings: dict[str, Any], looks_like: str) -> str:
    if tracks:
        return "choose another with follow"
    if looks_like:
        return looks_like
    if settings["detector"] == "mediapipe":
        return (
            "MediaPipe needs to see most of a body, about 100 pixels tall, and hardly knows drawings and animals: take "
            "another part or a larger picture"
        )
    return "take another part of the video, or another detector"
