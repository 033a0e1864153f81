"""How a program ended, and how to read what it printed: its parts, its tracebacks, the numbers it found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from spritedocs.errors import ending
from spritedocs.machine.not_here import NotHere

__all__ = ["Frame", "Outcome"]

_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b).*$", re.MULTILINE)
_FRAME = re.compile(r'\s+File "(.+?)", line (\d+),? in (\S+)|\s+(\S+) \((\S+?):(\d+)\)$')
"""A place in code: as tracebacks and faulthandler print it, or as py-spy does."""
_FOREIGN = ("  Binary file", "Extension modules")
"""What faulthandler adds about code that is not Python's."""


class Frame(NamedTuple):
    """A place in a program, as a traceback or a stack shows it."""

    line: int
    function: str
    code: str
    """What stands in that line, ``""`` where none is shown."""


class _Parts(dict[str, "Outcome"]):
    """What a program printed under each heading."""

    def __init__(self, whole: Outcome, parts: dict[str, Outcome]) -> None:
        super().__init__(parts)
        self.whole = whole

    def __missing__(self, heading: str) -> Outcome:
        raise self.whole._without(f"nothing about {heading!r}")


@dataclass(frozen=True)
class Outcome:
    """How a script ended, and what it said."""

    text: str
    """What it printed, stdout and stderr together in their order, as a terminal would show it. Folders
    before file names are shortened, since they belong to one machine: those of Python, its packages and
    temporary files to ``…/``, the home folder to ``~``, the script's own to nothing. No more is altered."""
    status: int | None
    """Its exit status, negative for the signal that killed it; ``None`` if it outlasted its time."""
    seconds: float
    """How long it took, its start included."""
    name: str = "train.py"
    """The name of its file."""

    @property
    def timed_out(self) -> bool:
        """Whether it was still running at its time limit, and was ended."""
        return self.status is None

    @property
    def error(self) -> str:
        """The last line that names an exception, such as ``ValueError: sprite 13 is cursed``, or ``""``."""
        found = _ERROR.findall(self.text)
        return found[-1] if found else ""

    @property
    def parts(self) -> dict[str, Outcome]:
        """What it said in each part, by the headings ``== …`` that it printed.

        Where it failed, and for a heading that is not there, raises what ``answer`` does.
        """
        if self.status != 0:
            raise self._without("not all of its parts")
        _, *parts = re.split(r"^== (.+)\n", self.text, flags=re.MULTILINE)
        found = zip(parts[::2], parts[1::2], strict=True)
        return _Parts(self, {heading: replace(self, text=text) for heading, text in found})

    @property
    def answer(self) -> dict[str, Any]:
        """The object that it printed as a line of JSON.

        Raises ``RuntimeError``, which says how it ended, where it failed or printed none. It is ``NotHere``
        where the program itself raised ``NotImplementedError``, to say what this system cannot do.

        Examples:
            >>> Outcome('a warning\\n{"first_batch_s": 0.1}\\n', 0, 2.5).answer
            {'first_batch_s': 0.1}
        """
        found = re.search(r"^\{.*\}$", self.text, re.MULTILINE)
        if self.status != 0 or not found:
            raise self._without("no answer")
        return dict(json.loads(found[0]))

    def _without(self, what: str) -> NotHere | RuntimeError:
        """Why it printed ``what``."""
        kind, _, why = self.error.partition(": ")
        places = [place for line in self.text.splitlines() if (place := _place(line))]
        # torch raises it too, as a dataset does that lacks a method: that is a mistake, of whatever system.
        if self.status == 1 and why and kind == "NotImplementedError" and places[-1][0] == self.name:
            return NotHere(f"{self.name} cannot do that here: {why}.")
        how = "ended well" if self.status == 0 else ending(self.status)
        return RuntimeError(f"{self.name} printed {what}: it {how}{self.error and f', after {self.error}'}")

    @property
    def frames(self) -> list[Frame]:
        """The places in the program's own file, in the order in which it printed them."""
        found = []
        for line, after in pairwise([*self.text.splitlines(), ""]):
            if (place := _place(line)) and place[0] == self.name:
                shows_code = after.startswith("    ") and not _place(after)
                found.append(Frame(*place[1:], after.strip() if shows_code else ""))
        return found

    def line(self, function: str) -> int:
        """The line of the first place in ``function``. Where it printed none, raises what ``answer`` does."""
        for frame in self.frames:
            if frame.function == function:
                return frame.line
        raise self._without(f"no stack with {function}")

    @property
    def folded(self) -> str:
        """Its text with places in other files only counted, and those in its own marked by ``>``.

        Examples:
            >>> text = '''Traceback (most recent call last):
            ...   File "cursed.py", line 7, in <module>
            ...     next(batches)
            ...   File "…/torch/utils/data/dataloader.py", line 741, in __next__
            ...     data = self._next_data()
            ... ValueError: sprite 45 is cursed'''
            >>> print(Outcome(text, 1, 0.5, "cursed.py").folded)
            Traceback (most recent call last):
            > File "cursed.py", line 7, in <module>
            >   next(batches)
              … lines of other files: 2
            ValueError: sprite 45 is cursed
        """
        return "\n".join(self._folded()).rstrip()

    def _folded(self) -> Iterator[str]:
        folded, own = 0, None
        for line in [*self.text.strip().splitlines(), ""]:
            if place := _place(line):
                own = place[0] == self.name
            elif line.startswith(_FOREIGN):
                own = False
            elif not line.startswith("    "):  # code follows its place
                own = None
            if own is False:
                folded += 1
                continue
            if folded:
                yield f"  … lines of other files: {folded}"
            folded = 0
            yield f"> {line[2:]}" if own else line


def _place(text: str) -> tuple[str, int, str] | None:
    """The file, the line and the function of a place in code."""
    if not (found := _FRAME.match(text)):
        return None
    file, line, function, spied, spied_file, spied_line = found.groups()
    if file:
        return file, int(line), function
    return spied_file, int(spied_line), spied.rpartition(".")[2]
