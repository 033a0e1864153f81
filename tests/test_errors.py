"""Errors in a sentence: with the cause that a worker, a group or another process had."""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Callable

import pytest
from torch._utils import ExceptionWrapper

from spritedocs.errors import ending, raised, raised_as, raised_before, shortage, shortened


class Unprintable(Exception):
    def __str__(self) -> str:
        raise TypeError


def caught(raise_it: Callable[[], object]) -> Exception:
    try:
        raise_it()
    except Exception as error:  # noqa: BLE001 - any
        return error
    raise AssertionError


def curse(said: str = "sprite 13 is cursed") -> None:
    raise ValueError(said)


def curse_from() -> None:
    try:
        curse()
    except ValueError as error:
        raise RuntimeError("loading failed") from error


def group() -> None:
    raise ExceptionGroup("two failed", [caught(curse), ExceptionGroup("inner", [KeyError("helm")])])


def in_a_worker(raise_it: Callable[[], None]) -> str:
    """The message of what a loader raises where its worker caught this."""
    try:
        raise_it()
    except Exception:  # noqa: BLE001 - any
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    return f"Caught {wrapped.exc_type.__name__} {wrapped.where}.\nOriginal {wrapped.exc_msg}"


GROUP = "ExceptionGroup: two failed (2 sub-exceptions); ValueError: sprite 13 is cursed; "
GROUP += "ExceptionGroup: inner (1 sub-exception); KeyError: 'helm'"


@pytest.mark.parametrize(
    ("raise_it", "shown"),
    [
        (curse, "ValueError: sprite 13 is cursed"),
        (lambda: curse(""), "ValueError"),
        (lambda: curse("sprite 1\n  is\x00 \x1b[31mcursed\x1b[0m\udcff."), "ValueError: sprite 1 is cursed"),
        (curse_from, "RuntimeError: loading failed"),
        (group, GROUP),
    ],
)
def test_an_error_reads_alike_here_and_from_a_worker(raise_it: Callable[[], None], shown: str) -> None:
    assert raised(caught(raise_it)) == shown
    assert raised_as(type(caught(raise_it)).__name__, in_a_worker(raise_it)) == shown


def test_an_error_that_has_no_message_to_give_is_named() -> None:
    assert raised(Unprintable()) == "Unprintable"


def test_of_a_long_message_both_ends_are_shown() -> None:
    shown = raised(ValueError("begin" + " x" * 500 + " end"))
    assert len(shown) <= 240
    assert shown.startswith("ValueError: begin x")
    assert " … x x" in shown
    assert shown.endswith(" x end")
    assert len(shortened("x" * 999, 50)) == 50


def test_what_came_first_is_found_in_a_traceback() -> None:
    told = "".join(traceback.format_exception(caught(curse_from)))
    assert raised_before(told) == "ValueError: sprite 13 is cursed"
    assert raised_before("".join(traceback.format_exception(caught(curse)))) is None


def test_a_shortage_is_known_by_its_number_or_its_words() -> None:
    assert str(shortage(OSError(errno.EMFILE, "?"))).startswith("too many files are open: ")
    assert str(shortage("RuntimeError: can't start new thread")).startswith(
        "no more processes can be started: "
    )
    assert shortage(Unprintable()) is None
    assert shortage(FileNotFoundError(errno.ENOENT, "No such file")) is None


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (None, "stopped answering"),
        (0, "ended itself, with exit status 0"),
        (-signal.SIGABRT, "crashed (SIGABRT)"),
        (-signal.SIGTERM, "was ended by SIGTERM"),
        (-99, "was ended by signal 99"),
        (0xC0000005, "crashed (0xC0000005)"),
    ],
)
def test_how_a_process_ended(status: int | None, how: str) -> None:
    assert ending(status) == how


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_whoever_was_killed_may_have_taken_the_memory() -> None:
    assert ending(-9) == "was killed (SIGKILL), as happens where memory runs out"
