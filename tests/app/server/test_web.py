"""The HTTP side without workers: what is asked for waits, and everything else can be seen."""

import asyncio
import io
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import closing

import numpy as np
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from PIL import Image
from starlette.datastructures import UploadFile
from tests.motion.walking import walk

from kinema.app.server import checking
from kinema.app.server.bodies import read_body
from kinema.app.server.config import ServerConfig
from kinema.app.server.errors import Refused
from kinema.app.server.following import Following
from kinema.app.server.making import Engine
from kinema.app.server.schemas import MotionRequest
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import JobStore
from kinema.app.server.web import create_app
from kinema.motion.text import default_text_encoder
from kinema.scene import Scene
from kinema.scene.formats import write_motion

TOKEN = "a-token-of-some-length"


def server(root, **options) -> TestClient:
    return TestClient(create_app(ServerConfig(root=root, **options)), base_url="http://127.0.0.1")


@pytest.fixture
def client(tmp_path) -> TestClient:
    return server(tmp_path)


def picture(width=32, height=48, format="PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 120, np.uint8)).save(content, format=format)
    return content.getvalue()


def wrong(answer, status, code, param=None) -> str:
    """Every error has the same shape."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    return error["message"]


def test_a_video_call_as_public_clients_make_it(client):
    made = client.post(
        "/v1/videos", json={"prompt": "a person waves", "model": "mini", "seconds": "4", "size": "96x128"}
    )
    video = made.json()
    assert (made.status_code, video["object"], video["status"]) == (200, "video", "queued")
    assert (video["seconds"], video["size"], video["model"]) == ("4", "96x128", "mini")
    assert client.get(f"/v1/videos/{video['id']}").json() == video
    assert client.get("/v1/videos").json()["data"] == [video]
    wrong(client.get(f"/v1/videos/{video['id']}/content"), 409, "not_finished")
    gone = client.delete(f"/v1/videos/{video['id']}").json()
    assert gone == {"id": video["id"], "object": "video.deleted", "deleted": True}
    wrong(client.get(f"/v1/videos/{video['id']}"), 404, "not_found")


def test_a_form_with_a_picture_is_the_same_call(client):
    made = client.post(
        "/v1/videos",
        data={
            "prompt": "a person waves",
            "seconds": "4",
            "guidance": '{"text": 2}',
            "control": '["tokenmotion"]',
        },
        files={"input_reference": ("hero.png", picture(), "image/png")},
    ).json()
    asked = made["request"]
    assert (asked["prompt"], asked["seconds"], asked["guidance"]["text"]) == ("a person waves", 4.0, 2.0)
    kept = client.get(f"/v1/files/{asked['input_reference']}").json()
    assert (kept["kind"], kept["filename"]) == ("picture", "hero.png")
    assert client.get(f"/v1/files/{kept['id']}/content").content == picture()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"prompt": "walk", "sede": 3}, "sede"),
        ({"prompt": "walk", "seconds": 0}, "seconds"),
        ({"prompt": "walk", "size": "8x8"}, "size"),
        ({"prompt": "walk", "motion": "../../etc/passwd"}, "motion"),
        ({"prompt": "walk", "steps": "many"}, "steps"),
        ([], None),
        ({"prompt": "walk", "guidance": {"pose": -1}}, "guidance.pose"),
    ],
)
def test_what_cannot_be_asked_for_names_the_field(client, body, param):
    message = wrong(client.post("/v1/videos", json=body), 422, "invalid_request", param)
    assert len(message) < 400


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"prompt": "walk", "model": "/etc"}, "no_such_model", "model"),
        ({"prompt": "walk", "model": "wan2.1-14b"}, "no_such_model", "model"),
        ({"prompt": "walk", "control": ["../x"]}, "no_such_control", "control"),
        ({"prompt": "walk", "camera": "fly to the moon"}, "invalid_camera", "camera"),
        ({"prompt": "walk", "camera": "/etc/camera.json"}, "invalid_camera", "camera"),
        ({"prompt": "walk", "input_reference": "file_" + "0" * 24}, "no_such_file", "input_reference"),
        ({"motion": "motion_" + "0" * 24}, "not_finished", "motion"),
    ],
)
def test_what_is_not_here_is_said_before_anything_waits(client, body, code, param):
    wrong(client.post("/v1/videos", json=body), 422, code, param)
    assert client.get("/v1/videos").json()["data"] == []


def test_bodies_that_are_no_bodies(client):
    wrong(
        client.post("/v1/videos", content=b"{", headers={"content-type": "application/json"}),
        400,
        "invalid_json",
    )
    wrong(client.post("/v1/videos", content=b'{"seconds": NaN}', headers={"content-type": "application/json"}), 400,
          "invalid_json")  # fmt: skip
    deep = b"[" * 100_000
    wrong(
        client.post("/v1/motions", content=deep, headers={"content-type": "application/json"}),
        400,
        "invalid_json",
    )
    wrong(
        client.post("/v1/videos", content=b"x", headers={"content-type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    unbounded = {"content-type": "multipart/form-data"}
    wrong(client.post("/v1/videos", content=b"x", headers=unbounded), 400, "invalid_form")


def test_files_are_what_their_names_say(client):
    def upload(name, content):
        return client.post("/v1/files", files={"file": (name, content)})

    wrong(upload("virus.exe", b"MZ"), 415, "unsupported_file", "file")
    for name, content in [
        ("a.png", b"no picture"),
        ("a.bvh", b"HIERARCHY"),
        ("a.npz", b"PK"),
        ("a.mp4", b"xx"),
    ]:
        message = wrong(upload(name, content), 422, "unreadable_file", "file")
        assert name in message or "the picture" in message or "it is" in message
    good = upload("../../escape.png", picture()).json()
    assert good["filename"] == "escape.png"


def test_a_picture_is_measured_before_it_is_decoded(tmp_path):
    client = server(tmp_path, max_pixels=1000)
    answer = client.post("/v1/files", files={"file": ("big.png", picture(64, 64))})
    assert "4096 pixels" in wrong(answer, 422, "unreadable_file", "file")
    assert not list((tmp_path / "uploads").iterdir())


def test_bodies_have_a_limit_with_and_without_a_stated_length(tmp_path):
    client = server(tmp_path, max_upload=10_000)
    wrong(client.post("/v1/files", files={"file": ("a.png", b"0" * 20_000)}), 413, "too_large")

    def pieces():
        for _ in range(20):
            yield b"0" * 1000

    answer = client.post("/v1/videos", content=pieces(), headers={"content-type": "application/json"})
    wrong(answer, 413, "too_large")


def test_beyond_this_machine_a_token_is_needed(tmp_path):
    with pytest.raises(ValueError, match="token"):
        ServerConfig(root=tmp_path, host="0.0.0.0")
    client = server(tmp_path, token=TOKEN)
    wrong(client.get("/v1/videos"), 401, "no_token")
    wrong(client.get("/v1/videos", headers={"authorization": "Bearer wrong"}), 401, "no_token")
    wrong(client.get("/metrics"), 401, "no_token")
    assert client.get("/v1/videos", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_other_pages_and_rebound_names_are_refused(client):
    wrong(client.get("/v1/videos", headers={"host": "evil.example"}), 421, "unknown_host")
    wrong(client.post("/v1/videos", json={"prompt": "walk"}, headers={"origin": "http://evil.example"}), 403,
          "foreign_origin")  # fmt: skip
    assert client.get("/v1/videos", headers={"origin": "http://127.0.0.1"}).status_code == 200
    headers = client.get("/v1/videos").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]


def test_rate_queue_and_quota_say_when_to_come_back(tmp_path):
    client = server(tmp_path / "rate", rate=3)
    answers = [client.post("/v1/motions", json={"prompt": "walk"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    client = server(tmp_path / "queue", queue=1)
    client.post("/v1/motions", json={"prompt": "walk"})
    full = client.post("/v1/motions", json={"prompt": "walk"})
    wrong(full, 429, "queue_full")
    assert full.headers["retry-after"]
    client = server(tmp_path / "quota", quota=100)
    wrong(client.post("/v1/files", files={"file": ("a.png", picture())}), 507, "quota_exceeded")


def test_a_scene_is_edited_from_the_revision_that_was_seen(client):
    scene = {"people": [{"motion": {"prompt": "a person walks"}}], "camera": {"text": "arc left 30deg"}}
    made = client.post("/v1/scenes", json=scene).json()
    scene["camera"]["text"] = "dolly in 1m"
    edited = client.put(f"/v1/scenes/{made['id']}?revision=1", json=scene).json()
    assert (edited["revision"], edited["request"]["camera"]["text"]) == (2, "dolly in 1m")
    wrong(client.put(f"/v1/scenes/{made['id']}?revision=1", json=scene), 409, "edited_elsewhere")
    scene["camera"]["text"] = "nonsense"
    wrong(client.put(f"/v1/scenes/{made['id']}", json=scene), 422, "invalid_camera", "camera.text")


def test_what_can_be_chosen_and_how_it_goes(client):
    choices = client.get("/v1/catalogue").json()
    assert {"mini", "rough"} <= set(choices["models"])
    assert choices["default_model"] == "automatic"
    assert len(choices["joints"]) == len(choices["parents"]) == 24
    client.post("/v1/motions", json={"prompt": "walk"})
    figures = client.get("/metrics").text
    assert 'kinema_jobs{kind="motion",state="queued"} 1.0' in figures
    assert 'kinema_http_requests_total{method="POST",route="/v1/motions",status="200"} 1.0' in figures
    assert client.get("/openapi.json").json()["paths"]["/v1/videos"]["post"]["requestBody"][
        "content"
    ].keys() == {
        "application/json",
        "multipart/form-data",
    }


@pytest.fixture
def motions(tmp_path):
    """A folder of motions with captions, as somebody has it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    write_motion(folder / "walk.bvh", walk(41))
    write_motion(folder / "kick.npz", walk(21))
    (folder / "captions.txt").write_text(
        "walk.bvh: a person walks\nkick.npz: a person kicks with the left leg\n"
    )
    return folder


def test_the_library_is_listed_page_by_page_and_searched(tmp_path, motions):
    client = server(tmp_path / "root", library=motions)
    first = client.get("/v1/library", params={"limit": 1}).json()
    assert (first["object"], first["has_more"], first["note"]) == ("list", True, None)
    assert first["data"][0] == {"id": "mine/walk.bvh", "caption": "a person walks", "seconds": 2.0, "mirrored": False,
                                "licence": "the user's own", "score": None}  # fmt: skip
    rest = client.get("/v1/library", params={"limit": 1, "after": "mine/walk.bvh"}).json()
    assert [clip["id"] for clip in rest["data"]] == ["mine/kick.npz"]
    assert not rest["has_more"]
    wrong(client.get("/v1/library", params={"after": "mine/run.bvh"}), 404, "not_found", "after")
    wrong(client.get("/v1/library", params={"q": "走る"}), 422, "invalid_request", "q")
    try:
        default_text_encoder()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = client.get("/v1/library", params={"q": "a kick with the right foot"}).json()["data"]
    assert (found[0]["id"], found[0]["mirrored"]) == ("mine/kick.npz", True)
    client.app.state.service.library.stop()
    assert client.get("/v1/library").json()["data"], "one that has ended is started anew"
    client.app.state.service.library.stop()


def test_a_librarian_that_gives_no_answer_is_replaced(tmp_path, motions, monkeypatch):
    client = server(tmp_path / "root", library=motions)
    assert client.get("/v1/library").json()["data"]
    library = client.app.state.service.library
    first = library._librarian._process
    first.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("kinema.app.server.asked_process._PATIENCE", 10.0)
    assert client.get("/v1/library").json()["data"]
    assert first.poll() == -signal.SIGKILL
    library.stop()


def test_without_a_library_the_answer_says_how_to_get_one(client):
    answer = client.get("/v1/library", params={"q": "walk"}).json()
    assert answer["data"] == []
    assert "KINEMA_MOTION_DATA" in answer["note"]
    wrong(client.post("/v1/motions", json={"clip": "mine/walk.bvh"}), 422, "no_such_clip", "clip")


def test_a_library_that_cannot_be_read_is_said_without_its_path(tmp_path):
    client = server(tmp_path / "root", library=tmp_path)
    message = wrong(client.get("/v1/library"), 503, "library_unreadable")
    assert str(tmp_path) not in message
    wrong(client.post("/v1/motions", json={"clip": "a"}), 422, "no_such_clip", "clip")


def test_a_clip_of_the_library_is_made_into_a_motion(tmp_path, motions):
    client = server(tmp_path / "root", library=motions)
    for body, param in [
        ({"clip": "../mine/walk.bvh"}, "clip"),
        ({"clip": str(motions / "walk.bvh")}, "clip"),
    ]:
        wrong(client.post("/v1/motions", json=body), 422, "no_such_clip", param)
        scene = {"people": [{"motion": body}]}
        wrong(client.post("/v1/scenes", json=scene), 422, "no_such_clip", "people.0.motion.clip")
    for body in [{"clip": "mine/walk.bvh", "prompt": "walk"}, {"prompt": "walk", "mirrored": True},
                 {"clip": "mine/walk.bvh", "path": [{"time": 0, "x": 0, "z": 0}]}]:  # fmt: skip
        wrong(client.post("/v1/motions", json=body), 422, "invalid_request")
    asked = client.post("/v1/motions", json={"clip": "mine/kick.npz", "mirrored": True, "seconds": 0.5})
    assert asked.status_code == 200, asked.text
    service = client.app.state.service
    job = service.store.claim("cpu")
    folder = tmp_path / "made"
    folder.mkdir()
    made = Engine(service.config, service.store, service.shelf, "cpu").make(job, folder, lambda *_: None)
    assert made["details"]["seconds"] == pytest.approx(0.5, abs=0.05)
    motion = Scene.load(folder / "motion.npz").people[0]
    assert motion.joints[0] == pytest.approx(walk(21).mirror().joints[0], abs=2e-3)


def test_the_server_works_without_torch():
    """Loading it would take the first request seconds; only workers and the librarian need it."""
    lines = (
        "import sys, kinema.app.server.web, kinema.app.filming; from kinema.app.server import catalogue; "
        "catalogue.choices('mini'); catalogue.check_control('tokenmotion'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", lines]).returncode == 0


