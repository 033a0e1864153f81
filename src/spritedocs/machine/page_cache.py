"""What files hold of the page cache and of their disk, and what a process reads from one.

The page cache is the memory in which the operating system keeps what it has read. Only Linux lets a process
without privileges drop files from it, and look whether they went.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable
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


def drop_from_cache(files: Iterable[Path]) -> None:
    """Have the contents of ``files`` leave the page cache, and see that they went.

    Advice to the system may come to nothing: pages stay that are mapped by a process, or not on the disk
    yet. So it looks afterwards, and raises ``NotHere`` unless at least ``NEARLY_ALL`` of the pages are gone,
    and where a system cannot do that. Names, sizes and places of the files stay in memory.
    """
    if sys.platform != "linux" or not hasattr(os, "posix_fadvise"):
        raise NotHere(
            "This system lacks the calls that drop a file from the page cache and show that it is gone: cold "
            "reads need Linux."
        )
    found = list(files)
    try:
        for attempt in range(3):
            for file in found:
                _drop(file, synced=attempt > 0)
            cached, pages = (sum(counts) for counts in zip(*map(pages_in_cache, found), strict=True))
            if cached <= (1 - NEARLY_ALL) * pages:
                return
    except (OSError, AttributeError):  # a file system, or a libc, that has no such call
        pass
    raise NotHere(_STAYED)


def _drop(file: Path, synced: bool) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if synced:  # what is not on the disk yet cannot be dropped
            os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def pages_in_cache(file: Path) -> tuple[int, int]:
    """How many pages of a file are in the page cache, and how many it has. Raises ``OSError``.

    ``mincore`` tells without touching them. (``preadv`` with ``RWF_NOWAIT`` reports a missing page and, on
    Linux 6.18, starts to read it: after such a look it is no longer missing.)
    """
    import numpy as np

    libc = ctypes.CDLL(None, use_errno=True)
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


def bytes_from_disk() -> int:
    """How many bytes this process has had fetched from a disk so far. Raises ``NotHere`` where nobody says.

    File systems that are no disk of this machine, such as those of a network, may count none.
    """
    try:
        if sys.platform == "linux":  # elsewhere reads of any kind are counted, from memory too
            return int(psutil.Process().io_counters().read_bytes)
    except (psutil.Error, NotImplementedError, OSError):
        pass
    raise NotHere("This system does not count what a process reads from disk: Linux does.")


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
