"""TFLite networks, from the mediapipe package or from a user's `.task` file, run by ai-edge-litert (Apache-2.0)."""

from __future__ import annotations

import hashlib
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kinema.capture.detectors.detector import DetectorUnavailable
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_bytes

MAX_MODEL_BYTES = 256 << 20
"""Largest model file that is read, 256 MiB (ours); MediaPipe's heaviest has 30."""

_WITH_MODELS = "pip install --no-deps mediapipe==0.10.21, or give a .task file as the model"


class Network:
    """One TFLite network with a float picture going in.

    Args:
        content: the file's bytes.
        name: of the file, for messages.
        threads: CPU threads.

    Raises:
        DetectorUnavailable: ai-edge-litert is not installed.
        FormatError: not a TFLite network, or one with operations that are not built in.
    """

    def __init__(self, content: bytes, name: str, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise DetectorUnavailable(
                f"MediaPipe's networks are run by ai-edge-litert: pip install ai-edge-litert ({error})"
            ) from error
        if content[4:8] != b"TFL3":
            raise FormatError(name, "is no TFLite network")
        try:
            self._interpreter: Any = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise FormatError(name, f"cannot be run ({str(error).splitlines()[0]})") from None
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()
        self.shapes = [tuple(int(n) for n in output["shape"]) for output in self._outputs]
        self.side = int(self._input["shape"][1])
        self.sha256 = hashlib.sha256(content).hexdigest()

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """All outputs for one picture, float32 [side, side, 3]; they are overwritten by the next call."""
        self._interpreter.set_tensor(self._input["index"], picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self._outputs]


def bundled(*names: str) -> list[bytes]:
    """Networks that come with the mediapipe package, by their paths in its folder `modules`.

    Raises:
        DetectorUnavailable: mediapipe is not installed, or this release brings no networks (1.x does not).
    """
    found = find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        raise DetectorUnavailable(f"mediapipe is not installed: {_WITH_MODELS}")
    folder = Path(next(iter(found.submodule_search_locations))) / "modules"
    for name in names:
        if not (folder / name).is_file():
            raise DetectorUnavailable(
                f"this release of mediapipe brings no {Path(name).name}: {_WITH_MODELS}"
            )
    return [read_bytes(folder / name, MAX_MODEL_BYTES) for name in names]


def from_task(path: str | os.PathLike[str], *names: str) -> list[bytes]:
    """Networks in a `.task` file, which is a zip of TFLite files.

    Raises:
        FormatError: no zip, or one without these networks.
        FileNotFoundError: there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such model file")
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            for name in names:
                if name not in sizes:
                    raise FormatError(
                        path, f"holds no {name}", hint="give MediaPipe's pose_landmarker_*.task"
                    )
                if sizes[name] > MAX_MODEL_BYTES:
                    raise FormatError(path, f"is larger than {MAX_MODEL_BYTES} bytes", where=name)
            return [archive.read(name) for name in names]
    except (zipfile.BadZipFile, RuntimeError, EOFError) as error:
        raise FormatError(path, f"is no .task file ({error})") from None
