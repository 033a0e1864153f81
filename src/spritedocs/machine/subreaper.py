"""Becoming the parent of processes whose own parent has ended, so that they are found as descendants.

Usually they become children of the first process of the system, and nothing tells where they come from.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

__all__ = ["adopting_orphans", "adopts_orphans"]

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37

_lock = threading.Lock()
_adopters = 0
_adopted_before = False


@contextlib.contextmanager
def adopting_orphans() -> Iterator[bool]:
    """Let processes whose parent ends become children of this one; says whether the system can (Linux)."""
    global _adopters, _adopted_before
    with _lock:
        if not _adopters:
            _adopted_before = adopts_orphans()
            _adopt(True)
        _adopters += 1
    try:
        yield adopts_orphans()
    finally:
        with _lock:
            _adopters -= 1
            if not _adopters:
                _adopt(_adopted_before)


def adopts_orphans() -> bool:
    """Whether this process adopts the orphans among its descendants now."""
    if sys.platform != "linux":
        return False
    import ctypes

    answer = ctypes.c_int()
    failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)


def _adopt(orphans: bool) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)
