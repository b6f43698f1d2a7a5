"""What every part of every paper keeps to, by kind. A new paper needs a case in `tests/video/matrix_cases.py` (adapter)
or below (objective, guider), and nothing else here.

The same parts beside diffusers' features: `tests/video/test_matrix.py`. What only one method does: its own tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.motion.walking import walk
from tests.video import tiny
from tests.video.matrix_cases import ADAPTERS, FAMILIES, Cell, loss
from tests.video.test_pipeline import PICTURE, Words

import kinema.papers as papers
from kinema.diffusion.guider import Guidance, Guider
from kinema.diffusion.objective import Objective, TrainingStep
from kinema.diffusion.path import FlowPath
from kinema.motion.generator import MotionGenerator, load_motion_generator
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.motion.timeline import Block, Timeline
from kinema.motion.together import Role, Together
from kinema.papers.mosa import TrackOptions
from kinema.papers.sinmdm import ClipNetwork
from kinema.papers.stmc import Collage
from kinema.papers.time_to_move import Clocks
from kinema.scene.motion import FILLED
from kinema.video.adapters.attach import attach, attached, detach
from kinema.video.models.mini.model import MiniVideo
from kinema.video.pipeline import KinemaPipeline

SIGNALS_OF = {
    "pose": ("skeletons", "person_mask", "joints"),
    "camera": ("rays",),
}
"""Per condition, the signals that say it. Cameras say where joints are seen; they are the pose's for who reads joints."""

CELLS = [(name, family) for name in papers.names("adapter") for family in FAMILIES]
each_adapter = pytest.mark.parametrize(("name", "family"), CELLS, ids=["-".join(cell) for cell in CELLS])


def test_every_part_has_a_case():
    assert set(papers.names("adapter")) <= set(ADAPTERS)
    objectives = {(kind, name) for kind in papers.kinds() for name in papers.names(kind)}
    objectives = {pair for pair in objectives if pair[0].split(".")[0] == "objective"}
    assert objectives <= set(OBJECTIVES)
    guiders = {
        name for kind in papers.kinds() if kind.split(".")[0] == "guider" for name in papers.names(kind)
    }
    of_motion = set(papers.names("guider.motion"))
    assert guiders - of_motion <= set(GUIDERS)
    assert of_motion <= set(MOTION_GUIDERS)


@each_adapter
@torch.no_grad()
def test_an_adapter_is_silent_at_first_to_the_bit_and_gone_without_a_trace(name, family):
    cell = Cell(name, family, awake=False)
    keys, classes = list(cell.transformer.state_dict()), [type(each) for each in cell.transformer.modules()]
    before = cell.plain()
    cell.attach()
    assert attached(cell.transformer) == (name,)
    assert torch.equal(cell.controlled(), before)
    cell.wake()
    assert torch.equal(cell.plain(), before)
    assert not torch.allclose(cell.controlled(), before)
    detach(cell.transformer)
    assert attached(cell.transformer) == ()
    assert list(cell.transformer.state_dict()) == keys
    assert [type(each) for each in cell.transformer.modules()] == classes
    assert torch.equal(cell.plain(), before)


@each_adapter
@torch.no_grad()
def test_not_a_bit_depends_on_an_absent_signal_of_an_adapter(name, family):
    """Sample 0 of the batch has everything, sample 1 lacks a condition; what it lacks is then another one."""
    cell = Cell(name, family).attach()
    here, elsewhere = cell.made.signals(0), cell.made.signals(1)
    for absent, names in SIGNALS_OF.items():
        read = [each for each in names if each in cell.adapter.signals and getattr(here, each) is not None]
        if not read:
            continue
        changed = replace(here, **{each: getattr(elsewhere, each) for each in read})
        present = {absent: torch.tensor([True, False])}
        first, second = (cell.run(cell.encode(signals, present)) for signals in (here, changed))
        assert torch.equal(first[1], second[1])
        assert not torch.allclose(first[0], second[0], atol=1e-5)


@each_adapter
@torch.no_grad()
def test_an_adapter_reads_the_signals_that_it_declares_and_no_others(name, family):
    cell = Cell(name, family).attach()
    given = cell.made.signals(0)
    declared = given.only(cell.adapter.signals)
    only = cell.run(cell.encode(declared))
    assert torch.equal(only, cell.controlled())