def raw_json(client, path, text):
    return client.post(path, content=text, headers={"content-type": "application/json"})


def test_what_cannot_be_written_again_is_refused_before_it_is_stored(client):
    """One lone surrogate in the notes of a scene made every list of scenes a 500."""
    scene = '{"people": [{"motion": {"prompt": "a"}}], "notes": {"k": %s}}'
    for bad in ('"\\ud800"', "[" * 300 + "]" * 300, "1" * 5000):
        wrong(raw_json(client, "/v1/scenes", scene % bad), 400, "invalid_json")
    form = client.post("/v1/scenes", data={"people": "[]", "seconds": "1", "notes": '{"k": "\\ud800"}'})
    wrong(form, 400, "invalid_json")
    assert client.get("/v1/scenes").json()["data"] == []
    assert raw_json(client, "/v1/scenes", scene % '"\\ud83d\\ude00"').status_code == 200


def test_a_json_body_is_counted_while_it_comes():
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    with pytest.raises(Refused) as refused:
        asyncio.run(read_body(Request(scope, receive), MotionRequest, {}))
    assert (refused.value.status_code, taken) == (413, 5)


def test_a_form_that_is_too_large_says_so(tmp_path):
    def pieces():
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(20):
            yield b"0" * 1000

    client = server(tmp_path, max_upload=10_000)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    wrong(client.post("/v1/files", content=pieces(), headers=kind), 413, "too_large")


