"""The control protocol: a perfect generator scores like the render, and the zeros stay low."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.evaluation.stand_ins import lossless_model
from torch import nn

from kinema.data.filming import frame_subject
from kinema.data.motion_library import MotionLibrary
from kinema.data.standing import standing
from kinema.evaluation.judges.camera import JUDGES
from kinema.evaluation.judges.judge import COMMON_NAMES, Sighting
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import KeypointTruth
from kinema.evaluation.protocols import control
from kinema.evaluation.protocols.control_camera import (
    Cameras,
    camera_figures,
    commanded,
    headline,
    turning,
)
from kinema.evaluation.protocols.control_clips import (
    FROZEN_LIMIT,
    ControlClip,
    choose_clips,
    keypoint_truth,
    liveliest,
)
from kinema.evaluation.protocols.control_ladder import NearestClips, ladder
from kinema.evaluation.protocols.control_scores import (
    Gate,
    Watched,
    aims,
    control_gates,
    detection,
    intervals,
    per_clip,
    score,
    summarise,
    table,
)
from kinema.evaluation.protocols.pipelines import round_trip
from kinema.scene import Scene
from kinema.stage import photo_studio, random_actor, shoot

SIZE, FPS, FRAMES = (48, 64), 12.0, 9


def clips(count: int = 4) -> list[ControlClip]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        points = rng.uniform(0, 64, (FRAMES, len(COMMON_NAMES), 2))
        truth = KeypointTruth(points, np.ones(points.shape[:2], bool), np.full(FRAMES, 40.0))
        mask = rng.random((FRAMES, 64, 48)) < 0.3
        film = SimpleNamespace(
            take=SimpleNamespace(person_mask=mask), clip_id=f"clip{number}", camera="static", caption="walks"
        )
        made.append(ControlClip(film, truth, [0, number], 0.2))
    return made


def perfect(chosen: list[ControlClip], judges: tuple[str, ...] = ("keypoints", "mediapipe")) -> Watched:
    sightings = [Sighting(clip.truth.points, np.ones(FRAMES, bool)) for clip in chosen]
    return Watched(dict.fromkeys(judges, sightings), [clip.mask for clip in chosen])


def blind(chosen: list[ControlClip], judges: tuple[str, ...] = ("keypoints", "mediapipe")) -> Watched:
    sightings = [Sighting(np.full_like(clip.truth.points, np.nan), np.zeros(FRAMES, bool)) for clip in chosen]
    return Watched(dict.fromkeys(judges, sightings), [np.zeros_like(clip.mask) for clip in chosen])


def watched(generated: Watched, chosen: list[ControlClip]) -> dict[str, Watched]:
    return {
        "render": perfect(chosen, tuple(generated.pose)),
        "roundtrip": perfect(chosen, tuple(generated.pose)),
        "frozen": blind(chosen, tuple(generated.pose)),
        "generated": generated,
    }


def test_a_perfect_generator_passes_every_gate():
    chosen = clips()
    seen = watched(perfect(chosen), chosen)
    scores = score(seen, chosen, np.array([1, 0, 3, 2]))
    assert (scores["keypoints"]["generated"] == 1).all()
    assert (scores["iou"]["generated"] == 1).all()
    assert scores["keypoints"]["shuffled"].mean() < 0.1
    assert all(gate.passed for gate in control_gates(scores))


def test_a_blind_judge_fails_the_gates_and_counts_as_undetected():
    chosen = clips()
    seen = watched(blind(chosen), chosen)
    scores = score(seen, chosen, np.array([1, 0, 3, 2]))
    gates = {gate.name: gate for gate in control_gates(scores)}
    assert not gates["generated above the frozen first frame"].passed
    assert not gates["own minus shuffled"].passed
    assert detection(seen)["mediapipe"] == {"render": 1, "roundtrip": 1, "frozen": 0, "generated": 0}
    assert summarise(scores, detection(seen), "")["mediapipe"]["detected"] == 0


def test_the_last_line_has_the_agreed_keys():
    chosen = clips()
    seen = watched(perfect(chosen), chosen)
    scores = score(seen, chosen, np.array([1, 2, 3, 0]))
    line = json.loads(json.dumps(summarise(scores, detection(seen), "")))
    keys = {"clips", "pck", "pck_shuffled", "pck_frozen", "pck_roundtrip", "pck_render"}
    assert set(line) == keys | {"mediapipe", "iou", "either_side"}
    assert set(line["mediapipe"]) == keys | {"detected"}
    assert set(line["iou"]) == set(line["either_side"]) == {"generated", "shuffled", "frozen", "roundtrip"}
    assert line["clips"] == 4
    assert line["pck"] == 1


def test_without_mediapipe_the_line_says_why():
    chosen = clips()
    seen = watched(perfect(chosen, ("keypoints",)), chosen)
    scores = score(seen, chosen, np.array([1, 2, 3, 0]))
    line = summarise(scores, detection(seen), "skipped: not installed")
    assert line["mediapipe"] == "skipped: not installed"


def test_report_parts_are_readable():
    chosen = clips()
    shuffle = np.array([1, 2, 3, 0])
    seen = watched(perfect(chosen), chosen)
    scores = score(seen, chosen, shuffle)
    names = [f"motion {number}" for number in range(len(chosen))]
    assert intervals(scores, names)["keypoints"]["generated_minus_shuffled"]["low"] > 0.5
    rows = per_clip(chosen, scores, shuffle)
    assert rows[2]["shuffled_with"] == 3
    assert rows[2]["scores"]["keypoints"]["generated"] == 1
    text = table("tokenmotion", scores, names, detection(seen), control_gates(scores))
    assert "mediapipe" in text
    assert "FAIL" not in text


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (Gate("least", 0.5, 0.5), True),
        (Gate("more", 0.5, 0.5, strict=True), False),
        (Gate("most", 0.3, 0.35, below=True), True),
        (Gate("most", 0.4, 0.35, below=True), False),
    ],
)
def test_gates(gate, passed):
    assert gate.passed is passed
    assert ("pass" in str(gate)) is passed


def test_aims_are_asked_of_what_was_measured():
    measured = {
        "pck": 0.7,
        "pck_roundtrip": 0.8,
        "camera_rotation_deg": 1.5,
        "camera_rotation_floor_deg": 0.2,
    }
    assert all(gate.passed for gate in aims(measured))
    assert len(aims(measured)) == 2
    missed = {**measured, "joint": {"pose_cost": 0.05, "camera_cost": 0.3}, "leak_max": 0.4}
    assert [gate.passed for gate in aims(missed)] == [True, True, True, False, False]
    assert len(aims({**measured, "camera_rotation_deg": "undefined", "leak_max": None})) == 1


def test_liveliest_part_is_where_the_motion_is():
    joints = np.zeros((90, 24, 3))
    joints[:, :, 1] = np.linspace(0, 1.6, 24)
    joints[45:60, :, 0] = np.linspace(0, 3, 15)[:, None]
    joints[60:, :, 0] = 3
    begin, stillness = liveliest(joints, 30.0, 0.5)
    assert 1.0 <= begin <= 1.6
    assert stillness < 0.35
    assert liveliest(joints[:20], 30.0, 2.0) == (0.0, 1.0)
    second, less = liveliest(joints, 30.0, 0.5, used=[begin])
    assert abs(second - begin) >= 0.5
    assert less >= stillness
    assert liveliest(joints[:20], 30.0, 0.5, used=[0.0]) == (0.0, float("inf"))


def test_chosen_clips_move_stay_in_sight_and_repeat(motion_library):
    options = {"size": SIZE, "fps": FPS, "frames": FRAMES, "seed": 3}
    chosen = choose_clips(motion_library, 3, **options)
    again = choose_clips(motion_library, 3, **options)
    assert len({clip.film.clip_id for clip in chosen}) == 3
    for clip, other in zip(chosen, again, strict=True):
        assert motion_library.find(clip.film.clip_id).split == "test"
        assert clip.frozen <= FROZEN_LIMIT
        assert clip.video.shape == (FRAMES, 64, 48, 3)
        np.testing.assert_array_equal(clip.video, other.video)
        np.testing.assert_array_equal(clip.film.reference, other.film.reference)


def test_height_in_the_picture_is_that_of_the_standing_person(motion_library):
    motion = motion_library.split("test")[0].motion()
    upright = standing(motion, facing=motion.joints[0, 0] + [0, 0, 5.0])
    camera = frame_subject(upright, "static", size=(96, 128), fps=12)
    rng = np.random.default_rng(0)
    take = shoot(Scene((upright,), camera, 12), [random_actor(rng)], photo_studio(rng))
    drawn = np.ptp(take.keypoints[0, 0, :, 1])
    assert keypoint_truth(take).height[0] == pytest.approx(drawn, rel=0.05)


@dataclass
class PerfectPipeline:
    """Stands in for a generator: it films the scene it is given, from memory."""

    library: object
    memory: dict = field(default_factory=dict)
    video_model: SimpleNamespace = field(default_factory=lambda: lossless_model((96, 128), FPS, FRAMES))
    components: dict = field(default_factory=dict)
    drives: dict = field(default_factory=lambda: {"tokenmotion": frozenset({"pose", "camera"})})

    def __call__(self, *, prompt, image, scene, frames, seed, **options):
        assert options == {"steps": 5}
        assert image.shape == (128, 96, 3)
        return SimpleNamespace(frames=self.memory[scene.people[0].joints.tobytes()])


def test_evaluate_control_end_to_end(motion_library, motion_library_dir, monkeypatch, tmp_path):
    pipe = PerfectPipeline(motion_library, components={"transformer": nn.Linear(2, 2), "tokenizer": None})
    chosen = choose_clips(motion_library, 2, size=pipe.video_model.form.size, fps=FPS, frames=FRAMES, seed=0)
    pipe.memory = {clip.film.scene.people[0].joints.tobytes(): clip.video for clip in chosen}
    monkeypatch.setattr(control, "load_system", lambda backbone, method: pipe)
    written = {}
    result = control.evaluate_control(
        clips=2,
        joint=0,
        bases=0,
        steps=5,
        out=tmp_path,
        progress=False,
        library=motion_library_dir,
        write_video=lambda path, frames, fps: written.update({path.relative_to(tmp_path): (frames, fps)}),
    )["tokenmotion"]
    assert result["pck"] == result["pck_render"] == result["pck_roundtrip"]
    assert result["pck"] >= 0.85
    assert result["pck_shuffled"] < 0.5
    assert result["pck_frozen"] < 0.5
    assert result["iou"]["generated"] >= 0.75
    assert result["takes"] == 2
    assert result["camera"]["takes"] + result["camera"]["still_takes"] == 2
    assert result["camera_rotation_deg"] == result["camera_rotation_floor_deg"] < 1
    assert result["camera"]["align"]["frozen_deg"] > 5
    assert result["leak_max"] is None
    report = json.loads((tmp_path / "control.json").read_text())
    assert report["settings"]["steps"] == 5  # as asked for, and the rest of the sampling as the model has it
    assert report["settings"]["guidance"] == {"pose": 3.0}
    assert len(report["adapters"]["tokenmotion"]["clips"]) == 2
    assert list(report["adapters"]["tokenmotion"]["weights"]) == ["transformer"]
    assert (tmp_path / "tokenmotion.png").stat().st_size > 1000
    assert len(written) == 2 * 4
    for number, clip in enumerate(chosen):
        name = f"{number:03d}_{clip.film.clip_id.replace('/', '_')}.mp4"
        for folder in ("render", "tokenmotion"):
            frames, fps = written[Path("videos") / folder / name]
            assert fps == FPS
            np.testing.assert_array_equal(frames, clip.video)


def test_round_trip_of_a_lossless_autoencoder_is_the_video():
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 8, 3), dtype=np.uint8)
    restored = round_trip(lossless_model((8, 16), FPS, 5), video)
    np.testing.assert_array_equal(restored, video)


def test_cameras_are_judged_where_they_turn(motion_library):
    chosen = choose_clips(motion_library, 3, size=(96, 128), fps=FPS, frames=5, seed=0)  # the second one arcs
    truth = Cameras({judge.name: [commanded(clip).c2w for clip in chosen] for judge in JUDGES})
    still = Cameras(
        {judge.name: [np.repeat(commanded(clip).c2w[:1], 5, axis=0) for clip in chosen] for judge in JUDGES}
    )
    floors = {
        "render": truth.errors(chosen),
        "roundtrip": truth.errors(chosen),
        "frozen": still.errors(chosen),
    }
    turns = turning(chosen, floors["roundtrip"])
    assert turns[1]
    perfect_figures = camera_figures(truth, floors, chosen, turns)
    still_figures = camera_figures(still, floors, chosen, turns)
    assert perfect_figures["align"]["rotation_deg"] == 0
    assert still_figures["align"]["rotation_deg"] == still_figures["align"]["frozen_deg"] > 5
    assert still_figures["align"]["excess_deg"] == pytest.approx(still_figures["align"]["rotation_deg"])
    assert headline(still_figures)["camera_rotation_floor_deg"] == 0
    nobody = camera_figures(truth, floors, chosen, np.zeros(3, bool))
    assert headline(nobody)["camera_rotation_deg"] == "undefined"
    json.dumps([perfect_figures, still_figures, nobody])


def test_the_ladder_admits_what_descends_and_nothing_else(motion_library):
    chosen = clips()
    scores = score(watched(perfect(chosen), chosen), chosen, np.array([1, 2, 3, 0]))
    none = {"none": {"pck": 0.3, "iou": 0.3}}
    near = NearestClips(np.full(4, 0.6), np.full(4, 0.6), np.full(4, 20.0))
    assert ladder(scores, near, none, 4)["admitted"]
    nearer_than_truth = NearestClips(np.ones(4), np.ones(4), np.zeros(4))
    assert not ladder(scores, nearer_than_truth, none, 4)["admitted"]


def test_the_nearest_film_is_the_clip_itself_where_it_is_known(motion_library):
    chosen = choose_clips(motion_library, 1, size=(96, 128), fps=FPS, frames=FRAMES, seed=0)
    own = replace(motion_library.find(chosen[0].film.clip_id), split="train")
    few = MotionLibrary([own, *motion_library.split("train")[:3]])
    network = KeypointNetworkJudge()
    found = NearestClips.film(few, chosen, network)
    render = silhouette_iou(network.silhouette(chosen[0].video), chosen[0].mask)
    assert found.degrees[0] < 25  # windows start at whole seconds
    assert 0.2 < found.iou[0] <= render + 0.05


def test_nothing_to_evaluate_is_said():
    with pytest.raises(ValueError, match="at least one adapter"):
        control.evaluate_control(adapters=())
    with pytest.raises(ValueError, match="two bases"):
        control.evaluate_control(bases=1)
