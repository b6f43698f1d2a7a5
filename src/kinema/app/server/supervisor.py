"""Keeps one worker process per device alive."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from kinema.app.server.config import ServerConfig
from kinema.app.server.store import JobStore

logger = logging.getLogger("kinema.supervisor")
_LOOK = 0.2  # seconds between looks at the workers
_QUICK = 5.0  # seconds; a worker that ends sooner waits before it is started anew
_ENDING = 5.0  # seconds that a worker has to end when it is asked to


class Supervisor:
    """Starts the workers and starts them anew when they end.

    Args:
        config: of the server.
        store: in which the jobs of a dead worker are put back.
        on_restart: called with the device.
    """

    def __init__(self, config: ServerConfig, store: JobStore, on_restart: Callable[[str], None]) -> None:
        self.config, self.store, self.on_restart = config, store, on_restart
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        for device in self.config.devices:
            self._start(device)
        self._thread.start()

    def stop(self) -> None:
        """Ends the workers; what they were making is made by the next server."""
        self._stop.set()
        self._thread.join()
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            try:
                worker.wait(_ENDING)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    @property
    def alive(self) -> dict[str, bool]:
        """Whether each device's worker runs."""
        return {device: worker.poll() is None for device, worker in self._workers.items()}

    @property
    def processes(self) -> dict[str, int]:
        """The process number of each device's worker."""
        return {device: worker.pid for device, worker in self._workers.items()}

    def _start(self, device: str) -> None:
        worker = subprocess.Popen(
            [sys.executable, "-m", "kinema.app.server.worker", device, str(os.getpid())],
            stdin=subprocess.PIPE,
        )
        assert worker.stdin is not None
        # A worker listens nowhere: it needs neither the address nor the token.
        told = asdict(replace(self.config, host="127.0.0.1", token=None))
        worker.stdin.write(json.dumps(told, default=str).encode() + b"\n")
        worker.stdin.close()
        self._workers[device], self._begun[device] = worker, time.monotonic()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            for device, worker in self._workers.items():
                if worker.poll() is None:
                    continue
                back = self.store.requeue(device, crashed=True, attempts=self.config.attempts)
                logger.warning(
                    "a worker has ended", extra={"device": device, "code": worker.returncode, "jobs": back}
                )
                self.on_restart(device)
                if time.monotonic() - self._begun[device] < _QUICK:
                    self._stop.wait(1.0)
                self._start(device)
        self.store.close()