def test_methods_that_are_none_are_refused_and_name_no_figure(client):
    for number in range(3):
        wrong(client.request(f"MADEUP{number}", "/v1/videos"), 501, "unknown_method")
    assert "MADEUP" not in client.get("/metrics").text
    client.request("PATCH", "/v1/videos")
    assert 'method="PATCH"' in client.get("/metrics").text


def test_pages_of_other_sites_get_nothing(client):
    for site, status in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]:
        assert client.get("/v1/actors/1", headers={"sec-fetch-site": site}).status_code == status
    assert client.get("/healthz", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def png_of(width, height, data=b"") -> bytes:
    """A PNG with whatever pixel data."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_pictures_that_are_traps_cost_the_server_nothing(client):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, the most so far
    for content in (
        png_of(1, 67_108_863),
        png_of(8192, 8191),
        png_of(30_000, 2_000),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ):
        answer = client.post("/v1/files", files={"file": ("trap.png", content)})
        assert "trap.png" in wrong(answer, 422, "unreadable_file", "file") or "pixels" in answer.text
    whole = png_of(
        8000, 8000, zlib.compress(bytes(8001 * 8000))
    )  # 62 kB, and 64 to 250 MB once it is decoded
    before = max(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert client.post("/v1/files", files={"file": ("whole.png", whole)}).status_code == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    assert len(list((client.app.state.service.config.root / "uploads").iterdir())) == 1


def test_a_reader_that_takes_too_much_memory_or_time_is_ended(tmp_path, monkeypatch):
    good = tmp_path / "a.png"
    good.write_bytes(picture())
    checking.check(good, "picture", "hero.png", 1 << 26, 60)
    monkeypatch.setattr(checking, "_IN_LINE", threading.BoundedSemaphore(1))
    with checking._IN_LINE, pytest.raises(checking.TooMany):
        checking.check(good, "picture", "hero.png", 1 << 26, 60)
    monkeypatch.setattr(checking, "SECONDS", 0.01)
    with pytest.raises(ValueError, match=r"hero\.png: reading it takes longer"):
        checking.check(good, "picture", "hero.png", 1 << 26, 60)


def test_equal_content_is_kept_once_under_one_kind(client):
    def upload(name, content):
        return client.post("/v1/files", files={"file": (name, content)})

    first = upload("hero.png", picture()).json()
    assert upload("again.jpg", picture()).json() == first
    assert "'hero.png'" in wrong(upload("hero.bvh", picture()), 422, "wrong_kind", "file")
    uploads = client.app.state.service.config.root / "uploads"
    assert [path.suffix for path in uploads.iterdir()] == [".png"]
    lost = np.full((4, 24, 3), np.nan)
    content = io.BytesIO()
    np.save(content, lost)
    assert "lost.npy" in wrong(upload("lost.npy", content.getvalue()), 422, "unreadable_file", "file")


def test_kinds_and_sizes_are_checked_when_a_job_is_made(client, tmp_path):
    hero = client.post("/v1/files", files={"file": ("hero.png", picture())}).json()["id"]
    write_motion(tmp_path / "walk.bvh", walk(21))
    content = (tmp_path / "walk.bvh").read_bytes()
    moves = client.post("/v1/files", files={"file": ("walk.bvh", content)}).json()["id"]
    for path, body, param in [
        ("/v1/videos", {"motion": hero}, "motion"),
        ("/v1/videos", {"prompt": "walk", "input_reference": moves}, "input_reference"),
        ("/v1/motions", {"file": hero}, "file"),
        ("/v1/scenes", {"people": [{"motion": {"file": hero}}]}, "people.0.motion.file"),
    ]:
        said = wrong(client.post(path, json=body), 422, "wrong_kind", param)
        assert "'hero.png' is a picture" in said or "'walk.bvh' is a motion" in said
    large = {"prompt": "walk", "size": "256x256"}
    assert "96x128" in wrong(client.post("/v1/videos", json=large), 422, "invalid_request", "size")
    assert client.post("/v1/videos", json={**large, "input_reference": hero}).status_code == 200, (
        "a rough take"
    )


def test_an_edit_obeys_quota_queue_and_disk(tmp_path, monkeypatch):
    scene = {"people": [{"motion": {"prompt": "a person walks"}}]}
    client = server(tmp_path / "queue", queue=1)
    made = client.post("/v1/scenes", json=scene).json()
    store = client.app.state.service.store
    store.complete(store.claim("cpu"), {"folder": "f", "files": {}}, 1)
    client.post("/v1/motions", json={"prompt": "walk"})
    wrong(client.put(f"/v1/scenes/{made['id']}", json=scene), 429, "queue_full")

    client = server(tmp_path / "quota", quota=100)
    made = client.post("/v1/scenes", json=scene).json()
    store = client.app.state.service.store
    store.complete(store.claim("cpu"), {"folder": "f", "files": {}}, 200)
    wrong(client.put(f"/v1/scenes/{made['id']}", json=scene), 507, "quota_exceeded")

    client = server(tmp_path / "disk")
    made = client.post("/v1/scenes", json=scene).json()
    monkeypatch.setattr("kinema.app.server.service.free_bytes", lambda root: 1000)
    wrong(client.put(f"/v1/scenes/{made['id']}", json=scene), 507, "disk_full")
    wrong(client.post("/v1/motions", json={"prompt": "walk"}), 507, "disk_full")
    wrong(client.post("/v1/files", files={"file": ("a.png", picture())}), 507, "disk_full")
    wrong(client.get("/readyz"), 503, "disk_full")


def test_a_database_that_another_program_holds_stops_neither_page_nor_health(tmp_path, monkeypatch):
    monkeypatch.setattr("kinema.app.server.service._PATIENCE", 0.2)
    client = server(tmp_path)
    scene = {"people": [{"motion": {"prompt": "a person walks"}}]}
    made = client.post("/v1/scenes", json=scene).json()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False).put(
            f"/v1/scenes/{made['id']}", json=scene
        )
        wrong(answer, 503, "database_busy")
        wrong(client.get("/readyz"), 503, "database_busy")
        assert client.get(f"/v1/scenes/{made['id']}").status_code == 200
    assert client.put(f"/v1/scenes/{made['id']}", json=scene).status_code == 200


def test_readiness_says_who_does_not_answer(client):
    said = wrong(client.get("/readyz"), 503, "no_worker")
    assert "motions on cpu" in said
    assert "films on cpu" in said


def test_only_so_many_follow(tmp_path):
    client = server(tmp_path, streams=0)
    made = client.post("/v1/motions", json={"prompt": "walk"}).json()
    wrong(client.get(f"/v1/motions/{made['id']}/events"), 503, "too_many_followers")


def test_one_look_at_the_table_serves_all_who_follow(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    job = store.create("motion", {})
    following = Following(store, 1000)
    looks = []
    get = store.get
    store.get = lambda number: looks.append(number) or get(number)

    async def all_look():
        await following.look(job.id)
        return await asyncio.gather(*(following.look(job.id) for _ in range(300)))

    assert {found.id for found, _ in asyncio.run(all_look())} == {job.id}
    assert len(looks) <= 3


def test_a_look_afresh_sees_an_edit_of_this_moment(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    job = store.create("scene", {"people": []})
    following = Following(store, 10)

    async def looks():
        before, _ = await following.look(job.id)
        store.revise(job.id, {"people": [], "notes": {}}, None)
        lately, _ = await following.look(job.id)
        now, _ = await following.look(job.id, afresh=True)
        return before.revision, lately.revision, now.revision

    before, lately, now = asyncio.run(looks())
    assert lately == before  # what was seen a moment ago serves all
    assert now == before + 1


def test_no_message_says_where_files_lie(client):
    service = client.app.state.service
    stored = service.keep(UploadFile(io.BytesIO(picture()), filename="hero.png", size=100))
    job = service.store.create("video", {"input_reference": stored.id})
    job = service.store.claim("x.films.cpu")
    shelf = service.shelf
    text = (
        f"{shelf.upload(stored)}: bad; {shelf.bench(job)}/motion.bvh: joint; {shelf.root}/x; /usr/share/y.bin"
    )
    told = service.shelf.without_paths(text, job, service.store.file)
    assert told == "hero.png: bad; motion.bvh: joint; x; y.bin"


def test_the_folder_is_for_its_user_alone(tmp_path):
    shelf = Shelf(tmp_path / "new" / "root")
    JobStore(shelf.database)
    assert shelf.database.stat().st_mode & 0o077 == 0
    for folder in ("", "uploads", "results", "work", "captures"):
        assert (tmp_path / "new" / "root" / folder).stat().st_mode & 0o077 == 0
