"""What may be chosen, and what the probe in a worker says of it: how fast it should be, and what it takes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

import psutil

from spritedocs import machine
from spritedocs.model import Settings, predict
from spritedocs.tuning.candidates import PREFETCH, grid, steady
from spritedocs.tuning.failures import ArgumentError
from spritedocs.tuning.pausing import FEWEST_TURNS
from spritedocs.tuning.probing import Probe
from spritedocs.tuning.slices import ENOUGH_TURNS, Length
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants

__all__ = ["Prospects"]

MEMORY_SHARE = 0.8
"""Of the memory that is free, so much may go to workers, if no limit is given."""
MORE = 1.05
"""What more workers have to promise for their memory to be what holds loading up."""
SHOWING = 128
"""So many batches show the pace, if they fill what is fetched ahead ``FILLINGS`` times."""
FILLINGS = 2
FILES_EACH = 8
"""Descriptors of the main process for a worker: 2 for its queue and 2 for itself, and as many to spare."""
MOST_PLAYED = 64
"""With more workers the model takes seconds: fetching further ahead is then expected to bring nothing."""
LONGEST = 3.0
FEW_TIMES = 4
SPARE = 1.5
"""So many times the batches that a slice should have are at hand, as settings may be faster than expected."""


@dataclass(frozen=True)
class Prospects:
    """What was seen of the dataset, and what the model makes of it: for planning, not for deciding."""

    variants: Variants
    seen: Probe
    rates: Mapping[Settings, float]
    """Items per second of steady epochs that the model expects, for all choices and the present settings."""
    choices: frozenset[Settings]
    memory_limit_mb: float
    """What all workers of a rank may take together."""
    step: TimedStep | None
    limited_by_memory: bool
    batches: int | None
    """Of an epoch; ``None`` where nobody knows, which means many."""

    @classmethod
    def of(
        cls,
        variants: Variants,
        seen: Probe,
        step: TimedStep | None,
        most_workers: int,
        memory_limit_mb: float | None,
    ) -> Prospects:
        """By what was ``seen``; raises ``ArgumentError`` where nothing may be chosen."""
        limit_mb = _usable_memory_mb() if memory_limit_mb is None else memory_limit_mb
        limit_mb /= variants.ranks
        step_s, share = (step.mean_s, step.cpu_share) if step else (0.0, 0.0)
        present = steady(variants.present)
        delivers_copies = variants.is_streaming and not seen.asked_who_it_is
        most = min(most_workers, 1) if delivers_copies else most_workers
        rates, known = dict[Settings, float](), variants.batches  # a dataset may take long to count
        for each in dict.fromkeys([*grid(most_workers), present]):
            like = each._replace(prefetch_factor=PREFETCH[0])
            if each.num_workers > MOST_PLAYED and like in rates:
                rates[each] = rates[like]
                continue
            batches = max(SHOWING, FILLINGS * each.num_workers * each.prefetch_factor)
            played = predict(
                seen.costs,
                each,
                min(known or batches, batches),
                step_s,
                share,
                in_order=variants.in_order,
            )
            rates[each] = played.items_per_s / (max(1, each.num_workers) if delivers_copies else 1)
        wanted = {each for each in rates if each.num_workers <= most}
        if seen.fails_alone:
            wanted.discard(Settings())
        fitting = {each for each in wanted if _memory_mb(seen, each) <= limit_mb}
        if not fitting:
            raise ArgumentError(
                "the dataset needs a worker, and none fits: allow max_workers=1 or more, and a memory limit "
                f"of {math.ceil(variants.ranks * _memory_mb(seen, Settings(1)))} MB or more"
            )
        return cls(
            variants,
            seen,
            {each: rate for each, rate in rates.items() if each in fitting or each == present},
            frozenset(fitting),
            limit_mb,
            step,
            max(rates[each] for each in wanted) >= MORE * max(rates[each] for each in fitting),
            known,
        )

    @property
    def batch_size(self) -> float:
        """Items in a batch, on average."""
        return self.seen.costs.batch_size

    @property
    def start_s(self) -> float:
        """Seconds at the beginning of each epoch in which nothing is loaded yet, workers being there."""
        return self.seen.start_s + self.seen.drawing_start_s

    @property
    def delivers_copies(self) -> bool:
        """Whether each worker delivers the whole of a stream, as it does not ask which one it is."""
        return self.variants.is_streaming and not self.seen.asked_who_it_is

    @property
    def unevenness(self) -> float:
        """How many times as long slices have to be as for equal items, so that slow ones are in all."""
        items = self.seen.costs.item_s
        return min(LONGEST, max(1.0, pstdev(items) / (fmean(items) or 1.0)))

    @property
    def indispensable(self) -> set[int]:
        """Numbers of workers that are tried even if time is short: none, those now, one for each core, and
        as many as keep the cores busy, if items wait."""
        costs, counts = self.seen.costs, sorted({each.num_workers for each in self.rates})
        busy = costs.cores * sum(costs.item_s) / max(sum(costs.item_cpu_s), 1e-9)
        wanted = (costs.cores, min(busy, counts[-1]))
        return {0, self.variants.present.num_workers, *(_at_most(most, counts) for most in wanted)}

    def fit(self, tried: Iterable[Settings]) -> bool:
        """Whether loaders for all of them fit into memory, and may have their files open, at a time.

        However far ahead they will fetch.
        """
        counts = {each.num_workers for each in tried}
        settings = sorted(each for each in self.choices if each.num_workers in counts)
        most = {each.num_workers: _memory_mb(self.seen, each) for each in settings}
        return sum(most.values()) <= self.memory_limit_mb and FILES_EACH * sum(most) <= _spare_files()

    def starting_s(self, settings: Iterable[Settings]) -> float:
        """Seconds until the workers of all of them load: by spawn and forkserver that is long."""
        costs, workers = self.seen.costs, sum({each.num_workers for each in settings})
        return workers * costs.start_s + math.ceil(workers / costs.cores) * costs.boot_s

    def length(self, settings: Settings, seconds: float, items_per_s: float) -> Length:
        """Of a slice that should take so many seconds, at the rate that is expected."""
        turn = max(1, settings.num_workers)
        turns = math.ceil(SPARE * seconds * items_per_s / self.batch_size / turn)
        return Length(seconds, turn * max(FEWEST_TURNS, turns))

    def whole(self, seconds: float) -> int | None:
        """The batches of an epoch too short for slices of it; or ``None``.

        That is one which is over in ``seconds``; or in ``FEW_TIMES`` as many, if its batches are so few that
        the workers hardly find a pace.
        """
        batches, best = self.batches, max(self.rates.values())
        if batches is None:
            return None
        few = batches < ENOUGH_TURNS * max(each.num_workers for each in self.rates)
        longest_s = seconds * (FEW_TIMES if few else 1)
        return batches if self.start_s + batches * self.batch_size / best <= longest_s else None

    def slice_s(self, settings: Settings, seconds: float) -> float:
        """How long a slice takes that should take so many ``seconds``: at least two turns of its workers."""
        turn, costs = max(1, settings.num_workers), self.seen.costs
        batch_s = self.batch_size * sum(costs.item_s) / len(costs.item_s) + costs.collate_s
        return max(seconds + batch_s, FEWEST_TURNS * turn * self.batch_size / self.rates[settings])

    def without_too_large(self, memory_mb: Mapping[int, float]) -> Prospects:
        """Without choices that were measured to take too much: each of their workers ``memory_mb``.

        Those that were not measured are taken to be as large as the largest that was.
        """
        largest = max(memory_mb.values(), default=None)
        fitting = {
            each
            for each in self.choices
            if _memory_mb(self.seen, each, memory_mb.get(each.num_workers, largest)) <= self.memory_limit_mb
        }
        best = max(self.rates[each] for each in self.choices)
        limited = best >= MORE * max((self.rates[each] for each in fitting), default=0.0)
        return replace(
            self,
            choices=frozenset(fitting or {min(self.choices)}),
            limited_by_memory=self.limited_by_memory or limited,
        )


def _usable_memory_mb() -> float:
    return machine.memory_left() / 1e6 * MEMORY_SHARE


def _spare_files() -> float:
    if sys.platform == "win32":
        return math.inf
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if most == resource.RLIM_INFINITY else most - psutil.Process().num_fds()


def _memory_mb(seen: Probe, settings: Settings, each_mb: float | None = None) -> float:
    """What all workers take at most, ``each_mb`` or what was ``seen``, with the batches fetched ahead."""
    each_mb = seen.memory_mb or 0.0 if each_mb is None else each_mb
    return settings.num_workers * (each_mb + settings.prefetch_factor * seen.bytes_per_batch / 1e6)


def _at_most(most: float, counts: list[int]) -> int:
    return max(count for count in counts if count <= max(1.0, most) or count == counts[0])
