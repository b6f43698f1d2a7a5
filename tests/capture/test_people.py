from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.capture.detectors.looks import LOOK_SIZE, look_distance, look_of
from kinema.capture.observation import Observation, PersonTrack
from kinema.capture.people import People, choose
from kinema.scene.skeleton import skeleton

FPS, SIZE = 25.0, (640, 360)
_FIGURE = skeleton("mediapipe33").rest[:, :2] * [1, -1] + [0, 0.9]  # metres, y down, about the middle


def clothes(seed: int) -> np.ndarray:
    """A look of two plain colours."""
    rng = np.random.default_rng(seed)
    halves = np.zeros((2, LOOK_SIZE // 2))
    for half in halves:
        half[rng.choice(len(half), 4, replace=False)] = rng.uniform(0.5, 1, 4)
    return (halves / np.linalg.norm(halves, axis=1, keepdims=True)).ravel()


def sighting(x, rng, *, look=None, y=180.0, height=200.0, noise=1.0, mirrored=False) -> Observation:
    """A standing person whose middle is at (x, y)."""
    arms = 0.35 if not mirrored else -0.35
    points = _FIGURE * [arms, 1] * height / 1.8 + [x, y] + rng.normal(0, noise, (33, 2))
    box = np.concatenate([points.min(0) - 5, points.max(0) + 5])
    if look is not None:
        look = np.abs(look + rng.normal(0, 0.05, LOOK_SIZE))
        look = np.concatenate([half / np.linalg.norm(half) for half in np.split(look, 2)])
    return Observation(points, np.full(33, 0.9), box, 0.95, np.zeros((24, 3)), look)


def tracked(frames, rng, **options) -> list[PersonTrack]:
    people = People("mediapipe33", **options)
    shuffled = [[seen[k] for k in rng.permutation(len(seen))] for seen in frames]
    for start in range(0, len(shuffled), 7):
        people.add(shuffled[start : start + 7])
    return people.finish(FPS, SIZE)


def middles(track: PersonTrack) -> np.ndarray:
    return (track.boxes[:, 0] + track.boxes[:, 2]) / 2


def crossing(rng, looks, hidden=8, frames=60, noise=1.0):
    """Two people who walk past each other; the one behind is not seen for `hidden` frames. Frames and true ways."""
    ways = np.stack([np.linspace(120, 520, frames), np.linspace(500, 100, frames)], axis=1)
    nearest = int(np.argmin(np.abs(ways[:, 0] - ways[:, 1])))
    made = []
    for t, (a, b) in enumerate(ways):
        seen = [sighting(a, rng, look=looks[0], noise=noise)]
        if abs(t - nearest) > hidden / 2:
            seen.append(sighting(b, rng, look=looks[1], noise=noise, y=170, height=180))
        made.append(seen)
    return made, ways


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), hidden=st.integers(0, 14))
def test_who_cross_keep_their_numbers(seed, hidden):
    rng = np.random.default_rng(seed)
    frames, ways = crossing(rng, [clothes(seed), clothes(seed + 5000)], hidden)
    tracks = tracked(frames, rng)
    assert len(tracks) == 2
    for track in tracks:
        own = int(np.argmin(np.abs(ways[0] - middles(track)[0])))
        away = np.abs(middles(track)[track.seen] - ways[track.seen, own])
        assert away.max() < 12


@pytest.mark.parametrize("look", [None, clothes(3)])
@pytest.mark.parametrize("hidden", [0, 6, 10])
def test_in_the_same_clothes_the_way_decides(look, hidden):
    rng = np.random.default_rng(2)
    frames, ways = crossing(rng, [look, look], hidden)
    tracks = tracked(frames, rng)
    assert len(tracks) == 2
    for track in tracks:
        own = int(np.argmin(np.abs(ways[0] - middles(track)[0])))
        assert np.abs(middles(track)[track.seen] - ways[track.seen, own]).max() < 12


