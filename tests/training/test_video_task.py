"""The loss of mini with real adapters at tiny size, on takes of the example motions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.video import tiny

from kinema.data.sample import Sample, conditioned, signals_of
from kinema.diffusion.objective import Denoising
from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mosa import MaskLoss, TrackLoss, TrackOptions, track_term
from kinema.training.filmed import film_sample
from kinema.training.fixed_takes import film_fixed_takes
from kinema.training.part_network import PartNetwork
from kinema.training.part_term import PartLoss, PartOptions
from kinema.training.recipes.overfit import exchanged
from kinema.training.rollouts import Rollouts
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.backdrop import Backdrop
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat
from kinema.video.registry import adapter_class

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FORM = MiniFormat(width=32, height=48, frames=5, fps=8.0, text_tokens=4)


@pytest.fixture(scope="module")
def films():
    return film_fixed_takes(3, seed=0, form=FORM, motions=EXAMPLES)


@pytest.fixture(scope="module")
def takes(films):
    rng = np.random.default_rng(0)
    return [film_sample(film, tracks=film.take.point_tracks(16, rng)) for film in films]


ALL = {"drop_text": 0, "drop_pose": 0, "drop_camera": 0, "drop_both": 0}


def task(name: str | None, *objectives, rollouts=None, **conditions) -> VideoTask:
    transformer = tiny.transformer().requires_grad_(False)
    adapters = {}
    if name is not None:
        torch.manual_seed(1)
        sizes = {
            "tokenmotion": {"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4},
            "mtvcraft": {"tokenizer": MotionTokenizer((32, 32), 8, 64, dilations=(3, 1))},
        }
        adapters[name] = adapter_class(name).for_transformer(transformer, **sizes.get(name, {}))
        attach(transformer, adapters[name])
    model = MiniVideo(transformer, tiny.autoencoder(), FORM)
    told = Conditions(**{"shift": 10.0, **conditions})
    return VideoTask(model, adapters, told, objectives=(Denoising(), *objectives), rollouts=rollouts)


def terms(task: VideoTask, takes, seed: int = 0) -> dict[str, torch.Tensor]:
    return task(takes, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tokenmotion", {"denoising", "parts", "segments", "colours", "track"}),
        ("mtvcraft", {"denoising", "parts", "segments", "colours", "track"}),
        ("mosa", {"denoising", "mask", "parts", "segments", "colours", "track"}),
    ],
)
def test_every_term_trains_the_adapter_and_nothing_else(takes, name, expected):
    parts = PartOptions(PartNetwork((8, 8, 16, 16)).requires_grad_(False), frames=2)
    tracking = TrackOptions(every=1, below=1.0, crop=0)
    trained = task(name, MaskLoss(), PartLoss(parts), TrackLoss(tracking), **ALL)
    adapter = trained.adapters[name]
    for _ in range(2):  # what is zero-initialised passes no gradient on in the first step
        made = terms(trained, takes)
        assert set(made) == expected
        trained.zero_grad()
        torch.stack(list(made.values())).sum().backward()
        with torch.no_grad():
            for parameter in adapter.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad.sign()
    gradients = {key: p.grad for key, p in trained.named_parameters() if p.grad is not None}
    assert gradients
    assert all(key.startswith("adapters.") or ".kinema_sites." in key for key in gradients)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    touched = sum(bool(gradient.abs().sum()) for gradient in gradients.values())
    assert touched > 0.8 * len([p for p in adapter.parameters() if p.requires_grad])


def test_tracking_leaves_the_other_terms_and_their_noise_as_they_are(takes):
    plain = terms(task("tokenmotion"), takes)
    tracked = terms(task("tokenmotion", TrackLoss(TrackOptions(every=1))), takes)
    assert torch.equal(plain["denoising"], tracked["denoising"])
    seldom = task("tokenmotion", TrackLoss(TrackOptions(every=4)))
    assert 0 < sum("track" in terms(seldom, takes, seed) for seed in (11, 12, 13, 14, 15, 16)) < 6


def test_a_rollout_begins_with_the_models_own_drawing(takes, monkeypatch):
    rolled = task("tokenmotion", rollouts=Rollouts(1.0, 2.5), given=1.0, **ALL)
    with torch.no_grad():  # a new adapter changes nothing
        for parameter in rolled.adapters["tokenmotion"].parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    predict = rolled.model.predict

    def watch(noisy, t, text, window, given):
        made = predict(noisy, t, text, window, given)
        seen.append((window.with_known(noisy), t, made))
        return made

    monkeypatch.setattr(rolled.model, "predict", watch)
    made = terms(rolled, takes)
    assert made["denoising"].requires_grad
    (noise, first, unposed), (again, _, posed), (drawn, after, _), *_, (last, t, _) = seen
    assert (first == 1).all()
    assert torch.equal(noise, again)
    assert not torch.equal(posed, unposed)
    guided = unposed + 2.5 * (posed - unposed)
    torch.testing.assert_close(drawn[:, :, 1:], (guided + after[0] * (noise - guided))[:, :, 1:])
    assert 0.3 <= t[0] <= 0.9
    assert (t == t[0]).all()
    assert all(torch.equal(x[:, :, :1], last[:, :, :1]) for x, _, _ in seen)  # the known frame stays known
    assert not last.requires_grad
    assert terms(rolled, takes)["denoising"] == made["denoising"]


def test_rollouts_are_drawn_by_their_share(takes):
    plain = terms(task("tokenmotion"), takes)["denoising"]
    seldom = task("tokenmotion", rollouts=Rollouts(0.5, 2.5))
    same = [
        torch.equal(
            terms(seldom, takes, seed)["denoising"], terms(task("tokenmotion"), takes, seed)["denoising"]
        )
        for seed in range(6)
    ]
    assert 0 < sum(same) < 6
    assert torch.equal(terms(task("tokenmotion", rollouts=None), takes)["denoising"], plain)


def test_without_an_adapter_signals_change_nothing(takes):
    alone = task(None)
    assert torch.equal(terms(alone, takes)["denoising"], terms(alone, exchanged(takes))["denoising"])


def test_exchanged_takes_keep_what_is_seen_and_swap_what_shall_be_seen(takes):
    drawn = [conditioned(take, task(None).model.conditioner) for take in takes]
    for index, take in enumerate(exchanged(drawn)):
        assert take.scene is takes[(index + 1) % len(takes)].scene
        assert take.video is takes[index].video
        assert take.picture is takes[index].picture
        assert take.conditioning is None


def test_joints_and_cameras_of_a_batch_put_people_where_the_film_shows_them(films):
    late = replace(films[0], start=2, take=films[0].take)
    scene = films[0].scene
    camera = scene.camera
    longer = replace(
        scene,
        people=tuple(
            replace(
                p, joints=np.concatenate([p.joints[:1]] * 2 + [p.joints]), rotations=None, confidence=None
            )
            for p in scene.people
        ),
        camera=replace(
            camera,
            c2w=np.concatenate([camera.c2w[:1]] * 2 + [camera.c2w]),
            intrinsics=np.concatenate([camera.intrinsics[:1]] * 2 + [camera.intrinsics]),
        ),
    )
    for film in (films[0], replace(late, scene=longer)):
        take = film_sample(film)
        signals = signals_of([take], task("mtvcraft").adapters)["mtvcraft"]
        seen = (signals.joints[0, 0] - signals.cameras[0, :, None, :3, 3]) @ signals.cameras[0, :, :3, :3]
        fx, fy, cx, cy = torch.tensor(camera.intrinsics, dtype=torch.float32).unbind(-1)
        x = seen[..., 0] / seen[..., 2] * fx[:, None] + cx[:, None]
        y = seen[..., 1] / seen[..., 2] * fy[:, None] + cy[:, None]
        exact = torch.from_numpy(film.take.keypoints[0])
        torch.testing.assert_close(torch.stack([x, y], -1), exact, atol=0.01, rtol=1e-3)
        told = Backdrop.of(film.reference, film.scene.camera, film.scene.people[0].joints[:1])
        plate = told.seen_by(film.scene.camera)[film.start :]
        drawn = conditioned(take, task(None).model.conditioner).conditioning
        np.testing.assert_array_equal(drawn.plate, plate)


def test_exact_tracks_start_at_their_queries_on_the_person(films):
    tracks = films[1].take.point_tracks(20, np.random.default_rng(3))
    frame = int(tracks["queries"][0, 0])
    np.testing.assert_allclose(tracks["tracks"][frame], tracks["queries"][:, 1:], atol=0.6)
    columns, rows = tracks["queries"][:, 1:].astype(int).T
    assert films[1].take.person_mask[frame, rows, columns].all()
    assert tracks["tracked"][frame].mean() > 0.8


def test_fixed_takes_are_the_same_again_and_say_when_there_are_too_few(films, tmp_path):
    again = film_fixed_takes(3, seed=0, form=FORM, motions=EXAMPLES)
    assert all(np.array_equal(a.take.rgb, b.take.rgb) for a, b in zip(films, again, strict=True))
    assert not np.array_equal(films[0].take.rgb, films[1].take.rgb)
    with pytest.raises(FileNotFoundError, match="no motion files"):
        film_fixed_takes(3, seed=0, form=FORM, motions=tmp_path)


def test_fixed_takes_of_the_library_show_different_motions(motion_library_dir):
    chosen = film_fixed_takes(3, seed=1, form=FORM, library=motion_library_dir)
    assert len({film.clip_id for film in chosen}) == 3


def test_the_tracking_term_is_small_for_the_real_video_and_grows_when_it_stands_still(films):
    rng = np.random.default_rng(1)
    real = [{**film.take.point_tracks(24, rng), "video": film.take.rgb} for film in films]
    still = [{**take, "video": np.repeat(take["video"][:1], FORM.frames, axis=0)} for take in real]
    autoencoder = AutoencoderPatchPCA(latent_channels=192)

    def term(shown, crop: int) -> float:
        # Latents of the first frame lose nothing; frame by frame they stand in for those of a video.
        video = (
            torch.from_numpy(np.stack([take["video"] for take in shown])).permute(0, 4, 1, 2, 3) / 127.5 - 1
        )
        latents = torch.cat(
            [autoencoder.encode(video[:, :, t : t + 1]).latent_dist.mode() for t in range(5)], 2
        )

        def decode(z: torch.Tensor) -> torch.Tensor:
            return torch.cat([autoencoder.decode(z[:, :, t : t + 1]).sample for t in range(z.shape[2])], 2)

        return track_term(latents, real, decode, TrackOptions(crop=crop))["track"].item()

    assert term(real, 0) < 0.5 * term(still, 0)
    assert term(real, 4) < 0.5 * term(still, 4)
    assert term(real, 0) < 2.0 * 2**0.5 / np.hypot(
        FORM.width, FORM.height
    )  # points are trusted within two pixels


def shifted(scene, metres: float):
    """The scene's people a step aside."""
    return tuple(replace(p, joints=p.joints + metres, rotations=None) for p in scene.people)


