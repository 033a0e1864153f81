"""What does the stopwatch cost?

Motive. ``spritedocs.timing.time_epoch`` reads a clock around every batch, counts the items in it and
looks whether there is CUDA work to wait for. A measurement that slows down what it measures would tell
the reader about itself. Our aim: less than 1% of a batch that takes 1 ms.

What is measured. The same epoch, with a step that does nothing, twice a round in random order: in a
bare ``for`` loop and in ``time_epoch``. The figure is the median of the paired ratios, with the 95%
interval of their mean. Each batch is waited for *busily*, by reading the clock until 1 ms has passed.
``time.sleep`` would not do: it wakes up some 60 µs late, by more or less from batch to batch, which is
many times what we look for. Nor would a fixed piece of work: its speed follows the processor's
frequency. A second line takes batches that need no time at all, which leaves the cost itself.

Many short epochs rather than a few long ones, so that what else the machine does spoils few of them.

Caveat. One thread, no workers, no CUDA: where CUDA is in use the wait after each step costs more, by
stopping the CPU from running ahead. A busy machine shows in the width of the intervals.

How to run, in about 20 seconds::

    python benchmarks/timing/timing_overhead.py
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator

import torch

from spritedocs.report import Measurement
from spritedocs.timing import time_epoch

BATCH = (torch.zeros(16, 4, 16, 16), torch.zeros(16))


class BusyLoader:
    """A number of batches, each of them there after a wait that keeps the processor busy."""

    def __init__(self, batches: int, seconds: float) -> None:
        self.batches, self.seconds = batches, seconds

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(self.batches):
            ready = time.perf_counter() + self.seconds
            while time.perf_counter() < ready:
                pass
            yield BATCH


def step(batch: object) -> None:
    """What a model that takes no time does."""


def bare(loader: BusyLoader) -> None:
    for batch in loader:
        step(batch)


def timed(loader: BusyLoader) -> None:
    time_epoch(loader, step)


def seconds_of(loader: BusyLoader, rounds: int) -> tuple[list[float], list[float]]:
    """What each round's bare and timed epochs took, after a round that is thrown away."""
    seconds: dict[Callable[[BusyLoader], None], list[float]] = {bare: [], timed: []}
    for _ in range(rounds + 1):
        for run in random.sample(list(seconds), 2):
            start = time.perf_counter()
            run(loader)
            seconds[run].append(time.perf_counter() - start)
    return seconds[bare][1:], seconds[timed][1:]


if __name__ == "__main__":
    bare_s, timed_s = seconds_of(BusyLoader(batches=20, seconds=1e-3), rounds=400)
    ratio = Measurement.of("overhead", [b / a for a, b in zip(bare_s, timed_s, strict=True)], "×")
    low, high = ratio.bounds
    print(f"time_epoch over a bare loop, 1 ms batches: {ratio.median:.5f}× ({low:.5f}–{high:.5f}×)")

    count = 2_000
    bare_s, timed_s = seconds_of(BusyLoader(batches=count, seconds=0), rounds=100)
    cost_us = statistics.median(b - a for a, b in zip(bare_s, timed_s, strict=True)) / count * 1e6
    print(f"its cost, from batches that take no time: {cost_us:.2f} µs a batch")
    print(f"the aim, at most 1% of a batch of 1 ms: {'met' if ratio.bounds[1] < 1.01 else 'missed'}")
