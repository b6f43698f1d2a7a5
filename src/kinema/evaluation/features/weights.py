"""Weights that the user brings: `--weights NAME=PATH[@sha256]`, checked before they are read.

None of these networks ships with the package or is ever downloaded; what is absent is skipped with a line that
says what is missing and where to get it. A TorchScript archive is a program: it is run only where the user says
so and names its sha256.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A kind of weights.

    Args:
        name: as in `--weights NAME=PATH`.
        what: what it is and the interface it must have.
        where: where to get it.
        code: it is a TorchScript archive, that is a program.
        folder: it is a folder, not a file.
    """

    name: str
    what: str
    where: str
    code: bool = False
    folder: bool = False


SOURCES = {
    source.name: source
    for source in (
        Source(
            "i3d-torchscript",
            "I3D of FVD as TorchScript (i3d_torchscript.pt): f(x, rescale, resize, return_features) -> [B, 400]",
            "linked by StyleGAN-V's src/metrics/frechet_video_distance.py",
            code=True,
        ),
        Source(
            "i3d-400",
            "I3D's weights (i3d_pretrained_400.pt)",
            "github.com/songweige/TATS, tats/fvd, as cd-fvd and VideoGPT use it",
        ),
        Source(
            "resnet3d-50",
            "3D ResNet-50 of Kinetics (resnet-50-kinetics.pth)",
            "github.com/kenshohara/video-classification-3d-cnn-pytorch, pretrained models",
        ),
        Source(
            "inception-torchscript",
            "Inception-v3 of FID as TorchScript (inception-2015-12-05.pt): f(x, return_features) -> [B, 2048]",
            "linked by StyleGAN2-ADA's metrics/frechet_inception_distance.py",
            code=True,
        ),
        Source("vgg16", "VGG16's weights (vgg16-397923af.pth)", "torchvision's model zoo"),
        Source(
            "lpips-vgg",
            "LPIPS' linear weights for VGG (lpips/weights/v0.1/vgg.pth)",
            "the package lpips, or github.com/richzhang/PerceptualSimilarity",
        ),
        Source(
            "clip",
            "CLIP as a transformers folder (safetensors and tokenizer)",
            "huggingface.co/openai/clip-vit-base-patch32",
            folder=True,
        ),
        Source(
            "dino",
            "DINO as a transformers folder (safetensors)",
            "huggingface.co/facebook/dino-vitb16",
            folder=True,
        ),
        Source(
            "interpolator",
            "a frame interpolator as TorchScript: f(a, b) -> the frame between, all [B, 3, H, W] in [0, 1]",
            "trace AMT-S (github.com/MCG-NKU/AMT) to this interface",
            code=True,
        ),
        Source(
            "flow",
            "optical flow as TorchScript: f(a, b) -> [B, 2, H, W] in pixels, pictures [B, 3, H, W] in [-1, 1]",
            "script torchvision's raft_large to this interface",
            code=True,
        ),
        Source(
            "quality",
            "picture quality as TorchScript: f(x) -> [B], pictures [B, 3, H, W] in [0, 1], 0 worst to 100 best",
            "trace MUSIQ (SPAQ) to this interface",
            code=True,
        ),
    )
}


@dataclass(frozen=True)
class Weights:
    """Weights that were found and checked.

    Args:
        source: what they are.
        path: file or folder.
        sha256: of the file; of a folder, over the names and sha256s of its .safetensors, .json and .txt files.
    """

    source: Source
    path: Path
    sha256: str


def parse_weights(arguments: Iterable[str], *, allow_code: bool = False) -> dict[str, Weights]:
    """Checks `NAME=PATH[@sha256]` arguments and hashes what they name.

    Args:
        arguments: as given on the command line.
        allow_code: TorchScript archives, which are programs, may be run.

    Raises:
        FileNotFoundError: nothing at a path.
        ValueError: an unknown or repeated name, another sha256 than the given one, a file where a folder is meant,
            or a TorchScript archive without `allow_code` or without a sha256.
    """
    found: dict[str, Weights] = {}
    for argument in arguments:
        name, equals, rest = argument.partition("=")
        if not equals or not rest:
            raise ValueError(f"--weights {argument}: write NAME=PATH or NAME=PATH@sha256")
        if name not in SOURCES:
            raise ValueError(f"--weights {argument}: unknown name {name!r}; known: {', '.join(SOURCES)}")
        if name in found:
            raise ValueError(f"--weights {name} is given twice")
        match = re.fullmatch(r"(.+)@([0-9a-fA-F]{64})", rest)
        path, wanted = (match[1], match[2].lower()) if match else (rest, None)
        found[name] = _checked(SOURCES[name], Path(path), wanted, allow_code)
    return found


def skipped(metric: str, needed: Iterable[str], given: Mapping[str, Weights]) -> str | None:
    """The line of a metric that cannot be measured, or None where all of its weights are there."""
    missing = [SOURCES[name] for name in needed if name not in given]
    if not missing:
        return None
    parts = [f"{source.what}; from: {source.where}; give --weights {source.name}=PATH" for source in missing]
    return f"skipped: {metric} needs {'; and '.join(parts)}"


def _checked(source: Source, path: Path, wanted: str | None, allow_code: bool) -> Weights:
    if not path.exists():
        raise FileNotFoundError(f"--weights {source.name}: nothing at {path}; it is {source.what}")
    if path.is_dir() != source.folder:
        kind = "a folder" if source.folder else "one file"
        raise ValueError(f"--weights {source.name}: {path} is not {kind}; it should be {source.what}")
    if source.code and not (allow_code and wanted):
        raise ValueError(
            f"--weights {source.name}: a TorchScript archive is a program that runs with your rights; if you trust "
            f"{path}, add --allow-code and its sha256: {source.name}={path}@<64 hex digits>"
        )
    sha256 = _folder_hash(path) if path.is_dir() else _file_hash(path)
    if wanted is not None and sha256 != wanted:
        raise ValueError(f"--weights {source.name}: {path} has the sha256 {sha256}, not {wanted}")
    return Weights(source, path, sha256)


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(path: Path) -> str:
    files = sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".json", ".txt"))
    if not any(file.suffix == ".safetensors" for file in files):
        raise ValueError(f"{path} holds no .safetensors file; pickled weights are not read")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{_file_hash(file)}\n".encode())
    return digest.hexdigest()
