"""Which settings are tried, which of them stay, and which to recommend."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from spritedocs.model import Settings

__all__ = [
    "CLOSE",
    "MOST_WORKERS",
    "PREFETCH",
    "affordable",
    "best",
    "further_ahead",
    "grid",
    "is_far_behind",
    "pick",
    "steady",
]

CLOSE = 0.97
"""Within 3% of the best, fewer workers are better: they take memory, and cores from everything else."""
TIED = 0.95
"""And within 5%, where nothing says that these are slower at all."""
NEAR = 0.9
"""What comes this near in a few slices may be within 3% of it."""
FAR_BEHIND = 0.7
PREFETCH = (2, 8)
MOST_WORKERS = 512


def grid(most_workers: int) -> list[Settings]:
    """Every setting that is tried: the powers of two and what lies in the middle between them.

    Examples:
        >>> list(dict.fromkeys(settings.num_workers for settings in grid(20)))
        [0, 1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    counts = {1, most_workers}
    for power in range(most_workers.bit_length()):
        counts |= {2 * 2**power, 3 * 2**power}
    return [
        Settings(),
        *(Settings(n, ahead, True) for n in sorted(counts) if 0 < n <= most_workers for ahead in PREFETCH),
    ]


def affordable(
    settings: Collection[Settings],
    kept: Collection[int],
    seconds: Callable[[list[Settings]], float],
    most: float,
) -> list[Settings]:
    """As many of ``settings`` as take ``most`` seconds, and all with a number of workers that is ``kept``.

    The numbers between powers of two go first, then one worker, then the other numbers, from the largest on.

    Examples:
        >>> few = affordable(grid(8), {0, 2, 8}, lambda left: 1.0 * len(left), 9)
        >>> list(dict.fromkeys(each.num_workers for each in few)), len(few)
        ([0, 1, 2, 4, 8], 9)
    """
    counts = sorted({each.num_workers for each in settings} - set(kept))
    between, others = [n for n in counts if n & (n - 1)], [n for n in counts if not n & (n - 1) and n > 1]
    left = sorted(settings)
    for gone in (*between, *({1} & set(counts)), *reversed(others)):
        if seconds(left) > most:
            left = [each for each in left if each.num_workers != gone]
    return left


def further_ahead(settings: Collection[Settings]) -> frozenset[Settings]:
    """Those of ``settings`` that fetch further ahead than torch does if not told: tried where others led."""
    return frozenset(each for each in settings if each.prefetch_factor == PREFETCH[-1])


def steady(settings: Settings) -> Settings:
    """The same, with workers that stay, as they do in all epochs but the first."""
    workers = settings.num_workers
    return Settings(workers, settings.prefetch_factor if workers else 2, workers > 0)


def best(
    rates: Mapping[Settings, float], choices: Collection[Settings], present: Settings, most: int | None = None
) -> list[Settings]:
    """The ``most`` fastest choices, or the faster half; the smallest near the best of them; the present.

    Examples:
        >>> rates = {Settings(count, 2, count > 0): 100.0 + 2 * count for count in (0, 1, 2, 4, 6, 8)}
        >>> [settings.num_workers for settings in best(rates, rates, Settings(2, 2, True))]
        [2, 4, 6, 8]
        >>> [settings.num_workers for settings in best(rates, rates, Settings(), most=2)]
        [0, 4, 6, 8]
    """
    tried = sorted((each for each in rates if each in choices), key=lambda each: -rates[each])
    near = [min(each for each in tried if rates[each] >= NEAR * rates[tried[0]])] if tried else []
    fastest = tried[: math.ceil(len(tried) / 2) if most is None else most]
    return sorted({*fastest, *near, *({present} & rates.keys())})


def is_far_behind(rates: Sequence[float], leaders: Sequence[float]) -> bool:
    """Whether ``rates`` are below 70% of the leader's in each turn.

    Examples:
        >>> is_far_behind([60, 65], [100, 101]), is_far_behind([60, 95], [100, 101])
        (True, False)
    """
    return all(rate < FAR_BEHIND * leader for rate, leader in zip(rates, leaders, strict=True))


def pick(against_best: Mapping[Settings, tuple[float, float]]) -> Settings:
    """The smallest of the settings as good as the best: fewer workers first, then torch's own prefetching.

    ``against_best`` gives the throughput of each as a share of the best one's: the middle and the upper end
    of its interval. As good is what is within 3%; or within 5%, where the interval leaves open whether it is
    slower at all. The best of several was lucky, so that what is as good in truth is a little below it.

    Examples:
        >>> pick({Settings(2): (0.96, 0.98), Settings(3): (0.96, 1.02), Settings(4): (1.0, 1.0)}).num_workers
        3
    """
    return min(
        each
        for each, (middle, high) in against_best.items()
        if middle >= CLOSE or (middle >= TIED and high >= 1)
    )
