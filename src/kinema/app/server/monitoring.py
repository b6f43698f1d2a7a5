"""Logs as one JSON object a line, and figures for Prometheus."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from kinema.app.server.store import KINDS, STATES, JobStore

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Of HTTP that the server knows; any other is refused, and none of them names a figure."""
_STANDARD = set(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, logger, message, and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD | {"message", "asctime", "color_message"}
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Sends all logs to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class Figures:
    """What Prometheus asks for.

    Args:
        store: of the jobs; read when asked.
    """

    def __init__(self, store: JobStore) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Jobs(store))
        self.requests = Counter(
            "kinema_http_requests", "Requests by route, method and status.", ["route", "method", "status"],
            registry=self._registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "kinema_http_request_seconds", "Time until the answer began.", ["route"], registry=self._registry
        )
        self.restarts = Counter(
            "kinema_worker_restarts", "Workers that ended and were started anew.", ["lane", "device"],
            registry=self._registry,
        )  # fmt: skip
        self.orphans = Counter("kinema_orphans_removed", "Files and folders that nothing named.", ["folder"],
                               registry=self._registry)  # fmt: skip

    def measure(self, route: str, method: str, status: int, seconds: float) -> None:
        """Notes a request; what is not among the methods that there are counts as one of them."""
        self.requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)


class _Jobs(Collector):
    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> list[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("kinema_jobs", "Jobs by kind and state.", labels=["kind", "state"])
        counts = self._store.counts()
        for kind in KINDS:
            for state in STATES:
                jobs.add_metric([kind, state], counts.get((kind, state), 0))
        return [
            jobs,
            GaugeMetricFamily("kinema_bytes_used", "Of results and uploads.", value=self._store.bytes_used()),
            GaugeMetricFamily(
                "kinema_oldest_waiting_seconds",
                "Age of the job that has waited longest.",
                value=self._store.oldest_waiting(),
            ),
        ]
