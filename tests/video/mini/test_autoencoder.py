import pytest
import torch

from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA, PatchStatistics, fit


def smooth_video(frames: int = 9, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 3, 1 + (frames - 1) // 4, 4, 3, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (frames, 32, 24), mode="trilinear")


@pytest.fixture(scope="module")
def fitted() -> AutoencoderPatchPCA:
    statistics = PatchStatistics(4)
    for seed in range(12):
        statistics.add(smooth_video(seed=seed)[:, :, 1:])
    return fit(statistics, 192)


def test_latent_layout_is_4x8x8_with_the_first_frame_alone(fitted):
    latent = fitted.encode(smooth_video(9)).latent_dist.mode()
    assert latent.shape == (2, 192, 3, 4, 3)
    assert fitted.decode(latent).sample.shape == (2, 3, 9, 32, 24)


def test_first_frame_passes_without_loss(fitted):
    noise = torch.rand(1, 3, 1, 32, 24) * 2 - 1
    assert torch.allclose(fitted(noise).sample, noise, atol=1e-4)


def test_fitted_data_comes_back(fitted):
    video = smooth_video(seed=5)
    assert (fitted(video).sample - video).square().mean() < 1e-3


def test_causal_first_frame_does_not_see_later_ones(fitted):
    video = smooth_video()
    changed = video.clone()
    changed[:, :, 1:] = 0
    first = fitted.encode(video).latent_dist.mode()[:, :, 0]
    assert torch.equal(first, fitted.encode(changed).latent_dist.mode()[:, :, 0])


def test_a_still_picture_has_nearly_the_same_latents_in_every_frame(fitted):
    still = smooth_video(1, seed=20).expand(-1, -1, 5, -1, -1)
    latent = fitted.encode(still).latent_dist.mode()
    difference = (latent[:, :, 0] - latent[:, :, 1]).square().mean() / latent[:, :, 1].square().mean()
    assert difference < 0.1


def test_refit_on_the_same_data_is_the_same(fitted):
    statistics = PatchStatistics(4)
    for seed in range(12):
        statistics.add(smooth_video(seed=seed)[:, :, 1:])
    assert torch.equal(fit(statistics, 192).moving_basis, fitted.moving_basis)


def test_save_and_load(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    loaded = AutoencoderPatchPCA.from_pretrained(tmp_path)
    video = smooth_video(seed=2)
    assert torch.equal(loaded(video).sample, fitted(video).sample)


@pytest.mark.parametrize("shape", [(1, 3, 4, 32, 24), (1, 3, 5, 30, 24), (1, 1, 5, 32, 24)])
def test_sizes_that_do_not_fit_are_refused(fitted, shape):
    with pytest.raises(ValueError, match="4k \\+ 1"):
        fitted.encode(torch.zeros(shape))
