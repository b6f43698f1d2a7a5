"""Request bodies as JSON or as forms with files, read into the same models."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from kinema.app.server import safe_json
from kinema.app.server.errors import Refused, refusal

Model = TypeVar("Model", bound=BaseModel)
MAX_JSON = 4 << 20
"""Bytes of a JSON body (ours)."""
_MAX_FIELDS = 64
_MAX_FILES = 9  # of a form (ours): pictures of eight people and a motion


async def read_body(
    request: Request, model: type[Model], file_fields: dict[str, str]
) -> tuple[Model, dict[str, list[UploadFile | None]]]:
    """The checked body and the files that came with it: None in their place for what is no file.

    Args:
        request: JSON, or a form whose fields are those of the model; a field that holds a list or an object is JSON, and
            one that comes several times is a list.
        model: what is asked for.
        file_fields: fields of the model that may come as a file, and an id that stands for it in the meantime.

    Raises:
        Refused: another type of content, or a body that does not fit the model.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    files: dict[str, list[UploadFile | None]] = {}
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        values = await _form(request, files, file_fields)
    elif kind in ("application/json", ""):
        values = await _json(request)
    else:
        raise Refused(415, "unsupported_media_type", f"send JSON or a multipart form, not {kind[:80]!r}")
    try:
        return model.model_validate(values), files
    except ValidationError as error:
        raise refusal(error) from None


async def _json(request: Request) -> Any:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_JSON:
            raise Refused(413, "too_large", f"a JSON body may have at most {MAX_JSON} bytes")
    try:
        return safe_json.loads(bytes(content))
    except ValueError as error:
        code, why = "invalid_json", "the body is not JSON"
        if not isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
            why = f"the body cannot be taken: {error}"
        raise Refused(400, code, why) from None


async def _form(
    request: Request, files: dict[str, list[UploadFile | None]], file_fields: dict[str, str]
) -> dict[str, Any]:
    try:
        form = await request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=MAX_JSON)
    except (MultiPartException, HTTPException) as error:
        told = getattr(error, "message", None) or getattr(error, "detail", "")
        raise Refused(400, "invalid_form", f"the form cannot be read: {told}"[:300]) from None
    said: dict[str, list[Any]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name not in file_fields:
            raise Refused(422, "invalid_request", f"{name[:80]}: no file goes here", name[:80])
        if isinstance(value, UploadFile):
            files.setdefault(name, [None] * len(said.get(name, ()))).append(value)
            said.setdefault(name, []).append(file_fields[name])
            continue
        plain = _plain(value)
        said.setdefault(name, []).append(plain)
        if name in files:
            files[name].append(None)
    return {name: values[0] if len(values) == 1 else values for name, values in said.items()}


def _plain(value: str) -> Any:
    """A form's text; lists and objects are JSON."""
    if value.startswith(("[", "{")):
        try:
            return safe_json.loads(value)
        except json.JSONDecodeError:
            return value
        except ValueError as error:
            raise Refused(400, "invalid_json", f"the form cannot be taken: {error}") from None
    return value
