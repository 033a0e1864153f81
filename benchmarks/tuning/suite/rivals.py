"""The rivals of `spritedocs tune`: rules and searches that others publish, in a few lines each.

They say nothing of persistent workers. Theirs stay all the same, in what they measure and in what they pick:
our epochs are short, and starting workers for each would count against them more than in a long training.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from random import Random
from statistics import median

import torch
from suite.scores import Grid, Pick

from spritedocs.model import Settings

TITLES = {
    "none": "leave it at 0",
    "cores": "num_workers = os.cpu_count()",
    "gpus": "num_workers = 4 × GPUs",
    "until_slower": "one epoch per count, until slower",
    "num_workers_search": "Num-Workers-Search",
    "single_grid": "the whole grid, one epoch each",
    "random_search": "random search, as long as tune",
}
MOST_WORKERS = 8
DRAWING = 20261129
"""The seed of what random search tries."""


def with_workers(count: int) -> Settings:
    """``count`` workers that stay."""
    return Settings(count, 2, count > 0)


def by_rule() -> dict[str, Pick]:
    """Those that measure nothing. Where there is no GPU, one is taken for the rule's sake."""
    gpus = torch.cuda.device_count() or 1
    counts = {"none": 0, "cores": os.cpu_count() or 1, "gpus": 4 * gpus}
    return {name: Pick(with_workers(count)) for name, count in counts.items()}


def by_single_grid(grid: Grid) -> Pick:
    """The fastest cell by one epoch each, which the first round of the brute force provides."""
    return Pick(grid.best_single, grid.seconds_single)


def by_counting_up(epoch_s: Callable[[int], float], most: int, patience: int) -> Pick:
    """Time one epoch of each number of workers from 0 on, and give up after ``patience`` disappointments.

    With patience 0 that is what many a script does. Num-Workers-Search has a patience of 3 and goes up to
    ``os.cpu_count()`` (github.com/developer0hye/Num-Workers-Search, ``nws.py``). ``epoch_s(workers)``
    gives the seconds of one epoch; no other time is charged. That one worker is no faster than none, which
    is usual without a step, disappoints nobody yet: to give up there would be a straw man.

    Examples:
        >>> seconds = [4.0, 3.0, 3.5, 2.0, 1.0]
        >>> picks = [by_counting_up(seconds.__getitem__, 4, patience) for patience in (0, 3)]
        >>> [(pick.settings.num_workers, pick.seconds) for pick in picks]
        [(1, 10.5), (4, 13.5)]
    """
    best, shortest, spent, disappointed = 0, float("inf"), 0.0, 0
    for count in range(most + 1):
        seconds = epoch_s(count)
        spent += seconds
        if seconds < shortest:
            best, shortest, disappointed = count, seconds, 0
        elif count > 1 and (disappointed := disappointed + 1) > patience:
            break
    return Pick(with_workers(best), spent)


def by_random(grid: Grid, limit_s: float, seed: int = DRAWING) -> Pick:
    """Epochs of cells drawn at random, one after the other, until ``limit_s`` seconds are spent.

    The fastest cell is taken, by the median where it was drawn more than once. The epochs are those that the
    brute force timed, each used once, so that no time is lost here with starting workers.

    Examples:
        >>> grid = Grid({Settings(): [4.0, 4.0], Settings(1): [2.0, 2.0]}, seconds=12.0)
        >>> pick = by_random(grid, limit_s=9)
        >>> pick.settings.num_workers, pick.seconds
        (1, 10.0)
    """
    drawn = [(cell, seconds) for cell, totals in grid.totals.items() for seconds in totals]
    taken, spent = defaultdict[Settings, list[float]](list), 0.0
    for cell, seconds in Random(seed).sample(drawn, len(drawn)):
        taken[cell].append(seconds)
        spent += seconds
        if spent >= limit_s:
            break
    return Pick(min(taken, key=lambda cell: median(taken[cell])), spent)
