"""A ``SHA256SUMS`` beside recordings, so that whoever edits one shows up in two files.

It has the format of ``sha256sum``, and ``sha256sum -c SHA256SUMS`` checks it too.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

__all__ = ["NAME", "agrees", "note"]

NAME = "SHA256SUMS"


def note(path: Path) -> None:
    """Write down what ``path`` holds now, beside it. Files that are gone are dropped.

    Raises ``OSError`` where the folder cannot be written to.
    """
    folder = path.parent
    known = _read(folder) | {path.name: _digest(path)}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(known.items()) if (folder / name).is_file()]
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as name:
        written = Path(name) / NAME
        written.write_text("".join(lines), encoding="utf-8", newline="\n")
        written.replace(folder / NAME)


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
