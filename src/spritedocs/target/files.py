"""The file that a target names: whether Python can import it, and what is wrong if not. Runs none of it."""

from __future__ import annotations

import ast
import difflib
import errno
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

__all__ = ["TargetError", "check_file", "current_folder", "defined", "nearest", "shown"]

LARGEST_BYTES = 16 * 2**20
"""Of a source file."""
_LONGEST = 120
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_UNUSABLE = {
    errno.ELOOP: "is a link that leads to itself: name the file that it should lead to",
    errno.ENAMETOOLONG: "is a longer name than the system allows: shorten it",
    errno.EACCES: "may not be read: change its permissions, or those of its folder",
    errno.EPERM: "may not be read: change its permissions, or those of its folder",
}


class TargetError(ValueError):
    """What was named cannot be used: one sentence says why, and what would help."""


def check_file(path: Path) -> None:
    """Raise ``TargetError`` unless ``path`` is a Python file that can be read and imported."""
    found = _status(path)
    name = shown(path)
    if found is None:
        raise TargetError(_missing(path))
    if stat.S_ISDIR(found.st_mode):
        raise TargetError(f"{name} is a folder: name a Python file in it, or a module.")
    if path.suffix == ".ipynb":
        raise TargetError(
            f"{name} is a notebook, which workers cannot import: move the dataset to a .py file."
        )
    if path.suffix != ".py" or "." in path.stem:
        raise TargetError(
            f"{name} cannot be imported under that name: rename it to one word and .py, as my_data.py."
        )
    if not stat.S_ISREG(found.st_mode):
        raise TargetError(f"{name} is a pipe, a socket or a device: name a file with Python source.")
    if found.st_size > LARGEST_BYTES:
        raise TargetError(
            f"{name} has {found.st_size / 1e6:,.0f} MB, too many for Python source: name the file that makes "
            "the dataset."
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise TargetError(_unusable(path, error)) from None


def defined(path: Path) -> list[str]:
    """The public functions and classes of a Python file, or none where that cannot be told."""
    try:
        check_file(path)
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def nearest(name: str, known: Collection[str], what: str) -> str:
    """What ``name`` may stand for, or else the first of the names that are known, to end a sentence with."""
    if len(name) <= _LONGEST and (near := difflib.get_close_matches(name, known, 3)):
        return f": did you mean {' or '.join(near)}?"
    if not (what and known):
        return "."
    return f": {what} {', '.join(sorted(known)[:5])}{', …' * (len(known) > 5)}."


def shown(name: object) -> str:
    r"""``name`` as it can stand in a sentence: on one line, and not too long.

    Examples:
        >>> shown("sprites.py"), shown("two\nlines.py")
        ('sprites.py', "'two\\nlines.py'")
    """
    text = str(name)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 4 :]}"


def current_folder() -> str | None:
    """The current folder; ``None`` if it has been deleted, or may not be read."""
    try:
        return str(Path.cwd())
    except OSError:
        return None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise TargetError(_unusable(path, error)) from None
    except ValueError:
        raise TargetError(f"{shown(path)} has a zero byte in it, which no path has: leave it out.") from None


def _unusable(path: Path, error: OSError) -> str:
    why = _UNUSABLE.get(error.errno or 0, f"cannot be read ({error.strerror or error}): name another file")
    return f"{shown(path)} {why}."


def _missing(path: Path) -> str:
    name, folder = shown(path), path.parent
    if path.is_symlink():
        return f"{name} is a link to a file that does not exist: mend the link, or name another file."
    status = _status(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return f"There is no folder {shown(folder)}: a path starts at {current_folder()}."
    known: list[str] = []
    with suppress(OSError):
        known = [other.name for other in folder.glob("*.py") if other.is_file()]
    return f"There is no file {name}{nearest(path.name, known, 'that folder has')}"
