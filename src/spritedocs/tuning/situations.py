"""A loader as it was found, and how it would be if one of its costs were gone: by the model, played again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from spritedocs.model import Costs, Settings, predict

__all__ = ["WORTH_CHANGING", "Situation", "faster", "is_slow_from_s"]

LONGEST_PLAYED = 128
"""Batches, or as many as two for each worker. Further ones are taken to be like the second half of these."""
MANY_BATCHES = 100_000
"""Of an epoch whose length nobody knows."""
MOST_WORKERS = 16
WORTH_CHANGING = 1.03


@dataclass(frozen=True)
class Situation:
    """A loader, what it costs, and what was found to be best for it."""

    costs: Costs
    present: Settings
    recommended: Settings
    batches: int | None
    """How many an epoch has; ``None`` where nobody knows, which is taken to be many."""
    step_s: float
    step_cpu_share: float
    wait_share_present: float
    """The share of an epoch, 0 to 1, in which the training loop waits with the present settings, measured."""
    gain: tuple[float, float, float]
    """Throughput of the recommended settings, times that of the present ones: low, middle, high; measured."""
    limited_by_memory: bool
    """Whether more workers were left out because they would not fit."""
    logical_cores: float
    """Of the machine, whoever may use them."""
    empty_handover_s: float
    """Seconds to hand over a batch of one number."""
    in_order: bool = True
    """Whether the loader yields batches in order, as it does unless told otherwise."""
    epoch_start_s: float = 0.0
    """Seconds at the start of each epoch before a stream, or a sampler, gives anything."""
    is_streaming: bool = False
    loads_whole_batches: bool = False
    """Whether the dataset has ``__getitems__`` already."""
    contended: bool = False
    """Whether several workers were measured to be far slower than one alone explains."""

    def epoch_s(self, settings: Settings) -> float:
        """Seconds of an epoch with ``settings``, by the model."""
        batches = MANY_BATCHES if self.batches is None else self.batches

        def played(batches: int) -> float:
            step = self.step_s, self.step_cpu_share
            return predict(self.costs, settings, batches, *step, in_order=self.in_order).epoch_s

        half = LONGEST_PLAYED // 2
        if 2 * settings.num_workers > half:
            half = settings.num_workers  # workers load in rounds: part of one would look as long as all of it
        if batches <= 2 * half:
            return self.epoch_start_s + played(batches)
        seconds = self.epoch_start_s + played(2 * half)
        return seconds + (batches - 2 * half) * (seconds - self.epoch_start_s - played(half)) / half

    def best_s(self) -> float:
        """Seconds of the best epoch: without workers, with as many as recommended, or one for each core.

        More than 16 workers, or than fit into memory, are tried only if they are recommended.
        """
        kept = self.recommended._replace(persistent_workers=True)
        numbers = {0, self.recommended.num_workers}
        if not self.limited_by_memory:
            numbers.add(min(int(self.costs.cores), MOST_WORKERS))
        return min(self.epoch_s(kept._replace(num_workers=number)) for number in numbers)

    @property
    def recommends_a_change(self) -> bool:
        """Whether the recommended settings are faster for certain, by enough to care."""
        low, middle, _ = self.gain
        return low > 1 and middle >= WORTH_CHANGING

    @property
    def handover_s(self) -> float:
        """Seconds to hand a batch over."""
        return self.costs.send_s + self.costs.latency_s + self.costs.receive_s

    @property
    def loading_s(self) -> float:
        """Seconds to load a batch, on average."""
        items = self.costs.item_s
        return self.costs.batch_size * sum(items) / len(items) + self.costs.collate_s

    def but(self, **costs: Any) -> Situation:
        """This situation with other costs."""
        return replace(self, costs=replace(self.costs, **costs))


def faster(situation: Situation, changed: Callable[[Situation], Situation]) -> float:
    """How many times as fast the best epoch of the changed situation is, by the model."""
    return situation.best_s() / (changed(situation).best_s() or 1e-9)


def with_more_workers(s: Situation) -> Situation:
    """Four times the workers recommended, or four for none, fit into memory."""
    more = s.recommended._replace(num_workers=4 * max(1, s.recommended.num_workers))
    return replace(s, recommended=more, limited_by_memory=False)


def fetched_further_ahead(s: Situation) -> Situation:
    """Workers fetch four times as many batches ahead."""
    further = s.recommended._replace(prefetch_factor=4 * s.recommended.prefetch_factor)
    return replace(s, recommended=further)


def out_of_order(s: Situation) -> Situation:
    """Batches that are ready overtake others."""
    return replace(s, in_order=False)


def without_waiting(s: Situation) -> Situation:
    """Items take the processor time that they use, and no more."""
    return s.but(item_s=tuple(map(min, s.costs.item_s, s.costs.item_cpu_s)))


def without_computing(s: Situation, share: float = 1.0) -> Situation:
    """Items use less processor time by this share, and wait as before."""
    saved = [share * cpu for cpu in s.costs.item_cpu_s]
    return s.but(
        item_s=tuple(max(0.0, whole - less) for whole, less in zip(s.costs.item_s, saved, strict=True)),
        item_cpu_s=tuple(cpu - less for cpu, less in zip(s.costs.item_cpu_s, saved, strict=True)),
    )


def computing_half(s: Situation) -> Situation:
    """Items use half of their processor time, and wait as before."""
    return without_computing(s, 0.5)


def handed_over_as_one_number(s: Situation) -> Situation:
    """To hand a batch over costs no more than it costs for a batch of one number."""
    part = min(1.0, s.empty_handover_s / (s.handover_s or 1.0))
    names = ("send_s", "latency_s", "receive_s")
    return s.but(**{name: part * getattr(s.costs, name) for name in names})


def without_starting(s: Situation) -> Situation:
    """Workers start and stop at once."""
    return s.but(start_s=0.0, boot_s=0.0, stop_s=0.0)


def without_a_start(s: Situation) -> Situation:
    """Streams and samplers give their first item at once."""
    return replace(s, epoch_start_s=0.0)


def with_all_cores(s: Situation) -> Situation:
    """All cores of the machine may be used; twice as many as now if they are already."""
    more = s.logical_cores if s.logical_cores > s.costs.cores else 2 * s.costs.cores
    return s.but(cores=float(more))


def without_slow_samples(s: Situation) -> Situation:
    """No sample is slower than the median but those that are not slow at all."""
    usual, slow = median(s.costs.item_s), is_slow_from_s(s.costs)
    kept = [usual / whole if whole >= slow else 1.0 for whole in s.costs.item_s]
    return s.but(
        item_s=tuple(whole * part for whole, part in zip(s.costs.item_s, kept, strict=True)),
        item_cpu_s=tuple(cpu * part for cpu, part in zip(s.costs.item_cpu_s, kept, strict=True)),
    )


def is_slow_from_s(costs: Costs) -> float:
    """Seconds from which on a sample is slow: 20 times the median, and not less than 5 ms.

    What is shorter may be the system, busy with something else for a moment.
    """
    return max(20 * median(costs.item_s), 0.005)


def with_half_the_step(s: Situation) -> Situation:
    """The step takes half as long."""
    return replace(s, step_s=s.step_s / 2)
