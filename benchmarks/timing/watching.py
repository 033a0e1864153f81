"""What does watching a loader cost?

**Motive.** `spritedocs.watch` reads a clock twice a batch and counts the items in it. Where CUDA is in use
it also records two events. Whoever leaves it in a training loop pays that for every batch. Our aim: less
than 1% of a batch that takes 1 ms.

**What is measured.** The same epoch in a bare `for` loop and in a watched one, in turns and in random order.
The cost is the ratio watched / bare, paired by round, with its 95% interval, less one. Each batch is waited
for *busily*, by reading the clock until 1 ms has passed: `time.sleep` wakes up late, by far more than what
is looked for. Batches that need no time leave the cost itself, in microseconds a batch. The line after an
epoch is part of it, written to nowhere.

With a GPU the same again once CUDA is in use, and the events with it.

**Caveat.** One thread, no workers. A terminal that is slow to print a line would add to each epoch.

    python benchmarks/timing/watching.py [--rounds N] [--record]
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import Run, options

from spritedocs import watch
from spritedocs.report import Gap, Measurement, Report

ROUNDS = 100
BATCH = (torch.zeros(16, 4, 16, 16), torch.zeros(16))
EPOCHS = {"1 ms": (100, 1e-3), "empty": (2000, 0.0)}
"""How many batches an epoch has, and how many seconds each is waited for."""


class Busy:
    """Batches that are there after a wait that keeps the processor busy."""

    def __init__(self, batches: int, seconds: float) -> None:
        self.batches, self.seconds = batches, seconds

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.batches):
            ready = time.perf_counter() + self.seconds
            while time.perf_counter() < ready:
                pass
            yield BATCH


def seconds_of(loader: Iterable[Any]) -> float:
    """What an epoch takes, with a step that takes no time."""
    begun = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - begun


def pairs(loader: Busy, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a bare and of a watched epoch for each round, after a first that is thrown away."""
    arms: dict[str, Iterable[Any]] = {"bare": loader, "watched": watch(loader)}
    found = []
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        for _ in range(rounds + 1):
            seconds = {name: seconds_of(arms[name]) for name in random.sample(list(arms), 2)}
            found.append((seconds["bare"], seconds["watched"]))
    return found[1:]


def added(name: str, found: list[tuple[float, float]], whole: float, unit: str) -> Measurement:
    """What watching adds where a bare epoch takes ``whole`` of ``unit``, by the paired ratios."""
    ratio = Measurement.of(name, [watched / bare for bare, watched in found], "×")
    median, *samples = ((sample - 1) * whole for sample in (ratio.median, *ratio.samples))
    interval = None
    if ratio.interval:
        low, high = ratio.interval
        interval = (low - 1) * whole, (high - 1) * whole
    return Measurement(name, unit, median, interval, tuple(samples))


def cells(device: str, rounds: int) -> list[Measurement | Gap]:
    """What watching adds to a batch of 1 ms, as a share of it, and to one that needs no time."""
    names = [f"overhead_percent_{device}", f"overhead_us_per_batch_{device}"]
    if device == "cuda":
        if not torch.cuda.is_available():
            reason = "What watching costs where CUDA is in use needs CUDA, which torch does not find here."
            return [Gap(name, reason) for name in names]
        torch.cuda.init()
    share = added(names[0], pairs(Busy(*EPOCHS["1 ms"]), rounds), 100, "%")
    empty = pairs(Busy(*EPOCHS["empty"]), rounds)
    bare_us = statistics.median(bare for bare, _ in empty) / EPOCHS["empty"][0] * 1e6
    return [share, added(names[1], empty, bare_us, "µs")]


def measure(rounds: int) -> Report:
    """Do it all: CUDA last, as it stays in use."""
    return Report(
        title="What watching a loader costs",
        columns=["device", "adds to a batch of 1 ms", "adds to one that needs no time"],
        rows=[[device, *cells(device, rounds)] for device in ("cpu", "cuda")],
        notes=[f"{rounds} pairs of epochs each, in random order. The aim: at most 1% of a batch of 1 ms."],
    )


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    wanted = options(__doc__, ROUNDS).parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.rounds), wanted.record)


if __name__ == "__main__":
    main()
