"""The page of workflows names files that the passes have, and its conversions are read by the nodes as they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.passes.shots import shot

from kinema.passes.files import file_name, save_passes
from kinema.passes.profile import PROFILES, PassOptions

PAGE = Path(__file__).parents[2] / "docs" / "passes_workflows.md"
CHOICES = {
    "wan-fun-control": [{"picture": "start"}, {"picture": "reference"}],
    "wan-fun-camera": [{"rays": "yes"}],
}


def sections():
    """Text of every section, by the models in its heading."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        for name in heading.split(", "):
            if name in PROFILES:
                rows = [row for row in text.splitlines() if row.startswith(f"| {name} ")]
                found[name] = "\n".join(rows) if rows else text
    return found


def written(name):
    """Files of a profile, with and without replacing, by its choices."""
    profile = PROFILES[name]
    made = shot((128, 96), 5)
    files = set()
    for extra in CHOICES.get(name, [{}]):
        for replace in (False, True) if profile.replaces else (False,):
            options = PassOptions(replace=replace, extra=extra)
            files |= {file_name(each) for each in profile.passes(made, options)}
    return files


@pytest.mark.parametrize("name", sorted(sections()))
def test_files_of_the_tables_are_written(name):
    tables = "\n".join(row for row in sections()[name].splitlines() if row.startswith("|"))
    told = set(re.findall(r"[\w-]+\.(?:mp4|png|npy|txt)\b|\b(?:pose|positive|negative)/", tables))
    told -= {"prompt.txt", "rendered_aligned.mp4"}
    assert told
    assert told <= written(name) | {"reference_identities.png"}


def code(after):
    """The first block of Python after some words of the page, as it stands."""
    text = PAGE.read_text(encoding="utf-8")
    return re.search(r"```python\n(.*?)```", text[text.index(after) :], re.DOTALL)[1]


def saved(name, folder, **extra):
    made = shot((128, 96), 5, camera="arc left 60deg")
    passes = PROFILES[name].passes(made, PassOptions(extra=extra))
    save_passes(folder, passes, 16.0, readme="", settings={})
    return {each.name: each.data for each in passes}


def test_the_camera_becomes_what_videox_funs_nodes_read(tmp_path, monkeypatch):
    """comfyui/wan2_2_fun/nodes.py: json.loads, and a column of zeros in front."""
    found = saved("wan-fun-camera", tmp_path / "passes")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code("`camera_conditions` of their control sampler"), names)
    poses = np.array(json.loads(names["text"]))
    lines = [[float(word) for word in line.split()] for line in found["camera"].splitlines()[1:]]
    assert (np.concatenate([np.zeros((5, 1)), poses], axis=1) == np.array(lines)).all()


def test_the_tracks_become_what_the_node_reads(tmp_path, monkeypatch):
    """comfy_extras/nodes_wanmove.py, WanMoveTracksFromCoords: [[track[frame]['x'], ...] for track] for each frame."""
    found = saved("wan-move", tmp_path / "passes")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code("takes every point for visible"), names)
    paths = json.loads(names["text"])
    read = np.array([[[path[frame]["x"], path[frame]["y"]] for path in paths] for frame in range(5)])
    kept = found["visibility"].all(axis=0)
    assert 0 < kept.sum() == read.shape[1]
    assert read == pytest.approx(found["tracks"][:, kept])
