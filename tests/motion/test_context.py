"""Readers of a second motion: silent at first, deaf to what is not there, and trained by edits."""

import numpy as np
import pytest
import torch
from tests.motion.test_text_to_motion import Letters
from tests.motion.walking import walk

from kinema import papers
from kinema.data.motion_edits import KINDS, MotionEdits, retimed
from kinema.data.motion_samples import EncodedClip
from kinema.motion.context import reader_class
from kinema.motion.editor import MotionEditor
from kinema.motion.low_rank import add_low_rank, merge_low_rank, save_low_rank
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.transformer import MotionTransformer
from kinema.training.motion_task import EditTask

READERS = papers.names("context.motion")
SIZES = (16, 2, 2, 488)


def network():
    torch.manual_seed(0)
    made = MotionTransformer(width=16, layers=2, heads=2)
    torch.nn.init.normal_(made.tokens_out.weight, std=0.1)
    return made


def inputs(tokens=5, rows=2):
    generator = torch.Generator().manual_seed(1)

    def noise(*shape):
        return torch.randn(*shape, generator=generator)

    return (
        noise(rows, tokens, 488),
        torch.rand(rows, tokens, 7, generator=generator),
        torch.full((rows, tokens, 2), torch.nan),
        torch.zeros(rows, tokens, dtype=torch.long),
        noise(rows, 3, 384),
        torch.ones(rows, tokens, 3, dtype=torch.bool),
    )


def reader(name, awake=True):
    torch.manual_seed(2)
    made = reader_class(name)(*SIZES)
    made.start_from(network().tokens_in)
    if awake:
        for each in made.parameters():
            torch.nn.init.normal_(each, std=0.3)
    return made


@pytest.mark.parametrize("name", READERS)
@torch.no_grad()
def test_a_new_reader_is_silent_and_an_awake_one_hears_only_what_is_there(name):
    model, given = network(), inputs()
    plain = model(*given)
    source, present = torch.randn(2, 5, 488), torch.tensor([[True] * 5, [True, True, False, False, False]])
    assert torch.equal(model(*given, context=reader(name, awake=False)(source, present)), plain)
    awake = reader(name)
    heard = model(*given, context=awake(source, present))
    assert not torch.allclose(heard, plain, atol=1e-3)
    other = source.clone()
    other[1, 2:] = 7.0
    assert torch.allclose(model(*given, context=awake(other, present)), heard, atol=1e-6)
    absent = model(*given, context=awake(source, torch.zeros_like(present)))
    assert torch.allclose(absent, plain, atol=1e-6)


def test_there_is_no_reader_of_another_name():
    with pytest.raises(ValueError, match=r"no context 'umbrella': there are motionlab, umo"):
        reader_class("umbrella")


@torch.no_grad()
def test_an_adapter_is_silent_at_first_and_adds_to_the_weights_by_its_strength(tmp_path):
    plain, given = network(), inputs()
    before = plain(*given)
    adapted = network()
    trained = add_low_rank(adapted, 3)
    assert torch.equal(adapted(*given), before)
    assert [each for each in adapted.parameters() if each.requires_grad] == trained
    for each in trained:
        torch.nn.init.normal_(each, std=0.3)
        each.copy_(each.bfloat16())
    save_low_rank(adapted, tmp_path / "lora.safetensors")
    merged, half = network(), network()
    merge_low_rank(merged, tmp_path / "lora.safetensors")
    assert torch.allclose(merged(*given), adapted(*given), atol=1e-5)
    for _ in range(2):
        merge_low_rank(half, tmp_path / "lora.safetensors", 0.5)
    assert torch.allclose(half(*given), merged(*given), atol=1e-5)


