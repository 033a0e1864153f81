"""Every loader that this process watches: what was measured of it, and what is told of it."""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import util
from pathlib import Path
from typing import Any, ClassVar

from torch import distributed

from spritedocs.machine import worker_pids
from spritedocs.watching import reports, telling
from spritedocs.watching.epochs import Epoch
from spritedocs.watching.iterating import Batches
from spritedocs.watching.loader_facts import alike, workers_of
from spritedocs.watching.ranks import Ranks
from spritedocs.watching.shares import RUN, cores_and_ranks, minor_share, tell_of_a_crowd

__all__ = ["WATCHES", "Watch", "watch_of"]

WATCHES: list[Watch] = []

MOST_ROWS = 20
"""How many epochs a table has that is printed: the last ones."""

MOST_LINES = 100
"""How many epochs of a loader are told of, whatever they take. After that, short ones are not."""

SHORT_S = 1.0
"""Below this an epoch is short."""

_PROCESS = os.getpid()
_AT_THE_END = 0
"""The process whose end is seen to."""


class Watch:
    """A loader's epochs. A loader that is made anew in the same place goes on with those of the former."""

    clock: Callable[[], float] = staticmethod(time.perf_counter)
    rank: ClassVar[tuple[int | None, int]] = (None, 1)
    """That of this process and how many there are, as last known: at the end the group may be gone."""

    def __init__(self, title: str, key: str, alike: int = 0) -> None:
        self.title, self.key, self.epochs = title, key, list[Epoch]()
        self.name = f"{title} #{alike + 1}" if alike else title
        self.replay: int | None = None
        """How many batches the next epoch that begins hands out again."""
        self.report: Path | None = None
        self.synchronise = False
        self.to_synchronise = "watch(loader, synchronise=True)"
        """What the reader types for it."""
        self.works = True
        """Whether nothing of ours has failed."""
        self.has_begun = False
        """Whether anybody has iterated over it, be it in vain."""
        self._loader: Callable[[], Any] = lambda: None
        # No WeakSet: while one thread looks through it, another may begin an epoch.
        self._running: weakref.WeakValueDictionary[int, Batches] = weakref.WeakValueDictionary()
        self._verdict, self._former_end = "", -math.inf
        self._ranks: Ranks | None = None

    def serves(self, loader: Any, alike_will_do: bool = False) -> bool:
        """Whether ``loader`` is its own, or may follow one that is gone; ``alike_will_do``: or is idle."""
        if (own := self._loader()) is None or own is loader:
            return True
        return alike_will_do and alike(own, loader) and not self._under_way()

    def serve(self, loader: Any) -> None:
        """From now on ``loader`` is its own."""
        try:
            self._loader = weakref.ref(loader)
        except TypeError:  # a list, which has no workers either
            self._loader = lambda: None

    def begin(self, loader: Any, start: Callable[[Any], Iterator[Any]] = iter) -> Iterator[Any]:
        """The iterator of an epoch of ``loader``, which begins now, with ``start(loader)``.

        Where ours has failed it is that of the loader itself.
        """
        self.has_begun = True
        if not self.works:
            return start(loader)
        _see_to_the_end()
        epoch, (rank, size) = Epoch(len(self.epochs) + 1, *workers_of(loader)), _rank()
        if rank is not None and size > 1 and self._ranks is None:
            self._ranks = Ranks(self.name, rank, size, MOST_ROWS)
        batches = Batches(self, loader, epoch, self.replay, start)
        self.replay = None
        self.epochs.append(epoch)
        try:
            self._running[id(batches)] = batches
            tell_of_a_crowd([(watch.name, count) for watch in WATCHES if (count := watch.workers())])
        except Exception as error:  # noqa: BLE001
            batches.is_open = False
            self.give_up(error)
        return batches

    def forget(self) -> None:
        """Say nothing at the end, unless there were epochs."""
        if not self.has_begun and self in WATCHES:
            WATCHES.remove(self)

    def begin_anew(self) -> None:
        """Without the epochs of the process that this one was forked from."""
        self.epochs = []
        self._running = weakref.WeakValueDictionary()

    def workers(self) -> int:
        """How many workers of its own are alive: those of epochs under way, and those that stay."""
        owners = [self._loader(), *(batches for batches in self._under_way() if batches.is_open)]
        return len({pid for owner in owners for pid in worker_pids(owner)})

    def close(self) -> None:
        """The process ends: what is under way is told, and a table of more epochs than one."""
        for batches in self._under_way():
            batches.stop()
        ended = self._ended()
        table = self._ranks.table(ended[-MOST_ROWS:]) if self._ranks and ended else None
        if table:
            self._say(f", all ranks:\n{table}", of_all=True)
        # An epoch that was left to ranks that never ended it has not been told of.
        elif table is None and len(ended) > (0 if self._ranks else 1):
            self._say(f":\n{telling.table(ended[-MOST_ROWS:])}")
        # A worker that imports the script has its own loaders, and iterates over none.
        elif not self.has_begun and multiprocessing.parent_process() is None:
            self._say(" was never iterated over. If a framework made another loader of it, watch that one.")

    def replay_begins(self, keep: int) -> None:
        """The ``keep`` first batches are handed out again from now on."""
        self._say(f": {telling.replay_begins(keep)}")

    def ended(self, epoch: Epoch, at: float) -> None:
        """An epoch is over, since ``at``: it is told of, and reported."""
        RUN.add((at - epoch.seconds, at))
        under_way = [batches.span for watch in WATCHES for batches in watch._under_way() if batches.is_open]
        run_s = RUN.seconds(self._former_end, under_way)
        self._former_end = at
        self._tell(epoch, run_s)
        if epoch.number == MOST_LINES:
            self._say(f": {telling.silence(MOST_LINES, SHORT_S)}")
        if self.report is not None and reports.is_due(self.report, self.clock()):
            _write(self.report)

    def give_up(self, error: Exception) -> None:
        """Ours has failed, which is said once: the loader goes on as it is."""
        if self.works:
            self.works = False
            with suppress(Exception):
                self._say(f" is not watched any more ({type(error).__name__}: {error}): please report it.")

    def _tell(self, epoch: Epoch, run_s: float) -> None:
        """Say what ``epoch`` was like; with several ranks the last one to end it speaks for all.

        ``run_s`` is the time of the run since the former one ended. To a minor loader there is no advice.
        """
        told, former = [epoch], self._verdict
        if self._ranks is not None and not epoch.kept:
            told = self._ranks.leave(epoch)
        is_short = max((each.seconds for each in told), default=0.0) < SHORT_S
        if not told or (epoch.number > MOST_LINES and is_short and not epoch.kept):
            return
        slowest = max(told, key=lambda each: each.lost_share)
        minor = None if epoch.kept else minor_share(slowest, run_s)
        if minor is None:
            self._verdict = telling.verdict(slowest, self.to_synchronise, *cores_and_ranks()) or former
        if self._ranks is None or len(told) == 1:
            self._say(f", {telling.summary(epoch, minor)}")
        else:
            former = self._ranks.swap_verdict(self._verdict)
            self._say(f", {telling.of_ranks(told)}", of_all=True)
        if self._verdict != former:
            self._say(f": {self._verdict}", of_all=len(told) > 1)

    def _under_way(self) -> list[Batches]:
        return [batches for each in self._running.valuerefs() if (batches := each()) is not None]

    def _ended(self) -> list[Epoch]:
        return [epoch for epoch in self.epochs if epoch.ended != "running"]

    def _say(self, text: str, of_all: bool = False) -> None:
        rank = None if of_all else _rank()[0]
        telling.say(f"spritedocs: {'' if rank is None else f'rank {rank}, '}{self.name}{text}")


