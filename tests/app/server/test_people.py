"""Several people in one video of the server: what is refused at once, what is kept, and who then moves whom."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.app.server.test_web import picture, server, wrong
from tests.motion.walking import walk

from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.server.directing import make_scene
from kinema.app.server.group_camera import group_camera
from kinema.app.server.making import Engine
from kinema.app.server.schemas import SceneCamera, VideoRequest
from kinema.app.server.stage_film import filmed, staged
from kinema.scene import Scene

ACTORS = (5, 9)


@pytest.fixture
def client(tmp_path) -> TestClient:
    return server(tmp_path)


def meeting() -> Scene:
    """Two who walk towards each other along X."""
    people = [
        walk(41).rotate_y(90).translate((-2.5, 0, 0)),
        walk(41).rotate_y(-90).translate((2.5, 0, 0)),
    ]
    return make_scene(people, SceneCamera(person=None), (128, 96), None, None)


def made(client, scene: Scene) -> str:
    """A scene that a worker has made."""
    service = client.app.state.service
    people = [{"motion": {"prompt": "a person walks"}, "actor": actor} for actor in ACTORS]
    number = client.post("/v1/scenes", json={"people": people, "size": "128x96"}).json()["id"]
    job = service.store.claim("cpu")
    scene.save(service.shelf.bench(job) / "scene.npz")
    folder, size = service.shelf.publish(job)
    service.store.complete(job, {"files": {"scene.npz": 1}, "details": {}, "folder": folder}, size)
    return number


def uploaded(client, shade: int) -> str:
    content = io.BytesIO()
    Image.fromarray(np.full((64, 48, 3), shade, np.uint8)).save(content, format="PNG")
    return client.post("/v1/files", files={"file": (f"{shade}.png", content.getvalue())}).json()["id"]


def engine(client) -> Engine:
    service = client.app.state.service
    return Engine(service.config, service.store, service.shelf, "cpu")


def test_a_form_takes_several_pictures_and_each_is_kept_in_its_place(client):
    scene, first = made(client, meeting()), uploaded(client, 10)
    answer = client.post(
        "/v1/videos",
        data={"scene": scene, "input_reference": first},
        files=[("input_reference", ("b.png", picture(40, 60)))],
    )
    asked = answer.json()["request"]["input_reference"]
    assert asked[0] == first
    assert client.get(f"/v1/files/{asked[1]}").json()["filename"] == "b.png"
    several = client.post(
        "/v1/videos",
        data={"scene": scene},
        files=[("input_reference", (f"{n}.png", picture(40 + n, 60))) for n in range(2)],
    )
    assert len(several.json()["request"]["input_reference"]) == 2
    alone = client.post(
        "/v1/videos", data={"scene": scene}, files=[("input_reference", ("a.png", picture()))]
    ).json()
    assert isinstance(alone["request"]["input_reference"], str), "one is no list"
    schema = client.get("/openapi.json").json()["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    form = schema["multipart/form-data"]["schema"]["properties"]["input_reference"]
    assert form["items"] == {"type": "string", "format": "binary"}
    assert "legs" in schema["application/json"]["schema"]["properties"]


def test_where_one_picture_cannot_be_used_none_is_kept(client):
    service, scene = client.app.state.service, made(client, meeting())
    before = len(service.store.files())
    bad = client.post(
        "/v1/videos",
        data={"scene": scene},
        files=[("input_reference", ("a.png", picture())), ("input_reference", ("b.png", b"no picture"))],
    )
    assert "b.png" in wrong(bad, 422, "unreadable_file", "file")
    assert len(service.store.files()) == before
    assert not [path for path in service.shelf.uploads.iterdir() if "partial" in path.name]


def test_the_quota_counts_all_pictures_of_a_request(tmp_path):
    client = server(tmp_path)
    scene = made(client, meeting())
    used = client.app.state.service.store.bytes_used()
    noise = np.random.default_rng(0).integers(0, 255, (48, 32, 3), np.uint8)
    noisy = io.BytesIO()
    Image.fromarray(noise).save(noisy, format="PNG")
    client = server(tmp_path, quota=used + round(1.5 * len(noisy.getvalue())))
    files = [("input_reference", (f"{n}.png", noisy.getvalue())) for n in range(2)]
    answer = client.post("/v1/videos", data={"scene": scene}, files=files)
    wrong(answer, 507, "quota_exceeded")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input_reference": ["A", "B"], "person": [0, 1, 1]}, "invalid_request", None),
        ({"input_reference": ["A", "B"], "person": [0, 4]}, "no_such_person", "person"),
        ({"input_reference": ["A", "B"], "mask": ["A"]}, "invalid_request", None),
        ({"input_reference": ["A", "B"], "picture_person": 1}, "invalid_request", None),
        ({"input_reference": [None, None]}, "invalid_request", None),
        ({"input_reference": ["A", "B"], "model": "mini"}, "invalid_request", "input_reference"),
        ({"input_reference": ["A", "A", "B"]}, "invalid_request", "input_reference"),
        ({"input_reference": "A", "model": "stage"}, "invalid_request", "input_reference"),
        ({"model": "stage", "steps": 3}, "invalid_request", "steps"),
        ({"model": "stage", "legs": "stay"}, "invalid_request", "legs"),
        ({"model": "stage", "guidance": {"text": 2}}, "invalid_request", "guidance"),
        ({"input_reference": "A", "legs": "dance"}, "invalid_request", None),
    ],
)
def test_what_does_not_go_together_is_refused_at_once(client, body, code, param):
    files = {"A": uploaded(client, 10), "B": uploaded(client, 20)}

    def named(value):
        return [named(each) for each in value] if isinstance(value, list) else files.get(value, value)

    pictured = ("input_reference", "mask")
    asked = {name: named(value) if name in pictured else value for name, value in body.items()}
    answer = client.post("/v1/videos", json={"scene": made(client, meeting()), **asked})
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    if param is not None:
        assert error["param"] == param


def test_whoever_has_no_picture_is_their_actor_and_pictures_come_first(client):
    scene, first = made(client, meeting()), uploaded(client, 10)
    body = VideoRequest(
        scene=scene, input_reference=[None, first], clothes=["skirt", "trousers"], legs=["move", "auto"]
    )
    asked = engine(client)._request(body)
    assert [path.name for path in asked.pictures][1] == f"actor-{ACTORS[0]}.png"
    assert asked.direction.people == (1, 0)
    assert (asked.rough.clothes, asked.rough.legs) == (["trousers", "skirt"], ["auto", "move"])
    assert asked.rough.marks[0] is None
    assert asked.rough.marks[1].name == f"actor-{ACTORS[0]}.json"
    cut_out = np.asarray(Image.open(asked.pictures[1]))
    assert cut_out.shape == (768, 512, 4)
    assert 0.05 < (cut_out[..., 3] > 0).mean() < 0.6
    width, height = asked.model.size
    assert width / height == pytest.approx(128 / 96, abs=0.05)


def test_a_film_of_the_stage_shows_everybody_as_the_still_does(client):
    body = VideoRequest(scene=made(client, meeting()), model="stage", size="64x48", seconds=0.2)
    maker = engine(client)
    request = maker._request(body)
    assert not request.is_rough
    assert maker.actors(body) == list(ACTORS)
    scene = staged(request, Progress(), ModelCache())
    assert len(scene.people) == 2
    frames = list(filmed(scene, maker.actors(body), Progress()))
    assert len(frames) == scene.camera.frames == 5
    still = client.get(
        f"/v1/scenes/{body.scene}/still", params={"width": 64, "height": 48, "time": 0}
    ).content
    shown = np.asarray(Image.open(io.BytesIO(still)).convert("RGB"), float)
    assert np.abs(shown - frames[0]).mean() < 6


@pytest.mark.parametrize("turn", [0.0, 90.0, 200.0])
def test_the_camera_of_several_sees_all_of_them_all_the_time_wherever_they_face(turn):
    scene = meeting()
    people = [person.rotate_y(turn) for person in scene.people]
    camera = group_camera(people, "static", size=(128, 96), fps=20.0, frames=41)
    for person in people:
        assert camera.visible(person.joints[:41]).all()
    apart = camera.project(np.stack([p.joints[0, 0] for p in people]))[0][0]
    assert abs(apart[0, 0] - apart[1, 0]) > 50, "neither stands behind the other"
    moved = group_camera(people, "arc left 60deg", size=(128, 96), fps=20.0, frames=41)
    assert np.allclose(moved.positions[0], camera.positions[0], atol=1e-6)
    assert np.linalg.norm(moved.positions[-1] - moved.positions[0]) > 2
