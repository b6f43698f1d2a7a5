"""A user's own motions: folders with captions, HumanML3D's texts on AMASS files, and CMU's BVH conversion."""

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.data.humanml3d_set import open_humanml3d
from kinema.data.user_motions import open_motion_folder, read_user_motion
from kinema.scene.formats import FormatError, write_motion
from kinema.scene.formats.reading import AssumptionWarning
from kinema.scene.motion import Motion
from kinema.scene.skeleton import Skeleton


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    write_motion(tmp_path / "mine" / "walk.bvh", walk(40).translate([3, 0, 1]).rotate_y(70))
    write_motion(tmp_path / "mine" / "sub" / "turn.npz", walk(30, turn=1.0))
    return tmp_path / "mine"


CAPTIONS = {
    "captions.jsonl": '{"file": "walk.bvh", "captions": ["a person walks", "he walks"]}\n\n'
    '{"file": "sub/turn.npz", "caption": "she turns left", "split": "test", "licence": "CC0"}\n',
    "captions.csv": "file,caption,split,licence\nwalk.bvh,a person walks,,\nwalk.bvh,he walks,,\n"
    "sub/turn.npz,she turns left,test,CC0\n",
    "captions.txt": "# mine\nwalk.bvh | a person walks\nwalk.bvh: he walks\nsub/turn.npz\tshe turns left\n",
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_in_every_form(folder, name):
    (folder / name).write_text(CAPTIONS[name])
    library = open_motion_folder(folder)
    first, second = library
    assert (first.id, first.captions, first.split) == (
        "mine/walk.bvh",
        ("a person walks", "he walks"),
        "train",
    )
    assert second.captions == ("she turns left",)
    if name != "captions.txt":
        assert (second.split, second.licence) == ("test", "CC0")
    joints = first.joints()
    assert joints.shape == (first.length, 24, 3) == (40, 24, 3)
    assert np.abs(joints[0, 0, [0, 2]]).max() < 1e-4
    assert joints[-1, 0, 2] > 1.5, "it walks towards +Z"
    assert first.motion().duration == pytest.approx(first.seconds)


def test_captions_beside_the_files(folder):
    (folder / "walk.txt").write_text("a person walks\nhe walks\n")
    (clip,) = open_motion_folder(folder)
    assert clip.captions == ("a person walks", "he walks")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("captions.jsonl", "{oops", "line 1"),
        ("captions.jsonl", '{"file": "walk.bvh"}', "no caption"),
        ("captions.jsonl", '{"file": "../walk.bvh", "caption": "a"}', "outside"),
        ("captions.jsonl", '{"file": "gone.bvh", "caption": "a"}', "gone.bvh"),
        ("captions.jsonl", '{"file": "walk.bvh", "caption": "a", "split": "exam"}', "exam"),
        ("captions.csv", "name,text\n", "columns"),
        ("captions.txt", "walk.bvh a person walks", "line 1"),
        ("captions.txt", "walk.mp4: a person walks", "no motion file"),
        ("notes.md", "", "no captions"),
    ],
)
def test_mistakes_name_the_line(folder, name, content, words):
    (folder / name).write_text(content)
    with pytest.raises((FormatError, FileNotFoundError), match=words):
        open_motion_folder(folder)


@pytest.fixture
def humanml3d(tmp_path):
    """Four seconds of AMASS at 60 fps, cut as HumanML3D's index does."""
    (tmp_path / "amass" / "KIT" / "3").mkdir(parents=True)
    write_motion(tmp_path / "amass" / "KIT" / "3" / "walk_poses.npz", walk(81).resample(60), format="amass")
    texts = tmp_path / "texts_of"
    (texts / "texts").mkdir(parents=True)
    (texts / "index.csv").write_text(
        "source_path,start_frame,end_frame,new_name\n./pose_data/KIT/3/walk_poses.npy,20,60,000007.npy\n"
        "./pose_data/humanact12/x.npy,0,60,000008.npy\n"
    )
    (texts / "texts" / "000007.txt").write_text(
        "a man raises the left arm.#a/DET man/NOUN#0.0#0.0\nhe turns left#he/PRON#0.5#1.5\n"
    )
    (texts / "test.txt").write_text("000007\n")
    return texts, tmp_path / "amass"


def test_the_index_counts_at_20_fps_and_its_end_is_open(humanml3d):
    library = open_humanml3d(*humanml3d, mirrored=False)
    whole, part = library
    assert (whole.id, whole.split, whole.length) == ("humanml3d/000007", "test", 40)
    assert (part.id, part.length, part.captions) == ("humanml3d/000007@0.5-1.5", 20, ("he turns left",))
    expected = walk(81).crop(1.0, 2.95).align().joints
    assert np.abs(whole.joints() - expected).max() < 0.02
    assert not library.licensed("commercial")


