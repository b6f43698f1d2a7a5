"""Time-to-Move as a guider: what the public code does, written out by hand, gives the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import CogVideoXDDIMScheduler, UniPCMultistepScheduler
from tests.video import newer_tiny, published_tiny, test_wan22
from tests.video.test_video_models import PICTURE, kinema_pipeline

from kinema.diffusion.guider import Guidance, Guider, Pass, Run
from kinema.diffusion.loop import EulerSolver, denoise
from kinema.diffusion.path import FlowPath
from kinema.diffusion.schedulers import SchedulerSolver
from kinema.papers.time_to_move import (
    COGVIDEOX,
    WAN_CAMERA,
    WAN_OBJECT,
    Clocks,
    TimeToMove,
    latent_mask,
    noise_levels,
)
from kinema.video.pixels import to_uint8

CPU = torch.device("cpu")
ALL = frozenset({"text"})
FILM = np.random.default_rng(1).integers(0, 255, (9, 48, 32, 3), dtype=np.uint8)
MASK = np.zeros((9, 48, 32), bool)
MASK[:, 8:40, 8:24] = True


def wan_schedule() -> UniPCMultistepScheduler:
    """As in the folders of Wan that scripts/convert_wan_to_diffusers.py makes: flow_shift 3."""
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def cogvideox_schedule() -> CogVideoXDDIMScheduler:
    return CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
    )


@pytest.mark.parametrize(
    ("schedule", "clocks", "indices"),
    [
        (wan_schedule, WAN_OBJECT, (3, 7)),
        (wan_schedule, WAN_CAMERA, (2, 5)),
        (cogvideox_schedule, COGVIDEOX, (4, 9)),
    ],
)
def test_clocks_are_the_published_step_numbers_of_50(schedule, clocks, indices):
    """time-to-move/TTM, README.md: cut-and-drag 3 and 7, camera 2 and 5, CogVideoX 4 and 9 of 50 steps."""
    solver = SchedulerSolver(schedule(), 50, shift=None, generator=torch.Generator(), device=CPU)
    assert clocks.indices(solver) == indices
    levels = noise_levels(solver)
    assert levels[-1] == 0
    assert abs(levels[indices[0]] - clocks.weak) < 5e-4
    assert abs(levels[indices[1]] - clocks.strong) < 5e-4


def test_a_latent_frame_has_the_mask_of_its_first_picture():
    """pipelines/wan_pipeline.py, convert_rgb_mask_to_latent_mask: mask[0:1], mask[1::4], nearest."""
    mask = torch.zeros(9, 16, 16, dtype=torch.bool)
    mask[0, :8], mask[1, 8:], mask[4] = True, True, True
    made = latent_mask(mask, (2, 2))
    assert made.shape == (1, 1, 3, 2, 2)
    assert made[0, 0].tolist() == [[[1, 1], [0, 0]], [[0, 0], [1, 1]], [[0, 0], [0, 0]]]


def by_hand(loaded, texts, first: int, strong: int, steps: int, scale: float) -> np.ndarray:
    """pipelines/wan_pipeline.py and cog_pipeline.py of the public code: diffusers' parts, one loop, no guider."""
    wan = "Wan" in type(loaded).__name__
    generator, scheduler = torch.Generator().manual_seed(5), loaded.scheduler
    scheduler.set_timesteps(steps)
    pixels = loaded.video_processor.preprocess(PICTURE, 48, 32)
    film = torch.from_numpy(FILM).permute(3, 0, 1, 2)[None] / 127.5 - 1
    clean = loaded.vae.encode(film).latent_dist.mode()
    if wan:
        mean, std = (
            torch.tensor(each).view(1, -1, 1, 1, 1)
            for each in (loaded.vae.config.latents_mean, loaded.vae.config.latents_std)
        )
        clean = (clean - mean) / std
        noise, condition = loaded.prepare_latents(pixels, 1, 4, 48, 32, 9, torch.float32, CPU, generator)
        states = loaded.encode_image(PICTURE, CPU)
        mask = torch.from_numpy(MASK)[[0, 1, 5], 4::8, 4::8].float()[None, None]
    else:
        clean = (clean * loaded.vae.config.scaling_factor).transpose(1, 2)
        noise, condition = loaded.prepare_latents(pixels, 1, 4, 9, 48, 32, torch.float32, CPU, generator)
        mask = torch.from_numpy(MASK)[[0, 1, 5], 4::8, 4::8].float()[None, :, None]
    x = scheduler.add_noise(clean, noise, scheduler.timesteps[first : first + 1]) if first else noise
    for index in range(first, steps):
        t = scheduler.timesteps[index]
        raw = []
        for text in texts:
            if wan:
                seen = torch.cat([x, condition], dim=1)
                more = {"encoder_hidden_states_image": states}
            else:
                seen = torch.cat([x, condition], dim=2)
                more = {"image_rotary_emb": loaded._prepare_rotary_positional_embeddings(48, 32, 3, CPU)}
            raw.append(loaded.transformer(seen, encoder_hidden_states=text, timestep=t[None], **more).sample)
        told, nothing = raw
        x = scheduler.step(nothing + scale * (told - nothing), t, x, return_dict=False)[0]
        if index < strong:
            kept = clean
            if index + 1 < steps:
                kept = scheduler.add_noise(clean, noise, scheduler.timesteps[index + 1 : index + 2])
            x = x * (1 - mask) + kept * mask
    if wan:
        return to_uint8(loaded.vae.decode(x * std + mean).sample[0].detach())[0:9]
    video = loaded.decode_latents(x)
    return to_uint8(video[0].detach())


