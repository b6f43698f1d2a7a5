"""What is said of a motion file: facts for machines, and a line each for people."""

from __future__ import annotations

import os

import numpy as np

from kinema.scene import Motion, Scene
from kinema.scene.formats.figure import Figure
from kinema.scene.formats.reading import Clip, MotionFile
from kinema.scene.joint_rules import lacking

_JOINTS_SHOWN = 30


def facts_of(motion: Motion) -> dict[str, object]:
    """One person's motion as plain values."""
    root = motion.joints[:, 0]
    steps = np.linalg.norm(np.diff(root, axis=0), axis=1)
    known = motion.joints[np.isfinite(motion.joints).all(axis=-1)]
    extent = np.ptp(known, axis=0) if len(known) else np.zeros(3)
    return {
        "frames": motion.frames,
        "fps": motion.fps,
        "seconds": round(motion.duration, 4),
        "joints": len(motion.skeleton),
        "rotations": motion.rotations is not None,
        "missing_share": round(float(motion.missing.mean()), 4),
        "path_m": round(float(np.nansum(steps)), 3),
        "extent_m": [round(float(side), 3) for side in extent],
    }


def words_of(motion: Motion) -> str:
    """One person's motion in a line."""
    facts = facts_of(motion)
    extent = " x ".join(f"{side:.2f}" for side in facts["extent_m"])  # type: ignore[attr-defined]
    missing = f", {facts['missing_share']:.0%} of joints missing" if facts["missing_share"] else ""
    return (
        f"{_frames(motion)} at {motion.fps:g} fps ({motion.duration:.2f} s), {facts['joints']} joints"
        f"{' with rotations' if facts['rotations'] else ''}, path {facts['path_m']:.2f} m, extent {extent} m{missing}"
    )


def facts_of_scene(scene: Scene) -> dict[str, object]:
    """A scene as plain values."""
    camera = scene.camera
    return {
        "people": [facts_of(person) for person in scene.people],
        "camera": None if camera is None else {"frames": camera.frames, "fps": camera.fps},
        "text": scene.text,
    }


def words_of_scene(scene: Scene) -> list[str]:
    """A scene, a line for each person, the camera and the text."""
    lines = [f"person {number}: {words_of(person)}" for number, person in enumerate(scene.people)]
    if scene.camera is not None:
        lines.append(f"camera: {scene.camera.frames} frames at {scene.camera.fps:g} fps")
    if scene.text:
        lines.append(f"text: {scene.text}")
    return lines


def facts_of_file(file: MotionFile) -> dict[str, object]:
    """A motion file as plain values, with all that was assumed."""
    told = facts_of_scene(file.scene)
    people = [
        {"name": name, **facts, **_figure(motion), "joint_names": list(motion.skeleton.names)}
        for name, facts, motion in zip(file.names, told["people"], file.scene.people, strict=True)  # type: ignore[call-overload]
    ]
    return {
        "file": os.fspath(file.path),
        "kind": file.kind,
        "unit": file.unit,
        "up": file.up,
        **told,
        "people": people,
        "animations": [{"name": each.name, "seconds": round(each.seconds, 4)} for each in file.animations],
        "assumed": [
            {
                "option": each.option,
                "value": each.value,
                "why": each.why,
                "doubtful": each.doubtful,
            }
            for each in file.assumed
        ],
    }


def words_of_file(file: MotionFile) -> str:
    """A motion file in lines: what it is, how it was read and what overrules that, and who is in it."""
    lines = [file.kind]
    if file.scene.people:
        for word, taken in (("unit", file.unit), ("up", file.up)):
            lines += [str(each) for each in file.assumed if each.word == word] or [f"{word}: {taken}"]
        motion = file.scene.people[0]
        lines.append(f"length: {motion.duration:.2f} s, {_frames(motion)} at {motion.fps:g} fps")
    lines += [str(each) for each in file.assumed if each.word not in ("unit", "up")]
    for line, name, motion in zip(words_of_scene(file.scene), file.names, file.scene.people, strict=False):
        who, _, what = line.partition(": ")
        lines.append(f"{who}{f' {name!r}' if name else ''}: {_figure_words(motion)}; {what}")
    if file.scene.people:
        lines.append(f"joints: {_joint_names(file.scene.people[0])}")
    lines += words_of_scene(file.scene)[len(file.scene.people) :]
    lines += [f"animation {n}: {each.name}, {each.seconds:.2f} s" for n, each in enumerate(file.animations)]
    return "\n  ".join([f"{os.fspath(file.path)}: {lines[0]}", *lines[1:]])


def _frames(motion: Motion) -> str:
    return "1 frame" if motion.frames == 1 else f"{motion.frames} frames"


def _joint_names(motion: Motion) -> str:
    names = motion.skeleton.names
    more = len(names) - _JOINTS_SHOWN
    return ", ".join(names[:_JOINTS_SHOWN]) + (f" and {more} more (--json has all)" if more > 0 else "")


def _figure(motion: Motion) -> dict[str, object]:
    figure = Figure(Clip.of(motion))
    size = None if np.isnan(figure.size) else round(figure.size, 3)
    return {"is_person": figure.is_person, "size_m": size}


def _figure_words(motion: Motion) -> str:
    figure = _figure(motion)
    if figure["is_person"]:
        return f"a person, {figure['size_m']:.2f} m tall" if figure["size_m"] else "a person"
    size = f", {figure['size_m']:.2f} m across" if figure["size_m"] else ""
    return f"no person ({lacking(motion.skeleton) or 'no joints of a person'}){size}"
