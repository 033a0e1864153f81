"""What files hold of the page cache and of their disk, and what it takes to read them from there.

The page cache is the memory in which the operating system keeps what it has read. Only Linux lets a process
without privileges drop files from it, and look whether they went.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from spritedocs.machine.not_here import NotHere

__all__ = ["bytes_from_disk", "drop_from_cache", "pages_in_cache", "space_on_disk"]

NEARLY_ALL = 0.95
"""The share of the pages that must have gone: a few of many files may be in use just now."""

_STAYED = (
    "The page cache did not let go of the files, as where the temporary folder lies in memory: set TMPDIR to "
    "a folder on a disk."
)
_UNCOUNTED = "This system, or this file system, does not count what is read from disk."


def drop_from_cache(files: Iterable[Path]) -> None:
    """Have the contents of ``files`` leave the page cache, and see that they went.

    Advice to the system may come to nothing: pages stay that are mapped by a process, or not on the disk
    yet. So it looks afterwards, and raises ``NotHere`` unless at least ``NEARLY_ALL`` of the pages are gone,
    and where a system cannot do that. Names, sizes and places of the files stay in memory.

    Raises ``OSError`` for a file that cannot be opened.
    """
    if sys.platform != "linux" or not hasattr(os, "posix_fadvise"):
        raise NotHere(
            "This system lacks the calls that drop a file from the page cache and show that it is gone: cold "
            "reads need Linux."
        )
    found = list(files)
    for attempt in range(3):
        for file in found:
            _drop(file, synced=attempt > 0)
        cached = pages = 0
        for file in found:
            with _calls_may_be_missing():
                in_cache, whole = pages_in_cache(file)
            cached, pages = cached + in_cache, pages + whole
        if cached <= (1 - NEARLY_ALL) * pages:
            return
    raise NotHere(_STAYED)


@contextlib.contextmanager
def _calls_may_be_missing() -> Iterator[None]:
    """A file system, or a libc, may lack the calls."""
    try:
        yield
    except OSError:
        raise NotHere(_STAYED) from None


def _drop(file: Path, synced: bool) -> None:
    with file.open("rb") as stream, _calls_may_be_missing():
        if synced:  # what is not on the disk yet cannot be dropped
            os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def pages_in_cache(file: Path) -> tuple[int, int]:
    """How many pages of a file are in the page cache, and how many it has. Raises ``OSError``.

    ``mincore`` tells without touching them. (``preadv`` with ``RWF_NOWAIT`` reports a missing page and, on
    Linux 6.18, starts to read it: after such a look it is no longer missing.)
    """
    import numpy as np

    if not file.stat().st_size:  # which cannot be mapped
        return 0, 0
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mincore"):
        raise OSError(errno.ENOSYS, "there is no mincore")
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        flags = (ctypes.c_ubyte * -(-len(view) // mmap.PAGESIZE))()
        array = np.frombuffer(view, np.uint8)
        place = ctypes.c_void_p(array.ctypes.data)
        status = libc.mincore(place, ctypes.c_size_t(len(view)), flags)
        del array  # a map that something points to cannot be closed
    if status:
        raise OSError(ctypes.get_errno(), "mincore failed")
    return sum(flag & 1 for flag in flags), len(flags)


def bytes_from_disk(file: Path) -> int:
    """How many bytes it takes from the disk to read a file that the page cache does not have.

    It is dropped, and read, and what Linux counts for this process meanwhile is the answer. Raises
    ``NotHere`` as ``drop_from_cache`` does, and where nobody counts.
    """
    drop_from_cache([file])
    before = _read_bytes()
    size = len(file.read_bytes())
    read = _read_bytes() - before
    if size and not read:
        raise NotHere(_UNCOUNTED)
    return read


def _read_bytes() -> int:
    """What this process has read from disks."""
    try:
        return int(psutil.Process().io_counters().read_bytes)
    except (psutil.Error, OSError, AttributeError, RuntimeError, ValueError):
        # A sandbox may offer the file but leave it empty, or without the line.
        raise NotHere(_UNCOUNTED) from None


def space_on_disk(file: Path) -> int:
    """How many bytes of its disk a file takes, in whole blocks. Raises ``NotHere`` where nobody says.

    Examples:
        >>> space_on_disk(Path(__file__)) >= 0
        True
    """
    found = file.stat()
    if not hasattr(found, "st_blocks"):
        raise NotHere("Windows does not say what a file takes of its disk: Linux and macOS do.")
    return 512 * int(found.st_blocks)
