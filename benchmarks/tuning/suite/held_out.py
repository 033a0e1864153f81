"""Workloads on which the tuner was not developed: kinds and costs are drawn from a seed, not chosen.

The thresholds of the tuner's diagnosis were developed on `tune_workloads.WORKLOADS`. These are of the same
kinds. What an item costs, the size of a batch and what a step takes are each multiplied by a number of their
own, log-uniform between limits; the number of items is such that an epoch lasts about as long as before, and
has no fewer than 16 batches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from tune_workloads import WORKLOADS, Workload

SEED, COUNT = 20261130, 15
FEWEST_BATCHES = 16
KINDS = {name: workload.kind for name, workload in WORKLOADS.items() if workload.can_be_scaled}


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
    return replace(
        original,
        name=f"{name}-held-out",
        kind=kind._replace(items=max(count, FEWEST_BATCHES * batch_size)),
        times=times,
        batch_size=batch_size,
        step=type(taken)(step_s * step_times) if taken else None,
        held_out=True,
    )
