"""Turning Ctrl-C and other signals that end a program into one tidy interruption.

Imports next to nothing, so that a command can install the handlers before it loads the rest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    Handler = Callable[[int, FrameType | None], object]

__all__ = ["Interrupted", "ending_signals", "for_this_process", "interruptible", "undisturbed"]

_AGAIN_S = 0.02

_waiting: list[int] | None = None
"""The signals that arrived while nothing may be disturbed; ``None`` while anything may."""


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM, SIGHUP or SIGQUIT arrived. ``signal_number`` says which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def for_this_process(handler: Handler) -> Handler:
    """A handler of signals that leaves a forked child, which inherits it, to Python's default.

    Else a worker would clean up in its parent's place, or survive what was to end it.
    """
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            handler(number, frame)
            return
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.raise_signal(number)

    return handle


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM, SIGQUIT and a closed terminal into ``Interrupted``.

    One that got lost on its way is raised when the block ends.
    """
    arrived: list[int] = []
    is_hooked = came_too_soon = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came_too_soon
        arrived.append(number)
        if is_hooked:
            came_too_soon = True
        elif _waiting is None:
            raise Interrupted(number)
        else:
            _waiting.append(number)

    def repeat(unraisable: Any) -> None:
        nonlocal is_hooked, came_too_soon
        if not isinstance(unraisable.exc_value, Interrupted):
            hook(unraisable)
            return
        import threading

        # It hit a callback, from which Python lets no exception out. Later: the callback is still being left,
        # and on a busy machine this thread may wait for a core meanwhile.
        later, is_hooked, came_too_soon = _AGAIN_S, True, True
        while came_too_soon:
            came_too_soon = False
            number = unraisable.exc_value.signal_number
            threading.Timer(later, _raise_in_the_main_thread, (number,)).start()
            later *= 2
        is_hooked = False

    handler = for_this_process(interrupt)
    before = {number: signal.signal(number, handler) for number in ending_signals()}
    hook, sys.unraisablehook = sys.unraisablehook, repeat
    try:
        yield
        if arrived:  # a bare except, or code in C, has swallowed it
            raise Interrupted(arrived[0])
    except Exception:
        if arrived:  # an import that is interrupted may fail in any way
            raise Interrupted(arrived[0]) from None
        raise
    finally:
        sys.unraisablehook = hook
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _raise_in_the_main_thread(number: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
        return
    import threading

    signal.pthread_kill(threading.main_thread().ident or 0, number)  # elsewhere it would not wake a sleep


def ending_signals() -> list[int]:
    """The numbers of the signals that end a program, without SIGHUP where nohup lets it be ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")  # the last on Windows alone
    numbers = {name: getattr(signal, name) for name in names if hasattr(signal, name)}
    if signal.getsignal(numbers.get("SIGHUP", signal.SIGINT)) == signal.SIG_IGN:
        numbers.pop("SIGHUP", None)
    return list(numbers.values())


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
