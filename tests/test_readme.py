"""What the documentation says can be done, can be done: commands, options, targets, files."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path

import pytest
import typer

from kinema.app.cli import app

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def shell_commands() -> list[tuple[str, list[str]]]:
    """Every command of the shell blocks and every `kinema ...` in code marks, as (page, words)."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, shlex.split(line, comments=True)) for line in lines]
        outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for mark in re.findall(r"`((?:kinema|make) [^`]+)`", outside):
            found.append((page.name, shlex.split(mark)))
    return [(page, words) for page, words in found if words]


def command_words() -> list:
    kinema = [
        (page, words) for page, words in shell_commands() if words[0] == "kinema" and words[1:] != ["..."]
    ]
    return [pytest.param(words[1:], id=f"{page}: {' '.join(words)[:60]}") for page, words in kinema]


@pytest.mark.parametrize("words", command_words())
def test_commands_and_options_exist(words):
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands and hasattr(command, "default"):
            words = [command.default, *words]
        if words[0].startswith("-"):
            break
        assert words[0] in command.commands, f"no command {words[0]!r} among {', '.join(command.commands)}"
        command, words = command.commands[words[0]], words[1:]
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= known, f"{command.name} has no {', '.join(sorted(used - known))}"


def test_every_command_is_in_the_readme():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    paths = [
        f"kinema {name} {child}".strip()
        for name, command in group.commands.items()
        for child in getattr(command, "commands", [""])
        if child != getattr(command, "default", None)
    ]
    assert [path for path in paths if path not in readme] == []


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z][\w-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    asked = {words[1] for _, words in shell_commands() if words[0] == "make"}
    assert {"demo", "test"} <= asked <= targets


def test_linked_files_exist():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_named_files_exist():
    """Files that the pages and the package's docstrings name by path from the repository's root."""
    sources = [*PAGES, *(REPOSITORY / "src").rglob("*.py")]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w/.])((?:examples|docs|benchmarks)/[\w.-]+\.\w+)", text):
            assert (REPOSITORY / name).exists(), f"{source.name} names {name}, which is not there"


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    """As it stands, but for two steps of five frames."""
    import kinema

    text = PAGES[0].read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kinema, "animate", partial(kinema.animate, steps=2, seconds=0.4), raising=False)
    for block in blocks:
        exec(block, {})
    assert (tmp_path / "out.mp4").is_file()
