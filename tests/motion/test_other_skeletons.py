"""Any joint tree, frame rate and patch: nothing is lost, a generator of it samples, and it learns."""

import json
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.motion.test_text_to_motion import Letters
from tests.motion.walking import walk
from tests.scene.bodies import dog, moving, random_tree

from kinema.data.motion_samples import EncodedClip, MotionSamples
from kinema.motion.constraints import JointTarget, Known, RootPath
from kinema.motion.generator import EMBEDDED, MotionGenerator, load_motion_generator
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.people import JointPair, meet
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.motion.timeline import Block, Timeline
from kinema.motion.timeline_motion import make_timeline
from kinema.motion.transformer import MotionTransformer
from kinema.scene import Scene
from kinema.scene.formats import read_motion, write_motion
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton
from kinema.training.motion_task import MotionTask


def fox() -> Skeleton:
    """The dog with a tail of three bones, its joints in another order, the root last."""
    tree = dog()
    names = [*tree.names, "TailMiddle", "TailTip"]
    parents = [*(tree.names[p] if p >= 0 else "" for p in tree.parents), "Tail", "TailMiddle"]
    rest = np.concatenate([tree.rest, [[0, 0.72, -0.9], [0, 0.7, -1.1]]])
    turned = np.arange(len(names))[::-1]
    return Skeleton.from_names(
        tuple(names[joint] for joint in turned), [parents[joint] for joint in turned], rest[turned]
    )


FOX = MotionRepresentation(fox(), fps=30.0, patch=3)


def trot(seed: int = 0, frames: int = 60) -> Motion:
    return moving(seed, FOX.skeleton, frames, FOX.fps)


@given(st.integers(0, 2**31 - 1), st.sampled_from([(12.5, 5), (30.0, 3), (60.0, 1)]))
@settings(max_examples=25, deadline=None)
def test_motion_of_any_tree_comes_back(seed, rate):
    representation = MotionRepresentation(random_tree(seed), *rate)
    motion = moving(seed, representation.skeleton, 12, rate[0])
    features, stance = representation.encode(motion)
    assert features.shape == (12, representation.width)
    assert np.abs(representation.decode(features, stance).joints - motion.joints).max() < 1e-3


def test_motion_of_animals_and_of_files_comes_back(tmp_path):
    features, stance = FOX.encode(trot())
    assert np.abs(FOX.decode(features, stance).joints - trot().joints).max() < 1e-3
    write_motion(tmp_path / "walk.bvh", walk())
    from_file = read_motion(tmp_path / "walk.bvh")
    representation = MotionRepresentation(from_file.skeleton, 25.0, 5)
    features, stance = representation.encode(from_file)
    there = from_file.resample(25.0).joints
    assert np.abs(representation.decode(features, stance).joints - there).max() < 1e-3


def test_mirrored_features_of_animals_are_those_of_the_mirrored_motion():
    features, stance = FOX.encode(trot())
    mirrored = FOX.decode(FOX.mirror(features), replace(stance, x=-stance.x, yaw=-stance.yaw))
    assert np.abs(mirrored.joints - trot().mirror().joints).max() < 1e-3


def test_limbs_legs_and_feet_follow_from_the_tree():
    derived = MotionRepresentation(SMPL24, 20.0)
    assert derived.legs == SMPL24_MOTION.legs
    assert derived.feet == SMPL24_MOTION.feet == (7, 8, 10, 11)
    assert {frozenset(joints) for joints in derived.limbs.values()} == {
        frozenset(joints) for joints in SMPL24_MOTION.limbs.values()
    }
    assert [SMPL24.names[joint] for joint in derived.shoulders] == ["left_shoulder", "right_shoulder"]
    tree = FOX.skeleton
    assert set(FOX.body) == {"pelvis", "Spine", "Tail", "LeftThigh", "RightThigh", "LeftArm", "RightArm"}
    assert {tree.names[foot] for foot in FOX.feet} == {
        f"{side}{paw}Paw" for side in ("Left", "Right") for paw in ("Hind", "Fore")
    }
    assert all(leg.toe is None for leg in FOX.legs)


def test_representations_are_written_and_read():
    for representation in (SMPL24_MOTION, FOX):
        again = MotionRepresentation.from_json(json.loads(json.dumps(representation.to_json())))
        assert again == representation
    assert FOX != SMPL24_MOTION
    with pytest.raises(ValueError, match="no motion representation"):
        MotionRepresentation.from_json({"fps": 20.0})
    with pytest.raises(ValueError, match="each joint but the root once"):
        MotionRepresentation(SMPL24, 20.0, limbs={"torso": (3, 6)})
    with pytest.raises(ValueError, match="1 contact_heights, but 4 feet"):
        MotionRepresentation(SMPL24, 20.0, contact_heights=[0.1])
    with pytest.raises(ValueError, match="other joints"):
        FOX.encode(walk())


@pytest.fixture(scope="module")
def generator() -> TextToMotionPipeline:
    torch.manual_seed(0)
    network = MotionTransformer.of(FOX, width=32, layers=1, heads=2, styles=("happy",))
    torch.nn.init.normal_(network.tokens_out.weight, std=0.02)
    features = torch.cat([FOX.encode(trot(seed))[0] for seed in range(4)])
    normaliser = Normaliser.fit(features, FOX)
    return TextToMotionPipeline(network, normaliser, Letters(), steps=2, window=40, overlap=10)


