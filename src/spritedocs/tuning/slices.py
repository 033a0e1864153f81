"""A loader measured in slices: some batches of each setting in turns, out of epochs that pause in between.

An epoch that began anew in every turn would list a stream's files or fill its shuffle buffer each time, and
give the same first items again. So the source of indices ends after each slice, and torch's iterator with it,
once it has delivered what its workers were given. Given more to hand out, the same epoch goes on.
"""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch.utils.data import dataloader as torchs

from spritedocs.model import Settings
from spritedocs.timing import TimingError, dismiss
from spritedocs.tuning.peak_memory import peak_worker_memory_mb
from spritedocs.tuning.probes import items_in
from spritedocs.tuning.variants import Variants

__all__ = ["FEWEST_TURNS", "Length", "Slices"]

clock = time.perf_counter

FEWEST_TURNS = 2
"""Batches of each worker in a slice, at least: the first of them fills the pipe, and does not count."""
ENOUGH_TURNS = 4
"""From so many on, the last one does not count either: as workers run dry, others have the cores."""
ATTEMPTS = 3
"""So often a stream that ends within a slice is begun anew."""
_END = object()


class Length(NamedTuple):
    """How long a slice is: whole turns of the workers, until ``seconds`` have passed, and at least two."""

    seconds: float
    most: int
    """Batches; more would take longer than ``seconds``, as far as is known."""


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


class _Batch(NamedTuple):
    asked_s: float
    arrived_s: float
    done_s: float
    """When the step on it was over."""


class _Loader:
    """A loader with some number of workers, whose epoch pauses after each slice."""

    def __init__(self, variants: Variants, settings: Settings, timeout_s: float, drawing_s: float) -> None:
        self.workers = settings.num_workers
        self.gate = _Gate(variants.indices, self.workers, drawing_s)
        self.loader: Any = variants.make(settings, sampler=lambda _: self.gate, timeout_s=timeout_s)
        self.paused: Any = None
        """The iterator of an epoch that can go on."""

    def slice(self, ahead: int, block: Iterable[Any], seconds: float, step: Any) -> tuple[list[_Batch], bool]:
        """The batches that came of ``block``, and whether an epoch began with them."""
        is_new, seen = self.paused is None, list[_Batch]()
        # A pipe that is empty, or a stream that lists its files first, would take all of the time.
        waits_first = is_new or self.workers > 0
        self.gate.open(block, math.inf if waits_first else clock() + seconds)
        try:
            iterator = self._epoch(ahead)
            while True:
                asked_s = clock()
                batch = next(iterator, _END)
                arrived_s = clock()
                if batch is _END:
                    break
                if waits_first and not seen:
                    self.gate.closes_s = arrived_s + seconds
                if step is not None:
                    step(batch)
                seen.append(_Batch(asked_s, arrived_s, clock()))
        except BaseException as error:
            self.dismiss()
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

    def dismiss(self) -> None:
        dismiss(self.loader, self.paused)
        self.paused = None


