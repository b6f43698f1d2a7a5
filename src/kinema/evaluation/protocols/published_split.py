"""A test set made of the user's copy: which clips, cut to the model's form, with the SHA-256 of all that they are from.

OUT/split.json        rule, seed, form, and of each clip the files it is from with their SHA-256
OUT/manifest.json     what `kinema evaluate videos` reads
OUT/reference/NAME/   frames as PNG
OUT/scenes/NAME.npz   people and camera of these frames
OUT/list.jsonl        what `kinema generate --list` reads
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data.data_file import VideoSet, read_data_file
from kinema.data.video_clips import VIDEO_SUFFIXES, Capture, PackedFile, VideoClip, open_clip, with_scene
from kinema.data.video_latents import cropped_pictures, scene_part
from kinema.evaluation.protocols.published import TIKTOK_TEST, Protocol, prompts_by_rule
from kinema.evaluation.protocols.videos_folder import read_pictures
from kinema.evaluation.protocols.videos_manifest import FORMAT
from kinema.media.video import write_json, write_video
from kinema.scene import Scene
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text

SPLIT = "kinema.split"
MAX_PROMPTS = 10_000

Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SplitForm:
    """What all clips of a test set are like.

    Args:
        size: (width, height).
        frames: of a clip.
        fps: frames per second.
    """

    size: tuple[int, int]
    frames: int
    fps: float


@dataclass(frozen=True)
class SplitAsked:
    """What a test set is made of.

    Args:
        data: folder in the set's own layout, CameraCtrl's .json of clips, or a data.toml; of prompts a .txt, or None.
        convention: of HumanVid's cameras, c2w or w2c, where `data` is a folder.
        ids: file with names of clips, a line each, instead of the protocol's rule.
        scenes: folder of NAME.npz that `kinema capture` made, for sets that have no people in their files.
        seed: of the order of clips.
        limit: clips at most, for a trial.
        picture: whether the model reads one.
    """

    data: Path | None
    convention: str | None = None
    ids: Path | None = None
    scenes: Path | None = None
    seed: int = 0
    limit: int | None = None
    picture: bool = True


def make_split(
    protocol: Protocol,
    asked: SplitAsked,
    form: SplitForm,
    out: Path,
    capture: Capture | None = None,
    say: Say = lambda name, done, total: None,
) -> dict[str, Any]:
    """Makes the test set, or goes on making it; what is made already is checked against the user's files.

    Args:
        protocol: whose.
        asked: what it is made of.
        form: of its clips.
        out: folder.
        capture: finds people where the set has none.
        say: told how far it is.

    Returns:
        What split.json says.

    Raises:
        ValueError: the folder holds another test set, or files have changed since.
        FormatError, FileNotFoundError: what of the user's copy is wrong.
    """
    facts = {"format": SPLIT, "protocol": protocol.name, "rule": protocol.rule if asked.ids is None else "your list",
             "seed": asked.seed, "limit": asked.limit, "form": _plain(asdict(form)),
             "picture": asked.picture}  # fmt: skip
    known = read_split(out)
    if known is not None:
        _same(out, known, facts)
        if known.get("done"):
            check_split(known, out)
            return known
    if not protocol.kind:
        made = {**facts, "done": True, "clips": _prompts(protocol, asked)}
        _write_lists(made, out, form, protocol)
        write_json(out / "split.json", made)
        return made
    write_json(out / "split.json", {**facts, "done": False, "clips": []})
    chosen, rest = _chosen(protocol, asked)
    clips: list[dict[str, Any]] = []
    short: list[str] = []
    wanted = min(
        protocol.clips if asked.ids is None else len(chosen) + len(rest), asked.limit or protocol.clips
    )
    for clip in [*chosen, *rest]:
        if len(clips) == wanted:
            break
        say("test clips", len(clips), wanted)
        made_clip = _make_clip(clip, asked, form, out, protocol, capture)
        if made_clip is None:
            short.append(clip.id)
        else:
            clips.append(made_clip)
    if not clips:
        raise ValueError(f"no clip of {asked.data} lasts {form.frames} frames at {form.fps:g} fps")
    made = {**facts, "done": True, "short": short, "clips": clips}
    _write_lists(made, out, form, protocol)
    write_json(out / "split.json", made)
    return made


def read_split(out: Path) -> dict[str, Any] | None:
    """What a folder's split.json says; None where there is none.

    Raises:
        FormatError: it is none of ours.
    """
    path = out / "split.json"
    if not path.is_file():
        return None
    try:
        said = json.loads(read_text(path, 1 << 28))
    except json.JSONDecodeError as error:
        raise FormatError(path, f"no JSON: {error.msg}", f"line {error.lineno}") from None
    if not isinstance(said, dict) or said.get("format") != SPLIT or not isinstance(said.get("clips"), list):
        raise FormatError(path, "is no test set of a protocol")
    return said


def check_split(split: dict[str, Any], out: Path) -> None:
    """Holds the files that a test set is from against their SHA-256.

    Raises:
        ValueError: files are gone or have changed; all of them are named.
    """
    wrong = []
    for clip in split["clips"]:
        for path, wanted in clip.get("files", {}).items():
            if not Path(path).is_file():
                wrong.append(f"{path} is gone")
            elif _sha256(Path(path)) != wanted:
                wrong.append(f"{path} has another sha256")
        frames = out / "reference" / clip["name"]
        if "frames_sha256" in clip and _frames_hash(frames) != clip["frames_sha256"]:
            wrong.append(f"{frames} has another sha256")
    if wrong:
        rest = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(
            f"{out}: the test set is not what it was made of: {'; '.join(wrong[:5])}{rest}; take another --out"
        )


def clips_of_set(protocol: Protocol, asked: SplitAsked) -> list[VideoClip]:
    """All clips of the user's copy.

    Raises:
        FormatError, FileNotFoundError, ValueError: it is not in the set's layout.
    """
    if asked.data is None:
        raise ValueError(f"{protocol.name}: say where your copy of the set is (--data)")
    if asked.data.suffix.lower() == ".toml":
        sets = [each for each in read_data_file(asked.data).sets if each.kind == protocol.kind]
        if not sets:
            raise FormatError(asked.data, f"names no set of the kind {protocol.kind!r}")
        return [clip for each in sets for clip in each.clips()]
    folder, options = asked.data, {}
    place = str(folder)
    if protocol.kind == "humanvid":
        if asked.convention not in ("c2w", "w2c"):
            raise ValueError(
                "humanvid: say --convention w2c (rendered) or c2w (web): nothing in a camera file tells"
            )
        place, options = (
            str(folder / "videos"),
            {"convention": asked.convention, "cameras": str(folder / "cameras")},
        )
        if (folder / "scenes").is_dir():
            options["scenes"] = str(folder / "scenes")
    elif protocol.kind == "realestate10k" and folder.is_dir():
        place, options = _re10k_list(folder), {"root": str(folder)}
    elif protocol.kind == "realestate10k":
        above = folder.parent.parent if folder.parent.name == "annotations" else folder.parent
        options = {"root": str(above)}
    named = VideoSet(protocol.name, protocol.kind, place, 1.0, frozenset(protocol.gives), options)
    return list(named.clips())


def _re10k_list(folder: Path) -> str:
    """CameraCtrl's list of the test part."""
    for name in ("test.json", "validation.json"):
        if (folder / "annotations" / name).is_file():
            return str(folder / "annotations" / name)
    raise FileNotFoundError(
        f"{folder}/annotations has neither test.json nor validation.json (CameraCtrl's layout): the protocol measures "
        "clips that nobody trains on; give another list as --data LIST.json"
    )


