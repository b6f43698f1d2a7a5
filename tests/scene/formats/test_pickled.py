"""Pickles of the field's tools are never loaded; the error names the tool and the lines that save plain numbers."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from tests.scene.formats.motion_cases import damaged, read_or_refuse, refused

from kinema.scene.formats import read_motion_file

TOOLS = {
    "MDM": ("a.npy", ("motion", "text", "lengths")),
    "GVHMR": ("a.pt", ("smpl_params_global", "smpl_params_incam")),
    "WHAM": ("a.pkl", ("pose", "pose_world", "trans_world")),
    "ROMP": ("a.npz", ("smpl_thetas", "cam_trans")),
    "4DHumans": ("a.pkl", ("tracked_ids", "smpl")),
    "poselib": ("a.npy", ("skeleton_tree", "rotation", "root_translation")),
    "TRAM": ("a.npy", ("pred_rotmat", "pred_trans")),
    "EDGE": ("a.pkl", ("smpl_poses", "smpl_trans")),
    "VIBE": ("a.pkl", ("pred_cam", "joints3d")),
    "GLAMR": ("a.pkl", ("smpl_orient_world", "root_trans_world")),
    "MTVCrafter": ("a.pkl", ("video_path", "pose", "video_length")),
}


class Trap:
    """Unpickling it would fail the test."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def save(path: Path, keys: tuple[str, ...]) -> None:
    content = {**dict.fromkeys(keys, 0), "trap": Trap()}
    if path.suffix == ".npy":
        np.save(path, np.array(content, dtype=object), allow_pickle=True)
    elif path.suffix == ".npz":
        np.savez(path, results=np.array(content, dtype=object))
    elif path.suffix == ".pt":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
    else:
        path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("tool", list(TOOLS))
def test_tools_are_named_with_what_to_do(tmp_path: Path, tool: str) -> None:
    name, keys = TOOLS[tool]
    save(tmp_path / name, keys)
    message = refused(read_motion_file, tmp_path / name)
    assert tool in message
    assert "never loaded" in message
    assert f'"{name}"' in message
    assert "plain" in message
    compile(message.split("in Python: ")[1], "lines", "exec")


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.npy", "a.npz", "a.joblib", "a.pth"])
def test_unknown_pickles(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, ("weights",))
    message = refused(read_motion_file, tmp_path / name)
    assert "holds pickled Python objects" in message
    assert "np.savez" in message


def test_packed_pickles_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.joblib").write_bytes(
        zlib.compress(pickle.dumps(dict.fromkeys(("pose_world", "trans_world"), 0)))
    )
    assert "WHAM" in refused(read_motion_file, tmp_path / "a.joblib")


def test_damaged_pickles_are_refused(tmp_path: Path) -> None:
    for name, keys in set(TOOLS.values()):
        save(tmp_path / name, keys)
        content = (tmp_path / name).read_bytes()
        for seed in range(20):
            assert read_or_refuse(read_motion_file, tmp_path / f"b{name}", damaged(content, seed)) is None


def test_what_needs_torch_says_so(tmp_path: Path) -> None:
    np.save(
        tmp_path / "a.npy", np.array({"x": "torch._utils", "trap": Trap()}, dtype=object), allow_pickle=True
    )
    assert "needs torch" in refused(read_motion_file, tmp_path / "a.npy")
