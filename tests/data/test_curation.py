"""Curation in one process: shots, filters, captions, encoding, shards; stages alone and again, and what goes wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from tests.data.videos import gliding

from kinema.data.curation.captions import Captions
from kinema.data.curation.clip_folder import FACTS, ClipFolder, Judged, write_json
from kinema.data.curation.curate import Plan, curate
from kinema.data.curation.cut import Cut
from kinema.data.curation.encoding import Latents, Texts
from kinema.data.curation.movement import Movement
from kinema.data.curation.quality import Quality, measured
from kinema.data.video_clips import open_clip
from kinema.data.video_sets import read_videos
from kinema.media.decoding import open_video
from kinema.media.video import write_video
from kinema.scene.formats.errors import FormatError

pytest.importorskip("scenedetect", reason="PySceneDetect is not installed (pip install 'kinema[curate]')")

FPS = 12.0
ENCODING = (Latents("mini"), Texts("mini"))


def drifting(
    frames: int = 30, size: tuple[int, int] = (160, 128), seed: int = 0, speed: int = 2
) -> np.ndarray:
    """A picture of patches that drifts to the left, uint8 [T, H, W, 3]."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 255, (size[1] // 32, (size[0] + speed * frames) // 32 + 2, 3), np.uint8)
    picture = wide.repeat(32, axis=0).repeat(32, axis=1)
    return np.stack([picture[:, speed * t : speed * t + size[0]] for t in range(frames)])


