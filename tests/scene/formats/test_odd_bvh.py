"""BVH as it is found: wrong counts and rates, commas, encodings, several figures, and files of many programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.scene.formats.exactly import AS_IT_IS, exactly
from tests.scene.formats.test_bvh import ARM

from kinema.scene.formats import FormatError, read_motion, read_motion_file
from kinema.scene.formats.reading import MotionFile

LINES = ARM.splitlines(keepends=True)
WHOLE = [[0, 0, 0], [0, 10, 0], [0, 15, 0]], [[1, 2, 3], [-9, 2, 3], [-9, 2, 8]]


def read(path: Path, content: str | bytes) -> MotionFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_motion_file(path, **AS_IT_IS)


def joints(file: MotionFile) -> np.ndarray:
    return file.scene.people[0].joints


def test_lines_that_frames_does_not_count_are_read(tmp_path: Path) -> None:
    more = read(tmp_path / "a.bvh", ARM + LINES[-1])
    np.testing.assert_allclose(joints(more), [*WHOLE, WHOLE[1]], atol=1e-9)
    assert [str(doubt) for doubt in more.doubts] == ["3 frames are there and read, 'Frames:' says 2"]
    fewer = read(tmp_path / "a.bvh", ARM.replace("Frames: 2", "Frames: 999999999"))
    np.testing.assert_allclose(joints(fewer), WHOLE, atol=1e-9)
    assert str(fewer.doubts[0]).endswith("says 999999999")
    for count in ("two", "0", "-2", "9" * 6000):
        assert len(joints(read(tmp_path / "a.bvh", ARM.replace("Frames: 2", f"Frames: {count}")))) == 2


@pytest.mark.parametrize("cut", ["0 90 0", "90 0 0 0 90 0", " 0"])
def test_a_last_line_cut_short_is_left_out(tmp_path: Path, cut: str) -> None:
    file = read(tmp_path / "a.bvh", ARM.rstrip().removesuffix(cut))
    np.testing.assert_allclose(joints(file), WHOLE[:1], atol=1e-9)
    assert str(file.doubts[0]) == "the last line is left out, it is cut short"
    assert joints(read(tmp_path / "a.bvh", ARM.rstrip() + "\n1 2 3 -")).shape == (2, 3, 3)


def test_numbers_spread_over_lines(tmp_path: Path) -> None:
    tree, numbers = ARM.split("0.0333333\n")
    for broken in (
        numbers.replace(" ", "\n"),
        numbers.replace("\n", " "),
        numbers.replace(" 0 0 ", "\n0 0 "),
    ):
        np.testing.assert_allclose(
            joints(read(tmp_path / "a.bvh", f"{tree}0.0333333\n{broken}")), WHOLE, atol=1e-9
        )


def test_decimal_commas_and_lists_with_commas(tmp_path: Path) -> None:
    points = ARM.replace("0 10 0", "0.5 10.25 0").replace("1 2 3 90 0", "1.5 2 3 90.0 0")
    wanted = joints(read(tmp_path / "a.bvh", points))
    commas = read(tmp_path / "a.bvh", points.replace(".", ","))
    np.testing.assert_array_equal(joints(commas), wanted)
    assert commas.scene.people[0].fps == 30
    assert str(commas.doubts[0]) == "decimal commas, 0,5 is read as 0.5"
    tree, numbers = points.split("0.0333333\n")
    for comma in (",", ", ", ";"):
        offset = comma.join(["0.5", "10.25", "0"])
        lists = tree.replace("0.5 10.25 0", offset) + "0.0333333\n" + numbers.replace(" ", comma)
        file = read(tmp_path / "a.bvh", lists)
        np.testing.assert_array_equal(joints(file), wanted)
        assert file.doubts == ()


@pytest.mark.parametrize(
    ("written", "fps", "said"),
    [
        ("30", 30, "must be frames per second"),
        ("29.97", 29.97, "must be frames per second"),
        ("120.0", 120, "must be frames per second"),
        ("33.333333", 30, "must be milliseconds"),
        ("8.3333", 120, "must be milliseconds"),
        ("1.0", 30, "is no time"),
        ("0", 30, "is no time"),
        ("-0.03", 30, "is no time"),
        ("nan", 30, "is no time"),
        ("0.00001", 30, "is no time"),
        ("1e9", 30, "is no time"),
        ("0.5", 2, "so the file says"),
    ],
)
def test_rates_that_cannot_be_meant(tmp_path: Path, written: str, fps: float, said: str) -> None:
    file = read(tmp_path / "a.bvh", ARM.replace("0.0333333", written))
    assert file.scene.people[0].fps == pytest.approx(fps)
    (doubt,) = file.doubts
    assert said in str(doubt)
    assert str(doubt).endswith("(--source-fps)")
    assert read_motion(tmp_path / "a.bvh", source_fps=50, **AS_IT_IS).fps == 50


def test_without_counts_the_numbers_tell(tmp_path: Path) -> None:
    file = read(tmp_path / "a.bvh", ARM.replace("Frame Time: 0.0333333\n", "").replace("Frames: 2\n", ""))
    np.testing.assert_allclose(joints(file), WHOLE, atol=1e-9)
    assert [str(doubt) for doubt in file.doubts] == ["rate: 30 fps, the file does not say (--source-fps)"]


@pytest.mark.parametrize(
    ("name", "encoding", "said"),
    [
        ("Fuß", "latin-1", "cp1252"),
        ("épaule", "latin-1", "cp1252"),
        ("左足首", "cp932", "cp932"),
        ("センター", "cp932", "cp932"),
        ("左脚踝", "gb18030", "gb18030"),
        ("左足首", "utf-8", ""),
        ("Fuß", "utf-16", ""),
        ("Fuß", "utf-16-le", ""),
        ("Fuß", "utf-16-be", ""),
    ],
)
def test_names_in_any_encoding(tmp_path: Path, name: str, encoding: str, said: str) -> None:
    file = read(tmp_path / "a.bvh", ARM.replace("arm", name).encode(encoding))
    assert file.scene.people[0].skeleton.names[1] == name
    assert [str(doubt) for doubt in file.doubts] == (
        [f"names in {said}, the file is no UTF-8"] if said else []
    )


def test_positions_that_are_zero_are_added_to_offsets(tmp_path: Path) -> None:
    text = ARM.replace("CHANNELS 3 Z", "CHANNELS 6 Xposition Yposition Zposition Z")
    text = text.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0 0 0 0 0").replace(
        "90 0 0 0 90 0", "90 0 0 0 0 0 0 90 0"
    )
    file = read(tmp_path / "a.bvh", text)
    np.testing.assert_allclose(joints(file), WHOLE, atol=1e-9)
    assert str(file.doubts[0]).endswith("(--positions)")
    assert exactly(tmp_path / "a.bvh", positions="replace").joints[0, 1].tolist() == [0, 0, 0]


def test_a_name_that_appears_twice_gets_a_number(tmp_path: Path) -> None:
    file = read(tmp_path / "a.bvh", ARM.replace("JOINT arm", "JOINT hips"))
    assert file.scene.people[0].skeleton.names == ("hips", "hips_2", "hips_2_end")
    assert "appears twice" in str(file.doubts[0])


def test_two_roots_are_two_people(tmp_path: Path) -> None:
    tree = ARM[ARM.index("ROOT") : ARM.index("MOTION")]
    text = ARM.replace("MOTION", tree.replace("hips", "Bob") + "MOTION")
    text = text.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0 0 5 0 0 0 0 0 0 0 0")
    text = text.replace("1 2 3 90 0 0 0 90 0", "1 2 3 90 0 0 0 90 0 1 2 3 90 0 0 0 90 0")
    file = read(tmp_path / "a.bvh", text)
    assert file.names == ("hips", "Bob")
    first, second = (person.joints for person in file.scene.people)
    np.testing.assert_allclose(first, WHOLE, atol=1e-9)
    np.testing.assert_allclose(second, [np.add(WHOLE[0], [5, 0, 0]), WHOLE[1]], atol=1e-9)
    np.testing.assert_array_equal(exactly(tmp_path / "a.bvh", person=1).joints, second)
    with pytest.raises(FormatError, match="person"):
        exactly(tmp_path / "a.bvh", person=2)


@pytest.fixture
def real_motions() -> Path:
    """Small motion files that nobody here wrote."""
    folder = REPOSITORY.parent / "shared" / "real_cases" / "motion"
    if not folder.is_dir():
        pytest.skip("the real files are not on this machine (../shared/real_cases)")
    return folder


REAL = {  # height of the highest joint, metres; frames; fps; unit; up; words of the notes
    "bandai1_bye_giant.bvh": (1.73, 142, 30, "cm", "y", []),
    "boxing_short.bvh": (1.71, 20, 100, "cm", "y", ["'Frames:' says 19"]),
    "comma_decimals_all.bvh": (1.73, 61, 120, "cm", "y", ["decimal commas"]),
    "ft_is_fps.bvh": (1.73, 61, 30, "cm", "y", ["must be frames per second"]),
    "truncated_last.bvh": (1.73, 60, 120, "cm", "y", ["cut short", "'Frames:' says 61"]),
    "two_roots.bvh": (1.73, 61, 120, "cm", "y", []),
    "threejs_pirouette3.bvh": (1.48, 2, 120, "cm", "y", ["floor: the lowest foot stands on it"]),
    "zup_dab.bvh": (1.46, 339, 30, "inch", "z", ["unit: inch", "up: z"]),
    "motive_new.bvh": (1.73, 61, 120, "cm", "y", []),
    "smpl_maya.bvh": (1.73, 61, 120, "cm", "y", []),
    "vroid_vrm.bvh": (1.73, 61, 120, "cm", "y", []),
    "mh_walk1.bvh": (1.59, 14, 24, "dm", "z", ["unit: dm", "up: z", "floor: the lowest foot stands on it"]),
    "bvhjl_DAZ3D.bvh": (1.86, 1, 100, "cm", "y", ["floor: the lowest foot stands on it"]),
}


@pytest.mark.parametrize("name", list(REAL))
def test_real_files(real_motions: Path, name: str) -> None:
    height, frames, fps, unit, up, notes = REAL[name]
    file = read_motion_file(real_motions / name)
    motion = file.scene.people[0]
    assert (motion.frames, motion.fps, file.unit, file.up) == (frames, fps, unit, up)
    said = [str(doubt) for doubt in file.doubts]
    assert len(said) == len(notes)
    assert all(note in line for note, line in zip(notes, said, strict=True))
    heights = motion.joints[..., 1]
    assert heights.max() == pytest.approx(height, abs=0.03)
    assert abs(heights.min()) < 0.02


def test_two_roots_of_a_real_file(real_motions: Path) -> None:
    file = read_motion_file(real_motions / "two_roots.bvh")
    assert len(file.scene.people) == 2
    first, second = (person.joints for person in file.scene.people)
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_a_missing_motion_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="the line MOTION is missing before 'Frames: 2'"):
        read(tmp_path / "a.bvh", ARM.replace("MOTION\n", ""))
