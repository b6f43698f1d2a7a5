import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.diffusion.guider import Guidance, Guider, Pass, Run, Scale, in_order
from kinema.diffusion.loop import EulerSolver, denoise

ALL = frozenset({"text", "pose", "camera"})
scales = st.floats(0, 10)
intervals = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda ends: tuple(sorted(ends)))


def weights(guidance: Guidance, conditions=ALL, progress: float = 0.0) -> dict[frozenset[str], float]:
    return {each.conditions: each.weight for each in guidance.passes_at(progress, frozenset(conditions))}


def test_plain_guidance_is_one_pass():
    assert weights(Guidance()) == {ALL: 1.0}


@given(text=scales, pose=scales, camera=scales, style=scales)
def test_weights_sum_to_one_and_each_condition_weighs_its_scale(text, pose, camera, style):
    named = {"text": text, "pose": pose, "camera": camera, "style": style}
    passes = weights(Guidance(**named), named)
    assert sum(passes.values()) == pytest.approx(1)
    # A network that returns the sum of what each condition contributes must scale each by its own factor.
    for name, scale in named.items():
        assert sum(weight for each, weight in passes.items() if name in each) == pytest.approx(scale)


def test_each_condition_acts_in_its_own_interval():
    guidance = Guidance(pose=Scale(1, (0.2, 0.6)), camera=Scale(1, (0.0, 0.3)))
    acting = {
        at: [set(each) - {"text"} for each in weights(guidance, progress=at)] for at in (0.1, 0.25, 0.5, 0.9)
    }
    assert acting == {0.1: [{"camera"}], 0.25: [{"pose", "camera"}], 0.5: [{"pose"}], 0.9: [set()]}


@given(
    pose=st.builds(Scale, scales, intervals),
    camera=st.builds(Scale, scales, intervals),
    text=scales,
    conditions=st.sets(st.sampled_from(sorted(ALL))),
    progress=st.floats(0, 1),
)
@settings(max_examples=50)
def test_every_pass_lists_what_any_step_may_ask_for(pose, camera, text, conditions, progress):
    guidance = Guidance(pose=pose, camera=camera, text=text)
    listed = guidance.every_pass(frozenset(conditions))
    assert len(set(listed)) == len(listed)
    assert set(weights(guidance, conditions, progress)) <= set(listed)


def test_published_settings_can_be_said():
    scene = {"text", "pose"}
    nothing, pose, everything = frozenset(), frozenset({"pose"}), frozenset(scene)
    assert weights(Guidance(text=6, pose=3), scene) == {nothing: -2, pose: -3, everything: 6}
    assert weights(Guidance(text=6), scene) == {pose: -5, everything: 6}
    assert weights(Guidance(text=3, pose=3), scene) == {nothing: -2, everything: 3}


@pytest.mark.parametrize("interval", [(0.5, 0.2), (-0.1, 1.0), (0.0, 1.5)])
def test_an_interval_lies_within_the_denoising(interval):
    with pytest.raises(ValueError, match="an interval must be"):
        Scale(1.0, interval)


def test_guidance_is_a_value_and_replace_keeps_intervals():
    guidance = Guidance(text=5.0, pose=Scale(2.0, (0.0, 0.5)))
    assert guidance == Guidance(text=5, pose=Scale(2, (0, 0.5)), camera=1.0)
    assert hash(guidance) == hash(Guidance(text=5, pose=Scale(2, (0, 0.5)), camera=1.0))
    assert guidance.replace(pose=4.0)["pose"] == Scale(4.0, (0.0, 0.5))
    assert guidance.settings() == {"text": 5.0, "pose": [2.0, [0.0, 0.5]]}


def test_conditions_are_switched_on_in_one_order_whatever_their_number():
    assert in_order({"text", "zoom", "pose", "style", "camera"}) == [
        "camera",
        "pose",
        "style",
        "zoom",
        "text",
    ]


def test_a_guider_may_start_late_ask_for_passes_and_change_what_follows():
    """A method in a few lines: starts halfway, runs a third pass, nudges every step."""

    class Late(Guider):
        def begin(self, noise, run):
            middle = len(run.solver.timesteps) // 2
            return run.solver.noised(torch.ones_like(noise), noise, middle), middle

        def passes(self, step, conditions):
            return [Pass(conditions, 2.0), Pass(frozenset(), -1.0)]

        def after(self, x, step):
            return x + 1

    guider, solver, noise = Late(), EulerSolver(4), torch.randn(1, 2, 3, 4, 4)
    seen = []

    def predict(x, step):
        seen.append(step.index)
        passes = guider.passes(step, ALL)
        return guider.combine([torch.full_like(x, len(each.conditions)) for each in passes], passes, step)

    start = guider.begin(noise, Run(ALL, solver))
    made = denoise(noise, solver, predict, start=start, after=guider.after)
    assert seen == [2, 3]
    assert torch.allclose(made, torch.full_like(made, 2 * 3 + 1))


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_scale_is_finite(scale):
    with pytest.raises(ValueError, match="finite number"):
        Guidance(text=scale)
