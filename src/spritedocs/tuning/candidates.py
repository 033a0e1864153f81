"""Which settings are tried, which of them stay, and which to recommend."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from spritedocs.model import Settings

__all__ = ["CLOSE", "affordable", "best", "grid", "pick", "steady"]

CLOSE = 0.97
"""Within 3% of the best, fewer workers are better: they take memory, and cores from everything else."""
CAUTION = 0.25
"""So much of the way to the lower end of its interval fewer workers have to be within these 3%."""
NEAR = 0.95
"""What comes this near in a few slices may be within 3% of it."""
PREFETCH = (2, 8)


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

    The numbers between powers of two go first, then one worker, then fetching further ahead, then the other
    numbers, from the largest on.

    Examples:
        >>> few = affordable(grid(8), {0, 2, 8}, lambda left: 1.0 * len(left), 9)
        >>> list(dict.fromkeys(each.num_workers for each in few)), len(few)
        ([0, 1, 2, 4, 8], 9)
    """
    counts = sorted({each.num_workers for each in settings} - set(kept))
    between, others = [n for n in counts if n & (n - 1)], [n for n in counts if not n & (n - 1) and n > 1]
    left = sorted(settings)
    for gone in (*between, *({1} & set(counts)), "ahead", *reversed(others)):
        if seconds(left) > most:
            left = [
                each
                for each in left
                if each.num_workers != gone and (gone != "ahead" or each.prefetch_factor < PREFETCH[-1])
            ]
    return left


def steady(settings: Settings) -> Settings:
    """The same, with workers that stay, as they do in all epochs but the first."""
    workers = settings.num_workers
    return Settings(workers, settings.prefetch_factor if workers else 2, workers > 0)


def best(
    rates: Mapping[Settings, float], choices: Collection[Settings], present: Settings, most: int | None = None
) -> list[Settings]:
    """The ``most`` fastest choices, or the faster half; the smallest near the best of them; the present.

    Examples:
        >>> rates = {Settings(count, 2, count > 0): 100.0 + count for count in (0, 1, 2, 4, 6, 8)}
        >>> [settings.num_workers for settings in best(rates, rates, Settings(2, 2, True))]
        [2, 4, 6, 8]
        >>> [settings.num_workers for settings in best(rates, rates, Settings(), most=2)]
        [0, 4, 6, 8]
    """
    tried = sorted((each for each in rates if each in choices), key=lambda each: -rates[each])
    near = [min(each for each in tried if rates[each] >= NEAR * rates[tried[0]])] if tried else []
    fastest = tried[: math.ceil(len(tried) / 2) if most is None else most]
    return sorted({*fastest, *near, *({present} & rates.keys())})


def pick(against_best: Mapping[Settings, tuple[float, float]]) -> Settings:
    """The smallest of the settings within 3% of the best.

    ``against_best`` gives the throughput of each as a share of the best one's: the middle and the lower
    end of its interval. A setting with fewer workers has to be within 3% even a quarter of the way from the
    middle to that end, so that it is about twice as likely to be as not to be; and the end itself within
    twice that.

    Examples:
        >>> pick({Settings(2): (0.98, 0.96), Settings(3): (0.99, 0.9), Settings(4): (1.0, 1.0)}).num_workers
        2
    """
    return min(
        each
        for each, (middle, low) in against_best.items()
        if middle - CAUTION * (middle - low) >= CLOSE and low >= 2 * CLOSE - 1
    )