def test_who_turn_back_at_a_meeting_are_told_by_their_clothes():
    """Their ways look like a crossing, but they meet, hide one another and go back."""
    rng = np.random.default_rng(0)
    half = np.linspace(0, 1, 30)
    ways = np.stack(
        [120 + 190 * np.concatenate([half, half[::-1]]), 520 - 190 * np.concatenate([half, half[::-1]])]
    )
    frames = []
    for t, (a, b) in enumerate(ways.T):
        seen = [sighting(a, rng, look=clothes(1))]
        if abs(t - 29.5) > 6:
            seen.append(sighting(b, rng, look=clothes(2)))
        frames.append(seen)
    tracks = tracked(frames, rng)
    assert len(tracks) == 2
    for track in tracks:
        own = int(np.argmin(np.abs(ways[:, 0] - middles(track)[0])))
        assert np.abs(middles(track)[track.seen] - ways[own, track.seen]).max() < 12


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 4))
def test_without_crossings_nobody_is_exchanged(seed, count):
    rng = np.random.default_rng(seed)
    places = 80 + 150 * np.arange(count)
    sway = rng.uniform(5, 25, count), rng.uniform(0.02, 0.1, count)
    frames = [
        [
            sighting(places[p] + sway[0][p] * np.sin(sway[1][p] * t), rng, look=clothes(seed + p), noise=3)
            for p in range(count)
            if rng.random() > 0.2 or t < 3
        ]
        for t in range(50)
    ]
    tracks = tracked(frames, rng)
    assert [track.id for track in tracks] == list(range(count))
    for track in tracks:
        own = int(np.argmin(np.abs(places - np.nanmedian(middles(track)))))
        assert np.abs(middles(track)[track.seen] - places[own]).max() < 40
        assert not track.seen.all() or count == 0 or track.seen.sum() >= 30


def test_what_was_not_seen_stays_missing():
    rng = np.random.default_rng(0)
    frames = [[] if 10 <= t < 15 else [sighting(200 + t, rng, look=clothes(1))] for t in range(30)]
    (track,) = tracked(frames, rng)
    assert track.seen.tolist() == [not 10 <= t < 15 for t in range(30)]
    assert np.isnan(track.points[10:15]).all()
    assert (track.confidence[10:15] == 0).all()
    assert np.isnan(track.joints[10:15]).all()
    assert (track.layout, track.fps, track.size) == ("mediapipe33", FPS, SIZE)


@pytest.mark.parametrize(("other", "people"), [(1, 1), (7, 2)])
def test_who_comes_back_is_known_by_their_clothes(other, people):
    """Somebody leaves on the right and two seconds later comes in on the left: the same person, or another."""
    rng = np.random.default_rng(0)
    frames = [[sighting(400 + 4 * t, rng, look=clothes(1))] for t in range(40)]
    frames += [[]] * 50
    frames += [[sighting(60 + 4 * t, rng, look=clothes(other))] for t in range(40)]
    assert len(tracked(frames, rng)) == people


def test_ghosts_are_dropped_and_doubles_are_one():
    rng = np.random.default_rng(0)
    frames = [
        [sighting(200 + 3 * t, rng, look=clothes(1)), sighting(203 + 3 * t, rng, look=clothes(1))]
        + ([sighting(550, rng, height=90)] if t in (12, 13, 30) else [])
        for t in range(50)
    ]
    tracks = tracked(frames, rng)
    assert len(tracks) == 1
    assert tracks[0].seen.all()


def test_at_most_so_many_people():
    rng = np.random.default_rng(0)
    frames = [
        [sighting(100, rng, look=clothes(1))] * (t < 20) + [sighting(400, rng, look=clothes(2))]
        for t in range(40)
    ]
    (track,) = tracked(frames, rng, max_people=1)
    assert np.nanmedian(middles(track)) == pytest.approx(400, abs=5)
    with pytest.raises(ValueError, match="at least one"):
        People("mediapipe33", max_people=0)


def test_people_are_numbered_as_they_appear():
    rng = np.random.default_rng(0)
    frames = [
        [sighting(400, rng, look=clothes(2))] * (t >= 15) + [sighting(100, rng, look=clothes(1))]
        for t in range(40)
    ]
    first, second = tracked(frames, rng)
    assert (first.id, second.id) == (0, 1)
    assert np.nanmedian(middles(first)) < np.nanmedian(middles(second))


