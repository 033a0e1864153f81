"""Which settings are best for your own dataset, by how much, and what holds it up.

Every number of workers loads a few batches in turns, the worse half leaves, and the rest go on for twice as
long. The best are compared until none of the others could change the answer. What items cost is measured
inside a worker, to say what holds loading up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spritedocs import machine
from spritedocs.tuning.budget import Budget, Progress
from spritedocs.tuning.candidates import MOST_WORKERS
from spritedocs.tuning.failures import TuneError
from spritedocs.tuning.result import Candidate, Tuning
from spritedocs.tuning.search import Search
from spritedocs.tuning.steps import Waiting
from spritedocs.tuning.variants import Variants

__all__ = ["Candidate", "Progress", "TuneError", "Tuning", "tune"]

FEWEST_WORKERS = 8
"""So many are tried even where there are fewer cores: items that wait need none."""
SHORTEST_BUDGET_S, LONGEST_BUDGET_S = 2.0, 86_400.0
LONGEST_STEP_MS = 600_000.0
MOST_RANKS = 64


def tune(
    dataset: Any,
    *,
    batch_size: int | None = None,
    step: Callable[[Any], object] | None = None,
    step_ms: float | None = None,
    max_workers: int | None = None,
    memory_limit_mb: float | None = None,
    start_method: str | None = None,
    ranks: int = 1,
    budget_s: float = 60.0,
    progress: Callable[[Progress], object] | None = None,
) -> Tuning:
    """Find the smallest ``num_workers`` within 3% of the best, and say what holds loading up.

    ``dataset`` is map-style or iterable-style, or a ready ``DataLoader`` whose other arguments are kept.
    ``batch_size`` is for a dataset without a loader, else 32. ``step(batch)`` is one step of training;
    ``step_ms`` instead stands for one that waits so many milliseconds, as for a GPU. ``max_workers`` is
    the most that is tried: if not given, twice the usable cores, at least 8. All workers together may hold
    ``memory_limit_mb``: if not given, most of what is free. ``progress`` is told what is being tried.

    Where several processes train on this machine, one for each GPU, ``ranks`` is how many: so many load at
    once, sharing cores and memory, and the answer is for each of them. A dataset is divided among them; a
    loader is taken as one rank's.

    Takes as long as it needs, and at most ``budget_s`` seconds: then the answer is the best so far. Workers
    start by ``start_method``, or by the loader's own or the usual one.

    Raises ``ValueError`` or ``TypeError`` for an argument that cannot be used, or a budget in which nothing
    can be measured, and ``TuneError`` if the dataset or the step fails. No worker is left in any case. What
    hangs in a worker is a failure; what hangs only in the main process hangs here too (``spritedocs tune``
    ends it).
    """
    for name, value, least, most in (
        ("max_workers", max_workers, 0, MOST_WORKERS),
        ("ranks", ranks, 1, MOST_RANKS),
        ("step_ms", step_ms, 0, LONGEST_STEP_MS),
        ("memory_limit_mb", memory_limit_mb, 1, math.inf),
        ("budget_s", budget_s, SHORTEST_BUDGET_S, LONGEST_BUDGET_S),
    ):
        number, known = ("whole number", int) if name in {"max_workers", "ranks"} else ("number", int | float)
        if value is not None and not isinstance(value, known):
            raise TypeError(f"{name} is {value!r:.60}: give a {number}")
        if value is not None and not least <= value <= most:
            limits = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
            raise ValueError(f"{name} is {value!r}: give a number {limits}")
    if step is not None and step_ms is not None:
        raise ValueError(f"step and step_ms={step_ms:g} are both given: choose the real step, or a stand-in")
    if step is not None and not callable(step):
        raise TypeError(f"step is {step!r:.60}: give a function that takes a batch")
    if max_workers is None:
        max_workers = min(MOST_WORKERS, max(FEWEST_WORKERS, 2 * machine.usable_cores() // ranks))
    return Search(
        variants=Variants.of(dataset, batch_size, start_method, ranks),
        step=Waiting(step_ms / 1000) if step_ms else step,
        most_workers=max_workers,
        memory_limit_mb=memory_limit_mb,
        budget=Budget(budget_s, progress),
    ).run()
