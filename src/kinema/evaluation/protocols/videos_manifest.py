"""A manifest: which clips a test set has, how they must look, and what is known about them.

    {"format": "kinema.manifest", "version": 1, "fps": 12, "clips": [
      {"name": "walk", "frames": 49, "size": [96, 128], "reference_sha256": "...", "generated_sha256": "...",
       "prompt": "a person walks", "group": "walk", "truth": "truth/walk.npz", "scene": "scenes/walk.npz"}]}

`truth` is an .npz without pickle: `person_mask` bool [T, H, W], `part_ids` uint8 [T, H, W] (0 nobody, j + 1 SMPL
segment j), `depth` float [T, H, W] in metres. `scene` is a Kinema scene. Paths are relative to the manifest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.evaluation.protocols.videos_folder import ClipFolder, ClipForm
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npz, read_text
from kinema.scene.scene import Scene

FORMAT = "kinema.manifest"
_KEYS = {
    "name",
    "frames",
    "size",
    "fps",
    "reference_sha256",
    "generated_sha256",
    "prompt",
    "group",
    "truth",
    "scene",
}
_ARRAYS = ("person_mask", "part_ids", "depth")


@dataclass(frozen=True)
class Known:
    """What a manifest knows about a clip beside its videos.

    Args:
        prompt: the text it was made from.
        group: clips of one group are drawn together when intervals are made.
        masks: people, bool [T, H, W].
        parts: part ids, uint8 [T, H, W].
        depth: metres along the optical axis, inf where nothing is, [T, H, W].
        scene: people and camera at the clip's rate and size.
    """

    prompt: str | None = None
    group: str | None = None
    masks: np.ndarray | None = None
    parts: np.ndarray | None = None
    depth: np.ndarray | None = None
    scene: Scene | None = None


NOTHING = Known()


class Manifest:
    """A manifest file, checked.

    Args:
        path: the file.

    Raises:
        FormatError: not a manifest; the clip and the field are named.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            content = json.loads(read_text(self.path))
        except json.JSONDecodeError as error:
            raise FormatError(self.path, error.msg, where=f"line {error.lineno}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise FormatError(
                self.path, f'is no manifest: it lacks "format": "{FORMAT}"', hint="see docs/evaluation.md"
            )
        if content.get("version") != 1:
            raise FormatError(self.path, f"has the version {content.get('version')!r}; this reader knows 1")
        clips = content.get("clips")
        if not isinstance(clips, list) or not clips:
            raise FormatError(self.path, "must be a list of at least one clip", where="clips")
        self.clips: dict[str, dict[str, Any]] = {}
        for number, clip in enumerate(clips):
            self._add(clip, f"clips[{number}]", content)

    def forms(self) -> dict[str, ClipForm]:
        """What every clip must be like."""
        return {
            name: ClipForm(clip["frames"], (clip["size"][0], clip["size"][1]), clip["fps"])
            for name, clip in self.clips.items()
        }

    def hashes(self, which: str) -> dict[str, str]:
        """The sha256s of the `reference` or `generated` clips that state one."""
        key = f"{which}_sha256"
        return {name: clip[key] for name, clip in self.clips.items() if key in clip}

    def known(self, name: str) -> Known:
        """What is known about a clip; its files are read now.

        Raises:
            FormatError: a file is not what it should be, or does not fit the clip's frames and size.
        """
        clip = self.clips[name]
        arrays: dict[str, np.ndarray] = {}
        if "truth" in clip:
            path = self.path.parent / clip["truth"]
            arrays = read_npz(path, names=_ARRAYS)
            wanted = (clip["frames"], clip["size"][1], clip["size"][0])
            for key, array in arrays.items():
                if array.shape != wanted:
                    raise FormatError(
                        path,
                        f"has shape {list(array.shape)}, the clip {list(wanted)}",
                        where=f"array {key!r}",
                    )
        parts = arrays.get("part_ids")
        masks = arrays.get("person_mask")
        if masks is None and parts is not None:
            masks = parts > 0
        return Known(
            clip.get("prompt"),
            clip.get("group"),
            None if masks is None else masks.astype(bool),
            parts,
            arrays.get("depth"),
            self._scene(clip),
        )

    def _scene(self, clip: dict[str, Any]) -> Scene | None:
        if "scene" not in clip:
            return None
        path = self.path.parent / clip["scene"]
        scene = Scene.load(path).at(clip["fps"])
        if scene.frames < clip["frames"]:
            raise FormatError(
                path, f"lasts {scene.frames} frames at {clip['fps']:g} fps, the clip {clip['frames']}"
            )
        if scene.frames > clip["frames"]:
            scene = scene.crop(0.0, (clip["frames"] - 1) / clip["fps"])
        return scene if scene.camera is None else scene.with_camera(scene.camera.resize(*clip["size"]))

    def _add(self, clip: Any, where: str, content: dict[str, Any]) -> None:
        if not isinstance(clip, dict) or not isinstance(clip.get("name"), str) or not clip["name"]:
            raise FormatError(self.path, "must be an object with a name", where=where)
        where = f"{where} ({clip['name']})"
        if clip["name"] in self.clips:
            raise FormatError(self.path, "appears twice", where=where)
        unknown = sorted(set(clip) - _KEYS)
        if unknown:
            raise FormatError(
                self.path, f"unknown field {unknown[0]!r}", where=where, hint=f"known: {sorted(_KEYS)}"
            )
        clip = {key: content[key] for key in ("frames", "size", "fps") if key in content} | clip
        frames, size, fps = clip.get("frames"), clip.get("size"), clip.get("fps")
        if type(frames) is not int or frames < 1:
            raise FormatError(self.path, f"frames is {frames!r}; give a whole number", where=where)
        if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
            raise FormatError(self.path, f"size is {size!r}; give [width, height] in pixels", where=where)
        if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps <= 1000:
            raise FormatError(self.path, f"fps is {fps!r}; give frames per second", where=where)
        for key in ("prompt", "group", "truth", "scene"):
            if key in clip and not isinstance(clip[key], str):
                raise FormatError(self.path, f"{key} is {clip[key]!r}; give text", where=where)
        for key in ("reference_sha256", "generated_sha256"):
            if key in clip and not (isinstance(clip[key], str) and re.fullmatch("[0-9a-f]{64}", clip[key])):
                raise FormatError(self.path, f"{key} must be 64 hexadecimal digits", where=where)
        self.clips[clip["name"]] = clip


def write_manifest(path: str | Path, references: ClipFolder, fps: float | None = None) -> dict[str, Any]:
    """Writes the manifest of a folder of reference clips: names, forms and sha256s. Add prompts and truth by hand.

    Args:
        path: the file, written completely or not at all.
        references: the clips.
        fps: of PNG frames, which state none.

    Raises:
        FormatError: a clip cannot be read.
        ValueError: PNG frames without `fps`.
    """
    clips = []
    for name in references.paths:
        form = references.form(name)
        rate = form.fps or fps
        if rate is None:
            raise ValueError(f"{references.paths[name]}: PNG frames state no frame rate; give --fps")
        clips.append(
            {
                "name": name,
                "frames": form.frames,
                "size": list(form.size),
                "fps": rate,
                "reference_sha256": references.sha256(name),
            }
        )
    manifest = {"format": FORMAT, "version": 1, "clips": clips}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest
