"""What a search knows of a dataset before it compares settings: what was seen, and what the model expects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import psutil

from spritedocs import machine
from spritedocs.model import Costs, Settings
from spritedocs.tuning.candidates import grid, predictions, steady
from spritedocs.tuning.probing import Probe, probe
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants

__all__ = ["World", "looked_into"]

MEMORY_SHARE = 0.8
"""Of the memory that is free, so much may go to workers, if no limit is given."""
MANY_BATCHES = 128
"""Of an epoch whose length nobody knows."""
COMPUTING = 0.8
"""An item that uses the processor for more of its time than this does little else."""
MORE = 1.05
"""What more workers have to promise for their memory to be what holds loading up."""


@dataclass(frozen=True)
class World:
    """What was seen of the dataset, and what the model makes of it."""

    seen: Probe
    rates: Mapping[Settings, float]
    """Items per second of steady epochs, for all choices and for the present settings."""
    choices: frozenset[Settings]
    """The settings that fit into memory and have no more workers than may be tried."""
    memory_limit_mb: float
    """What all workers may take together."""
    batch_size: float
    """Items per batch, as ``timing`` counts them."""
    batches: int | None
    step_s: float
    step_cpu_share: float
    limited_by_memory: bool
    repeats: bool
    """Whether every worker delivers the whole of a stream."""

    @property
    def costs(self) -> Costs:
        return self.seen.costs

    @property
    def items_wait(self) -> bool:
        """Whether items wait for so much of their time that more workers than cores may load faster."""
        return sum(self.costs.item_cpu_s) <= COMPUTING * sum(self.costs.item_s)

    def fit(self, settings: Iterable[Settings]) -> bool:
        """Whether the workers of all of them fit into memory at a time."""
        return sum(_memory_mb(self.seen, each) for each in settings) <= self.memory_limit_mb

    def without_too_large(self, memory_mb: Callable[[Settings], float | None]) -> World:
        """Without choices that were measured to take too much: each of their workers ``memory_mb``.

        Those that were not measured are taken to be as large as the largest that was.
        """
        measured = {each: memory_mb(each) for each in self.choices}
        largest = max((each_mb for each_mb in measured.values() if each_mb is not None), default=None)
        fitting = {
            each
            for each, each_mb in measured.items()
            if _memory_mb(self.seen, each, largest if each_mb is None else each_mb) <= self.memory_limit_mb
        }
        best = max(self.rates[each] for each in self.choices)
        limited = best >= MORE * max(self.rates[each] for each in fitting)
        return replace(self, choices=frozenset(fitting), limited_by_memory=self.limited_by_memory or limited)

    def among_choices(self, rates: Mapping[Settings, float]) -> dict[Settings, float]:
        """Those of ``rates`` that may be recommended."""
        return {each: rate for each, rate in rates.items() if each in self.choices}


def looked_into(
    variants: Variants,
    step: TimedStep | None,
    most_workers: int,
    memory_limit_mb: float | None,
    *,
    seconds: float,
    timeout_s: float,
) -> World:
    """Probe the dataset for about ``seconds``, and predict the settings with up to ``most_workers`` workers.

    Raises what ``probing.probe`` raises.
    """
    seen = probe(variants, step, seconds=seconds, timeout_s=timeout_s)
    assert seen.alone is not None
    step_s = seen.alone.step_s / seen.alone.batches
    cpu_share = min(1.0, step.cpu_share) if step else 0.0
    batches = variants.batches
    limit_mb = _usable_memory_mb() if memory_limit_mb is None else memory_limit_mb
    present = steady(variants.present)
    # Items as timing counts them: tokens for instance, where a collate_fn joins the items of a batch.
    batch_size = seen.alone.items / seen.alone.batches
    in_order = getattr(variants.loader, "in_order", True)  # from torch 2.6 on
    settings = [*grid(most_workers), present]
    played = predictions(seen.costs, settings, batches or MANY_BATCHES, step_s, cpu_share, in_order=in_order)
    rates = {each: rate * batch_size / seen.costs.batch_size for each, rate in played.items()}
    rates[Settings()] = seen.alone.items_per_s
    wanted = {each: rate for each, rate in rates.items() if each.num_workers <= most_workers}
    fitting = {each: rate for each, rate in wanted.items() if _memory_mb(seen, each) <= limit_mb}
    return World(
        seen=seen,
        rates={**fitting, present: rates[present]},
        choices=frozenset(fitting),
        memory_limit_mb=limit_mb,
        batch_size=batch_size,
        batches=batches,
        step_s=step_s,
        step_cpu_share=cpu_share,
        limited_by_memory=max(wanted.values()) >= MORE * max(fitting.values()),
        repeats=variants.repeats(timeout_s),
    )


def _usable_memory_mb() -> float:
    free = min(psutil.virtual_memory().available, machine.memory_limit() or math.inf)
    return free / 1e6 * MEMORY_SHARE


def _memory_mb(seen: Probe, settings: Settings, each_mb: float | None = None) -> float:
    """What all workers take at most, ``each_mb`` or what was ``seen``, with the batches fetched ahead."""
    each_mb = seen.memory_mb or 0.0 if each_mb is None else each_mb
    return settings.num_workers * (each_mb + settings.prefetch_factor * seen.bytes_per_batch / 1e6)
