"""The endpoint against a server of our own: good answers are taken, bad ones fall back to rules with one line."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kinema.motion.prompt import SplitPrompt
from kinema.motion.prompt_endpoint import Endpoint, split_with

PROMPT = "a man walks, the camera orbits left"
RULES = SplitPrompt("a man walks", "arc left", appearance=PROMPT)


@pytest.fixture
def serve():
    """Starts a server with one answer (or a function that writes it); returns its address and what it was asked."""
    servers = []

    def start(content, status=200, wait=0.0):
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, self.headers.get("Authorization"), json.loads(body)))
                time.sleep(wait)
                reply = (
                    content
                    if isinstance(content, bytes)
                    else json.dumps({"choices": [{"message": {"content": content}}]}).encode()
                )
                self.send_response(status)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # nobody waited for it
                    self.wfile.write(reply)

            def log_message(self, *words):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_good_answer_is_taken(serve):
    url, asked = serve(json.dumps({"motion": "a man strolls", "camera": "arc left 60deg"}))
    split = split_with(Endpoint(url, "small", key="secret"), PROMPT)
    assert split == SplitPrompt("a man strolls", "arc left 60deg", appearance=PROMPT)
    path, key, body = asked[0]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer secret", "small")
    assert body["messages"][1]["content"] == PROMPT


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        ("certainly! the motion is walking", 200, "JSON object"),
        (json.dumps({"motion": "walks", "camera": None, "more": 1}), 200, "JSON object"),
        (json.dumps({"motion": "walks", "camera": "fly to the moon"}), 200, "cannot be read"),
        (json.dumps({"motion": 3, "camera": None}), 200, "motion"),
        (json.dumps({"motion": "x" * 2000, "camera": None}), 200, "motion"),
        (b"<html>", 200, "not JSON"),
        (b"{}", 200, "choices"),
        (b"[" * 100_000, 200, "not JSON"),
        (b" " * (2 << 20), 200, "longer"),
        (b"", 500, "500"),
    ],
)
def test_a_bad_answer_falls_back_with_one_line(serve, content, status, why):
    url, _ = serve(content, status)
    said = []
    assert split_with(Endpoint(url, "small"), PROMPT, said.append).camera == RULES.camera
    assert len(said) == 1
    assert why in said[0]
    assert "by rules" in said[0]


def test_silence_falls_back_in_time(serve):
    url, _ = serve("{}", wait=1.0)
    said = []
    begin = time.monotonic()
    assert split_with(Endpoint(url, "small", timeout=0.2), PROMPT, said.append).motion == RULES.motion
    assert time.monotonic() - begin < 1
    assert "0.2 s" in said[0]
    said.clear()
    split_with(Endpoint("http://127.0.0.1:9", "small"), PROMPT, said.append)
    assert "cannot be reached" in said[0]


def test_addresses_are_checked_and_rules_need_none():
    with pytest.raises(ValueError, match="http"):
        Endpoint("file:///etc/hosts", "small")
    with pytest.raises(ValueError, match="timeout"):
        Endpoint("http://localhost", "small", timeout=0)
    assert split_with(None, PROMPT).motion == "a man walks"
