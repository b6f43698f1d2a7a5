"""Profiles against small ports of what reads or draws them in public code, each written here from its formulas."""

from __future__ import annotations

import numpy as np
import pytest
from tests.passes.shots import at_middle, named, shot

from kinema.passes.profile import PassOptions, profile_of
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
    for size, radius in (((896, 512), 1), ((1280, 704), 2)):
        style = profile_of("scail").line_style(size)
        assert (style.limb, style.joint) == (4, 4)
        assert (style.hand_line, style.hand_point, style.face_point) == (radius, radius, radius)
        assert not style.swapped


# SCAIL-2: Comfy-Org/ComfyUI, comfy_extras/nodes_scail.py (_extract_mask_to_28ch).

SCAIL_2 = {"blue": (0, 0, 1), "red": (1, 0, 0), "white": (1, 1, 1)}


def binary(film):
    on = film > 225
    return {name: (on == np.array(colour, bool)).all(-1) for name, colour in SCAIL_2.items()}


@pytest.mark.parametrize("replace", [False, True])
def test_identities_are_read_as_they_were_meant(replace):
    made = shot((224, 128), frames=5, people=2)
    told = binary(passes("scail-2", made, replace=replace)["identities"])
    for number, name in ((1, "blue"), (2, "red")):
        assert (told[name] == (made.person_ids == number)).all()
    assert (told["white"] == (made.person_ids == 0)).all() if replace else not told["white"].any()


# VideoX-Fun: videox_fun/data/utils.py (process_pose_file, ray_condition), pipeline_wan2_2_fun_control.py (grouping).


def fun_rays(text, width, height, original=(1280, 720)):
    """`process_pose_file`, [F, H, W, 6]."""
    rows = np.array([[float(word) for word in line.split(" ")] for line in text.splitlines()[1:]])
    assert rows.shape[1] == 19
    lens = rows[:, 1:5].copy()
    taken, shown = original[0] / original[1], width / height
    if taken > shown:
        lens[:, 0] *= height * taken / width
    else:
        lens[:, 1] *= width / taken / height
    fx, fy, cx, cy = (lens * [width, height, width, height]).T[..., None, None]
    w2c = np.tile(np.eye(4), (len(rows), 1, 1))
    w2c[:, :3] = rows[:, 7:].reshape(-1, 3, 4)
    c2w = w2c[0] @ np.linalg.inv(w2c)
    c2w[0] = np.eye(4)
    j, i = np.mgrid[:height, :width] + 0.5
    towards = np.stack([(i - cx) / fx, (j - cy) / fy, np.ones((len(rows), height, width))], -1)
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    towards = np.einsum("fij,fhwj->fhwi", c2w[:, :3, :3], towards)
    moment = np.cross(np.broadcast_to(c2w[:, None, None, :3, 3], towards.shape), towards)
    return np.concatenate([moment, towards], -1)


