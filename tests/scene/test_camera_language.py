"""What a camera text does: every sign by geometry, continuity, subjects who walk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.camera_language import camera_path, parse_camera, random_camera
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

FRAMES, FPS, SIZE = 25, 12.0, (96, 96)
CLIP = {"size": SIZE, "fps": FPS, "frames": FRAMES}
DISTANCE = 0.85 / np.tan(np.radians(20)) / (2 / 3)  # from which 1.7 m fill two thirds of 40 degrees
PIVOT = np.array([0.0, 0.85, 0.0])


def film(text: str, **options: object) -> CameraPath:
    return camera_path(text, **(CLIP | options))  # type: ignore[arg-type]


def relative(text: str, **options: object) -> np.ndarray:
    """The last pose seen from the first camera."""
    return film(text, **options).relative().c2w[-1]


def turn(axis: str, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]),
        "y": np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]),
        "z": np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]),
    }[axis]


def pixel(path: CameraPath, point: np.ndarray, frame: int = -1) -> np.ndarray:
    return path.project(point[None])[0][frame, 0]


def person(path_xz: np.ndarray, heading_degrees: float = 0.0, fps: float = FPS) -> Motion:
    """A stiff person, standing on the floor, moved along a path [T, 2]."""
    still = SMPL24.rest @ turn("y", heading_degrees).T
    still = still - [still[0, 0], still[:, 1].min(), still[0, 2]]
    joints = still[None] + np.stack([path_xz[:, 0], 0 * path_xz[:, 0], path_xz[:, 1]], axis=1)[:, None]
    return Motion(joints, fps, SMPL24)


def walker(speed: float = 1.2, heading_degrees: float = 0.0) -> Motion:
    seconds = np.arange(FRAMES) / FPS
    angle = np.radians(heading_degrees)
    return person(speed * seconds[:, None] * [np.sin(angle), np.cos(angle)], heading_degrees)


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("truck right 0.5m", (0.5, 0, 0)),
        ("truck left 0.5m", (-0.5, 0, 0)),
        ("pedestal up 0.5m", (0, -0.5, 0)),
        ("pedestal down 0.5m", (0, 0.5, 0)),
        ("dolly in 0.5m", (0, 0, 0.5)),
        ("dolly out 0.5m", (0, 0, -0.5)),
        ("motionctrl:pan left 0.5m", (-0.5, 0, 0)),
        ("motionctrl:pan up 0.5m", (0, -0.5, 0)),
        ("motionctrl:zoom in 0.5m", (0, 0, 0.5)),
        ("dolly in 50cm with truck right 0.5m with pedestal up 0.5m", (0.5, -0.5, 0.5)),
    ],
)
def test_translations(text: str, translation: tuple[float, float, float]) -> None:
    pose = relative(text)
    np.testing.assert_allclose(pose[:3, 3], translation, atol=1e-9)
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    ("text", "axis", "degrees"),
    [
        ("pan right 20deg", "y", 20),
        ("pan left 20deg", "y", -20),
        ("tilt up 20deg", "x", 20),
        ("tilt down 20deg", "x", -20),
        ("roll cw 20deg", "z", 20),
        ("roll ccw 20deg", "z", -20),
    ],
)
def test_rotations(text: str, axis: str, degrees: float) -> None:
    pose = relative(text)
    np.testing.assert_allclose(pose[:3, :3], turn(axis, degrees), atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], 0, atol=1e-9)


def test_what_a_turning_camera_sees() -> None:
    """Signs once more, by what happens in the picture."""
    assert pixel(film("pan right 10deg"), PIVOT)[0] < 40  # the subject goes left
    assert pixel(film("tilt up 10deg"), PIVOT)[1] > 56  # the subject goes down
    head = np.array([0, 1.35, 0])
    assert pixel(film("roll cw 20deg"), head)[0] < 43  # the camera leans right, the picture left


def test_zoom_multiplies_the_focal_lengths() -> None:
    for text, factor in (("zoom in 2x", 2), ("zoom out 2x", 0.5), ("zoom in 2x with zoom in 1.5x", 3)):
        path = film(text)
        np.testing.assert_allclose(path.intrinsics[-1, :2] / path.intrinsics[0, :2], factor)
        np.testing.assert_allclose(path.intrinsics[:, 2:], path.intrinsics[0, 2:][None].repeat(FRAMES, 0))
        np.testing.assert_allclose(path.c2w, path.c2w[:1].repeat(FRAMES, 0), atol=1e-12)


def test_arc_left_moves_the_camera_to_its_left_and_keeps_the_subject() -> None:
    for text, sign in (("arc left 60deg", -1), ("arc right 60deg", 1), ("orbit cw 60deg", -1)):
        path = film(text)
        radius = np.linalg.norm(path.positions - PIVOT, axis=1)
        np.testing.assert_allclose(radius, DISTANCE, rtol=1e-9)
        angle = np.degrees(np.arctan2(path.positions[:, 0], path.positions[:, 2]))
        np.testing.assert_allclose(angle, sign * np.linspace(0, 60, FRAMES), atol=1e-9)
        assert path.relative().c2w[1, 0, 3] * sign > 0  # its own left is -x
        np.testing.assert_allclose(path.project(PIVOT[None])[0], 48, atol=1e-9)


def test_arc_left_is_clockwise_from_above() -> None:
    path = film("arc cw 90deg")
    before, after = path.positions[0] - PIVOT, path.positions[-1] - PIVOT
    assert np.cross(before, after)[1] < 0  # clockwise as seen by someone above, looking down


def test_arc_with_pedestal_keeps_looking_at_the_subject() -> None:
    path = film("arc left 60deg with pedestal up 0.3m then hold 1s ease")
    np.testing.assert_allclose(path.project(PIVOT[None])[0], 48, atol=1e-9)
    held = path.c2w[12:]
    np.testing.assert_allclose(held, held[:1].repeat(len(held), 0), atol=1e-12)
    assert path.positions[-1, 1] == pytest.approx(0.85 + 0.3)


def test_crane_rises_and_keeps_looking() -> None:
    up, down = film("crane up 1m"), film("crane down 0.5m")
    np.testing.assert_allclose(up.positions[-1] - up.positions[0], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(down.positions[-1] - down.positions[0], [0, -0.5, 0], atol=1e-9)
    for path in (up, down):
        np.testing.assert_allclose(path.project(PIVOT[None])[0], 48, atol=1e-9)


@pytest.mark.parametrize(("text", "sign"), [("dolly-zoom in 1.5m", 1), ("dolly-zoom out 1.5m", -1)])
def test_dolly_zoom_keeps_focal_length_over_depth(text: str, sign: int) -> None:
    path = film(text)
    assert path.relative().c2w[-1, 2, 3] == pytest.approx(1.5 * sign)
    _, depth = path.project(PIVOT[None])
    np.testing.assert_allclose(path.intrinsics[:, 0] / depth[:, 0], path.intrinsics[0, 0] / depth[0, 0])
    assert (path.intrinsics[-1, 0] < path.intrinsics[0, 0]) == (sign > 0)
    beside = np.array([0.4, 1.25, 0])
    np.testing.assert_allclose(pixel(path, beside, 0), pixel(path, beside, -1), atol=1e-9)


def test_dolly_zoom_moves_along_with_a_walking_subject() -> None:
    subject = walker()
    path = film("dolly-zoom in 1m", subject=subject)
    _, depth = path.project(subject.joints[:, :1])
    ratio = path.intrinsics[:, 0] / depth[:, 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert depth[0, 0] - depth[-1, 0] == pytest.approx(1, abs=1e-3)


def test_dolly_zoom_into_the_subject_is_refused() -> None:
    with pytest.raises(ValueError, match="dolly-zoom needs the subject in front"):
        film("dolly-zoom in 9m")


def test_default_amounts_come_from_the_practice_ranges() -> None:
    for verb, low, high in (("pan left", 5, 45), ("tilt up", 5, 30), ("arc left", 15, 75)):
        assert low <= _angle(relative(verb)) <= high
    for verb in ("dolly in", "truck left", "pedestal up", "crane up"):
        assert 0.25 <= np.linalg.norm(relative(verb)[:3, 3]) / DISTANCE <= 1
    assert _angle(relative("slow pan left")) == pytest.approx(_angle(relative("pan left")) / 2)
    assert _angle(relative("fast pan left")) == pytest.approx(_angle(relative("pan left")) * 2)


def _angle(pose: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(pose[:3, :3]) - 1) / 2, -1, 1))))


@pytest.mark.parametrize(
    ("curve", "quarter"), [("linear", 0.25), ("ease", 0.15625), ("ease-in", 0.0625), ("ease-out", 0.4375)]
)
def test_speed_curves(curve: str, quarter: float) -> None:
    travel = film(f"dolly in 1m {curve}").relative().c2w[:, 2, 3]
    np.testing.assert_allclose(travel[[0, 6, 24]], [0, quarter, 1], atol=1e-9)
    assert (np.diff(travel) > 0).all()


def test_moves_take_the_seconds_they_are_given() -> None:
    travel = film("dolly in 1m over 1s with pan left 20deg").relative().c2w[:, 2, 3]
    np.testing.assert_allclose(travel[12:], 1)  # the step lasts 1 s, then the camera stands
    pans = film("pan left 20deg for 0.5s then pan right 20deg for 0.5s")
    np.testing.assert_allclose(pans.c2w[12:], pans.c2w[:1].repeat(13, 0), atol=1e-12)


@pytest.mark.parametrize("fps", [7.0, 12.0, 50.0])
def test_time_not_frames_decides(fps: float) -> None:
    text = "arc left 60deg then dolly in 1m ease then shaky hold 0.5s"
    frames = int(2 * fps) + 1
    coarse = film(text, fps=fps, frames=frames)
    fine = film(text, fps=fps * 4, frames=(frames - 1) * 4 + 1)
    np.testing.assert_allclose(coarse.c2w, fine.c2w[::4], atol=1e-9)


def test_trucks_stay_level_and_pans_keep_the_horizon_of_a_tilted_camera() -> None:
    start = look_at((0, 2, 3), (0, 0, 0))
    path = film("pan left 40deg then truck right 1m then pedestal up 1m", start=start)
    np.testing.assert_allclose(path.c2w[:, 1, 0], 0, atol=1e-12)
    assert path.positions[-1, 1] - path.positions[0, 1] == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_any_start_is_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = look_at(rng.normal(size=3) * 3, rng.normal(size=3))
    roll = np.eye(4)
    roll[:3, :3] = turn("z", rng.uniform(-180, 180))
    start = start @ roll
    for text in ("hold", "arc left 60deg", "crane up 1m", "follow tail", "shaky dolly in 1m"):
        np.testing.assert_allclose(film(text, start=start, subject=walker()).c2w[0], start, atol=1e-9)


def test_a_start_straight_down() -> None:
    start = look_at((0, 5, 0), (0, 0, 0))
    np.testing.assert_allclose(film("hold", start=start).c2w[-1], start, atol=1e-9)
    start = look_at((0, 0, 0), (0, 5, 0))
    np.testing.assert_allclose(film("hold", start=start).c2w[-1], start, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["none", "pan", "follow"]))
def test_random_paths_are_continuous(seed: int, tracking: str) -> None:
    rng = np.random.default_rng(seed)
    text = " then ".join(random_camera(rng).replace(" shaky", "") for _ in range(2))
    path = film(text, fps=240.0, frames=481, subject=walker(0.3), tracking=tracking)
    assert np.linalg.norm(np.diff(path.positions, axis=0), axis=1).max() < 0.12
    between = np.linalg.inv(path.c2w[:-1]) @ path.c2w[1:]
    assert max(_angle(pose) for pose in between) < 3
    assert np.abs(np.diff(np.log(path.intrinsics[:, 0]))).max() < 0.05


# --- the subject ---------------------------------------------------------------------------------------


def standing(heading_degrees: float = 0.0, at: tuple[float, float] = (0, 0)) -> Motion:
    return person(np.tile(np.array(at, dtype=float), (FRAMES, 1)), heading_degrees)


@pytest.mark.parametrize("heading", [0, 90, -135])
@pytest.mark.parametrize("fov", [25, 40, 70])
def test_default_framing_is_front_on_and_fills_two_thirds(heading: float, fov: float) -> None:
    subject = standing(heading, at=(1.0, -2.0))
    path = film("static", subject=subject, fov=fov, size=(192, 96))
    pixels, depth = path.project(subject.joints)
    left, right = SMPL24.names.index("left_hip"), SMPL24.names.index("right_hip")
    assert pixels[0, left, 0] > pixels[0, right, 0] + 1  # we see the face: the person's left is to our right
    np.testing.assert_allclose(depth[0, left], depth[0, right], rtol=1e-6)
    height = np.ptp(pixels[0, :, 1]) / 96
    assert 0.54 < height < 0.66  # of the joints; crown and soles make up the two thirds
    assert 0.7 < path.positions[0, 1] < 1.1  # about the hip
    np.testing.assert_allclose(pixels[0, 0, 0], 96, atol=1)


def test_fill_and_wide_arms() -> None:
    subject = standing()
    near, far = (film("static", subject=subject, fill=fill, size=(192, 96)) for fill in (0.8, 0.4))
    distance = [np.linalg.norm(path.positions[0, [0, 2]]) for path in (near, far)]
    assert distance[1] == pytest.approx(2 * distance[0])
    narrow = film("static", subject=subject, size=(48, 96))  # a T-pose in a portrait picture
    assert narrow.visible(subject.joints).all()


def test_a_jump_or_crouch_in_the_first_frame_does_not_move_the_camera() -> None:
    still = standing()
    joints = np.array(still.joints)
    joints[0, :, 1] += 0.4
    jump = Motion(joints, FPS, SMPL24)
    np.testing.assert_allclose(
        film("static", subject=jump).c2w[0], film("static", subject=still).c2w[0], atol=1e-2
    )


def test_missing_joints_are_survived() -> None:
    joints = np.array(walker().joints)
    joints[:3] = np.nan
    joints[5:8, 0] = np.nan
    joints[:, 22:] = np.nan
    path = film("arc left 30deg", subject=Motion(joints, FPS, SMPL24))
    assert np.isfinite(path.c2w).all()
    with pytest.raises(ValueError, match="no visible joint"):
        film("static", subject=Motion(np.full_like(joints, np.nan), FPS, SMPL24))


def test_an_arc_pivots_round_a_walking_subject() -> None:
    subject = walker()
    path = film("arc left 90deg", subject=subject)
    root = subject.joints[:, 0]
    flat = np.linalg.norm((path.positions - root)[:, [0, 2]], axis=1)
    np.testing.assert_allclose(flat, flat[0], rtol=0.02)
    assert np.abs(path.project(root[:, None])[0][:, 0, 0] - 48).max() < 1.5
    assert path.positions[-1, 0] < -2  # at its right side now, having gone to the camera's left


SHOTS = [
    ("follow lead", 0),
    ("follow tail", 180),
    ("follow side left", 90),
    ("follow side right", -90),
]


@pytest.mark.parametrize(("text", "azimuth"), SHOTS)
@pytest.mark.parametrize("heading", [0, 120])
def test_follow_shots_stand_where_they_say(text: str, azimuth: float, heading: float) -> None:
    subject = walker(heading_degrees=heading)
    path = film(text + " 3m", subject=subject)
    offset = path.positions - subject.joints[:, 0]
    np.testing.assert_allclose(np.linalg.norm(offset[:, [0, 2]], axis=1), 3, atol=0.05)
    angle = np.degrees(np.arctan2(offset[:, 0], offset[:, 2])) - heading - azimuth
    np.testing.assert_allclose((angle + 180) % 360 - 180, 0, atol=2)
    assert np.abs(path.project(subject.joints[:, :1])[0][:, 0, 0] - 48).max() < 1.5


def test_follow_side_left_sees_the_left_side() -> None:
    subject = walker()
    _, depth = film("follow side left", subject=subject).project(subject.joints)
    names = SMPL24.names
    assert (depth[:, names.index("left_shoulder")] < depth[:, names.index("right_shoulder")]).all()


def test_follow_turns_with_the_person() -> None:
    turning = np.array(standing().joints)
    for frame in range(FRAMES):
        turning[frame] = turning[frame] @ turn("y", 4.0 * frame).T
    path = film("follow tail", subject=Motion(turning, FPS, SMPL24))
    angle = np.degrees(np.arctan2(path.positions[:, 0], path.positions[:, 2]))
    np.testing.assert_allclose((angle - 180 - 4.0 * np.arange(FRAMES) + 180) % 360 - 180, 0, atol=6)


def test_follow_aerial_looks_down_from_above() -> None:
    subject = walker()
    path = film("follow aerial 4m", subject=subject)
    assert (path.positions[:, 1] > 3).all()
    assert (path.c2w[:, 1, 2] < -0.7).all()
    middle = subject.joints[:, :1] * [1, 0, 1] + [0, path.positions[0, 1] - 4 * np.sin(np.radians(50)), 0]
    assert np.abs(path.project(middle)[0] - 48).max() < 1.5


def test_follow_pan_and_tilt_stay_on_the_spot() -> None:
    subject = walker(heading_degrees=0.0)
    sideways = Motion(np.array(subject.joints)[..., [2, 1, 0]] * [1, 1, 1], FPS, SMPL24)
    path = film("follow pan", subject=sideways)
    np.testing.assert_allclose(path.positions, path.positions[:1].repeat(FRAMES, 0), atol=1e-12)
    assert np.abs(path.project(sideways.joints[:, :1])[0][:, 0, 0] - 48).max() < 1.5
    rising = np.array(standing().joints)
    rising[..., 1] += np.linspace(0, 1.5, FRAMES)[:, None]
    path = film("follow tilt", subject=Motion(rising, FPS, SMPL24))
    np.testing.assert_allclose(path.positions, path.positions[:1].repeat(FRAMES, 0), atol=1e-12)
    row = path.project(rising[:, :1])[0][:, 0, 1]
    assert np.ptp(row[FRAMES // 2 :]) < 4
    static_row = film("static", subject=Motion(rising, FPS, SMPL24)).project(rising[:, :1])[0][:, 0, 1]
    assert np.ptp(static_row) > 20


def test_follow_after_another_move_swings_round_without_a_jump() -> None:
    subject = person(np.stack([np.zeros(97), np.linspace(0, 8, 97)], axis=1), fps=12.0)
    path = film("pan left 30deg over 1s then follow tail", subject=subject, frames=97)
    assert np.linalg.norm(np.diff(path.positions, axis=0), axis=1).max() < 1
    offset = path.positions[-1] - subject.joints[-1, 0]
    assert offset[2] < -2
    assert np.abs(path.project(subject.joints[:, :1])[0][-20:, 0, 0] - 48).max() < 1.5


def test_tracking_keeps_a_walking_subject() -> None:
    subject = walker(heading_degrees=90, speed=2.0)
    crosswise = Motion(np.array(subject.joints), FPS, SMPL24)
    start = look_at((0, 1, 4), (0, 1, 0))
    column = {
        tracking: film("static", subject=crosswise, start=start, tracking=tracking).project(
            crosswise.joints[:, :1]
        )[0][:, 0, 0]
        for tracking in ("none", "pan", "follow")
    }
    assert column["none"][-1] > 120
    assert np.abs(column["pan"] - 48).max() < 2
    assert np.abs(column["follow"] - 48).max() < 2
    followed = film("static", subject=crosswise, start=start, tracking="follow")
    np.testing.assert_allclose(
        followed.c2w[:, :3, :3], followed.c2w[:1, :3, :3].repeat(FRAMES, 0), atol=1e-12
    )
    with pytest.raises(ValueError, match="tracking"):
        film("static", tracking="chase")


@pytest.mark.parametrize("heading", [0, 60])
def test_keep_in_frame_stands_further_back(heading: float) -> None:
    seconds = np.arange(FRAMES) / FPS
    subject = person(np.stack([1.5 * seconds, 0.8 * seconds], axis=1), heading)
    near, far = (film("static", subject=subject, keep_in_frame=keep) for keep in (False, True))
    assert not near.visible(subject.joints).all()
    assert far.visible(subject.joints).all()
    arc = film("arc left 60deg", subject=subject, keep_in_frame=True)
    assert np.linalg.norm(arc.positions[0]) < np.linalg.norm(far.positions[0])


def test_the_shaky_hand_is_small_and_decided_by_the_seed() -> None:
    still = film("hold")
    shaky, again, other = (film("hold shaky", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(shaky.c2w, again.c2w)
    assert np.abs(shaky.c2w - other.c2w).max() > 1e-3
    np.testing.assert_allclose(shaky.c2w[0], still.c2w[0], atol=1e-12)
    away = np.linalg.norm(shaky.positions - still.positions, axis=1)
    assert 0.003 < away.max() < 0.12
    assert 0.1 < max(_angle(pose) for pose in shaky.relative().c2w) < 5


def test_intrinsics_size_and_frames() -> None:
    path = film("static", size=(100, 60), fov=50, frames=1)
    assert path.frames == 1
    np.testing.assert_allclose(path.intrinsics[0], intrinsics_from_fov(50, (100, 60)))
    assert film(parse_camera("dolly in 1m")).frames == FRAMES  # type: ignore[arg-type]
    assert film("hold 2s then pan left", frames=1).frames == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames"),
        ({"frames": 10**9}, "frames"),
        ({"fill": 0.0}, "fill"),
        ({"fps": 0.0}, "fps"),
        ({"fov": 200}, "field of view"),
        ({"size": (0, 5)}, "size"),
        ({"start": np.eye(3)}, "c2w"),
        ({"start": np.eye(4) * 2}, "rotation"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        film("static", **options)
