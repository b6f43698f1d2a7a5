"""Signals are a registry: one file each, nothing computed that nobody reads, and a container that knows none of them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.signals.test_signals import FPS, SIZE, orbit, walker

from kinema.scene import Scene
from kinema.signals.control_signals import ControlSignals, SignalOptions, control_signals
from kinema.signals.frames import SceneFrames
from kinema.signals.signal import SIGNALS, Signal, register

COMMON = {"rays", "skeletons", "person_mask", "joints", "cameras", "intrinsics"}


@pytest.fixture
def scene() -> Scene:
    return Scene((walker(), walker(x=-1.0)), orbit(), FPS)


def test_only_what_is_named_is_computed(scene, monkeypatch):
    whole = control_signals(scene, size=SIZE)
    assert whole.present == COMMON
    for name in COMMON - {"person_mask", "cameras"}:
        monkeypatch.setattr(type(SIGNALS[name]), "of", lambda *_: pytest.fail("nobody reads this"))
    some = control_signals(scene, size=SIZE, names=("person_mask", "cameras"))
    assert some.present == {"person_mask", "cameras"}
    assert torch.equal(some.person_mask, whole.person_mask)
    assert torch.equal(some.cameras, whole.cameras)
    with pytest.raises(ValueError, match="no signal 'pose': there are cameras, intrinsics"):
        control_signals(scene, size=SIZE, names=("pose",))


def test_what_several_signals_need_is_computed_once(scene, monkeypatch):
    calls = []
    project = type(scene.camera).project
    monkeypatch.setattr(type(scene.camera), "project", lambda *a: calls.append(1) or project(*a))
    control_signals(scene, size=SIZE, names=("person_mask", "tracks", "joints"))
    assert len(calls) == 1


def test_tracks_are_made_by_name_and_follow_the_joints(scene):
    signals = control_signals(scene, size=SIZE, names=("tracks", "joints"))
    assert signals.tracks.shape == (1, 2, 17, 23, 3)
    pixels, depth = scene.camera.resize(*SIZE).project(scene.people[1].joints)
    np.testing.assert_allclose(signals.tracks[0, 1, :, 4, :2], pixels[:, 5], atol=1e-3)  # the right knee
    np.testing.assert_allclose(signals.tracks[0, 1, :, 4, 2], depth[:, 5], atol=1e-4)


@pytest.fixture
def heights():
    """A signal that another package brings: how high each person's head is, of the whole video."""

    @register
    class Heights(Signal):
        name = "heights"
        shape = ("B", "P")
        exact = True

        def of(self, frames: SceneFrames) -> torch.Tensor | None:
            if frames.joints is None:
                return None
            return torch.from_numpy(frames.joints[0, :, 15, 1].astype(np.float32))[None]

    yield Heights
    del SIGNALS._signals["heights"]


def test_a_signal_is_one_class_and_the_container_is_not_touched(scene, heights):
    signals = control_signals(scene, size=SIZE, names=("heights", "skeletons"))
    assert signals.present == {"heights", "skeletons"}
    assert torch.allclose(signals.heights, torch.full((1, 2), 1.5))
    assert torch.equal(signals["heights"], signals.heights)
    assert "heights" not in control_signals(scene, size=SIZE).present  # only by name
    part = signals.window(4, 5).to("cpu", torch.bfloat16)
    assert torch.equal(part.heights, signals.heights)  # exact, and not of any frame
    assert part.skeletons.shape[1] == 5
    alone = control_signals(
        replace(scene, people=scene.people[:1]), size=SIZE, names=("heights", "skeletons")
    )
    batch = ControlSignals.stack([signals, alone])
    assert torch.isnan(batch.heights[1, 1])
    with pytest.raises(ValueError, match="heights must have the shape"):
        ControlSignals(heights=torch.zeros(3))
    with pytest.raises(ValueError, match="two signals are called 'heights'"):

        @register
        class Other(Signal):
            name = "heights"
            shape = ("B",)

            def of(self, frames):
                return None

    namesake = type("Rays", (heights,), {"name": "rays", "__module__": "their_package"})
    namesake.__qualname__ = type(SIGNALS["rays"]).__qualname__
    with pytest.raises(ValueError, match=r"called 'rays': kinema\.signals\.\S+, their_package\.Rays"):
        register(namesake)


def test_container_knows_its_picture_and_what_is_absent(scene):
    signals = control_signals(scene, size=SIZE, names=("joints", "cameras"))
    assert (signals.size, signals.frames, signals.batch) == (SIZE, 17, 1)
    assert signals.skeletons is None
    assert signals["rays"] is None
    with pytest.raises(AttributeError, match="no signal 'pose'"):
        _ = signals.pose
    assert signals.only(("joints", "rays")).present == {"joints"}
    assert signals.drop("cameras").size == SIZE
    with pytest.raises(ValueError, match="person_mask has W = 9, but the picture has W = 64"):
        replace(signals, person_mask=torch.zeros(1, 17, 48, 9, dtype=torch.bool))
    with pytest.raises(ValueError, match="no signal 'pose'"):
        ControlSignals(pose=torch.zeros(1))
    assert ControlSignals().frames is None
    for other in (copy.deepcopy(signals), pickle.loads(pickle.dumps(signals))):
        assert other.size == SIZE
        assert torch.equal(other.joints, signals.joints)


def test_options_are_those_of_the_drawing_functions(scene):
    unit = control_signals(scene, size=SIZE, names=("rays",), options=SignalOptions(scale="unit"))
    assert not torch.equal(unit.rays, control_signals(scene, size=SIZE, names=("rays",)).rays)
    with pytest.raises(ValueError, match="unknown part 'feet'"):
        SignalOptions(parts=("feet",))
