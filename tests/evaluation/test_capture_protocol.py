"""`kinema evaluate capture`: even designs, exact truth, and figures that count every failure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from kinema.capture.observation import Capture, PersonTrack
from kinema.evaluation.metrics.camera_error import relative_to_first
from kinema.evaluation.protocols import capture as protocol
from kinema.evaluation.protocols.capture_degrade import (
    STRENGTHS,
    Degradation,
    degradation_table,
    degradations,
)
from kinema.evaluation.protocols.capture_scores import (
    Lifted,
    dropped,
    exact_camera,
    exact_tracks,
    lifted_scores,
    seen_scores,
    video_of,
)
from kinema.evaluation.protocols.capture_takes import (
    FACTORS,
    INSIDE_LEAST,
    SECONDS,
    CaptureTake,
    Conditions,
    arrange,
    design,
    film_take,
)
from kinema.scene import Scene


class TestDesign:
    def test_every_level_is_filmed_as_often_as_it_is_named(self):
        conditions = design(64)
        for factor, levels in FACTORS.items():
            counts = Counter(getattr(condition, factor) for condition in conditions)
            for level, named in Counter(levels).items():
                assert abs(counts[level] - 64 * named / len(levels)) <= 1.01

    def test_pairs_are_nearly_evenly_crossed(self):
        conditions = design(64)
        for one, other in combinations(FACTORS, 2):
            counts = Counter((getattr(c, one), getattr(c, other)) for c in conditions)
            assert len(counts) == len(set(FACTORS[one])) * len(set(FACTORS[other]))

    def test_the_seed_decides(self):
        assert design(16, 3) == design(16, 3)
        assert design(16, 3) != design(16, 4)
        with pytest.raises(ValueError, match="at least one"):
            design(0)


def take_of(motion_library, people: str = "one", camera: str = "arc", occlusion: str = "none") -> CaptureTake:
    asked = Conditions(people, occlusion, camera, 12.0, (64, 64), "textured", "known")
    return film_take(motion_library.split("test"), asked, 3)


@pytest.fixture(scope="module")
def take(motion_library) -> CaptureTake:
    return take_of(motion_library)


@pytest.fixture(scope="module")
def crossing(motion_library) -> CaptureTake:
    return take_of(motion_library, "crossing", "static", "prop")


def perfect(take: CaptureTake) -> Capture:
    people = take.take.scene.people
    return Capture(
        Scene(people, take.camera, take.conditions.fps), tuple(exact_tracks(take)), exact_camera(take), {}
    )


class TestTakes:
    def test_every_take_of_the_protocol_can_be_filmed(self, motion_library):
        clips = motion_library.split("test")
        for number, conditions in enumerate(design(64)):
            scene, names, fov = arrange(clips, conditions, np.random.default_rng([0, number, 1]))
            assert len(scene.people) == len(set(names)) == (1 if conditions.people == "one" else 2)
            assert scene.camera.frames == scene.people[0].frames == round(SECONDS[scene.fps] * scene.fps) + 1
            assert 38 <= fov <= 55

    def test_are_as_asked(self, take):
        assert take.take.rgb.shape == (round(SECONDS[12.0] * 12) + 1, 64, 64, 3)
        pixels = take.take.keypoints[0]
        assert ((pixels >= 0) & (pixels < 64)).all(-1).mean(axis=1).min() >= INSIDE_LEAST
        assert np.degrees(2 * np.arctan(32 / take.camera.intrinsics[0, 1])) == pytest.approx(take.fov)
        assert np.ptp(take.camera.positions, axis=0).max() > 0.5
        assert video_of(take).focal == pytest.approx(take.camera.intrinsics[0, 1])

    def test_people_cross_in_the_picture(self, crossing):
        across = crossing.take.keypoints[0, :, 0, 0] - crossing.take.keypoints[1, :, 0, 0]
        assert across[0] * across[-1] < 0
        assert len(set(crossing.clips)) == 2

    def test_the_exact_camera_does_not_know_its_scale(self, take):
        told = exact_camera(take)
        truth = relative_to_first(take.camera.c2w)
        assert told.kind == "moving"
        assert np.allclose(told.c2w[:, :3, :3], truth[:, :3, :3])
        assert np.linalg.norm(told.c2w[-1, :3, 3]) == pytest.approx(2.5 * np.linalg.norm(truth[-1, :3, 3]))


class TestScores:
    def test_of_a_perfect_capture(self, crossing):
        made = perfect(crossing)
        seen = seen_scores(crossing, made)
        assert (seen["detection"], seen["id_switches"], seen["false_people"]) == (1, 0, 0)
        assert seen["pck"] == 1
        lifted = lifted_scores(crossing, Lifted(crossing.joints, crossing.camera))
        assert lifted["coverage"] == 1
        for name in ("mpjpe_mm", "pa_mpjpe_mm", "world_m", "camera_rotation_deg", "camera_m"):
            assert lifted[name] == pytest.approx(0, abs=1e-4)
        assert np.isnan(lifted["camera_direction_deg"])

    def test_of_people_exchanged_half_way(self, crossing):
        made = perfect(crossing)
        half = crossing.take.frames // 2
        one, other = made.tracks

        def swapped(a: PersonTrack, b: PersonTrack) -> PersonTrack:
            return replace(
                a,
                points=np.concatenate([a.points[:half], b.points[half:]]),
                confidence=np.concatenate([a.confidence[:half], b.confidence[half:]]),
                boxes=np.concatenate([a.boxes[:half], b.boxes[half:]]),
            )

        mixed = replace(made, tracks=(swapped(one, other), swapped(other, one)))
        assert seen_scores(crossing, mixed)["id_switches"] >= 2

    def test_of_nothing_at_all(self, take):
        seen = seen_scores(take, None)
        assert (seen["detection"], seen["pck"], seen["tracks"]) == (0, 0, 0)
        lifted = lifted_scores(take, None)
        assert lifted["coverage"] == 0
        assert np.isnan(lifted["pa_mpjpe_mm"])

    def test_another_world_is_no_error_of_poses(self, take):
        turn = np.eye(4)
        turn[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
        turn[:3, 3] = [3, 0, -2]
        joints = take.joints @ turn[:3, :3].T + turn[:3, 3]
        scores = lifted_scores(take, Lifted(joints, take.camera.transform(turn)))
        assert scores["mpjpe_mm"] == pytest.approx(0, abs=1e-6)
        assert scores["world_m"] == pytest.approx(0, abs=1e-6)
        smaller = lifted_scores(take, Lifted(0.5 * take.joints, take.camera))
        assert smaller["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-6)
        assert smaller["mpjpe_mm"] > 50

    def test_keypoints_drop_at_random(self, take):
        track = exact_tracks(take)[0]
        fewer = dropped(track, 0.5, np.random.default_rng(0))
        lost = (fewer.confidence == 0) & (track.confidence > 0)
        assert 0.35 < lost.mean() < 0.65
        assert np.isnan(fewer.points[lost]).all()


def judged(take: CaptureTake, failed: bool = False, seconds: float = 1.0) -> protocol.Judged:
    made = None if failed else perfect(take)
    lifted = None if failed else Lifted(take.joints, take.camera)
    scores = seen_scores(take, made)
    for suffix in ("", "@exact_camera", "@exact"):
        scores |= {f"{name}{suffix}": value for name, value in lifted_scores(take, lifted).items()}
    from kinema.evaluation.protocols.capture_scores import take_facts

    kind = "failed" if failed else "moving"
    return protocol.Judged(take_facts(take), scores, seconds, seconds, kind, (), "nobody" if failed else "")


class TestSummary:
    def test_failures_are_counted_and_lower_the_figures(self, take, crossing, tmp_path):
        results = [judged(take), judged(crossing), judged(take, failed=True, seconds=3.0)]
        figures = protocol.summarise(results)
        assert (figures["takes"], figures["failed"]) == (3, 1)
        assert figures["detection"] == pytest.approx(2 / 3, abs=1e-3)
        assert figures["pck"] == pytest.approx(2 / 3, abs=1e-3)
        assert figures["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
        assert figures["coverage"] == pytest.approx(2 / 3, abs=1e-3)
        assert figures["fps"] == pytest.approx(3 * take.take.frames / 5, abs=0.01)
        assert figures["floors"]["exact"]["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
        assert figures["one_unoccluded"]["takes"] == 2
        assert figures["conditions"]["people"]["crossing"]["takes"] == 1
        assert {"camera_rotation_deg", "id_switches", "mpjpe_mm", "foot_slide"} <= figures.keys()
        json.dumps(figures, allow_nan=False)
        assert "nobody" in protocol.table(results)
        protocol.write_report(tmp_path / "out" / "capture.json", {"takes": 3}, figures, results)
        report = json.loads((tmp_path / "out" / "capture.json").read_text())
        assert len(report["takes"]) == 3
        assert report["intervals"]["detection"]["clips"] == 3
        assert report["intervals"]["pa_mpjpe_mm"]["missing"] == 1

    def test_the_whole_protocol_on_one_take(self, motion_library_dir, tmp_path, monkeypatch):
        pytest.importorskip("mediapipe")
        few = [Conditions("one", "none", "static", 12.0, (256, 256), "textured", "known")]
        monkeypatch.setattr(protocol, "design", lambda takes, seed: few)
        figures = protocol.evaluate_capture(
            takes=1, library=motion_library_dir, out=tmp_path, progress=False, seed=2
        )
        assert figures["takes"] == 1
        assert figures["detection"] > 0.9
        assert figures["camera_rotation_deg"] < 0.5
        assert figures["floors"]["exact"]["camera_rotation_deg"] < 1e-3
        assert (tmp_path / "capture.json").is_file()


class TestDegradation:
    def test_pictures_get_worse_with_strength(self, take):
        clean = video_of(take).pixels.astype(float)
        for kind in ("noise", "blur", "resolution"):
            errors = [
                np.abs(Degradation(kind, s).video(take, 0).pixels - clean).mean() for s in STRENGTHS[kind]
            ]
            assert 0 < errors[0] < errors[1] < errors[2]
        assert np.array_equal(Degradation("none").video(take, 0).pixels, video_of(take).pixels)
        assert degradations()[0] == Degradation("none")

    def test_a_row_for_every_strength(self):
        row = {"detection": 1.0, "pck": 0.9, "pa_mpjpe_mm": None, "camera_rotation_deg": 0.1, "coverage": 1.0}
        figures = {"takes": 1, "none": row} | {k: {f"{s:g}": row for s in v} for k, v in STRENGTHS.items()}
        table = degradation_table(figures)
        assert len(table.splitlines()) == len(degradations()) + 1
        assert "-" in table
