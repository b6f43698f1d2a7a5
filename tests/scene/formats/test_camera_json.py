"""Camera JSON: exact round trips and broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.scene.formats.camera_cases import broken_bytes, random_path, refused

from kinema.scene.formats import camera_json


def document(**changes: object) -> str:
    frame = {"c2w": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], "intrinsics": [50, 50, 32, 24]}
    whole = {"format": "kinema-camera", "version": 1, "fps": 24, "size": [64, 48], "frames": [frame, frame]}
    return json.dumps(whole | changes)


def frame(**changes: object) -> list:
    return [json.loads(document())["frames"][0] | changes]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.5, 240))
def test_round_trip_is_exact(tmp_path: Path, seed: int, frames: int, fps: float) -> None:
    camera = random_path(seed, frames, fps)
    camera_json.write(tmp_path / "cam.json", camera, text="dolly in 1m")
    back = camera_json.read(tmp_path / "cam.json")
    np.testing.assert_array_equal(back.c2w, camera.c2w)
    np.testing.assert_array_equal(back.intrinsics, camera.intrinsics)
    assert (back.size, back.fps) == (camera.size, camera.fps)
    assert json.loads((tmp_path / "cam.json").read_text())["text"] == "dolly in 1m"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (document()[:-40], "line 1"),
        ('{\n"format": "kinema-camera",\n"version"\n}', "line 4"),
        ("[]", "not a camera"),
        ('{"people": 3}', "not a camera"),
        (document(version=2), "version 2"),
        (document(fps=None), "fps"),
        (document(fps=0), "fps"),
        (document(fps=True), "fps"),
        (document(size=[64]), "size: must be a list of 2"),
        (document(size=[64, "48"]), "size: must be numbers"),
        (document(size=[64, 48.5]), "size"),
        (document(size=[64, 1e300]), "size"),
        (document(size=[10**9, 10**9]), "size"),
        (document(frames=[]), "frames"),
        (document(frames={"0": 1}), "frames"),
        (document(frames=[1]), "frames[0]"),
        (document(frames=frame(c2w=[1, 2, 3])), "frames[0].c2w: must be a list of 12 numbers, found 3"),
        (document(frames=frame(c2w=None)), "frames[0].c2w"),
        (document(frames=frame(c2w=[2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])), "frame 0 is not a rotation"),
        (document(frames=frame(c2w=[1, 0, 0, 1e300, 0, 1, 0, 0, 0, 0, 1, 0])), "frames[0].c2w"),
        (document(frames=frame(c2w=[1, 0, 0, 10**400, 0, 1, 0, 0, 0, 0, 1, 0])), "frames[0].c2w"),
        (document(frames=frame(intrinsics=[0, 50, 1, 1])), "focal length"),
        (document().replace("50", "NaN"), "NaN"),
        (document().replace("50", "1e400"), "frames[0].intrinsics: holds a number that is not finite"),
        (document().replace("50", "9" * 5000), "number"),
        ('["kinema-camera",' + "[" * 100_000, "nested too deeply"),
        ('{"format": "kinema-camera", "a": ' + '{"a":' * 100_000, "nested too deeply"),
        ('["kinema-camera"]', "not a camera"),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(camera_json.read, tmp_path / "broken.json", content)


@pytest.mark.parametrize("damage", list(broken_bytes(b"")))
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    refused(camera_json.read, tmp_path / "broken.json", broken_bytes(document().encode())[damage])


def test_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.truncate(camera_json.MAX_BYTES + 1)
    assert "limit" in refused_as_is(path)


def test_too_long_for_the_format_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_json, "MAX_BYTES", 2000)
    camera = random_path(0, 20)
    with pytest.raises(ValueError, match="too many"):
        camera_json.write(tmp_path / "cam.json", camera)
    assert not list(tmp_path.iterdir())


def refused_as_is(path: Path) -> str:
    with pytest.raises(ValueError, match=str(path)) as caught:
        camera_json.read(path)
    return str(caught.value)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cam.json"
    camera_json.write(path, random_path(0, 2))
    before = path.read_bytes()

    def stop(self: Path, *arguments: object, **options: object) -> int:
        with open(self, "w") as file:
            file.write("{")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        camera_json.write(path, random_path(1, 2))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["cam.json"]
