"""What may lie in the folders that a site is made of.

A build publishes whatever it finds there: a link leads it to files of the machine that builds, and a page of
HTML or a picture that is a program would come without our policy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["file_faults"]

_KINDS = (".css", ".gif", ".ico", ".jpeg", ".jpg", ".md", ".png", ".svg", ".webp")
_ACTIVE = re.compile(rb"<script|<foreignobject|\son\w+\s*=|javascript:|<!entity", re.IGNORECASE)
"""What makes a picture in SVG a program."""


def file_faults(root: Path, docs: Path) -> list[str]:
    """What must not be published of the project at ``root``, whose pages are in ``docs``: a sentence each."""
    linked = [fault for name in ("examples", "benchmarks") for fault in _links(root, root / name)]
    return sorted([*_links(root, docs), *linked, *_kinds(root, docs)])


def _files(folder: Path) -> Iterator[Path]:
    """Everything in ``folder``, without following links to other folders."""
    for where, folders, files in os.walk(folder):
        yield from (Path(where, name) for name in (*folders, *files))


def _links(root: Path, folder: Path) -> Iterator[str]:
    for path in (folder, *_files(folder)):
        if path.is_symlink() and not _stays(root, path):
            yield (
                f"{_relative(root, path)} is a link to {str(path.readlink())!r}, and a site is made only of "
                "files of its repository that are not hidden: put the file itself there."
            )


def _stays(root: Path, path: Path) -> bool:
    try:
        target = path.resolve(strict=True).relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # it leads nowhere, round in a circle, or out
        return False
    return path.is_file() and not any(part.startswith(".") for part in target.parts)


def _kinds(root: Path, docs: Path) -> Iterator[str]:
    for path in _files(docs):
        inner = path.relative_to(docs)
        if any(part.startswith(".") for part in inner.parts) or not path.is_file():
            continue
        if path.suffix.lower() not in _KINDS:
            yield (
                f"{_relative(root, path)} is of a kind that the site does not publish: "
                f"known are {', '.join(_KINDS)}."
            )
        elif path.suffix.lower() == ".svg" and (found := _ACTIVE.search(path.read_bytes())):
            yield (
                f"{_relative(root, path)} holds {found[0].decode().strip()!r}, which can run code: "
                "leave only shapes in it."
            )


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
