"""What a video is written as, decided by its name alone: one table, `KINDS`, by suffix, and folders of PNGs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinema.media.encoders import Codec, Encoder, Film, FilmForm, Gif, PictureFolder

FRAME_NAME = "%05d.png"
"""Names of the pictures in a folder, counted from 0."""

SETTINGS_NAME = "settings.json"
"""Where the settings of a folder of pictures stand."""


@dataclass(frozen=True)
class VideoKind:
    """One way of writing a video.

    Args:
        suffix: of the file; empty for a folder.
        says: what it is, for messages.
        open: the encoder of (path, form).
        alpha: whether it can be transparent.
        even: whether its sides must be even numbers: colours have half the resolution.
        sound: FFmpeg's encoder of the sound that it can have.
    """

    suffix: str
    says: str
    open: Callable[[Path, FilmForm], Encoder]
    alpha: bool = True
    even: bool = False
    sound: str | None = None


@dataclass(frozen=True)
class VideoTarget:
    """Where a video goes.

    Args:
        path: the file, or the folder of pictures.
        kind: what it is written as.
        frame_name: of each picture of a folder.
    """

    path: Path
    kind: VideoKind
    frame_name: str = FRAME_NAME

    @property
    def sidecar(self) -> Path:
        """Where its settings stand: `out.mp4` has `out.mp4.json`, a folder its settings.json."""
        return self.path / SETTINGS_NAME if self.is_folder else Path(f"{self.path}.json")

    @property
    def is_folder(self) -> bool:
        return not self.kind.suffix

    @property
    def foreign(self) -> list[str]:
        """Names in the folder that are no frames of an earlier video, which may not be deleted."""
        if not (self.is_folder and self.path.is_dir()):
            return []
        ours = re.compile(r"\d+\.png|" + re.escape(SETTINGS_NAME))
        named = re.compile(re.sub(r"%0?\d*d", r"\\d+", re.escape(self.frame_name)))
        there = (each.name for each in self.path.iterdir())
        return sorted(name for name in there if not (ours.fullmatch(name) or named.fullmatch(name)))


def video_target(path: str | os.PathLike[str]) -> VideoTarget:
    """What a name means: a suffix of `KINDS`; a folder of pictures where it ends in / or is a folder, or for `%04d.png`.

    Raises:
        ValueError: any other name; the message lists what there is.
    """
    text = os.fspath(path)
    target = Path(text)
    if text.endswith(("/", os.sep)) or target.is_dir():
        return VideoTarget(target, FOLDER)
    suffix = target.suffix.lower()
    if re.fullmatch(r"[^%]*%0?\d*d[^%]*", target.name) and suffix == ".png":
        if target.parent == Path():
            raise ValueError(
                f"{text}: pictures get a folder of their own; name one, e.g. frames/{target.name}"
            )
        return VideoTarget(target.parent, FOLDER, target.name)
    if suffix not in KINDS:
        known = ", ".join(KINDS)
        stem = target.stem or "out"
        raise ValueError(
            f"{text}: videos are written as {known}, or as a folder of PNGs; name it {stem}.mp4, or {stem}/"
        )
    return VideoTarget(target, KINDS[suffix])


def _x264(form: FilmForm) -> dict[str, str]:
    # Without x264's macroblock tree: its AVX-512 code now and then gives equal frames other quantisers, so that
    # one seed would make two files. What that costs: 3 to 30 % more bytes at the same crf (measured).
    told = {"crf": str(form.crf), "preset": "fast", "mbtree": "0"}
    return told | ({"threads": str(form.threads)} if form.threads else {})


def _vp9(form: FilmForm) -> dict[str, str]:
    # VP9 counts quality to 63 where x264 counts to 51.
    quality = {"lossless": "1"} if form.crf == 0 else {"crf": str(round(form.crf * 63 / 51)), "b": "0"}
    return {**quality, "deadline": "good", "cpu-used": "4"}


def _webp(form: FilmForm) -> dict[str, str]:
    return {"lossless": "1"} if form.crf == 0 else {"quality": str(round(100 - 0.55 * form.crf))}


_H264 = Codec("libx264", "yuv420p", _x264)
_PRORES = Codec(
    "prores_ks", "yuva444p10le", lambda form: {"profile": "4444", "alpha_bits": "16"}, bleeds=True
)
_VP9 = Codec("libvpx-vp9", "yuv420p", _vp9)
_VP9_ALPHA = Codec("libvpx-vp9", "yuva420p", _vp9, bleeds=True)


def _film(
    container: str, opaque: Codec, transparent: Codec | None = None, **options: str
) -> Callable[[Path, FilmForm], Encoder]:
    def start(path: Path, form: FilmForm) -> Encoder:
        return Film(path, form, container, (form.transparent and transparent) or opaque, options)

    return start


KINDS: dict[str, VideoKind] = {
    kind.suffix: kind
    for kind in (
        VideoKind(
            ".mp4", "H.264", _film("mp4", _H264, movflags="+faststart"), alpha=False, even=True, sound="aac"
        ),
        VideoKind(
            ".mov",
            "H.264; transparent ProRes 4444",
            _film("mov", _H264, _PRORES, movflags="+faststart"),
            even=True,
            sound="aac",
        ),
        VideoKind(
            ".webm", "VP9", _film("webm", _VP9, _VP9_ALPHA, fflags="+bitexact"), even=True, sound="libopus"
        ),
        VideoKind(".gif", "animated GIF", Gif),
        VideoKind(
            ".apng",
            "animated PNG",
            _film("apng", Codec("apng", "rgb24", video=False), Codec("apng", "rgba", video=False), plays="0"),
        ),
        VideoKind(
            ".webp",
            "animated WebP",
            _film("webp", Codec("libwebp_anim", "bgra", _webp, video=False), loop="0"),
        ),
    )
}
"""Kinds of files by suffix."""

FOLDER = VideoKind("", "a folder of PNGs", PictureFolder)


def padded(target: VideoTarget, size: tuple[int, int]) -> str | None:
    """What a person should know of sides that are odd numbers, where the file has even ones alone."""
    if not target.kind.even or not any(side % 2 for side in size):
        return None
    width, height = (side + side % 2 for side in size)
    return f"{target.kind.suffix} has even sides: {size[0]}x{size[1]} is padded to {width}x{height} by repeating the edge"


def check_alpha(target: VideoTarget) -> None:
    """Whether a video can be transparent there.

    Raises:
        ValueError: it cannot.
    """
    if not target.kind.alpha:
        able = ", ".join(suffix for suffix, kind in KINDS.items() if kind.alpha)
        raise ValueError(
            f"{target.path}: {target.kind.suffix} cannot be transparent; {able} and a folder of PNGs can"
        )


def check_sound(target: VideoTarget) -> None:
    """Whether a video can have sound there.

    Raises:
        ValueError: it cannot.
    """
    if target.kind.sound is None:
        able = ", ".join(suffix for suffix, kind in KINDS.items() if kind.sound)
        raise ValueError(f"{target.path}: there is no sound in {target.kind.says}; {able} have it")
