"""What stands before every request: who may ask, how much, how often; and headers that tell browsers to be careful."""

from __future__ import annotations

import hmac
import json
import time
from collections import OrderedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinema.app.server.config import ServerConfig
from kinema.app.server.monitoring import METHODS

OPEN_PATHS = ("/healthz", "/readyz")
"""Answered without a token, so that whatever keeps the server running can ask."""

_ANSWERS = ("/v1/", "/metrics")  # what is more than pages
_OWN_SITES = ("same-origin", "none")  # of Sec-Fetch-Site: a page of this server, or the user's own hand
_CLIENTS = 4096
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class Guard:
    """ASGI middleware.

    Args:
        app: what it guards.
        config: of the server.
    """

    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self.app, self.config = app, config
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        over = False
        started = False
        counted = 0

        async def counting() -> Message:
            nonlocal counted, over
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self.config.max_upload:
                over = True
                raise _TooLarge
            return message

        async def sending(message: Message) -> None:
            nonlocal started
            if over and not started:
                return  # whatever the application makes of a body that broke off, the answer is below
            if message["type"] == "http.response.start":
                started = True
                answer = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answer.setdefault(name, value)
                if scope["path"].startswith("/v1/"):
                    answer.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self.app(scope, counting, sending)
        except Exception:  # whatever the application makes of a body that was cut off here
            if not over or started:
                raise
        if over and not started:
            await _answer(send, *_too_large(self.config.max_upload))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str, dict[str, str]] | None:
        """Status, code, message and headers of the answer to a request that goes no further."""
        if scope["method"] not in METHODS:
            return 501, "unknown_method", f"there are {', '.join(METHODS)} here", {}
        host = headers.get("host", "").rsplit("@", 1)[-1]
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":", 1)[0]
        if name.lower() not in self.config.known_hosts:
            return 421, "unknown_host", f"this server does not answer to the name {name[:80]!r}", {}
        origin = headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1] != host:
            return 403, "foreign_origin", "pages of other origins may not use this server", {}
        if scope["path"].startswith(_ANSWERS) and headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            return 403, "foreign_origin", "pages of other sites may not use this server", {}
        if not self._may(scope, headers):
            return 401, "no_token", "send the server's token as 'Authorization: Bearer ...'", {
                "www-authenticate": "Bearer"
            }  # fmt: skip
        size = headers.get("content-length")
        if size is not None and size.isdigit() and int(size) > self.config.max_upload:
            return _too_large(self.config.max_upload)
        if scope["method"] in ("POST", "PUT", "PATCH"):
            wait = self._wait(scope)
            if wait > 0:
                text = f"more than {self.config.rate} requests a minute; try again in {wait:.0f} s"
                return 429, "rate_limited", text, {"retry-after": str(max(1, round(wait)))}
        return None

    def _may(self, scope: Scope, headers: Headers) -> bool:
        token = self.config.token
        if token is None or scope["path"] in OPEN_PATHS or not scope["path"].startswith(_ANSWERS):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())

    def _wait(self, scope: Scope) -> float:
        """Seconds until this client may ask again; a bucket that fills steadily, two seconds' worth deep at least."""
        client = scope["client"][0] if scope.get("client") else ""
        if self.config.rate <= 0:
            return 0.0
        per_second = self.config.rate / 60
        now = time.monotonic()
        level, then = self._buckets.pop(client, (float(self.config.rate), now))
        level = min(float(self.config.rate), level + (now - then) * per_second)
        allowed = level >= 1
        self._buckets[client] = (level - 1 if allowed else level, now)
        while len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - level) / per_second


class _TooLarge(Exception):
    """A body went on beyond the limit."""


def _too_large(most: int) -> tuple[int, str, str, dict[str, str]]:
    return 413, "too_large", f"a request may have at most {most} bytes", {}


async def _answer(send: Send, status: int, code: str, message: str, headers: dict[str, str]) -> None:
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
    head = {"content-type": "application/json", "content-length": str(len(body)), **_HEADERS, **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in head.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
