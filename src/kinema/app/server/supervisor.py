"""Keeps the worker processes alive and at work: one a device for videos, and one for motions and scenes."""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from kinema.app.server.config import TOKEN_VARIABLE, ServerConfig
from kinema.app.server.locks import is_free, lock_of
from kinema.app.server.loops import Backoff, Loop
from kinema.app.server.pulse import Listener
from kinema.app.server.store import JobStore

logger = logging.getLogger("kinema.supervisor")
_LOOK = 0.2  # seconds between looks at the workers
_QUICK = 5.0  # seconds; a worker that ends sooner waits before it is started anew
_ENDING = 5.0  # seconds that a worker has to end when it is asked to
_STARTS = 300.0  # seconds that a worker has until its first sign of life: libraries are read from the disk
_ANSWERS = 10.0  # seconds; one that was heard within them answers
_ASK = 1.0  # seconds between looks at whether a worker's job is still wanted
_GRACE = 10.0  # seconds that a worker has to notice that its job is no longer wanted


@dataclass
class _Worker:
    """A place at which a process works, and the process.

    Args:
        lane, device: what it makes, and where models work.
        name: under which it claims jobs.
        process, pulse: None while there is none.
        begun: when the process was started.
        rests_until: when the next may be started.
        verdict: why it was ended: id and claim of the job, and what that job is told; None for a death of its own.
        asked: when the job was last looked up.
        unwanted: since when its job is no longer wanted.
    """

    lane: str
    device: str
    name: str
    process: subprocess.Popen[bytes] | None = None
    pulse: Listener | None = None
    begun: float = 0.0
    rests_until: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 15.0))
    verdict: tuple[str, int, str] | None = None
    asked: float = 0.0
    unwanted: float | None = None

    @property
    def title(self) -> str:
        return f"{self.lane} on {self.device}"

    @property
    def answers(self) -> bool:
        process, pulse = self.process, self.pulse
        if process is None or pulse is None or process.poll() is not None:
            return False
        return pulse.beat is not None and pulse.beat.ready and pulse.silent < _ANSWERS


class Supervisor:
    """Starts the workers; ends those that are stuck, and starts anew those that have ended.

    Args:
        config: of the server.
        store: in which the jobs of a dead worker are put back.
        on_restart: called with the lane and the device.
    """

    def __init__(self, config: ServerConfig, store: JobStore, on_restart: Callable[[str, str], None]) -> None:
        self.config, self.store, self.on_restart = config, store, on_restart
        server = secrets.token_hex(4)
        places = [("motions", config.devices[0]), *(("films", device) for device in config.devices)]
        self._workers = [_Worker(lane, at, f"{server}.{lane}.{at}") for lane, at in places]
        self._loop = Loop("supervisor", self._look, _LOOK, store.close)
        self._reclaimed = False

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Ends the workers; what they were making is made by the next server."""
        self._loop.stop()
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def answering(self) -> dict[str, bool]:
        """Whether each worker takes jobs and was heard of lately."""
        return {worker.title: self._loop.alive and worker.answers for worker in self._workers}

    @property
    def processes(self) -> dict[str, int]:
        """The process number of each worker that runs."""
        return {worker.title: worker.process.pid for worker in self._workers if worker.process is not None}

    def _look(self) -> None:
        failed: Exception | None = None
        for worker in self._workers:
            try:
                self._tend(worker)
            except Exception as error:  # the others are looked after all the same
                failed = error
        if not self._reclaimed:
            self._reclaim()
            self._reclaimed = True
        if failed is not None:
            raise failed

    def _tend(self, worker: _Worker) -> None:
        if worker.process is None:
            if time.monotonic() >= worker.rests_until:
                self._start(worker)
            return
        assert worker.pulse is not None
        worker.pulse.listen()
        if worker.process.poll() is None:
            self._judge(worker)
            return
        back = self._put_back(worker)
        logger.warning(
            "a worker has ended",
            extra={"worker": worker.title, "code": worker.process.returncode, "jobs": back},
        )
        worker.pulse.close()
        if time.monotonic() - worker.begun >= _QUICK:
            worker.backoff.reset()
        else:
            worker.rests_until = time.monotonic() + worker.backoff.next()
        worker.process = worker.pulse = worker.verdict = worker.unwanted = None
        self.on_restart(worker.lane, worker.device)

    def _start(self, worker: _Worker) -> None:
        pulse = Listener()
        words = [worker.name, worker.lane, worker.device, str(os.getpid()), str(pulse.far_end)]
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "kinema.app.server.worker", *words],
                stdin=subprocess.PIPE,
                pass_fds=(pulse.far_end,),
                env=environment,
            )
        except OSError:
            pulse.close()
            worker.rests_until = time.monotonic() + worker.backoff.next()
            raise
        pulse.close_far_end()
        worker.process, worker.pulse, worker.begun = process, pulse, time.monotonic()
        assert process.stdin is not None
        # A worker listens nowhere: it needs neither the address nor the token.
        told = asdict(replace(self.config, host="127.0.0.1", token=None))
        process.stdin.write(json.dumps(told, default=str).encode() + b"\n")
        process.stdin.close()

    def _judge(self, worker: _Worker) -> None:
        """Ends a worker that is silent, whose job takes too long, or that does not notice that it is not wanted."""
        assert worker.pulse is not None
        now, beat = time.monotonic(), worker.pulse.beat
        if worker.pulse.silent > (_STARTS if beat is None else self.config.silence):
            self._end(worker, f"no sign of life for {worker.pulse.silent:.0f} s")
            return
        if beat is None or not beat.job:
            worker.unwanted = None
            return
        limit = self.config.limit(beat.kind)
        if beat.working > limit or beat.still > self.config.stage_limit:
            said = (
                f"this took longer than the {limit:g} s that a {beat.kind} may take"
                if beat.working > limit
                else f"this did not get on for {self.config.stage_limit:g} s"
            )
            worker.verdict = (beat.job, beat.claim, f"{said}, and was ended; ask for something smaller")
            self._end(worker, said)
            return
        if now - worker.asked < _ASK:
            return
        worker.asked = now
        if self.store.holds(beat.job, beat.claim):
            worker.unwanted = None
        elif worker.unwanted is None:
            worker.unwanted = now
        elif now - worker.unwanted > _GRACE:
            worker.verdict = (beat.job, beat.claim, "this was cancelled")
            self._end(worker, "its job is no longer wanted")

    def _end(self, worker: _Worker, reason: str) -> None:
        assert worker.process is not None
        logger.warning("a worker is ended", extra={"worker": worker.title, "reason": reason})
        worker.process.kill()
        worker.process.wait(_ENDING)

    def _put_back(self, worker: _Worker) -> list[str]:
        """Queues what a dead worker was at; a job that was its end by taking too long fails, and says so."""
        if worker.verdict is None:
            return self.store.requeue(worker.name, crashed=True, attempts=self.config.attempts)
        job, claim, said = worker.verdict
        self.store.fail((job, claim), "took_too_long", said)
        return self.store.requeue(worker.name, crashed=False, attempts=self.config.attempts)

    def _reclaim(self) -> None:
        """Queues what workers of earlier servers were at that are gone, and that none of these replaces."""
        ours = {(worker.lane, worker.device) for worker in self._workers}
        for name in self.store.workers():
            lane, _, device = name.partition(".")[2].partition(".")
            if (lane, device) not in ours and is_free(lock_of(self.config.root, lane, device)):
                self.store.requeue(name, crashed=False, attempts=self.config.attempts)
