"""Whether the server heals by itself: `python benchmarks/faults.py`, 50 random faults over 100 jobs.

The disk is filled to the last byte (on a small tmpfs of its own, where the system lets one be mounted; else by taking the
server's processes the right to let files grow), another program holds the database, workers and the server are killed,
or stopped and continued. Jobs are asked for all the while, as a patient client does: what is refused with 503 or 507 is
asked for again. After each fault, the seconds until `/readyz` answers 200 and until a job is made are measured from the
moment at which the cause is gone. At the end every job must be completed and its file whole. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from server import PROMPT, SECONDS, Server, wait_for

_MOUNTED = "KINEMA_FAULTS_MOUNTED"
_DISK = 192 << 20  # bytes of the tmpfs
_REFUSED_FOR_NOW = (429, 503, 507)
_HEALS_WITHIN = 300.0  # seconds after which healing is given up
_THOROUGH = 20  # faults from which on some last long
_FOR_LONG = {"disk full": 45.0, "database held": 75.0, "worker stopped": 60.0}  # seconds, once each


class Victim(Server):
    """A server that nobody waits for when it is started."""

    def wait_for(self, path: str) -> None:
        return


class Faults:
    """What goes wrong; each fault lasts for so many seconds, and its cause is gone when the call returns.

    Args:
        server: that is attacked.
        small_disk: its folder is a disk of its own.
    """

    def __init__(self, server: Victim, small_disk: bool) -> None:
        self.server, self.small_disk = server, small_disk

    @property
    def kinds(self) -> dict[str, Callable[[float], None]]:
        return {
            "disk full": self.fill if self.small_disk else self.no_writing,
            "database held": self.hold,
            "worker killed": self.kill_worker,
            "server killed": self.kill_server,
            "worker stopped": self.stop_worker,
            "server stopped": self.stop_server,
        }

    def fill(self, seconds: float) -> None:
        filler = self.server.root / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(64))
        time.sleep(seconds)
        filler.unlink()

    def no_writing(self, seconds: float) -> None:
        processes = [self.process, *self.workers]
        for size in (0, resource.RLIM_INFINITY):
            for each in processes:
                with contextlib.suppress(psutil.Error):
                    each.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            time.sleep(seconds if size == 0 else 0)

    def hold(self, seconds: float) -> None:
        with contextlib.closing(sqlite3.connect(self.server.root / "jobs.sqlite", timeout=60)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return
            time.sleep(seconds)
            database.rollback()

    def kill_worker(self, seconds: float) -> None:
        self.one_worker(_kill)

    def kill_server(self, seconds: float) -> None:
        self.server.kill()
        self.server.start()

    def stop_worker(self, seconds: float) -> None:
        self.one_worker(lambda worker: _stop(worker, seconds))

    def stop_server(self, seconds: float) -> None:
        _stop(self.process, seconds)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.server.process.pid)

    @property
    def workers(self) -> list[psutil.Process]:
        return self.process.children()

    def one_worker(self, do: Callable[[psutil.Process], None]) -> None:
        workers = self.workers
        if workers:
            with contextlib.suppress(psutil.Error):
                do(random.choice(workers))


def _kill(process: psutil.Process) -> None:
    process.kill()
    process.wait(30)  # until the server has noticed


def _stop(process: psutil.Process, seconds: float) -> None:
    process.suspend()
    try:
        time.sleep(seconds)
    finally:
        process.resume()


def ask(address: str, seed: int, answers: Counter[int]) -> str:
    """Asks for a motion until it is taken."""
    body = {"prompt": PROMPT, "seconds": SECONDS, "seed": seed}
    end = time.monotonic() + _HEALS_WITHIN
    while time.monotonic() < end:
        try:
            answer = httpx.post(f"{address}/v1/motions", json=body, timeout=60)
        except httpx.TransportError:
            answers[0] += 1
        else:
            answers[answer.status_code] += 1
            if answer.status_code == 200:
                number: str = answer.json()["id"]
                return number
            if answer.status_code not in _REFUSED_FOR_NOW:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")
        time.sleep(0.3)
    raise TimeoutError("the server takes no jobs any more")


def healed(address: str) -> tuple[float, float]:
    """Seconds until the server is ready, and until it has made something or has nothing to make."""
    began = time.monotonic()
    ready: float | None = None
    made: float | None = None
    while time.monotonic() - began < _HEALS_WITHIN:
        with contextlib.suppress(httpx.TransportError):
            if ready is None and httpx.get(f"{address}/readyz", timeout=60).status_code == 200:
                ready = time.monotonic() - began
            done, waiting = _counts(httpx.get(f"{address}/metrics", timeout=60).text)
            made = done if made is None else made
            if ready is not None and (done > made or not waiting):
                return ready, time.monotonic() - began
        time.sleep(0.1)
    raise TimeoutError("the server does not heal")


def _counts(figures: str) -> tuple[float, float]:
    """Motions that are made, and that wait or are being made."""
    lines = [line.rpartition(" ") for line in figures.splitlines() if line.startswith("kinema_jobs{")]
    jobs = {name: float(value) for name, _, value in lines if 'kind="motion"' in name}

    def count(state: str) -> float:
        return sum(value for name, value in jobs.items() if f'state="{state}"' in name)

    return count("completed"), count("queued") + count("in_progress")


@contextmanager
def disk() -> Iterator[tuple[Path, bool]]:
    """A folder for the server, and whether it is a disk of its own."""
    with tempfile.TemporaryDirectory(prefix="kinema-faults-") as folder:
        own = _MOUNTED in os.environ and _mount(folder)
        yield Path(folder), own
        if own:
            subprocess.run(["umount", folder], check=False)


def _mount(folder: str) -> bool:
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", folder]).returncode == 0


def in_own_mounts() -> None:
    """Starts this program anew where it may mount, if the system lets it; else it goes on as it is."""
    unshare = shutil.which("unshare")
    if _MOUNTED in os.environ or unshare is None:
        return
    if subprocess.run([unshare, "-rm", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[_MOUNTED] = "1"
        os.execv(unshare, [unshare, "-rm", sys.executable, *sys.argv])


class Client(threading.Thread):
    """Asks for jobs, one after the other, until it has asked for enough.

    Args:
        address: of the server.
        jobs: how many.
        pause: seconds between two.
    """

    def __init__(self, address: str, jobs: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.address, self.jobs, self.pause = address, jobs, pause
        self.asked: list[str] = []
        self.answers: Counter[int] = Counter()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while len(self.asked) < self.jobs:
                self.asked.append(ask(self.address, len(self.asked), self.answers))
                time.sleep(self.pause)
        except Exception as error:  # told at the end
            self.error = error


def attack(root: Path, own_disk: bool, jobs: int, faults: int, longest: float, seed: int) -> dict[str, Any]:
    """Jobs, and faults meanwhile, and what came of them."""
    rng = random.Random(seed)
    random.seed(seed)
    server = Victim(root)
    healed(server.address)
    attacker = Faults(server, own_disk)
    kinds = list(attacker.kinds)
    client = Client(server.address, jobs, pause=faults * longest / 2 / jobs)
    client.start()
    heals: dict[str, list[tuple[float, float]]] = {}
    for number in range(faults):
        time.sleep(rng.uniform(0, 1.5))
        kind = kinds[number] if number < len(kinds) else rng.choice(kinds)
        seconds = rng.uniform(0.2, longest)
        if faults >= _THOROUGH and number < len(kinds):
            seconds = max(seconds, _FOR_LONG.get(kind, 0.0))
        attacker.kinds[kind](seconds)
        heals.setdefault(kind, []).append(healed(server.address))
        ready, works = heals[kind][-1]
        print(
            f"{number + 1:3d} {kind} for {seconds:.1f} s: ready after {ready:.1f} s, works after {works:.1f} s",
            flush=True,
        )
    client.join()
    if client.error is not None:
        raise client.error
    lost = []
    for each in client.asked:
        end = wait_for(server.address, each)
        content = httpx.get(f"{server.address}/v1/motions/{each}/content", timeout=60)
        if end["status"] != "completed" or len(content.content) != end["files"]["motion.npz"]:
            lost.append((each, end["status"], end["error"]))
    results = len(list((root / "results").iterdir()))
    server.stop()
    for kind, times in heals.items():
        ready, works = (max(column) for column in zip(*times, strict=True))
        print(
            f"{kind}: {len(times)} times, ready after at most {ready:.1f} s, works after at most {works:.1f} s"
        )
    for told in lost:
        print(f"lost: {told}")
    return {
        "jobs": len(client.asked),
        "faults": faults,
        "lost": len(lost),
        "slowest_healing_s": round(max(works for times in heals.values() for _, works in times), 1),
        "server_errors": client.answers[500],
        "refused_for_now": sum(client.answers[code] for code in _REFUSED_FOR_NOW),
        "results_beyond_jobs": results - len(client.asked),
        "own_disk": own_disk,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--longest", type=float, default=8.0, help="seconds that a fault lasts at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    in_own_mounts()
    with disk() as (folder, own_disk):
        facts = attack(folder / "root", own_disk, options.jobs, options.faults, options.longest, options.seed)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
