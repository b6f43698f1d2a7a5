"""The part network and the term that compares what it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.video import tiny

from kinema.training.part_network import CLASSES, PartMaps, PartNetwork
from kinema.training.part_term import PartLoss, PartOptions, part_term
from kinema.training.recipes.parts import PartTask

FRAMES, SIZE = 5, (48, 32)


@pytest.fixture(scope="module")
def network() -> PartNetwork:
    torch.manual_seed(0)
    return PartNetwork((8, 16, 16, 24)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    video = torch.rand(2, 3, FRAMES, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return tiny.autoencoder().encode(video).latent_dist.mode()


def people(top: int = 0, bottom: int = 24) -> torch.Tensor:
    mask = torch.zeros(2, FRAMES, *SIZE, dtype=torch.bool)
    mask[:, :, top:bottom] = True
    return mask


def terms(network, predicted, clean, counted=(True, True), mask=None, seed=0, **options):
    decode = tiny.autoencoder().decode
    return part_term(
        predicted,
        clean,
        people() if mask is None else mask,
        torch.tensor(counted),
        lambda z: decode(z).sample,
        PartOptions(network, **options),
        torch.Generator().manual_seed(seed),
    )


def term(*arguments, **options) -> torch.Tensor:
    return terms(*arguments, **options)["parts"]


def test_what_is_the_same_looks_the_same(network, latents):
    assert term(network, latents, latents) == 0
    other = term(network, latents + 0.3, latents)
    assert 0 < other <= 4
    assert term(network, latents + 0.3, latents) == other  # the seed draws the frames


def test_it_pulls_a_prediction_towards_the_picture(network, latents):
    torch.manual_seed(2)
    made = (latents + 0.5 * torch.randn_like(latents)).requires_grad_()
    before = term(network, made, latents, frames=FRAMES)
    optimiser = torch.optim.Adam([made], lr=0.02)
    for _ in range(30):
        optimiser.zero_grad()
        term(network, made, latents, frames=FRAMES).backward()
        optimiser.step()
    assert term(network, made, latents, frames=FRAMES) < 0.5 * before


def test_samples_without_a_pose_do_not_count(network, latents):
    made = latents.clone()
    made[0] += 0.5
    assert term(network, made, latents, counted=(False, True)) == 0
    assert term(network, made, latents, counted=(False, False)) == 0
    assert term(network, made, latents, counted=(True, False)) == pytest.approx(
        2 * term(network, made, latents).item(), rel=1e-5
    )


class Halves(torch.nn.Module):
    """Sees the back of segment 3 in the left half of every picture, its front right of it, and nobody on the right."""

    def forward(self, pixels: torch.Tensor) -> PartMaps:
        logits = torch.full((len(pixels), CLASSES, pixels.shape[2] // 2, pixels.shape[3] // 2), -30.0)
        quarter = logits.shape[3] // 4
        logits[:, 1 + 2 * 3, :, :quarter] = 30.0
        logits[:, 2 + 2 * 3, :, quarter : 2 * quarter] = 30.0
        logits[:, 0, :, 2 * quarter :] = 30.0
        return PartMaps(logits, (pixels,))


def test_each_segment_must_have_its_mean_colour():
    decode = lambda z: z  # noqa: E731  the pictures themselves, [B, 3, T, H, W]
    real = torch.full((2, 3, FRAMES, *SIZE), -0.5)
    left = SIZE[1] // 2

    def colours(made: torch.Tensor, counted=(True, True)) -> float:
        arguments = made, real, people(), torch.tensor(counted), decode
        return part_term(*arguments, PartOptions(Halves()), torch.Generator().manual_seed(0))[
            "colours"
        ].item()

    made = real.clone()
    assert colours(made) == 0
    made[..., left:] += 0.5  # beside the segment
    assert colours(made) == pytest.approx(0, abs=1e-6)
    made[0, 0, ..., :left] += 0.3  # red alone, in the first sample
    assert colours(made) == pytest.approx(0.3 / 3 / 2, rel=1e-4)
    assert colours(made, counted=(False, True)) == pytest.approx(0, abs=1e-6)
    made[0, 0, :, ::2, :left] += 0.2  # a pattern of the same mean
    made[0, 0, :, 1::2, :left] -= 0.2
    assert colours(made) == pytest.approx(0.3 / 3 / 2, rel=1e-4)


class Brightness(torch.nn.Module):
    """The brighter a place, the surer of segment 3's front; otherwise its back."""

    def forward(self, pixels: torch.Tensor) -> PartMaps:
        light = torch.nn.functional.avg_pool2d(pixels.mean(1), 2)
        logits = torch.full((len(pixels), CLASSES, *light.shape[1:]), -40.0)
        logits[:, 1 + 2 * 3], logits[:, 2 + 2 * 3] = 0.0, 4 * light
        return PartMaps(logits, (pixels,))


