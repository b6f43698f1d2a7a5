"""The judge of text and motion: what it is trained on, and that it learns."""

import numpy as np
import pytest
import torch
from tests.motion.test_text_to_motion import Letters
from tests.motion.walking import walk

from kinema.data.motion_samples import EncodedClip
from kinema.motion.motion_matcher import MotionMatcher, see
from kinema.motion.representation import SMPL24_MOTION
from kinema.training.recipes.motion_judge import MatchTask, PairSamples


@pytest.fixture(scope="module")
def samples():
    def clip(text, speed, turn, frames=60):
        return EncodedClip(
            SMPL24_MOTION.encode(walk(frames, speed, turn))[0].numpy(), (text, f"he {text}"), 0, "walk"
        )

    clips = [clip("walks fast", 2.0, 0.0), clip("walks slowly", 0.4, 0.0), clip("turns left", 1.0, 0.8),
             clip("goes on and on", 1.0, 0.0, frames=240)]  # fmt: skip
    return PairSamples(clips, Letters(), batch=12, seed=0)


def test_batches_depend_on_the_step_alone_and_leave_out_long_clips(samples):
    one, again = samples.at(3), samples.at(3)
    assert torch.equal(one.seen, again.seen)
    assert torch.equal(one.meaning, again.meaning)
    assert one.seen.shape[1] % 4 == 0
    assert one.frames.max() <= 60
    assert len(samples.clips) == 3


def test_what_is_seen_does_not_hang_on_where_the_person_stands():
    motion = walk(40)
    moved = see(SMPL24_MOTION.encode(motion.rotate_y(50).translate([2, 0, -1]))[0])
    assert torch.allclose(moved, see(SMPL24_MOTION.encode(motion)[0]), atol=1e-3)


def test_the_judge_learns_to_tell_texts_apart(samples):
    torch.manual_seed(0)
    network = MotionMatcher(width=32, motion_layers=1, heads=2, embedding=16)
    network.fit(torch.cat(samples.seen[0] + samples.seen[1]))
    task = MatchTask(network)
    optimiser = torch.optim.AdamW(task.parameters(), lr=3e-3)

    def loss(step):
        return torch.stack(list(task(samples.at(step), torch.Generator().manual_seed(step)).values())).sum()

    assert torch.equal(loss(7), loss(7))  # dropout and noise come from the generator
    before = np.mean([loss(step).item() for step in range(100, 104)])
    for step in range(60):
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()
    after = np.mean([loss(step).item() for step in range(100, 104)])
    least = _least(samples)
    assert after - least < 0.6 * (before - least)


def _least(samples):
    """The cross-entropy that is left when pairs that say the same cannot be told apart."""
    entropies = []
    for step in range(100, 104):
        meaning = samples.at(step).meaning
        entropies.append(torch.log((meaning[:, None] == meaning).float().sum(-1)).mean().item())
    return np.mean(entropies)
