"""Training samples of motion: captions that stay true, clips in a row, and the same batch for the same step."""

import numpy as np
import pytest
import torch

from kinema.data.motion_captions import fits_a_part, mirror_caption, phrasings
from kinema.data.motion_samples import MotionSamples, encode_clips
from kinema.motion.representation import SMPL24_MOTION


class Words:
    """States that tell words apart, without a model."""

    @staticmethod
    def length(text):
        return len(text.split())

    def __call__(self, texts, tokens):
        states = torch.zeros(len(texts), tokens, 384)
        for row, text in enumerate(texts):
            for column, word in enumerate(text.split()[:tokens]):
                states[row, column] = sum(map(ord, word)) / 1000
        return states


@pytest.fixture(scope="module")
def clips(motion_library, tmp_path_factory):
    chosen = motion_library.split("train")
    chosen = [
        clip for clip in chosen if clip.labels.get("content") in ("walk", "wave-left-hand", "walk-turn-left")
    ][:24]
    cache = tmp_path_factory.mktemp("motion") / "motions.npz"
    first = encode_clips(chosen, cache)
    again = encode_clips(chosen, cache)
    assert all(
        np.array_equal(a.features, b.features) and a.texts == b.texts
        for a, b in zip(first, again, strict=True)
    )
    return first


def test_mirrored_captions_swap_sides_and_nothing_else():
    assert mirror_caption("Wave with the LEFT hand, right-handed") == "Wave with the RIGHT hand, left-handed"
    assert mirror_caption("walks straight ahead") == "walks straight ahead"


def test_captions_that_measure_do_not_fit_a_part():
    assert not fits_a_part("a person walks forward for about nine metres")
    assert not fits_a_part("a person hops forward once on both legs")
    assert fits_a_part("an energetic person walks forward")


def test_phrasings_keep_side_and_content():
    texts = phrasings(
        ("a person waves the left hand",),
        {"content": "wave-left-hand", "style": "happy"},
        np.random.default_rng(0),
    )
    assert len(texts) > 4
    assert all("left" in text and "wav" in text for text in texts)


@pytest.mark.parametrize("sequences", [0.0, 1.0])
def test_batches_depend_on_the_step_alone_and_hold_together(clips, sequences, tmp_path):
    samples = MotionSamples(
        clips, Words(), 4, seed=3, sequences=sequences, cache=tmp_path / "texts.safetensors"
    )
    again = MotionSamples(
        clips, Words(), 4, seed=3, sequences=sequences, cache=tmp_path / "texts.safetensors"
    )
    for step in range(6):
        batch, same = samples.at(step), again.at(step)
        assert all(torch.equal(a, b) for a, b in zip(vars(batch).values(), vars(same).values(), strict=True))
        size, frames, width = batch.features.shape
        assert (size, frames % SMPL24_MOTION.patch, width) == (4, 0, SMPL24_MOTION.width)
        assert batch.clock.shape == (size, frames // SMPL24_MOTION.patch, 2)
        assert batch.clock.min() >= 0
        assert batch.sees.any(-1).all()
        assert torch.isfinite(batch.features).all()
        for features in batch.features:
            steps = np.linalg.norm(np.diff(SMPL24_MOTION.decode(features).joints, axis=0), axis=-1)
            assert steps.max() < 0.6  # metres a frame: clips join without a jump
    if sequences == 0.0:
        assert (batch.weight == 1).all()
