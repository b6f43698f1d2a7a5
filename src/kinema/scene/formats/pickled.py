"""Pickled results of the field's tools: refused, because loading them runs code, with the lines that save plain numbers.

Which tool a file is from is told by the texts in it, which are looked for as bytes; nothing is run.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

from kinema.scene.formats.errors import FormatError

SUFFIXES = (".pkl", ".pickle", ".p", ".pt", ".pth", ".joblib", ".ckpt")
"""Of files that hold pickles."""

_MOST_BYTES = 1 << 24  # that are looked at (ours)

_NUMPY = 'import numpy as np; r = np.load("{file}", allow_pickle=True)'
_JOBLIB = 'import joblib, numpy as np; r = joblib.load("{file}")'
_TORCH = 'import torch, numpy as np; r = torch.load("{file}", map_location="cpu")'
_ANY = 'import pickle, numpy as np; r = pickle.load(open("{file}", "rb"))'

_TOOLS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "MDM's results.npy",
        ("motion", "lengths"),
        _NUMPY + ".item()",
        'np.savez("plain.npz", motion=r["motion"], lengths=r["lengths"], text=r["text"])',
    ),
    (
        "GVHMR's result",
        ("smpl_params_global",),
        _TORCH,
        'np.savez("plain.npz", **{k: v.numpy() for k, v in r["smpl_params_global"].items()})',
    ),
    (
        "WHAM's output",
        ("pose_world", "trans_world"),
        _JOBLIB,
        '[np.savez(f"plain_{i}.npz", poses=p["pose_world"], trans=p["trans_world"]) for i, p in r.items()]',
    ),
    (
        "GLAMR's result",
        ("smpl_orient_world", "root_trans_world"),
        _ANY,
        '[np.savez(f"plain_{i}.npz", global_orient=p["smpl_orient_world"], body_pose=p["smpl_pose"], '
        'transl=p["root_trans_world"]) for i, p in r["person_data"].items()]',
    ),
    (
        "MTVCrafter's data",
        ("video_path", "video_length", "pose"),
        _ANY,
        '[np.savez(f"plain_{i}.npz", joints=p["pose"]) for i, p in enumerate(r)]',
    ),
    (
        "AIST++'s or EDGE's result",
        ("smpl_poses", "smpl_trans"),
        _ANY,
        'np.savez("plain.npz", **{k: v for k, v in r.items() if k.startswith("smpl")})',
    ),
    (
        "TRAM's track",
        ("pred_rotmat", "pred_trans"),
        _NUMPY.replace("numpy as np", "numpy as np, torch") + ".item()",
        'np.savez("plain.npz", pred_rotmat=r["pred_rotmat"], pred_trans=r["pred_trans"])',
    ),
    (
        "poselib's motion (ASE, PHC)",
        ("skeleton_tree", "rotation", "root_translation"),
        'from poselib.skeleton.skeleton3d import SkeletonMotion as S; import numpy as np; m = S.from_file("{file}")',
        'np.savez("plain.npz", joints=m.global_translation, fps=m.fps); '
        "print(*enumerate(m.skeleton_tree.node_names))  # numbers that --joints map.json needs",
    ),
    (
        "a track of PHALP or 4DHumans",
        ("smpl", "tracked_ids"),
        _JOBLIB,
        'f = [f for f in r.values() if f["smpl"]]; np.savez("plain.npz", trans=[g["camera"][0] for g in f], '
        '**{k: [g["smpl"][0][k] for g in f] for k in ("global_orient", "body_pose")})',
    ),
    (
        "VIBE's output",
        ("pred_cam", "joints3d"),
        _JOBLIB,
        '[np.savez(f"plain_{i}.npz", poses=p["pose"]) for i, p in r.items()]',
    ),
    (
        "ROMP's or BEV's result",
        ("smpl_thetas",),
        _NUMPY + '["results"].item()',
        'np.savez("plain.npz", smpl_thetas=r["smpl_thetas"], cam_trans=r["cam_trans"])',
    ),
    (
        "ROMP's result",
        ("j3d_smpl24",),
        _NUMPY + '["results"].item()',
        "np.savez(\"plain.npz\", joints=np.array([f[0]['j3d_smpl24'] for f in r.values()]))",
    ),
)
"""Tool, texts that tell it, and the two lines that save its numbers."""


def is_pickle(path: str | os.PathLike[str], start: bytes) -> bool:
    """Whether a file is pickled, by its first bytes or, of the oldest protocol, which is text, its suffix."""
    marked = start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return marked or Path(path).suffix.lower() in SUFFIXES


def refusal(path: str | os.PathLike[str]) -> FormatError:
    """The error about a pickled file: what it is, as far as it tells, and the lines that save plain numbers."""
    pickles = _pickles(path)
    file = Path(path).name
    for tool, marks, load, save in _TOOLS:
        if all(_has(pickles, mark) for mark in marks):
            lines = f"{load.format(file=file)}; {save}"
            return FormatError(
                path, f"is {tool}, a pickle, which is never loaded", hint=f"in Python: {lines}"
            )
    needs = " (needs torch)" if any(b"torch" in pickle for pickle in pickles) else ""
    suffix = Path(path).suffix.lower()
    load = _NUMPY if suffix in (".npy", ".npz") else _TORCH if suffix in (".pt", ".pth", ".ckpt") else _ANY
    return FormatError(
        path,
        "holds pickled Python objects, which are never loaded",
        hint=f"save plain numbers, in Python{needs}: {load.format(file=file)}; print(r); then, with the names that it "
        'shows, e.g. np.savez("plain.npz", joints=r["joints"]) of [T, J, 3], or poses and trans of SMPL',
    )


def _has(pickles: list[bytes], text: str) -> bool:
    """Whether a pickle holds a text, as its protocols from 2 on write it: a letter, the length, the text."""
    body = text.encode()
    written = (b"\x8c" + bytes([len(body)]) + body, b"X" + len(body).to_bytes(4, "little") + body)
    return any(form in pickle for pickle in pickles for form in written)


def _pickles(path: str | os.PathLike[str]) -> list[bytes]:
    """The pickles in a file, as far as they are looked at."""
    with open(path, "rb") as file:
        data = file.read(_MOST_BYTES)
    if data.startswith(b"PK\3\4"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = [info for info in archive.infolist() if info.filename.endswith((".pkl", ".npy"))]
                parts = []
                for info in names[:8]:
                    with archive.open(info) as member:
                        parts.append(member.read(_MOST_BYTES))
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            ValueError,
            RuntimeError,
            NotImplementedError,
            EOFError,
        ):
            return []
        return parts
    if data[:1] == b"\x78":  # joblib packs with zlib
        try:
            data = zlib.decompressobj().decompress(data, _MOST_BYTES)
        except zlib.error:
            return []
    return [data]