def test_a_generator_of_an_animal_makes_a_scene(generator):
    motion = generator("a fox trots", seconds=3, seed=5)
    scene = Scene((motion,), None, motion.fps)
    assert scene.frames == 91
    assert motion.skeleton == FOX.skeleton
    assert np.array_equal(motion.joints, generator("a fox trots", seconds=3, seed=5).joints)
    assert not np.array_equal(motion.joints, generator("a fox trots", seconds=3, seed=6).joints)
    assert generator("a fox trots", seconds=9).frames == 271  # in windows
    chunks = [next(chunk) for chunk in [generator.stream("trots", chunk_seconds=1.0)] for _ in range(4)]
    assert [chunk.frames for chunk in chunks] == [30] * 4


def test_constraints_hold_for_an_animal(generator):
    start = trot(frames=24)
    motion = generator("trots", seconds=3, constraints=[Known(start)])
    assert np.abs(motion.joints[:24] - start.joints).max() < 1e-3
    path = RootPath([[0, 0], [0.5, 1.0]], times=[0, 3])
    motion = generator("trots", seconds=3, constraints=[path])
    root = FOX.skeleton.root
    assert np.linalg.norm(motion.joints[-1, root, [0, 2]] - path.points[-1]) < 0.03
    tip = motion.joints[45, FOX.skeleton.index("TailTip")] + [0.03, 0.03, 0.0]
    motion = generator("trots", seconds=3, constraints=[path, JointTarget("TailTip", 1.5, tip)])
    assert np.linalg.norm(motion.joints[45, FOX.skeleton.index("TailTip")] - tip) < 0.03
    with pytest.raises(ValueError, match="no joint 'left_wrist'"):
        generator("trots", seconds=3, constraints=[JointTarget("left_wrist", 1.0, (0, 0.5, 0))])
    with pytest.raises(ValueError, match=r"give some of path, pelvis, .*Tail"):
        generator("trots", seconds=3, constraints=[Known(start, parts=["torso"])])


def test_timelines_and_meetings_speak_of_the_generators_body(generator):
    whole = make_timeline(generator, Timeline((Block("trots", 0, 2), Block("sits", 2, 3))))
    assert whole.frames == 91
    with pytest.raises(ValueError, match="has no left_arm"):
        make_timeline(generator, Timeline((Block("trots", 0, 3), Block("waves", 1, 2, ("left_arm",)))))
    pair = JointPair((0, "Head"), (1, "Head"), 1.0, 1.0, 0.0)
    two = [trot(), trot().translate([0.2, 0, 0.1])]
    first, second = meet(two, [pair], FOX)
    head = FOX.skeleton.index("Head")
    assert np.linalg.norm(first.joints[30, head] - second.joints[30, head]) < 0.03


def test_a_few_steps_lower_the_loss():
    clips = [EncodedClip(FOX.encode(trot())[0].numpy(), ("trots",), 0, "")]
    samples = MotionSamples(clips, Letters(), 4, 0, longest=10, representation=FOX)
    normaliser = Normaliser.fit(torch.from_numpy(clips[0].features), FOX)
    torch.manual_seed(0)
    task = MotionTask(MotionTransformer.of(FOX, width=32, layers=1, heads=2), normaliser)
    optimiser = torch.optim.Adam(task.parameters(), 3e-3)

    def measured() -> float:
        terms = [task(samples.at(n), torch.Generator().manual_seed(n)) for n in range(100, 110)]
        return float(np.mean([sum(each.values()).item() for each in terms]))

    with torch.no_grad():
        before = measured()
    for step in range(80):
        terms = task(samples.at(step), torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
    with torch.no_grad():
        assert measured() < 0.8 * before


def test_generators_are_found_by_their_folder(generator, tmp_path, monkeypatch):
    generator.save_pretrained(tmp_path)
    again = load_motion_generator(tmp_path)
    assert isinstance(again, TextToMotionPipeline)
    assert again.representation == FOX
    assert (again.window, again.overlap, again.styles) == (40, 10, ("happy",))
    again._text_encoder = Letters()
    assert np.abs(again("trots", 2).joints - generator("trots", 2).joints).max() < 1e-4
    settings = json.loads((tmp_path / "pipeline.json").read_text())
    (tmp_path / "pipeline.json").write_text(json.dumps(settings | {"generator": "oracle"}))
    with pytest.raises(ValueError, match=f"no motion generator 'oracle': there are {EMBEDDED}"):
        load_motion_generator(tmp_path)
    plugin = ModuleType("plugin")
    vars(plugin).update(names=lambda kind: ["oracle"], find=lambda kind, name: Oracle)
    monkeypatch.setitem(sys.modules, "plugin", plugin)
    monkeypatch.setattr("kinema.motion.generator.PLUGINS", ("plugin",))
    oracle = load_motion_generator(tmp_path)
    assert make_timeline(oracle, Timeline((Block("trots", 0, 2),))).frames == 61


class Oracle(MotionGenerator):
    """The smallest generator: it knows one motion."""

    representation = FOX

    @classmethod
    def from_pretrained(cls, folder=None):
        return cls()

    def __call__(self, prompt, seconds=None, seed=0, *_, **__):
        return trot(seed, FOX.frames_in(sum(seconds)) + 1)

    def stream(self, prompt, *_, **__):
        yield trot()


def test_a_network_of_other_sizes_is_refused():
    network = MotionTransformer(width=32, layers=1, heads=2)
    with pytest.raises(ValueError, match="122 features in 7 parts, 4 frames a token"):
        TextToMotionPipeline(network, Normaliser.fit(FOX.encode(trot())[0], FOX))
