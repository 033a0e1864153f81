"""The command ``spritedocs``, called in the process that tests."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from spritedocs.cli import commands as cli


class Answer(NamedTuple):
    """What a call gave: its exit status, and what it wrote to standard output and to standard error."""

    status: int
    said: str
    complained: str

    @property
    def sentence(self) -> str:
        """The complaint, which stands alone."""
        assert self.said == ""
        assert "Traceback" not in self.complained
        return self.complained.splitlines()[-1]


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    """The answer of ``spritedocs`` to ``arguments``."""
    monkeypatch.setattr(sys, "argv", ["spritedocs", *arguments])
    capsys.readouterr()
    status = 0
    try:
        cli.main()
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    return Answer(status, *capsys.readouterr())
