"""Which settings are worth measuring, by the model's word and a first look; and which to recommend."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from spritedocs.model import Costs, Settings, predict

__all__ = ["CLOSE", "between", "beyond", "grid", "pick", "predictions", "shortlist", "survivors"]

CLOSE = 0.97
"""Within 3% of the best, fewer helpers are better: they take memory, and cores from everything else."""
CAUTION = 0.25
"""So much of the way to the lower end of its interval fewer helpers have to be within these 3%."""
PREFETCH = (2, 4, 8)
FURTHER = 1.02
"""What a larger ``prefetch_factor`` has to promise, as it takes more memory, to be tried."""
MOST_SHORTLISTED = 4
HOPELESS = 0.5
"""What promises less than this share of the best is tried only if it is none, or one for each core."""
SHOWING = 128
"""So many batches show the pace, if they fill what is fetched ahead ``FILLINGS`` times."""
FILLINGS = 2
BEHIND = 0.93
"""What stays this far behind the best in a first look is not the best, scatter or not."""
NEAR = 0.95
"""What comes this near in a first look may be within 3% of it."""
WIDE = 4
"""Numbers of workers that are so far apart may hide one between them that is good."""


def grid(most_workers: int) -> list[Settings]:
    """Every setting that is predicted: each number of workers up to 8, then in steps of about a quarter.

    Examples:
        >>> [settings.num_workers for settings in grid(20)][:12:3], grid(20)[-1].num_workers
        ([0, 1, 2, 3], 20)
    """
    counts, count = [0], 1
    while count <= most_workers:
        counts.append(count)
        count = count + 1 if count < 8 else round(count * 1.25)
    if counts[-1] != most_workers:
        counts.append(most_workers)
    return [
        Settings(count, prefetch, count > 0) for count in counts for prefetch in (PREFETCH if count else (2,))
    ]


def predictions(
    costs: Costs,
    settings: Iterable[Settings],
    batches: int,
    step_s: float,
    step_cpu_share: float,
    *,
    in_order: bool = True,
) -> dict[Settings, float]:
    """Items per second that the model expects of a steady epoch of ``batches`` batches, for each setting.

    A long epoch is cut where its pace has shown: played to its end it would take minutes.
    """
    step = step_s, step_cpu_share
    return {
        each: predict(costs, each, min(batches, _showing(each)), *step, in_order=in_order).items_per_s
        for each in dict.fromkeys(settings)
    }


def _showing(settings: Settings) -> int:
    """How many batches show the pace."""
    return max(SHOWING, FILLINGS * settings.num_workers * settings.prefetch_factor)


def shortlist(predicted: Mapping[Settings, float], present: Settings, cores: int) -> list[Settings]:
    """The few settings to be measured: those that may be the best, and what the reader has now.

    The model does not know what workers do to each other beyond sharing cores: a disk that is slower for
    two, a cache that is too small. So the neighbour below its pick is tried as well, and as many workers as
    cores; then, as far as four settings reach, its other neighbours, twice as many as it picks, and one.
    """
    standard = {each.num_workers: rate for each, rate in predicted.items() if each.prefetch_factor == 2}
    counts = sorted(standard)
    best = max(standard.values())
    smallest = next(count for count in counts if standard[count] >= CLOSE * best)
    likeliest = max(counts, key=lambda count: (round(standard[count] / best, 3), -count))
    near, one_each = _neighbours(counts, smallest), _at_most(cores, counts)
    wanted = [0, smallest, likeliest, *near[:1], one_each, *near[1:], *_neighbours(counts, likeliest)]
    wanted += [_at_most(2 * smallest, counts), *counts[1:2]]
    sure = {0, smallest, likeliest, one_each}
    wanted = [count for count in wanted if count in sure or standard[count] >= HOPELESS * best]
    chosen = [Settings(count, 2, count > 0) for count in dict.fromkeys(wanted)][:MOST_SHORTLISTED]
    for count in dict.fromkeys((smallest, likeliest)):
        ahead = [each for each in predicted if each.num_workers == count and each.prefetch_factor > 2]
        further = max(ahead, key=lambda each: predicted[each], default=None)
        if further is not None and predicted[further] >= FURTHER * standard[count]:
            least = next(each for each in ahead if predicted[each] >= CLOSE * predicted[further])
            chosen.append(least)
    return list(dict.fromkeys([steady(present), *chosen]))


def steady(settings: Settings) -> Settings:
    """The same, with workers that stay, as they do in all epochs but the first."""
    workers = settings.num_workers
    return Settings(workers, settings.prefetch_factor if workers else 2, workers > 0)


def survivors(rates: Mapping[Settings, float], most: int) -> list[Settings]:
    """Those to be measured thoroughly: at most ``most``, the best and the smallest near it first.

    Where there is only one, it is the smallest that already counts as good as the best.

    Examples:
        >>> rates = {Settings(0): 10.0, Settings(2): 96.0, Settings(4): 100.0, Settings(6): 99.0}
        >>> [settings.num_workers for settings in survivors(rates, most=2)]
        [2, 4]
    """
    best = max(rates.values())
    by_rate = sorted((each for each in rates if rates[each] >= BEHIND * best), key=lambda each: -rates[each])
    near = CLOSE if most == 1 else NEAR
    smallest = min((each for each in by_rate if rates[each] >= near * best), key=_size)
    kept = list(dict.fromkeys([smallest, by_rate[0], *by_rate]))[:most]
    return sorted(kept, key=_size)


def between(looked: Mapping[Settings, float], choices: Collection[Settings]) -> Settings | None:
    """A number of workers to be measured too, as fewer may do than the smallest that seems as good as any.

    It lies in the middle between that and the next smaller number that was looked at, if these are far
    apart. ``None`` where there is nothing of the kind among ``choices``.

    Examples:
        >>> choices = grid(16)
        >>> looked = {Settings(): 1.0, Settings(6, 2, True): 8.0, Settings(12, 2, True): 10.0}
        >>> between(looked, choices).num_workers
        8
    """
    best = max(looked.values())
    smallest = min((each for each in looked if looked[each] >= NEAR * best), key=_size)
    high = smallest.num_workers
    low = max((each.num_workers for each in looked if each.num_workers < high), default=high)
    if high - low < WIDE:
        return None
    alike = _alike(smallest, choices)
    counts = [count for count in alike if low < count < high]
    middle = (low + high) / 2
    return alike[min(counts, key=lambda count: (abs(count - middle), count))] if counts else None


def beyond(looked: Mapping[Settings, float], choices: Collection[Settings]) -> Settings | None:
    """More workers to be measured too, as the most that were looked at are clearly the fastest so far.

    Twice as many, or as near to that as may be. The model did not ask for them, but it takes the waiting of
    several workers for independent, and knows no disk that serves many at once better than few.

    Examples:
        >>> looked = {Settings(): 1.0, Settings(3, 2, True): 2.0, Settings(5, 2, True): 3.0}
        >>> beyond(looked, grid(8)).num_workers, beyond({**looked, Settings(8, 2, True): 3.0}, grid(16))
        (8, None)
    """
    most = max(each.num_workers for each in looked)
    fastest = max(looked, key=lambda each: looked[each])
    fewer = max((rate for each, rate in looked.items() if each.num_workers < most), default=math.inf)
    if not most or fastest.num_workers < most or fewer > NEAR * looked[fastest]:
        return None
    alike = _alike(fastest, choices)
    further = max((count for count in alike if most < count <= 2 * most), default=None)
    return None if further is None else alike[further]


def _alike(settings: Settings, choices: Collection[Settings]) -> dict[int, Settings]:
    """The choices that fetch as far ahead, by their number of workers."""
    ahead = settings.prefetch_factor if settings.prefetch_factor in PREFETCH else PREFETCH[0]
    return {each.num_workers: each for each in choices if each.prefetch_factor == ahead}


def pick(against_best: Mapping[Settings, tuple[float, float]]) -> Settings:
    """The smallest of the settings within 3% of the best.

    ``against_best`` gives the throughput of each as a share of the best one's: the middle and the lower
    end of its interval. A setting with fewer helpers has to be within 3% even a quarter of the way from the
    middle to that end, so that it is about twice as likely to be as not to be; and the end itself within
    twice that.
    """
    return min(
        (
            each
            for each, (middle, low) in against_best.items()
            if middle - CAUTION * (middle - low) >= CLOSE and low >= 2 * CLOSE - 1
        ),
        key=_size,
    )


def _size(settings: Settings) -> tuple[int, int]:
    return settings.num_workers, settings.prefetch_factor


def _at_most(most: int, counts: Sequence[int]) -> int:
    return max(count for count in counts if count <= most)


def _neighbours(counts: Sequence[int], count: int) -> list[int]:
    place = counts.index(count)
    return [counts[near] for near in (place - 1, place + 1) if 0 <= near < len(counts)]
