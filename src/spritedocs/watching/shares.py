"""What a loader shares with others: the time of the run, and the cores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import takewhile

from spritedocs.machine import usable_cores
from spritedocs.watching import telling
from spritedocs.watching.epochs import ENOUGH, Epoch

__all__ = ["RUN", "Run", "cores_and_ranks", "minor_share", "tell_of_a_crowd"]

Span = tuple[float, float]
"""When an epoch began and ended."""

_MAIN = 0.5
"""A loader that takes this share of the run's time is what the run is about."""


class Run:
    """When epochs were under way, of any watched loader.

    What lies between them, such as the time between two cells of a notebook, is no part of it.
    """

    def __init__(self) -> None:
        self._ended: list[Span] = []

    def add(self, span: Span) -> None:
        """An epoch has ended."""
        self._ended.append(span)

    def clear(self) -> None:
        """Forget all epochs."""
        self._ended.clear()

    def seconds(self, since: float, under_way: Iterable[Span]) -> float:
        """For how long any epoch was under way after ``since``; ``under_way`` are those that have not ended.

        Examples:
            >>> run = Run()
            >>> run.add((0, 10)), run.add((12, 14)), run.add((13, 15))
            (None, None, None)
            >>> run.seconds(0, []), run.seconds(10, [(11, 13)])
            (13.0, 4.0)
        """
        recent = takewhile(lambda span: span[1] > since, reversed(self._ended))
        covered, until = 0.0, since
        for began, ended in sorted([*recent, *under_way]):
            covered += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return covered


RUN = Run()
_MOST_WORKERS = 0
"""How many were too many for the cores, when that was last said."""


def minor_share(epoch: Epoch, run_s: float) -> float | None:
    """What part of the run the waits of a minor loader are; ``None`` of one that is no minor one.

    ``run_s`` is the run's time since that loader's former epoch ended, or since the run began. A loader is
    minor if it took less than half of that, and if its waits, start and end of ``epoch`` included, took less
    than 5% of it: without any of them the run would hardly be faster. A validation loader often is.
    """
    if epoch.seconds >= _MAIN * run_s or epoch.lost_s >= ENOUGH * run_s:
        return None
    return epoch.lost_s / run_s


def cores_and_ranks() -> tuple[int, int]:
    """How many usable cores there are for each rank of this machine, at least 1, and how many ranks."""
    ranks = _local_ranks()
    return max(1, usable_cores() // ranks), ranks


def tell_of_a_crowd(alive: Sequence[tuple[str, int]]) -> None:
    """Say it if there are more workers than usable cores, and more than when that was last said.

    ``alive`` has the names of the loaders, and how many workers each has.
    """
    global _MOST_WORKERS
    ranks = _local_ranks()  # of which one speaks for all
    total = ranks * sum(count for _, count in alive)
    if total > _MOST_WORKERS and total > (cores := usable_cores()):
        _MOST_WORKERS = total
        if ranks == 1 or os.environ.get("LOCAL_RANK") == "0":
            telling.say(f"spritedocs: {telling.crowd(alive, cores, ranks)}")


def _local_ranks() -> int:
    # torchrun says how many ranks a machine has.
    said = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, int(said)) if said.isdecimal() else 1
