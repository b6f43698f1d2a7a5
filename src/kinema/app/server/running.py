"""Runs the server until it is told to stop."""

from __future__ import annotations

import socket
import threading
import webbrowser
from typing import Any

import uvicorn

from kinema.app.console import note
from kinema.app.server.config import ServerConfig
from kinema.app.server.locks import owned
from kinema.app.server.monitoring import log_as_json
from kinema.app.server.web import create_app


def run(config: ServerConfig, open_page: bool) -> None:
    """Listens and serves.

    Args:
        config: of the server.
        open_page: show the studio in the user's browser.

    Raises:
        OSError: the port is taken, or another server has the folder.
    """
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise OSError(
                f"port {config.port} of {config.host} cannot be used ({error.strerror}); take another with --port"
            ) from None
    log_as_json()
    address = f"http://{'[' + config.host + ']' if ':' in config.host else config.host}:{config.port}"
    note(f"{address} (stop with Ctrl-C)")
    if open_page:
        threading.Timer(1.5, webbrowser.open, [address]).start()
    with owned(config.root):
        uvicorn.run(create_app(config), **listening(config))


def listening(config: ServerConfig) -> dict[str, Any]:
    """How uvicorn listens: nobody's word for who the client is counts, but that of named proxies."""
    return {
        "host": config.host,
        "port": config.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 5,
        "limit_concurrency": config.connections,
        "proxy_headers": bool(config.proxies),
        "forwarded_allow_ips": list(config.proxies),
    }
