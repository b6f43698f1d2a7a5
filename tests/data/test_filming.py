import numpy as np
import pytest

from kinema.data.filming import film_clip, frame_subject
from kinema.data.standing import standing


@pytest.fixture(scope="module")
def clip(motion_library):
    return motion_library.find("bandai_namco/dataset-1_bow_active_001")


def test_a_film_is_fixed_by_its_seed(clip):
    films = [film_clip(clip, size=(48, 64), fps=8, frames=5, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(films[0].take.rgb, films[1].take.rgb)
    assert np.array_equal(films[0].reference, films[1].reference)
    assert not np.array_equal(films[0].take.rgb, films[2].take.rgb)


def test_reference_stands_where_the_motion_starts(clip):
    film = film_clip(clip, size=(48, 64), fps=8, frames=5, seed=3, camera="static", azimuth=0.0)
    assert film.reference.shape == (64, 48, 3)
    pose = standing(film.scene.people[0], facing=film.scene.camera.c2w[0, :3, 3])
    assert np.allclose(pose.joints[0, 0, [0, 2]], film.scene.people[0].joints[0, 0, [0, 2]])
    assert pose.joints[..., 1].min() == pytest.approx(0, abs=0.01)
    towards = film.scene.camera.c2w[0, :3, 3] - pose.joints[0, 0]
    assert pose.facing()[0] @ (towards / np.linalg.norm(towards)) > 0.9


def test_a_late_film_shares_its_scene_with_the_reference(clip):
    late = film_clip(clip, size=(48, 64), fps=8, frames=5, seed=3, start=4, begin=0.0)
    assert late.scene.people[0].frames == 9
    assert late.take.rgb.shape[0] == 5
    assert np.allclose(late.take.scene.camera.c2w, late.scene.camera.c2w[4:])


def test_azimuth_walks_round_the_person(clip):
    motion = clip.motion()
    front, side = (
        frame_subject(motion, "static", size=(48, 64), fps=30, azimuth=a).c2w[0, :3, 3] for a in (0.0, 90.0)
    )
    root = motion.joints[0, 0]
    a, b = (front - root)[[0, 2]], (side - root)[[0, 2]]
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=0.02)
    assert abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)) < 0.05
    left = np.cross([0, 1, 0], [a[0], 0, a[1]])
    assert left[[0, 2]] @ b > 0


def test_a_companion_shares_the_picture_and_keeps_away(clip, motion_library):
    other = motion_library.split("train")[5]
    seen = []
    for seed in range(6):
        film = film_clip(clip, size=(48, 64), fps=8, frames=9, seed=seed, companion=other)
        first, second = film.scene.people
        gap = np.linalg.norm((first.joints - second.joints)[:, 0, [0, 2]], axis=-1)
        assert gap.min() >= 0.5
        assert second.joints[..., 1].min() == pytest.approx(other.motion().joints[..., 1].min(), abs=0.2)
        seen.append((film.take.person_ids == 2).any())
    assert np.mean(seen) >= 0.5
    assert film.reference.shape == (64, 48, 3)
