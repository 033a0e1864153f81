"""What the reader's code raised: as a traceback without a frame of ours, and as a sentence."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path

from spritedocs.errors import raised, said_by
from spritedocs.machine import gpu_failure

__all__ = ["TheirError", "failed", "their_traceback"]

_PACKAGE = Path(__file__).parents[1]
_ENTRY = re.compile(r'^  File "(?P<file>[^"]+)", line \d+.*\n(?:^(?:    |  \[Prev).*\n)*', re.MULTILINE)
_BARE_HEADING = re.compile(r"^Traceback \(most recent call last\):\n(?!  File )", re.MULTILINE)
_SCAFFOLDING = re.compile(
    rf"<frozen |{re.escape(str(_PACKAGE))}[/\\]"
    r"|[/\\](?:importlib|multiprocessing|torch[/\\]utils[/\\]data)[/\\]|[/\\]torch[/\\]_utils\.py"
)
_IN_WORKER = "Original Traceback (most recent call last):"
_CHAIN = re.compile(r"(\n\n(?:The above exception was the|During handling of the above) .*:\n\n)")
_STDLIB = sysconfig.get_path("stdlib")


class TheirError(RuntimeError):
    """The reader's code raised ``__cause__``: one sentence says where, and what would help."""


def their_traceback(error: BaseException) -> str:
    """``error`` as Python prints it, without frames of ours, of the loader, or of the import system.

    Of an error that a worker passed on, what it raised there. ``""`` where no frame of theirs is left.
    """
    text = "".join(traceback.format_exception(error))
    text = text[max(0, text.rfind(_IN_WORKER)) :].removeprefix("Original ")
    kept = _ENTRY.sub(lambda entry: "" if _SCAFFOLDING.search(entry["file"]) else entry[0], text)
    first, *links = _CHAIN.split(kept)
    shown = ""
    for link, part in zip(["", *links[::2]], [first, *links[1::2]], strict=True):
        # What an error of theirs led to in our code is told in a sentence.
        if any(map(_is_theirs, _ENTRY.finditer(part))):
            shown += (link if shown else "") + _BARE_HEADING.sub("", part).strip()
    return shown


def _is_theirs(entry: re.Match[str]) -> bool:
    file = entry["file"]
    return not file.startswith(_STDLIB) or "-packages" in file


def failed(doing: str, error: BaseException) -> str:
    """One sentence: ``doing`` failed with ``error``, and what would help.

    Examples:
        >>> failed("Calling make", ValueError("sprite 13 is cursed"))
        'Calling make failed with ValueError: sprite 13 is cursed. Mend that, and run the command again.'
    """
    name, said = type(error).__name__, said_by(error)
    if isinstance(error, SystemExit):
        remedy = 'keep what a script does under if __name__ == "__main__"'
        return f"{doing} ended Python, with sys.exit({error.code!r}): {remedy}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        remedy = "install it there, or install spritedocs where your code runs"
        return f"{doing} needs {error.name!r}, which is not installed in {sys.prefix}: {remedy}."
    if "attempted relative import" in said:
        return f"{doing} needs the package around it: name the module, as in package.module:callable."
    if meaning := gpu_failure(f"{name}: {said}"):
        return f"{doing} failed, because {meaning}."
    return f"{doing} failed with {raised(error)}. Mend that, and run the command again."
