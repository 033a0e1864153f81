"""Every loader that this process watches: what was measured of it, and what is told of it."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from torch import distributed

from spritedocs.machine import usable_cores, worker_pids
from spritedocs.watching import telling
from spritedocs.watching.epochs import Epoch
from spritedocs.watching.iterating import Batches

__all__ = ["WATCHES", "Watch", "watch_of"]

WATCHES: list[Watch] = []

MOST_ROWS = 20
"""How many epochs a table has that is printed: the last ones."""

_PROCESS = os.getpid()


class Watch:
    """A loader's epochs. A loader that is made anew in the same place goes on with those of the former."""

    clock: Callable[[], float] = staticmethod(time.perf_counter)
    most_workers: ClassVar[int] = 0
    """How many were too many for the cores, when that was last said."""
    rank: ClassVar[tuple[int | None, int]] = (None, 1)
    """That of this process and how many there are, as last known: at the end the group may be gone."""

    def __init__(self, title: str, key: str, alike: int = 0) -> None:
        self.title, self.key, self.epochs = title, key, list[Epoch]()
        self.name = f"{title} #{alike + 1}" if alike else title
        self.replay: int | None = None
        """How many batches the next epoch that begins hands out again."""
        self.report: Path | None = None
        self.synchronise = False
        self._loader: Callable[[], Any] = lambda: None
        self._running: weakref.WeakSet[Batches] = weakref.WeakSet()
        self._verdict = ""

    def serves(self, loader: Any) -> bool:
        """Whether ``loader`` is its own, or may follow one that is gone."""
        return (own := self._loader()) is None or own is loader

    def serve(self, loader: Any) -> None:
        """From now on ``loader`` is its own."""
        try:
            self._loader = weakref.ref(loader)
        except TypeError:  # a list, which has no workers either
            self._loader = lambda: None

    def begin(self, loader: Any, start: Callable[[Any], Iterator[Any]] = iter) -> Batches:
        """The iterator of an epoch of ``loader``, which begins now, with ``start(loader)``."""
        workers, persistent = (getattr(loader, each, None) for each in ("num_workers", "persistent_workers"))
        epoch = Epoch(len(self.epochs) + 1, workers, bool(persistent))
        batches = Batches(self, loader, epoch, self.replay, start)
        self.replay = None
        self.epochs.append(epoch)
        self._running.add(batches)
        _look_for_a_crowd()
        return batches

    def workers(self) -> int:
        """How many workers of its own are alive: those of epochs under way, and those that stay."""
        owners = [self._loader(), *(batches for batches in self._running if batches.is_open)]
        return len({pid for owner in owners for pid in worker_pids(owner)})

    def close(self) -> None:
        """The process ends: what is under way is told, and a table of more epochs than one."""
        for batches in list(self._running):
            batches.stop()
        if len(self.epochs) > 1:
            self._say(f":\n{telling.table(self.epochs[-MOST_ROWS:])}")
        # A worker that imports the script has its own loaders, and iterates over none.
        elif not self.epochs and multiprocessing.parent_process() is None:
            self._say(" was never iterated over. If a framework made another loader of it, watch that one.")

    def replay_begins(self, keep: int) -> None:
        """The ``keep`` first batches are handed out again from now on."""
        self._say(f": {telling.replay_begins(keep)}")

    def ended(self, epoch: Epoch) -> None:
        """An epoch is over: it is told of, and reported."""
        self._say(f", {telling.summary(epoch)}")
        if (verdict := telling.verdict(epoch)) and verdict != self._verdict:
            self._say(f": {verdict}")
            self._verdict = verdict
        if self.report is not None:
            _write(self.report)

    def _say(self, text: str) -> None:
        rank, _ = _rank()
        telling.say(f"spritedocs: {'' if rank is None else f'rank {rank}, '}{self.name}{text}")


def watch_of(loader: Any, key: str, title: str) -> Watch:
    """The watch with that ``key`` which ``loader`` has or may have; else a new one, called ``title``.

    Of several with one title the second is called ``title #2``.
    """
    found = next((watch for watch in WATCHES if watch.key == key and watch.serves(loader)), None)
    if found is None:
        found = Watch(title, key, sum(watch.title == title for watch in WATCHES))
        WATCHES.append(found)
    found.serve(loader)
    return found


def _look_for_a_crowd() -> None:
    alive = [(watch.name, count) for watch in WATCHES if (count := watch.workers())]
    if (total := sum(count for _, count in alive)) > Watch.most_workers and total > (cores := usable_cores()):
        Watch.most_workers = total
        telling.say(f"spritedocs: {telling.crowd(alive, cores)}")


def _write(path: Path) -> None:
    """All epochs of the loaders that report to ``path``: a table, or an object where it is called .json."""
    rank, ranks = _rank()
    ended = [
        (watch.name, [epoch for epoch in watch.epochs if epoch.ended != "running"])
        for watch in WATCHES
        if watch.report == path
    ]
    if path.suffix == ".json":
        loaders = [{"name": name, "epochs": [e.as_json() for e in epochs]} for name, epochs in ended]
        text = json.dumps({"rank": rank, "loaders": loaders}, indent=2)
    else:
        text = "\n\n".join(f"{name}\n{telling.table(epochs)}" for name, epochs in ended if epochs)
    own = path.with_stem(f"{path.stem}-rank{rank}") if ranks > 1 else path
    try:
        own.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:  # no reason to stop a training
        telling.say(f"spritedocs: the report {own} cannot be written: {error.strerror}")


def _rank() -> tuple[int | None, int]:
    if distributed.is_available() and distributed.is_initialized():
        Watch.rank = distributed.get_rank(), distributed.get_world_size()
    return Watch.rank


@atexit.register
def _close() -> None:
    if os.getpid() == _PROCESS:  # what was forked from it has copies
        for watch in WATCHES:
            watch.close()
