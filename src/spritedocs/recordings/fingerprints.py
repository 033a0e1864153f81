"""Fingerprints of what a recording depends on: the example's code and each module that measures for it.

They are taken of the text, never of a syntax tree: recordings cross from one Python version to
another, and ``ast`` and ``tokenize`` do not give the same result in all of them. Comments, blank lines
and docstrings do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from spritedocs.recordings.imports import imported, module_path

__all__ = ["MEASURING", "code_of", "measuring_modules", "modules_sha256", "source_sha256"]

MEASURING = (
    *("sprites", "datasets", "prefetching", "timing", "timeline", "model", "tuning"),
    *("machine.cgroups", "machine.memory", "machine.not_here", "machine.outcome", "machine.page_cache"),
    *("machine.parallelism", "machine.programs", "machine.requirements", "machine.training"),
    *("machine.workspace", "report.intervals", "report.measurement"),
    *("watching.epochs", "watching.iterating", "watching.loaders", "watching.watches"),
)
"""The modules, and the wings with all that is in them, whose change may change a figure: not those that
show, store or publish it, nor those that describe the machine."""

_PIECE = re.compile(
    r"""
    (?P<string>(?P<prefix>\b[A-Za-z]{1,2})?(?:
        (?P<triple>\"{3}|'{3})(?:[^\\]|\\.?)*?(?:(?P<closed>(?P=triple))|\Z)
        | "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'?
    ))
    | (?P<comment>\#[^\n]*) | (?P<opens>[(\[{]) | (?P<closes>[)\]}]) | (?P<continued>\\\n) | (?P<end>\n)
    """,
    re.VERBOSE | re.DOTALL,
)
"""A string that does not end goes on to the end: a search for it from every quote would take too long."""

_ENDS_HERE = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")


def source_sha256(script: str, form: int = 3) -> str:
    """The fingerprint of an example's code cells, as a recording in the format ``form`` has it.

    In the percent format narrative, cell marks and header are comments, so leaving those out leaves the
    code. Line ends, trailing blanks and blank lines do not count either. Before format 3 docstrings
    counted, and comments behind code.

    Examples:
        >>> source_sha256("# %% [markdown]\\n# Hello\\n\\n# %%\\nx = 1  \\r\\n") == source_sha256("x = 1\\n")
        True
        >>> source_sha256("x = 1") == source_sha256("x = 2")
        False
    """
    return _sha256(code_of(script) if form >= 3 else _without_comment_lines(script))


def modules_sha256(script: str, package: Path, programs: Sequence[Path] = ()) -> dict[str, str]:
    """The fingerprint of each measuring module that ``script`` uses, by its name.

    ``package`` is the folder of the package. The ``programs`` that the script runs are parts of it: each of
    them counts, as ``programs.cursed``, and what it imports.
    """
    texts = {f"programs.{path.stem}": path.read_text(encoding="utf-8") for path in programs}
    return {
        **{name: _sha256(code_of(text)) for name, text in texts.items()},
        **{
            name: _sha256(code_of(module_path(package, name).read_text(encoding="utf-8")))
            for text in (script, *texts.values())
            for name in measuring_modules(text, package)
        },
    }


def measuring_modules(script: str, package: Path) -> list[str]:
    """The measuring modules that ``script`` imports, directly or through others of them, sorted.

    A module's name is its path in the package, such as ``timing.rounds``.

    Examples:
        >>> from spritedocs import datasets
        >>> package = Path(datasets.__file__).parent
        >>> measuring_modules("from spritedocs.datasets import SpriteTensors", package)
        ['datasets', 'sprites.files', 'sprites.pixel_art']
    """
    found: set[str] = set()
    waiting = imported(code_of(script), package)
    while waiting:
        name = waiting.pop()
        if name not in found and any(f"{name}.".startswith(f"{measuring}.") for measuring in MEASURING):
            found.add(name)
            text = module_path(package, name).read_text(encoding="utf-8")
            waiting |= imported(code_of(text), package, name)
    return sorted(found)


@lru_cache(maxsize=512)  # for every recording the same modules are looked at
def code_of(text: str) -> str:
    """``text`` without comments, blank lines and docstrings, with plain line ends.

    A docstring is a triple-quoted string that stands alone: nothing but itself on its lines, and in no
    brackets. One that is formatted runs code, and is none.

    Examples:
        >>> print(code_of('def f():  # quick\\n    \\"\\"\\"Say it.\\"\\"\\"\\n\\n    return "#"\\n'))
        def f():
            return "#"
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines, line, done, depth, continues = [], "", 0, 0, False
    for piece in _PIECE.finditer(text):
        line += text[done : piece.start()]
        done = piece.end()
        if piece["end"]:
            lines.append(line.rstrip())
            line, continues = "", False
        elif piece["triple"] and not (line.strip() or depth or continues):
            formatted = set((piece["prefix"] or "").lower()) & {"f", "t"}
            if formatted or not piece["closed"] or not _ENDS_HERE.match(text, done):
                line += piece[0]
        elif piece["continued"]:
            lines.append(line + "\\")
            line, continues = "", True
        elif not piece["comment"]:
            line += piece[0]
            depth = max(0, depth + bool(piece["opens"]) - bool(piece["closes"]))
    lines.append((line + text[done:]).rstrip())
    return "\n".join(line for line in lines if line)


@lru_cache(maxsize=256)
def _without_comment_lines(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