def _chosen(protocol: Protocol, asked: SplitAsked) -> tuple[list[VideoClip], list[VideoClip]]:
    """The clips of the rule in order, and whichever may take the place of one that is too short."""
    clips = clips_of_set(protocol, asked)
    if asked.ids is not None:
        wanted = [line.strip() for line in read_text(asked.ids, 1 << 24).splitlines() if line.strip()]
        by_name = {key: clip for clip in clips for key in (clip.id, _bare(clip), Path(_bare(clip)).stem)}
        for line, name in enumerate(wanted, start=1):
            if name not in by_name:
                raise FormatError(asked.ids, f"there is no clip {name!r} in {asked.data}", f"line {line}")
        return [by_name[name] for name in wanted], []
    if protocol.kind == "tiktok":
        found = [clip for clip in clips if (n := re.search(r"\d+", _bare(clip))) and int(n[0]) in TIKTOK_TEST]
        if not found:
            raise ValueError(
                f"{asked.data} has none of the sequences {TIKTOK_TEST[0]:05d} to {TIKTOK_TEST[-1]:05d}; it has "
                f"{', '.join(_bare(clip) for clip in clips[:4])}, ...: name others, a line each, by --ids FILE"
            )
        return found, []
    return [], sorted(
        clips, key=lambda clip: hashlib.sha256(f"{asked.seed}:{_bare(clip)}".encode()).hexdigest()
    )


def _make_clip(
    clip: VideoClip,
    asked: SplitAsked,
    form: SplitForm,
    out: Path,
    protocol: Protocol,
    capture: Capture | None,
) -> dict[str, Any] | None:
    """Frames and scene of a clip, and what split.json says of it; None where it is too short."""
    name = _file_name(clip)
    target, scene_file = out / "reference" / name, out / "scenes" / f"{name}.npz"
    if not (target / "settings.json").is_file():
        with open_clip(clip, fps=form.fps) as video:
            frames = list(islice(cropped_pictures(video, form.size), form.frames))
        if len(frames) < form.frames:
            return None
        scene = _scene(clip, asked, capture, form)
        if scene is not None:
            scene.save(scene_file)
        write_video(f"{target}/", np.stack(frames), form.fps, {"clip": clip.id})
    scene = Scene.load(scene_file) if scene_file.is_file() else None
    files = {str(path): _sha256(path) for path in _files(clip)}
    return {
        "name": name,
        "clip": clip.id,
        "prompt": clip.caption or protocol.prompt,
        "people": 0 if scene is None else len(scene.people),
        "scene": scene is not None,
        "files": files,
        "frames_sha256": _frames_hash(target),
    }


