"""Weights and speed on the command line: what is asked for reaches the model, and is written down."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import save_file
from tests.video import published_tiny
from tests.video.test_checkpoints import original_names
from tests.video.test_loras import write_lora
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.app.request import ModelChoice, VideoRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Wan whose transformer is one file beside it, and two LoRAs."""
    top = tmp_path_factory.mktemp("speed")
    pipeline = published_tiny.wan_pipeline()
    pipeline.save_pretrained(top / "wan")
    next((top / "wan" / "transformer").glob("*.safetensors")).unlink()
    save_file(original_names(pipeline.transformer.state_dict()), top / "one.safetensors")
    write_lora(top, "style.safetensors", 1)
    write_lora(top, "causvid_lora.safetensors", 2)
    return top


def run(folder, *options: str):
    arguments = [
        "animate",
        "--camera",
        "pan left 10deg",
        "--seconds",
        "0.2",
        "--backbone",
        str(folder / "wan"),
    ]
    arguments += ["--control", "none", "--size", "32x48", "-o", str(folder / "out.mp4"), "--force", *options]
    return CliRunner().invoke(app, arguments)


def test_a_file_loras_few_steps_and_a_cache(folder):
    made = run(
        folder,
        *("--checkpoint", str(folder / "one.safetensors"), "--cache", "first-block:0.2"),
        *(
            "--fast",
            str(folder / "causvid_lora.safetensors"),
            "--lora",
            f"{folder / 'style.safetensors'}:0.5",
        ),
        *("--guidance-text", "2", "--json"),
    )
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout.splitlines()[-1])
    assert (said["steps"], said["fast"], said["cache"]) == (3, "causvid", "first-block:0.2")
    assert said["checkpoint"] == ["one.safetensors"]
    assert [(each["file"], each["strength"]) for each in said["loras"]] == [
        ("causvid_lora.safetensors", 1.0),
        ("style.safetensors", 0.5),
    ]
    assert said["lora"]["name"] == "style.safetensors"
    assert "guidance on the text of 2 doubles the time" in made.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cache", "teacache"], "there are first-block"),
        (["--quantise", "int3"], "there are int8"),
        (["--fast", "turbo"], "neither a LoRA"),
        (["--base", "wan2.1-14b"], "brings its own parts"),
        (["--lora", "gone.safetensors"], "no such LoRA"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folder, options, words):
    made = run(folder, "--checkpoint", str(folder / "one.safetensors"), *options)
    assert made.exit_code != 0
    assert words in str(made.exception)
    assert "\n" not in str(made.exception)


def test_it_is_said_before_a_video_is_captured(folder):
    file = str(folder / "one.safetensors")
    made = run(folder, "--checkpoint", file, "--motion", "no-such-dance.mp4", "--cache", "teacache")
    assert "there are first-block" in str(made.exception)


def test_a_rough_take_has_no_use_for_them(tmp_path):
    from kinema.app.fulfil import fulfil

    request = VideoRequest.of(picture="hero.png", motion="dance.bvh", fast="lightx2v", compile_blocks=True)
    with pytest.raises(ValueError, match=r"--fast, --compile: for video models"):
        fulfil(request)
    assert ModelChoice(lora=("a.safetensors:0.5",)) == ModelChoice(lora=("a.safetensors:0.5",))
