"""diffusers' own pipelines with an attached adapter, as docs/backbones.md shows them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.video import tiny
from tests.video.test_video_models import FAMILIES, PICTURE, kinema_pipeline

from kinema.diffusion.guider import Guidance
from kinema.signals.control_signals import ControlSignals, control_signals
from kinema.video.adapters.adapter import ControlTokens
from kinema.video.adapters.attach import attach, detach

STACKED = {"cogvideox", "cogvideox-2b", "cogvideox-dpm", "cogvideox-i2v"}
"""Whose pipelines stack both halves of guidance on the batch axis."""


def signals(family: str) -> ControlSignals:
    """Of the frames that the model makes: at its rate, not at the scene's."""
    return control_signals(tiny.scene(9), size=(32, 48), frames=9, fps=16.0 if "wan" in family else 8.0)


def run(loaded, tokens: ControlTokens | None, guidance: float = 4.0) -> np.ndarray:
    """A video from diffusers' pipeline, in 0 to 1."""
    cpu = torch.device("cpu")
    texts = [kinema_pipeline(loaded).video_model.encode_text(text, cpu) for text in ("a person walks", "")]
    control = {} if tokens is None else {"attention_kwargs": {"kinema": {"tokenmotion": tokens}}}
    return loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=48,
        width=32,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **({"image": PICTURE} if "ImageToVideo" in type(loaded).__name__ else {}),
        **control,
    ).frames[0]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_plain_pipeline_takes_tokens_and_gives_what_ours_gives(family):
    make, options = FAMILIES[family]
    loaded, adapter = make(**options), tiny.awake(tiny.adapter())
    plain = run(loaded, None)
    attach(loaded.transformer, adapter)
    tokens = adapter.encode(signals(family))
    tokens = tokens.repeat(2) if family in STACKED else tokens
    steered = run(loaded, tokens)
    assert np.abs(steered - plain).max() > 1 / 255
    ours = kinema_pipeline(loaded, 9, {"tokenmotion": adapter})(
        "a person walks",
        PICTURE if options.get("picture") else None,
        tiny.scene(9),
        frames=9,
        seed=5,
        steps=2,
        guidance=Guidance(text=4.0),
    )
    assert np.abs(ours.frames / 255 - steered).max() < 0.51 / 255 + 1e-4
    detach(loaded.transformer)
    assert np.array_equal(run(loaded, None), plain)


@pytest.mark.parametrize("family", ["cogvideox-2b", "cogvideox-i2v"])
@torch.no_grad()
def test_stacked_guidance_may_see_the_control_in_one_half_only(family):
    """`[without; with]` is text and control guided together, as MTVCraft does."""
    make, options = FAMILIES[family]
    loaded, adapter = make(**options), tiny.awake(tiny.adapter())
    attach(loaded.transformer, adapter)
    absent = {name: torch.tensor([False]) for name in ("pose", "camera")}
    without, given = adapter.encode(signals(family), absent), adapter.encode(signals(family))
    together = run(loaded, ControlTokens.cat([without, given]))
    ours = kinema_pipeline(loaded, 9, {"tokenmotion": adapter})(
        "a person walks",
        PICTURE if options.get("picture") else None,
        tiny.scene(9),
        frames=9,
        seed=5,
        steps=2,
        guidance=Guidance(text=4.0, pose=4.0, camera=4.0),
    )
    assert np.abs(ours.frames / 255 - together).max() < 0.51 / 255 + 1e-4
    assert np.abs(together - run(loaded, given.repeat(2))).max() > 1 / 255


@pytest.mark.parametrize("family", ["cogvideox", "wan"])
@torch.no_grad()
def test_tokens_of_the_wrong_batch_are_an_error_not_a_wrong_video(family):
    make, options = FAMILIES[family]
    loaded, adapter = make(**options), tiny.awake(tiny.adapter())
    attach(loaded.transformer, adapter)
    tokens = adapter.encode(signals(family))
    wrong = tokens if family in STACKED else tokens.repeat(2)
    with pytest.raises(ValueError, match="the video batch has"):
        run(loaded, wrong)
