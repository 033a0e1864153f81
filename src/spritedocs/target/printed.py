"""What the reader's code prints: the first lines are shown, the rest is counted."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import IO

__all__ = ["Printed"]

FIRST, LAST = 10, 5
LONGEST_BYTES = 500

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")


class Printed:
    """Reads what a program prints, and passes the first lines on.

    Examples:
        >>> import io
        >>> printed = Printed(print)
        >>> printed.read(io.BytesIO(b"sprite\\n" * 10 + b"another\\n" * 3))  # doctest: +ELLIPSIS
        sprite
        ...
        sprite
        >>> printed.rest()
        ['… 3 more lines from your code']
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._count = 0
        self._last: deque[bytes] = deque(maxlen=LAST)

    def read(self, stream: IO[bytes]) -> None:
        """Read ``stream`` to its end, and close it."""
        with stream:
            while line := stream.readline(LONGEST_BYTES):
                if self._count >= FIRST:  # as quick as can be: they may print a lot
                    self._keep(line)
                    continue
                for shown in _shown(line):
                    self._add(shown)

    def rest(self, with_last: bool = False) -> list[str]:
        """What to say of the lines that were not shown; ``with_last`` shows the last, where errors stand."""
        last = list(self._last) if with_last else []
        hidden = self._count - FIRST - len(last)
        told = [f"… {hidden:,} more line{'' if hidden == 1 else 's'} from your code"] if hidden > 0 else []
        return told + [shown for line in last for shown in _shown(line)[-LAST:]]

    def _add(self, line: str) -> None:
        if self._count >= FIRST:
            self._keep(line.encode())
            return
        self._count += 1
        self._show(line)

    def _keep(self, line: bytes) -> None:
        if not line.isspace():
            self._count += 1
            self._last.append(line)


def _shown(line: bytes) -> list[str]:
    """Its lines, without what moves the cursor; a progress bar's states, one over another, are lines."""
    text = _ESCAPES.sub("", line.decode("utf-8", errors="replace"))
    parts = ("".join(c for c in part.expandtabs(4) if c.isprintable()).rstrip() for part in text.split("\r"))
    return [part for part in parts if part]
