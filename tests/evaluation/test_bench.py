"""The control bench: edits that touch one factor alone, measurements that answer to their own, and the curves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.stand_ins import lossless_model
from torch import nn

from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.studio import Studio
from kinema.evaluation.metrics.disentanglement import gain
from kinema.evaluation.metrics.image import cielab
from kinema.evaluation.protocols import bench as bench_protocol
from kinema.evaluation.protocols import body_shapes, robustness
from kinema.evaluation.protocols.bench import Bench, table
from kinema.evaluation.protocols.bench_difference import people_by_difference
from kinema.evaluation.protocols.bench_features import changes, measure, measure_all
from kinema.evaluation.protocols.bench_palettes import palette
from kinema.evaluation.protocols.bench_set import (
    FACTORS,
    SHARES,
    between_actors,
    between_worlds,
    blended,
    factorial_set,
)
from kinema.evaluation.protocols.control_clips import choose_clips
from kinema.evaluation.protocols.control_joint import driven_by
from kinema.evaluation.protocols.staging import stage
from kinema.stage import photo_studio, random_actor

FORM = {"size": (96, 128), "fps": 12.0, "frames": 5}


@dataclass(frozen=True)
class StillCamera:
    """A judge that never sees the camera move."""

    name: str = "still"

    def watch(self, frames, people, studio, lens, start):
        return np.repeat(start[None], len(frames), axis=0)


@dataclass
class Memory:
    """Stands in for a generator: it knows the film that belongs to a reference picture and a scene."""

    films: dict = field(default_factory=dict)
    video_model: SimpleNamespace = field(default_factory=lambda: lossless_model(**FORM))
    drives: dict = field(default_factory=lambda: {"memory": frozenset({"pose", "camera"})})
    components: dict = field(default_factory=lambda: {"transformer": nn.Linear(2, 2)})

    def learn(self, film) -> None:
        self.films[self.key(film.reference, film.setting.scene)] = film.take.rgb

    def key(self, image, scene):
        return image.tobytes(), scene.people[0].joints.tobytes(), scene.camera.c2w.tobytes()

    def __call__(self, *, prompt, image, scene, frames, seed, **options):
        return SimpleNamespace(frames=self.films[self.key(image, scene)])


@pytest.fixture(scope="module")
def bases(motion_library):
    return factorial_set(motion_library, 2, seed=1, **FORM)


@pytest.fixture(scope="module")
def network():
    return KeypointNetworkJudge()


def test_edits_touch_one_factor_alone(bases):
    for base in bases:
        assert [len(base.edits[factor]) for factor in FACTORS] == [len(SHARES)] * len(FACTORS)
        for factor in ("pose", "camera", "seed"):
            for film in base.edits[factor]:
                np.testing.assert_array_equal(film.reference, base.film.reference)
        for film in base.edits["identity"]:
            clothed = base.film.take.part_ids * film.take.part_ids
            assert np.abs(film.take.rgb[clothed > 0].astype(int) - base.film.take.rgb[clothed > 0]).mean() > 1
        for film in base.edits["background"]:
            np.testing.assert_array_equal(film.take.part_ids, base.film.take.part_ids)
        for film in base.edits["camera"]:
            np.testing.assert_allclose(
                film.setting.camera.c2w[0], base.film.setting.camera.c2w[0], atol=1e-12
            )
        seeds = {film.setting.seed for film in (base.film, *base.edits["seed"])}
        assert len(seeds) == 1 + len(SHARES)


def test_factors_are_drawn_apart(bases, motion_library):
    again = factorial_set(motion_library, 1, seed=1, **FORM)[0]
    np.testing.assert_array_equal(again.film.take.rgb, bases[0].film.take.rgb)
    assert bases[0].clip_ids != bases[1].clip_ids


def test_blending_keeps_the_body_and_the_way(bases):
    motion = bases[0].film.setting.motion
    target = bases[1].film.setting.motion
    np.testing.assert_allclose(blended(motion, target, 0.0).joints, motion.joints, atol=0.02)
    half = blended(motion, target, 0.5)
    np.testing.assert_allclose(half.joints[:, 0, [0, 2]], motion.joints[:, 0, [0, 2]], atol=1e-9)
    np.testing.assert_allclose(half.bone_lengths(), motion.with_rotations().skeleton.bone_lengths, atol=1e-6)


def test_colours_go_from_one_to_the_other():
    rng = np.random.default_rng(0)
    actors, worlds = [random_actor(rng) for _ in range(2)], [photo_studio(rng) for _ in range(2)]
    assert between_actors(*actors, 0.0).outfit == actors[0].outfit
    assert between_actors(*actors, 1.0).outfit.shirt == pytest.approx(actors[1].outfit.shirt)
    assert between_worlds(*worlds, 1.0).floor == pytest.approx(worlds[1].floor)
    assert [prop.position for prop in between_worlds(*worlds, 1.0).props] == [
        p.position for p in worlds[0].props
    ]


def test_matrix_of_films_by_a_judge_that_sees_no_camera(
    bases, network, monkeypatch, tmp_path, motion_library_dir
):
    memory = Memory()
    for film in (film for base in bases for film in base.films):
        memory.learn(film)
    monkeypatch.setattr(bench_protocol, "load_system", lambda backbone, method: memory)
    monkeypatch.setattr(bench_protocol, "factorial_set", lambda *args, **options: list(bases))
    monkeypatch.setattr(bench_protocol, "JUDGES", (StillCamera(),))
    result = bench_protocol.evaluate_bench(bases=2, out=tmp_path, progress=False, library=motion_library_dir)
    figures = result["tokenmotion"]
    assert figures["gain"]["camera"] == 0  # nothing was seen
    assert figures["gain"]["identity"] > 0.8
    assert figures["gain"]["background"] > 0.5  # floor is taken for backdrop where the camera is wrong
    assert figures["gain"]["pose"] > 0.3
    assert figures["leak"]["identity"]["background"] == 0  # beyond the round trips, which are the same videos
    assert figures["leak_max"] == 0
    assert result["renderer"]["leak"]["seed"] == dict.fromkeys(result["renderer"]["leak"]["seed"], 0.0) | {
        "camera": None
    }
    assert "largest leak" in table(result)
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report["systems"]) == {"renderer", "roundtrip", "tokenmotion"}
    assert report["systems"]["tokenmotion"]["gain_intervals"]["identity"]["low"] > 0.5
    lines = table(result).splitlines()
    second = next(line for line in lines if line.startswith("  second judges"))
    assert second.split()[2:] == ["by", "difference", "by", "palette", "by", "palette"]
    assert f"({figures['gain']['identity by palette']:.2f})" in table(result)


def test_a_video_with_another_pose_or_dress_is_told_from_the_right_one(bases, network):
    base = bases[0]
    films = [base.film, base.film, base.film]
    videos = [base.film.take.rgb, base.edits["pose"][-1].take.rgb, base.edits["identity"][-1].take.rgb]
    right, posed, dressed = measure_all(videos, films, network, judges=(StillCamera(),))

    def size(measured, name):
        return np.sqrt(np.nanmean(np.square(measured.off[name])))

    assert size(posed, "pose") > 1.2 * size(right, "pose")
    assert size(dressed, "identity") > 3 * size(right, "identity")
    assert size(dressed, "background") < 0.5 + 1.5 * size(right, "background")


@pytest.fixture(scope="module")
def renders(bases, network):
    """All films, as they are, by a judge that sees no camera."""
    films = [film for base in bases for film in base.films]
    return measure_all([film.take.rgb for film in films], films, network, judges=(StillCamera(),))


@pytest.mark.parametrize("quantity", ["identity", "background"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_second_judges_read_how_far_an_edit_was_followed(bases, network, quantity, share):
    """Videos in which every edit is done by a share, pixel by pixel."""
    pairs = []
    for base in bases:
        films = [base.film, *base.edits[quantity]]
        videos = [
            ((1 - share) * base.film.take.rgb + share * film.take.rgb).astype(np.uint8) for film in films
        ]
        before, *after = measure_all(videos, films, network, judges=(StillCamera(),))
        pairs.append([changes(before, each, f"{quantity} by palette", own=True) for each in after])
    measured, intended = np.moveaxis(np.array(pairs), 2, 0)
    beta, r2 = gain(measured, intended)
    assert beta == pytest.approx(share, abs=0.1)
    assert share == 0 or r2 > 0.75


def test_second_judges_read_the_renderer_as_the_identity(bases, network, renders):
    matrix = Bench(bases, network, renders, renders).matrix(renders)
    for name, most in (("identity by palette", 0.2), ("background by palette", 0.05)):
        assert matrix.gains[name].value == pytest.approx(1.0, abs=0.05)
        assert matrix.r2[name] > 0.95
        leaks = {row: leak.value for (row, column), leak in matrix.leaks.items() if column == name}
        assert set(leaks) == set(FACTORS) - {name.split()[0]}
        assert max(leaks.values()) < most


def test_what_cannot_be_measured_on_the_round_trips_does_not_count(bases, network, renders):
    def with_colours_of_things(measured, colours):
        off = np.concatenate([measured.off["background"][:6], colours])
        return replace(measured, off=measured.off | {"background": off})

    steady = [with_colours_of_things(each, np.zeros(3)) for each in renders]
    rng = np.random.default_rng(0)
    stray = [with_colours_of_things(each, rng.normal(0, 40, 3)) for each in steady]
    hidden = [with_colours_of_things(each, np.full(3, np.nan)) for each in steady]
    leak = "seed", "background"
    assert Bench(bases, network, [], steady).matrix(stray).leaks[leak].value > 0.5
    assert Bench(bases, network, [], hidden).matrix(stray).leaks[leak].value == pytest.approx(0, abs=1e-6)
    assert Bench(bases, network, [], steady).matrix(hidden).leaks[leak].value == pytest.approx(0, abs=1e-6)


def test_the_two_judges_of_a_quantity_look_at_different_things(bases, network, renders):
    """Without exact parts, or with another camera found, the first judge changes its mind and the second does not."""
    film = bases[0].edits["camera"][-1]
    by_a_still_camera = renders[bases[0].films.index(film)]

    @dataclass(frozen=True)
    class Knowing(StillCamera):
        def watch(self, frames, people, studio, lens, start):
            return film.setting.camera.c2w

    def changed(other, name):
        return np.nanmax(np.abs(other.off[name] - by_a_still_camera.off[name]))

    partless = replace(film, take=replace(film.take, part_ids=np.zeros_like(film.take.part_ids)))
    other = measure(film.take.rgb, partless, network, (StillCamera(),))
    assert np.isnan(other.off["identity"]).all()
    assert not np.isnan(by_a_still_camera.off["identity"]).all()
    assert changed(other, "identity by palette") == changed(other, "background by palette") == 0
    knowing = measure(film.take.rgb, film, network, (Knowing(),))
    assert changed(knowing, "background") > 1
    # A wrong camera hides and shows some of the people that are found by difference.
    assert changed(knowing, "background by palette") < 0.2 * changed(knowing, "background")


def test_people_are_found_by_difference(bases):
    film = bases[0].film
    setting, take = film.setting, film.take
    path = setting.camera.resize(*FORM["size"])
    studio = Studio(setting.world, FORM["size"])

    def overlap(video, world=setting.world):
        found = people_by_difference(video, Studio(world, studio.size), path.c2w, path.intrinsics)
        return (found & take.person_mask).sum() / (found | take.person_mask).sum()

    assert overlap(take.rgb) > 0.8
    empty = np.stack([studio.view(*at).rgb for at in zip(path.c2w, path.intrinsics, strict=True)])
    assert not people_by_difference(empty, studio, path.c2w, path.intrinsics).any()
    repainted = bases[0].edits["background"][-1].take
    np.testing.assert_array_equal(repainted.person_mask, take.person_mask)
    assert overlap(repainted.rgb) > 0.8  # though the judge expects the room as it was
    bare = replace(setting.world, props=())
    assert overlap(stage(replace(setting, world=bare)).take.rgb) > 0.8  # or with its things


def test_a_palette_is_moved_by_a_wrong_colour_and_hardly_by_anything_else(bases, network):
    """Videos of one film's edits, all of them judged as if they were the film itself."""
    base = bases[0]
    videos = {factor: base.edits[factor][-1].take.rgb for factor in FACTORS[:4]}
    measured = measure_all(list(videos.values()), [base.film] * len(videos), network, judges=(StillCamera(),))
    for quantity in ("identity", "background"):
        off = {
            factor: np.sqrt(np.mean(np.square(each.off[f"{quantity} by palette"])))
            for factor, each in zip(videos, measured, strict=True)
        }
        own = off.pop(quantity)
        assert max(off.values()) < 0.25 * own


