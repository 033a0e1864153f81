"""Leaving no process behind, and turning signals into one tidy interruption."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from spritedocs.processes import MARKER, Interrupted, interruptible, marked, remains, undisturbed

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# Starts a sleeper in a session of its own, says its number, and ends: the sleeper is nobody's child.
ORPHANED = f"""
import subprocess
null = subprocess.DEVNULL
print(subprocess.Popen({SLEEP!r}, start_new_session=True, stdout=null, stderr=null).pid)
"""


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only its entry, which its parent has yet to read."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A child that was there before, and belongs to another run."""
    with subprocess.Popen(SLEEP, env={**os.environ, MARKER: "another"}) as process:
        yield process
        process.kill()


def test_a_run_ends_all_it_started_and_nothing_else(bystander: subprocess.Popen[bytes]) -> None:
    with marked() as environment:
        child = subprocess.Popen(SLEEP, env=environment)
        forgetful = subprocess.Popen(SLEEP, env={**os.environ})
        command = [sys.executable, "-c", ORPHANED]
        orphan = int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
        assert psutil.Process(orphan).ppid() != os.getpid()
        assert {process.pid for process in remains(environment[MARKER])} == {child.pid, orphan}
        assert not any(map(has_ended, (child.pid, forgetful.pid, orphan, bystander.pid)))
    assert all(map(has_ended, (child.pid, forgetful.pid, orphan)))
    assert not has_ended(bystander.pid)
    child.wait(), forgetful.wait()


def test_a_run_that_fails_ends_all_it_started_too() -> None:
    with contextlib.suppress(RuntimeError), marked() as environment:
        child = subprocess.Popen(SLEEP, env=environment)
        raise RuntimeError("no sprites")
    assert has_ended(child.pid)
    child.wait()


def test_every_run_has_a_mark_of_its_own_beside_the_inherited_environment() -> None:
    with marked() as first, marked() as second:
        assert first[MARKER] != second[MARKER]
        assert first["PATH"] == os.environ["PATH"]
        assert MARKER not in os.environ


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_one_interruption_and_later_ones_do_not_cut_cleaning_short(
    number: signal.Signals,
) -> None:
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


def test_a_swallowed_interruption_does_not_make_the_next_one_deaf() -> None:
    @interruptible()
    def swallowing() -> None:
        for _ in range(2):
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGINT)

    swallowing()


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