@pytest.mark.parametrize("name", ["tokenmotion", "mtvcraft", "mosa"])
def test_a_batch_may_mix_one_person_with_two(takes, name):
    scene = takes[1].scene
    pair = replace(takes[1], scene=replace(scene, people=scene.people + shifted(scene, 0.8)))
    signals = signals_of([takes[0], pair], task("mtvcraft").adapters)["mtvcraft"]
    assert signals.joints.shape[:2] == (2, 2)
    assert torch.isnan(signals.joints[0, 1]).all()
    made = terms(task(name, **ALL), [takes[0], pair])
    assert all(torch.isfinite(value) for value in made.values())


def test_a_signal_that_a_sample_lacks_is_routed_out(takes):
    """Nobody knows a pose where the scene has nobody, and nobody a camera where there is no scene."""
    steered = task("tokenmotion", **ALL)
    tiny.awake(steered.adapters["tokenmotion"])
    alone = [replace(take, scene=replace(take.scene, people=())) for take in takes]
    unknown = [replace(take, scene=None) for take in takes]
    assert [take.lacks for take in (takes[0], alone[0], unknown[0])] == [
        frozenset(),
        {"pose"},
        {"pose", "camera"},
    ]
    with torch.no_grad():
        whole, unposed, blind = (terms(steered, each)["denoising"] for each in (takes, alone, unknown))
        assert torch.isfinite(torch.stack([whole, unposed, blind])).all()
        assert len({whole.item(), unposed.item(), blind.item()}) == 3
        mixed = terms(steered, [takes[0], alone[1], unknown[2]])
    assert torch.isfinite(mixed["denoising"])


