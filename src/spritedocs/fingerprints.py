"""Fingerprints of what a recording depends on: the example's code and the modules that measure for it.

They are taken of the text, never of a syntax tree: recordings cross from one Python version to
another, and ``ast`` and ``tokenize`` do not give the same result in all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

__all__ = ["MEASURING", "measuring_modules", "package_sha256", "source_sha256"]

MEASURING = frozenset(
    {
        "pixel_art",
        "sprites",
        "datasets",
        "epochs",
        "foreign_load",
        "rounds",
        "timing",
        "stopwatch",
        "tracing",
        "device_clock",
        "spans",
        "timeline",
        "memory",
        "measurement",
        "outcomes",
        "model",
        "sharing",
        "tuning",
    }
)
"""The modules and packages whose change may change a figure, not those that show, store or publish it."""

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?:spritedocs\.|\.)(?P<module>\w+)(?:\.\w+)*[ \t]+import"
    r"|from[ \t]+(?:spritedocs|\.)[ \t]+import[ \t]+(?:\((?P<block>[^)]*)\)|(?P<names>[^(\n]*))"
    r"|import[ \t]+spritedocs\.(?P<plain>\w+))",
    re.MULTILINE,
)


def source_sha256(script: str) -> str:
    """The fingerprint of an example's code cells.

    In the percent format narrative, cell marks and header are whole-line comments, so leaving those
    out leaves the code. Line ends, trailing blanks and blank lines do not count either.

    Examples:
        >>> source_sha256("# %% [markdown]\\n# Hello\\n\\n# %%\\nx = 1  \\r\\n") == source_sha256("x = 1\\n")
        True
        >>> source_sha256("x = 1") == source_sha256("x = 2")
        False
    """
    return hashlib.sha256(_normalised(script).encode()).hexdigest()


def package_sha256(script: str, package: Path) -> str:
    """The fingerprint of the measuring modules that ``script`` uses, directly or through others.

    ``package`` is the folder that holds the modules' ``.py`` files.
    """
    digest = hashlib.sha256()
    for name in measuring_modules(script, package):
        for text in _texts(package, name):
            digest.update(f"{name}\n{_normalised(text)}\n".encode())
    return digest.hexdigest()


def measuring_modules(script: str, package: Path) -> list[str]:
    """The names of those modules, sorted.

    Examples:
        >>> from spritedocs import datasets
        >>> package = Path(datasets.__file__).parent
        >>> measuring_modules("from spritedocs.datasets import SpriteTensors", package)
        ['datasets', 'pixel_art', 'sprites']
    """
    found: set[str] = set()
    waiting = list(_imported(script))
    while waiting:
        name = waiting.pop()
        texts = _texts(package, name)
        if name in found or not texts:
            continue
        found.add(name)
        if name in MEASURING:
            for text in texts:
                waiting.extend(_imported(text))
    return sorted(found & MEASURING)


def _texts(package: Path, name: str) -> list[str]:
    """The text of a module, or of every module of a package; none if there is no such thing."""
    path = package / f"{name}.py"
    paths = [path] if path.is_file() else sorted((package / name).glob("*.py"))
    return [each.read_text(encoding="utf-8") for each in paths]


@lru_cache(maxsize=256)  # for every recording the same modules are looked at
def _imported(text: str) -> tuple[str, ...]:
    return tuple(_imports(text))


def _imports(text: str) -> Iterator[str]:
    # Comments may hold brackets, and a backslash at its end continues a line.
    for match in _IMPORT.finditer(re.sub(r"#[^\n]*|\\\r?\n", " ", text)):
        names = match["block"] or match["names"] or ""
        yield from re.findall(r"(?:^|[,(\s])(\w+)(?=\s*(?:,|$|as\b))", names)
        if module := match["module"] or match["plain"]:
            yield module


@lru_cache(maxsize=256)
def _normalised(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
