"""What the documentation says can be done, can be done: commands, options, imports, files; and strangers can read it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from kinema.app.cli import app

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "kinema"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
NOTES = sorted((REPOSITORY / "docs" / "notes").glob("*.md"))
"""Research diaries: their links hold, but they may be long and speak of what is gone."""

MOST_WORDS = 90


def outside_blocks(page: Path) -> str:
    return re.sub(r"```.*?```", "\n\n", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs and single items of lists; no tables, headings or pictures."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        item = re.match(r"\s*([-*+]|\d+\.)\s+", line)
        apart = not line.strip() or line.lstrip().startswith(("|", "#", "!["))
        if (item or apart) and lines:
            yield " ".join(lines)
            lines = []
        if not apart:
            lines.append(line[item.end() :] if item else line.strip())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paragraphs_are_short(page):
    words = {
        paragraph: len(re.sub(r"\]\([^)]*\)", "", paragraph).split())
        for paragraph in paragraphs(outside_blocks(page))
    }
    assert {f"{count}: {text[:80]}" for text, count in words.items() if count > MOST_WORDS} == set()


def shell_commands() -> list[tuple[str, list[str]]]:
    """Every command of the shell blocks and every `kinema ...` in code marks, as (page, words)."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, called(shlex.split(line, comments=True))) for line in lines]
        for mark in re.findall(r"`((?:kinema|make) [^`]+)`", outside_blocks(page)):
            found.append((page.name, shlex.split(mark)))
    return [(page, words) for page, words in found if words]


def called(words: list[str]) -> list[str]:
    """A command without variables before it and without torchrun, which runs it as a module."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words[words.index("-m") + 1 :] if words[:1] == ["torchrun"] else words


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
    known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)} | {"--help"}
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= known, f"{command.name} has no {', '.join(sorted(used - known))}"


def recipe_words() -> list[tuple[str, str]]:
    """(recipe, option) of every `kinema train` on the pages."""
    pairs = set()
    for _, words in shell_commands():
        if words[:2] == ["kinema", "train"] and re.match(r"[a-z]", "".join(words[2:3])):
            set_to = [after for word, after in pairwise(words) if word == "--set"]
            pairs |= {(words[2], each.split("=")[0]) for each in set_to}
    return sorted(pairs)


@cache
def recipe_options(recipe: str) -> set[str]:
    from kinema.training.recipes import options_of

    return {option.key for option in options_of(recipe)}


@pytest.mark.parametrize(("recipe", "option"), recipe_words())
def test_options_of_recipes_exist(recipe, option):
    assert option in recipe_options(recipe)


def imports() -> list:
    """(module, name) of every import from a room of the package in the Python blocks."""
    statement = re.compile(r"^(?:>>> )?\s*from (kinema\.[\w.]+) import \(?([\w,\s]+?)\)?$", re.MULTILINE)
    found = {
        (module, name.strip(), page.name)
        for page in PAGES
        for block in blocks(page, "python")
        for module, names in statement.findall(block)
        for name in names.split(",")
        if name.strip()
    }
    return [pytest.param(module, name, id=f"{page}: {module}.{name}") for module, name, page in sorted(found)]


@pytest.mark.parametrize(("module", "name"), imports())
def test_imports_exist(module, name):
    """Read, not run: the source of the module names it, or it is a module itself."""
    place = PACKAGE.joinpath(*module.split(".")[1:])
    if (place / f"{name}.py").is_file():
        return
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    assert source.is_file(), f"no module {module}"
    assert re.search(rf"\b{name}\b", source.read_text(encoding="utf-8")), f"{module} has no {name}"


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


@pytest.mark.parametrize("page", [*PAGES, *NOTES], ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_linked_files_exist(page):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", outside_blocks(page)):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_named_files_exist():
    """Files that the pages and the package's docstrings name by path: from the repository's root, or the package's."""
    sources = [*PAGES, *(REPOSITORY / "src").rglob("*.py")]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w/.])((?:examples|docs|benchmarks)/[\w./-]+\.\w+)", text):
            assert (REPOSITORY / name).exists(), f"{source.name} names {name}, which is not there"
    for page in PAGES:
        for name in re.findall(r"`([\w/]+/\w+\.py)`", outside_blocks(page)):
            there = any((root / name).is_file() for root in (REPOSITORY, PACKAGE, REPOSITORY / "src"))
            assert there, f"{page.name} names {name}, which is not there"


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    """As it stands, but for the first 0.4 s."""
    import kinema

    text = PAGES[0].read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kinema, "animate", partial(kinema.animate, seconds=0.4), raising=False)
    for block in blocks:
        exec(block, {})
    assert (tmp_path / "out.mp4").is_file()
