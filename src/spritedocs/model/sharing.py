"""A clock, and processes that share cores: what the model of the loader is played on.

A process that needs less than its part of the cores takes what it needs, and the others share what is
left equally. Waiting needs no core.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

__all__ = ["Process", "SharedCores", "Work", "fair_shares"]


class Work(NamedTuple):
    """What a process does next."""

    alone_s: float
    """Seconds that it takes where there are cores enough."""
    demand: float = 1.0
    """Cores that it keeps busy meanwhile, on average; 0 is waiting."""


Process = Generator[Work | None, None, None]
"""Yields its work piece by piece, and ``None`` to sleep until another process wakes it."""


class SharedCores:
    """A clock, and processes that share cores."""

    def __init__(self, cores: float) -> None:
        self.now = 0.0
        self._cores = cores
        self._working: dict[Process, Work] = {}
        self._asleep: set[Process] = set()

    def proceed(self, process: Process) -> None:
        """Run ``process`` up to its next piece of work; a new one, too."""
        work = next(process, StopIteration)
        if isinstance(work, Work):
            self._working[process] = work
        elif work is None:
            self._asleep.add(process)

    def wake(self, process: Process) -> None:
        """End the sleep of ``process``, if it sleeps."""
        if process in self._asleep:
            self._asleep.remove(process)
            self.proceed(process)

    def run(self) -> None:
        """Let time pass until nobody has work left."""
        while self._working:
            shares = fair_shares([work.demand for work in self._working.values()], self._cores)
            speeds = [
                share / work.demand if work.demand else 1.0
                for share, work in zip(shares, self._working.values(), strict=True)
            ]
            pieces = list(zip(self._working.items(), speeds, strict=True))
            elapsed = min(work.alone_s / speed for (_, work), speed in pieces)
            self.now += elapsed
            for (process, work), speed in pieces:
                self._working[process] = Work(work.alone_s - elapsed * speed, work.demand)
            # What rounding leaves of a finished piece is far less than a picosecond.
            for process in [process for process, work in self._working.items() if work.alone_s < 1e-12]:
                del self._working[process]
                self.proceed(process)


def fair_shares(demands: Sequence[float], cores: float) -> Sequence[float]:
    """Divide ``cores`` among processes that could use ``demands`` cores each, as a fair scheduler does.

    Examples:
        >>> fair_shares([1, 1, 1], cores=1.5)
        [0.5, 0.5, 0.5]
        >>> fair_shares([0.25, 1, 1], cores=1.25)
        [0.25, 0.5, 0.5]
    """
    if sum(demands) <= cores:
        return demands
    left, sharers = cores, len(demands)
    for demand in sorted(demands)[:-1]:  # the last takes what is left
        if demand > left / sharers:
            break
        left, sharers = left - demand, sharers - 1
    return [min(demand, left / sharers) for demand in demands]
