"""Conventions of SCAIL, SCAIL-2, UniAnimate-DiT, SteadyDancer, Wan-Fun-Camera, Wan-Move, ReCamMaster and Time-to-Move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.passes.shots import PICTURE, at_middle, named, shot

from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.scail_2 import COLOURS, coloured
from kinema.passes.shot import Shot
from kinema.passes.wan_fun_camera import pose_file
from kinema.signals.cylinder_map import ALONE, FIRST, LIMBS, RADIUS, SECOND, cylinder_map
from kinema.signals.grouped_rays import EXAMPLE_REACH
from kinema.signals.ray_map import ray_map

NECK, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, RIGHT_KNEE, LEFT_ANKLE = 1, 2, 5, 8, 9, 13


def made(name, what=None, **options):
    extra = {key: value for key, value in options.items() if key not in ("parts", "replace")}
    rest = {key: options[key] for key in ("parts", "replace") if key in options}
    given = PassOptions(extra=extra, **rest)
    profile = profile_of(name)
    profile.check_extra(given)
    return named(profile.passes(what or shot(), given))


class TestScail:
    def test_a_pixel_is_what_the_published_march_through_the_distance_field_gives(self):
        """render_3d/taichi_cylinder.py and nlf_render.py: radius 21.5 mm, c / 300 + .15, Blinn-Phong, fade with depth."""
        joints = np.full((1, 1, 24, 3), np.nan)
        start, end = np.array([-0.2, 0.1, 3.0]), np.array([0.3, -0.1, 2.6])
        joints[0, 0, 12], joints[0, 0, 17] = start, end  # neck to the right shoulder
        camera = replace_camera((64, 48), focal=60.0)
        film = cylinder_map(joints, camera)
        expected = np.zeros((48, 64, 3))
        for i in range(48):
            for j in range(64):
                expected[i, j] = marched(j, i, 1000 * start, 1000 * end, ALONE[0], camera.intrinsics[0])
        drawn = film[0].any(-1)
        assert (drawn == (expected.sum(-1) > 0)).mean() > 0.999
        assert np.abs(film[0].astype(int) - np.floor(expected * 255)).max() <= 3

    def test_near_limbs_hide_far_ones_and_two_people_have_palettes(self):
        joints = np.full((1, 2, 24, 3), np.nan)
        for person, depth in enumerate((3.0, 2.0)):
            joints[0, person, 12], joints[0, person, 17] = (-0.3, 0, depth), (0.3, 0, depth)
        camera = replace_camera((64, 48), focal=60.0)
        both = cylinder_map(joints, camera)[0, 24, 32].astype(float)
        near = joints.copy()
        near[:, 0] = np.nan
        assert np.abs(both - cylinder_map(near, camera)[0, 24, 32]).max() < 12  # the nearer, second person
        assert SECOND[0] == (255, 20, 20)
        assert FIRST[0] == (255, 150, 150)
        assert both[1] < 0.6 * both[0]
        assert len(ALONE) == len(FIRST) == len(SECOND) == len(LIMBS) == 13
        with pytest.raises(ValueError, match="colours for 2 people"):
            cylinder_map(np.zeros((1, 3, 24, 3)), camera)

    def test_limbs_of_a_scene_have_their_hues(self):
        seen = shot((896, 512), 1)
        pose = made("scail", seen)["pose"]
        red, green, blue = at_middle(seen, pose, 0, RIGHT_HIP, RIGHT_KNEE)  # bright green
        assert green > 1.5 * max(red, blue) > 0
        red, green, blue = at_middle(seen, pose, 0, NECK, LEFT_SHOULDER)  # cyan
        assert min(green, blue) > 1.5 * red

    def test_it_wants_a_scene_and_multiples_of_32(self):
        with pytest.raises(ValueError, match="multiples of 32"):
            profile_of("scail").form.check((848, 480), "scail")
        assert profile_of("scail").needs_scene
        assert profile_of("scail").form.shaped((300, 400)) == (512, 896)
        assert profile_of("scail").form.shaped((640, 480)) == (896, 512)


def replace_camera(size, focal):
    path = shot(size, 1).camera
    lens = np.array([[focal, focal, size[0] / 2, size[1] / 2]])
    return replace(path, c2w=np.eye(4)[None], intrinsics=lens)


def marched(x, y, a, b, colour, lens):
    """One pixel by sphere tracing, as the public kernel does it, at the middle of the pixel."""
    fx, fy, cx, cy = lens
    ray = np.array([(x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1.0])
    ray /= np.linalg.norm(ray)

    def distance(p):
        along = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        return np.linalg.norm(p - a - along * (b - a)) - RADIUS

    near, far = max(min(a[2], b[2]), 0.1), min(max(a[2], b[2]) + 6000, 20000)
    t = 0.1
    for _ in range(300):
        p = ray * t
        d = distance(p)
        if d < 1e-3:
            e = 1e-3 * np.eye(3)
            n = np.array([distance(p + e[k]) - distance(p - e[k]) for k in range(3)])
            n /= np.linalg.norm(n)
            light = np.array([0.0, 0.0, 1.0])
            half = -ray - light
            half /= np.linalg.norm(half)
            fade = np.clip(1 - (p[2] - near) / (far - 0.1), 0, 1)
            base = (np.array(colour) / 300 + 0.15) * (0.3 + 0.7 * max(n @ -light, 0))
            return np.clip((base + 0.5 * max(n @ half, 0) ** 32) * fade, 0, 1)
        if t > 10000:
            break
        t += max(d, 1e-4)
    return np.zeros(3)


class TestScail2:
    def test_people_are_blue_red_green_magenta_cyan_yellow(self):
        """SCAIL-2: exact colours; the driver's ground black and the picture's white, the other way round to replace."""
        assert COLOURS == ((0, 0, 255), (255, 0, 0), (0, 255, 0), (255, 0, 255), (0, 255, 255), (255, 255, 0))
        ids = np.array([[[0, 1, 2]]], np.uint8)
        assert coloured(ids, 0)[0, 0].tolist() == [[0, 0, 0], [0, 0, 255], [255, 0, 0]]
        assert coloured(ids, 255)[0, 0, 0].tolist() == [255, 255, 255]

    def test_grounds_change_places_where_somebody_is_replaced(self):
        seen = shot((64, 64), people=2)
        picture_people = np.zeros((2, *PICTURE.shape[:2]), bool)
        picture_people[0, :, :40], picture_people[1, :, 50:] = True, True
        seen = Shot(
            seen.source, seen.size, seen.frames, seen.fps, picture=PICTURE, picture_people=picture_people
        )
        for replaces, ground, other in ((False, 0, 255), (True, 255, 0)):
            passes = made("scail-2", seen, replace=replaces)
            nobody = seen.person_ids == 0
            assert (passes["identities"][nobody] == ground).all()
            assert (passes["identities"][seen.person_ids == 2] == (255, 0, 0)).all()
            assert passes["driving"] is seen.film
            middle = passes["reference_identities"][32]
            assert middle[2].tolist() == [0, 0, 255]
            assert middle[-2].tolist() == [255, 0, 0]
            assert (middle[32] == other).all()

    def test_without_masks_of_the_picture_it_says_so(self):
        assert "reference_identities" not in made("scail-2")
        assert "nobody was found" in profile_of("scail-2").notes(shot(), PassOptions())[0]


class TestUniAnimate:
    def test_skeletons_are_swapped_and_feet_have_its_colours(self):
        """run_align_pose.py writes an RGB drawing with cv2.imwrite; util.draw_body_and_foot: colours 18 and 19."""
        seen = shot((832, 480), 1)
        pose = made("unianimate", seen)["pose"]
        red, _, blue = at_middle(seen, pose, 0, NECK, RIGHT_SHOULDER)
        assert blue > 100 > red
        toes = seen.drawn().toes[0, 0]
        left, right = (tuple(pose[0, int(y), int(x)]) for x, y in toes)
        assert left == (255, 255, 170)
        assert right == (0, 255, 255)

    def test_the_first_skeleton_is_the_pictures(self):
        passes = made("unianimate")
        assert (passes["reference_pose"] == passes["pose"][0]).all()
        assert profile_of("unianimate").form.fps == 15


class TestSteadyDancer:
    def test_the_negative_is_the_same_skeleton_out_of_shape_about_the_neck(self):
        """utils_aug.py, pose_aug_diff: width by .6 to 1.4, size by .7 to 1.3, and the neck stays."""
        seen = shot((512, 288), 5)
        passes = made("steadydancer", seen)
        assert (passes["positive"] != passes["negative"]).any(axis=(1, 2, 3)).all()
        x, y = seen.drawn().keypoints[2, 0, NECK].astype(int)
        assert (passes["positive"][2, y, x] == passes["negative"][2, y, x]).all()
        assert (made("steadydancer", seen, seed="1")["negative"] != passes["negative"]).any()
        assert (made("steadydancer", seen)["negative"] == passes["negative"]).all()
        red, _, blue = at_middle(seen, passes["positive"], 0, NECK, RIGHT_SHOULDER)
        assert blue > red
        with pytest.raises(ValueError, match="seed is a whole number"):
            made("steadydancer", seen, seed="x")

    def test_folders_hold_numbered_jpegs(self, tmp_path):
        """generate_dancer.py reads FOLDER/0000.jpg and so on."""
        from kinema.passes.files import save_passes

        passes = profile_of("steadydancer").passes(shot(), PassOptions())
        save_passes(tmp_path / "out", passes, 16, readme="", settings={})
        names = sorted(each.name for each in (tmp_path / "out" / "positive").iterdir())
        assert names == [f"{k:04d}.jpg" for k in range(5)]
        read = np.asarray(Image.open(tmp_path / "out" / "negative" / "0003.jpg"))
        assert read.shape == (96, 128, 3)


class TestWanFunCamera:
    @pytest.mark.parametrize("size", [(832, 480), (480, 832), (1280, 720)])
    @pytest.mark.parametrize("original", ["default", "own"])
    def test_rays_are_those_of_the_public_reader(self, size, original):
        """videox_fun/data/utils.py: process_pose_file and ray_condition, written anew from the description."""
        seen = shot(size, 5, camera="arc left 60deg")
        text = made("wan-fun-camera", seen, original=original)["camera"]
        assert len(text.splitlines()) == 6
        rays = public_rays(text, size, (1280, 720) if original == "default" else size)
        path = seen.camera
        c2w = path.c2w.copy()
        away = c2w[:, :3, 3] - c2w[0, :3, 3]
        c2w[:, :3, 3] = away * EXAMPLE_REACH / max(np.linalg.norm(away, axis=1).max(), 0.5)
        expected = ray_map(replace(path, c2w=c2w), scale="raw").transpose(0, 2, 3, 1)
        assert np.abs(rays - expected).max() < 1e-5

    def test_without_the_correction_a_file_of_another_shape_is_read_wrongly(self):
        seen = shot((832, 480), 5)
        text = pose_file(seen.camera, None)
        assert (
            np.abs(
                public_rays(text, (832, 480), (1280, 720)) - public_rays(text, (832, 480), (832, 480))
            ).max()
            > 5e-3
        )

    def test_four_frames_lie_on_the_channels(self):
        """pipeline_wan2_2_fun_control.py: frame 0 four times, channel = component * 4 + time."""
        seen = shot((64, 32), 9)
        grouped = made("wan-fun-camera", seen, rays="yes")["rays"]
        assert grouped.shape == (24, 3, 32, 64)
        assert (grouped[0:4, 0] == grouped[0, 0]).all()
        reach = np.linalg.norm(made_positions(seen), axis=-1).max()
        assert reach == pytest.approx(EXAMPLE_REACH, rel=1e-5)

    def test_a_strength_that_is_none(self):
        for wrong in ("0", "x", "-1", "inf"):
            with pytest.raises(ValueError, match="strength is a number above 0"):
                made("wan-fun-camera", strength=wrong)


def made_positions(seen):
    rows = [line.split() for line in made("wan-fun-camera", seen)["camera"].splitlines()[1:]]
    w2c = np.array([[float(x) for x in row[7:]] for row in rows]).reshape(-1, 3, 4)
    return np.stack([-pose[:, :3].T @ pose[:, 3] for pose in w2c])


def public_rays(text, size, original):
    width, height = size
    rows = np.array([[float(x) for x in line.split()] for line in text.splitlines()[1:]])
    fx, fy, cx, cy = rows[:, 1:5].T
    if original[0] / original[1] > width / height:
        fx = fx * (height * original[0] / original[1]) / width
    else:
        fy = fy * (width / (original[0] / original[1])) / height
    w2c = np.tile(np.eye(4), (len(rows), 1, 1))
    w2c[:, :3] = rows[:, 7:].reshape(-1, 3, 4)
    c2w = np.linalg.inv(w2c)
    relative = np.linalg.inv(c2w[0]) @ c2w
    j, i = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = []
    for k in range(len(rows)):
        directions = np.stack(
            [(j - cx[k] * width) / (fx[k] * width), (i - cy[k] * height) / (fy[k] * height), np.ones_like(j)],
            -1,
        )
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        turned = directions @ relative[k, :3, :3].T
        rays.append(np.concatenate([np.cross(relative[k, :3, 3], turned), turned], -1))
    return np.stack(rays)


class TestReCamMaster:
    def test_poses_are_what_its_code_makes_of_unreals_file(self):
        """inference_recammaster.py: transpose, [1, 2, 0, 3], minus y, / 100, relative to the first, 3x4 rows."""
        seen = shot((128, 96), 9, camera="arc left 60deg")
        poses = made("recammaster", seen)["camera"]
        assert poses.shape == (3, 12)
        unreal = np.array(
            [[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]
        )  # columns right, down, forward in Unreal's axes
        mirror = np.diag([1.0, -1.0, 1.0])
        swap = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])  # a world with z up, by turning ours
        read = []
        for pose in seen.camera.c2w[::4]:
            world = np.eye(4)
            world[:3, :3] = (mirror @ swap @ pose[:3, :3]) @ np.linalg.inv(unreal)
            world[:3, 3] = 100 * mirror @ swap @ pose[:3, 3]
            columns = world[:, [1, 2, 0, 3]]
            columns[:3, 1] *= -1
            columns[:3, 3] /= 100
            read.append(columns)
        relative = np.stack([np.linalg.inv(read[0]) @ each for each in read])
        assert np.abs(poses - relative[:, :3].reshape(-1, 12)).max() < 1e-5

    def test_the_film_is_seen_by_a_camera_that_stands_still(self):
        seen = shot((128, 96), 5, camera="arc left 60deg")
        film = made("recammaster", seen)["source"]
        assert (film[0] == seen.film[0]).all()
        assert (film[-1] != seen.film[-1]).any()
        assert profile_of("recammaster").form.frames(40) == 81
        footage = shot((128, 96), 5, footage=True)
        assert made("recammaster", footage)["source"] is footage.footage.frames


class TestWanMove:
    def test_points_follow_what_they_show(self):
        seen = shot((208, 120), 9)
        passes = made("wan-move", seen)
        tracks, visible = passes["tracks"], passes["visibility"]
        assert tracks.shape == (9, len(visible[0]), 2)
        assert tracks.dtype == np.float32
        assert visible.dtype == bool
        assert visible[0].mean() > 0.95
        on_people = made("wan-move", seen, follow="people")["tracks"]
        x, y = on_people[0].astype(int).T
        assert seen.person_mask[0, y, x].all()
        rows = np.flatnonzero(made("wan-move", seen, follow="people")["visibility"][-1])
        assert len(rows)
        x, y = on_people[-1, rows].astype(int).T
        assert seen.person_mask[-1, y, x].mean() > 0.9
        assert passes["paths"].shape == seen.film.shape

    def test_footage_has_no_exact_points(self):
        with pytest.raises(ValueError, match="points of the stage"):
            made("wan-move", shot(footage=True))


class TestTimeToMove:
    def test_white_is_driven(self):
        """README.md of TTM: motion_signal.mp4, mask.mp4 (inside it the film is held longer), first_frame.png."""
        seen = shot((64, 64))
        passes = made("time-to-move", seen)
        assert (passes["mask"] == np.where(seen.person_mask, 255, 0)).all()
        assert passes["motion_signal"] is seen.film
        assert passes["first_frame"].shape == (64, 64, 3)
        assert (made("time-to-move", seen, drive="all")["mask"] == 255).all()
        guide = " ".join(profile_of("time-to-move").guide(PassOptions(extra={"drive": "all"})))
        assert "2 and 5 of 50" in guide
