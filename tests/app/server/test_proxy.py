"""`kinema serve --proxy`: whose word is taken for who the client is."""

from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from kinema.app.cli import app
from kinema.app.commands import serve
from kinema.app.server.config import ServerConfig
from kinema.app.server.running import listening
from kinema.app.server.web import create_app


def started(monkeypatch: Any, *options: str) -> ServerConfig:
    """The configuration that the command would serve with."""
    seen: list[ServerConfig] = []
    monkeypatch.setattr(serve, "_run", lambda config, **rest: seen.append(config))
    done = CliRunner().invoke(app, ["serve", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[0]


def refused(config: ServerConfig, peer: str, clients: list[str]) -> list[bool]:
    """Of a server whose rate is two a minute: whether each request is one too many."""
    served = uvicorn.Config(create_app(config), **listening(config))
    served.load()
    told = TestClient(served.loaded_app, base_url="http://127.0.0.1", client=(peer, 4))
    answers = [told.post("/v1/motions", json={}, headers={"x-forwarded-for": each}) for each in clients]
    return [answer.status_code == 429 for answer in answers]


@pytest.mark.parametrize(("peer", "believed"), [("10.0.0.7", True), ("10.0.0.9", False)])
def test_a_named_proxy_says_who_the_clients_are_and_a_stranger_does_not(
    monkeypatch, tmp_path, peer, believed
):
    config = started(monkeypatch, "--proxy", "10.0.0.7", "--rate", "2", "--root", str(tmp_path))
    others = [f"203.0.113.{number}" for number in range(4)]
    assert refused(config, peer, others) == ([False] * 4 if believed else [False, False, True, True])


def test_without_it_nobody_is_believed(monkeypatch, tmp_path):
    config = started(monkeypatch, "--rate", "2", "--root", str(tmp_path))
    assert config.proxies == ()
    assert refused(config, "127.0.0.1", ["203.0.113.1", "203.0.113.2", "203.0.113.3"]) == [False, False, True]
