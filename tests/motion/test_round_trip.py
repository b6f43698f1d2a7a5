"""What a tokenizer loses, beside what would be lost more simply."""

from __future__ import annotations

import pytest
import torch

from kinema.motion.round_trip import position_error, round_trip
from kinema.motion.tokenizer import MotionTokenizer


def test_round_trip_beside_its_anchors():
    torch.manual_seed(0)
    joints = 100 * torch.randn(4, 17, 24, 3).cumsum(1)
    tokenizer = MotionTokenizer((32, 32), 8, 64, dilations=(3, 1)).eval()
    measured = round_trip(tokenizer, joints)
    assert measured.held.absolute == position_error(joints[:, :1].expand_as(joints), joints).absolute
    assert 0 < measured.without_depth.absolute < measured.held.absolute
    shifted = position_error(joints + torch.tensor([3.0, 4.0, 0.0]), joints)
    assert shifted.absolute == pytest.approx(5, abs=1e-3)
    assert shifted.relative == pytest.approx(0, abs=1e-3)
