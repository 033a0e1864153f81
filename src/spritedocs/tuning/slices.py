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


class Blocks:
    """The loader's own batches of indices, block after block: one epoch after the other, or whole ones."""

    def __init__(self, source: Iterable[Any], whole: int | None = None) -> None:
        self._source, self._whole = source, whole
        self._endless = self._epochs()
        self._number, self._block = (-1, -1), list[Any]()

    def take(self, number: tuple[int, int], count: int) -> Sequence[Any]:
        """The block of that ``number``, the same for all who ask before the next one is asked for."""
        if number != self._number:
            drawn = self._endless if self._whole is None else iter(self._source)
            self._number, self._block = number, list(itertools.islice(drawn, self._whole or count))
        return self._block

    def _epochs(self) -> Iterator[Any]:
        while True:
            is_empty = True
            for batch in self._source:
                is_empty = False
                yield batch
            if is_empty:
                return


class Length(NamedTuple):
    """How long a slice is: whole turns of the workers, until ``seconds`` have passed, and at least two."""

    seconds: float
    most: int
    """Batches; more would take longer than ``seconds``, as far as is known."""


class Gate:
    """Stands in for a loader's source of indices: ends after each slice, and goes on once it is opened again.

    Drawing indices takes ``drawing_s`` seconds of the main process for each batch. These were drawn
    beforehand, so the time is spent here.
    """

    def __init__(self, source: Iterable[Any], workers: int, drawing_s: float) -> None:
        self._source, self._turn, self._drawing_s = source, max(1, workers), drawing_s
        self._left: Iterator[Any] = iter(())
        self.given: list[Any] = []
        self.closes_s = math.inf

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)  # batch_size, or what a subclass of DataLoader asks a sampler for

    def __iter__(self) -> Gate:
        return self

    def __len__(self) -> int:
        return len(self._source)  # type: ignore[arg-type]  # as far as it has one

    def __next__(self) -> Any:
        turns, begun = divmod(len(self.given), self._turn)
        if not begun and turns >= FEWEST_TURNS and clock() > self.closes_s:
            raise StopIteration
        index = next(self._left)
        until = clock() + self._drawing_s
        self.given.append(index)
        while clock() < until:
            pass
        return index

    def open(self, block: Sequence[Any], closes_s: float = math.inf) -> None:
        """Give the indices of ``block``, unless ``closes_s`` has passed on the clock."""
        self._left, self.given, self.closes_s = iter(block), [], closes_s


class _Seen(NamedTuple):
    """The batches of one slice."""

    begun_s: float
    asked_s: list[float]
    arrived_s: list[float]
    done_s: list[float]
    """When the step on each batch was over."""
    ended_s: float

    def wait_s(self, first: int, last: int) -> float:
        return sum(self.arrived_s[first:last]) - sum(self.asked_s[first:last])


