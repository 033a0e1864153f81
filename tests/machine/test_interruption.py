"""Turning signals into one tidy interruption, which cannot get lost."""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

import pytest

from spritedocs.machine import Interrupted, interruptible, interruption, undisturbed
from spritedocs.site.serving import end_cleanly_when_told_to


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGQUIT"])
def test_a_signal_becomes_one_interruption_and_later_ones_do_not_cut_cleaning_short(
    name: str,
) -> None:
    number = getattr(signal, name, signal.SIGTERM)  # Windows has no SIGQUIT
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cleaned = []

    @interruptible()
    def interrupted() -> None:
        try:
            signal.raise_signal(number)
        finally:
            with suppress(Interrupted), undisturbed():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                cleaned.append(True)

    with pytest.raises(Interrupted) as interruption:
        interrupted()
    assert cleaned
    assert interruption.value.signal_number == number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_swallowed_interruption_does_not_make_the_next_one_deaf_and_is_raised_in_the_end() -> None:
    swallowed = []

    @interruptible()
    def swallowing() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with pytest.raises(Interrupted):
                signal.raise_signal(number)
            swallowed.append(number)

    with pytest.raises(Interrupted) as interruption:
        swallowing()
    assert len(swallowed) == 2
    assert interruption.value.signal_number == signal.SIGTERM


def test_an_interruption_that_became_another_error_is_one() -> None:
    @interruptible()
    def importing() -> None:
        with suppress(Interrupted):
            signal.raise_signal(signal.SIGINT)
        raise ImportError("partially initialized module")

    with pytest.raises(Interrupted):
        importing()


def test_an_interruption_that_is_repeated_too_soon_is_repeated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Timer.start, list[threading.Timer]()

    def soon(timer: threading.Timer) -> None:
        started.append(timer)
        if len(started) == 1:  # and the main thread has not come out of where it starts it
            timer.function(*timer.args)
        else:
            start(timer)

    class Sprite:
        pass

    @interruptible()
    def working() -> None:
        sprite = Sprite()
        kept = weakref.ref(sprite, lambda _: signal.raise_signal(signal.SIGTERM))
        del sprite
        for _ in range(6_000):
            time.sleep(0.01)
        assert kept() is None

    monkeypatch.setattr(threading.Timer, "start", soon)
    with pytest.raises(Interrupted):
        working()
    assert len(started) == 2


def test_an_interruption_of_a_callback_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    left, repeated = threading.Event(), interruption._raise_in_the_main_thread

    def repeat(number: int) -> None:  # by a timer, which might be sooner than a main thread that waits
        left.wait(60)
        repeated(number)

    class Sprite:
        pass

    @interruptible()
    def working() -> None:
        sprite = Sprite()
        watched = weakref.ref(sprite, lambda _: signal.raise_signal(signal.SIGINT))
        del sprite  # which calls it
        assert watched() is None
        left.set()
        time.sleep(60)
        pytest.fail("nothing woke it")

    monkeypatch.setattr(interruption, "_raise_in_the_main_thread", repeat)
    with pytest.raises(Interrupted):
        working()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_a_signal_that_nohup_lets_be_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only a forked process inherits handlers")
@pytest.mark.parametrize(
    ("install", "number"),
    [
        (interruptible, signal.SIGINT),
        (interruptible, signal.SIGTERM),
        (end_cleanly_when_told_to, signal.SIGTERM),
    ],
    ids=["Ctrl-C", "SIGTERM", "of a server"],
)
def test_a_forked_process_takes_a_signal_as_if_nobody_had_installed_anything(
    install: Callable[[], AbstractContextManager[None] | None], number: int
) -> None:
    signal.signal(number, signal.SIG_DFL)
    with install() or nullcontext():
        assert signal.getsignal(number) != signal.SIG_DFL
        if not (child := os.fork()):
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt:
                os._exit(130)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (130 if number == signal.SIGINT else -number)


def test_a_signal_waits_until_what_must_not_be_disturbed_is_done() -> None:
    done = []

    @interruptible()
    def working() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGTERM)
            done.append(True)
        done.append("never reached")

    with pytest.raises(Interrupted):
        working()
    assert done == [True]