@pytest.mark.parametrize("size", [(208, 112), (112, 208), (208, 128)])
@pytest.mark.parametrize("original", ["default", "own"])
def test_fun_reads_the_camera_as_it_is(size, original):
    made = shot(size, frames=9, camera="arc left 60deg then dolly in 1m")
    extra = {"original": original, "rays": "yes"}
    found = passes("wan-fun-camera", made, extra=extra)
    rays = fun_rays(found["camera"], *size, (1280, 720) if original == "default" else size)
    frames, height, width = rays.shape[:3]
    video = np.concatenate([np.repeat(rays[:1], 4, axis=0), rays[1:]])
    told = video.reshape(-1, 4, height, width, 6).transpose(4, 1, 0, 2, 3).reshape(24, -1, height, width)
    assert found["rays"].shape == told.shape == (24, (frames - 1) // 4 + 1, height, width)
    assert np.abs(found["rays"] - told).max() < 1e-5
    # As far as asset/Pan_Left.txt goes.
    lines = [line.split() for line in found["camera"].splitlines()[1:]]
    w2c = np.array([[float(word) for word in line[7:]] for line in lines]).reshape(-1, 3, 4)
    centres = -np.einsum("fji,fj->fi", w2c[:, :, :3], w2c[:, :, 3])
    assert np.linalg.norm(centres, axis=-1).max() == pytest.approx(1.5, rel=1e-4)


# ReCamMaster: inference_recammaster.py (Camera, get_relative_pose, __getitem__).


def test_recammaster_poses_are_what_its_code_makes_of_unreal_cameras():
    made = shot((128, 96), frames=9, camera="arc left 60deg then dolly in 1m")
    # The same cameras in camera_extrinsics.json: left-handed world, z up, centimetres; columns forward, right, up.
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    unreal = mirror @ made.camera.c2w @ np.array([[0, 1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    unreal[:, :3, 3] *= 100
    theirs = unreal[::4][:, :, [1, 2, 0, 3]]
    theirs[:, :3, 1] *= -1
    theirs[:, :3, 3] /= 100
    relative = np.linalg.inv(theirs[0]) @ theirs
    told = passes("recammaster", made)["camera"]
    assert told.shape == (3, 12)
    assert np.abs(told - relative[:, :3].reshape(-1, 12)).max() < 1e-5


# Wan-Move: wan/modules/trajectory.py (create_pos_feature_map, replace_feature), wan/wan_move.py.


@pytest.mark.parametrize("follow", ["all", "people", "room"])
def test_every_path_begins_where_a_feature_is(follow):
    """A path that is hidden in frame 0 would carry the feature of the last cell, index -1, about."""
    made = shot((208, 128), frames=9, camera="arc left 60deg")
    found = passes("wan-move", made, extra={"follow": follow})
    tracks, seen = found["tracks"], found["visibility"]
    assert tracks.dtype == np.float32
    assert seen.dtype == bool
    assert tracks.shape == (9, seen.shape[1], 2)
    assert np.isfinite(tracks).all()
    x, y = tracks[0].T
    assert (seen[0] & (x >= 0) & (y >= 0) & (x < 208) & (y < 128)).all()
    assert (
        made.person_mask[0, y.astype(int), x.astype(int)] == (follow == "people")
    ).all() or follow == "all"


# Time-to-Move: pipelines/utils.py (load_video_to_tensor), pipelines/wan_pipeline.py (> 0.5 in any channel is driven).


def test_what_is_driven_is_white():
    made = shot((128, 96), frames=5)
    found = passes("time-to-move", made)
    assert set(np.unique(found["mask"])) == {0, 255}
    assert ((found["mask"] / 255 > 0.5) == made.person_mask).all()
    assert (found["motion_signal"] == made.film).all()
    assert (passes("time-to-move", made, extra={"drive": "all"})["mask"] == 255).all()


# UniAnimate-DiT: dwpose/util.py (draw_body_and_foot), run_align_pose.py (cv2.imwrite of the RGB drawing).


def test_unianimate_is_blue_at_the_shoulders():
    made = shot((240, 416), frames=1, camera=None)
    film = passes("unianimate", made)["pose"]
    assert (
        np.abs(np.array(at_middle(made, film, 0, 1, 2)) - (0, 0, 153)).max() <= 12
    )  # neck to right shoulder
    assert np.abs(np.array(at_middle(made, film, 0, 0, 1)) - (153, 0, 0)).max() <= 12  # neck to nose


# SteadyDancer: preprocess/pose_align_withdiffaug.py and utils_aug.py (pose_aug_diff).


def test_steadydancers_negative_is_out_of_shape_round_the_neck():
    made = shot((256, 144), frames=5, camera=None)
    found = passes("steadydancer", made)
    assert found["positive"].shape == found["negative"].shape == (5, 144, 256, 3)
    neck = made.drawn().keypoints[:5, 0, 1]
    for t, (x, y) in enumerate(np.floor(neck).astype(int)):
        assert found["positive"][t, y, x].any()
        assert (found["positive"][t, y, x] == found["negative"][t, y, x]).all()
        assert (found["positive"][t] != found["negative"][t]).any()
    again = passes("steadydancer", made)
    assert (again["negative"] == found["negative"]).all()
    other = passes("steadydancer", made, extra={"seed": "1"})
    assert (other["positive"] == found["positive"]).all()
    assert (other["negative"] != found["negative"]).any()
