"""What fits on a card: weights counted exactly, choices in their order, and what a machine measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from tests.video import published_tiny
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.video.models.published import PUBLISHED
from kinema.video.planning import CARDS, Card, Job, choices, denoising_bytes, operations, smaller
from kinema.video.shapes import SHAPES, shape_of

RTX4090 = Card("rtx4090", 24e9, 165e12)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("wan2.1-1.3b", 1.42),
        ("wan2.1-14b", 16.4),
        ("wan2.2-5b", 5.0),
        ("vace-14b", 17.3),
        ("cogvideox-5b", 5.57),
    ],
)  # from the sizes of the published files: Wan-AI's and zai-org's model cards
def test_weights_are_counted(name: str, billions: float) -> None:
    assert SHAPES[name].parameters / 1e9 == pytest.approx(billions, rel=0.01)


def test_tokens_of_published_videos() -> None:
    assert SHAPES["wan2.1-14b"].tokens((832, 480), 81) == 21 * 30 * 52
    assert SHAPES["vace-1.3b"].tokens((832, 480), 81) == 22 * 30 * 52  # and a reference
    assert SHAPES["wan2.2-5b"].tokens((1280, 704), 121) == 31 * 22 * 40  # sixteenfold, patches of 2
    assert SHAPES["cogvideox-2b"].tokens((720, 480), 49) == 13 * 30 * 45
    assert SHAPES["cogvideox1.5-5b"].tokens((1360, 768), 81) == 11 * 48 * 85  # two latent frames in a token


def test_known_cards_get_what_people_report() -> None:
    """Wan 14B at 480p on an H100: 9.8 s a step in diffusers (README of LightX2V); 14B does not fit 24 GB unquantised."""
    memory, speed = CARDS["h100"]
    job = Job.of(shape_of("wan2.1-14b"))
    best = choices(shape_of("wan2.1-14b"), job, Card("h100", memory * 1e9, speed * 1e12))[0]
    assert best.options == ()
    assert best.seconds / job.steps == pytest.approx(9.8, rel=0.3)
    tight = choices(shape_of("wan2.1-14b"), job, RTX4090)
    assert tight[0].fits
    assert not next(each for each in tight if each.options == ("--memory", "medium")).fits


def test_what_fits_comes_first_and_less_memory_costs_time() -> None:
    made = choices(shape_of("wan2.1-14b"), Job.of(shape_of("wan2.1-14b")), RTX4090)
    fits = [each.fits for each in made]
    assert fits == sorted(fits, reverse=True)
    assert all("needs" in each.why for each in made if not each.fits)
    by_words = {each.options: each for each in made}
    assert by_words["--memory", "low"].memory < by_words["--memory", "medium"].memory < by_words[()].memory
    assert by_words["--memory", "low"].seconds >= by_words[()].seconds


def test_a_smaller_picture_is_offered_where_nothing_fits() -> None:
    shape = shape_of("wan-animate")
    job, card = Job.of(shape), Card("small", 9e9, 50e12)
    assert not choices(shape, job, card)[0].fits
    less = smaller(shape, job, card)
    assert less is not None
    assert less.fits
    assert "--size" in less.options
    assert smaller(shape, job, Card("tiny", 1e9, 50e12)) is None


def test_memory_and_operations_grow_with_the_video() -> None:
    shape = shape_of("vace-1.3b")
    small, large = ((416, 240), 41), ((832, 480), 81)
    assert denoising_bytes(shape, *large) > 6 * denoising_bytes(shape, *small)
    assert operations(shape, *large) > 12 * operations(shape, *small)  # attention grows with the square


def test_a_folder_is_planned_by_its_own_config(tmp_path: Path) -> None:
    tiny = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, num_layers=3, ffn_dim=32, text_dim=16
    )
    tiny.save_config(tmp_path / "transformer")
    shape = shape_of(tmp_path)
    assert shape.parameters == sum(each.numel() for each in tiny.parameters())
    assert shape.width == 24
    encoder = torch.nn.Linear(7, 5)
    (tmp_path / "text_encoder").mkdir()
    save_file(encoder.state_dict(), tmp_path / "text_encoder" / "model.safetensors")
    assert shape_of(tmp_path).encoders == 7 * 5 + 5  # its own, where it is there
    assert shape_of(tmp_path).vae.parameters == shape.vae.parameters
    with pytest.raises(ValueError, match="nothing is known of the size of"):
        shape_of("nowhere")
    (tmp_path / "transformer" / "config.json").write_text('{"_class_name": "Other"}')
    with pytest.raises(ValueError, match="is a Other"):
        shape_of(tmp_path)


def test_every_published_backbone_has_a_shape() -> None:
    assert set(PUBLISHED) - set(SHAPES) <= {
        "wan-animate-2",
        "wan-animate-2-distilled",
    }  # caches of their own size


def test_the_command_says_the_best_and_refuses_what_it_does_not_know() -> None:
    done = CliRunner().invoke(app, ["plan", "wan2.1-14b", "--card", "24GB", "--seconds", "10", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["best"]["fits"]
    assert facts["windows"] == 3
    assert facts["parameters"] == SHAPES["wan2.1-14b"].parameters
    shown = CliRunner().invoke(app, ["plan", "vace-2.2", "--card", "rtx3060"])
    assert "does not fit: " in shown.output
    for arguments, says in (
        (["wan2.1-14b", "--card", "gtx"], "give its memory"),
        (["mini"], "needs no plan"),
        (["wan2.1-14b", "--card", "0GB"], "1 to 4096 GB"),
        (["wan2.1-14b", "--card", "24GB", "--probe"], "leave out --card"),
        (["wan2.1-14b", "--card", "24GB", "--size", "830x480"], "sides are multiples of 16 pixels"),
        (["ltx2", "--card", "24GB", "--seconds", "20"], "it cannot continue a video"),
        (["scail", "--card", "24GB"], "`kinema passes` makes files for it"),
    ):
        wrong = CliRunner().invoke(app, ["plan", *arguments])
        assert isinstance(wrong.exception, ValueError)
        assert says in str(wrong.exception)


def test_this_machine_is_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.video.planning import this_machine

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    here = this_machine()
    assert not here.accelerator
    assert here.memory > 1e8
    assert here.speed > 1e8


def test_two_steps_measure_a_model(tmp_path: Path) -> None:
    from kinema.app.probing import probe
    from kinema.app.progress import Progress
    from kinema.app.request import ModelChoice

    published_tiny.wan_pipeline().save_pretrained(tmp_path)
    choice = ModelChoice(str(tmp_path), controls=(), size=(32, 48), window=9)
    measured = probe(choice, Progress())
    assert measured.memory > 1e8
    assert 0 < measured.step < 60
    assert measured.seconds(50, 2) > 100 * measured.step
