"""Runs the command line in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from kinema.app.cli import main


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs `kinema WORDS`; returns exit code, standard output and standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kinema", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def cli(run) -> Callable[..., dict]:
    """Runs a command that must succeed, with --json; returns the object it prints last."""

    def call(*words: object) -> dict:
        code, out, err = run(*words, "--json")
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    return call


@pytest.fixture
def cli_error(run) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and a message, which is returned."""

    def call(*words: object) -> str:
        code, _, err = run(*words)
        assert code == 2, err
        assert "Traceback" not in err
        return err

    return call