def test_encoded_samples_have_the_loss_of_their_video(takes):
    steered = task("tokenmotion")
    with torch.no_grad():
        cached = []
        for take in takes:
            encoded = {name: tensor[0] for name, tensor in steered._encoded([take]).items()}
            cached.append(replace(take, video=None, encoded=encoded))
        assert torch.equal(terms(steered, cached)["denoising"], terms(steered, takes)["denoising"])


def test_options_that_a_model_has_no_use_for_are_refused():
    from tests.video import published_tiny

    from kinema.video.models.cogvideox import CogVideoXVideo

    parts = published_tiny.cogvideox_pipeline().components
    form = MiniFormat(width=32, height=48, frames=9, fps=8.0, text_tokens=226)
    model = CogVideoXVideo(**parts, form=form)
    with pytest.raises(ValueError, match="whole timesteps"):
        VideoTask(model, {}, Conditions(shift=3.0))
    with pytest.raises(ValueError, match="first frame that is given"):
        VideoTask(model, {}, Conditions(given=0.5))
    with pytest.raises(ValueError, match="rollouts follow a flow"):
        VideoTask(model, {}, rollouts=Rollouts(1.0, 2.0))([sample_of(9)], torch.Generator().manual_seed(0))


def sample_of(frames: int) -> Sample:
    """A grey film of somebody gliding."""
    video = np.full((frames, 48, 32, 3), 90, np.uint8)
    return Sample("a person walks", tiny.scene(frames), 0, frames, (32, 48), 8.0, video[0], video)
