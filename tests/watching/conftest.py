"""Watched loaders with a clock that moves when told to, and what was said of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from spritedocs.watching import reports, shares, telling, watches
from spritedocs.watching.shares import Run
from spritedocs.watching.watches import Watch


class Clock:
    """A clock that stands still, but for those who pass the time."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


class Slow:
    """Batches of four that are waited for: so many seconds each, and so many at the end."""

    def __init__(self, clock: Clock, waits: list[float], end: float = 0) -> None:
        self.clock, self.waits, self.end = clock, waits, end

    def __len__(self) -> int:
        return len(self.waits)

    def __iter__(self) -> Iterator[list[int]]:
        for number, wait in enumerate(self.waits):
            self.clock.spend(wait)
            yield [number] * 4
        self.clock.spend(self.end)


@pytest.fixture(autouse=True)
def nothing_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "WATCHES", [])
    monkeypatch.setattr(watches, "_PROCESS", os.getpid())
    monkeypatch.setattr(reports, "_NEXT", {})
    monkeypatch.setattr(reports, "LACKING", set())
    monkeypatch.setattr(watches, "RUN", Run())
    monkeypatch.setattr(shares, "usable_cores", lambda: 8)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(shares, "_MOST_WORKERS", 0)
    monkeypatch.setattr(Watch, "rank", (None, 1))
    telling._page.cache_clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Watch, "clock", staticmethod(clock))
    return clock


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines that were said since this was last asked for; standard output stays empty."""

    def lines() -> list[str]:
        out, complained = capsys.readouterr()
        assert out == ""
        return [line.removeprefix("spritedocs: ") for line in complained.splitlines()]

    return lines
