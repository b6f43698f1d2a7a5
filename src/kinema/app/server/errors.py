"""Every answer that is not a success has one shape: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from kinema.app.server.disk import STORAGE_ERRORS, trouble
from kinema.app.server.schemas import ErrorAnswer

logger = logging.getLogger("kinema.server")
_MOST = 500  # characters of a message


class Refused(HTTPException):
    """A request that is not done.

    Args:
        status: of HTTP.
        code: a word for machines.
        message: a sentence for people.
        param: the field that is wrong.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.param = code, param


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI page: these statuses answer with an error; those of the guard always may."""
    return {status: {"model": ErrorAnswer} for status in sorted({*statuses, 401, 403, 421})}


def refusal(error: ValidationError | RequestValidationError) -> Refused:
    """What is wrong with a request, in a sentence: the first field, and how many more there are."""
    problems = error.errors()
    first = problems[0]
    param = ".".join(str(part) for part in first["loc"] if _names_a_field(part)) or None
    said = str(first["msg"]).removeprefix("Value error, ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Refused(422, "invalid_request", f"{param + ': ' if param else ''}{said}{more}"[:_MOST], param)


def _names_a_field(part: int | str) -> bool:
    """Places in a union are named by its types, which are no fields."""
    return isinstance(part, int) or (
        part not in ("body", "query", "path", "constrained-str") and part.islower()
    )


def install(app: FastAPI) -> None:
    """Handlers for everything that can be raised."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        code = getattr(error, "code", None) or {404: "not_found", 405: "method_not_allowed"}.get(
            error.status_code, "error"
        )
        return _answer(
            error.status_code, code, str(error.detail), getattr(error, "param", None), error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = refusal(error)
        return _answer(told.status_code, told.code, str(told.detail), told.param)

    async def storage(request: Request, error: Exception) -> JSONResponse:
        known = trouble(error)
        if known is not None:
            logger.warning("a request met trouble", extra={"path": request.url.path, "reason": str(error)})
            return _answer(known.status, known.code, known.message, headers={"retry-after": "10"})
        raise error

    for kind in STORAGE_ERRORS:
        app.exception_handler(kind)(storage)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        logger.exception("a request failed", exc_info=error, extra={"path": request.url.path})
        return _answer(500, "internal_error", "something went wrong; the server's log says what")


def _answer(
    status: int, code: str, message: str, param: str | None = None, headers: Any = None
) -> JSONResponse:
    kind = (
        "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    )
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return JSONResponse(body, status, dict(headers) if headers else None)
