"""The HTTP side without workers: what is asked for waits, and everything else can be seen."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from kinema.app.server.config import ServerConfig
from kinema.app.server.web import create_app

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
    assert "mini" in choices["models"]
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
