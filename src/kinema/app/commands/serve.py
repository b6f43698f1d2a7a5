"""`kinema serve` and `kinema studio`: the engine over HTTP, and the page on which a scene is directed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from kinema.app.server.config import ServerConfig

HOST = typer.Option("127.0.0.1", help="Address to listen on; any but this machine's own needs a token.")
PORT = typer.Option(8188, min=1, max=65535, help="Port to listen on.")
ROOT = typer.Option(None, help="Folder for jobs and files. Default: the user's data folder.")
DEVICE = typer.Option(
    ["cpu"], "--device", help="Where models work, e.g. cuda:0; one worker each, repeatable."
)
BACKBONE = typer.Option(
    None,
    help="The video model of requests that name none. Default: rough where a picture is given, else the embedded one.",
)
ALLOWED = typer.Option([], "--allow-host", help="A name under which browsers reach this server; repeatable.")
LIBRARY = typer.Option(
    None, help="The motion library that scenes may use. Default: $KINEMA_MOTION_DATA, where there is one."
)
QUOTA = typer.Option(20.0, min=0.001, help="Gigabytes that jobs and files may take.")
QUEUE = typer.Option(200, min=1, help="Jobs that may wait.")
RATE = typer.Option(120, min=0, help="Requests that make work, per minute and client; 0 for no limit.")
PROXY = typer.Option(
    [],
    "--proxy",
    help="Address of a proxy whose X-Forwarded-For names the clients; repeatable. Default: none.",
)
JOB_LIMIT = typer.Option(
    7200.0, min=1, help="Seconds that a video may take; motions and scenes a quarter of that."
)
STAGE_LIMIT = typer.Option(900.0, min=1, help="Seconds that a job may go without getting on.")
IDLE = typer.Option(300.0, min=1, help="Seconds without work after which models are released.")


def serve(
    host: str = HOST,
    port: int = PORT,
    root: Path | None = ROOT,
    device: list[str] = DEVICE,
    backbone: str | None = BACKBONE,
    allow_host: list[str] = ALLOWED,
    quota: float = QUOTA,
    queue: int = QUEUE,
    rate: int = RATE,
    idle: float = IDLE,
    library: Path | None = LIBRARY,
    proxy: list[str] = PROXY,
    job_limit: float = JOB_LIMIT,
    stage_limit: float = STAGE_LIMIT,
) -> None:
    """Serve videos, motions and scenes over HTTP; the token comes from the environment variable KINEMA_TOKEN."""
    _run(
        _config(
            root,
            device,
            backbone,
            library,
            host=host,
            port=port,
            hosts=tuple(allow_host),
            quota=round(quota * (1 << 30)),
            queue=queue,
            rate=rate,
            idle=idle,
            proxies=tuple(proxy),
            job_limit=job_limit,
            stage_limit=stage_limit,
        ),
        open_page=False,
    )


def studio(
    port: int = PORT,
    root: Path | None = ROOT,
    device: list[str] = DEVICE,
    backbone: str | None = BACKBONE,
    library: Path | None = LIBRARY,
    page: bool = typer.Option(True, "--open/--no-open", help="Open the page in the browser."),
) -> None:
    """Open the studio: a page on which a scene is directed and filmed."""
    _run(_config(root, device, backbone, library, port=port, rate=0), open_page=page)


def _config(
    root: Path | None, devices: list[str], backbone: str | None, library: Path | None, **options: Any
) -> ServerConfig:
    from kinema.app.catalogue import check_backbone
    from kinema.app.server.config import TOKEN_VARIABLE, ServerConfig, default_root
    from kinema.data.motion_library import library_folder

    if backbone is not None:
        check_backbone(backbone)
    if library is not None and not library.is_dir():
        raise ValueError(f"--library {library}: no such folder")
    clips = library or library_folder()
    folder = root or default_root()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ServerConfig(
        root=folder.resolve(),
        token=os.environ.get(TOKEN_VARIABLE) or None,
        devices=tuple(devices),
        backbone=backbone,
        library=None if clips is None else clips.resolve(),
        **options,
    )


def _run(config: ServerConfig, *, open_page: bool) -> None:
    from kinema.app.server.running import run

    run(config, open_page)