@each_adapter
@torch.no_grad()
def test_guidance_may_stack_the_passes_of_an_adapter_on_the_batch_axis(name, family):
    cell = Cell(name, family).attach()
    neither = dict.fromkeys(("pose", "camera"), torch.tensor([False, False]))
    passes = [cell.encode(present=neither), cell.encode()]
    apart = torch.cat([cell.run(tokens) for tokens in passes])
    shared = ("image_rotary_emb",)
    cell.inputs = {
        key: value if key in shared else torch.cat([value, value]) for key, value in cell.inputs.items()
    }
    together = cell.run(type(passes[0]).cat(passes))
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


@each_adapter
def test_gradients_reach_every_parameter_of_an_adapter_that_trains_and_none_of_the_backbone(name, family):
    cell = Cell(name, family).attach()
    cell.transformer.train().requires_grad_(False)
    cell.adapter.train().requires_grad_(True)
    own = {id(each) for each in cell.adapter.parameters()}
    some = {"pose": torch.tensor([True, False]), "camera": torch.tensor([True, False])}
    tokens = cell.encode(present=some)
    total = loss(cell.run(tokens))
    for mask in cell.adapter.masks(tokens):
        total = total + mask.square().mean()
    total.backward()
    assert [each for each, p in cell.adapter.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in cell.adapter.parameters())
    assert all(p.grad is None for p in cell.transformer.parameters() if id(p) not in own)


@each_adapter
@torch.no_grad()
def test_an_adapter_is_saved_and_loaded_apart_from_the_backbone(name, family, tmp_path):
    cell = Cell(name, family).attach()
    before = cell.controlled()
    detach(cell.transformer)
    cell.adapter.save_pretrained(tmp_path)
    loaded = papers.find("adapter", name).from_pretrained(tmp_path).eval()
    attach(cell.transformer, loaded, name)
    again = replace(cell.made, adapter=loaded)
    assert torch.equal(cell.run(again.encode()), before)


@dataclass(frozen=True)
class Case:
    """An objective, a step at the truth, and the same step somewhere else."""

    objective: Objective
    true: TrainingStep
    wrong: TrainingStep


