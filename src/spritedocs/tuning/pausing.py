"""A loader whose epoch pauses after each slice, and then goes on.

An epoch that began anew in every turn would list a stream's files or fill its shuffle buffer each time, and
give the same first items again. So the source of indices ends after each slice, and torch's iterator with it,
once it has delivered what its workers were given. Given more to hand out, the same epoch goes on.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch.utils.data import _utils
from torch.utils.data import dataloader as torchs

from spritedocs.errors import said_by
from spritedocs.model import Settings
from spritedocs.timing import TimingError, dismiss
from spritedocs.tuning.budget import OutOfTime
from spritedocs.tuning.variants import Variants

__all__ = ["END", "FEWEST_TURNS", "Batch", "PausingLoader", "clock"]

clock = time.perf_counter

FEWEST_TURNS = 2
"""Batches of each worker in a slice, at least: the first of them fills the pipe, and does not count."""
END = object()
SHORT_S = 0.1


class _Gate:
    """Stands in for a loader's source of indices: ends after each slice, and goes on once it is opened again.

    Drawing indices takes ``drawing_s`` seconds of the main process for each batch. These were drawn
    beforehand, so the time is spent here.
    """

    def __init__(self, source: Iterable[Any], workers: int, drawing_s: float) -> None:
        self._source, self._turn, self._drawing_s = source, max(1, workers), drawing_s
        self.open((), math.inf)

    def open(self, block: Iterable[Any], closes_s: float) -> None:
        """Give the indices of ``block``, until ``closes_s`` has passed on the clock."""
        self._left, self.given, self.closes_s = iter(block), list[Any](), closes_s

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)  # batch_size, or what a subclass of DataLoader asks a sampler for

    def __iter__(self) -> _Gate:
        return self

    def __len__(self) -> int:
        return len(self._source)  # type: ignore[arg-type]  # as far as it has one

    def __next__(self) -> Any:
        turns, begun = divmod(len(self.given), self._turn)
        if not begun and turns >= FEWEST_TURNS and clock() > self.closes_s:
            raise StopIteration
        until = clock() + self._drawing_s
        self.given.append(next(self._left))
        while clock() < until:
            pass
        return self.given[-1]


class Batch(NamedTuple):
    """When it was asked for, when it arrived, and when the step on it was over."""

    asked_s: float
    arrived_s: float
    done_s: float


class PausingLoader:
    """A loader with some number of workers, whose epoch pauses after each slice."""

    def __init__(
        self,
        variants: Variants,
        settings: Settings,
        timeout_s: float,
        drawing_s: float,
        ends_s: float = math.inf,
    ) -> None:
        self._ends_s = ends_s
        self.workers = settings.num_workers
        self.gate = _Gate(variants.indices, self.workers, drawing_s)
        self.loader: Any = variants.make(settings, sampler=lambda _: self.gate, timeout_s=timeout_s)
        self._has_begun = False
        self.paused: Any = None
        """The iterator of an epoch that can go on."""

    def slice(self, ahead: int, block: Iterable[Any], seconds: float, step: Any) -> tuple[list[Batch], bool]:
        """The batches that came of ``block``, and whether an epoch began with them.

        Raises ``OutOfTime`` once ``ends_s`` has passed on the clock.
        """
        is_new, seen, self._has_begun = self.paused is None, list[Batch](), True
        # A pipe that is empty, or a stream that lists its files first, would take all of the time.
        waits_first = is_new or self.workers > 0
        self.gate.open(block, math.inf if waits_first else clock() + seconds)
        try:
            iterator = self._epoch(ahead)
            while True:
                asked_s = clock()
                batch = next(iterator, END)
                arrived_s = clock()
                if batch is END:
                    break
                if arrived_s > self._ends_s:
                    raise OutOfTime
                if waits_first and not seen:
                    self.gate.closes_s = arrived_s + seconds
                if step is not None:
                    step(batch)
                seen.append(Batch(asked_s, arrived_s, clock()))
        except BaseException as error:
            self.dismiss(at_once=isinstance(error, OutOfTime) or "timed out" in said_by(error))
            traceback.clear_frames(error.__traceback__)  # their variables may hold workers
            raise
        if len(seen) < len(self.gate.given):  # a stream has ended, at least in one worker
            self.paused = None
        if is_new and not seen:
            raise TimingError("the loader yielded no batch")
        return seen, is_new

    def _epoch(self, ahead: int) -> Any:
        """The iterator of the epoch that paused, given more to do; or of another one."""
        if self.workers:
            self.loader.prefetch_factor = ahead
            if (kept := getattr(self.loader, "_iterator", None)) is not None:
                kept._prefetch_factor = ahead
        if self.paused is None:
            iterator = iter(self.loader)
            known = torchs._MultiProcessingDataLoaderIter | torchs._SingleProcessDataLoaderIter
            self.paused = iterator if isinstance(iterator, known) else None
            return iterator
        for _ in range(ahead * self.workers):
            self.paused._try_put_index()  # as _reset() does when an epoch begins; private
        return self.paused

    @property
    def has_workers(self) -> bool:
        """Whether any were started, and not ended."""
        return self._has_begun and self.workers > 0

    def dismiss(self, at_once: bool = False) -> None:
        """End its workers; ``at_once`` also those that are in the middle of an item, or hang.

        Torch waits 5 s for each such worker, one after the other, before it ends it.
        """
        usual = _utils.MP_STATUS_CHECK_INTERVAL
        if at_once:
            _utils.MP_STATUS_CHECK_INTERVAL = SHORT_S
        try:
            dismiss(self.loader, self.paused)
        finally:
            _utils.MP_STATUS_CHECK_INTERVAL = usual
        self.paused, self._has_begun = None, False
