"""A server as a user starts it, for tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

BUDGET = float(os.environ.get("KINEMA_TEST_BUDGET", 150))  # seconds that anything may take on a busy machine


@contextmanager
def serving(
    root: Path, host: str = "127.0.0.1", token: str = "", library: Path | None = None
) -> Iterator[tuple[httpx.Client, subprocess.Popen]]:
    """A server, asked over loopback."""
    port = free_port()
    process = start(root, port, host, token, library)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers=headers)
    try:
        until(lambda: ready(client))
        yield client, process
    finally:
        client.close()
        stop(process)


def start(
    root: Path, port: int, host: str = "127.0.0.1", token: str = "", library: Path | None = None
) -> subprocess.Popen:
    log = (root.parent / f"{root.name}.log").open("ab")
    command = [
        sys.executable,
        "-m",
        "kinema",
        "serve",
        "--root",
        str(root),
        "--host",
        host,
        "--port",
        str(port),
    ]
    if library is not None:
        command += ["--library", str(library)]
    environment = {**os.environ, "KINEMA_TOKEN": token}
    return subprocess.Popen([*command, "--rate", "0"], stderr=log, env=environment)


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(done: Callable[[], Any]) -> Any:
    """Waits for something to become true."""
    end = time.monotonic() + BUDGET
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it took too long")


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """A job once it has ended."""
    several = {"pass": "passes"}.get(job["object"], f"{job['object']}s")
    look = f"/v1/{several}/{job['id']}"
    return until(
        lambda: (now := client.get(look).json()) and now["status"] in ("completed", "failed") and now
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
