"""Settings measured in slices: some batches of each in turns, out of epochs that pause in between."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from spritedocs.model import Settings
from spritedocs.tuning.indices import endless
from spritedocs.tuning.pausing import FEWEST_TURNS, Batch, PausingLoader, clock
from spritedocs.tuning.peak_memory import peak_worker_memory_mb
from spritedocs.tuning.probes import items_in
from spritedocs.tuning.ranks import OtherRanks
from spritedocs.tuning.steps import StandIn, TimedStep
from spritedocs.tuning.variants import Variants

__all__ = ["ENOUGH_TURNS", "Length", "Slices"]

ENOUGH_TURNS = 4
"""From so many on, the first and the last do not count: a pipe that fills, and workers that run dry."""
ATTEMPTS = 3
"""So often a stream that ends within a slice is begun anew."""


class Length(NamedTuple):
    """How long a slice is: whole turns of the workers, until ``seconds`` have passed, and at least two."""

    seconds: float
    most: int
    """Batches; more would take longer than ``seconds``, as far as is known."""


class Slices:
    """Loaders for several settings, whose workers stay from one slice to the next.

    Those that differ in ``prefetch_factor`` alone share a loader. If they are ``crowded``, because all of
    them together would not fit into memory, only one at a time has workers. An epoch of ``whole`` batches is
    so short that it is measured as a whole. Where workers deliver ``copies`` of a stream, one of them counts.
    A slice raises ``OutOfTime`` once ``ends_s`` has passed on the clock.
    Other ranks, if there are any, load beside each, with a step that takes as long as ``step`` has so far.
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
        ends_s: float = math.inf,
    ) -> None:
        self._variants, self._step, self._timeout_s, self._drawing_s = variants, step, timeout_s, drawing_s
        self._crowded, self._copies, self.whole, self.ends_s = crowded, copies, whole, ends_s
        stand_in = StandIn(step.mean_s, step.cpu_share) if isinstance(step, TimedStep) else None
        self._others = OtherRanks(variants, stand_in, timeout_s)
        self._rounds, self._number = endless(variants.indices, self._counted), (-1, -1)
        self.batches: int | None = None
        """How many an epoch was seen to have; not of a stream, whose indices never end."""
        self._blocks: dict[int, list[Any]] = {}
        self._races = itertools.count()
        self._loaders: dict[int, PausingLoader] = {}
        self.memory_mb: dict[int, float] = {}
        """By the number of workers, the most that any of them was seen to hold for itself."""

    def __enter__(self) -> Slices:
        self._others.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.keep(())
        finally:
            self._others.end()

    def keep(self, settings: Iterable[Settings]) -> None:
        """End the workers of all others."""
        counts = {each.num_workers for each in settings}
        for gone in self._loaders.keys() - counts:
            self._loaders.pop(gone).dismiss()
        self._others.keep(counts)

    def arms(self, lengths: Mapping[Settings, Length]) -> dict[Settings, Callable[[], dict[str, float]]]:
        """For ``race``: each returns ``items_per_s``, ``wait_share`` (0 to 1) and the ``seconds`` it took.

        In each round all of them are given the same indices, but for those that share workers: what these
        have loaded once they may remember. Settings whose workers do not stay return the ``lead_s`` of an
        epoch: what passes until each worker has delivered one batch, and at its end.
        """
        race, count = next(self._races), max(length.most for length in lengths.values())
        sharing: Counter[int] = Counter()

        def measured(
            settings: Settings, length: Length, calls: Iterator[int], place: int
        ) -> dict[str, float]:
            block, begun = self._take((race, next(calls)), place, count), clock()
            found = self._measured(settings, block if self.whole else block[: length.most], length.seconds)
            return {**found, "seconds": clock() - begun}

        arms: dict[Settings, Callable[[], dict[str, float]]] = {}
        for each, length in lengths.items():
            arms[each] = partial(measured, each, length, itertools.count(), sharing[each.num_workers])
            sharing[each.num_workers] += 1
        return arms

    def _take(self, number: tuple[int, int], place: int, count: int) -> Sequence[Any]:
        """The next batches of indices, or those of an epoch: the same for all at one place of a round."""
        if number != self._number:
            self._number, self._blocks = number, {}
        if place not in self._blocks:
            drawn = iter(self._variants.indices) if self.whole else self._rounds
            self._blocks[place] = list(itertools.islice(drawn, self.whole or count))
        return self._blocks[place]

    def _measured(self, settings: Settings, block: Sequence[Any], seconds: float) -> dict[str, float]:
        workers, ahead, _ = settings
        is_kept = not workers or (settings.persistent_workers and not self._crowded)
        loader = self._loaders.get(workers) if is_kept else None
        if loader is None:
            loader = PausingLoader(self._variants, settings, self._timeout_s, self._drawing_s, self.ends_s)
        if is_kept:
            self._loaders[workers] = loader
        try:
            with self._others.beside(workers, ahead, stay=not self._crowded):
                if workers and not settings.persistent_workers:
                    return self._started(loader, ahead, block)
                if workers and not loader.has_workers:  # else a slice has their start in it
                    loader.slice(ahead, list(itertools.islice(self._rounds, workers)), math.inf, None)
                return self._slice(loader, ahead, block, seconds)
        finally:
            if (peak := peak_worker_memory_mb(loader.loader)) is not None:
                self.memory_mb[workers] = max(peak, self.memory_mb.get(workers, 0.0))
            if not is_kept:
                loader.dismiss()

    def _slice(
        self, loader: PausingLoader, ahead: int, block: Sequence[Any], seconds: float
    ) -> dict[str, float]:
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
        # Before the first batch no step is taken, and during the last turn's nothing is loaded. An epoch has
        # that once. The longer of both, loading or stepping, goes on meanwhile.
        once_s = min(seen[0].arrived_s - begun, sum(batch.done_s - batch.arrived_s for batch in seen[-turn:]))
        if len(seen) < ENOUGH_TURNS * turn:
            # All that was loaded, in all of its time. From one batch to a later one much of what comes next
            # has been loaded before, while they shared the cores: at the end that is made up for by nothing.
            return self._rate(loader, seen, seen, ended - begun - once_s, -once_s) | {"once_s": once_s}
        counted = seen[turn:-turn]
        last_s = counted[-1].arrived_s
        in_order_s = last_s - seen[turn - 1].arrived_s
        # Where one worker falls behind, others load ahead, as far as they may, and then all arrive at once.
        # But no more than all of the slice was loaded by then.
        seconds = max(in_order_s, len(counted) * (last_s - begun) / len(seen))
        return self._rate(loader, seen, counted, seconds, seconds - in_order_s) | {"once_s": once_s}

    def _rate(
        self,
        loader: PausingLoader,
        seen: Sequence[Batch],
        counted: Sequence[Batch],
        seconds: float,
        more_s: float = 0.0,
    ) -> dict[str, float]:
        """Of the ``counted`` batches, which took ``seconds``, and ``more_s`` of it more than it looked."""
        given, is_batched = loader.gate.given, self._variants.loader.batch_sampler is not None
        # A subclass of DataLoader may join batches, or divide them; a stream may give fewer than asked for.
        came = len(given) if self._variants.is_streaming else len(seen)
        items = len(counted) * sum(items_in(index, is_batched) for index in given) / came
        waited_s = max(0.0, sum(batch.arrived_s - batch.asked_s for batch in counted) + more_s)
        seconds = max(seconds, 1e-9)
        copies = max(1, loader.workers) if self._copies else 1
        return {"items_per_s": items / seconds / copies, "wait_share": min(1.0, waited_s / seconds)}

    def _started(self, loader: PausingLoader, ahead: int, block: Sequence[Any]) -> dict[str, float]:
        """An epoch whose workers start with it, or the beginning and the end of one."""
        some, begun = block if self.whole else block[: FEWEST_TURNS * loader.workers], clock()
        seen, _ = loader.slice(ahead, some, math.inf, self._step)
        ended = clock()
        first = seen[min(loader.workers, len(seen)) - 1]
        lead_s = first.arrived_s - begun + ended - seen[-1].done_s
        return {**self._rate(loader, seen, seen, ended - begun), "lead_s": lead_s}

    def _counted(self, batches: int) -> None:
        self.batches = batches