def watch_of(loader: Any, key: str, title: str, alike_will_do: bool = False) -> Watch:
    """The watch with that ``key`` which ``loader`` has or may have; else a new one, called ``title``.

    Of several with one title the second is called ``title #2``.
    """
    known = [watch for watch in WATCHES if watch.key == key and watch.serves(loader, alike_will_do)]
    found = next((watch for watch in known if watch._loader() is loader), next(iter(known), None))
    if found is None:
        found = Watch(title, key, sum(watch.title == title for watch in WATCHES))
        WATCHES.append(found)
    found.serve(loader)
    return found


def _write(path: Path) -> None:
    ended = [(watch.name, watch._ended()) for watch in WATCHES if watch.report == path]
    reports.write(path, ended, *_rank(), Watch.clock)


def _rank() -> tuple[int | None, int]:
    if distributed.is_available() and distributed.is_initialized():
        Watch.rank = distributed.get_rank(), distributed.get_world_size()
    return Watch.rank


def _see_to_the_end() -> None:
    """Have this process tell of its epochs when it ends, if it was forked from one that watches, too."""
    global _PROCESS, _AT_THE_END
    if (pid := os.getpid()) == _AT_THE_END:
        return
    if pid != _PROCESS:
        _PROCESS = pid
        reports.LACKING.clear()
        RUN.clear()
        for watch in WATCHES:
            watch.begin_anew()
    if multiprocessing.parent_process() is not None:
        # What multiprocessing has forked ends without what atexit holds.
        util.Finalize(None, _close, exitpriority=0)
    _AT_THE_END = pid


@atexit.register
def _close() -> None:
    if os.getpid() == _PROCESS:  # what was forked from it has copies
        for watch in WATCHES:
            try:
                watch.close()
            except Exception as error:  # noqa: BLE001
                watch.give_up(error)
        for path in list(reports.LACKING):
            _write(path)
        WATCHES.clear()  # a process that was spawned comes here twice
