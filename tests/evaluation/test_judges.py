"""Judges through their public face; the shipped weights are judged on renders in test_control.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema.capture.keypoint_network import KeypointNetwork
from kinema.evaluation.judges.judge import COMMON_JOINTS, COMMON_NAMES
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.mediapipe_pose import MediaPipePose


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    KeypointNetwork(channels=(8, 8, 8, 8), blocks=(0, 0, 0)).save_pretrained(tmp_path)
    return tmp_path


def test_undetected_keypoints_are_nan(folder):
    frames = np.zeros((2, 64, 48, 3), np.uint8)
    blind = KeypointNetworkJudge(folder, threshold=1.1).watch(frames)
    assert np.isnan(blind.points).all()
    assert not blind.detected.any()
    eager = KeypointNetworkJudge(folder, threshold=0.0).watch(frames)
    assert np.isfinite(eager.points).all()
    assert eager.detected.all()
    assert eager.points.shape == (2, len(COMMON_NAMES), 2) == (2, len(COMMON_JOINTS), 2)


def test_silhouette_is_a_mask(folder):
    mask = KeypointNetworkJudge(folder).silhouette(np.zeros((2, 64, 48, 3), np.uint8))
    assert mask.shape == (2, 64, 48)
    assert mask.dtype == bool


def test_settings_name_the_weights(folder):
    judge = KeypointNetworkJudge(folder)
    assert len(judge.settings()["sha256"]) == 64


def test_missing_network_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="kinema train keypoints"):
        KeypointNetworkJudge(tmp_path / "nothing")


def test_mediapipe_sees_nobody_in_noise():
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    frames = np.random.default_rng(0).integers(0, 256, (2, 128, 96, 3), dtype=np.uint8)
    with MediaPipePose() as judge:
        sighting = judge.watch(frames)
    assert sighting.points.shape == (2, 12, 2)
    assert not sighting.detected.any()
    assert np.isnan(sighting.points).all()