def test_a_palette_knows_above_from_below(bases, network):
    setting = bases[0].film.setting
    outfit = replace(
        setting.actor.outfit, shirt=(0.8, 0.1, 0.1), trousers=(0.1, 0.1, 0.7), skirt=0.0, coat=0.0
    )
    swapped = replace(outfit, shirt=outfit.trousers, trousers=outfit.shirt)
    film, other = (
        stage(replace(setting, actor=replace(setting.actor, outfit=worn))) for worn in (outfit, swapped)
    )
    right, wrong = measure_all(
        [film.take.rgb, other.take.rgb], [film, film], network, judges=(StillCamera(),)
    )
    off = [np.sqrt(np.mean(np.square(each.off["identity by palette"]))) for each in (right, wrong)]
    assert off[1] > 5 * off[0]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20), st.integers(0, 50))
def test_a_palette_knows_neither_place_nor_time(shift, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((3, 40, 60), bool)
    mask[:, 5:35, 10:25] = rng.random((3, 30, 15)) < 0.8
    colours = cielab(rng.integers(0, 256, (3, 40, 60, 3), np.uint8))
    found = palette(colours, mask)
    order = rng.permutation(3)
    moved = [np.roll(each[order], shift, axis=2) for each in (colours, mask)]
    np.testing.assert_allclose(palette(*moved), found, atol=1e-9)
    by_rank = found.reshape(2, 5, 3)
    assert (np.diff(by_rank, axis=1) >= 0).all()
    np.testing.assert_allclose(by_rank.mean((0, 1)), colours[mask].mean(0), atol=1.5)
    mask[0, 0, 0] = True  # a stray pixel moves no boundary
    np.testing.assert_array_equal(palette(colours, mask)[15:], found[15:])
    assert np.isnan(palette(colours, np.zeros_like(mask))).all()


def test_drives_come_back():
    pipe = Memory()
    with driven_by(pipe, frozenset({"camera"})):
        assert pipe.drives == {"memory": frozenset({"camera"})}
    assert pipe.drives == {"memory": frozenset({"pose", "camera"})}


@pytest.fixture(scope="module")
def takes(motion_library):
    return choose_clips(motion_library, 2, seed=0, **FORM)


@pytest.mark.parametrize("kind", robustness.STRENGTHS)
def test_mistakes_are_as_many_as_asked(takes, kind):
    strength = robustness.STRENGTHS[kind][1]
    for clip, scene in zip(takes, robustness.corrupted_scenes(takes, kind, strength), strict=True):
        motion, worse = clip.film.scene.people[0], scene.people[0]
        if kind in ("missing joints", "dropped frames"):
            assert (worse.confidence == 0).mean() == pytest.approx(strength, abs=0.15)
            np.testing.assert_array_equal(worse.joints, motion.joints)
        elif kind == "jitter":
            assert (worse.joints - motion.joints).std() == pytest.approx(strength, rel=0.2)
        else:
            changed = (worse.joints != motion.joints).any((1, 2))
            assert changed.sum() == round(strength * len(changed))
    again = robustness.corrupted_scenes(takes, kind, strength)[0].people[0]
    np.testing.assert_array_equal(
        again.joints, robustness.corrupted_scenes(takes, kind, strength)[0].people[0].joints
    )


def test_unknown_mistakes_are_refused(takes):
    with pytest.raises(ValueError, match="no corruption"):
        robustness.corrupted_scenes(takes, "sleep", 0.5)


def test_curves_of_a_generator_that_needs_nobody(takes, monkeypatch, tmp_path, motion_library_dir):
    class Careless(Memory):
        def key(self, image, scene):
            return image.tobytes()

    pipe = Careless()
    for clip in takes:
        pipe.films[clip.film.reference.tobytes()] = clip.video
    monkeypatch.setattr(robustness, "load_system", lambda backbone, method: pipe)
    curves = robustness.evaluate_robustness(
        clips=2, out=tmp_path, progress=False, library=motion_library_dir
    )["tokenmotion"]
    for kind, strengths in robustness.STRENGTHS.items():
        assert [point["strength"] for point in curves[kind]] == list(strengths)
        assert all(point["pck"] == curves["clean"]["pck"] for point in curves[kind])
    assert curves["shuffled"]["pck"] < curves["clean"]["pck"]
    assert "swapped people" in robustness.table({"tokenmotion": curves})
    assert (
        json.loads((tmp_path / "robustness.json").read_text())["adapters"]["tokenmotion"]["clean"]["pck"][
            "clips"
        ]
        == 2
    )


def test_bodies_differ_where_they_should(takes):
    skeleton = takes[0].film.scene.people[0].skeleton
    short = body_shapes.other_body(skeleton, "short legs")
    ratio = short.bone_lengths[1:] / skeleton.bone_lengths[1:]
    assert ratio[3] == pytest.approx(0.72)
    assert ratio[17] == pytest.approx(1.0)


def test_following_pixels_is_told_from_following_the_motion(takes, monkeypatch, tmp_path, motion_library_dir):
    bodies = list(body_shapes.BODIES)
    films = [body_shapes.mismatched(clip, bodies[number], number) for number, clip in enumerate(takes)]
    good, literal = Memory(), Memory()
    for character, driver in films:
        assert character.setting.scene.people[0] is driver.setting.motion
        good.learn(character)
        literal.films[literal.key(character.reference, character.setting.scene)] = driver.take.rgb
    pipes = {"good": good, "literal": literal}
    monkeypatch.setattr(body_shapes, "load_system", lambda backbone, method: pipes[method])
    result = body_shapes.evaluate_shapes(
        clips=2, adapters=["good", "literal"], out=tmp_path, progress=False, library=motion_library_dir
    )
    assert result["good"]["retargeting"] > 0.1 > 0 > result["literal"]["retargeting"]
    assert result["good"]["iou"] == result["roundtrip"]["iou"]
    assert result["literal"]["iou"] == result["driver"]["iou"]
    assert "limb_error" in body_shapes.table(result)
    assert (tmp_path / "shapes.json").is_file()


def test_the_stage_films_what_is_told_to_it(bases):
    film = bases[0].film
    np.testing.assert_array_equal(stage(film.setting).take.rgb, film.take.rgb)


def test_nothing_to_evaluate_is_said(motion_library):
    for evaluate in (
        bench_protocol.evaluate_bench,
        robustness.evaluate_robustness,
        body_shapes.evaluate_shapes,
    ):
        with pytest.raises(ValueError, match="at least one adapter"):
            evaluate(adapters=())
    with pytest.raises(ValueError, match="two bases"):
        Bench.prepare(motion_library, nn.Identity(), None, bases=1, **FORM)
