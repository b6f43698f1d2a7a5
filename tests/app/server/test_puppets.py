"""Users' pictures in scenes that are edited: frames of the rough take, and what to expect of a picture."""

import asyncio
import base64
import io
import json
from pathlib import Path

import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.app.server.running import until
from tests.motion.walking import walk

from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.rough import rough_take
from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine
from kinema.app.server.puppets import Puppets
from kinema.app.server.schemas import VideoRequest
from kinema.app.server.web import create_app
from kinema.scene import Scene
from kinema.scene.camera_language import camera_path

HERO = Path(__file__).parents[3] / "examples" / "character.png"
SIDE = 256
pytest.importorskip("ai_edge_litert", reason="needs the detectors")


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> TestClient:
    app = create_app(ServerConfig(root=tmp_path_factory.mktemp("puppets")))
    client = TestClient(app, base_url="http://127.0.0.1")
    yield client
    app.state.service.puppets.stop()


@pytest.fixture(scope="module")
def hero(client) -> str:
    return upload(client, "hero.png", HERO.read_bytes())


@pytest.fixture(scope="module")
def scene(client) -> str:
    """One that a worker has made."""
    service = client.app.state.service
    body = {"people": [{"motion": {"prompt": "a person walks"}}], "size": "96x128"}
    number = client.post("/v1/scenes", json=body).json()["id"]
    job = service.store.claim("cpu")
    motion = walk(41)
    camera = camera_path("arc left 30deg", size=(96, 128), fps=20.0, frames=41, subject=motion)
    Scene((motion,), camera, 20.0).save(service.shelf.bench(job) / "scene.npz")
    folder, size = service.shelf.publish(job)
    service.store.complete(job, {"files": {"scene.npz": 1}, "details": {}, "folder": folder}, size)
    return number


def upload(client, name: str, content: bytes) -> str:
    answer = client.post("/v1/files", files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def asked(client, path: str, **said):
    """The answer, once the picture is ready."""
    return until(lambda: (answer := client.get(path, params=said)).status_code not in (202, 204) and answer)


def test_a_frame_is_what_the_film_of_the_same_request_shows(client, hero, scene):
    first = client.get(f"/v1/scenes/{scene}/rough", params={"picture": hero})
    assert (first.status_code, first.json()) == (202, {"status": "preparing"})
    answer = asked(client, f"/v1/scenes/{scene}/rough", picture=hero, time=1.0, side=SIDE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    shown = np.asarray(Image.open(io.BytesIO(answer.content)), np.float64)
    assert shown.shape == (256, 192, 3)

    service = client.app.state.service
    engine = Engine(service.config, service.store, service.shelf, "cpu")
    request = engine._request(VideoRequest(scene=scene, input_reference=hero, person=0))
    assert request.is_rough
    take = rough_take(request, Progress(), ModelCache())
    frames = list(take.film(Progress()))
    filmed = np.asarray(Image.fromarray(frames[20]).resize((192, 256), Image.Resampling.BOX), np.float64)
    assert np.abs(shown - filmed).mean() < 4
    other = asked(client, f"/v1/scenes/{scene}/rough", picture=hero, time=0.0, side=SIDE)
    assert np.abs(shown - np.asarray(Image.open(io.BytesIO(other.content)), np.float64)).mean() > 4


def test_a_check_says_what_to_expect_and_where_the_joints_are(client, hero):
    report = asked(client, f"/v1/files/{hero}/check").json()
    assert (report["verdict"], report["source"]) == ("good", "detected")
    width, height = report["marks"]["size"]
    cutout = np.asarray(Image.open(io.BytesIO(base64.b64decode(report["cutout"]))))
    assert cutout.shape == (height, width)
    x, y = report["marks"]["joints"]["pelvis"]
    assert cutout[round(y), round(x)] == 255
    assert cutout[2, 2] == 0


def test_joints_and_mask_that_were_mended_are_used(client, hero, scene):
    report = asked(client, f"/v1/files/{hero}/check").json()
    x, y = report["marks"]["joints"]["left_wrist"]
    marks = {"size": report["marks"]["size"], "joints": {"left_wrist": [x + 20, y - 15]}}
    mask = io.BytesIO(base64.b64decode(report["cutout"]))
    pixels = np.asarray(Image.open(mask)).copy()
    pixels[: pixels.shape[0] // 4] = 0
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    said = {
        "marks": upload(client, "joints.json", json.dumps(marks).encode()),
        "mask": upload(client, "mask.png", content.getvalue()),
        "clothes": "trousers",
    }
    mended = asked(client, f"/v1/files/{hero}/check", **said).json()
    assert mended["source"] == "marked"
    assert mended["marks"]["joints"]["left_wrist"] == pytest.approx([x + 20, y - 15], abs=0.2)
    cutout = np.asarray(Image.open(io.BytesIO(base64.b64decode(mended["cutout"]))))
    assert not cutout[: cutout.shape[0] // 4].any()
    frame = asked(client, f"/v1/scenes/{scene}/rough", picture=hero, side=SIDE, **said)
    assert frame.status_code == 200


def test_what_cannot_be_shown_is_said(client, hero, scene):
    empty = io.BytesIO()
    Image.fromarray(np.full((200, 160, 3), 120, np.uint8)).save(empty, format="PNG")
    wall = upload(client, "wall.png", empty.getvalue())
    answer = asked(client, f"/v1/scenes/{scene}/rough", picture=wall)
    assert answer.status_code == 422
    assert "nobody is found" in answer.json()["error"]["message"]
    assert str(client.app.state.service.config.root) not in answer.text
    report = asked(client, f"/v1/files/{wall}/check").json()
    assert (report["verdict"], report["source"]) == ("nobody", "nobody")
    assert len(report["marks"]["joints"]) == 24
    wrong = asked(client, f"/v1/scenes/{scene}/rough", picture=hero, mask=wall)
    assert wrong.status_code == 422
    assert wrong.json()["error"]["message"].startswith("the mask: has 160x200 pixels, the picture 384x512")
    assert client.get(f"/v1/scenes/{scene}/rough", params={"picture": "file_" + "0" * 24}).status_code == 422
    assert client.get(f"/v1/scenes/{scene}/rough", params={"picture": "../x"}).status_code == 422
    unmade = client.post("/v1/scenes", json={"people": [], "seconds": 1}).json()["id"]
    assert client.get(f"/v1/scenes/{unmade}/rough", params={"picture": hero}).status_code == 409
    damaged = client.post("/v1/files", files={"file": ("joints.json", b'{"size": [3], "joints": {}}')})
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (422, "unreadable_file")


def test_a_process_that_was_killed_is_started_anew(client, hero):
    asked(client, f"/v1/files/{hero}/check")
    mine = [p for p in psutil.Process().children() if "kinema.app.server.puppeteer" in p.cmdline()]
    for process in mine:
        process.kill()
    assert len(mine) == 1
    assert asked(client, f"/v1/files/{hero}/check").json()["verdict"] == "good"


def test_the_newest_question_wins():
    asked_for = []

    class Slow:
        def ask(self, question):
            asked_for.append(question["n"])
            return {}

    async def three() -> list:
        mine = Puppets(1.0)
        mine._process = Slow()
        return await asyncio.gather(
            *(mine.ask("a scene", {"n": n}) for n in range(3)), mine.ask("another", {"n": 9})
        )

    assert asyncio.run(three()) == [{}, None, {}, {}], "only the first is at work already when others come"
    assert asked_for == [0, 2, 9]
