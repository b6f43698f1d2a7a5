"""Profiles against small ports of what reads or draws them in public code, each written here from its formulas."""

from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image
from tests.passes.shots import PICTURE, at_middle, named, shot

from kinema.passes.files import save_passes
from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.scail import line_style
from kinema.passes.shot import Shot
from kinema.signals.cylinder_map import cylinder_map


def passes(name, made, **options):
    return named(profile_of(name).passes(made, PassOptions(**options)))


# SCAIL: zai-org/SCAIL-Pose, render_3d/taichi_cylinder.py (render_whole) and NLFPoseExtract/nlf_render.py.

SMPL_OF_OPENPOSE = [15, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7]
LIMBS = [
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
]
ALONE = {
    (1, 2): (255, 0, 0),
    (1, 5): (0, 255, 255),
    (2, 3): (255, 85, 0),
    (3, 4): (255, 170, 0),
    (5, 6): (0, 170, 255),
    (6, 7): (0, 85, 255),
    (1, 8): (180, 255, 0),
    (8, 9): (0, 255, 0),
    (9, 10): (0, 255, 85),
    (1, 11): (0, 0, 255),
    (11, 12): (85, 0, 255),
    (12, 13): (170, 0, 255),
    (1, 0): (150, 150, 150),
}


def marched(joints, intrinsics, pixels, radius=21.5):
    """`render_whole` at some pixels, [N, 3]: sphere tracing through the distance to the nearest limb, in millimetres.

    joints: SMPL-24 in the camera, [24, 3]; pixels: centres, [N, 2].
    """
    points = joints[SMPL_OF_OPENPOSE]
    starts, stops = (points[[limb[end] for limb in LIMBS]] for end in (0, 1))
    colours = np.array([ALONE[limb] for limb in LIMBS]) / 300 + 0.15
    near = max(min(starts[:, 2].min(), stops[:, 2].min()), 0.1)
    far = min(max(starts[:, 2].max(), stops[:, 2].max()) + 6000, 20000)

    def distance(place):
        along = stops - starts
        share = np.clip(((place - starts) * along).sum(-1) / (along**2).sum(-1), 0, 1)
        away = np.linalg.norm(place - starts - share[:, None] * along, axis=-1) - radius
        return away.min(), away.argmin()

    fx, fy, cx, cy = intrinsics
    shown = np.zeros((len(pixels), 3))
    for number, (x, y) in enumerate(pixels):
        ray = np.array([(x - cx) / fx, (y - cy) / fy, 1.0])
        ray /= np.linalg.norm(ray)
        t = 0.1
        for _ in range(300):
            place = ray * t
            d, limb = distance(place)
            if d < 1e-3:
                step = 1e-3 * np.eye(3)
                normal = np.array([distance(place + e)[0] - distance(place - e)[0] for e in step])
                normal /= np.linalg.norm(normal)
                half = -ray - np.array([0, 0, 1.0])
                half /= np.linalg.norm(half)
                fade = np.clip(1 - (place[2] - near) / (far - 0.1), 0, 1)
                lit = colours[limb] * (0.3 + 0.7 * max(-normal[2], 0))
                shown[number] = (lit + 0.5 * max(normal @ half, 0) ** 32) * fade
                break
            if t > 10000:
                break
            t += max(d, 1e-4)
    return np.clip(shown, 0, 1) * 255


def test_cylinders_are_those_of_the_marched_field():
    made = shot((224, 128), frames=1, fps=16.0)
    joints = made.drawn().joints[:1]
    film = cylinder_map(joints, made.camera)
    pose = made.camera.w2c[0]
    local = 1000 * (joints[0, 0] @ pose[:3, :3].T + pose[:3, 3])
    rows, columns = np.nonzero(film[0].any(-1))
    chosen = np.random.default_rng(4).choice(len(rows), 150, replace=False)
    around = np.random.default_rng(5).integers(0, (128, 224), (100, 2))
    places = np.concatenate([np.stack([rows, columns], -1)[chosen], around])
    told = marched(local, made.camera.intrinsics[0], places[:, ::-1] + 0.5)
    ours = film[0, places[:, 0], places[:, 1]].astype(float)
    # At the rim a ray may pass between the marcher's last step and the limb.
    assert (np.abs(ours - told).max(-1) <= 2).mean() > 0.97


def test_a_joint_that_is_missing_draws_nothing():
    """`get_single_pose_cylinder_specs` leaves out limbs with a joint that was not found."""
    made = shot((224, 128), frames=1)
    joints = made.drawn().joints[:1].copy()
    joints[0, 0, 20] = np.nan  # left wrist: the forearm goes
    less = cylinder_map(joints, made.camera)
    whole = cylinder_map(made.drawn().joints[:1], made.camera)
    forearm = np.array(ALONE[6, 7]) / 300 + 0.15
    changed = (whole != less).any(-1)
    assert changed.any()
    hues = whole[changed].astype(float)
    assert (hues @ forearm / np.linalg.norm(hues, axis=-1) / np.linalg.norm(forearm) > 0.9).mean() > 0.9
    joints[:] = np.nan
    assert not cylinder_map(joints, made.camera).any()


def test_scail_draws_hands_thinner_than_dwpose():
    """pose_draw/draw_utils.py, `draw_handpose`: lines and points of min(max(min(H, W) // 300, 1), 2) pixels."""
    for size, thin in (((896, 512), 1), ((1280, 704), 2)):
        style = line_style(size)
        assert (style.limb, style.joint) == (4, 4)
        assert (style.hand_line, style.hand_point, style.face_point) == (thin, thin, thin)
        assert not style.swapped