@pytest.fixture
def videos(tmp_path) -> Path:
    """Two videos, of one shot and of two, with a caption for the first."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "one.mp4", drifting(), FPS)
    (folder / "one.txt").write_text("a picture drifts")
    write_video(folder / "two.mp4", np.concatenate([drifting(seed=1), drifting(seed=2)]), FPS)
    for sidecar in folder.glob("*.json"):
        sidecar.unlink()
    return folder


@dataclass(frozen=True)
class Counting:
    """A stage that counts how often it is called, and can be told what to say."""

    name: ClassVar[str] = "counting"
    needs: ClassVar[str] = "processor"
    reads: ClassVar[tuple[str, ...]] = ("capture",)
    version: ClassVar[int] = 1
    log: str
    out: str = ""
    breaks: str = ""
    setting: int = 0

    def __call__(self, clip: ClipFolder) -> Judged:
        with open(self.log, "a") as file:
            file.write(f"{clip.id}\n")
        if self.breaks and self.breaks in clip.id and not Path(self.log + ".mended").exists():
            raise RuntimeError("the network is ill")
        return Judged("not wanted" if self.out and self.out in clip.id else "", {"setting": self.setting})

    def calls(self) -> list[str]:
        path = Path(self.log)
        return path.read_text().split() if path.exists() else []


@dataclass(frozen=True)
class Written:
    """A stage that others read."""

    name: ClassVar[str] = "capture"
    needs: ClassVar[str] = "processor"
    reads: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    number: int

    def __call__(self, clip: ClipFolder) -> Judged:
        return Judged("", {"number": self.number})


def names(report_out: Path) -> list[str]:
    return [clip.id.partition("/")[2] for clip in read_videos(report_out)]


def digests(out: Path) -> dict[str, str]:
    made = [*out.glob("shard-*"), out / "manifest.json", out / "clips.jsonl"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


class TestCut:
    def test_where_the_picture_changes_at_once(self, videos):
        with open_video(videos / "two.mp4") as frames:
            assert Cut().shots(frames) == [(0, 30), (30, 60)]
        with open_video(videos / "one.mp4") as frames:
            assert Cut().shots(frames) == [(0, 30)]

    def test_short_shots_are_left_out_and_long_ones_are_parted(self):
        cut = Cut(least=1.0, most=2.0)
        assert cut.clips([(0, 11), (11, 24), (24, 84)], 12.0) == [(11, 24), (24, 44), (44, 64), (64, 84)]
        with pytest.raises(ValueError, match="seconds above 0"):
            Cut(least=3, most=2)

    def test_clips_hold_the_frames_of_their_shot(self, videos, tmp_path):
        out = tmp_path / "out"
        curate(videos, out, Plan(Cut(crf=4), ()))
        clips = list(read_videos(out))
        truth = [drifting(), drifting(seed=1), drifting(seed=2)]
        assert [clip.caption for clip in clips] == ["a picture drifts", "", ""]
        for clip, frames in zip(clips, truth, strict=True):
            with open_clip(clip) as opened:
                read = np.concatenate(list(opened.chunks()))
            assert read.shape == frames.shape
            assert np.abs(read.astype(int) - frames).mean() < 6, "H.264 twice, and no frame late"

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
    def test_bytes_do_not_depend_on_the_cores(self, videos, tmp_path):
        curate(videos, tmp_path / "all", Plan(Cut(), ()))
        cores = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(cores)})
            curate(videos, tmp_path / "one", Plan(Cut(), ()))
        finally:
            os.sched_setaffinity(0, cores)
        assert digests(tmp_path / "one") == digests(tmp_path / "all")

    def test_a_video_without_a_shot_long_enough_is_said(self, videos, tmp_path):
        report = curate(videos, tmp_path / "out", Plan(Cut(least=3.0), ()))
        assert (report.clips, report.stages["cut"].left_out) == (0, 2)
        assert report.stages["cut"].reasons == {"no shot is long enough": 2}
        lines = [json.loads(line) for line in (tmp_path / "out/clips.jsonl").read_text().splitlines()]
        assert {line["video"] for line in lines} == {"one.mp4", "two.mp4"}


class TestRuns:
    def test_a_second_run_does_nothing_again_and_writes_the_same(self, videos, tmp_path):
        stage, out = Counting(str(tmp_path / "log")), tmp_path / "out"
        curate(videos, out, Plan(Cut(), (stage,)))
        first = digests(out)
        report = curate(videos, out, Plan(Cut(), (stage,)))
        assert len(stage.calls()) == 3
        assert report.kept == 3
        assert digests(out) == first

    def test_other_settings_are_done_anew_and_what_reads_them_too(self, videos, tmp_path):
        out, behind = tmp_path / "out", Counting(str(tmp_path / "log"))
        curate(videos, out, Plan(Cut(), (Quality(), Written(1), behind)))
        report = curate(videos, out, Plan(Cut(), (Quality(most_movement=2.0), Written(1), behind)))
        assert (len(behind.calls()), report.stages["quality"].done, report.stages["capture"].done) == (
            3,
            3,
            0,
        )
        report = curate(videos, out, Plan(Cut(), (Quality(most_movement=2.0), Written(2), behind)))
        assert (len(behind.calls()), report.stages["quality"].done, report.stages["capture"].done) == (
            6,
            0,
            3,
        )
        curate(videos, out, Plan(Cut(), (Quality(most_movement=2.0), Written(2), behind)), again="capture")
        assert len(behind.calls()) == 9

    def test_shards_within_the_videos_are_refused(self, videos):
        with pytest.raises(ValueError, match="elsewhere"):
            curate(videos, videos / "shards", Plan(Cut(), ()))

    def test_stages_alone_then_the_rest(self, videos, tmp_path):
        out, stage = tmp_path / "out", Counting(str(tmp_path / "log"))
        plan = Plan(Cut(), (Quality(), stage))
        report = curate(videos, out, plan, only=["cut", "quality"])
        assert (report.kept, report.waiting, stage.calls()) == (0, 3, [])
        report = curate(videos, out, plan, only=["counting"])
        assert (report.kept, report.waiting, len(stage.calls()), report.shards) == (3, 0, 3, [])
        assert curate(videos, out, plan, only=["shards"]).shards[0]["clips"] == 3

    def test_again(self, videos, tmp_path):
        out, stage = tmp_path / "out", Counting(str(tmp_path / "log"))
        curate(videos, out, Plan(Cut(), (stage,)))
        curate(videos, out, Plan(Cut(), (stage,)), again="counting")
        assert len(stage.calls()) == 6
        with pytest.raises(ValueError, match="there is no stage 'count'"):
            curate(videos, out, Plan(Cut(), (stage,)), again="count")

    def test_what_is_left_out_says_why_and_can_come_back(self, videos, tmp_path):
        out, log = tmp_path / "out", str(tmp_path / "log")
        report = curate(videos, out, Plan(Cut(), (Counting(log, out="two"),)))
        assert (report.kept, report.stages["counting"].reasons) == (1, {"not wanted": 2})
        assert len(names(out)) == 1
        assert not list(out.glob("work/clips/*/two*/clip.mp4")), "its frames are not kept"
        curate(videos, out, Plan(Cut(), (Counting(log),)))
        assert len(names(out)) == 3

    def test_an_error_is_told_and_tried_again(self, videos, tmp_path):
        out, stage = tmp_path / "out", Counting(str(tmp_path / "log"), breaks="one")
        report = curate(videos, out, Plan(Cut(), (stage,)))
        assert (report.kept, list(report.failed.values())) == (
            2,
            ["counting: RuntimeError: the network is ill"],
        )
        assert "network is ill" in report.text
        Path(stage.log + ".mended").touch()
        report = curate(videos, out, Plan(Cut(), (stage,)))
        assert (report.kept, report.failed) == (3, {})

    def test_a_video_that_is_there_twice_counts_once(self, videos, tmp_path):
        (videos / "zero.mp4").write_bytes((videos / "one.mp4").read_bytes())
        report = curate(videos, tmp_path / "out", Plan(Cut(), ()))
        assert (report.videos, report.clips) == (3, 3)
        assert report.stages["cut"].reasons == {"the same video": 1}

    def test_broken_videos_are_named(self, videos, tmp_path):
        (videos / "broken.mp4").write_bytes(b"no video")
        cut_off = (videos / "one.mp4").read_bytes()
        (videos / "half.mp4").write_bytes(cut_off[: len(cut_off) // 2])
        report = curate(videos, tmp_path / "out", Plan(Cut(), ()))
        assert report.kept == 3
        assert any("broken.mp4" in problem for problem in report.unreadable)
        said = (tmp_path / "out/clips.jsonl").read_text()
        assert "broken.mp4" in said
        assert "half.mp4" in said

    def test_a_changed_video_is_cut_anew(self, videos, tmp_path):
        out, stage = tmp_path / "out", Counting(str(tmp_path / "log"))
        curate(videos, out, Plan(Cut(), (stage,)))
        write_video(videos / "one.mp4", drifting(seed=9, frames=36), FPS)
        report = curate(videos, out, Plan(Cut(), (stage,)))
        assert report.kept == 3
        assert [call for call in stage.calls() if call.startswith("one")] == [stage.calls()[0]] * 2

    def test_one_run_at_a_time(self, videos, tmp_path):
        import fcntl

        out = tmp_path / "out"
        (out / "work").mkdir(parents=True)
        with (out / "work" / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(ValueError, match="another run"):
                curate(videos, out, Plan(Cut(), ()))

    def test_no_videos(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises((FormatError, ValueError)):
            curate(tmp_path / "empty", tmp_path / "out", Plan(Cut(), ()))


class TestQuality:
    def clip(self, folder: Path, frames: np.ndarray) -> ClipFolder:
        clip = ClipFolder(folder / "clip")
        write_video(clip.video, frames, FPS, crf=2)
        write_json(
            clip.path / FACTS, {"size": [frames.shape[2], frames.shape[1]], "fps": FPS, "frames": len(frames)}
        )
        return clip

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda frames: frames, ""),
            (lambda frames: np.repeat(frames[:1], 30, axis=0), "still"),
            (lambda frames: frames // 64, "dark"),
            (lambda frames: 252 + frames // 64, "white"),
            (lambda frames: np.pad(frames, ((0, 0), (20, 20), (0, 0), (0, 0))), "black bars"),
            (lambda frames: np.repeat(frames.mean((1, 2), keepdims=True), 128, 1).repeat(160, 2), "blurred"),
            (lambda frames: frames[:, :64, :64], "small"),
        ],
    )
    def test_what_is_left_out(self, tmp_path, change, why):
        judged = Quality()(self.clip(tmp_path, change(drifting()).astype(np.uint8)))
        assert judged.why.partition(" (")[0] == why
        judged = Quality(measure_only=True)(ClipFolder(tmp_path / "clip"))
        assert judged.why == ""

    def test_movement_is_that_of_the_picture(self, tmp_path):
        clip = self.clip(tmp_path, drifting(speed=2, frames=48))
        assert measured(clip)["movement"] == pytest.approx(2 * FPS / np.hypot(160, 128), rel=0.15)


def test_motions_are_judged_by_their_speed(tmp_path):
    clip = ClipFolder(tmp_path / "clip")
    clip.path.mkdir()
    gliding().save(clip.path / "scene.npz")
    told = {"seen": 1.0, "residual": 0.0, "camera": "static"}
    clip.write("capture", "key", Judged("", told, ("scene.npz",)))
    assert Movement()(clip).facts["speed"] == pytest.approx(0.4 * 12 / 23, rel=0.01)
    assert Movement()(clip).why == ""
    assert Movement(least_speed=0.5)(clip).why.startswith("nobody moves")
    clip.write("capture", "key", Judged("", {**told, "seen": 0.5, "camera": "unknown"}, ("scene.npz",)))
    assert Movement()(clip).why.startswith("seldom seen")
    assert Movement(least_seen=0.4, known_camera=True)(clip).why.startswith("the camera")


class TestCaptions:
    @pytest.fixture
    def endpoint(self):
        """A server that fails once and then describes; its address and what it was asked."""
        asked: list[dict] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(503 if len(asked) == 1 else 200)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):
                    answer = {"choices": [{"message": {"content": " patches\n drift "}}]}
                    self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *words):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
        server.shutdown()
        server.server_close()

    def test_given_ones_are_kept_and_missing_ones_asked_for(self, videos, tmp_path, endpoint):
        url, asked = endpoint
        curate(videos, tmp_path / "out", Plan(Cut(), (Captions(url, "sees"),)))
        assert [clip.caption for clip in read_videos(tmp_path / "out")] == [
            "a picture drifts",
            "patches drift",
            "patches drift",
        ]
        assert len(asked) == 3, "one attempt failed"
        content = asked[-1]["messages"][0]["content"]
        assert [part["type"] for part in content] == ["text", *["image_url"] * 4]
        assert content[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")

    def test_who_does_not_answer_is_named_and_asked_again_by_the_next_run(self, videos, tmp_path):
        stage = Captions("http://127.0.0.1:9/v1", attempts=1)
        report = curate(videos, tmp_path / "out", Plan(Cut(), (stage,)))
        assert (report.kept, len(report.failed)) == (1, 2)
        assert "127.0.0.1:9" in report.text

    def test_needed(self, videos, tmp_path):
        report = curate(videos, tmp_path / "out", Plan(Cut(), (Captions(needed=True),)))
        assert (report.kept, report.stages["captions"].reasons) == (1, {"no caption": 2})


class TestShards:
    def test_of_a_size_with_a_manifest(self, videos, tmp_path):
        out = tmp_path / "out"
        report = curate(videos, out, Plan(Cut(), (Quality(), Captions()), shard_bytes=1))
        assert [shard["name"] for shard in report.shards] == [
            f"shard-{number:06d}.tar" for number in range(3)
        ]
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["shards"] == report.shards
        assert manifest["counts"]["quality"] == {"kept": 3, "left_out": 0, "failed": 0, "reasons": {}}
        for shard in report.shards:
            assert hashlib.sha256((out / shard["name"]).read_bytes()).hexdigest() == shard["sha256"]
        curate(videos, out, Plan(Cut(), (Quality(), Captions())))
        assert [path.name for path in out.glob("*.tar")] == ["shard-000000.tar"], "old ones are gone"

    def test_parquet_holds_the_same(self, videos, tmp_path):
        pytest.importorskip("pyarrow")
        told = {}
        for form in ("webdataset", "parquet"):
            out = tmp_path / form
            curate(videos, out, Plan(Cut(), (Quality(), Captions(), *ENCODING), form=form))
            told[form] = [
                (
                    c.id.partition("/")[2],
                    c.caption,
                    c.size,
                    c.fps,
                    c.video.read(),
                    c.latents.read(),
                    c.text.read(),
                )
                for c in read_videos(out)
            ]
        assert told["parquet"] == told["webdataset"]
        assert len(told["parquet"]) == 3

    def test_scenes_come_with_their_clips(self, videos, tmp_path):
        @dataclass(frozen=True)
        class Gliding:
            name: ClassVar[str] = "capture"
            needs: ClassVar[str] = "processor"
            reads: ClassVar[tuple[str, ...]] = ()
            version: ClassVar[int] = 1

            def __call__(self, clip: ClipFolder) -> Judged:
                gliding().save(clip.path / "scene.npz")
                return Judged("", {}, ("scene.npz",))

        curate(videos, tmp_path / "out", Plan(Cut(), (Gliding(),)))
        for clip in read_videos(tmp_path / "out"):
            assert clip.scene is not None
            assert np.array_equal(clip.scene.people[0].joints, gliding().people[0].joints)


class TestEncoded:
    def test_training_takes_them_over_where_they_fit(self, videos, tmp_path, monkeypatch):
        from kinema.data.video_latents import encode_videos, window_format
        from kinema.video.model_loading import load_model

        out = tmp_path / "out"
        curate(videos, out, Plan(Cut(), (Captions(), *ENCODING)))
        model = load_model("mini")
        form = window_format(model)
        cache, made = encode_videos(str(out), tmp_path / "anew", model, form, follow=None)
        plain = [(clip.id, clip) for clip in read_videos(out)]
        import dataclasses

        bare = [dataclasses.replace(clip, latents=None, text=None) for _, clip in plain]
        fresh, anew = encode_videos(bare, tmp_path / "fresh", model, form)
        assert made == anew
        for name in made:
            taken, own = cache.sample(name), fresh.sample(name)
            assert taken.caption == own.caption
            assert np.array_equal(taken.picture, own.picture)
            assert {k: v.tolist() for k, v in taken.encoded.items()} == {
                k: v.tolist() for k, v in own.encoded.items()
            }
            assert (taken.text is not None, own.text) == (True, None)

        monkeypatch.setattr(type(model), "encode_window", None)
        encode_videos(str(out), tmp_path / "third", model, form)
        with pytest.raises(TypeError):  # other windows than those that were made ahead
            encode_videos(str(out), tmp_path / "fourth", model, dataclasses.replace(form, frames=9))

    def test_the_captions_states_are_those_of_the_encoder(self, videos, tmp_path, monkeypatch):
        import torch

        from kinema.data.video_latents import encode_videos, window_format
        from kinema.training.video_task import Conditions, VideoTask
        from kinema.video.model_loading import load_model

        out = tmp_path / "out"
        curate(videos, out, Plan(Cut(), (Captions(), *ENCODING)))
        model = load_model("mini")
        cache, made = encode_videos(str(out), tmp_path / "cache", model, window_format(model))
        sample = next(cache.sample(name) for name in made if cache.entries[name].caption)
        task = VideoTask(model, {}, Conditions())
        own = model.encode_text(sample.caption, torch.device("cpu"))
        monkeypatch.setattr(type(model), "encode_texts", None)
        assert torch.allclose(task._texts([sample])[0], own[0].float(), atol=2e-3)

    def test_a_damaged_file_is_named(self, videos, tmp_path):
        from kinema.data.video_latents import encode_videos, window_format
        from kinema.video.model_loading import load_model

        out = tmp_path / "out"
        curate(videos, out, Plan(Cut(), (Latents("mini"),)))
        clip = next(iter(read_videos(out)))
        data = bytearray(clip.latents.path.read_bytes())
        data[clip.latents.offset : clip.latents.offset + 16] = b"\xff" * 16
        clip.latents.path.write_bytes(data)
        model = load_model("mini")
        with pytest.raises(FormatError, match="latents"):
            encode_videos(str(out), tmp_path / "cache", model, window_format(model))


def test_people_and_camera_of_real_films(motion_library, tmp_path):
    """A filmed person stays with a scene, two people and a still picture go; the scene's joints are near the truth."""
    pytest.importorskip("mediapipe")
    from kinema.data.curation.capturing import Captured
    from kinema.data.curation.people import People
    from kinema.data.filming import film_clip

    folder = tmp_path / "videos"
    folder.mkdir()
    clips = [clip for clip in motion_library.split("val") if clip.seconds > 3]
    shown = {"size": (256, 256), "fps": FPS, "frames": 26, "azimuth": 0.0, "camera": "static"}
    alone = film_clip(clips[0], seed=1, **shown)
    together = film_clip(clips[0], seed=1, companion=clips[1], **shown)
    write_video(folder / "alone.mp4", alone.take.rgb, FPS)
    write_video(folder / "together.mp4", together.take.rgb, FPS)
    write_video(folder / "nobody.mp4", drifting(), FPS)
    stages = (Quality(), People(), Captured(camera="static"), Movement())
    report = curate(folder, tmp_path / "out", Plan(Cut(), stages))
    assert report.failed == {}
    assert report.stages["people"].reasons == {"nobody": 1, "several people": 1}
    (clip,) = read_videos(tmp_path / "out")
    truth = alone.take.scene.people[0].joints
    found = clip.scene.people[0].joints
    shape = [each - each[:, :1] for each in (found[: len(truth)], truth[: len(found)])]
    size = [np.linalg.norm(each, axis=-1).mean() for each in shape]
    assert 0.7 < size[0] / size[1] < 1.3
    assert clip.scene.camera.frames == 26