@pytest.mark.parametrize("frames", [0, 5])
def test_nobody_is_no_error(frames):
    assert tracked([[]] * frames, np.random.default_rng(0)) == []


def test_one_frame_is_enough_of_a_photograph():
    rng = np.random.default_rng(0)
    (track,) = tracked([[sighting(200, rng)]], rng)
    assert track.frames == 1


def test_whom_to_follow():
    rng = np.random.default_rng(0)
    frames = [
        [sighting(90, rng, look=clothes(1), height=120)]
        + [sighting(325, rng, look=clothes(2), height=150)] * (t >= 10)
        + [sighting(560, rng, look=clothes(3), height=300)] * (t >= 5)
        for t in range(40)
    ]
    tracks = tracked(frames, rng)
    where = {
        who: round(float(np.nanmedian(middles(choose(tracks, who)))))
        for who in ("largest", "longest", "centre")
    }
    assert where == {"largest": 560, "longest": 90, "centre": 325}
    assert choose(tracks, 1) is tracks[1]
    with pytest.raises(ValueError, match="no person 9; there are 0, 1, 2"):
        choose(tracks, 9)
    with pytest.raises(ValueError, match="largest, longest, centre"):
        choose(tracks, "tallest")
    with pytest.raises(ValueError, match="nobody"):
        choose([])


def test_looks_tell_clothes_apart_whatever_the_light():
    rng = np.random.default_rng(0)
    person = sighting(100, rng, y=100, height=180, noise=0)

    def look(colour, light=1.0):
        frame = np.full((200, 200, 3), np.array(colour) * light, np.uint8)
        return look_of(frame, person.points, person.confidence, "mediapipe33")

    red, darker, blue = look((200, 40, 40)), look((200, 40, 40), 0.8), look((40, 40, 200))
    assert look_distance(red, red) == pytest.approx(0, abs=1e-6)
    assert look_distance(red, darker) < 0.5 * look_distance(red, blue)
    assert look_distance(red, None) is None
    hidden = np.zeros(33)
    assert look_of(np.zeros((9, 9, 3), np.uint8), person.points, hidden, "mediapipe33") is None


def test_filmed_people_who_cross_keep_their_numbers():
    """The whole of it, on the stage: two people in different clothes walk past each other."""
    pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    from kinema.capture.detectors import open_detector
    from kinema.scene import CameraPath, Motion, Scene
    from kinema.scene.skeleton import SMPL24
    from kinema.stage import photo_studio, random_actor, shoot

    frames, rng = 24, np.random.default_rng(2)
    lowered = SMPL24.rest.copy()
    for elbow, sign in ((18, 1), (19, -1)):
        for k, joint in enumerate((elbow, elbow + 2, elbow + 4)):
            lowered[joint] = lowered[elbow - 2] + [0.03 * sign, -(0.27, 0.52, 0.6)[k], 0.02]
    ways = np.stack([np.linspace(-1.3, 1.3, frames), np.linspace(1.3, -1.3, frames)])
    people = tuple(
        Motion(lowered + np.stack([way, 0 * way, 0 * way + depth], axis=1)[:, None], 10.0, SMPL24)
        for way, depth in zip(ways, (0.4, -0.5), strict=True)
    )
    c2w = np.diag([1.0, -1.0, -1.0, 1.0])
    c2w[:3, 3] = (0, 1.1, 4.2)
    camera = CameraPath.static(c2w, [300, 300, 160, 120], (320, 240), 10.0, frames)
    take = shoot(Scene(people, camera, 10.0), [random_actor(rng), random_actor(rng)], photo_studio(rng))
    with open_detector("mediapipe", people=2) as detector:
        seen = detector.detect(take.rgb)
    everybody = People("mediapipe33")
    everybody.add(seen)
    tracks = everybody.finish(10.0, (320, 240))
    assert len(tracks) == 2
    hips = take.keypoints[:, :, [1, 2], 0].mean(axis=2)
    for track in tracks:
        assert track.seen.sum() >= 14
        own = int(np.argmin(np.abs(hips[:, track.seen][:, 0] - middles(track)[track.seen][0])))
        assert np.median(np.abs(middles(track) - hips[own])[track.seen][-5:]) < 15