def test_scail_draws_the_head_where_its_face_is_seen():
    """`draw_bodypose_augmentation(all_cheek_aug=True)`: limbs 13 to 16 at .6 of their colours; no eyes from behind."""
    front, back = shot((896, 512), 1, camera="static"), shot((896, 512), 5, camera="arc left 180deg")
    pose = passes("scail", front)["pose"]
    assert at_middle(front, pose, 0, 0, 14) == (51, 0, 153)  # nose to right eye
    assert at_middle(front, pose, 0, 15, 17) == (153, 0, 102)  # left eye to left ear
    x, y = back.drawn().keypoints[4, 0, 14].astype(int)
    film = passes("scail", back)["pose"]
    assert not (film[4, y - 1 : y + 2, x - 1 : x + 2] == (170, 0, 255)).all(-1).any()
    x, y = back.drawn().keypoints[4, 0, 17].astype(int)
    assert (film[4, y - 1 : y + 2, x - 1 : x + 2] == (255, 0, 85)).all(-1).any()  # ears are seen


# SCAIL-2: Comfy-Org/ComfyUI, comfy_extras/nodes_scail.py (_extract_mask_to_28ch: a channel is on above 225).

SCAIL_2 = {"blue": (0, 0, 1), "red": (1, 0, 0), "white": (1, 1, 1), "black": (0, 0, 0)}


def binary(film):
    on = film > 225
    return {name: (on == np.array(colour, bool)).all(-1) for name, colour in SCAIL_2.items()}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("kind", ["mp4", "lossless", "png"])
def test_identities_are_read_as_they_were_meant(tmp_path, replace, kind):
    made = shot((224, 128), frames=5, people=2)
    drawn = profile_of("scail-2").passes(made, PassOptions(replace=replace))
    save_passes(tmp_path / "out", drawn, 16.0, readme="", settings={}, kind=kind)
    told = binary(read(tmp_path / "out", "identities"))
    assert (told["blue"] == (made.person_ids == 1)).all()
    assert (told["red"] == (made.person_ids == 2)).all()
    assert (told["white" if replace else "black"] == (made.person_ids == 0)).all()


def read(folder, name):
    """Frames of a film, in any of the kinds it is written as."""
    if (folder / name).is_dir():
        return np.stack([np.asarray(Image.open(file)) for file in sorted((folder / name).glob("*.png"))])
    with av.open(str(next(folder.glob(f"{name}.m*")))) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


def test_masks_of_a_picture_gain_no_colours():
    """The picture is scaled to the film's size, smoothly; its masks are not."""
    source = shot((224, 128), 1)
    people = np.zeros((2, *PICTURE.shape[:2]), bool)
    people[0, 20:70, 10:40], people[1, 35:90, 30:70] = True, True
    made = Shot(source.scene, source.size, 1, picture=PICTURE, picture_people=people)
    told = binary(passes("scail-2", made)["reference_identities"])
    assert sum(mask.sum() for mask in told.values()) == 224 * 128
    assert not told["black"].any()


# Wan-Move: wan/modules/trajectory.py (create_pos_feature_map, replace_feature).


@pytest.mark.parametrize("follow", ["all", "people", "room"])
def test_every_path_begins_where_a_feature_is(follow):
    """A path that is hidden in frame 0 has the cell (-1, -1) there: the last cell's feature would be carried about."""
    made = shot((208, 128), frames=9, camera="arc left 60deg")
    found = passes("wan-move", made, extra={"follow": follow})
    tracks, seen = found["tracks"], found["visibility"]
    assert tracks.shape == (9, seen.shape[1], 2)
    assert np.isfinite(tracks).all()
    x, y = tracks[0].T
    assert (seen[0] & (x >= 0) & (y >= 0) & (x < 208) & (y < 128)).all()
    on_people = made.person_mask[0, y.astype(int), x.astype(int)]
    assert {
        "all": on_people.any() and not on_people.all(),
        "people": on_people.all(),
        "room": not on_people.any(),
    }[follow]


# UniAnimate-DiT: dwpose/util.py (draw_body_and_foot), run_align_pose.py (512x768, cv2.imwrite of the RGB drawing).


def test_unianimates_feet_are_limbs_17_and_18_of_its_table():
    """Limb i has colour i: the left foot's is that of the left ear, (255, 0, 85), the right foot's (170, 255, 255)."""
    made = shot((512, 768), frames=9)
    film = passes("unianimate", made)["pose"]
    keypoints, toes = made.drawn().keypoints[8, 0], made.drawn().toes[8, 0]
    middles = np.floor((keypoints[[13, 10]] + toes) / 2).astype(int)
    left, right = (film[8, y, x].tolist() for x, y in middles)
    assert left == [51, 0, 153]  # swapped and at .6
    assert right == [153, 153, 102]


@pytest.mark.parametrize(("size", "across"), [((512, 768), 8), ((720, 1080), 11)])
def test_unianimates_limbs_grow_with_the_video(size, across):
    """Semi-axes of 4 pixels at 512x768, whose drawing is resized to the video (inference script, `resize`)."""
    made = shot(size, frames=1)
    film = passes("unianimate", made)["pose"][0]
    hip, knee = made.drawn().keypoints[0, 0, [8, 9]]
    x, y = np.floor((hip + knee) / 2).astype(int)
    row = (film[y, x - 20 : x + 21] == film[y, x]).all(-1)
    assert abs(row.sum() - across) <= 2