def test_adapters_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rank 0"):
        add_low_rank(network(), 0)
    with pytest.raises(ValueError, match="no layers named"):
        add_low_rank(network(), 2, ("nose",))
    with pytest.raises(FileNotFoundError, match="no adapter"):
        merge_low_rank(network(), tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no adapter"):
        merge_low_rank(network(), tmp_path / "bad.safetensors")
    other = MotionTransformer(width=32, layers=2, heads=2)
    add_low_rank(other, 2)
    save_low_rank(other, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="another motion model"):
        merge_low_rank(network(), tmp_path / "other.safetensors")


def clips():
    made = []
    for number, (content, style) in enumerate(
        (("walk", 1), ("walk", 2), ("run", 1), ("wave-left-hand", 1), ("walk-turn-left", 2))
    ):
        features = SMPL24_MOTION.encode(walk(120, speed=1 + 0.1 * number, turn=0.3 * (number > 3)))[0].numpy()
        made.append(EncodedClip(features, ("a person walks",), style, content))
    return made


def edits(**options):
    return MotionEdits(clips(), Letters(), 6, 0, longest=12, **options)


def test_edits_depend_on_seed_and_step_alone_and_say_what_they_do():
    first, second = edits().at(3), edits().at(3)
    for name, value in vars(first).items():
        assert torch.equal(torch.nan_to_num(value), torch.nan_to_num(getattr(second, name))), name
    made = edits()
    for kind in KINDS:
        edit = made.draw(np.random.default_rng(5), 40, (kind,))
        assert edit.kind == kind
        assert len(edit.source) <= 40
        assert len(edit.target) <= 40
        assert (edit.text == "") == (kind == "same")
    arms = made.draw(np.random.default_rng(5), 40, ("arms",))
    moved = [
        name
        for name, part in SMPL24_MOTION.parts.items()
        if not np.array_equal(arms.source[:, part], arms.target[:, part])
    ]
    assert moved in ([], ["left_arm"])


def test_retiming_twice_as_fast_halves_the_time_and_keeps_the_way():
    features = SMPL24_MOTION.encode(walk(101, speed=1.0))[0].numpy()
    fast = retimed(features, 2.0)
    assert len(fast) == 50
    ways = [SMPL24_MOTION.place(torch.from_numpy(each)).joints[-1, 0, 2] for each in (features, fast)]
    assert float(ways[1]) == pytest.approx(float(ways[0]), rel=0.05)


def test_clips_that_show_too_little_are_refused():
    with pytest.raises(ValueError, match="these lack one"):
        MotionEdits(clips()[:1], None, 2, 0)


@pytest.mark.parametrize("name", READERS)
def test_a_few_steps_help_and_the_editor_is_read_back(name, tmp_path):
    features = torch.from_numpy(np.concatenate([clip.features for clip in clips()]))
    base = TextToMotionPipeline(network(), Normaliser.fit(features), Letters(), steps=1, guidance=1.0)
    add_low_rank(base.transformer, 2)
    task = EditTask(base.transformer, base.normaliser, reader(name, awake=False))
    batch = edits().at(0, ("same",))
    optimiser = torch.optim.Adam([each for each in task.parameters() if each.requires_grad], 1e-2)
    losses = []
    for _ in range(25):
        loss = sum(task(batch, torch.Generator().manual_seed(0)).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    editor = MotionEditor(base, task.reader.eval(), name, {"old": 2})
    editor.save_pretrained(tmp_path / "edit")
    assert {file.name for file in (tmp_path / "edit").iterdir()} == {
        "editor.json",
        "learned_words.json",
        "lora.safetensors",
        "reader",
    }
    again = reader_class(name).from_pretrained(tmp_path / "edit" / "reader")
    assert torch.equal(next(again.parameters()), next(task.reader.parameters()))


def test_an_editor_of_the_embedded_generator_edits_at_any_length(tmp_path):
    base = TextToMotionPipeline.from_pretrained()
    sizes = base.transformer.config
    made = reader_class("umo")(sizes.width, sizes.layers, sizes.heads, sizes.patch * sizes.features)
    made.start_from(base.transformer.tokens_in)
    torch.nn.init.constant_(made.gate, 0.05)
    add_low_rank(base.transformer, 2)
    MotionEditor(base, made, "umo", {"old": 2}).save_pretrained(tmp_path)
    editor = MotionEditor.from_pretrained(tmp_path)
    motion = walk(231).translate([1.0, 0.0, 2.0])
    first, second = editor(motion, "like an old man", seed=1), editor(motion, "like an old man", seed=1)
    assert first.frames == 231
    assert np.array_equal(first.joints, second.joints)
    assert np.allclose(first.joints[0, 0, [0, 2]], motion.joints[0, 0, [0, 2]], atol=0.05)
    assert not np.allclose(editor(motion, "mirrored", seed=1).joints, first.joints, atol=0.01)
    with pytest.raises(FileNotFoundError, match="kinema train edit"):
        MotionEditor.from_pretrained(tmp_path / "none")


def test_the_embedded_editor_knows_styles_and_says_what_it_does_not():
    editor = MotionEditor.from_pretrained()
    assert editor.context == "umo"
    assert editor.knows("like an old man")
    assert not editor.knows("on a trampoline")
    motion = walk(81, speed=1.4)
    old = editor(motion, "like an old man", seed=2)
    assert 0.2 < np.linalg.norm(old.joints[-1, 0] - old.joints[0, 0]) < 5.6
    assert np.abs(old.joints - editor(motion, "happily", seed=2).joints).max() > 0.1
