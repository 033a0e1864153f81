"""The rivals of `spritedocs tune`: rules and searches that others publish, in a few lines each.

They say nothing of persistent workers. Theirs stay all the same, in what they measure and in what they pick:
our epochs are short, and starting workers for each would count against them more than in a long training.
"""

from __future__ import annotations

import os
from collections.abc import Callable

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
}
MOST_WORKERS = 8


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
