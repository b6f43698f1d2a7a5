"""What training sees of a scene is what the pipeline sees, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.video import tiny

from kinema.data.corruption import jitter
from kinema.data.filming import film_clip
from kinema.data.sample import conditioned, signals_of
from kinema.motion.tokenizer import MotionTokenizer
from kinema.scene.steady import steady
from kinema.training.filmed import film_sample
from kinema.training.fixed_takes import _read_folder
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat
from kinema.video.pipeline import KinemaPipeline
from kinema.video.pixels import from_uint8
from kinema.video.registry import adapter_class

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FORM = MiniFormat(width=32, height=48, frames=9, fps=8.0, text_tokens=4)
START = 8  # where the second window of a video begins


def trembling(scene):
    return jitter(scene, 0.03, np.random.default_rng(4))


@pytest.fixture(scope="module")
def film():
    clip = _read_folder(EXAMPLES)[0]
    return film_clip(
        clip, size=FORM.size, fps=FORM.fps, frames=9, seed=3, camera="arc left 30deg", start=START
    )


@pytest.fixture(scope="module")
def pipeline():
    """Between them the adapters read every signal that is common."""
    transformer = tiny.transformer()
    adapters = {"tokenmotion": tiny.adapter()}
    tokenizer = MotionTokenizer((32, 32), 8, 64, dilations=(3, 1))
    adapters["mtvcraft"] = adapter_class("mtvcraft").for_transformer(transformer, tokenizer=tokenizer)
    for adapter in adapters.values():
        attach(transformer, adapter)
    return KinemaPipeline(MiniVideo(transformer, tiny.autoencoder(), FORM), adapters)


@pytest.mark.parametrize("tracker", [None, trembling, lambda scene: steady(trembling(scene))])
def test_training_sees_what_the_pipeline_sees(film, pipeline, tracker):
    scene = film.scene if tracker is None else tracker(film.scene)
    sample = conditioned(film_sample(film, scene), pipeline.video_model.conditioner)
    trained = signals_of([sample], pipeline.adapters)
    read = pipeline._read(scene, from_uint8(film.reference[None]), START + 9)
    shown = pipeline._window_signals(read, START, 9, torch.device("cpu"))
    for name, signals in shown.items():
        assert trained[name].present == signals.present == set(pipeline.adapters[name].signals)
        for signal in signals.present:
            assert torch.equal(trained[name][signal], signals[signal]), signal
    plates = read.conditioning.window(START, 9)
    assert torch.equal(sample.conditioning.backdrop, plates.backdrop)
