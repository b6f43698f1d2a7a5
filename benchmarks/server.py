"""What a server costs and what it survives: `python benchmarks/server.py`.

Seconds from the start of the process to its first answer that lists what can be chosen, and how long `/healthz` takes at
most in the seconds after, while the server still loads; status calls per second over 20 connections; what a job costs
beyond the same call in Python (median of ten motions of a second); 200 mixed good and broken requests over 20
connections; then 50 queued jobs while the server and its worker are killed, 20 times at random moments in all. Jobs that
are lost, end twice, or whose files are not whole are counted. Memory is that of the server process before and after. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

SECONDS = 1.0
PROMPT = "a person waves with the right hand"


class Server:
    """A server process that can be killed and started again on the same folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "kinema",
            "serve",
            "--root",
            str(self.root),
            "--port",
            str(self.port),
        ]
        began = time.perf_counter()
        self.process = subprocess.Popen([*command, "--rate", "0"], stderr=subprocess.DEVNULL)
        self.wait_for("/v1/catalogue")
        self.first_answer = time.perf_counter() - began
        self.wait_for("/readyz")

    def wait_for(self, path: str) -> None:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.address}{path}", timeout=60).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise TimeoutError("the server did not start")

    def slowest_health(self, seconds: float) -> float:
        """The longest that `/healthz` takes in the next seconds, in milliseconds; asked every 20 ms."""
        slowest = 0.0
        end = time.monotonic() + seconds
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while time.monotonic() < end:
                began = time.perf_counter()
                client.get("/healthz")
                slowest = max(slowest, 1000 * (time.perf_counter() - began))
                time.sleep(0.02)
        return slowest

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_worker(self) -> None:
        for worker in psutil.Process(self.process.pid).children():
            worker.kill()

    @property
    def megabytes(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


async def over_connections(
    address: str, calls: list[tuple[str, str, dict[str, Any]]], connections: int
) -> list[int]:
    """Status codes of calls (method, path, options), so many at a time; 0 where there was no answer."""
    queue = list(enumerate(calls))
    codes = [0] * len(calls)

    async def client() -> None:
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            while queue:
                number, (method, path, options) = queue.pop()
                try:
                    codes[number] = (await http.request(method, path, **options)).status_code
                except httpx.TransportError:
                    codes[number] = 0

    await asyncio.gather(*(client() for _ in range(connections)))
    return codes


def wait_for(address: str, number: str) -> dict[str, Any]:
    """Follows a job's events to its end."""
    last: dict[str, Any] = {}
    with httpx.stream("GET", f"{address}/v1/motions/{number}/events", timeout=300) as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    return last


def ask(address: str, seed: int) -> str:
    answer = httpx.post(
        f"{address}/v1/motions", json={"prompt": PROMPT, "seconds": SECONDS, "seed": seed}, timeout=60
    )
    return answer.raise_for_status().json()["id"]


def overhead(address: str, runs: int) -> float:
    """Milliseconds that a motion takes over HTTP beyond the call in Python, both warm, taken in turns."""
    from kinema.motion.motion_pipeline import TextToMotionPipeline

    model = TextToMotionPipeline.from_pretrained()
    model(PROMPT, SECONDS)
    wait_for(address, ask(address, 0))
    direct, served = [], []
    for seed in range(runs):
        began = time.perf_counter()
        model(PROMPT, SECONDS, seed=seed)
        direct.append(time.perf_counter() - began)
        began = time.perf_counter()
        wait_for(address, ask(address, seed))
        served.append(time.perf_counter() - began)
    return 1000 * (statistics.median(served) - statistics.median(direct))


def mixed(count: int, rng: random.Random) -> list[tuple[str, str, dict[str, Any]]]:
    """Good and broken requests."""
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/videos", {}),
        ("GET", "/v1/motions?limit=1000", {}),
        ("GET", "/v1/videos/video_000000000000000000000000", {}),
        ("POST", "/v1/videos", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("POST", "/v1/videos", {"json": {"seconds": -1}}),
        ("POST", "/v1/files", {"files": {"file": ("a.png", b"broken")}}),
        ("POST", "/v1/files", {"files": {"file": ("a.exe", b"MZ")}}),
        ("POST", "/v1/motions", {"json": {"prompt": PROMPT, "seconds": SECONDS}}),
        ("DELETE", "/v1/motions/motion_000000000000000000000000", {}),
        ("GET", "/v1/catalogue", {}),
    ]
    return [rng.choice(kinds) for _ in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="kinema-server-") as folder:
        server = Server(Path(folder) / "root")
        slowest = server.slowest_health(5.0)
        print(
            f"first answer of /v1/catalogue {server.first_answer:.1f} s after the start; /healthz takes at most "
            f"{slowest:.0f} ms in the five seconds after"
        )
        first = server.first_answer
        number = ask(server.address, 0)
        wait_for(server.address, number)
        before = server.megabytes
        looks = [("GET", f"/v1/motions/{number}", {})] * 2000
        began = time.perf_counter()
        codes = asyncio.run(over_connections(server.address, looks, 20))
        rps = len(looks) / (time.perf_counter() - began)
        print(
            f"status calls: {rps:.0f} a second over 20 connections, {codes.count(200)} of {len(codes)} answered"
        )
        costs = overhead(server.address, 10)
        print(f"a job over the same call in Python: {costs:.0f} ms more")
        codes = asyncio.run(over_connections(server.address, mixed(200, rng), 20))
        broken = sum(code == 0 or code >= 500 for code in codes)
        print(
            f"200 mixed requests: {broken} without an answer or with a server's error; {sorted(set(codes))}"
        )
        after = server.megabytes
        print(f"memory of the server: {before:.0f} MB before, {after:.0f} MB after")
        while any(
            job["status"] in ("queued", "in_progress")
            for job in httpx.get(f"{server.address}/v1/motions?limit=100", timeout=60).json()["data"]
        ):
            time.sleep(0.5)

        asked = [ask(server.address, seed) for seed in range(options.jobs)]
        for kill in range(options.kills):
            time.sleep(rng.uniform(0.5, 6.0))
            if kill % 2:
                server.kill_worker()
            else:
                server.kill()
                server.start()
        ends = [wait_for(server.address, number) for number in asked]
        lost = 0
        reasons = set()
        for number, end in zip(asked, ends, strict=True):
            content = httpx.get(f"{server.address}/v1/motions/{number}/content", timeout=60)
            whole = content.status_code == 200 and len(content.content) == end["files"]["motion.npz"]
            if end["status"] != "completed" or not whole:
                lost += 1
                reasons.add(
                    (end["error"] or {}).get("message")
                    or f"{end['status']}, its content answers {content.status_code}"
                )
        folders = len(list((server.root / "results").iterdir()))
        known = sum(1 for _ in _all(server.address))
        print(
            f"{options.jobs} jobs, {options.kills} kills: {lost} lost; {folders} results of {known} jobs on disk"
        )
        for reason in sorted(reasons):
            print(f"lost: {reason}")
        server.stop()
    facts = {
        "first_answer_s": round(first, 2),
        "slowest_health_ms": round(slowest),
        "status_rps": round(rps),
        "job_overhead_ms": round(costs, 1),
        "lost_jobs": lost,
        "broken_answers": broken,
        "results_beyond_jobs": folders - known,
        "memory_growth_mb": round(after - before, 1),
    }
    print(json.dumps(facts))


def _all(address: str) -> Any:
    after = ""
    while True:
        page = httpx.get(f"{address}/v1/motions?limit=100{after}", timeout=60).json()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = f"&after={page['last_id']}"


if __name__ == "__main__":
    main()
