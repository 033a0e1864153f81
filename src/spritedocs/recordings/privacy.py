"""What must not stand in a recording: who recorded it, and on which host."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["private_in"]


def private_in(notebook: Any) -> str | None:
    """What of this machine's user the outputs of ``notebook`` show: ``"home folder"``, say, or ``None``."""
    shown = json.dumps([cell.get("outputs", []) for cell in notebook["cells"]], ensure_ascii=False)
    # In JSON a backslash, as in a Windows path, is written twice.
    shown = shown.replace("\\\\", "\\")
    return next((what for what, pattern in _patterns() if re.search(pattern, shown)), None)


def _patterns() -> Iterator[tuple[str, str]]:
    # A container may run under a number that has neither a name nor a home.
    with contextlib.suppress(RuntimeError):
        home = str(Path.home())
        if home.strip("/\\"):
            yield "home folder", rf"{re.escape(home)}(?![\w.-])"
    with contextlib.suppress(KeyError, OSError):
        # Bare, it may be a word like any other: "root", "test".
        yield "user name", rf"[/\\]{re.escape(getpass.getuser())}[/\\]"
    if (host := platform.node()) not in ("", "localhost"):
        yield "host name", rf"(?<![\w-]){re.escape(host)}(?![\w-])"
