"""The `kinema` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import typer

from kinema import __version__
from kinema.app.command import behave
from kinema.app.commands import (
    animate,
    camera,
    capture,
    compare,
    curate,
    describe,
    edit,
    evaluate,
    generate,
    library,
    models,
    motion,
    papers,
    passes,
    plan,
    preview,
    replace,
    rig,
    serve,
    train,
)
from kinema.app.console import plain_errors

app = typer.Typer(
    name="kinema",
    help="Videos of people who move as you say, seen by a camera that moves as you say.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        print(f"kinema {__version__}")
        raise typer.Exit


app.command("generate")(generate.generate)
app.command("animate")(animate.animate)
app.command("replace")(replace.replace)
app.command("preview")(preview.preview)
app.command("camera")(camera.camera)
app.command("passes")(passes.passes)
app.command("capture")(capture.capture)
app.add_typer(motion.app, name="motion")
app.command("edit")(edit.edit)
app.command("describe")(describe.describe)
app.command("rig")(rig.rig)
app.command("library")(library.library)
app.command("studio")(serve.studio)
app.command("serve")(serve.serve)
app.command("models")(models.models)
app.command("plan")(plan.plan)
app.command("papers")(papers.papers)
app.command("curate")(curate.curate)
app.command("train")(train.train)
app.add_typer(evaluate.app, name="evaluate")
app.command("compare")(compare.compare)
behave(app)


def main() -> None:
    """Entry point: exit code 0, 2 for what the user can mend, 1 for bugs."""
    with plain_errors():
        app()
