"""The Dockerfile, read line by line: no Docker engine is needed to see that what it names is there."""

import json
import re
from pathlib import Path

import pytest
import typer
from tests.conftest import REPOSITORY

from kinema.app.commands.serve import serve

LINES = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def arguments(instruction: str) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in LINES if line.startswith(f"{instruction} ")]


def test_what_is_copied_is_there_and_enough_to_install():
    copied = [name for line in arguments("COPY") for name in line.split()[:-1]]
    assert all((REPOSITORY / name).exists() for name in copied)
    needed = re.findall(r'(?:readme|license-files) = \[?"(.+?)"', (REPOSITORY / "pyproject.toml").read_text())
    assert {"pyproject.toml", "constraints.txt", "src", *needed} <= set(copied)


def test_what_is_installed_is_pinned():
    pinned = {
        line.split("==")[0]
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    commands = re.findall(r"pip install ([^&]+)", " ".join(arguments("RUN")))
    assert len(commands) == 3
    for command in commands:
        named = re.sub(r"""\"\$\(grep '\^(\w+)==' constraints.txt\)\"""", r"-c constraints.txt \1", command)
        assert "-c constraints.txt" in named
        words = re.sub(r"-c \S+|--index-url \S+|--\S+", "", named).split()
        assert words
        assert all(word == "." or word in pinned for word in words), words


@pytest.mark.parametrize("line", arguments("CMD"))
def test_the_command_is_one_that_kinema_takes(line):
    app = typer.Typer()
    app.command()(serve)
    app.command("other")(lambda: None)
    words = json.loads(line)
    assert words[:2] == ["kinema", "serve"]
    command = typer.main.get_command(app).get_command(None, "serve")
    given = command.make_context("serve", words[2:]).params
    assert given["host"] == "0.0.0.0"
    assert str(given["root"]) in arguments("VOLUME")
    assert str(given["port"]) in arguments("EXPOSE")


def test_its_health_is_asked_where_no_token_is_needed():
    from kinema.app.server.guard import OPEN_PATHS

    (line,) = arguments("HEALTHCHECK")
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", line)
    assert address is not None
    assert address.group(1) in arguments("EXPOSE")
    assert address.group(2) in OPEN_PATHS
    assert Path(address.group(2)).name == "readyz"
