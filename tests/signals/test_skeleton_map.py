"""Skeleton maps: the table of limbs and colours, order, confidence, people, and the plain reference."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinema.signals.raster import CAPSULE, ELLIPSE, TRIANGLE, paint
from kinema.signals.skeleton_map import COLOURS, HAND_EDGES, LIMBS, skeleton_map

SIZE = (160, 128)
NAMES = (
    "nose", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "r_hip", "r_knee",
    "r_ankle", "l_hip", "l_knee", "l_ankle", "r_eye", "l_eye", "r_ear", "l_ear",
)  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    """The benchmark's baseline: OpenCV, one limb, person and frame at a time."""
    path = Path(__file__).parents[2] / "benchmarks" / "control_maps.py"
    spec = importlib.util.spec_from_file_location("control_maps", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nobody(frames=1, people=1):
    return np.full((frames, people, 18, 2), np.nan)


def only(**points):
    keypoints = nobody()
    for name, place in points.items():
        keypoints[0, 0, NAMES.index(name)] = place
    return keypoints


def picture(keypoints, **options):
    return skeleton_map(keypoints, None, SIZE, **options)[0]


def colours_in(image):
    return {tuple(int(c) for c in colour) for colour in image.reshape(-1, 3)} - {(0, 0, 0)}


def test_the_table_of_limbs_is_the_public_one():
    one_based = (
        "2-3, 2-6, 3-4, 4-5, 6-7, 7-8, 2-9, 9-10, 10-11, 2-12, 12-13, 13-14, 2-1, 1-15, 15-17, 1-16, 16-18"
    )
    assert ", ".join(f"{a + 1}-{b + 1}" for a, b in LIMBS) == one_based
    assert len(COLOURS) == 18
    assert len(set(COLOURS)) == 18


@pytest.mark.parametrize("limb", range(17))
def test_each_limb_has_its_colour_at_its_place(limb):
    a, b = LIMBS[limb]
    image = picture(only(**{NAMES[a]: (40.5, 64.5), NAMES[b]: (120.5, 64.5)}))
    dimmed = tuple(round(0.6 * c) for c in COLOURS[limb])
    assert tuple(image[64, 80]) == dimmed
    assert tuple(image[64, 40]) == COLOURS[a]
    assert tuple(image[64, 120]) == COLOURS[b]
    assert colours_in(image) == {dimmed, COLOURS[a], COLOURS[b]}
    rows, columns = np.nonzero(image.any(axis=-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (63, 65, 39, 121)
    assert not image[63:66:2, 42].any()  # an ellipse, so thin near its ends


def test_right_and_left_differ():
    right = picture(only(neck=(80, 30), r_shoulder=(50, 30)))
    left = picture(only(neck=(80, 30), l_shoulder=(50, 30)))
    assert tuple(right[30, 65]) == (153, 0, 0)
    assert tuple(left[30, 65]) == (153, 51, 0)


def test_sizes_follow_the_height():
    for height, radius in ((512, 4), (256, 2), (128, 1), (64, 1)):
        keypoints = only(neck=(32.5, 32.5))
        drawn = skeleton_map(keypoints, None, (64, height))[0].any(axis=-1)
        assert drawn[32].sum() == drawn[:, 32].sum() == 2 * radius + 1
    assert picture(only(neck=(32.5, 32.5)), line_width=6)[32].any(axis=-1).sum() == 13


def test_later_limbs_and_joints_lie_on_top():
    cross = only(neck=(80.5, 10.5), r_hip=(80.5, 110.5), r_shoulder=(40.5, 60.5), r_elbow=(120.5, 60.5))
    image = picture(cross)
    assert tuple(image[60, 80]) == tuple(
        round(0.6 * c) for c in COLOURS[6]
    )  # the hip's limb comes after the arm
    joint_on_limb = only(r_hip=(60.5, 60.5), r_knee=(100.5, 60.5), nose=(80.5, 60.5))
    assert tuple(picture(joint_on_limb)[60, 80]) == COLOURS[0]


def test_limbs_of_all_people_lie_below_all_joints():
    first, second = only(nose=(80.5, 60.5)), only(r_ankle=(60.5, 60.5), r_knee=(100.5, 60.5))
    both = np.concatenate([first, second], axis=1)
    assert tuple(picture(both)[60, 80]) == COLOURS[0]
    assert tuple(picture(both[:, ::-1])[60, 80]) == COLOURS[0]


def test_low_confidence_and_nan_are_not_drawn():
    keypoints = only(neck=(80, 30), r_shoulder=(50, 30), l_shoulder=(110, 30))
    confidence = np.ones((1, 1, 18))
    confidence[0, 0, 2] = 0.29
    image = skeleton_map(keypoints, confidence, SIZE)[0]
    assert not image[:, :75].any()
    assert image[30, 95].any()
    assert skeleton_map(keypoints, confidence, SIZE, threshold=0.2)[0][30, 60].any()
    assert not skeleton_map(nobody(), None, SIZE).any()
    assert not skeleton_map(keypoints, confidence * 0, SIZE).any()


def test_people_are_drawn_alike(plain):
    two = plain.walking_people(3, 2, SIZE)
    together = skeleton_map(two, None, SIZE)
    apart = [skeleton_map(two[:, p : p + 1], None, SIZE) for p in range(2)]
    assert np.array_equal(together, np.maximum(*apart))  # they do not overlap
    assert apart[0].any()
    assert apart[1].any()


@pytest.mark.parametrize("size", [(768, 512), (384, 256)])
def test_agrees_with_plain_loops(plain, size):
    """Exact on keypoints; the plain one rounds limbs to whole pixels and degrees: edges differ."""
    keypoints = plain.walking_people(3, 2, size)
    keypoints[1, 0, 3] = np.nan
    ours, theirs = skeleton_map(keypoints, None, size), plain.plain_skeleton_map(keypoints, size)
    assert plain.same_picture(ours, theirs) > 0.85
    bright = np.array(COLOURS)
    for joint in range(18):
        a, b = (ours == bright[joint]).all(-1), (theirs == bright[joint]).all(-1)
        assert np.array_equal(a, b)


def test_face_and_hands():
    hands = np.full((1, 1, 2, 21, 2), np.nan)
    hands[0, 0, 0, :2] = (40.5, 60.5), (100.5, 60.5)
    image = picture(nobody(), hands=hands, line_width=2)
    assert tuple(image[60, 70]) == (255, 0, 0)  # hsv(0)
    assert tuple(image[60, 40]) == tuple(image[60, 100]) == (0, 0, 255)
    assert len(HAND_EDGES) == 20
    face = np.full((1, 1, 68, 2), np.nan)
    face[0, 0, 5] = (70.5, 60.5)
    over = picture(nobody(), hands=hands, face=face, line_width=4)
    assert tuple(over[60, 70]) == (255, 255, 255)
    assert (over == 255).all(axis=-1).sum(axis=1).max() == 7


def test_depth_style_draws_near_over_far_and_shades():
    arm = {"r_shoulder": (40.5, 60.5), "r_elbow": (120.5, 60.5)}
    leg = {"neck": (80.5, 10.5), "r_hip": (80.5, 110.5)}
    keypoints = only(**arm, **leg)
    depth = np.full((1, 1, 18), np.nan)
    for name in arm:
        depth[0, 0, NAMES.index(name)] = 2.0
    for name in leg:
        depth[0, 0, NAMES.index(name)] = 4.0
    image = picture(keypoints, style="depth", depth=depth)
    assert tuple(image[60, 80]) == tuple(round(0.6 * c) for c in COLOURS[2])  # the arm, although drawn first
    far = image[85, 80]
    assert far[1] == round(0.35 * 0.6 * 255)
    fixed = picture(keypoints, style="depth", depth=depth, depth_range=(4.0, 8.0))
    assert fixed[85, 80][1] == 153


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        (1, 2, 18, 2),
        elements=st.one_of(st.floats(-60, 200), st.just(np.nan), st.floats(-1e12, 1e12)),
    ),
    st.sampled_from([1, 3]),
)
def test_any_keypoints_draw_and_supersampling_keeps_the_brightness(keypoints, supersample):
    image = skeleton_map(keypoints, None, (48, 40), supersample=supersample)
    assert image.shape == (1, 40, 48, 3)
    if not np.isfinite(keypoints).all(axis=-1).any():
        assert not image.any()


def test_supersampling_is_the_mean_of_a_finer_drawing(plain):
    keypoints = plain.walking_people(2, 1, (96, 128))
    smooth = skeleton_map(keypoints, None, (96, 128), supersample=4, line_width=2.0).astype(float)
    fine = np.zeros((2, 128 * 8, 96 * 8, 1), np.uint8)
    # The sixth limb alone, as painted: compare coverage.
    ends = keypoints[:, :, LIMBS[7], :].reshape(2, 1, 4)
    shape = np.concatenate([ends, np.zeros((2, 1, 2))], axis=-1)
    coarse = paint(np.zeros((2, 128, 96, 1), np.uint8), ELLIPSE, shape, 2.5, 255, supersample=4)[..., 0] / 255
    paint(fine, ELLIPSE, shape * 8, 20.0, 1)
    exact = fine[..., 0].reshape(2, 128, 8, 96, 8).mean(axis=(2, 4))
    assert np.abs(coarse - exact).max() < 0.15
    assert abs(coarse.sum() - exact.sum()) < 0.02 * exact.sum()
    assert smooth.max() > 200


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, 6, elements=st.floats(-20, 60)), st.floats(0.6, 12))
def test_shapes_match_their_definitions(corners, radius):
    """Every painted pixel centre lies in the shape and no other: distances computed the plain way."""
    width, height = 40, 36
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    points = np.stack([x, y], axis=-1)
    a, b, c = corners.reshape(3, 2)

    def painted(kind):
        canvas = np.zeros((1, height, width, 1), np.uint8)
        return paint(canvas, kind, corners[None, None], radius, 1)[0, ..., 0].astype(bool)

    axis = b - a
    length = np.linalg.norm(axis)
    if length > 0.1:
        along = (points - (a + b) / 2) @ axis / length
        across = (points - (a + b) / 2) @ np.array([-axis[1], axis[0]]) / length
        level = (2 * along / length) ** 2 + (across / radius) ** 2
        clear = np.abs(level - 1) > 1e-6
        assert np.array_equal(painted(ELLIPSE)[clear], (level < 1)[clear])
    share = np.clip(((points - a) @ axis) / max(length**2, 1e-12), 0, 1)
    distance = np.linalg.norm(points - a - share[..., None] * axis, axis=-1)
    clear = np.abs(distance - radius) > 1e-6
    assert np.array_equal(painted(CAPSULE)[clear], (distance < radius)[clear])
    edges = [np.cross(np.append(q - p, 0), np.dstack([points - p, np.zeros_like(x)]))[..., 2]
             for p, q in ((a, b), (b, c), (c, a))]  # fmt: skip
    inside = np.all([e > 0 for e in edges], axis=0) | np.all([e < 0 for e in edges], axis=0)
    clear = np.min(np.abs(edges), axis=0) > 1e-6
    assert np.array_equal(painted(TRIANGLE)[clear], inside[clear])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((1, 18, 2))}, r"keypoints must have the shape \[any, any, 18, 2\]"),
        ({"confidence": np.zeros((1, 2, 18))}, r"confidence must have the shape \[1, 1, 18\]"),
        ({"size": (0, 10)}, "size must be"),
        ({"style": "pastel"}, "unknown style"),
        ({"style": "depth"}, "needs depth"),
        ({"line_width": -1.0}, "line_width"),
        ({"line_width": np.nan}, "line_width"),
        ({"supersample": 0}, "supersample"),
        ({"style": "depth", "depth": np.ones((1, 1, 18)), "depth_range": (2, 1)}, "depth_range"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"keypoints": np.zeros((1, 1, 18, 2)), "confidence": None, "size": SIZE} | change
    with pytest.raises(ValueError, match=message):
        skeleton_map(**arguments)
