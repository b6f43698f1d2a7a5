"""What goes wrong beside the requests, and what the server makes of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.app.server.running import until

from kinema.app.server.config import TOKEN_VARIABLE, ServerConfig
from kinema.app.server.disk import FULL, trouble
from kinema.app.server.locks import alone, owned
from kinema.app.server.loops import Loop
from kinema.app.server.pulse import Listener, Pulse
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import JobStore, StoredFile
from kinema.app.server.supervisor import Supervisor
from kinema.app.server.worker import Worker

FAULTS = Path(__file__).parents[3] / "benchmarks" / "faults.py"


def test_a_loop_goes_on_whatever_happens_to_it():
    turns = []

    def turn():
        turns.append(None)
        raise (SystemExit if len(turns) == 1 else RuntimeError)

    loop = Loop("test", turn, 0.01)
    loop.start()
    until(lambda: len(turns) > 2)
    assert loop.alive
    loop.stop()
    assert not loop.alive


@pytest.fixture
def config(tmp_path) -> ServerConfig:
    return ServerConfig(root=tmp_path)


def supervisor_of(config, monkeypatch, lines: str) -> Supervisor:
    """One whose workers run these lines; `pulse` and `name` are there."""
    program = (
        "import os, sys, time, signal\nname, lane, device, parent, pipe = sys.argv[1:]\n"
        "from kinema.app.server.pulse import Pulse\n"
        "from kinema.app.server.store import JobStore, LANES\n"
        "pulse = Pulse(int(pipe)); pulse.ready()\n" + lines
    )
    start = subprocess.Popen

    def started(command, **options):
        return start([sys.executable, "-c", program, *command[3:]], **options)

    monkeypatch.setattr("kinema.app.server.supervisor.subprocess.Popen", started)
    return Supervisor(config, JobStore(config.root / "jobs.sqlite", 0.2), lambda lane, device: None)


def test_a_full_disk_and_a_held_database_do_not_end_the_supervisor(config, monkeypatch):
    """The thread that watches the workers died of the first error of the table, and nothing was ever made again."""
    supervisor = supervisor_of(config, monkeypatch, "time.sleep(0.5)\n")
    broken = True
    put_back = supervisor.store.requeue

    def requeue(*arguments, **options):
        if broken:
            raise OSError(28, "No space left on device")
        return put_back(*arguments, **options)

    monkeypatch.setattr(supervisor.store, "requeue", requeue)
    supervisor.start()
    try:
        until(lambda: len(supervisor.processes) == 2)
        first = supervisor.processes
        time.sleep(2)
        assert supervisor.processes == first, "nobody is started before the jobs are put back"
        broken = False
        until(lambda: all(pid not in first.values() for pid in supervisor.processes.values()))
    finally:
        supervisor.stop()


def test_a_worker_that_cannot_be_started_is_started_later(config, monkeypatch):
    supervisor = supervisor_of(config, monkeypatch, "time.sleep(60)\n")
    from kinema.app.server import supervisor as module

    start, failures = module.subprocess.Popen, []

    def fails(*arguments, **options):
        failures.append(None)
        if len(failures) < 3:
            raise OSError(11, "Resource temporarily unavailable")
        return start(*arguments, **options)

    monkeypatch.setattr("kinema.app.server.supervisor.subprocess.Popen", fails)
    supervisor.start()
    try:
        until(lambda: all(supervisor.answering.values()))
    finally:
        supervisor.stop()


def stuck(config, lines: str) -> str:
    """A worker that takes a job and then does what the lines say, with the job in `job`."""
    path = str(config.root / "jobs.sqlite")
    return (
        "from pathlib import Path\n"
        f"job = JobStore(Path({path!r})).claim(name, LANES[lane])\n"
        "if job is None: time.sleep(600)\n" + lines
    )


def test_a_job_that_takes_too_long_is_ended_and_says_so(tmp_path, monkeypatch):
    config = ServerConfig(root=tmp_path, stage_limit=1.0)
    supervisor = supervisor_of(
        config, monkeypatch, stuck(config, "with pulse.making(job): time.sleep(600)\n")
    )
    job = supervisor.store.create("motion", {})
    supervisor.start()
    try:
        failed = until(lambda: (now := supervisor.store.get(job.id)).state == "failed" and now)
        assert failed.error["code"] == "took_too_long"
        assert "did not get on for 1 s" in failed.error["message"]
        until(lambda: all(supervisor.answering.values()))
    finally:
        supervisor.stop()


def test_cancelling_ends_a_worker_that_does_not_notice(config, monkeypatch):
    monkeypatch.setattr("kinema.app.server.supervisor._GRACE", 1.0)
    supervisor = supervisor_of(
        config, monkeypatch, stuck(config, "with pulse.making(job): time.sleep(600)\n")
    )
    first, second = supervisor.store.create("motion", {}), supervisor.store.create("motion", {})
    supervisor.start()
    try:
        until(lambda: supervisor.store.get(first.id).state == "in_progress")
        supervisor.store.delete(first.id)
        until(lambda: supervisor.store.get(second.id).state == "in_progress")
    finally:
        supervisor.stop()


def test_a_stopped_worker_is_replaced_and_does_not_answer_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr("kinema.app.server.supervisor._ANSWERS", 1.5)
    config = ServerConfig(root=tmp_path, silence=4.0)
    supervisor = supervisor_of(config, monkeypatch, "time.sleep(600)\n")
    supervisor.start()
    try:
        until(lambda: all(supervisor.answering.values()))
        stopped = supervisor.processes["motions on cpu"]
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: not supervisor.answering["motions on cpu"])
        assert supervisor.answering["films on cpu"]
        until(lambda: supervisor.processes.get("motions on cpu", stopped) != stopped)
        until(lambda: all(supervisor.answering.values()))
    finally:
        supervisor.stop()


def test_workers_do_not_know_the_token(config, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token-of-some-length")
    supervisor = supervisor_of(config, monkeypatch, "time.sleep(60)\n")
    supervisor.start()
    try:
        until(lambda: all(supervisor.answering.values()))
        for pid in supervisor.processes.values():
            assert b"a-token-of" not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        supervisor.stop()


def test_a_worker_waits_for_the_disk_with_its_job(config, monkeypatch):
    pipe = Listener()
    worker = Worker(config, "server.motions.cpu", "motions", "cpu", os.getppid(), Pulse(pipe.far_end))
    job = worker.store.create("motion", {"prompt": "a person waves"})

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker.engine, "make", full)
    with pytest.raises(OSError, match="space") as raised:
        worker._turn()
    assert trouble(raised.value) is FULL
    assert (worker.store.get(job.id).state, worker.store.get(job.id).crashes) == ("queued", 0)

    monkeypatch.setattr("kinema.app.server.worker.free_bytes", lambda root: 0)
    worker._turn()
    assert worker.store.get(job.id).state == "queued", "nothing is begun without room"

    monkeypatch.undo()
    complete, attempts = worker.store.complete, []

    def fails_twice(*arguments):
        attempts.append(None)
        return full() if len(attempts) < 3 else complete(*arguments)

    monkeypatch.setattr(worker.store, "complete", fails_twice)
    monkeypatch.setattr(worker.engine, "make", lambda *arguments: {"files": {}, "details": {}})
    worker._turn()
    assert worker.store.get(job.id).state == "completed"


def test_a_folder_has_one_server(tmp_path):
    line = (
        "import sys; from pathlib import Path; from kinema.app.server.locks import owned\n"
        "try:\n    with owned(Path(sys.argv[1])): pass\nexcept OSError as error: sys.exit(str(error))"
    )
    with owned(tmp_path):
        second = subprocess.run([sys.executable, "-c", line, tmp_path], capture_output=True, text=True)
        assert f"another server (process {os.getpid()})" in second.stderr
        assert "--root" in second.stderr
    assert subprocess.run([sys.executable, "-c", line, tmp_path]).returncode == 0


def test_a_stopped_worker_of_an_earlier_server_makes_room(tmp_path):
    line = (
        "import sys, time; from pathlib import Path; from kinema.app.server.locks import alone\n"
        "with alone(Path(sys.argv[2]), 'motions', 'cpu', lambda: True): print('mine', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", line, "kinema.app.server.worker", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as orphan:
        assert orphan.stdout.readline() == "mine\n"
        orphan.send_signal(signal.SIGSTOP)
        with alone(tmp_path, "motions", "cpu", lambda: True):
            assert orphan.wait(5) == -signal.SIGKILL


def test_what_nothing_names_is_swept_from_every_folder(tmp_path):
    shelf, store = Shelf(tmp_path), JobStore(tmp_path / "jobs.sqlite")
    kept = StoredFile("file_" + "a" * 24, "picture", "a.png", 1, 0.0)
    store.create("motion", {})
    job = store.claim("new.motions.cpu")
    old, young = [], []
    orphans = (
        "results/gone",
        "uploads/partial-1.png",
        f"uploads/{'b' * 24}.png",
        "work/cuda-9/motion_x.1",
        "captures/x",
    )
    for name in orphans:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        old.append(path)
    for path in (shelf.upload(kept), shelf.bench(job) / "scene.npz", tmp_path / "results" / "named" / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path.parent, (0, 0))
        young.append(path)
    for path in (*old, *young):
        os.utime(path, (0, 0))
    removed = shelf.sweep(["named"], [kept], [f"{job.id}.{job.claim}"])
    assert removed == {"results": 1, "uploads": 2, "work": 1, "captures": 1}
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert not (tmp_path / "work" / "cuda-9").exists()


def test_beats_are_heard_and_silence_is_noticed():
    ear = Listener()
    Pulse(os.dup(ear.far_end)).ready()
    until(lambda: ear.listen() or (ear.beat is not None and ear.beat.ready))
    assert ear.silent < 5
    ear.close()
    assert threading.active_count()


@pytest.mark.slow
def test_random_faults_lose_nothing(tmp_path):
    """The short form of `python benchmarks/faults.py`: each fault once."""
    done = subprocess.run(
        [sys.executable, str(FAULTS), "--jobs", "8", "--faults", "6", "--longest", "3"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["lost"], facts["server_errors"], facts["results_beyond_jobs"]) == (0, 0, 0), done.stdout
