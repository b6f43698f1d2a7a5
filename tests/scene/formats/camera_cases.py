"""Camera paths to write, and files broken in the ways files break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinema.scene.camera import CameraPath
from kinema.scene.formats.errors import FormatError

SIZE = (96, 64)
REAL = Path(__file__).resolve().parents[4] / "shared" / "real_cases" / "camera"


def real_camera(name: str) -> Path:
    """A camera file that nobody here wrote; the test is skipped where they are absent."""
    if not (REAL / name).is_file():
        pytest.skip("the real camera files are not on this machine (shared/real_cases beside the repository)")
    return REAL / name


def random_path(seed: int, frames: int, fps: float = 24.0, *, scale: float = 3.0) -> CameraPath:
    rng = np.random.default_rng(seed)
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    c2w[:, :3, :3] = Rotation.random(frames, random_state=seed).as_matrix()
    c2w[:, :3, 3] = rng.normal(size=(frames, 3)) * scale
    lens = np.concatenate([rng.uniform(30, 300, (frames, 2)), rng.uniform(10, 60, (frames, 2))], axis=1)
    return CameraPath(c2w, lens, SIZE, fps)


def assert_same(read: CameraPath, wanted: CameraPath, *, intrinsics: bool = True) -> None:
    """Equal within 1 mm and 0.01 degrees (and a thousandth of a pixel)."""
    assert read.frames == wanted.frames
    assert read.fps == pytest.approx(wanted.fps, rel=1e-4)
    assert read.size == wanted.size
    assert np.linalg.norm(read.positions - wanted.positions, axis=1).max() < 1e-3
    between = read.c2w[:, :3, :3].transpose(0, 2, 1) @ wanted.c2w[:, :3, :3]
    assert np.degrees(Rotation.from_matrix(between).magnitude()).max() < 0.01
    if intrinsics:
        np.testing.assert_allclose(read.intrinsics, wanted.intrinsics, atol=1e-3)


def refused(read: Callable[[Path], object], path: Path, content: str | bytes) -> str:
    """The one clear error a broken file ends in; it names the file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message) < 600
    return message


def broken_bytes(good: bytes) -> dict[str, bytes]:
    """Damage that every reader must refuse."""
    return {
        "empty": b"",
        "binary": bytes(range(256)) * 8,
        "zip": b"PK\x03\x04" + good,
        "zeros": b"\0" * 4096,
        "latin-1": "é".encode("latin-1") + good,
        "one long line": b"1 " * 400_000,
        "blank lines": b"\n" * 100_000,
        "a word": b"camera\n",
    }
