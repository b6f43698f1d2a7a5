import csv
from itertools import islice

import pytest
import torch

from kinema.training.checkpoint import load_checkpoint, save_checkpoint
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


def test_resume_repeats_the_run_to_the_last_digit(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "parts", stop=13)
    train(tmp_path / "parts", stop=9)
    parts = train(tmp_path / "parts")
    for name, parameter in whole.trained.items():
        assert torch.equal(parameter, parts.trained[name])
        assert torch.equal(whole.averages[name], parts.averages[name])


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


def test_nan_stops_and_keeps_the_last_checkpoint(tmp_path):
    train(tmp_path, stop=5)

    def poisoned(first):
        for step, batch in batches(first):
            yield step, [[float("nan")] * 6] * 4 if step == 8 else batch

    model = Fit()
    trainer = Trainer(model, model, CONFIG, tmp_path)
    trainer.resume()
    with pytest.raises(FloatingPointError, match="step 8"):
        trainer.run(poisoned(trainer.step))
    assert load_checkpoint(tmp_path / "checkpoint")[3]["step"] == 5


def test_an_interrupted_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    place = tmp_path / "checkpoint"
    weights = {"w": torch.ones(3)}
    save_checkpoint(place, weights, weights, {}, {"step": 1})
    monkeypatch.setattr(torch, "save", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(place, weights, weights, {}, {"step": 2})
    assert load_checkpoint(place)[3]["step"] == 1


def test_a_write_cut_off_between_renames_is_recovered(tmp_path):
    place = tmp_path / "checkpoint"
    weights = {"w": torch.ones(3)}
    save_checkpoint(place, weights, weights, {}, {"step": 1})
    place.rename(tmp_path / "checkpoint.old")
    assert load_checkpoint(place)[3]["step"] == 1


def test_nothing_to_train_is_an_error(tmp_path):
    model = Fit().requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        Trainer(model, model, CONFIG, tmp_path)