def test_mirrored_entries_swap_sides_in_motion_and_text(humanml3d):
    library = {clip.id: clip for clip in open_humanml3d(*humanml3d)}
    plain, mirror = library["humanml3d/000007"], library["humanml3d/M000007"]
    assert mirror.captions == ("a man raises the right arm.",)
    assert mirror.joints()[-1, 0, 0] == pytest.approx(-plain.joints()[-1, 0, 0], abs=1e-3)
    assert np.abs(mirror.joints()[:, 20, 1] - plain.joints()[:, 21, 1]).max() < 1e-4


def test_bad_lines_and_missing_motions_are_said(humanml3d, tmp_path):
    texts, amass = humanml3d
    with pytest.raises(FileNotFoundError, match="none of the motions"):
        open_humanml3d(texts, tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"index\.csv"):
        open_humanml3d(amass, amass)
    (texts / "texts" / "000007.txt").write_text("a man walks#0.0#0.0\n")
    with pytest.raises(FormatError, match="line 1"):
        open_humanml3d(texts, amass)


def test_cmu_conversions_lose_their_t_pose_and_unit(tmp_path):
    """A tree with the joints of cgspeed's conversion, in its unit, first frame a T-pose at the origin."""
    cmu = _cmu_tree()
    rest = np.repeat(cmu.rest[None], 12, axis=0)
    rest[1:, :, 2] += np.linspace(0, 1, 11)[:, None]
    rest[0, :, 0] += 5.0
    path = tmp_path / "01_01.bvh"
    write_motion(path, Motion(rest, 30, cmu), unit="cgspeed")
    path.write_text(
        "\n".join(line.rstrip() for line in path.read_text().splitlines())
    )  # as if another wrote it
    with pytest.warns(AssumptionWarning, match="frame 0 is left out"):
        motion = read_user_motion(path)
    assert motion.frames == 11
    height = np.ptp(motion.joints[0, :, 1])
    assert 1.3 < height < 1.9
    assert np.linalg.norm(motion.joints[-1, 0] - motion.joints[0, 0]) == pytest.approx(1.0, abs=0.01)
    assert np.linalg.norm(motion.joints[0, 12] - motion.joints[0, 9]) > 0.02, "the thorax is put back"


def _cmu_tree() -> Skeleton:
    side = [("HipJoint", "Hips", (0, 0, 0)), ("UpLeg", "HipJoint", (0.09, -0.05, 0)), ("Leg", "UpLeg", (0, -0.4, 0)),
            ("Foot", "Leg", (0, -0.4, 0)), ("ToeBase", "Foot", (0, -0.05, 0.13)),
            ("Shoulder", "Spine1", (0, 0, 0)), ("Arm", "Shoulder", (0.17, 0, 0)), ("ForeArm", "Arm", (0.28, 0, 0)),
            ("Hand", "ForeArm", (0.18, 0, 0)), ("FingerBase", "Hand", (0, 0, 0)),
            ("HandIndex1", "FingerBase", (0.08, 0, 0))]  # fmt: skip
    bones = [("Hips", None, (0, 0.9, 0)), ("LowerBack", "Hips", (0, 0, 0)), ("Spine", "LowerBack", (0, 0.12, 0)),
             ("Spine1", "Spine", (0, 0.12, 0)), ("Neck", "Spine1", (0, 0, 0)), ("Neck1", "Neck", (0, 0.1, 0)),
             ("Head", "Neck1", (0, 0.1, 0))]  # fmt: skip
    middle = {name for name, _, _ in bones}
    for label, short, sign in (("Left", "L", 1), ("Right", "R", -1)):
        for name, parent, (x, y, z) in side:
            full = f"{short}HipJoint" if name == "HipJoint" else f"{label}{name}"
            above = (
                parent
                if parent in middle
                else f"{short}HipJoint"
                if parent == "HipJoint"
                else f"{label}{parent}"
            )
            bones.append((full, above, (sign * x, y, z)))
    names = [name for name, _, _ in bones]
    parents = [-1 if parent is None else names.index(parent) for _, parent, _ in bones]
    rest = np.zeros((len(bones), 3))
    for row, (_, _, offset) in enumerate(bones):
        rest[row] = np.array(offset) + (rest[parents[row]] if parents[row] >= 0 else 0)
    return Skeleton(tuple(names), tuple(parents), rest)
