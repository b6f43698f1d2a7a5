"""What a server is started with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN_VARIABLE = "KINEMA_TOKEN"
_MEGABYTE = 1 << 20


def default_root() -> Path:
    """Where jobs and their files are kept: $XDG_DATA_HOME/kinema/server, or ~/.local/share/kinema/server."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "kinema" / "server"


@dataclass(frozen=True)
class ServerConfig:
    """How to serve.

    Args:
        root: the one folder that the server writes to.
        host, port: where it listens.
        token: what clients send as `Authorization: Bearer`; none is needed on loopback.
        devices: one worker process each for videos; motions and scenes are made by another on the first of them.
        backbone: of videos whose request names no model; where None, the rough take of a picture, or the embedded model.
        max_upload: bytes of one request.
        max_pixels: of an uploaded picture or a frame of an uploaded video.
        max_seconds: of an uploaded video, and of what is made.
        quota: bytes of everything under the root; above it nothing new is accepted.
        queue: jobs that may wait.
        rate: requests that make work, per minute and client.
        idle: seconds after which a worker without work gives back its models.
        attempts: how often a job may take its worker down with it before it is given up.
        library: folder of the motion library, or None where there is none.
        hosts: names under which a browser may reach the server, besides loopback and `host`.
        proxies: addresses of proxies whose word is taken for who the client is; nobody's where empty.
        least_free: bytes of the disk that are left alone; below that nothing new is accepted or begun.
        job_limit: seconds that a video may take; motions and scenes a quarter of that.
        stage_limit: seconds that a job may go without getting on.
        silence: seconds without a sign of life after which a worker is replaced.
        streams: clients that may follow jobs at a time.
        connections: that are answered at a time.
    """

    root: Path = field(default_factory=default_root)
    host: str = "127.0.0.1"
    port: int = 8188
    token: str | None = None
    devices: tuple[str, ...] = ("cpu",)
    backbone: str | None = None
    max_upload: int = 256 * _MEGABYTE
    max_pixels: int = 1 << 26
    max_seconds: float = 120.0
    quota: int = 20 << 30
    queue: int = 200
    rate: int = 120
    idle: float = 300.0
    attempts: int = 5
    library: Path | None = None
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    least_free: int = 64 * _MEGABYTE
    job_limit: float = 7200.0
    stage_limit: float = 900.0
    silence: float = 90.0
    streams: int = 256
    connections: int = 512

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.token:
            raise ValueError(
                f"--host {self.host}: other machines could reach this server; set a token in ${TOKEN_VARIABLE}, "
                "or stay on 127.0.0.1"
            )
        if self.token is not None and len(self.token) < 16:
            raise ValueError("the token is shorter than 16 characters; take a longer one")
        if not self.devices or len(set(self.devices)) != len(self.devices):
            raise ValueError(f"devices {', '.join(self.devices) or '()'}: name each device once")

    def limit(self, kind: str) -> float:
        """Seconds that a job of a kind may take."""
        return self.job_limit if kind == "video" else self.job_limit / 4

    @property
    def known_hosts(self) -> frozenset[str]:
        """Names that a request's Host may carry; any other is somebody's rebound DNS name."""
        return frozenset({*LOOPBACK, "[::1]", self.host, *self.hosts})
