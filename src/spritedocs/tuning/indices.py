"""Sources of indices, for epochs that are shorter than the reader's."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

__all__ = ["Cut", "Epoch", "Replayed", "Until", "endless"]

FEWEST = 2
DRAWN_BATCHES, LONGEST_DRAWING_S = 32, 0.5


def endless(source: Iterable[Any], ended: Callable[[int], object] = lambda count: None) -> Iterator[Any]:
    """One epoch of indices after the other, until one is empty; ``ended`` is told how many it had."""
    count = 1
    while count:
        count = 0
        for count, indices in enumerate(source, 1):  # noqa: B007 - and how many there were
            yield indices
        ended(count)


class Epoch:
    """An epoch of a loader's indices: each who goes through them goes on where the one before has ended.

    What has been taken comes again at the end, as an epoch may be short. A sampler that sorts does so once.
    """

    def __init__(self, source: Iterable[Any]) -> None:
        self.batch_size = getattr(source, "batch_size", None)
        clock, drawn, seconds = time.perf_counter, list[Any](), list[float]()
        begun = clock()
        left = iter(source)
        for indices in itertools.islice(left, DRAWN_BATCHES):
            drawn.append(indices)
            seconds.append(clock() - begun)
            if sum(seconds[1:]) > LONGEST_DRAWING_S:
                break
            begun = clock()
        self.drawing_s = median(seconds[1:] or [0.0])
        """Seconds for the indices of a batch, by the median."""
        self.start_s = max(0.0, seconds[0] - self.drawing_s) if seconds else 0.0
        """So many more for those of the first."""
        self._left, self._taken = itertools.chain(drawn, left), list[Any]()

    def __iter__(self) -> Iterator[Any]:
        before = list(self._taken)
        for indices in self._left:
            self._taken.append(indices)
            yield indices
        yield from before


class Until:
    """The indices of ``inner``, until ``least`` have been taken and ``seconds`` have passed on ``clock``.

    The time counts from when the second is asked for: before the first batch, an epoch may have to start.

    After ``limit_s`` seconds, 2 are enough. An epoch of ``whole`` indices of which so many have been taken
    that the rest needs no more than half as long again is taken to its end.
    """

    def __init__(
        self,
        inner: Iterable[Any],
        seconds: float,
        least: int,
        clock: Callable[[], float] = time.perf_counter,
        limit_s: float = math.inf,
        whole: int | None = None,
    ) -> None:
        self.inner, self.seconds, self.least = inner, seconds, least
        self.clock, self.limit_s, self.whole = clock, limit_s, whole
        self.batch_size = _batch_size(inner)
        self.taken: list[Any] = []
        """What the latest epoch was given."""

    def __iter__(self) -> Iterator[Any]:
        begun = 0.0
        self.taken = []
        for taken, indices in enumerate(self.inner):
            now = self.clock()
            begun = now if taken <= 1 else begun
            passed_s = now - begun
            enough = taken >= self.least and passed_s > self.seconds and not self._is_nearly_done(taken)
            if enough or (taken >= FEWEST and passed_s > self.limit_s):
                return
            self.taken.append(indices)
            yield indices

    def only(self, indices: Iterable[Any]) -> None:
        """Give just these in each further epoch, however long they take."""
        self.inner, self.least, self.limit_s = list(indices), sys.maxsize, math.inf

    def _is_nearly_done(self, taken: int) -> bool:
        return self.whole is not None and 1.5 * taken >= self.whole


class Replayed:
    """Indices that can be drawn only once, kept so that each epoch has them again."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._left, self._drawn = source, list[Any]()

    def __iter__(self) -> Iterator[Any]:
        for place in itertools.count():
            if place == len(self._drawn):
                try:
                    self._drawn.append(next(self._left))
                except StopIteration:
                    return
            yield self._drawn[place]


class Cut:
    """The first ``count`` of ``source``, which may go on for ever."""

    def __init__(self, source: Iterable[Any], count: int | None) -> None:
        self._source, self._count = source, count

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(self._source, self._count)


def _batch_size(source: Iterable[Any]) -> int | None:
    return getattr(source, "batch_size", None)
