"""Workers of Ray: actors that hold their encoders, on this machine or a cluster, streamed by Ray Data.

Rows are names; everything else lies in the work folder, which all machines of a cluster must see under one path. So
little is in flight that memory stays flat: Ray Data asks each pool for no more than it can take. A killed actor is
started again and its rows are done again; what they had finished is found in the folder.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from kinema.data.curation.engine import Pool, together
from kinema.data.curation.stage import Needs, Walked

WAVE = 20_000
"""Names in one data set of Ray, each a block of its own (ours)."""

_STORE = 128 << 20  # bytes of a local object store: rows are names
_CALLS = 8  # workers that wait for an endpoint at once
_THREADS = "OMP_NUM_THREADS"


class RayEngine:
    """Pools of actors.

    Args:
        workers: of each pool at most.
        address: of a cluster, as `ray.init` knows it (auto, host:port, ray://host:port); this machine where None.

    Raises:
        ModuleNotFoundError: Ray is not installed.
    """

    def __init__(self, workers: int, address: str | None = None) -> None:
        if find_spec("ray") is None:
            raise ModuleNotFoundError("workers need Ray: pip install 'kinema[ray]'")
        self.workers, self.address = workers, address

    def _start(self) -> None:
        """Starts or joins the cluster, where there is work for it."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
        import ray

        if ray.is_initialized():
            return
        # Sums depend on how many threads make them: workers use as many as this process would.
        variables = {_THREADS: os.environ.get(_THREADS, str(os.cpu_count() or 1))}
        options: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "log_to_driver": False}
        if self.address is None:
            options |= {
                "num_cpus": 4 * self.workers + 4,
                "include_dashboard": False,
                "object_store_memory": _STORE,
            }
        ray.init(self.address or "local", logging_level=logging.ERROR, **options)

    def run(self, pools: Sequence[Pool], names: Sequence[str]) -> Iterator[Walked]:
        """See `Engine`.

        Raises:
            ConnectionError: no cluster answers.
        """
        self._start()
        for begin in range(0, len(names), WAVE):
            yield from self._wave(pools, names[begin : begin + WAVE])

    def close(self) -> None:
        """Lets go of the cluster; a local one ends."""
        import ray

        ray.shutdown()

    def _wave(self, pools: Sequence[Pool], names: Sequence[str]) -> Iterator[Walked]:
        import ray
        from ray.data import DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        rows = [{"id": name, "told": json.dumps(asdict(Walked(name)))} for name in names]
        data: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
        gpus = int(ray.cluster_resources().get("GPU", 0))
        for needs, calls in _joined(pools, gpus):
            data = data.map(_Actor, fn_constructor_args=(calls,), **self._resources(needs, gpus))
        for row in data.iter_rows():
            yield Walked(**json.loads(row["told"]))

    def _resources(self, needs: Needs, gpus: int) -> dict[str, Any]:
        """What an actor asks for, and how many there may be."""
        from ray.data import ActorPoolStrategy

        kept: dict[str, Any] = {"max_restarts": -1, "max_task_retries": -1}
        if needs == "accelerator":
            return {"num_gpus": 1, "compute": ActorPoolStrategy(min_size=1, max_size=gpus), **kept}
        if needs == "network":
            size = max(_CALLS, self.workers)
            return {"num_cpus": 0.01, "compute": ActorPoolStrategy(min_size=1, max_size=size), **kept}
        return {"num_cpus": 1, "compute": ActorPoolStrategy(min_size=1, max_size=self.workers), **kept}


Calls = tuple[Callable[[str], Walked], ...]


def _joined(pools: Sequence[Pool], gpus: int) -> list[tuple[Needs, Calls]]:
    """What each kind of actor does: where there is no GPU, what wants one is done by the actors before it."""
    made: list[tuple[Needs, Calls]] = []
    for pool in pools:
        needs = "processor" if pool.needs == "accelerator" and not gpus else pool.needs
        if made and made[-1][0] == needs:
            made[-1] = needs, (*made[-1][1], pool.call)
        else:
            made.append((needs, (pool.call,)))
    return made


class _Actor:
    """A worker; what it opens stays open."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        walked = Walked(**json.loads(row["told"]))
        for call in self.calls:
            walked = together(walked, call(row["id"]))
        return {"id": row["id"], "told": json.dumps(asdict(walked))}
