"""A ``SHA256SUMS`` beside recordings, so that whoever edits one shows up in two files.

It has the format of ``sha256sum``, and ``sha256sum -c SHA256SUMS`` checks it too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["NAME", "agrees", "put"]

NAME = "SHA256SUMS"


def put(written: Path, path: Path) -> None:
    """Put the file ``written`` in the place of ``path``, and its sum beside it.

    Sums of files that are gone are dropped. Both are written before either is replaced, so that a full disk
    leaves what was there. Raises ``OSError`` where the folder cannot be written to.
    """
    folder, sums = path.parent, written.with_name(NAME)
    known = _read(folder) | {path.name: _digest(written)}
    there = {name: digest for name, digest in known.items() if name == path.name or (folder / name).is_file()}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(there.items())]
    sums.write_text("".join(lines), encoding="utf-8", newline="\n")
    written.replace(path)
    sums.replace(folder / NAME)


def agrees(path: Path) -> bool | None:
    """Whether ``path`` holds what was written down of it; ``None`` where nothing was.

    Raises ``OSError`` where a file cannot be read.
    """
    known = _read(path.parent).get(path.name)
    return None if known is None else known == _digest(path)


def _read(folder: Path) -> dict[str, str]:
    sums = folder / NAME
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines() if sums.is_file() else []
    # A line is a digest, a blank, a blank or a star for how the file was read, and a name.
    return {name[1:]: digest for digest, _, name in (line.partition(" ") for line in lines)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
