"""BVH: round trips, the many dialects, and broken files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.formats.exactly import exactly
from tests.scene.formats.motion_cases import (
    FEW,
    RATES,
    SEEDS,
    assert_same,
    damaged,
    gentle_motion,
    random_motion,
    read_or_refuse,
    refused,
    stretched,
)

from kinema.scene.formats import bvh, read_motion, read_motion_file, write_motion
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SKELETONS, SMPL24

ARM = """HIERARCHY
ROOT hips
{
\tOFFSET 0 0 0
\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
\tJOINT arm
\t{
\t\tOFFSET 0 10 0
\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\tEnd Site
\t\t{
\t\t\tOFFSET 0 5 0
\t\t}
\t}
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 90 0
"""


def read_text(path: Path, text: str, **options: object) -> Motion:
    path.write_text(text, encoding="utf-8")
    return exactly(path, **options)


def test_positions_follow_from_the_angles_in_file_order(tmp_path: Path) -> None:
    motion = read_text(tmp_path / "arm.bvh", ARM)
    assert motion.skeleton.names == ("hips", "arm", "arm_end")
    assert motion.fps == 30.0
    np.testing.assert_allclose(motion.joints[0], [[0, 0, 0], [0, 10, 0], [0, 15, 0]], atol=1e-9)
    # the root turns Y into -X; then the arm turns its Y into its Z, which the root leaves alone
    np.testing.assert_allclose(motion.joints[1], [[1, 2, 3], [-9, 2, 3], [-9, 2, 8]], atol=1e-9)


@pytest.mark.parametrize("order", ["XYZ", "ZYX", "YZX", "ZXY", "Y", "XZ"])
def test_any_channel_order(tmp_path: Path, order: str) -> None:
    angles = [10.0, -35.0, 70.0][: len(order)]
    channels = " ".join(f"{axis}rotation" for axis in order)
    text = (
        f"HIERARCHY\nROOT a {{ \nOFFSET 0 0 0\nCHANNELS {len(order)} {channels}\n"
        "End Site {\nOFFSET 1 2 3\n} }\nMOTION\nFrames: 1\nFrame Time: .01\n" + " ".join(map(str, angles))
    )
    motion = read_text(tmp_path / "a.bvh", text)
    wanted = Rotation.from_euler(order, angles if len(order) > 1 else angles[0], degrees=True)
    np.testing.assert_allclose(motion.joints[0, 1], wanted.apply([1, 2, 3]), atol=1e-9)


def test_position_channels_on_any_joint_replace_or_add(tmp_path: Path) -> None:
    text = ARM.replace("CHANNELS 3 Z", "CHANNELS 4 Yposition Z").replace("0 0 0\n1 2", "7 0 0 0\n1 2")
    text = text.replace("90 0 0 0 90 0", "90 0 0 7 0 90 0")
    np.testing.assert_allclose(read_text(tmp_path / "a.bvh", text).joints[0, 1], [0, 7, 0])
    np.testing.assert_allclose(read_text(tmp_path / "a.bvh", text, positions="add").joints[0, 1], [0, 17, 0])


@pytest.mark.parametrize(
    ("written", "fps"),
    [
        ("0.0083333", 120.0),
        (".0333", 30.0),
        ("0.0333667", 29.97),
        ("0.041708", 23.976),
        ("0.04", 25.0),
        ("0,04", 25.0),
    ],
)
def test_frame_time(tmp_path: Path, written: str, fps: float) -> None:
    motion = read_text(tmp_path / "a.bvh", ARM.replace("0.0333333", written))
    assert motion.fps == pytest.approx(fps, rel=2e-5)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_and_byte_order_mark(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "a.bvh"
    path.write_bytes(b"\xef\xbb\xbf" + ARM.replace("\n", ending).encode())
    np.testing.assert_array_equal(exactly(path).joints, read_text(tmp_path / "b.bvh", ARM).joints)


@FEW
@given(SEEDS, RATES, st.sampled_from(["ZXY", "XYZ", "YXZ"]), st.sampled_from([1.0, 0.01, "cgspeed", 40.0]))
def test_round_trip(tmp_path: Path, seed: int, fps: float, order: str, unit: float | str) -> None:
    motion = random_motion(seed, fps)
    bvh.write(tmp_path / "a.bvh", motion, order=order, unit=unit)
    read = read_motion(tmp_path / "a.bvh")
    assert_same(read, motion, millimetres=0.6)
    offsets = read.skeleton.offsets[[read.skeleton.names.index(name) for name in motion.skeleton.names]]
    np.testing.assert_allclose(offsets[1:], motion.skeleton.offsets[1:], atol=1e-5)


@FEW
@given(SEEDS)
def test_round_trip_of_positions_whose_bones_change_length(tmp_path: Path, seed: int) -> None:
    motion = stretched(random_motion(seed), seed)
    bvh.write(tmp_path / "a.bvh", motion)
    assert_same(read_motion(tmp_path / "a.bvh"), motion, rotations=False)


def test_without_stretching_the_error_is_reported(tmp_path: Path) -> None:
    motion = stretched(gentle_motion(0), 0)
    with pytest.warns(UserWarning, match=r"joints are up to [\d.]+ mm off"):
        bvh.write(tmp_path / "a.bvh", motion, stretch=False)
    assert (tmp_path / "a.bvh").read_text().count("Xposition") == 1


def test_named_skeletons_come_back_in_their_order(tmp_path: Path) -> None:
    for name, skeleton in SKELETONS.items():
        motion = random_motion(1, 30.0, skeleton, frames=2)
        bvh.write(tmp_path / f"{name}.bvh", motion)
        read = read_motion(tmp_path / f"{name}.bvh")
        assert read.skeleton.same_tree(skeleton)
        assert_same(read, motion)


def test_end_sites_survive(tmp_path: Path) -> None:
    motion = read_text(tmp_path / "a.bvh", ARM)
    bvh.write(tmp_path / "b.bvh", motion)
    assert "End Site\n\t\t{\n\t\t\tOFFSET 0.000000 5.000000" in (tmp_path / "b.bvh").read_text()
    assert_same(read_motion(tmp_path / "b.bvh"), motion)


def test_names_that_bvh_cannot_hold_are_replaced(tmp_path: Path) -> None:
    motion = random_motion(3, 30.0, SMPL24, frames=1)
    odd = ("left hip", "left\thip", "{", "", " ", *SMPL24.names[5:])
    odd_skeleton = type(SMPL24)(odd, SMPL24.parents, SMPL24.rest)
    bvh.write(tmp_path / "a.bvh", Motion(motion.joints, 30.0, odd_skeleton, rotations=motion.rotations))
    assert len(read_motion(tmp_path / "a.bvh").skeleton) == 24


def test_a_missing_joint_cannot_be_written(tmp_path: Path) -> None:
    joints = gentle_motion(0).joints.copy()
    joints[3, 5] = np.nan
    message = refused(lambda path: bvh.write(path, Motion(joints, 30.0, SMPL24)), tmp_path / "a.bvh")
    assert "'right_knee' is missing in frame 3" in message
    assert not (tmp_path / "a.bvh").exists()


@pytest.mark.parametrize("metres", [0.05, 0.6, 20.0, 150.0])
@pytest.mark.parametrize("unit", ["m", "cm", "inch", 0.3])
def test_figures_of_any_size_come_back_as_they_were(tmp_path: Path, metres: float, unit: str | float) -> None:
    """A mouse, a child, a dinosaur, a giant; lying on its back half a metre up."""
    joints = gentle_motion(1).joints * metres / 1.7
    joints = joints @ Rotation.from_euler("x", 90, degrees=True).as_matrix() + [3.0, 0.5, -2.0]
    motion = Motion(joints, 1.0, SMPL24)
    write_motion(tmp_path / "a.bvh", motion, unit=unit)
    file = read_motion_file(tmp_path / "a.bvh")
    assert file.assumed == ()
    assert file.unit == (unit if isinstance(unit, str) else f"{unit} m")
    assert_same(file.scene.people[0], motion, rotations=False)


def test_the_unit_is_hidden_where_others_see_white_space(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.bvh", gentle_motion(1), unit="cm")
    lines = (tmp_path / "a.bvh").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("Frame Time"))
    assert line.split() == ["Frame", "Time:", repr(1 / 30)]
    assert not line[len("Frame Time: ") + len(repr(1 / 30)) :].strip()
    assert [other for other in lines if other != line and other != other.rstrip()] == []


def test_skipped_frames(tmp_path: Path) -> None:
    assert read_text(tmp_path / "a.bvh", ARM, skip_frames=1).joints[0, 0].tolist() == [1, 2, 3]
    refused(lambda path: exactly(path, skip_frames=2), tmp_path / "a.bvh")


def test_as_smpl24(tmp_path: Path) -> None:
    motion = random_motion(5, 30.0, SKELETONS["cmu31"], frames=3)
    bvh.write(tmp_path / "cmu.bvh", motion)
    read = read_motion(tmp_path / "cmu.bvh", as_smpl24=True)
    assert read.skeleton.same_tree(SMPL24)
    knee = motion.joints[:, motion.skeleton.index("LeftLeg")]
    np.testing.assert_allclose(read.joints[:, SMPL24.index("left_knee")], knee, atol=1e-3)
    refused(lambda path: exactly(path, as_smpl24=True), tmp_path / "arm.bvh", ARM.encode())


def test_real_motions(tmp_path: Path, motion_library) -> None:
    for index in range(0, len(motion_library), len(motion_library) // 4):
        motion = motion_library[index].motion()
        bvh.write(tmp_path / "a.bvh", motion)
        read = read_motion(tmp_path / "a.bvh")
        assert_same(read, motion, rotations=False)
        bvh.write(tmp_path / "b.bvh", read)
        assert_same(read_motion(tmp_path / "b.bvh"), read)


def test_ten_thousand_frames_are_read_at_once(tmp_path: Path) -> None:
    bvh.write(tmp_path / "long.bvh", random_motion(0, 120.0, SKELETONS["cmu31"], frames=100))
    head, numbers = (tmp_path / "long.bvh").read_text().split("Frame Time")
    first, _, lines = numbers.partition("\n")
    text = f"{head.replace('Frames: 100', 'Frames: 10000')}Frame Time{first}\n{lines * 100}"
    (tmp_path / "long.bvh").write_text(text)
    started = time.process_time()
    read_motion(tmp_path / "long.bvh")
    assert time.process_time() - started < 3  # about 0.7 s on an idle core


DEEP = (
    "HIERARCHY\n"
    + "ROOT a0 {\nOFFSET 0 1 0\nCHANNELS 1 Xrotation\n"
    + "".join(f"JOINT a{n} {{\nOFFSET 0 1 0\n" for n in range(1, 6_000))
)
BROKEN = {
    "empty": (b"", "line 1: does not begin with HIERARCHY"),
    "blank": (b"\n\n  \n", "does not begin with HIERARCHY"),
    "junk": (bytes(range(256)) * 40, "byte 0: is no text"),
    "tree cut": (ARM[:190].encode(), "it may be truncated"),
    "no motion": (ARM[: ARM.index("MOTION")].encode(), "no line MOTION"),
    "no counts": (ARM[: ARM.index("Frames")].encode(), "no numbers after the line MOTION"),
    "short line": (ARM.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0").encode(), "line 19: 6 numbers"),
    "only line cut": (ARM[: ARM.index("\n1 2 3") - 6].encode(), "line 19: 6 numbers"),
    "no numbers": (ARM[: ARM.index("0 0 0 0 0 0 0 0 0")].encode(), "line 18: has no numbers"),
    "words below": (ARM.replace("Frames:", "Pictures:").encode(), "line 17: expected 'Frames: N'"),
    "nan": (ARM.replace("1 2 3", "1 nan 3").encode(), "line 20: 'nan' in column 2"),
    "infinite": (ARM.replace("1 2 3", "1 2 1e999").encode(), "line 20: '1e999' in column 3"),
    "far away": (ARM.replace("1 2 3", "1 2 1e30").encode(), "which is no length"),
    "word": (ARM.replace("1 2 3", "1 x 3").encode(), "line 20: 'x' in column 2"),
    "long word": (ARM.replace("1 2 3", "1 " + "x" * 10**6 + " 3").encode(), "line 20: 'xxx"),
    "no offset": (ARM.replace("\t\tOFFSET 0 10 0\n", "").encode(), "line 6: joint 'arm' has no OFFSET"),
    "short offset": (ARM.replace("OFFSET 0 10 0", "OFFSET 0 10").encode(), "line 8: OFFSET needs"),
    "nan offset": (ARM.replace("OFFSET 0 10 0", "OFFSET 0 nan 0").encode(), "line 8: OFFSET is not finite"),
    "two offsets": (ARM.replace("OFFSET 0 10 0", "OFFSET 0 1 0\nOFFSET 0 1 0").encode(), "line 9: a second"),
    "wrong channels": (ARM.replace("CHANNELS 3", "CHANNELS 4").encode(), "line 9: CHANNELS says 4"),
    "endless channels": (ARM.replace("CHANNELS 3", "CHANNELS 999999999").encode(), "line 9: CHANNELS says"),
    "odd channel": (ARM.replace("3 Zrotation", "3 Wrotation").encode(), "line 9: unknown channel"),
    "scale channel": (ARM.replace("3 Zrotation", "3 Xscale").encode(), "line 9: unknown channel"),
    "same channel": (ARM.replace("3 Zrotation", "3 Xrotation").encode(), "line 9: channel Xrotation appears"),
    "no channels": (ARM.replace("CHANNELS", "} CHANNELS").encode(), "line 5"),
    "root inside": (ARM.replace("JOINT arm", "ROOT arm").encode(), "line 6: ROOT inside another joint"),
    "joint outside": (ARM.replace("ROOT hips", "JOINT hips").encode(), "line 2: JOINT outside"),
    "nameless": (ARM.replace("JOINT arm", "JOINT").encode(), "line 6: JOINT without a name"),
    "open brace": (ARM.replace("\t\t{\n\t\t\tOFFSET", "\t\t\tOFFSET").encode(), "line 11: expected '{'"),
    "close brace": (ARM.replace("MOTION", "}\nMOTION").encode(), "line 16: '}' closes nothing"),
    "keyword": (ARM.replace("OFFSET 0 10 0", "OFFSETS 0 10 0").encode(), "line 8: expected a BVH keyword"),
    "deep": (DEEP.encode(), "more than 4096 joints"),
    "other file": (b"\x93NUMPY\x01\x00" + bytes(200), "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    assert message in refused(exactly, tmp_path / "broken.bvh", content)


def test_many_frames_of_many_still_joints_are_bounded(tmp_path: Path) -> None:
    joints = "".join(f"JOINT a{n} {{\nOFFSET 0 1 0\n}}\n" for n in range(4000))
    text = f"HIERARCHY\nROOT a {{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n{joints}}}\nMOTION\nFrames: 5000\n"
    content = (text + "Frame Time: .01\n" + "1\n" * 5000).encode()
    assert "frames of 4001 joints" in refused(exactly, tmp_path / "wide.bvh", content)


@FEW
@given(SEEDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    bvh.write(tmp_path / "a.bvh", random_motion(seed % 50))
    for part in range(4):
        content = damaged((tmp_path / "a.bvh").read_bytes(), seed + part)
        read = read_or_refuse(exactly, tmp_path / "b.bvh", content)
        assert read is None or isinstance(read, Motion)


def test_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unit='furlong'"):
        read_text(tmp_path / "a.bvh", ARM, unit="furlong")
    with pytest.raises(ValueError, match="unit=-1"):
        read_text(tmp_path / "a.bvh", ARM, unit=-1)
    with pytest.raises(ValueError, match="positions="):
        read_text(tmp_path / "a.bvh", ARM, positions="maybe")
    with pytest.raises(ValueError, match="unit='auto'"):
        bvh.write(tmp_path / "b.bvh", gentle_motion(0), unit="auto")
    with pytest.raises(ValueError, match="order="):
        bvh.write(tmp_path / "b.bvh", gentle_motion(0), order="XYX")