class Slices:
    """Loaders for several settings, whose workers stay from one slice to the next.

    Those that differ in ``prefetch_factor`` alone share a loader. If they are ``crowded``, because all of
    them together would not fit into memory, only one at a time has workers. An epoch of ``whole`` batches is
    so short that it is measured as a whole. Where workers deliver ``copies`` of a stream, one of them counts.
    """

    def __init__(
        self,
        variants: Variants,
        step: Callable[[Any], object] | None = None,
        *,
        timeout_s: float = 30.0,
        drawing_s: float = 0.0,
        crowded: bool = False,
        whole: int | None = None,
        copies: bool = False,
    ) -> None:
        self._variants, self._step, self._timeout_s, self._drawing_s = variants, step, timeout_s, drawing_s
        self._crowded, self._copies, self.whole = crowded, copies, whole
        self._rounds, self._number, self._block = _epochs(variants.indices), (-1, -1), list[Any]()
        self._races = itertools.count()
        self._loaders: dict[int, _Loader] = {}
        self.memory_mb: dict[int, float] = {}
        """By the number of workers, the most that any of them was seen to hold for itself."""

    def __enter__(self) -> Slices:
        return self

    def __exit__(self, *_: object) -> None:
        self.keep(())

    def keep(self, settings: Iterable[Settings]) -> None:
        """End the workers of all others."""
        for gone in self._loaders.keys() - {each.num_workers for each in settings}:
            self._loaders.pop(gone).dismiss()

    def arms(self, lengths: Mapping[Settings, Length]) -> dict[Settings, Callable[[], dict[str, float]]]:
        """For ``race``: each returns ``items_per_s``, ``wait_share`` (0 to 1) and the ``seconds`` it took.

        In each round all of them are given the same indices. Settings whose workers do not stay return the
        ``lead_s`` of an epoch: what passes until each worker has delivered one batch, and at its end.
        """
        race, count = next(self._races), max(length.most for length in lengths.values())

        def measured(settings: Settings, length: Length, calls: Iterator[int]) -> dict[str, float]:
            block, begun = self._take((race, next(calls)), count), clock()
            found = self._measured(settings, block if self.whole else block[: length.most], length.seconds)
            return {**found, "seconds": clock() - begun}

        return {each: partial(measured, each, length, itertools.count()) for each, length in lengths.items()}

    def _take(self, number: tuple[int, int], count: int) -> Sequence[Any]:
        """The next batches of indices, or those of an epoch; the same for all who give the same number."""
        if number != self._number:
            drawn = iter(self._variants.indices) if self.whole else self._rounds
            self._number, self._block = number, list(itertools.islice(drawn, self.whole or count))
        return self._block

    def _measured(self, settings: Settings, block: Sequence[Any], seconds: float) -> dict[str, float]:
        workers, ahead, _ = settings
        is_kept = not workers or (settings.persistent_workers and not self._crowded)
        loader = self._loaders.get(workers) if is_kept else None
        if loader is None:
            loader = _Loader(self._variants, settings, self._timeout_s, self._drawing_s)
        if is_kept:
            self._loaders[workers] = loader
        try:
            if workers and not settings.persistent_workers:
                return self._started(loader, ahead, block)
            if not is_kept:
                loader.slice(ahead, block[: FEWEST_TURNS * workers], 0.0, None)
            return self._slice(loader, ahead, block, seconds)
        finally:
            if (peak := peak_worker_memory_mb(loader.loader)) is not None:
                self.memory_mb[workers] = max(peak, self.memory_mb.get(workers, 0.0))
            if not is_kept:
                loader.dismiss()

    def _slice(self, loader: _Loader, ahead: int, block: Sequence[Any], seconds: float) -> dict[str, float]:
        turn, least = loader.workers, max(1, FEWEST_TURNS * loader.workers)
        for _ in range(ATTEMPTS):
            if self.whole:
                loader.paused = None
            begun = clock()
            seen, is_new = loader.slice(ahead, block, seconds, self._step)
            ended = clock()
            is_whole = self.whole is not None and len(loader.gate.given) >= len(block)
            if is_whole or len(seen) >= least:
                break
            loader.paused = None
        if is_whole or len(seen) < least:
            return self._rate(loader, seen, seen, ended - begun)
        if not turn:
            first = int(is_new and len(seen) > 1)
            return self._rate(
                loader, seen, seen[first:], seen[-1].done_s - (seen[0].done_s if first else begun)
            )
        counted = seen[turn : len(seen) - turn * (len(seen) >= ENOUGH_TURNS * turn)]
        return self._rate(loader, seen, counted, counted[-1].arrived_s - seen[turn - 1].arrived_s)

    def _rate(
        self, loader: _Loader, seen: Sequence[_Batch], counted: Sequence[_Batch], seconds: float
    ) -> dict[str, float]:
        given, is_batched = loader.gate.given, self._variants.loader.batch_sampler is not None
        # A subclass of DataLoader may join batches, or divide them; a stream may give fewer than asked for.
        came = len(given) if self._variants.is_streaming else len(seen)
        items = len(counted) * sum(items_in(index, is_batched) for index in given) / came
        waited_s, seconds = sum(batch.arrived_s - batch.asked_s for batch in counted), max(seconds, 1e-9)
        copies = max(1, loader.workers) if self._copies else 1
        return {"items_per_s": items / seconds / copies, "wait_share": min(1.0, waited_s / seconds)}

    def _started(self, loader: _Loader, ahead: int, block: Sequence[Any]) -> dict[str, float]:
        """An epoch whose workers start with it, or the beginning and the end of one."""
        some, begun = block if self.whole else block[: FEWEST_TURNS * loader.workers], clock()
        seen, _ = loader.slice(ahead, some, math.inf, self._step)
        ended = clock()
        first = seen[min(loader.workers, len(seen)) - 1]
        lead_s = first.arrived_s - begun + ended - seen[-1].done_s
        return {**self._rate(loader, seen, seen, ended - begun), "lead_s": lead_s}


def _epochs(source: Iterable[Any]) -> Iterator[Any]:
    """One epoch of indices after the other, until one is empty."""
    while (first := next(batches := iter(source), _END)) is not _END:
        yield first
        yield from batches
