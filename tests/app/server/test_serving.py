"""The whole server as a user starts it: real workers, real files, and kills at bad moments."""

import json
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.app.server.running import ended, serving, until

from kinema import Progress, animate
from kinema.app.filming import actor_picture
from kinema.media.video import read_video
from kinema.scene import Scene
from kinema.scene.formats import read_motion
from kinema.scene.framing import direct

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("server") / "root") as (client, _):
        yield client


def test_from_a_prompt_to_a_playing_video(server, tmp_path):
    made = server.post("/v1/videos", json={"prompt": "a person waves", "seconds": 1, "seed": 3}).json()
    seen = []
    with server.stream("GET", f"/v1/videos/{made['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        for line in events.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
    assert seen[-1]["status"] == "completed", seen[-1]
    progress = [each["progress"] for each in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    answer = server.get(f"/v1/videos/{made['id']}/content")
    assert answer.headers["content-type"] == "video/mp4"
    (tmp_path / "out.mp4").write_bytes(answer.content)
    video = read_video(tmp_path / "out.mp4")
    assert video.frames.shape == (13, 128, 96, 3)
    assert video.frames.std() > 5
    assert video.settings["request"]["seed"] == 3
    part = server.get(f"/v1/videos/{made['id']}/content", headers={"range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    for variant in seen[-1]["files"]:
        assert server.get(f"/v1/videos/{made['id']}/content", params={"variant": variant}).status_code == 200


def test_a_motion_drives_a_scene_and_the_scene_a_video(server, tmp_path):
    motion = ended(
        server, server.post("/v1/motions", json={"prompt": "a person walks forward", "seconds": 2}).json()
    )
    assert motion["status"] == "completed", motion["error"]
    keys = [
        {"time": 0, "position": [0, 1.4, 4], "target": [0, 1, 0]},
        {"time": 1, "position": [1, 1.4, 4], "target": [0, 1, 0]},
    ]
    wanted = {
        "people": [
            {"motion": motion["id"], "actor": 4},
            {
                "motion": {"prompt": "a person waves", "seconds": 1.5},
                "place": {"x": 1.5, "turn": 90, "delay": 0.5},
            },
        ],
        "camera": {"keys": keys},
    }
    made = server.post("/v1/scenes", json=wanted).json()
    scene = ended(server, made)
    assert scene["status"] == "completed", scene["error"]
    (tmp_path / "scene.npz").write_bytes(server.get(f"/v1/scenes/{made['id']}/content").content)
    read = Scene.load(tmp_path / "scene.npz")
    assert (len(read.people), read.frames, read.fps) == (2, 41, 20.0)
    assert read.camera.positions[0] == pytest.approx([0, 1.4, 4])
    assert read.people[1].joints[:10] == pytest.approx(read.people[1].joints[:1].repeat(10, axis=0))
    assert server.get(f"/v1/scenes/{made['id']}/still", params={"time": 1}).content.startswith(b"\x89PNG")
    alone = server.get(f"/v1/scenes/{made['id']}/still", params={"time": 1, "person": 0})
    assert alone.content.startswith(b"\x89PNG")
    assert server.get(f"/v1/scenes/{made['id']}/still", params={"person": 9}).status_code == 422
    video = ended(
        server, server.post("/v1/videos", json={"scene": made["id"], "person": 1, "seconds": 1}).json()
    )
    assert video["status"] == "completed", video["error"]


def test_what_cannot_be_made_says_why(server):
    impossible = {
        "prompt": "a person walks",
        "seconds": 2,
        "path": [{"time": 0, "x": 0, "z": 0}, {"time": 1, "x": 50, "z": 0}],
    }
    job = ended(server, server.post("/v1/motions", json=impossible).json())
    assert job["status"] == "failed"
    assert job["error"]["code"] == "invalid_request"
    assert "m/s" in job["error"]["message"]


def test_a_deleted_job_stops_and_leaves_nothing(server):
    running = server.post("/v1/videos", json={"prompt": "a person walks", "seconds": 20}).json()
    until(lambda: server.get(f"/v1/videos/{running['id']}").json()["status"] == "in_progress")
    server.delete(f"/v1/videos/{running['id']}")
    after = ended(server, server.post("/v1/videos", json={"prompt": "a person waves", "seconds": 1}).json())
    assert after["status"] == "completed"
    assert server.get(f"/v1/videos/{running['id']}").status_code == 404


def test_a_motion_and_a_scene_are_made_while_a_film_is(server):
    film = server.post("/v1/videos", json={"prompt": "a person walks", "seconds": 30}).json()
    until(lambda: server.get(f"/v1/videos/{film['id']}").json()["status"] == "in_progress")
    asked = {"prompt": "a person waves", "seconds": 1}
    assert ended(server, server.post("/v1/motions", json=asked).json())["status"] == "completed"
    scene = {"people": [{"motion": asked}]}
    assert ended(server, server.post("/v1/scenes", json=scene).json())["status"] == "completed"
    assert server.get(f"/v1/videos/{film['id']}").json()["status"] == "in_progress"
    server.delete(f"/v1/videos/{film['id']}")


def test_a_picture_becomes_a_rough_take_as_in_the_command(server, tmp_path):
    pytest.importorskip("mediapipe")
    motion = read_motion(EXAMPLES / "walk_and_wave.bvh", as_smpl24=True)
    actor_picture(direct(Scene((motion,), None, motion.fps), size=(128, 192), fps=30.0), 5).save(
        tmp_path / "hero.png"
    )
    body = {"camera": "dolly in 0.5m", "seconds": 0.2}
    for field, path in (
        ("input_reference", tmp_path / "hero.png"),
        ("motion", EXAMPLES / "jumping_jacks.bvh"),
    ):
        kept = server.post("/v1/files", files={"file": (path.name, path.read_bytes())})
        body[field] = kept.json()["id"]
    made = ended(server, server.post("/v1/videos", json=body).json())
    assert made["status"] == "completed", made["error"]
    same = animate(
        tmp_path / "hero.png",
        EXAMPLES / "jumping_jacks.bvh",
        "dolly in 0.5m",
        seconds=0.2,
        progress=Progress(),
    )
    (tmp_path / "out.mp4").write_bytes(server.get(f"/v1/videos/{made['id']}/content").content)
    assert made["details"]["settings"]["backbone"] == "rough"
    same.save(tmp_path / "same.mp4")
    assert (read_video(tmp_path / "out.mp4").frames == read_video(tmp_path / "same.mp4").frames).all()


def test_kills_at_bad_moments_lose_nothing_and_repeat_nothing(tmp_path):
    """Worker and server are killed while jobs are made; every job ends once, and no file is half a file."""
    root = tmp_path / "root"
    with serving(root) as (client, process):
        asked = [
            client.post("/v1/motions", json={"prompt": "a person walks", "seconds": 2, "seed": n}).json()
            for n in range(6)
        ]
        worker = next(each for each in psutil.Process(process.pid).children() if "motions" in each.cmdline())
        until(lambda: client.get(f"/v1/motions/{asked[0]['id']}").json()["status"] != "queued")
        worker.kill()
        until(lambda: client.get(f"/v1/motions/{asked[1]['id']}").json()["status"] == "completed")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with serving(root) as (client, _):
        for job in asked:
            done = ended(client, job)
            assert done["status"] == "completed", done["error"]
            content = client.get(f"/v1/motions/{job['id']}/content").content
            assert len(content) == done["files"]["motion.npz"]
        assert len(list((root / "results").iterdir())) == len(asked)


def test_a_server_that_others_reach_works_for_those_with_the_token(tmp_path):
    with serving(tmp_path / "root", host="0.0.0.0", token="a-token-of-some-length") as (client, _):
        asked = client.post("/v1/motions", json={"prompt": "a person waves", "seconds": 1})
        assert ended(client, asked.json())["status"] == "completed"
        assert httpx.get(f"{client.base_url}/v1/motions").status_code == 401
    assert "a-token-of-some-length" not in (tmp_path / "root.log").read_text()


def test_passes_of_a_motion_for_a_published_model(server, tmp_path):
    """A zip with films, README.txt and settings, as `kinema passes` writes them; what cannot be is said at once."""
    content = (EXAMPLES / "walk_and_wave.bvh").read_bytes()
    file = server.post("/v1/files", files={"file": ("walk.bvh", content)}).json()["id"]
    asked = {"model": "vace", "motion": file, "camera": "arc left 40deg", "size": "96x64", "seconds": 0.3}
    made = ended(server, server.post("/v1/passes", json=asked).json())
    assert made["status"] == "completed", made["error"]
    assert made["object"] == "pass"
    assert made["details"]["passes"] == ["control.mp4", "mask.mp4", "pose.mp4", "depth.mp4"]
    answer = server.get(f"/v1/passes/{made['id']}/content")
    assert answer.headers["content-type"] == "application/zip"
    (tmp_path / "out.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "out")
    assert read_video(tmp_path / "out" / "control.mp4").frames.shape == (5, 64, 96, 3)
    assert "WanVACEPipeline" in (tmp_path / "out" / "README.txt").read_text()
    for change, code in (
        ({"model": "nothing"}, "no_such_model"),
        ({"size": "97x64"}, "invalid_request"),
        ({"options": {"recipe": "soup"}}, "invalid_request"),
        ({"motion": None}, "invalid_request"),
        ({"options": {"recipe": "first-frame"}}, "no_picture"),
    ):
        refused = server.post("/v1/passes", json={**asked, **change})
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == code, refused.json()