def test_a_side_must_be_named_as_surely_as_in_the_real_video():
    real = torch.full((2, 3, FRAMES, *SIZE), 0.5)

    def segments(made: torch.Tensor, counted=(True, True)) -> float:
        options = PartOptions(Brightness())
        generator = torch.Generator().manual_seed(0)
        made_terms = part_term(made, real, people(), torch.tensor(counted), lambda z: z, options, generator)
        return made_terms["segments"].item()

    assert segments(real) == pytest.approx(0, abs=1e-6)
    turned = real.clone()
    turned[0] = -0.5  # the first sample shows the back
    front = 1 / (1 + np.exp(-2.0))
    divergence = front * np.log(front / (1 - front)) + (1 - front) * np.log((1 - front) / front)
    assert segments(turned) == pytest.approx(divergence / 2, rel=1e-4)
    assert segments(turned, counted=(False, True)) == pytest.approx(0, abs=1e-6)
    turned[0] = 0.2  # unsure of it
    assert 0 < segments(turned) < divergence / 4


def test_places_with_people_count_more(network, latents):
    made = latents.clone()
    made[..., : made.shape[-2] // 2, :] += 0.3  # wrong in the upper half of the picture
    upper, lower = people(0, 24), people(24, 48)
    assert term(network, made, latents, mask=upper, people=8.0) > term(
        network, made, latents, mask=lower, people=8.0
    )
    alike = [term(network, made, latents, mask=mask, people=1.0).item() for mask in (upper, lower)]
    assert alike[0] == pytest.approx(alike[1])


def test_the_network_is_loaded_from_its_folder(network, tmp_path):
    with pytest.raises(FileNotFoundError, match="kinema train parts"):
        PartLoss.load(tmp_path, "cpu")
    network.save_pretrained(tmp_path)
    options = PartLoss.load(tmp_path, "cpu").options
    assert not any(p.requires_grad for p in options.network.parameters())
    pixels = torch.rand(1, 3, *SIZE)
    assert torch.equal(options.network(pixels).logits, network(pixels).logits)


def test_the_network_learns_which_part_is_where():
    """Two colours for two classes on a dark ground."""
    rng = np.random.default_rng(0)
    films = []
    for _ in range(4):
        classes = np.zeros((3, *SIZE), np.uint8)
        place = rng.integers(0, 12, size=2)
        classes[:, place[0] : place[0] + 16, place[1] : place[1] + 8] = 7
        classes[:, place[0] + 16 : place[0] + 32, place[1] : place[1] + 8] = 30
        colours = np.zeros((CLASSES, 3), np.uint8)
        colours[0], colours[7], colours[30] = (30, 30, 30), (220, 40, 40), (40, 40, 220)
        films.append({"video": colours[classes], "classes": classes})
    torch.manual_seed(0)
    network = PartNetwork((8, 16, 16, 24))
    task = PartTask(network)
    optimiser = torch.optim.AdamW(task.parameters(), lr=1e-2)
    for step in range(40):
        optimiser.zero_grad()
        task(films, torch.Generator().manual_seed(step))["parts"].backward()
        optimiser.step()
    pixels = torch.from_numpy(films[0]["video"][:1]).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        named = network(pixels).logits.argmax(dim=1)[0].numpy()
    assert (named == films[0]["classes"][0, ::2, ::2]).mean() > 0.9
