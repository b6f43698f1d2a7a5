"""Jobs in SQLite with a write-ahead log: what was asked, how far it is, what came of it.

Each change is one transaction, so a killed process leaves a whole table behind. A job belongs to whoever claimed it
last: an earlier claim can neither report progress nor complete it, so nothing is run twice to the end.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["video", "motion", "scene", "pass"]
State = Literal["queued", "in_progress", "completed", "failed"]
KINDS: tuple[Kind, ...] = ("video", "motion", "scene", "pass")
STATES: tuple[State, ...] = ("queued", "in_progress", "completed", "failed")
LANES: dict[str, tuple[Kind, ...]] = {"motions": ("motion", "scene"), "films": ("video", "pass")}
"""Queues that do not wait for each other, each with workers of its own: what takes seconds, and what takes minutes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    created REAL NOT NULL,
    queued REAL NOT NULL,
    started REAL,
    ended REAL,
    progress INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    claim INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    crashes INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1,
    error TEXT,
    result TEXT,
    bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (state, queued);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created REAL NOT NULL
);
"""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Job:
    """One row.

    Args:
        number: rises with creation; pages go by it.
        id: `video_`, `motion_`, `scene_` or `pass_` and 24 hexadecimal digits.
        kind: what is made.
        state: see STATES.
        request: as it was checked.
        created, queued, started, ended: seconds since 1970; None where it has not happened. `queued` is when it was
            last asked for, which for an edited scene is later than `created`.
        progress: per cent.
        stage: what is being done, in a word or two.
        claim: how often it was claimed; only the holder of the last claim may write.
        worker: who holds it.
        crashes: workers it has taken down.
        revision: of the request; edits raise it.
        error: what went wrong: {"code", "message"}.
        result: what came of it.
        bytes: of its files.
    """

    number: int
    id: str
    kind: Kind
    state: State
    request: dict[str, Any]
    created: float
    queued: float
    started: float | None
    ended: float | None
    progress: int
    stage: str
    claim: int
    worker: str | None
    crashes: int
    revision: int
    error: dict[str, str] | None
    result: dict[str, Any] | None
    bytes: int


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file: its id is `file_` and the start of its SHA-256."""

    id: str
    kind: str
    name: str
    bytes: int
    created: float


