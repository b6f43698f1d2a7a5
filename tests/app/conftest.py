"""Runs the command line in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.app.cli import main


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs `kinema WORDS`; returns exit code, standard output and standard error.

    With --force where something is written, unless `keep`: most tests write one file again and again.
    """

    def call(*words: object, keep: bool = False) -> tuple[int, str, str]:
        said = list(map(str, words))
        if not keep and ("-o" in said or said[:2] == ["motion", "convert"]) and said[0] != "train":
            said.append("--force")
        monkeypatch.setattr(sys, "argv", ["kinema", *said])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def cli(run) -> Callable[..., dict]:
    """Runs a command that must succeed, with --json; returns the object it prints last."""

    def call(*words: object) -> dict:
        code, out, err = run(*words, "--json")
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    return call


@pytest.fixture
def cli_error(run) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and a message, which is returned."""

    def call(*words: object) -> str:
        code, _, err = run(*words)
        assert code == 2, err
        assert "Traceback" not in err
        return err

    return call


@pytest.fixture
def hub_cache(monkeypatch, tmp_path) -> Callable[[str], Path]:
    """An empty hub cache and no way to the hub; puts a model with one of two shards of its `vae` into it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(hub_id: str) -> Path:
        model = tmp_path / "hub" / f"models--{hub_id.replace('/', '--')}"
        snapshot = model / "snapshots" / "0123"
        (snapshot / "vae").mkdir(parents=True)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("0123")
        (snapshot / "model_index.json").write_text(
            json.dumps({"_class_name": "CogVideoXPipeline", "vae": ["diffusers", "AutoencoderKLCogVideoX"]})
        )
        shards = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
        (snapshot / "vae" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(shards))
        (snapshot / "vae" / "a.safetensors").write_bytes(b"a")
        return snapshot

    return put


@pytest.fixture(scope="session")
def motion_folder(tmp_path_factory) -> Path:
    """A text-to-motion pipeline of random weights."""
    import torch
    from tests.motion.walking import walk

    from kinema.motion.motion_pipeline import TextToMotionPipeline
    from kinema.motion.normalise import Normaliser
    from kinema.motion.representation import SMPL24_MOTION
    from kinema.motion.transformer import MotionTransformer

    torch.manual_seed(0)
    network = MotionTransformer(width=32, layers=1, heads=2, styles=("happy", "sad"))
    torch.nn.init.normal_(network.tokens_out.weight, std=0.02)
    folder = tmp_path_factory.mktemp("motion")
    TextToMotionPipeline(network, Normaliser.fit(SMPL24_MOTION.encode(walk(80))[0]), steps=2).save_pretrained(
        folder
    )
    return folder


@pytest.fixture
def letters(monkeypatch) -> None:
    """A text encoder as simple as can be instead of the embedded one."""
    from tests.motion.test_text_to_motion import Letters

    monkeypatch.setattr("kinema.motion.motion_pipeline.default_text_encoder", Letters)
