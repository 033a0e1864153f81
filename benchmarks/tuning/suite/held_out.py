"""Workloads on which the tuner was not developed: kinds and costs are drawn from a seed, not chosen.

The thresholds of the tuner's diagnosis were developed on `tune_workloads.WORKLOADS`. These are of the same
kinds. What an item costs, the size of a batch and what a step takes are each multiplied by a number of their
own, log-uniform between limits; the number of items is such that an epoch lasts about as long as before, and
has no fewer than 16 batches.

What was planted has to stay true. So where it could be scaled away the limits are narrower, and three kinds
are left out. With a long step and small batches the step would hide the handover of `many-tensors-gpu-step`
and the slow sample of `slow-sample-gpu-step`, and no other core could help `one-core-gpu-step`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from suite.datasets import (
    Arrays,
    Cold,
    Fetched,
    Hoarders,
    Integers,
    Parsed,
    Pictures,
    Rows,
    Sorted,
    Stream,
    Worked,
    compute,
    lognormal,
    one_slow,
    think,
    wait,
)
from torch.utils.data import Dataset
from tune_workloads import MS, WORKLOADS, Workload

SEED, COUNT = 20261127, 12
FEWEST_BATCHES = 16
Limits = tuple[float, float]
SAME, COST, BATCH, STEP = (1.0, 1.0), (0.6, 1.7), (0.5, 2.0), (0.6, 1.7)
CHEAPER, SMALLER, LARGER, LONGER = (0.6, 1.0), (0.5, 1.0), (1.0, 2.0), (1.0, 1.7)


class Kind(NamedTuple):
    """How a workload is made with other costs."""

    make: Callable[[Path, int, float], Dataset[Any]]
    """Of a folder, the number of items, and the factor of what each costs."""
    items: int
    """How many the original has."""
    item_s: float = 0.0
    """What an item of the original costs, or where only the factor matters any number; 0 if nothing."""
    batch_s: float = 0.0
    """What a batch costs beside its items."""
    cost: Limits = COST
    batch: Limits = BATCH
    step: Limits = STEP
    """The limits of the factors."""


def _items(do: Callable[[float], None], count: int, seconds: float, **limits: Any) -> Kind:
    return Kind(lambda folder, n, times: Worked(n, (do, seconds * times)), count, seconds, **limits)


def _stream(do: Callable[[float], None], count: int, seconds: float) -> Kind:
    return Kind(lambda folder, n, times: Stream(Worked(n, (do, seconds * times))), count, seconds)


def _varied(do: Callable[[float], None], count: int, seconds: float) -> Kind:
    return Kind(lambda folder, n, times: Worked(n, (do, lognormal(n, seconds * times, 0.8))), count, seconds)


def _one_slow(do: Callable[[float], None], count: int, seconds: float, slow: float) -> Kind:
    return Kind(
        lambda folder, n, times: Worked(n, (do, one_slow(n, seconds * times, n // 2, slow))), count, seconds
    )


def _hoarders() -> Kind:
    return Kind(lambda folder, n, times: Hoarders(n, (wait, 2.4 * MS * times), megabytes=150), 256, 2.4 * MS)


def _in_memory(make: Callable[[int], Dataset[Any]], count: int) -> Kind:
    # Larger batches would be more to load for each that is handed over, and then helpers might gain.
    return Kind(lambda folder, n, times: make(n), count, cost=SAME, batch=SMALLER)


KINDS = {
    "wait": _items(wait, 256, 2.4 * MS),
    "wait-long-items": _items(wait, 128, 5 * MS),
    "wait-lognormal": _varied(wait, 256, 2.4 * MS),
    "wait-gpu-step": _items(wait, 192, 2.4 * MS),
    "wait-computing-step": _items(wait, 192, 2.4 * MS),
    "wait-and-compute": Kind(
        lambda folder, n, times: Worked(n, (wait, 2 * MS * times), (compute, 0.3 * MS * times)), 256, 2.3 * MS
    ),
    "wait-two-workers": _items(wait, 256, 2.4 * MS),
    "wait-iterable": _stream(wait, 256, 2.4 * MS),
    "wait-by-batch": Kind(lambda folder, n, times: Fetched(n, (wait, 10 * MS * times)), 512, batch_s=10 * MS),
    "wait-one-core": _items(wait, 256, 2.4 * MS),
    "disk-cold": Kind(lambda folder, n, times: Cold(folder, n, reads=round(7 * times)), 384, 1 * MS),
    "compute": _items(compute, 384, 1 * MS),
    "compute-lognormal": _varied(compute, 384, 1 * MS),
    "compute-gpu-step": _items(compute, 240, 1 * MS),
    "compute-computing-step": _items(compute, 288, 1 * MS),
    "compute-one-worker": _items(compute, 384, 1 * MS),
    "compute-iterable": _stream(compute, 384, 1 * MS),
    "disk-png": Kind(
        lambda folder, n, times: Pictures(folder, n, side=round(160 * sqrt(times))), 384, 1 * MS
    ),
    "numpy": Kind(lambda folder, n, times: Sorted(n, round(16_000 * times)), 1024, 1 * MS),
    "python": _items(think, 384, 1 * MS),
    "python-words": Kind(lambda folder, n, times: Parsed(n, round(8_000 * times)), 384, 1 * MS),
    "python-gpu-step": _items(think, 240, 1 * MS),
    "python-one-worker": _items(think, 384, 1 * MS),
    # Larger batches would be more to load for each that is handed over.
    "many-tensors": Kind(
        lambda folder, n, times: Worked(n, (wait, 0.0), tensors=round(60 * times)),
        128,
        1 * MS,
        cost=CHEAPER,
        batch=SMALLER,
    ),
    "huge-batches-pickled": _in_memory(lambda n: Arrays(n, megabytes=1), 128),
    # Short epochs stay so, also where a batch more or less for one of the workers makes a difference.
    "short-epoch-wait": _items(wait, 64, 3 * MS, cost=CHEAPER, batch=SMALLER),
    "short-epoch-compute": _items(compute, 96, 1 * MS, cost=CHEAPER, batch=SMALLER),
    "short-epoch-tiny": Kind(lambda folder, n, times: Integers(n), 2048, cost=SAME, batch=LARGER),
    "slow-sample-wait": _one_slow(wait, 256, 1 * MS, 200),
    "slow-sample-compute": _one_slow(compute, 256, 0.5 * MS, 400),
    "slow-gpu-step": _items(compute, 96, 0.25 * MS, cost=CHEAPER, step=LONGER),
    "slow-computing-step": _items(compute, 96, 0.25 * MS, cost=CHEAPER, step=LONGER),
    "memory-two-fit": _hoarders(),
    "memory-one-fits": _hoarders(),
    "one-core": _items(compute, 288, 1 * MS),
    "tiny-tensors": _in_memory(lambda n: Rows(n // 8, (64,), 8), 8192),
    "tiny-integers": _in_memory(Integers, 65_536),
    "tiny-iterable": _in_memory(lambda n: Stream(Worked(n)), 8192),
    "tiny-by-batch": _in_memory(Fetched, 8192),
    "huge-batches": _in_memory(lambda n: Rows(n // 8, (256, 1024), 8), 256),
    "many-tensors-in-memory": _in_memory(lambda n: Worked(n, (wait, 0.0), tensors=60), 128),
}


def held_out(seed: int = SEED, count: int = COUNT) -> tuple[Workload, ...]:
    """``count`` workloads of different kinds: one of each bottleneck first, then a second of some, and so on.

    Raises ``ValueError`` for more than there are kinds.
    """
    if count > len(KINDS):
        raise ValueError(f"count is {count}, but there are {len(KINDS)} kinds: ask for no more of them")
    # Of a random generator only random() is promised to stay the same in later versions of Python.
    random = Random(seed)
    order = sorted(KINDS, key=lambda name: random.random())
    chosen: list[str] = []
    planted: Counter[str] = Counter()
    for most in range(1, count + 1):
        for name in order:
            (label, *_) = WORKLOADS[name].planted
            if len(chosen) < count and name not in chosen and planted[label] < most:
                chosen.append(name)
                planted[label] += 1
    return tuple(scaled(name, random.random(), random.random(), random.random()) for name in chosen)


def scaled(name: str, cost: float, batch: float, step: float) -> Workload:
    """The workload ``name`` with factors at these places, from 0 to 1, between their limits.

    Examples:
        >>> least, most = scaled("wait-gpu-step", 0, 0, 0), scaled("wait-gpu-step", 1, 1, 1)
        >>> (least.name, least.batch_size, most.batch_size)
        ('wait-gpu-step-held-out', 2, 8)
        >>> [f"{each.step.seconds:.4f}" for each in (least, most)]
        ['0.0012', '0.0034']
    """
    kind, original = KINDS[name], WORKLOADS[name]
    times, batch_times, step_times = (
        low * (high / low) ** place
        for (low, high), place in zip((kind.cost, kind.batch, kind.step), (cost, batch, step), strict=True)
    )
    batch_size = max(1, round(original.batch_size * batch_times))
    taken = original.step
    step_s = taken.seconds if taken else 0.0
    before_s = kind.item_s + (kind.batch_s + step_s) / original.batch_size
    after_s = kind.item_s * times + (kind.batch_s * times + step_s * step_times) / batch_size
    count = round(kind.items * before_s / after_s) if after_s else kind.items
    count = max(count, FEWEST_BATCHES * batch_size)
    return replace(
        original,
        name=f"{name}-held-out",
        make=lambda folder: kind.make(folder, count, times),
        batch_size=batch_size,
        step=type(taken)(step_s * step_times) if taken else None,
        held_out=True,
    )
