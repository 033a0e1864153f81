"""What a search knows of a dataset before it compares settings: what was seen, and what the model expects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
    workers_that_fit: float
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
    step_s = seen.alone.step_s / seen.alone.batches
    cpu_share = min(1.0, step.cpu_share) if step else 0.0
    batches = variants.batches
    fits = _workers_that_fit(seen, memory_limit_mb)
    present = steady(variants.present)
    # Items as timing counts them: tokens for instance, where a collate_fn joins the items of a batch.
    batch_size = seen.alone.items / seen.alone.batches
    in_order = getattr(variants.loader, "in_order", True)  # from torch 2.6 on
    settings = [*grid(most_workers), present]
    played = predictions(seen.costs, settings, batches or MANY_BATCHES, step_s, cpu_share, in_order=in_order)
    rates = {each: rate * batch_size / seen.costs.batch_size for each, rate in played.items()}
    rates[Settings()] = seen.alone.items_per_s
    wanted = {each: rate for each, rate in rates.items() if each.num_workers <= most_workers}
    fitting = {each: rate for each, rate in wanted.items() if each.num_workers <= fits}
    return World(
        seen=seen,
        rates={**fitting, present: rates[present]},
        choices=frozenset(fitting),
        workers_that_fit=fits,
        batch_size=batch_size,
        batches=batches,
        step_s=step_s,
        step_cpu_share=cpu_share,
        limited_by_memory=max(wanted.values()) >= MORE * max(fitting.values()),
        repeats=variants.repeats(timeout_s),
    )


def _workers_that_fit(seen: Probe, memory_limit_mb: float | None) -> float:
    """How many workers the memory holds, with the batches that each has fetched ahead."""
    free = min(psutil.virtual_memory().available, machine.memory_limit() or math.inf)
    limit_mb = free / 1e6 * MEMORY_SHARE if memory_limit_mb is None else memory_limit_mb
    each_mb = (seen.memory_mb or 0.0) + 2 * seen.bytes_per_batch / 1e6
    return limit_mb / each_mb if each_mb else math.inf
