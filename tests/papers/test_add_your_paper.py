"""The page "Add your paper" is run as it stands: its code blocks are the modules that are tested here."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch

from kinema.diffusion.guider import Run
from kinema.diffusion.loop import EulerSolver, denoise
from kinema.diffusion.objective import TrainingStep
from kinema.diffusion.path import FlowPath

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add_your_paper.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
ALL = frozenset({"text", "pose", "camera"})


@pytest.fixture
def module(tmp_path, request) -> ModuleType:
    """One code block of the page, imported from a file of its own."""
    number, lines = request.param
    assert len(BLOCKS[number].splitlines()) <= lines, "the page promises a short file"
    file = tmp_path / "method.py"
    file.write_text(BLOCKS[number], encoding="utf-8")
    spec = spec_from_file_location("method", file)
    made = module_from_spec(spec)
    sys.modules["method"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["method"]


def sampled(guider, scale: float) -> torch.Tensor:
    """A network whose velocity without the prompt is half of that with it, and a little of its own."""
    noise = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    solver = EulerSolver(4, path=FlowPath("velocity"))
    start = guider.begin(noise, Run(ALL, solver))

    def predict(x, step):
        passes = guider.passes(step, ALL)
        return guider.combine([x if "text" in each.conditions else 0.5 * x for each in passes], passes, step)

    return denoise(noise, solver, predict, start=start)


@pytest.mark.parametrize("module", [(0, 80)], indirect=True)
def test_the_guider_is_neutral_at_one_scales_away_what_is_parallel_and_stands_still(module):
    guider = module.PAPER.parts["guider"]
    plain = sampled(guider(scale=1.0, still=0), 1.0)
    assert torch.equal(plain, sampled(guider(scale=1.0, still=0), 1.0))
    # Without the prompt the velocity is parallel: its optimal scale makes both equal, so guidance changes nothing.
    assert torch.allclose(sampled(guider(scale=5.0, still=0), 5.0), plain, atol=1e-5)
    noise = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sampled(guider(scale=5.0, still=4), 5.0), noise)
    with pytest.raises(ValueError, match="predict a velocity, not clean"):
        guider().begin(noise, Run(ALL, EulerSolver(2)))


@pytest.mark.parametrize("module", [(1, 50)], indirect=True)
def test_the_objective_is_zero_at_the_truth_and_blind_to_what_all_frames_share(module):
    objective = module.PAPER.parts["objective"]()
    clean, noise = torch.randn(2, 2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    path, time = FlowPath("velocity"), torch.tensor([0.3, 0.7])
    truth = path.target(clean, noise, time)

    def term(prediction: torch.Tensor, strength: float = 1.0) -> float:
        step = TrainingStep(
            samples=(),
            clean=clean,
            noise=noise,
            x=path.noisy(clean, noise, time),
            time=time,
            prediction=prediction,
            path=path,
            present={},
            tokens={},
            adapters={},
            weight=None,
            decode=lambda latents: latents,
            generator=torch.Generator().manual_seed(0),
        )
        return float(module.PAPER.parts["objective"](strength)(step)["debiased"])

    assert term(truth) == 0
    shared, moving = torch.randn(2, 3, 1, 5, 6), torch.randn(2, 3, 4, 5, 6)
    assert objective.strength == 1.0
    # An error that is the same in all frames weighs (sqrt(2) - 1)^2 of what it does in the plain loss.
    assert term(truth + shared) == pytest.approx((2**0.5 - 1) ** 2 * term(truth + shared, 0.0), rel=1e-4)
    assert term(truth + moving) > term(truth + moving, 0.0)