def a_step(**changes: Any) -> TrainingStep:
    """Two samples of 5 frames of 16 x 16 pixels, predicted without error from little noise."""
    clean = torch.randn(2, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    settings: dict[str, Any] = {
        "samples": ({}, {}),
        "clean": clean,
        "noise": torch.zeros_like(clean),
        "x": clean,
        "time": torch.full((2,), 0.1),
        "prediction": clean.clone().requires_grad_(),
        "path": FlowPath("clean"),
        "present": {"pose": torch.tensor([True, True])},
        "tokens": {},
        "adapters": {},
        "weight": None,
        "decode": lambda latents: latents,
        "generator": torch.Generator().manual_seed(0),
    }
    return TrainingStep(**{**settings, **changes})


class SaysMasks:
    """An adapter whose masks are its tokens."""

    def masks(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (tokens,)


def mosa_mask() -> Case:
    people = torch.ones(2, 5, 16, 16, dtype=torch.bool)

    def at(value: float) -> TrainingStep:
        said = torch.full((2, 1, 2, 2, 2), value, requires_grad=True)
        return a_step(adapters={"any": SaysMasks()}, tokens={"any": said}, extra={"masks": people})

    return Case(papers.find("objective.mask", "mosa")(), at(1.0), at(0.5))


def mosa_track() -> Case:
    """Points that move with the mean of the pixels: the tracker of this case reads it, so that tracks are exact."""

    def follow(video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        moved = video.mean((1, 3, 4))[:, :, None, None] * torch.ones(2)
        moved = moved.expand(-1, -1, queries.shape[1], -1)
        start = moved.gather(1, queries[:, None, :, :1].long().expand(-1, 1, -1, 2))
        tracks = queries[:, None, :, 1:] + moved - start
        return tracks, torch.ones(tracks.shape[:3], dtype=torch.bool)

    video = (
        np.repeat(np.arange(0, 100, 20, dtype=np.uint8)[:, None, None, None], 16, 1)
        .repeat(16, 2)
        .repeat(3, 3)
    )
    pixels = torch.from_numpy(video).permute(3, 0, 1, 2)[None] / 127.5 - 1
    queries = np.array([[0.0, 4.0, 4.0], [0.0, 8.0, 8.0]], np.float32)
    tracks, seen = follow(pixels, torch.from_numpy(queries)[None])
    take = {"queries": queries, "tracks": tracks[0].numpy(), "tracked": seen[0].numpy(), "video": video}

    def at(gain: float) -> TrainingStep:
        return a_step(
            decode=lambda latents: pixels * gain + 0 * latents.mean(), extra={"tracks": [take, None]}
        )

    options = TrackOptions(every=1, crop=0, tracker=follow)
    return Case(papers.find("objective.track", "mosa")(options), at(1.0), at(3.0))


def mosa_contact() -> Case:
    standing = torch.zeros(1, 4, 24, 3)

    def at(sliding: float) -> TrainingStep:
        joints = standing.clone()
        joints[..., 0] += sliding * torch.arange(4)[None, :, None]
        extra = {"joints": joints.requires_grad_(), "true_joints": standing, "fps": 10.0}
        return a_step(extra=extra)

    return Case(papers.find("objective.contact", "mosa")(), at(0.0), at(0.1))


OBJECTIVES: dict[tuple[str, str], Callable[[], Case]] = {
    ("objective.mask", "mosa"): mosa_mask,
    ("objective.track", "mosa"): mosa_track,
    ("objective.contact", "mosa"): mosa_contact,
}


def trained(step: TrainingStep) -> list[torch.Tensor]:
    """Every tensor of a step that a gradient could reach."""
    given = [step.prediction, *step.tokens.values(), *step.extra.values()]
    return [each for each in given if isinstance(each, torch.Tensor) and each.requires_grad]


@pytest.mark.parametrize("case", OBJECTIVES.values(), ids=[".".join(each) for each in OBJECTIVES])
def test_an_objective_is_zero_at_the_truth_finite_elsewhere_and_off_at_weight_0(case):
    made = case()
    assert isinstance(made.objective, Objective)
    terms = made.objective(made.true)
    assert terms
    assert all(term.item() == pytest.approx(0, abs=1e-6) for term in terms.values())
    wrong = made.objective(made.wrong)
    assert wrong.keys() == terms.keys()
    total = sum(wrong.values())
    assert torch.isfinite(total)
    assert total > 0
    (0.0 * total).backward(retain_graph=True)
    assert all(each.grad is None or not each.grad.any() for each in trained(made.wrong)), "weight 0"
    total.backward()
    assert any(each.grad is not None for each in trained(made.wrong))
    assert all(each.grad is None or torch.isfinite(each.grad).all() for each in trained(made.wrong))


def no_film() -> Guider:
    """Time-to-Move with nothing in the mask, begun at the noise."""
    film, clocks = np.repeat(PICTURE[None], 5, axis=0), Clocks(1.0, 0.0)
    return papers.find("guider.film", "time-to-move")(film, np.zeros(film.shape[:3], bool), clocks)


GUIDERS: dict[str, Callable[[], Guider]] = {"guidance": Guidance, "time-to-move": no_film}
"""Name -> the guider at its neutral setting."""


@pytest.mark.parametrize("name", GUIDERS)
def test_a_neutral_guider_is_the_plain_model_and_seeds_repeat(name):
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    attach(transformer, adapter)
    model = MiniVideo(transformer, tiny.autoencoder(), tiny.FORM, text_encoder=Words())
    pipeline = KinemaPipeline(model, {"tokenmotion": adapter})
    pipeline.set_progress_bar_config(disable=True)

    def frames(guider: Guider) -> np.ndarray:
        return pipeline("walk", PICTURE, tiny.scene(5), steps=2, seed=3, guidance=guider).frames

    neutral = frames(GUIDERS[name]())
    assert np.array_equal(neutral, frames(Guider()))
    assert np.array_equal(neutral, frames(GUIDERS[name]()))


def alone(generator: TextToMotionPipeline) -> Guider:
    """STMC with one block for the whole body, guided as the plain model is: not at all."""
    timeline = Timeline((Block("a person walks", 0.0, SECONDS),))
    told = generator.representation, generator.text_states
    return Collage.of(timeline, *told, scale=1.0)


SECONDS = 2.35  # whole tokens
MOTION_GUIDERS: dict[str, Callable[[TextToMotionPipeline], Guider]] = {
    "motionduet": lambda _: papers.find("guider.motion", "motionduet")(0.0),
    "stmc": alone,
}
"""Name -> the guider of motion at its neutral setting."""


@pytest.mark.parametrize("name", MOTION_GUIDERS)
def test_a_neutral_guider_of_motion_is_the_plain_generator_and_seeds_repeat(name):
    generator = load_motion_generator()
    assert isinstance(generator, TextToMotionPipeline)

    def joints(guider: Guider) -> np.ndarray:
        return generator("a person walks", SECONDS, seed=3, guidance=guider).joints

    neutral = joints(MOTION_GUIDERS[name](generator))
    assert np.allclose(neutral, joints(Guider()), atol=1e-5)
    assert np.array_equal(neutral, joints(MOTION_GUIDERS[name](generator)))


def sinmdm() -> MotionGenerator:
    """A model of one clip, as little trained as can be."""
    torch.manual_seed(0)
    return papers.find("generator", "sinmdm")(
        ClipNetwork(SMPL24_MOTION.width, width=16, layers=2, heads=2),
        Normaliser.fit(SMPL24_MOTION.encode(walk())[0], replace_patch(SMPL24_MOTION)),
    )


def replace_patch(representation: MotionRepresentation) -> MotionRepresentation:
    """The same body and features, a frame a token."""
    return MotionRepresentation.from_json({**representation.to_json(), "patch": 1})


GENERATORS: dict[str, Callable[[], MotionGenerator]] = {"sinmdm": sinmdm}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_is_found_by_its_folder_and_seeds_repeat(name, tmp_path):
    made = GENERATORS[name]()
    made.save_pretrained(tmp_path)
    again = load_motion_generator(tmp_path)
    assert type(again) is papers.find("generator", name)
    first, second = (each("", seconds=1.0, seed=5) for each in (made, again))
    assert first.frames == round(made.representation.fps) + 1
    assert np.array_equal(first.joints, second.joints)
    assert not np.array_equal(first.joints, made("", seconds=1.0, seed=6).joints)
    chunks = [chunk for chunk, _ in zip(made.stream("", chunk_seconds=0.8), range(2), strict=False)]
    assert [chunk.frames for chunk in chunks] == [16, 16]
    with pytest.raises(FileNotFoundError):
        papers.find("generator", name).from_pretrained(tmp_path / "nothing")


SEARCHES = {"dart": lambda: papers.find("search.motion", "dart")(2)}
PRIORS = {"genmo": lambda: papers.find("capture.prior", "genmo")}
TOGETHER = {"intercontrol": lambda: papers.find("together", "intercontrol")}


def test_every_part_of_motion_has_a_case():
    assert set(papers.names("generator")) <= set(GENERATORS)
    assert set(papers.names("search.motion")) <= set(SEARCHES)
    assert set(papers.names("together")) <= set(TOGETHER)
    assert set(papers.names("capture.prior")) <= set(PRIORS)


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_leaves_what_was_seen_and_repeats(name):
    seen = np.ones((40, 24))
    whole = replace(walk(), confidence=seen)
    assert np.array_equal(PRIORS[name]()(whole).joints, whole.joints)
    seen[12:26] = FILLED
    gap = replace(whole, confidence=seen)
    made, again = (PRIORS[name]()(gap, seed=3) for _ in range(2))
    assert np.array_equal(made.joints, again.joints)
    assert np.array_equal(made.joints[:12], whole.joints[:12])
    assert np.array_equal(made.joints[26:], whole.joints[26:])
    assert not np.array_equal(made.joints[12:26], whole.joints[12:26])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_has_nothing_to_find_leaves_the_noise(name):
    noise = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    found = SEARCHES[name]()(lambda z: z, noise, lambda x: 0 * x.sum())
    assert torch.equal(found, noise)


@pytest.mark.parametrize("name", TOGETHER)
def test_people_together_come_in_the_plans_order_at_its_length(name):
    roles = (Role("a person stands still", (0.0, 0.0)), Role("a person stands still", (2.0, 0.0)))
    made = TOGETHER[name]()(load_motion_generator(), Together(roles, 1.0), seed=1)
    assert [motion.frames for motion in made] == [21, 21]
    assert made[1].joints[0, 0, 0] - made[0].joints[0, 0, 0] == pytest.approx(2.0, abs=0.3)


def test_other_kinds():
    if not papers.names("check"):
        pytest.skip("no paper has a check yet")
    raise AssertionError("write down here what a check keeps to")
