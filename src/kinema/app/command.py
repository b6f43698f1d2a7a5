"""How every command of the command line behaves: options stand once, and who stops it is told what was done."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand

from kinema.app import console


class Command(TyperCommand):
    """A command that refuses an option given twice, of which one would be lost in silence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, times in Counter(order).items():
            once = getattr(parameter, "is_flag", True) is False and not getattr(parameter, "multiple", False)
            if times > 1 and once:
                raise ValueError(f"{parameter.opts[0]} is given {times} times: give it once")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        console.work.__init__()  # type: ignore[misc]  # a new command begins
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            console.fail(console.work.stopped(), code=130)


def behave(app: typer.Typer) -> None:
    """Makes all commands of an app, and of those below it, behave so."""
    for each in app.registered_commands:
        each.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            behave(group.typer_instance)
