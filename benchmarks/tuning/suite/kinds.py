"""How the data set of a workload is made: with its own costs, and with the others that `held_out` draws.

What was planted has to stay true. So where it could be scaled away the limits are narrower.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

from suite.datasets import (
    Arrays,
    Cold,
    Fetched,
    Hoarders,
    Listed,
    OneAtATime,
    Parsed,
    Pictures,
    Sorted,
    Stream,
    Worked,
    compute,
    lognormal,
    one_slow,
    wait,
)
from torch.utils.data import Dataset

MS = 1e-3
Limits = tuple[float, float]
SAME, COST, BATCH, STEP = (1.0, 1.0), (0.6, 1.7), (0.5, 2.0), (0.6, 1.7)
CHEAPER, SMALLER, LARGER, LONGER = (0.6, 1.0), (0.5, 1.0), (1.0, 2.0), (1.0, 1.7)
SHORT: dict[str, Limits] = {"cost": CHEAPER, "batch": SMALLER}
"""Short epochs stay so, also where a batch more or less for one of the workers makes a difference."""


class Kind(NamedTuple):
    """How a data set is made."""

    make: Callable[[Path, int, float], Dataset[Any]]
    """Of a folder, the number of items, and the factor of what each costs."""
    items: int
    """How many the workload has."""
    item_s: float = 0.0
    """What an item costs, or where only the factor matters any number; 0 if nothing."""
    batch_s: float = 0.0
    """What a batch costs beside its items."""
    cost: Limits = COST
    batch: Limits = BATCH
    step: Limits = STEP
    """The limits of the factors."""


def worked(do: Callable[[float], None], count: int, seconds: float, **limits: Limits) -> Kind:
    """``count`` items that do this for so long."""
    return Kind(lambda folder, n, times: Worked(n, (do, seconds * times)), count, seconds, **limits)


def stream(do: Callable[[float], None], count: int, seconds: float) -> Kind:
    """The same as a stream."""
    return Kind(lambda folder, n, times: Stream(Worked(n, (do, seconds * times))), count, seconds)


def varied(do: Callable[[float], None], count: int, seconds: float) -> Kind:
    """Items that take so long on average."""
    return Kind(lambda folder, n, times: Worked(n, (do, lognormal(n, seconds * times, 0.8))), count, seconds)


def with_a_slow_one(do: Callable[[float], None], count: int, seconds: float, slow: float) -> Kind:
    """Items of which one takes ``slow`` times as long."""
    return Kind(
        lambda folder, n, times: Worked(n, (do, one_slow(n, seconds * times, n // 2, slow))), count, seconds
    )


def in_memory(make: Callable[[int], Dataset[Any]], count: int, batch: Limits = SMALLER) -> Kind:
    """Items that cost nothing."""
    # Larger batches would be more to load for each that is handed over, and then helpers might gain.
    return Kind(lambda folder, n, times: make(n), count, cost=SAME, batch=batch)


WAITING_AND_COMPUTING = Kind(
    lambda folder, n, times: Worked(n, (wait, 2 * MS * times), (compute, 0.3 * MS * times)), 256, 2.3 * MS
)
BY_BATCH = Kind(lambda folder, n, times: Fetched(n, (wait, 10 * MS * times)), 512, batch_s=10 * MS)
LISTED = Kind(lambda folder, n, times: Listed(Worked(n, (wait, 2.4 * MS * times)), 0.15), 256, 2.4 * MS)
ONE_AT_A_TIME = Kind(
    lambda folder, n, times: OneAtATime(folder / "lock", n, (wait, 2.4 * MS * times)), 256, 2.4 * MS
)
COLD = Kind(lambda folder, n, times: Cold(folder, n, reads=round(7 * times)), 384, 1 * MS)
PICTURES = Kind(lambda folder, n, times: Pictures(folder, n, side=round(160 * sqrt(times))), 384, 1 * MS)
SORTED = Kind(lambda folder, n, times: Sorted(n, round(16_000 * times)), 1024, 1 * MS)
PARSED = Kind(lambda folder, n, times: Parsed(n, round(8_000 * times)), 384, 1 * MS)
HOARDERS = Kind(lambda folder, n, times: Hoarders(n, (wait, 2.4 * MS * times), megabytes=150), 256, 2.4 * MS)
# Larger batches would be more to load for each that is handed over.
TENSORS = Kind(
    lambda folder, n, times: Worked(n, (wait, 0.0), tensors=round(60 * times)), 128, 1 * MS, **SHORT
)
TENSORS_IN_MEMORY = in_memory(lambda n: Worked(n, (wait, 0.0), tensors=60), 128)
ARRAYS = in_memory(lambda n: Arrays(n, megabytes=1), 128)
