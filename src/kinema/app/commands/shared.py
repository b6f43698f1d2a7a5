"""Options that several commands have."""

from __future__ import annotations

import typer

UNIT: str = typer.Option(
    "auto", help="Unit of lengths in BVH files: m, cm, mm, inch, cgspeed, metres as a number, or auto."
)
JSON: bool = typer.Option(False, "--json", help="Print the result as one line of JSON.")
CRF: int = typer.Option(18, min=0, max=51, help="Video quality: 0 lossless, 18 visually clean, 51 worst.")
TRACKING: str = typer.Option(
    "auto", help="none, pan or follow: how a camera in words keeps the person in view; auto follows a walker."
)
ENDPOINT: str | None = typer.Option(
    None,
    envvar="KINEMA_LLM_URL",
    help="OpenAI-compatible address, e.g. http://localhost:8000/v1, that splits the prompt into motion and camera. "
    "Default: rules on this machine; a key is read from KINEMA_LLM_KEY.",
)
ENDPOINT_MODEL: str = typer.Option(
    "default", envvar="KINEMA_LLM_MODEL", help="The language model's name at --endpoint."
)