class _Loader:
    """A loader with some number of workers, whose epoch pauses after each slice."""

    def __init__(self, variants: Variants, settings: Settings, timeout_s: float, drawing_s: float) -> None:
        self.workers = settings.num_workers
        self.gate = Gate(variants.indices, self.workers, drawing_s)
        self.loader: Any = variants.make(settings, sampler=lambda _: self.gate, timeout_s=timeout_s)
        self.delivered = 0
        """How many batches the latest slice gave."""
        self._paused: Any = None

    def slice(self, ahead: int, block: Sequence[Any], seconds: float, step: Any) -> tuple[_Seen, bool]:
        """What came of ``block``; and whether an epoch began with it."""
        is_new = not isinstance(
            self._paused, torchs._MultiProcessingDataLoaderIter | torchs._SingleProcessDataLoaderIter
        )
        begun = clock()
        # A pipe that is empty, or a stream that lists its files first, would take all of the time.
        waits_first = is_new or self.workers > 0
        self.gate.open(block, math.inf if waits_first else begun + seconds)
        seen = _Seen(begun, [], [], [], begun)
        try:
            iterator = self._new(ahead) if is_new else self._resumed(ahead)
            while True:
                asked = clock()
                batch = next(iterator, _END)
                arrived = clock()
                if batch is _END:
                    break
                if not seen.arrived_s and waits_first:
                    self.gate.closes_s = arrived + seconds
                seen.asked_s.append(asked)
                seen.arrived_s.append(arrived)
                if step is not None:
                    step(batch)
                    arrived = clock()
                seen.done_s.append(arrived)
        except BaseException as error:
            self.dismiss()
            traceback.clear_frames(error.__traceback__)  # their variables may hold workers
            raise
        self.delivered = len(seen.arrived_s)
        if self.delivered < len(self.gate.given):  # a stream has ended, at least in one worker
            self._paused = None
        if is_new and not seen.arrived_s:
            raise TimingError("the loader yielded no batch")
        return seen._replace(ended_s=arrived), is_new

    def forget(self) -> None:
        """Begin the next slice with an epoch."""
        self._paused = None

    def dismiss(self) -> None:
        dismiss(self.loader, self._paused)
        self._paused = None

    def _new(self, ahead: int) -> Any:
        if self.workers:
            self.loader.prefetch_factor = ahead
            if (kept := getattr(self.loader, "_iterator", None)) is not None:
                kept._prefetch_factor = ahead
        self._paused = iter(self.loader)
        return self._paused

    def _resumed(self, ahead: int) -> Any:
        if self.workers:
            # As _reset() does when an epoch begins; private, but in torch since 1.0.
            self._paused._prefetch_factor = ahead
            for _ in range(ahead * self.workers):
                self._paused._try_put_index()
        return self._paused


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
        self._blocks, self._races = Blocks(variants.indices, whole), itertools.count()
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
        this_race = next(self._races)
        count = max(length.most for length in lengths.values())

        def arm(settings: Settings, length: Length) -> Callable[[], dict[str, float]]:
            calls = itertools.count()

            def measured() -> dict[str, float]:
                block = self._blocks.take((this_race, next(calls)), count)
                begun = clock()
                found = self._measured(
                    settings, block if self.whole else block[: length.most], length.seconds
                )
                return {**found, "seconds": clock() - begun}

            return measured

        return {settings: arm(settings, length) for settings, length in lengths.items()}

    def _measured(self, settings: Settings, block: Sequence[Any], seconds: float) -> dict[str, float]:
        workers = settings.num_workers
        if workers and not settings.persistent_workers:
            return self._started(settings, block)
        if workers and self._crowded:
            loader = self._made(settings)
            try:
                loader.slice(settings.prefetch_factor, block[: FEWEST_TURNS * workers], 0.0, None)
                return self._slice(loader, settings.prefetch_factor, block, seconds)
            finally:
                self._look_at_memory(loader)
                loader.dismiss()
        if workers not in self._loaders:
            self._loaders[workers] = self._made(settings)
        found = self._slice(self._loaders[workers], settings.prefetch_factor, block, seconds)
        self._look_at_memory(self._loaders[workers])
        return found

    def _made(self, settings: Settings) -> _Loader:
        return _Loader(self._variants, settings, self._timeout_s, self._drawing_s)

    def _look_at_memory(self, loader: _Loader) -> None:
        if (peak := peak_worker_memory_mb(loader.loader)) is not None:
            self.memory_mb[loader.workers] = max(peak, self.memory_mb.get(loader.workers, 0.0))

    def _slice(self, loader: _Loader, ahead: int, block: Sequence[Any], seconds: float) -> dict[str, float]:
        turn = loader.workers
        for _ in range(ATTEMPTS):
            if self.whole:
                loader.forget()
            seen, is_new = loader.slice(ahead, block, seconds, self._step)
            count, given = len(seen.arrived_s), len(loader.gate.given)
            is_whole = self.whole is not None and given >= len(block)
            if is_whole or count >= max(1, FEWEST_TURNS * turn):
                break
            loader.forget()
        if is_whole or count < max(1, FEWEST_TURNS * turn):
            return self._rate(loader, count, seen.ended_s - seen.begun_s, seen.wait_s(0, count))
        if not turn:
            first = int(is_new and count > 1)
            begun = seen.done_s[0] if first else seen.begun_s
            return self._rate(loader, count - first, seen.done_s[-1] - begun, seen.wait_s(first, count))
        last = count - (turn if count >= ENOUGH_TURNS * turn else 0)
        between = seen.arrived_s[last - 1] - seen.arrived_s[turn - 1]
        return self._rate(loader, last - turn, between, seen.wait_s(turn, last))

    def _rate(self, loader: _Loader, batches: int, seconds: float, wait_s: float) -> dict[str, float]:
        given = loader.gate.given
        is_batched = self._variants.loader.batch_sampler is not None
        # A subclass of DataLoader may join batches, or divide them; a stream may give fewer than asked for.
        came = len(given) if self._variants.is_streaming else loader.delivered
        items = batches * sum(items_in(index, is_batched) for index in given) / came
        seconds = max(seconds, 1e-9)
        copies = max(1, loader.workers) if self._copies else 1
        return {"items_per_s": items / seconds / copies, "wait_share": min(1.0, wait_s / seconds)}

    def _started(self, settings: Settings, block: Sequence[Any]) -> dict[str, float]:
        """An epoch whose workers start with it, or the beginning and the end of one."""
        turn, loader = settings.num_workers, self._made(settings)
        try:
            some = block if self.whole else block[: FEWEST_TURNS * turn]
            seen, _ = loader.slice(settings.prefetch_factor, some, math.inf, self._step)
        finally:
            loader.dismiss()
        first = min(turn, len(seen.arrived_s))
        lead_s = seen.arrived_s[first - 1] - seen.begun_s + seen.ended_s - seen.done_s[-1]
        whole = self._rate(
            loader, len(seen.arrived_s), seen.ended_s - seen.begun_s, seen.wait_s(0, len(seen.arrived_s))
        )
        return {**whole, "lead_s": lead_s}
