"""Leaving no process behind: finding and ending all that a run started."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from types import FrameType

import psutil

__all__ = ["Interrupted", "interruptible", "marked", "remains", "undisturbed"]

MARKER = "SPRITEDOCS_RUN"
"""The environment variable that every process of a run inherits, those in sessions of their own too."""

_GRACE_S = 3.0

_waiting: list[int] | None = None
"""The signals that arrived while nothing may be disturbed; ``None`` while anything may."""


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP arrived. ``signal_number`` says which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@contextlib.contextmanager
def marked(marker: str = MARKER, alone: bool = True) -> Iterator[dict[str, str]]:
    """An environment for one run; on leaving, every process that still carries its mark is ended.

    A worker whose parent died belongs to another parent, and one in a session of its own gets no
    signal from the terminal: both still have the environment they were started with. ``marker`` is
    the variable that holds the mark: a run inside a run takes another one, so that it keeps the outer
    mark too. If this is the only run of this process (``alone``), descendants that have shed the mark
    are ended as well.
    """
    mark = secrets.token_hex(8)
    children = {child.pid for child in psutil.Process().children(recursive=True)} if alone else None
    try:
        yield {**os.environ, marker: mark}
    finally:
        with undisturbed():
            # A process may start another while we look: look until nothing is left.
            for _ in range(10):
                left = remains(mark, children, marker)
                if not left:
                    break
                _end(left)


def remains(mark: str, known: set[int] | None = None, marker: str = MARKER) -> list[psutil.Process]:
    """The living processes that carry ``mark``, and descendants of this one that are not ``known``."""
    own = psutil.Process()
    found = {
        child.pid: child
        for child in own.children(recursive=True)
        if known is not None and child.pid not in known
    }
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != own.pid and process.environ().get(marker) == mark:
                found[process.pid] = process
    living = []
    for process in found.values():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                process.wait(0)
            else:
                living.append(process)
    return living


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=_GRACE_S)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into ``Interrupted``."""
    ours = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
        ours.append(signal.SIGHUP)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _waiting is None:
            raise Interrupted(number)
        _waiting.append(number)

    before = {number: signal.signal(number, interrupt) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals wait until the block has ended: cleaning is not cut short, nor is an import.

    An import of numpy or torch that is interrupted half-way may swallow the interruption, and cannot
    be begun again.
    """
    global _waiting
    if _waiting is not None:
        yield
        return
    _waiting = []
    try:
        yield
    finally:
        arrived, _waiting = _waiting, None
        if arrived:
            raise Interrupted(arrived[0])
