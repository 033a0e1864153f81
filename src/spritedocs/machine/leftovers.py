"""Temporary folders that are found again if their process is killed, and are removed then.

A process holds a lock on each of its folders for as long as it lives, and so do those that it forks. So
one that can be locked by another belongs to nobody, whatever container or machine it was made from.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spritedocs.machine.interruption import undisturbed

__all__ = ["remove_leftovers", "temporary_folder"]

_PREFIX = "spritedocs.tmp-"
"""Nobody else calls a folder so: ``spritedocs-0.1.0`` is what an archive unpacks to."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new temporary folder of this process, gone afterwards. Raises ``OSError`` where there can be none."""
    folder, lock = _new()
    try:
        yield folder
    finally:
        with undisturbed():
            # Files that a worker still has open cannot be deleted on Windows, and stay.
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def remove_leftovers() -> None:
    """Remove the temporary folders of processes that were killed; on Windows they stay."""
    if sys.platform == "win32":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, another user's, or gone
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _new() -> tuple[Path, int | None]:
    """A folder with its lock; without one on Windows, and on disks that know none."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            return folder, _lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process took it for one that was left, and removes it
        except OSError:
            return folder, None


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of ``folder`` until it is closed. Raises ``OSError`` if none can.

    None can for a folder that is a link or another user's.
    """
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "there are no such locks")
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists():
            raise FileNotFoundError(errno.ENOENT, "it was removed meanwhile")
        if os.fstat(lock).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it is another user's")
    except OSError:
        os.close(lock)
        raise
    return lock