@pytest.mark.parametrize(("first", "strong"), [(1, 3), (0, 2), (1, 5), (2, 2)])
@pytest.mark.parametrize("family", ["wan", "cogvideox"])
@torch.no_grad()
def test_the_guider_is_the_loop_of_the_public_code(family, first, strong):
    make = {"wan": published_tiny.wan_pipeline, "cogvideox": published_tiny.cogvideox_pipeline}[family]
    loaded, steps = make(picture=True), 5
    ours = kinema_pipeline(loaded)
    solver = ours.video_model.solver(steps, None, torch.Generator(), CPU)
    levels = noise_levels(solver)
    guider = TimeToMove(FILM, MASK, Clocks(levels[first], levels[strong]), Guidance(text=4.0))
    made = ours("a person walks", PICTURE, frames=9, seed=5, steps=steps, guidance=guider).frames
    texts = [ours.video_model.encode_text(words, CPU) for words in ("a person walks", "")]
    theirs = by_hand(loaded, texts, first, strong, steps, 4.0)
    assert np.abs(made.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("family", ["wan", "cogvideox"])
def test_no_mask_and_a_weak_clock_at_the_noise_is_the_plain_model(family):
    make = {"wan": published_tiny.wan_pipeline, "cogvideox": published_tiny.cogvideox_pipeline}[family]
    ours = kinema_pipeline(make(picture=True))
    guidance = Guidance(text=4.0)
    plain = ours("a person", PICTURE, frames=9, steps=3, guidance=guidance).frames
    guider = TimeToMove(FILM, np.zeros_like(MASK), Clocks(1.0, 0.0), guidance)
    assert np.array_equal(plain, ours("a person", PICTURE, frames=9, steps=3, guidance=guider).frames)


def test_a_strong_clock_at_the_end_leaves_the_film_in_the_mask():
    ours = kinema_pipeline(published_tiny.wan_pipeline(picture=True))
    everywhere = TimeToMove(FILM, np.ones_like(MASK), Clocks(1.0, 0.0))
    made = ours("a person", PICTURE, frames=9, steps=3, guidance=everywhere).frames
    model = ours.video_model
    pixels = torch.from_numpy(FILM).permute(3, 0, 1, 2)[None] / 127.5 - 1
    with torch.no_grad():
        kept = to_uint8(model.decode(model.encode_video(pixels))[0])
    assert np.array_equal(made, kept)


@pytest.mark.parametrize("make", [newer_tiny.wan22_a14b, newer_tiny.wan22_5b])
def test_wan22_follows_a_film_with_both_experts_and_with_a_first_frame_of_its_own(make, monkeypatch):
    ours = test_wan22.kinema_pipeline(make(picture=True))
    model, latents = ours.video_model, []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda x: latents.append(x) or decode(x))
    width, height = model.form.size
    film = np.random.default_rng(1).integers(0, 255, (9, height, width, 3), dtype=np.uint8)
    guider = TimeToMove(film, np.ones(film.shape[:3], bool), Clocks(0.9, 0.0), model.defaults.guidance)
    ours("a person", PICTURE, frames=9, steps=5, guidance=guider)
    with torch.no_grad():
        clean = model.encode_video(torch.from_numpy(film).permute(3, 0, 1, 2)[None] / 127.5 - 1)
    # what the model itself knows, the first frame of 5B, is the picture's
    assert torch.allclose(latents[0][:, :, 1:], clean[:, :, 1:], atol=1e-5)


