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
