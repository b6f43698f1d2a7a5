"""What a published model reads: a profile names its sizes, rate and frame rule, and draws its passes from a shot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Literal

import numpy as np

import kinema.passes
from kinema.passes.shot import Shot

PassKind = Literal["film", "jpegs", "mask", "picture", "depth16", "array", "text", "json"]
"""film: uint8 [T, H, W, 3]. jpegs: the same, where public code reads a folder of 0000.jpg and so on. mask: uint8
[T, H, W], 0 or 255. picture: uint8 [H, W, 3]. depth16: uint16 [T, H, W]. array: any, saved as .npy. text: str. json: what
JSON can hold; a list is one file per frame."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One thing that a model reads.

    Args:
        name: of its file, without a suffix, e.g. "pose".
        kind: of PassKind.
        data: as the kind says.
        goes: where it goes, one sentence: the argument of the public pipeline, the socket of a public node.
        fps: frames per second, where it differs from the profile's.
        exact: whether the colours of a film mean something, so that none may change; masks never do.
    """

    name: str
    kind: PassKind
    data: Any
    goes: str
    fps: float | None = None
    exact: bool = False


PARTS = ("body", "hands", "face", "toes")
"""What a drawn skeleton can show of a person."""


@dataclass(frozen=True)
class PassForm:
    """The videos that a model was trained on.

    Args:
        size: (width, height) in pixels.
        fps: frames per second.
        multiple: that both sides must be.
        frame_step: n, where it wants nk + 1 frames; 1 where any number does.
        people: how many it tells apart; None for any number.
        longest: frames of one window; None for any number.
        shortest_side, longest_side: pixels, where a model has limits.
        rigid: whether other shapes than `size` and its upright are made badly; they are never chosen unasked.
    """

    size: tuple[int, int]
    fps: float
    multiple: int = 16
    frame_step: int = 4
    people: int | None = None
    longest: int | None = None
    shortest_side: int = 64
    longest_side: int = 4096
    rigid: bool = False

    def frames(self, wanted: int) -> int:
        """The fewest frames that the model can make and that hold `wanted`."""
        return -(-(wanted - 1) // self.frame_step) * self.frame_step + 1

    def shaped(self, shape: tuple[int, int]) -> tuple[int, int]:
        """A size that the model can make, of the aspect of `shape` and about as many pixels as it was trained on.

        Of a model that makes one size alone that size, or the same upright.
        """
        if self.rigid:
            wide, high = max(self.size), min(self.size)
            return (wide, high) if shape[0] >= shape[1] else (high, wide)
        scale = float(np.sqrt(self.size[0] * self.size[1] / (shape[0] * shape[1])))
        low, high = self._range
        width, height = (
            self.multiple * min(max(round(side * scale / self.multiple), low), high) for side in shape
        )
        return width, height

    @property
    def _range(self) -> tuple[int, int]:
        """Fewest and most `multiple` of a side."""
        return -(-self.shortest_side // self.multiple), self.longest_side // self.multiple

    def check(self, size: tuple[int, int], name: str) -> None:
        """Says what is wrong with a size.

        Raises:
            ValueError: a side that is no multiple of `multiple`, or out of range; the message says the nearest good size.
        """
        low, high = self._range
        near = tuple(self.multiple * min(max(round(side / self.multiple), low), high) for side in size)
        if near != tuple(size):
            raise ValueError(
                f"{name} takes sides that are multiples of {self.multiple} pixels, {self.multiple * low} to "
                f"{self.multiple * high}, not {size[0]}x{size[1]}; take {near[0]}x{near[1]}"
            )


@dataclass(frozen=True)
class PassOptions:
    """What a person may change of a profile; None leaves it as the model was trained.

    Args:
        parts: of a drawn skeleton, of `PARTS`.
        replace: passes that put somebody else into the film, where a model can (it keeps the film's room).
        extra: what only one profile understands, by name; unknown names are refused by `Profile.check_extra`.
    """

    parts: tuple[str, ...] | None = None
    replace: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


class Profile(ABC):
    """The passes of one published model.

    A scene's frames are those of the model's rate; its people no more than the model tells apart.

    Attributes:
        name: for `--for`.
        title: what it is called where it was published.
        source: where its convention is read: repository and file.
        form: sizes, rate, frame rule.
        follows: of pose, camera, depth, room: what of a scene its passes tell it; the rest is said not to be followed.
        parts: of a drawn skeleton that the model was trained with; empty where it reads no skeleton.
        extra: names of `PassOptions.extra` that it understands, each with what it may be; empty for any word.
        needs_scene: whether keypoints alone are not enough.
        replaces: whether it has passes for replacing a person in a film.
        crops_picture: whether pictures fill the film's shape, so that another shape is cropped.
        reads_picture_people: whether it is told who is where in the picture, see `Shot.picture_people`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    form: ClassVar[PassForm]
    follows: ClassVar[frozenset[str]]
    parts: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    needs_scene: ClassVar[bool] = False
    replaces: ClassVar[bool] = False
    reads_picture_people: ClassVar[bool] = False
    crops_picture: ClassVar[bool] = True

    @abstractmethod
    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        """Everything that the model reads, drawn from a shot of exactly its size, rate and frame rule.

        Raises:
            ValueError: the shot lacks what a pass is made of.
        """

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        """What a person should know before the model runs, a sentence each, e.g. who will not be followed."""
        return []

    def guide(self, options: PassOptions) -> list[str]:
        """Lines of README.txt beside the list of files: settings that the model was trained with, traps."""
        return []

    def needs_picture(self, options: PassOptions) -> bool:
        """Whether there are no passes without a picture of the character."""
        return False

    def facts(self) -> dict[str, Any]:
        """What a list of models says of it, JSON-able."""
        form = self.form
        return {
            "model": self.name,
            "title": self.title,
            "source": self.source,
            "size": list(form.size),
            "fps": form.fps,
            "multiple": form.multiple,
            "frame_step": form.frame_step,
            "people": form.people,
            "follows": sorted(self.follows),
            "parts": list(self.parts),
            "replaces": self.replaces,
            "set": {name: list(values) for name, values in self.extra.items()},
        }

    def shown(self, options: PassOptions) -> tuple[str, ...]:
        """Parts of the skeletons that are drawn."""
        return self.parts if options.parts is None else options.parts

    def check_extra(self, options: PassOptions) -> None:
        """Refuses what it does not understand.

        Raises:
            ValueError: an unknown name, value or part; parts of a skeleton, where the model reads none; or replacing,
                where it cannot.
        """
        for part in options.parts or ():
            if part not in PARTS:
                raise ValueError(f"a skeleton has no {part!r}: there are {', '.join(PARTS)}")
        if options.parts is not None and not self.parts:
            raise ValueError(f"{self.name} reads no drawn skeleton: it has no parts to choose")
        for name, value in options.extra.items():
            if name not in self.extra:
                known = ", ".join(self.extra) or "none"
                raise ValueError(f"{self.name} has no option {name!r}; it knows {known}")
            if self.extra[name] and value not in self.extra[name]:
                raise ValueError(
                    f"{self.name}: {name} is one of {', '.join(self.extra[name])}, not {value!r}"
                )
        if options.replace and not self.replaces:
            raise ValueError(f"{self.name} has no passes for replacing a person in a film")


class _Profiles(Mapping[str, Profile]):
    """Profiles by name; this room's files are read at the first look."""

    def __init__(self) -> None:
        self._known: dict[str, Profile] = {}
        self._complete = False

    def add(self, profile: Profile) -> None:
        """Registers a profile.

        Raises:
            ValueError: another one has that name.
        """
        if profile.name in self._known:
            raise ValueError(f"two profiles are called {profile.name!r}")
        self._known[profile.name] = profile

    def _all(self) -> dict[str, Profile]:
        if not self._complete:
            for module in iter_modules(kinema.passes.__path__):
                import_module(f"{kinema.passes.__name__}.{module.name}")
            self._complete = True
        return self._known

    def __getitem__(self, name: str) -> Profile:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def __len__(self) -> int:
        return len(self._all())


PROFILES = _Profiles()
"""Every profile by name."""


def register(profile: type[Profile]) -> type[Profile]:
    """Class decorator: makes a profile known.

    Raises:
        ValueError: another one has its name.
    """
    PROFILES.add(profile())
    return profile


def profile_of(name: str) -> Profile:
    """A profile by name.

    Raises:
        ValueError: no such profile; the message lists those there are.
    """
    if name not in PROFILES:
        raise ValueError(f"no model {name!r} to make passes for: there are {', '.join(PROFILES)}")
    return PROFILES[name]


def check_picture(profile: Profile, shot: Shot | None, options: PassOptions) -> None:
    """Whether there is the picture that passes are made of.

    Args:
        profile: of them.
        shot: None where there is no picture.
        options: of the passes.

    Raises:
        ValueError: there is none.
    """
    if (shot is None or shot.picture is None) and profile.needs_picture(options):
        chosen = ", ".join(f"{name}={value}" for name, value in options.extra.items())
        raise ValueError(f"{profile.name} {chosen}: give the picture that it shows (--picture)")


def letterboxed(picture: np.ndarray, size: tuple[int, int], ground: int) -> np.ndarray:
    """A picture scaled to lie within (width, height), in the middle of a grey ground, uint8 [H, W, 3].

    Args:
        picture: uint8 [h, w, 3].
        size: (width, height).
        ground: 0 black to 255 white.
    """
    from PIL import Image

    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    canvas = np.full((height, width, 3), ground, np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    shown = np.asarray(Image.fromarray(picture).resize(inner, Image.Resampling.LANCZOS))
    canvas[top : top + inner[1], left : left + inner[0]] = shown
    return canvas


def filled(picture: np.ndarray, size: tuple[int, int], *, sharp: bool = False) -> np.ndarray:
    """A picture scaled to fill (width, height) and cropped in the middle, as a scene's camera is, uint8 [H, W, 3].

    Args:
        picture: uint8 [h, w, 3].
        size: (width, height).
        sharp: takes the nearest pixel, so that no new colours appear.
    """
    from PIL import Image, ImageOps

    if (picture.shape[1], picture.shape[0]) == tuple(size):
        return picture
    resample = Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS
    return np.asarray(ImageOps.fit(Image.fromarray(picture), size, resample))
