"""The guard on terms whose gradients are known: d(a x)/dx = a."""

import warnings

import pytest
import torch

from kinema.training.gradient_guard import AuxiliaryGradientWarning, GradientGuard
from kinema.training.trainer import Trainer, TrainerConfig


def terms(x: torch.Tensor, track: float) -> dict[str, torch.Tensor]:
    return {"flow": (4 * x).sum(), "track": (track * x).sum()}


def test_shares_are_gradient_norms_with_the_weight_included():
    x = torch.ones(9, requires_grad=True)
    guard = GradientGuard([x], {"track": 0.01}, every=10, threshold=0.5)
    assert guard.watch(0, terms(x, 80.0)) == {"track": pytest.approx(0.2)}
    assert guard.watch(7, terms(x, 80.0)) == {}
    assert guard.watch(10, {"flow": (4 * x).sum()}) == {}
    assert x.grad is None


def test_it_warns_once_per_term_above_the_threshold_and_not_below():
    x = torch.ones(3, requires_grad=True)
    guard = GradientGuard([x], {"track": 0.01}, every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard.watch(0, terms(x, 39.0))  # 9.75 %
    with pytest.warns(
        AuxiliaryGradientWarning, match=r"step 1: the gradient of 'track' \(weight 0.01\) is 12%"
    ):
        guard.watch(1, terms(x, 48.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard.watch(2, terms(x, 4800.0))


def test_a_head_of_its_own_does_not_count():
    x, head = torch.ones(9, requires_grad=True), torch.ones(9, requires_grad=True)
    guard = GradientGuard([x, head], {"mask": 0.1}, every=1)
    made = {"flow": (4 * x).sum(), "mask": (2 * x).sum() + (500 * head).sum()}
    assert guard.watch(0, made) == {"mask": pytest.approx(0.05)}
    assert guard.watch(0, {"flow": torch.ones(()), "mask": (2 * x).sum()}) == {}


class TwoTerms(torch.nn.Module):
    def __init__(self, now_and_then: bool = False) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.ones(2))
        self.now_and_then = now_and_then

    def forward(self, batch, generator):
        result = {"flow": self.x.square().sum()}
        if not self.now_and_then or batch % 3 == 2:
            result["track"] = 1000 * self.x.sum()
        return result


def test_the_trainer_weighs_terms_and_guards_them(tmp_path):
    model = TwoTerms()
    config = TrainerConfig(steps=1, learning_rate=1e-3, warmup=1)
    with pytest.warns(AuxiliaryGradientWarning, match="'track'"):
        Trainer(model, model, config, tmp_path / "a", {"track": 0.01}).run(enumerate(range(3)))
    silent = TwoTerms()
    with warnings.catch_warnings():
        warnings.simplefilter("error", AuxiliaryGradientWarning)
        trainer = Trainer(silent, silent, config, tmp_path / "b", {"track": 0.0})
        trainer.run(enumerate(range(3)))
    assert (silent.x.grad.sign() == 1).all()
    trainer.resume()


def test_the_log_names_its_columns_again_when_a_term_comes_in(tmp_path):
    model = TwoTerms(now_and_then=True)
    config = TrainerConfig(steps=5, warmup=1, log_steps=1, guard_steps=0)
    Trainer(model, model, config, tmp_path, {"track": 1e-6}).run(enumerate(range(9)))
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert [row for row in rows if row[0] == "step"] == [
        ["step", "flow", "gradient"],
        ["step", "flow", "gradient", "track"],
    ]
    assert len(rows) == 7
    assert len(rows[-1]) == 4
