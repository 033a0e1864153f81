"""How much memory processes hold: what is theirs alone, and what they share.

Three figures are in use, and they answer different questions. Source: the kernel's documentation of
``/proc/PID/smaps_rollup``, and psutil's of ``memory_full_info``.

USS (unique set size)
    Pages that only this process has. They are what comes back when it ends, and what grows when
    copy-on-write copies a page. A page that several *could* share counts while only one has mapped it.
PSS (proportional set size)
    USS, and of each shared page its share: the sum over all processes is the memory they really take.
    Linux only.
RSS (resident set size)
    All pages that the process has in memory, shared ones in full. Summed over workers it counts the same
    page many times, and it does not move when a shared page becomes a copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil

__all__ = ["MemoryUse", "memory_of", "memory_of_tree", "total_mb", "worker_memory_mb", "worker_pids"]

_MB = 1e6


@dataclass(frozen=True)
class MemoryUse:
    """The memory of one process at one moment, in MB (10⁶ bytes)."""

    pid: int
    rss_mb: float
    """Resident, shared pages in full."""
    uss_mb: float | None
    """Private; ``None`` where the system does not say."""
    pss_mb: float | None
    """Private, plus its share of what is shared; ``None`` where the system does not say."""

    @property
    def missing(self) -> str:
        """A sentence about what could not be read, or ``""``."""
        unread = [name for name, value in (("USS", self.uss_mb), ("PSS", self.pss_mb)) if value is None]
        if not unread:
            return ""
        why = (
            "this system does not report it, Linux does"
            if unread == ["PSS"]
            else "this system, or the rights of this user, do not allow it; on Linux it takes a readable "
            "/proc/PID/smaps_rollup"
        )
        return f"{' and '.join(unread)} of a process cannot be read here: {why}."


def memory_of(pid: int | None = None) -> MemoryUse:
    """The memory of the process ``pid``, of this one if none is given.

    Takes some milliseconds for a process with torch loaded, as the kernel walks its pages.

    Examples:
        >>> use = memory_of()
        >>> 0 < (use.uss_mb or use.rss_mb) <= use.rss_mb
        True

    Raises ``ProcessLookupError`` if there is no such process, or no longer.
    """
    process = psutil.Process() if pid is None else _process(pid)
    try:
        with process.oneshot():
            rss = process.memory_info().rss
            if not rss:  # It has ended, and its parent has not asked how.
                raise psutil.ZombieProcess(process.pid)
            return MemoryUse(process.pid, rss / _MB, *_private_and_shared(process))
    except psutil.NoSuchProcess:
        raise ProcessLookupError(f"process {process.pid} has ended: its memory cannot be read") from None


def memory_of_tree(pid: int | None = None) -> tuple[MemoryUse, ...]:
    """The memory of the process ``pid`` (this one if none is given) and then of all its descendants.

    Descendants that end meanwhile are left out. Raises ``ProcessLookupError`` as ``memory_of`` does.
    """
    root = psutil.Process() if pid is None else _process(pid)
    found = [memory_of(root.pid)]
    for child in root.children(recursive=True):
        try:
            found.append(memory_of(child.pid))
        except ProcessLookupError:
            continue
    return tuple(found)


def total_mb(uses: Iterable[MemoryUse]) -> float | None:
    """The memory that these processes take together, the sum of their PSS in MB; ``None`` if unknown.

    A page that processes outside share with them counts in part only.

    Examples:
        >>> total_mb([MemoryUse(1, 90.0, 20.0, 50.0), MemoryUse(2, 90.0, 10.0, 40.0)])
        90.0
    """
    shares = [use.pss_mb for use in uses]
    return None if None in shares else sum(share for share in shares if share is not None)


def worker_pids(loader: Any) -> tuple[int, ...]:
    """The process numbers of a loader's workers, by worker number.

    ``loader`` is the iterator that ``iter(loader)`` gave, or a ``DataLoader`` with persistent
    workers that has been iterated over. Without workers: ``()``.
    """
    # Private, but in torch since 1.0; the workers of a fork server are no children of this process.
    for owner in (loader, getattr(loader, "_iterator", None)):
        if workers := getattr(owner, "_workers", None):
            return tuple(worker.pid for worker in workers)
    return ()


def worker_memory_mb(loader: Any) -> float | None:
    """What the largest of a loader's workers holds for itself, in MB: USS, or RSS where that is not known.

    ``loader`` is what ``worker_pids`` takes. ``None`` without workers, or if all have ended.
    """
    found = []
    for pid in worker_pids(loader):
        try:
            use = memory_of(pid)
        except ProcessLookupError:
            continue
        found.append(use.rss_mb if use.uss_mb is None else use.uss_mb)
    return max(found, default=None)


def _process(pid: int) -> psutil.Process:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        raise ProcessLookupError(f"there is no process {pid}: its memory cannot be read") from None


def _private_and_shared(process: psutil.Process) -> tuple[float | None, float | None]:
    try:
        full = process.memory_full_info()
    except (psutil.AccessDenied, OSError, NotImplementedError):
        return None, None
    uss, pss = getattr(full, "uss", None), getattr(full, "pss", None)
    # A sandbox may offer the file but leave it empty: no process holds nothing.
    return (uss / _MB if uss else None), (pss / _MB if pss else None)