class JobStore:
    """The table. Safe between threads and processes; each thread has a connection of its own.

    Args:
        path: the database file; made where it is not there.
        patience: seconds to wait where another process writes; sqlite3.OperationalError after that.
    """

    def __init__(self, path: Path, patience: float = 30.0) -> None:
        self.path, self.patience = path, patience
        self._local = threading.local()
        self.path.touch(mode=0o600)
        with suppress(PermissionError):
            self.path.chmod(0o600)  # of an earlier version
        with closing(self._open()) as connection:
            connection.executescript(_SCHEMA)

    # Jobs

    def create(self, kind: Kind, request: dict[str, Any], most_waiting: int | None = None) -> Job | None:
        """A new queued job; None where that many are waiting already."""
        now = time.time()
        with self._writing() as connection:
            if most_waiting is not None and _waiting(connection) >= most_waiting:
                return None
            row = connection.execute(
                "INSERT INTO jobs (id, kind, state, request, created, queued) VALUES (?, ?, 'queued', ?, ?, ?) "
                "RETURNING *",
                (f"{kind}_{secrets.token_hex(12)}", kind, json.dumps(request), now, now),
            ).fetchone()
        return _job(row)

    def revise(self, job: str, request: dict[str, Any], revision: int | None = None) -> Job | None:
        """Queues a job again with another request, whatever it was doing; its last result stays until the new one.

        Args:
            job: id.
            request: the new one.
            revision: the one that the edit was made from; None for any.

        Returns:
            None where the job is gone or has another revision by now.
        """
        with self._writing() as connection:
            row = connection.execute(
                "UPDATE jobs SET request = ?, revision = revision + 1, state = 'queued', queued = ?, started = NULL, "
                "ended = NULL, progress = 0, stage = '', error = NULL, worker = NULL, crashes = 0, claim = claim + 1 "
                "WHERE id = ? AND (? IS NULL OR revision = ?) RETURNING *",
                (json.dumps(request), time.time(), job, revision, revision),
            ).fetchone()
        return None if row is None else _job(row)

    def get(self, job: str) -> Job | None:
        row = self._connection.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        return None if row is None else _job(row)

    def page(
        self, kind: Kind, limit: int, after: str | None = None, newest_first: bool = True
    ) -> tuple[list[Job], bool]:
        """Jobs of a kind beyond the job `after`, and whether there are more.

        Raises:
            KeyError: there is no job `after`.
        """
        bound: tuple[Any, ...] = ()
        beyond = ""
        if after is not None:
            found = self._connection.execute("SELECT number FROM jobs WHERE id = ?", (after,)).fetchone()
            if found is None:
                raise KeyError(after)
            beyond = f"AND number {'<' if newest_first else '>'} ?"
            bound = (found["number"],)
        rows = self._connection.execute(
            f"SELECT * FROM jobs WHERE kind = ? {beyond} ORDER BY number {'DESC' if newest_first else 'ASC'} LIMIT ?",
            (kind, *bound, limit + 1),
        ).fetchall()
        return [_job(row) for row in rows[:limit]], len(rows) > limit

    def delete(self, job: str) -> Job | None:
        """Takes a job out of the table; a worker that has it finds out at its next report."""
        with self._writing() as connection:
            row = connection.execute("DELETE FROM jobs WHERE id = ? RETURNING *", (job,)).fetchone()
        return None if row is None else _job(row)

    def counts(self) -> dict[tuple[str, str], int]:
        """Jobs by (kind, state)."""
        rows = self._connection.execute("SELECT kind, state, COUNT(*) AS n FROM jobs GROUP BY kind, state")
        return {(row["kind"], row["state"]): row["n"] for row in rows}

    def waiting(self) -> int:
        """Jobs in the queue."""
        return _waiting(self._connection)

    def ahead_of(self, job: Job) -> int:
        """Queued jobs that come before this one."""
        kinds = _lane(job.kind)
        return int(
            self._connection.execute(
                f"SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND kind IN ({_marks(kinds)}) AND queued < ?",
                (*kinds, job.queued),
            ).fetchone()[0]
        )

    def oldest_waiting(self) -> float:
        """Seconds that the job which has waited longest is waiting; 0 where none is."""
        first = self._connection.execute("SELECT MIN(queued) FROM jobs WHERE state = 'queued'").fetchone()[0]
        return 0.0 if first is None else max(0.0, time.time() - first)

    def claims(self) -> set[tuple[str, int]]:
        """Id and claim of all jobs in progress."""
        rows = self._connection.execute("SELECT id, claim FROM jobs WHERE state = 'in_progress'")
        return {(row["id"], row["claim"]) for row in rows}

    def workers(self) -> set[str]:
        """Names of those that have a job in progress."""
        rows = self._connection.execute("SELECT DISTINCT worker FROM jobs WHERE state = 'in_progress'")
        return {row["worker"] for row in rows}

    def folders(self) -> set[str]:
        """The folders of all results."""
        rows = self._connection.execute("SELECT * FROM jobs WHERE result IS NOT NULL")
        return {job.result["folder"] for job in map(_job, rows) if job.result is not None}

    # What workers do

    def claim(self, worker: str, kinds: Sequence[Kind] = KINDS) -> Job | None:
        """The job of these kinds that has waited longest, now this worker's."""
        with self._writing() as connection:
            row = connection.execute(
                "UPDATE jobs SET state = 'in_progress', worker = ?, claim = claim + 1, started = ?, progress = 0, "
                "stage = 'starting' WHERE number = (SELECT number FROM jobs WHERE state = 'queued' "
                f"AND kind IN ({_marks(kinds)}) ORDER BY queued LIMIT 1) RETURNING *",
                (worker, time.time(), *kinds),
            ).fetchone()
        return None if row is None else _job(row)

    def holds(self, job: str, claim: int) -> bool:
        """Whether a claim is still the one that may write."""
        return (job, claim) in self.claims()

    def report(self, job: Job, progress: int, stage: str) -> bool:
        """Notes how far a claimed job is; False where it is no longer this claim's (deleted, edited, taken over)."""
        return self._update(job, "progress = ?, stage = ?", (max(0, min(99, progress)), stage))

    def complete(self, job: Job, result: dict[str, Any], size: int) -> bool:
        """Ends a claimed job well; False where it is no longer this claim's."""
        return self._update(
            job,
            "state = 'completed', progress = 100, stage = '', ended = ?, error = NULL, result = ?, bytes = ?",
            (time.time(), json.dumps(result), size),
        )

    def fail(self, job: Job | tuple[str, int], code: str, message: str) -> bool:
        """Ends a claimed job (or its id and claim) badly; False where it is no longer this claim's."""
        return self._update(
            job,
            "state = 'failed', stage = '', ended = ?, error = ?",
            (time.time(), json.dumps({"code": code, "message": message})),
        )

    def give_back(self, job: Job) -> bool:
        """Queues a claimed job again, behind the others, through no fault of its own."""
        return self._update(
            job,
            "state = 'queued', queued = ?, started = NULL, progress = 0, stage = '', worker = NULL",
            (time.time(),),
        )

    def requeue(self, worker: str, crashed: bool, attempts: int) -> list[str]:
        """Puts back what a worker that is gone has left in progress.

        Args:
            worker: its name; one that begins with a dot stands for all names that end so.
            crashed: whether it died of itself; its job then waits behind all others, so that it takes down no worker
                that could make them, and one that has taken down `attempts` workers fails.
            attempts: see ServerConfig.

        Returns:
            Ids of the jobs.
        """
        told = json.dumps(
            {"code": "worker_crashed", "message": "making this has ended the worker process each time"}
        )
        with self._writing() as connection:
            rows = connection.execute(
                "UPDATE jobs SET queued = CASE WHEN ? THEN ? ELSE queued END, crashes = crashes + ?, "
                "claim = claim + 1, worker = NULL, progress = 0, stage = '', "
                "state = CASE WHEN crashes + ? >= ? THEN 'failed' ELSE 'queued' END, "
                "error = CASE WHEN crashes + ? >= ? THEN ? ELSE NULL END, "
                "ended = CASE WHEN crashes + ? >= ? THEN ? ELSE NULL END "
                "WHERE state = 'in_progress' AND (worker = ? OR (? AND substr(worker, -length(?)) = ?)) RETURNING id",
                (
                    *(int(crashed), time.time()),
                    *(int(crashed), int(crashed), attempts),
                    *(int(crashed), attempts, told),
                    *(int(crashed), attempts, time.time()),
                    *(worker, worker.startswith("."), worker, worker),
                ),
            ).fetchall()
        return [row["id"] for row in rows]

    # Uploaded files

    def add_file(self, file: StoredFile) -> None:
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?)",
                (file.id, file.kind, file.name, file.bytes, file.created),
            )

    def file(self, file: str) -> StoredFile | None:
        row = self._connection.execute("SELECT * FROM files WHERE id = ?", (file,)).fetchone()
        return None if row is None else StoredFile(**dict(row))

    def files(self) -> list[StoredFile]:
        """All of them."""
        return [StoredFile(**dict(row)) for row in self._connection.execute("SELECT * FROM files")]

    def remove_file(self, file: str) -> bool:
        with self._writing() as connection:
            return connection.execute("DELETE FROM files WHERE id = ?", (file,)).rowcount > 0

    def bytes_used(self) -> int:
        """Of all results and uploads."""
        return int(
            self._connection.execute(
                "SELECT (SELECT COALESCE(SUM(bytes), 0) FROM jobs) + (SELECT COALESCE(SUM(bytes), 0) FROM files)"
            ).fetchone()[0]
        )

    def touch(self) -> None:
        """Writes nothing, as a proof that it could.

        Raises:
            sqlite3.OperationalError: another process holds the database.
        """
        connection = self._connection
        connection.execute("PRAGMA busy_timeout = 250")
        try:
            with self._writing():
                pass
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * self.patience)}")

    def close(self) -> None:
        """Closes this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _update(self, job: Job | tuple[str, int], assignments: str, values: Sequence[Any]) -> bool:
        claim = (job.id, job.claim) if isinstance(job, Job) else job
        with self._writing() as connection:
            changed = connection.execute(
                f"UPDATE jobs SET {assignments} WHERE id = ? AND claim = ? AND state = 'in_progress'",
                (*values, *claim),
            ).rowcount
        return changed > 0

    @property
    def _connection(self) -> sqlite3.Connection:
        if getattr(self._local, "connection", None) is None:
            self._local.connection = self._open()
        connection: sqlite3.Connection = self._local.connection
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self.patience, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a power cut may undo the last seconds, never damage
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start, so that reading and writing in it agree."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self._undo(connection)
            raise

    def _undo(self, connection: sqlite3.Connection) -> None:
        """Leaves no transaction open; a connection on which not even that can be done is given up."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()


def _lane(kind: Kind) -> tuple[Kind, ...]:
    return next(kinds for kinds in LANES.values() if kind in kinds)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _waiting(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM jobs WHERE state = 'queued'").fetchone()[0])


def _job(row: sqlite3.Row) -> Job:
    """A row; one whose texts are damaged is a failed job that says so, and takes nothing else down."""
    values = dict(row)
    try:
        for name in ("request", "error", "result"):
            values[name] = None if values[name] is None else _read(values[name])
    except (ValueError, RecursionError):
        error = {"code": "damaged", "message": "what was asked for cannot be read any more; delete this"}
        values |= {"request": {}, "result": None, "error": error}
        if values["state"] == "completed":
            values["state"] = "failed"
    return Job(**values)


def _read(text: str) -> Any:
    value = json.loads(text)
    if _SURROGATE.search(text):  # of tables written before such text was refused
        value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value
