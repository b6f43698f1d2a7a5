"""What a file does not say: unit, up, floor, rate, and the T-pose before the motion."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.scene.formats.array_cases import walker
from tests.scene.formats.motion_cases import assert_same, gentle_motion, random_motion

from kinema.scene.formats import FormatError, write_motion
from kinema.scene.formats.reading import UNITS, Assumption, Clip, Contents, MotionFile, MotionReading
from kinema.scene.formats.settling import settle
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton

TURNS = {  # our axes in those of a file whose up is so
    "z": ("x", 90),
    "-z": ("x", -90),
    "-y": ("x", 180),
    "x": ("z", -90),
    "-x": ("z", 90),
}


def settled(clip: Clip, *more: Clip, **words: object) -> MotionFile:
    return settle("clip", Contents("test", (clip, *more)), MotionReading(**words))


def said(file: MotionFile) -> list[str]:
    return [str(doubt) for doubt in file.doubts]


def standing(seed: int = 1, frames: int = 12) -> Motion:
    """A person with the lowest foot of the clip on the floor."""
    motion = gentle_motion(seed, frames)
    return motion.translate([0, -motion.joints[..., 1].min(), 0])


def in_place(motion: Motion) -> Motion:
    """The motion without its way across the floor."""
    way = (motion.joints[:, :1] - motion.joints[:1, :1]) * [1, 0, 1]
    return Motion(motion.joints - way, motion.fps, motion.skeleton, motion.rotations)


def unsaid(joints: np.ndarray, skeleton: Skeleton = SMPL24, **said: object) -> Clip:
    return Clip(joints, skeleton, **{"fps": 30.0, **said})


def turned(motion: Motion, axis: str, degrees: float, rest: bool = False) -> Clip:
    """A clip in other axes; with its rotations, about a rest pose that turned along or not."""
    turn = Rotation.from_euler(axis, degrees, degrees=True)
    matrix = turn.as_matrix().T
    joints = motion.joints @ matrix
    assert motion.rotations is not None
    rotations = motion.rotations.copy()
    skeleton = motion.skeleton
    if rest:
        rotations[..., 1:] = rotations[..., 1:] @ matrix
        skeleton = Skeleton(skeleton.names, skeleton.parents, skeleton.rest @ matrix)
    else:
        first = turn * Rotation.from_quat(rotations[:, 0], scalar_first=True)
        rotations[:, 0] = first.as_quat(scalar_first=True)
    return unsaid(joints, skeleton, rotations=rotations)


@pytest.mark.parametrize("unit", list(UNITS))
def test_the_unit_makes_a_person_of_the_figure(unit: str) -> None:
    motion = standing()
    file = settled(unsaid(motion.joints / UNITS[unit]))
    assert file.unit == unit
    np.testing.assert_allclose(file.scene.people[0].joints, motion.joints, atol=1e-9)
    said = next(str(each) for each in file.assumed if each.word == "unit")
    assert re.fullmatch(rf"unit: {unit}, the figure is then 1\.6\d m tall \(--unit\)", said)


@pytest.mark.parametrize(("metres", "doubted"), [(3.7, True), (2.4, False), (1.1, False), (0.92, True)])
def test_giants_and_children_in_centimetres(metres: float, doubted: bool) -> None:
    file = settled(unsaid(standing().joints * metres / 1.7 * 100))
    assert file.unit == "cm"
    assert bool(file.doubts) == doubted


def test_what_fits_no_figure_is_refused_unless_the_unit_is_given() -> None:
    joints = standing().joints * 5000
    with pytest.raises(FormatError, match=r"measures 8374 units, which is 0.3 to 4 m in none.*--unit 0.5"):
        settled(unsaid(joints))
    np.testing.assert_allclose(settled(unsaid(joints), unit=0.0002).scene.people[0].joints, joints / 5000)
    with pytest.raises(FormatError, match="no bones"):
        settled(unsaid(np.zeros((2, 1, 3)), Skeleton(("a",), (-1,), np.zeros((1, 3)))))


def test_a_unit_that_a_file_says_is_believed_if_it_makes_sense() -> None:
    joints = standing().joints
    assert settled(unsaid(joints * 3, unit=1.0, up="y")).doubts == ()
    fox = settled(unsaid(joints * 100, unit=1.0, up="y"))
    assert (fox.unit, said(fox)) == (
        "cm",
        ["unit: cm, not m as the file says; the figure is then 1.67 m tall (--unit)"],
    )
    assert settled(unsaid(joints * 100, unit=1.0, up="y"), unit="m").unit == "m"
    assert settled(unsaid(joints * 100, unit=1.0, up="y", grounded=True)).unit == "m"
    giant = settled(unsaid(joints * 1e4, unit=1.0, up="y"))
    assert (giant.unit, giant.doubts) == ("m", ())


def test_offsets_that_positions_replace_do_not_count() -> None:
    """The root's rest place is nobody's bone, nor is a chain that only carries the figure."""
    names, parents = ("world", "mover", *SMPL24.names), (-1, 0, *(p + 2 for p in SMPL24.parents))
    parents = tuple(1 if p == 1 else p for p in parents)
    rest = np.concatenate([[[0, 0, 0], [0, 900.0, 0]], SMPL24.rest * 100])
    joints = standing().joints * 100
    carried = np.concatenate([np.zeros((12, 1, 3)), np.full((12, 1, 3), 700.0), joints], axis=1)
    file = settled(unsaid(carried, Skeleton(names, parents, rest)))
    assert file.unit == "cm"
    assert file.doubts == ()


@pytest.mark.parametrize("up", list(TURNS))
@pytest.mark.parametrize("kind", ["rest turned along", "root turned", "positions"])
def test_another_axis_is_up(up: str, kind: str) -> None:
    motion = standing()
    clip = turned(motion, *TURNS[up], rest=kind == "rest turned along")
    if kind == "positions":
        clip = unsaid(clip.joints)
    file = settled(clip)
    assert (file.up, len(file.doubts)) == (up, 1)
    assert f"up: {up}, so the figure stands" in said(file)[0]
    np.testing.assert_allclose(file.scene.people[0].joints, motion.joints, atol=1e-9)
    if kind == "root turned":
        modelled = settled(replace(clip, upright=True)).scene.people[0]
        assert_same(modelled, motion)
        np.testing.assert_allclose(modelled.skeleton.rest, SMPL24.rest)
    if kind == "rest turned along":
        assert_same(file.scene.people[0], motion)
        np.testing.assert_allclose(file.scene.people[0].skeleton.offsets[1:], SMPL24.offsets[1:], atol=1e-9)
    kept = settled(clip, up="y", ground="keep")
    np.testing.assert_allclose(kept.scene.people[0].joints, clip.joints)


@pytest.mark.parametrize(("axis", "degrees"), [("x", -90), ("x", 90), ("z", 90), ("z", -90), ("x", 180)])
@pytest.mark.parametrize("height", [0.0, 0.5])
def test_who_lies_or_stands_on_the_head_is_not_turned(axis: str, degrees: float, height: float) -> None:
    if degrees == 180 and height:
        pytest.skip("nothing tells who hangs upside down in the air from a file with -y up")
    clip = turned(in_place(standing()), axis, degrees)
    joints = clip.joints - [0, clip.joints[..., 1].min() - height, 0] + [2.0, 0, -3.0]
    for rotations in (clip.rotations, None):
        file = settled(unsaid(joints, rotations=rotations), ground="keep")
        assert file.up == "y"
        assert "is up (--up)" in said(file)[0]
        np.testing.assert_allclose(file.scene.people[0].joints, joints)


def test_who_stands_before_lying_is_not_asked_about() -> None:
    lying = turned(standing(), "x", -90).joints
    lying = np.repeat(lying - [0, lying[..., 1].min(), 0], 8, axis=0)
    file = settled(unsaid(np.concatenate([standing().joints[:1], lying])))
    assert (file.up, file.doubts) == ("y", ())


def test_real_motions_are_turned_only_where_they_should(motion_library) -> None:
    turned_right = []
    for index in range(0, len(motion_library), len(motion_library) // 60):
        joints = motion_library[index].motion().joints
        assert settled(unsaid(joints)).up == "y"
        for up in ("z", "-y"):
            turn = Rotation.from_euler(*TURNS[up], degrees=True).as_matrix()
            file = settled(unsaid(joints @ turn.T))
            turned_right.append(file.up == up)
    assert np.mean(turned_right) > 0.95


@pytest.mark.parametrize("height", [-0.9, 0.4])
def test_feet_off_the_floor_are_put_on_it(height: float) -> None:
    clip = unsaid(standing().translate([0, height, 0]).joints)
    file = settled(clip)
    assert file.scene.people[0].joints[..., 1].min() == pytest.approx(0, abs=0.01)
    where = "above" if height > 0 else "below"
    size = abs(height)
    assert said(file)[0].startswith(
        f"floor: the lowest foot stands on it, in the file it is {size:.2f} m {where}"
    )
    np.testing.assert_allclose(settled(clip, ground="keep").scene.people[0].joints, clip.joints)
    assert settled(clip, ground="keep").doubts == ()
    assert settled(unsaid(clip.joints, grounded=True, up="y")).doubts == ()


def test_who_jumps_climbs_or_hangs_stays_where_the_file_has_them() -> None:
    times = np.arange(12)[:, None, None] / 30
    jump = standing().joints + np.array([0, 1.0, 0]) * (0.25 + 3.0 * times - 4.9 * times**2)
    stairs = standing().joints + np.array([0, 1.0, 0]) * times * 2
    for joints in (jump, stairs, standing().translate([0, 0.1, 0]).joints):
        file = settled(unsaid(joints))
        assert file.doubts == ()
        np.testing.assert_allclose(file.scene.people[0].joints, joints)
    low = settled(unsaid(standing().translate([0, 0.1, 0]).joints), ground="lowest").scene.people[0].joints
    assert low[..., 1].min() == pytest.approx(0, abs=0.01)


def test_people_of_one_file_share_unit_axes_and_floor() -> None:
    parent = turned(standing(), "x", 90).joints * 100 - [0, 0, 90]
    child = turned(standing(2), "x", 90).joints * 55 - [100, 0, 90]
    file = settled(unsaid(child, name="child"), unsaid(parent, name="parent"))
    assert (file.unit, file.up, file.names) == ("cm", "z", ("child", "parent"))
    heights = [np.ptp(person.joints[0, :, 1]) for person in file.scene.people]
    assert heights[0] / heights[1] == pytest.approx(0.55, abs=0.05)
    assert file.scene.people[1].joints[..., 1].min() == pytest.approx(0, abs=0.01)
    assert file.scene.people[0].joints[0, 0, 0] == pytest.approx(-1, abs=0.1)


def test_a_t_pose_before_the_motion_is_left_out() -> None:
    motion = standing(frames=20)
    hanging = motion.joints.copy()
    t_pose = SMPL24.rest[None] + motion.joints[0, 0] - SMPL24.rest[0] + [3.0, 0, 0]
    file = settled(unsaid(np.concatenate([t_pose, hanging])))
    assert file.scene.people[0].frames == 20
    assert said(file) == ["start: frame 0 is left out, it is a T-pose before the motion (--skip-frames)"]
    kept = settled(unsaid(np.concatenate([t_pose, hanging])), skip_frames=0)
    assert (kept.scene.people[0].frames, kept.doubts) == (21, ())
    assert settled(unsaid(np.repeat(t_pose, 5, axis=0)), ground="keep").scene.people[0].frames == 5


def test_rates_are_doubted_where_they_are_low_or_missing() -> None:
    joints = standing().joints
    assert said(settled(unsaid(joints, fps=None))) == ["rate: 30 fps, the file does not say (--source-fps)"]
    assert "2 fps" in said(settled(unsaid(joints, fps=2.0)))[0]
    assert settled(unsaid(joints, fps=2.0), source_fps=2.0).doubts == ()
    assert settled(unsaid(joints[:1], fps=2.0)).doubts == ()


def test_missing_joints_and_single_frames() -> None:
    joints = standing().joints * 1000
    joints[3] = np.nan
    joints[5:, [10, 15]] = np.nan
    file = settled(unsaid(joints, confidence=np.where(np.isnan(joints[..., 0]), 0.0, 1.0)))
    assert file.unit == "mm"
    np.testing.assert_allclose(file.scene.people[0].joints, joints / 1000)
    assert file.scene.people[0].confidence is not None
    assert settled(unsaid(joints[:1])).unit == "mm"


def test_any_tree_is_settled(tmp_path: Path) -> None:
    for seed in range(20):
        motion = random_motion(seed)
        write_motion(tmp_path / "a.bvh", motion)
        file = settled(unsaid(motion.joints, motion.skeleton), unit="m")
        assert file.up == "y"


def test_assumptions_are_one_line_each() -> None:
    assert str(Assumption("unit", "cm", "the figure is then 1.78 m tall")) == (
        "unit: cm, the figure is then 1.78 m tall (--unit)"
    )
    assert str(Assumption("", "decimal commas", "")) == "decimal commas"


def test_joints_relative_to_the_hips_stand_on_the_floor_in_each_frame() -> None:
    squat = np.repeat(SMPL24.rest[None], 60, axis=0)
    depth = 0.15 * (1 - np.cos(np.linspace(0, 2 * np.pi, 60)))
    legs = [
        SMPL24.index(f"{side}_{part}") for side in ("left", "right") for part in ("knee", "ankle", "foot")
    ]
    squat[:, legs, 1] += depth[:, None] * np.array([0.5, 1, 1] * 2)
    squat -= squat[:, :1]
    file = settled(unsaid(squat))
    assert said(file) == [
        "floor: the lowest foot of each frame stands on it, the hips never move, joints are relative to them (--ground)"
    ]
    joints = file.scene.people[0].joints
    assert np.abs(joints[..., 1].min(axis=1)).max() < 0.01
    assert np.ptp(joints[:, 0, 1]) == pytest.approx(0.3, abs=0.02)
    walking = squat + np.linspace(0, 1, 60)[:, None, None] * [0, 0, 1]
    assert not any("each frame" in doubt for doubt in said(settled(unsaid(walking))))


@pytest.mark.parametrize("blend", [1, 4])
def test_a_t_pose_that_is_blended_into_the_motion_is_left_out(blend: int) -> None:
    spread = np.concatenate([(1 - np.arange(blend) / blend) ** 2, 0.02 * np.sin(np.arange(40) / 10)])
    joints = np.repeat(SMPL24.rest[None], len(spread), axis=0)
    arms = [
        SMPL24.index(f"{side}_{part}") for side in ("left", "right") for part in ("elbow", "wrist", "hand")
    ]
    joints[:, arms, 1] -= 0.4 * (1 - spread[:, None])
    file = settled(unsaid(joints))
    assert file.scene.people[0].frames == 40
    left = "frame 0 is left out" if blend == 1 else "frames 0 to 3 are left out"
    assert any(left in doubt for doubt in said(file))


@pytest.mark.parametrize(("degrees", "levelled"), [(0, False), (10, False), (35, True), (75, False)])
def test_only_who_always_stands_tilted_is_levelled(degrees: float, levelled: bool) -> None:
    """A slight lean is a person's, and who is near the horizontal lies."""
    turn = Rotation.from_euler("y", 40, degrees=True) * Rotation.from_euler("x", degrees, degrees=True)
    file = settled(unsaid(walker().joints @ turn.as_matrix().T))
    assert any("levelled" in doubt for doubt in said(file)) == levelled


def test_who_bends_is_not_levelled() -> None:
    bent = walker().joints.copy()
    upper = [
        SMPL24.index(name)
        for name in SMPL24.names
        if not any(p in name for p in ("hip", "knee", "ankle", "foot"))
    ]
    turn = Rotation.from_euler("x", 50, degrees=True).as_matrix()
    bent[:, upper] = (bent[:, upper] - bent[:, :1]) @ turn.T + bent[:, :1]
    assert said(settled(unsaid(bent))) == []


def test_who_leans_into_a_run_is_not_levelled() -> None:
    """All the way the body leans, but the feet stay on the floor."""
    joints = walker().joints.copy()
    height = joints[..., 1:2] - joints[..., 1].min()
    joints += height * np.tan(np.radians(35)) * np.array([0.0, 0.0, 1.0])
    assert said(settled(unsaid(joints))) == []