def _scene(clip: VideoClip, asked: SplitAsked, capture: Capture | None, form: SplitForm) -> Scene | None:
    if asked.scenes is not None and clip.scene is None:
        for stem in (_bare(clip), Path(_bare(clip)).stem):
            if (place := asked.scenes / f"{stem}.npz").is_file():
                clip = replace(clip, scene=Scene.load(place))
                break
    known = with_scene(clip, capture).scene
    return None if known is None else scene_part(known.at(form.fps), 0, form.frames, form.size)


def _prompts(protocol: Protocol, asked: SplitAsked) -> list[dict[str, Any]]:
    files: dict[str, str] = {}
    if asked.data is None:
        lines = prompts_by_rule(protocol.clips)
    else:
        lines = [line.strip() for line in read_text(asked.data, 1 << 24).splitlines() if line.strip()]
        files = {str(asked.data.absolute()): _sha256(asked.data)}
    if not lines or len(lines) > MAX_PROMPTS:
        raise FormatError(
            asked.data or "prompts", f"has {len(lines)} prompts; give 1 to {MAX_PROMPTS}, a line each"
        )
    limited = lines[: asked.limit] if asked.limit else lines
    return [
        {"name": f"{number:04d}", "prompt": line, "people": 1, "scene": False, "files": files}
        for number, line in enumerate(limited)
    ]


def _write_lists(split: dict[str, Any], out: Path, form: SplitForm, protocol: Protocol) -> None:
    """manifest.json, and list.jsonl whose rows say what drives each video."""
    out.mkdir(parents=True, exist_ok=True)
    clips, rows = [], []
    for number, clip in enumerate(split["clips"]):
        entry = {"name": clip["name"], "prompt": clip["prompt"]}
        row: dict[str, Any] = {"name": clip["name"], "prompt": clip["prompt"], "seed": split["seed"] + number}
        if protocol.kind:
            entry["reference_sha256"] = clip["frames_sha256"]
            row |= {"motion": f"scenes/{clip['name']}.npz", "retarget": False, "steady": False}
            row["person"] = "all" if clip["people"] else "none"
            if split["picture"]:
                row["picture"] = f"reference/{clip['name']}/00000.png"
            if clip["scene"]:
                entry["scene"] = f"scenes/{clip['name']}.npz"
        else:
            row["seconds"] = (form.frames - 1) / form.fps
        clips.append(entry)
        rows.append(row)
    head = {"format": FORMAT, "version": 1, **_plain(asdict(form))}
    write_json(out / "manifest.json", {**head, "clips": clips})
    with atomic_write(out / "list.jsonl") as temporary:
        temporary.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )


def _same(out: Path, known: dict[str, Any], facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if known.get(name) != value:
            raise ValueError(
                f"{out} holds another test set: its {name} is {known.get(name)!r}, not {value!r}; take another --out"
            )


def _bare(clip: VideoClip) -> str:
    """A clip's name in its own set."""
    return clip.id.partition("/")[2] or clip.id


def _file_name(clip: VideoClip) -> str:
    name = _bare(clip)
    name = name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in VIDEO_SUFFIXES else name
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "clip"


def _files(clip: VideoClip) -> Sequence[Path]:
    if isinstance(clip.video, PackedFile):
        return [clip.video.path.absolute()]
    paths = clip.video if isinstance(clip.video, tuple) else (clip.video,)
    return [path.absolute() for path in paths]


def _frames_hash(folder: Path) -> str:
    """As `ClipFolder.sha256`: over names and SHA-256s of the frames, in order."""
    lines = [f"{file.name}\0{_sha256(file)}\n" for file in sorted(folder.glob("*.png"))]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: list(each) if isinstance(each, tuple) else each for key, each in value.items()}


def held_still(source: Path, split: dict[str, Any], folder: Path) -> None:
    """Writes the first frame of each clip of a folder held still: what a picture alone scores.

    What was made of the same frame is kept; clips that are not there are left out.
    """
    for clip in split["clips"]:
        first = next(iter(sorted((source / clip["name"]).glob("*.png"))), None)
        if first is None:
            continue
        target, held = folder / clip["name"], _sha256(first)
        settings = target / "settings.json"
        if settings.is_file() and json.loads(read_text(settings)).get("settings", {}).get("held") == held:
            continue
        frames = read_pictures(source / clip["name"])
        write_video(
            f"{target}/", np.repeat(frames[:1], len(frames), axis=0), split["form"]["fps"], {"held": held}
        )
