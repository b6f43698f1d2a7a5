import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.appearance.guidance import Guidance, add_noise, euler_flow, flow_times

scales = st.floats(0, 10)
intervals = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda ends: tuple(sorted(ends)))


def test_plain_guidance_is_one_pass():
    passes = Guidance().passes(has_pose=True, has_camera=True)
    assert [(weight, (c.text, c.pose, c.camera)) for weight, c in passes] == [(1.0, (True, True, True))]


@given(text=scales, pose=scales, camera=scales)
def test_weights_sum_to_one_and_each_signal_weighs_its_scale(text, pose, camera):
    passes = Guidance(text, pose, camera).passes(has_pose=True, has_camera=True)
    assert sum(weight for weight, _ in passes) == pytest.approx(1)
    # A network that returns the sum of what each signal contributes must scale each by its own factor.
    for name, scale in (("text", text), ("pose", pose), ("camera", camera)):
        assert sum(weight for weight, c in passes if getattr(c, name)) == pytest.approx(scale)


def test_controls_act_in_their_interval_only():
    guidance = Guidance(interval=(0.0, 0.4))
    assert guidance.passes(True, True, progress=0.2)[-1][1].pose
    assert not any(c.pose or c.camera for _, c in guidance.passes(True, True, progress=0.6))


def test_each_signal_has_its_own_interval():
    guidance = Guidance(pose_interval=(0.2, 0.6), camera_interval=(0.0, 0.3))
    acting = {
        progress: [(c.pose, c.camera) for _, c in guidance.passes(True, True, progress)]
        for progress in (0.1, 0.25, 0.5, 0.9)
    }
    assert acting == {
        0.1: [(False, True)],
        0.25: [(True, True)],
        0.5: [(True, False)],
        0.9: [(False, False)],
    }
    assert Guidance(interval=(0.0, 0.4), pose_interval=(0.0, 1.0)).passes(True, True, 0.5)[-1][1].pose


@given(
    guidance=st.builds(
        Guidance, scales, scales, scales, pose_interval=st.none() | intervals, camera_interval=intervals
    ),
    has_pose=st.booleans(),
    has_camera=st.booleans(),
    progress=st.floats(0, 1),
)
@settings(max_examples=50)
def test_conditions_lists_what_any_step_may_ask_for(guidance, has_pose, has_camera, progress):
    listed = guidance.conditions(has_pose, has_camera)
    assert len(set(listed)) == len(listed)
    for _, condition in guidance.passes(has_pose, has_camera, progress):
        assert condition in listed
        assert has_pose or not condition.pose


def test_plain_guidance_asks_for_one_condition_and_an_interval_for_those_outside_too():
    assert len(Guidance().conditions(True, True)) == 1
    assert [(c.pose, c.camera) for c in Guidance(pose_interval=(0.0, 0.5)).conditions(True, True)] == [
        (True, True),
        (False, True),
    ]


def test_published_settings_can_be_said():
    def weights(guidance: Guidance) -> dict[tuple[bool, bool], float]:
        return {(c.pose, c.text): weight for weight, c in guidance.passes(True, False)}

    nothing, pose, everything = (False, False), (True, False), (True, True)
    assert weights(Guidance(text=6, pose=3)) == {nothing: -2, pose: -3, everything: 6}
    assert weights(Guidance(text=6)) == {pose: -5, everything: 6}
    assert weights(Guidance(text=3, pose=3)) == {nothing: -2, everything: 3}


@pytest.mark.parametrize("interval", [(0.5, 0.2), (-0.1, 1.0), (0.0, 1.5)])
def test_an_interval_lies_within_the_denoising(interval):
    with pytest.raises(ValueError, match="pose_interval must be"):
        Guidance(pose_interval=interval)


@given(steps=st.integers(1, 60), shift=st.floats(0.5, 8))
def test_times_fall_from_one_to_zero(steps, shift):
    times = flow_times(steps, shift)
    assert times[0] == pytest.approx(1)
    assert times[-1] == 0
    assert (times.diff() < 0).all()


def test_a_perfect_predictor_gives_the_sample_in_any_number_of_steps():
    sample, noise = torch.randn(2, 1, 4, 2, 3, 3)
    for steps in (1, 3, 10):
        made = euler_flow(noise, flow_times(steps, 3.0), lambda x, t: sample)
        assert torch.allclose(made, sample)


def test_the_path_is_the_one_of_training():
    sample, noise = torch.randn(2, 1, 4, 2, 3, 3)
    seen = []

    def predict(x, t):
        seen.append((x.clone(), t))
        return sample

    euler_flow(noise, flow_times(5, 2.0), predict)
    for x, t in seen:
        assert torch.allclose(x, add_noise(sample, noise, torch.tensor([t])), atol=1e-5)


def test_nan_stops_with_a_message():
    with pytest.raises(FloatingPointError, match="step 2 of 3"):
        euler_flow(torch.zeros(1), flow_times(3, 1.0), lambda x, t: x / 0 if t < 1 else x)


def test_no_steps_is_an_error():
    with pytest.raises(ValueError, match="at least one step"):
        flow_times(0, 1.0)
