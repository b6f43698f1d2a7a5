import csv
from dataclasses import replace
from itertools import islice

import pytest
import torch

from kinema.scene.formats.errors import FormatError
from kinema.training.checkpoint import Checkpoints, newest, read_checkpoint
from kinema.training.trainer import Trainer, TrainerConfig


class Fit(torch.nn.Module):
    """Learns to undo a matrix, with dropout and noise, so that every source of randomness is in play."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(6, 6)

    def forward(self, batch, generator):
        x = torch.tensor(batch) + 0.1 * torch.randn(4, 6, generator=generator)
        return {"fit": (self.layer(x) - x.flip(-1)).square().mean()}


def batches(first: int):
    step = first
    while True:
        generator = torch.Generator().manual_seed(step)
        yield step, torch.randn(4, 6, generator=generator).tolist()
        step += 1


CONFIG = TrainerConfig(steps=40, learning_rate=1e-2, warmup=5, log_steps=1, seed=3)


def train(out, stop: int | None = None, config: TrainerConfig = CONFIG) -> Trainer:
    model = Fit()
    trainer = Trainer(model, model, config, out)
    trainer.resume()
    stream = batches(trainer.step)
    trainer.run(islice(stream, stop) if stop is not None else stream)
    return trainer


def test_time_that_ends_before_the_first_step_is_said(tmp_path):
    model = Fit()
    with pytest.raises(ValueError, match="over before the first step"):
        Trainer(model, model, CONFIG, tmp_path).run(batches(0), minutes=0)
    assert train(tmp_path).step == CONFIG.steps


def test_resume_repeats_the_run_to_the_last_digit(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "parts", stop=13)
    train(tmp_path / "parts", stop=9)
    parts = train(tmp_path / "parts")
    for name, parameter in whole.trained.items():
        assert torch.equal(parameter, parts.trained[name])
        assert torch.equal(whole.averages.values[name], parts.averages.values[name])
    assert (tmp_path / "whole" / "log.csv").read_bytes() == (tmp_path / "parts" / "log.csv").read_bytes()


def test_it_learns_logs_and_ends(tmp_path):
    config = TrainerConfig(steps=300, learning_rate=3e-2, warmup=5, log_steps=1)
    trainer = train(tmp_path, config=config)
    assert trainer.step == 300
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "fit", "gradient"]
    assert len(rows) == 301
    assert float(rows[-1][1]) < 0.3 * float(rows[1][1])


def test_rate_rises_holds_and_falls():
    config = TrainerConfig(steps=100, learning_rate=1.0, warmup=10, decay=0.5)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == rates[49] == 1
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)


def poisoned(first, bad):
    """Batches some of which are no numbers."""
    for step, batch in batches(first):
        yield step, [[float("nan")] * 6] * 4 if step in bad else batch


def test_nan_stops_and_keeps_the_last_checkpoint(tmp_path):
    train(tmp_path, stop=5)
    model = Fit()
    trainer = Trainer(model, model, replace(CONFIG, bad_steps=0), tmp_path)
    trainer.resume()
    with pytest.raises(FloatingPointError, match="loss is no number at step 8"):
        trainer.run(poisoned(trainer.step, {8}))
    assert read_checkpoint(tmp_path / "checkpoint")[1]["step"] == 5


def test_bad_steps_are_left_out_and_written_down_until_there_are_too_many_in_a_row(tmp_path):
    model = Fit()
    config = replace(CONFIG, steps=10, bad_steps=2)
    trainer = Trainer(model, model, config, tmp_path / "few")
    trainer.run(poisoned(0, {3, 4, 6}))
    assert trainer.step == 10
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    rows = list(csv.reader((tmp_path / "few" / "left_out.csv").open()))
    assert rows == [
        ["step", "gradient", "in_a_row"],
        ["4", "nan", "1.000000"],
        ["5", "nan", "2.000000"],
        ["7", "nan", "1.000000"],
    ]
    logged = list(csv.reader((tmp_path / "few" / "log.csv").open()))[1:]
    assert [row[1:] for row in logged[3:5]] == [logged[2][1:]] * 2  # nothing of a step that is left out
    trainer = Trainer(model, model, config, tmp_path / "many")
    with pytest.raises(FloatingPointError, match="no number at step 5"):
        trainer.run(poisoned(0, {3, 4, 5}))


def test_a_spike_is_left_out(tmp_path):
    model = Fit()
    config = replace(CONFIG, steps=80, spike=5.0)

    def spiky(first):
        for step, batch in batches(first):
            yield step, [[50 * x for x in row] for row in batch] if step == 70 else batch

    weights = {}

    def loss(batch, generator):
        weights[trainer.step] = model.layer.weight.detach().clone()
        return model(batch, generator)

    trainer = Trainer(model, loss, config, tmp_path)
    trainer.run(spiky(0))
    assert torch.equal(weights[71], weights[70])
    assert not torch.equal(weights[70], weights[69])
    assert [row.split(",")[0] for row in (tmp_path / "left_out.csv").read_text().splitlines()] == [
        "step",
        "71",
    ]


def test_parts_of_a_batch_draw_what_the_whole_batch_does():
    """So accumulation, like several processes, trains on the very samples and noise of one pass."""
    from kinema.training import ranks

    generator = torch.Generator()
    drawn = []
    for number in range(2):
        generator.manual_seed(0)
        with ranks.part(number, 2):
            drawn.append(ranks.rows(torch.randn((ranks.count_of(3), 2), generator=generator)))
    generator.manual_seed(0)
    assert torch.equal(torch.cat(drawn), torch.randn((6, 2), generator=generator))
    assert ranks.count_of(3) == 3


def test_averages_in_main_memory_are_the_same_and_may_be_updated_seldom(tmp_path):
    whole = train(tmp_path / "whole")
    apart = train(tmp_path / "apart", config=replace(CONFIG, ema_offload=True))
    seldom = train(tmp_path / "seldom", config=replace(CONFIG, ema_every=4))
    for name, value in whole.averages.values.items():
        torch.testing.assert_close(apart.averages.values[name], value)
        torch.testing.assert_close(seldom.averages.values[name], value, atol=0.02, rtol=0.2)
        assert not torch.equal(seldom.averages.values[name], value)


def test_speed_is_measured(tmp_path):
    from kinema.training.speed import Work

    model = Fit()
    trainer = Trainer(model, model, CONFIG, tmp_path, work=Work(tokens=6, flops=1e6, peak=1e12))
    trainer.run(batches(0))
    rows = list(csv.DictReader((tmp_path / "speed.csv").open()))
    assert len(rows) == 40
    for row in rows:
        assert float(row["tokens_per_second"]) == pytest.approx(
            6 * float(row["samples_per_second"]), rel=1e-4
        )
        assert float(row["mfu"]) == pytest.approx(float(row["tflops"]), abs=2e-6)
        assert 0 <= float(row["waiting_for_data"]) <= 1


def test_a_gradient_that_is_no_number_never_reaches_the_weights(tmp_path):
    """The loss is finite where its derivative is not: sqrt at zero."""
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    config = replace(CONFIG, bad_steps=0)
    trainer = Trainer(model, lambda x, _: {"root": model(x).square().sum().sqrt()}, config, tmp_path)
    with pytest.raises(FloatingPointError, match="gradient is no number at step 0"):
        trainer.run(iter([(0, torch.ones(1, 2))]))
    assert torch.equal(model.weight, torch.zeros(1, 2))


def test_a_failed_write_leaves_the_old_checkpoint_and_says_so(tmp_path):
    place = tmp_path / "checkpoint"
    checkpoints = Checkpoints(place)
    checkpoints.save({"w": torch.ones(3)}, {"step": 1})
    (place / "step-0000002.new").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write the checkpoint .* the one of step 1 is still good"):
        checkpoints.save({"w": torch.zeros(3)}, {"step": 2})
    tensors, state = read_checkpoint(place)
    assert state == {"step": 1}
    assert torch.equal(tensors["w"], torch.ones(3))


def test_a_checkpoint_of_another_model_or_a_damaged_one_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.save({"w": torch.ones(3)}, {"step": 1})
    with pytest.raises(FormatError, match="cannot be resumed by this run"):
        checkpoints.load({"v": torch.zeros(3)})
    with pytest.raises(FormatError, match="cannot be resumed by this run"):
        checkpoints.load({"w": torch.zeros(4)})
    (file,) = newest(checkpoints.folder).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(FormatError, match="cannot be resumed by this run"):
        checkpoints.load({"w": torch.zeros(3)})


def test_what_was_logged_after_the_checkpoint_is_forgotten(tmp_path):
    train(tmp_path / "whole")
    train(tmp_path / "parts", stop=13)
    with (tmp_path / "parts" / "log.csv").open(
        "a"
    ) as file:  # a killed run had gone on, and was cut off in a row
        file.write("14,0.5,0.5\nstep,fit,other,gradient\n15,0.5,0.1,0.5\n16,0.2")
    train(tmp_path / "parts")
    assert (tmp_path / "whole" / "log.csv").read_bytes() == (tmp_path / "parts" / "log.csv").read_bytes()


def test_validation_sees_the_averages_and_changes_nothing(tmp_path):
    plain = train(tmp_path / "plain")
    model = Fit()
    seen = []

    def validate(step):
        assert not model.training
        seen.append((step, model.layer.weight.detach().clone()))
        torch.rand(5)
        return {"weight": float(model.layer.weight.mean())}

    config = replace(CONFIG, validate_steps=10, tensorboard=True)
    trainer = Trainer(model, model, config, tmp_path / "validated", validate=validate)
    trainer.run(batches(0))
    assert [step for step, _ in seen] == [10, 20, 30, 40]
    assert torch.equal(seen[-1][1], trainer.averages.values["layer.weight"])
    assert all(torch.equal(p, plain.trained[name]) for name, p in trainer.trained.items())
    rows = (tmp_path / "validated" / "validation.csv").read_text().splitlines()
    assert rows[0] == "step,weight"
    assert len(rows) == 5
    assert list((tmp_path / "validated" / "tensorboard").glob("events*"))


def test_averages_are_of_what_is_trained_and_leave_the_rest_alone(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 6))
    model[0].requires_grad_(False)
    frozen = model[0].weight.clone()

    def loss(batch, generator):
        return {"fit": model(torch.tensor(batch)).square().mean()}

    trainer = Trainer(model, loss, CONFIG, tmp_path)
    trainer.run(islice(batches(0), 12))
    assert set(trainer.averages.values) == {"1.weight", "1.bias", "2.weight", "2.bias"}
    running = model[1].running_mean.clone()
    with trainer.averages.in_model():
        assert torch.equal(model[2].weight, trainer.averages.values["2.weight"])
    assert not torch.equal(model[2].weight, trainer.averages.values["2.weight"])
    trainer.averaged()
    assert torch.equal(model[2].weight, trainer.averages.values["2.weight"])
    assert torch.equal(model[0].weight, frozen)
    assert torch.equal(model[1].running_mean, running)


def test_nothing_to_train_is_an_error(tmp_path):
    model = Fit().requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        Trainer(model, model, CONFIG, tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        {"steps": 0},
        {"warmup": 0},
        {"accumulate": 0},
        {"accumulate": -1},
        {"log_steps": 0},
        {"decay": -1.0},
    ],
    ids=str,
)
def test_numbers_that_nothing_can_be_trained_with_are_said(option):
    with pytest.raises(ValueError, match=f"trainer.*{next(iter(option))}"):
        TrainerConfig(**{"steps": 4, **option})


def test_numbers_go_to_weights_and_biases_as_one_run_of_a_folder(tmp_path, monkeypatch):
    """With a stand-in of the package, which draws nothing; the package itself was tried offline by hand."""
    import sys
    from types import SimpleNamespace

    begun, drawn = [], []
    run = SimpleNamespace(
        log=drawn.append, finish=lambda: drawn.append("end"), define_metric=lambda *_, **__: None
    )
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **told: begun.append(told) or run))
    for stop in (3, 2):
        train(tmp_path / "walks", stop=stop, config=replace(CONFIG, wandb="kinema"))
    assert [(told["project"], told["name"], told["resume"]) for told in begun] == [
        ("kinema", "walks", "allow")
    ] * 2
    assert begun[0]["id"] == begun[1]["id"]
    rows = [row for row in drawn if row != "end" and "train/fit" in row]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert drawn[-1] == "end"
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="Weights & Biases is not installed"):
        train(tmp_path / "without", config=replace(CONFIG, wandb="kinema"))
