"""GENMO's training-free form: gaps are closed, limbs hang on what was seen, and the command says what it did."""

from dataclasses import replace

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.papers.genmo import generated
from kinema.scene.motion import FILLED


def hidden(part: slice, joints) -> np.ndarray:
    confidence = np.ones((60, 24))
    confidence[part, joints] = FILLED
    return confidence


def test_a_gap_is_walked_through_without_a_jump():
    truth = walk(60)
    held = truth.joints.copy()
    held[20:40] = held[19]
    made = generated(
        replace(truth, joints=held, rotations=None, confidence=hidden(slice(20, 40), slice(None)))
    )
    steps = np.linalg.norm(np.diff(made.joints[:, 0], axis=0), axis=-1)
    usual = np.linalg.norm(np.diff(truth.joints[:, 0], axis=0), axis=-1).mean()
    assert steps.max() < 4 * usual
    off = np.linalg.norm(made.joints[20:40, 0] - truth.joints[20:40, 0], axis=-1)
    assert off.mean() < 0.5 * np.linalg.norm(held[20:40, 0] - truth.joints[20:40, 0], axis=-1).mean()


def test_a_hidden_arm_stays_on_its_shoulder_and_the_rest_is_untouched():
    truth, arm = walk(60), [18, 20, 22]
    made = generated(replace(truth, confidence=hidden(slice(10, 50), arm)))
    others = [joint for joint in range(24) if joint not in arm]
    assert np.array_equal(made.joints[:, others], truth.joints[:, others])
    lengths = np.linalg.norm(made.joints[:, 18] - made.joints[:, 16], axis=-1)
    assert np.ptp(lengths) < 0.03


@pytest.mark.parametrize("confidence", [None, np.full((60, 24), FILLED), np.ones((60, 24))])
def test_with_nothing_seen_or_nothing_hidden_nothing_is_made(confidence):
    motion = replace(walk(60), confidence=confidence)
    assert generated(motion) is motion
