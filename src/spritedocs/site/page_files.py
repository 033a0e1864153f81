"""What may lie in the folders that a site is made of, and in its cache.

A build publishes whatever it finds there: a link leads it to files of the machine that builds, and a page of
HTML or a picture that is a program would come without our policy.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["kind_faults", "link_faults"]

_KINDS = (".css", ".gif", ".ico", ".jpeg", ".jpg", ".md", ".png", ".svg", ".webp")
_ACTIVE = re.compile(rb"<script|<foreignobject|\son\w+\s*=|javascript:|<!entity", re.IGNORECASE)
"""What makes a picture in SVG a program."""


def link_faults(root: Path, docs: Path) -> list[str]:
    """What a build must not even read of a project and its pages, a sentence each."""
    folders = (docs, root / "examples", root / "benchmarks")
    faults = [*(fault for folder in folders for fault in _links(root, folder)), *_undecoded(root, docs)]
    return sorted([*faults, *_tracked_cache(root)])


def kind_faults(root: Path, docs: Path) -> list[str]:
    """What a build must not publish of the folder of pages, a sentence each."""
    return sorted(_kinds(root, docs))


def _files(folder: Path) -> Iterator[Path]:
    """Everything in ``folder``, without following links to other folders."""
    for where, folders, files in os.walk(folder):
        yield from (Path(where, name) for name in (*folders, *files))


def _links(root: Path, folder: Path) -> Iterator[str]:
    for path in (folder, *_files(folder)):
        # MkDocs follows any link to a folder; hidden files it leaves alone, such as the locks of an editor.
        hidden = path.name.startswith(".") and not path.is_dir()
        if path.is_symlink() and not hidden and not _stays(root, path):
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


def _tracked_cache(root: Path) -> Iterator[str]:
    """A build believes its cache, compiled templates among it: so nobody else may fill that."""
    command = ["git", "-C", str(root), "ls-files", "--", ".cache"]
    try:
        tracked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return  # no clone: then nobody's commits fill it
    if tracked:
        yield (
            f"{tracked.splitlines()[0]} is tracked by git, and .cache is for what this machine has made: "
            "take it out by 'git rm -r --cached .cache', and delete the folder."
        )


def _undecoded(root: Path, docs: Path) -> Iterator[str]:
    for path in _files(docs):
        if path.suffix == ".md" and path.is_file():
            try:
                path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                yield f"{_relative(root, path)} cannot be read ({error}): store it as UTF-8 text."


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