def test_windows_see_their_own_part_of_the_film():
    ours = kinema_pipeline(published_tiny.cogvideox_pipeline(picture=True), 9)
    film = np.random.default_rng(2).integers(0, 255, (17, 48, 32, 3), dtype=np.uint8)
    mask, clocks = np.ones(film.shape[:3], bool), Clocks(1.0, 0.5)
    other = film.copy()
    other[9:] = 0  # of the second window alone
    long, changed = (
        ours("", PICTURE, frames=17, steps=3, guidance=TimeToMove(each, mask, clocks)).frames
        for each in (film, other)
    )
    assert np.array_equal(long[:9], changed[:9])
    assert not np.array_equal(long[9:], changed[9:])
    short = ours("", PICTURE, frames=9, steps=3, guidance=TimeToMove(film[:9], mask[:9], clocks)).frames
    assert np.array_equal(long[:9], short)


def test_frames_that_are_known_from_the_window_before_stay(monkeypatch):
    """Wan keeps nine frames by putting them back; a film that is held to the end does not replace them."""
    ours = kinema_pipeline(published_tiny.wan_pipeline(picture=True), 13)
    model, conditions, latents = ours.video_model, [], []
    begin, decode = model.begin_window, model.decode
    monkeypatch.setattr(model, "begin_window", lambda *a: conditions.append(begin(*a)) or conditions[-1])
    monkeypatch.setattr(model, "decode", lambda x: latents.append(x) or decode(x))
    film = np.random.default_rng(2).integers(0, 255, (17, 48, 32, 3), dtype=np.uint8)
    ours(
        "",
        PICTURE,
        frames=17,
        steps=2,
        guidance=TimeToMove(film, np.ones(film.shape[:3], bool), Clocks(1, 0)),
    )
    assert torch.equal(latents[1][:, :, :3], conditions[1].condition[:, 4:, :3])


def test_the_last_frame_of_a_short_film_is_held():
    ours = kinema_pipeline(published_tiny.wan_pipeline(picture=True))
    held = np.concatenate([FILM[:5], np.repeat(FILM[4:5], 4, axis=0)])
    made = [
        ours(
            "", PICTURE, frames=9, steps=2, guidance=TimeToMove(film, MASK[: len(film)], Clocks(1.0, 0.3))
        ).frames
        for film in (FILM[:5], held)
    ]
    assert np.array_equal(*made)


def test_passes_are_those_of_the_guidance_and_settings_say_everything():
    class Nudges(Guider):
        def after(self, x, step):
            return x + 1

        def passes(self, step, conditions):
            return [Pass(conditions, 2.0), Pass(frozenset(), -1.0)]

    film, mask = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), bool)
    guider = TimeToMove(film, mask, Clocks(1.0, 1.0), Nudges())
    noise, solver = torch.randn(1, 1, 1, 1, 1), EulerSolver(2, path=FlowPath("velocity"))
    start = guider.begin(noise, Run(ALL, solver, 1, lambda pixels: torch.zeros(1, 1, 1, 1, 1)))
    made = denoise(noise, solver, lambda x, step: torch.zeros_like(x), start=start, after=guider.after)
    assert torch.allclose(made, noise + 2)
    assert len(guider.passes(solver.steps()[0], ALL)) == 2
    said = TimeToMove(film, mask, Clocks(0.9, 0.5), Guidance(text=3.0)).settings()
    assert said == {"guider": "time-to-move", "clocks": [0.9, 0.5], "guidance": {"text": 3.0}}


@pytest.mark.parametrize("words", ["0.5+0.9", "1.2+0.5", "much", "0.9", "0.9+0.8+0.7"])
def test_wrong_clocks_are_said(words):
    with pytest.raises(ValueError, match="clocks"):
        TimeToMove.check(words)


def test_a_film_of_another_size_is_refused_before_sampling():
    ours = kinema_pipeline(published_tiny.wan_pipeline(picture=True))
    small = TimeToMove(FILM[:, :32], MASK[:, :32])
    with pytest.raises(ValueError, match="film it at the size of the video"):
        ours("", PICTURE, frames=9, steps=1, guidance=small)
    with pytest.raises(ValueError, match=r"a film is uint8 \[T, H, W, 3\]"):
        TimeToMove(FILM.astype(np.float32), MASK)
    with pytest.raises(ValueError, match="the mask of a film is bool"):
        TimeToMove(FILM, MASK[:3])
