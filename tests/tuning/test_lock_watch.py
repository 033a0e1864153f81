"""Watching Python's lock."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spritedocs.tuning import lock_watch
from spritedocs.tuning.lock_watch import LockWatch, _usual_nap_s

BLOCK = bytes(2**20)  # zlib lets go of the lock
ATTEMPTS = 100


@pytest.fixture(autouse=True)
def _naps_are_measured_anew() -> Iterator[None]:
    yield
    _usual_nap_s.cache_clear()


def late_share(work: Callable[[], object]) -> float:
    """How much of 0.2 s, in which ``work`` is called again and again, a watch is late."""
    _usual_nap_s.cache_clear()  # what was measured in a bad moment would stay
    watch, begun = LockWatch(), time.perf_counter()
    while time.perf_counter() < begun + 0.2:
        work()
    return watch.end() / (time.perf_counter() - begun)


def test_a_watch_is_late_where_python_computes() -> None:
    """Not where it waits, nor where it computes without the lock, however busy the machine is."""

    def is_told_from(work: Callable[[], object]) -> bool:
        return any(late_share(lambda: None) > 2 * late_share(work) for _ in range(ATTEMPTS))

    assert is_told_from(lambda: time.sleep(0.01))
    if lock_watch.SCHEDULING.exists():
        assert is_told_from(lambda: zlib.crc32(BLOCK))


def test_waiting_for_a_processor_is_unknown_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_watch, "SCHEDULING", tmp_path / "absent")
    assert lock_watch._queued_s() == 0
    (tmp_path / "absent").write_text("")
    assert lock_watch._queued_s() == 0
    (tmp_path / "absent").write_text("5 2000000000 1\n")
    assert lock_watch._queued_s() == 2


def test_a_clock_that_wakes_late_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where no nap is shorter than some milliseconds."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds + 0.004))
    assert any(late_share(lambda: sleep(0.01)) < 0.5 for _ in range(ATTEMPTS))


def test_a_watch_that_ends_leaves_no_thread() -> None:
    LockWatch().end()
    assert "watching the lock" not in [thread.name for thread in threading.enumerate()]
