"""The processes of this one: how many a test has started, and whether they have ended."""

from __future__ import annotations

import multiprocessing
import os
import time

import psutil
import pytest

LIMIT_S = 120.0
"""A busy machine takes its time to end a process."""

KILL = "__import__('signal').raise_signal(9)"
"""What a program has to say to be killed, as by a system whose memory runs out."""

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no signal to be killed by")


def children() -> set[psutil.Process]:
    """All that run below this process."""
    return set(psutil.Process().children(recursive=True))


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only its entry, which its parent has yet to read."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def number_since(before: set[psutil.Process], expected: int = 0) -> int:
    """How many children there are that were not there ``before``: as soon as it is what is ``expected``, or
    in the end.

    Torch ends a worker that hangs by a signal, and need not wait until it is gone.
    """
    ends_s = time.monotonic() + LIMIT_S
    while True:
        multiprocessing.active_children()  # so that none that has ended stays a zombie
        found = len(children() - before)
        if found == expected or time.monotonic() > ends_s:
            return found
        time.sleep(0.01)


def all_ended_since(before: set[psutil.Process]) -> bool:
    """Whether each child that was not there ``before`` has ended; an orphan's entry may be left of it."""
    return all(has_ended(process.pid) for process in children() - before)
