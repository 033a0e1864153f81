"""How long an epoch takes, where its time goes, and which of several loaders is faster.

Compare only epochs of the same round: on a shared machine the same epoch differs by several per cent
from one minute to the next, and the arms of a round share the minute.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from spritedocs.machine import NotHere, usable_cores, why_no_helpers
from spritedocs.timing import foreign_load
from spritedocs.timing.comparison import Comparison
from spritedocs.timing.epochs import EpochTiming, Loader, dismiss, time_epoch
from spritedocs.timing.foreign_load import Reading
from spritedocs.timing.races import Watch, in_turns
from spritedocs.timing.results import Key, number_of, shown

__all__ = ["compare"]

LARGEST_SPREAD = 0.10
SHORTEST_EPOCH_S = 0.05  # A thread waits up to 5 ms for Python's GIL, a tenth of this.
FEWEST_BATCHES = 5  # With fewer, the first and the last, which differ from the others, weigh too much.


def compare(
    arms: Mapping[Key, Loader | Callable[[], Loader]],
    rounds: int | None = None,
    *,
    keep: bool = False,
    step: Callable[[Any], object] | None = None,
    count: Callable[[Any], int] | None = None,
    seed: int = 0,
    warmup: bool = True,
    width: float = 0.03,
    limit_s: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
    load: Callable[[], Reading | None] = foreign_load.read,
    progress: Callable[[int, int], object] | None = None,
) -> Comparison:
    """Time epochs of every arm in rounds, interleaved in an order drawn from ``seed``.

    An arm is a loader, which every round uses again, its persistent workers too; or a function that
    makes one, for a new loader in every epoch: its start-up is measured each time (its making is
    not), and its workers are gone before the next arm. With ``keep`` the function is called once, and its
    loader serves every round, with persistent workers that are dismissed at the end. ``warmup`` adds a first
    round that is thrown away. ``step``, ``count`` and ``clock`` are those of ``time_epoch``.

    An arm whose function raises ``NotHere``, or whose workers could hand nothing over here, is missing:
    the others are measured without it.

    Without ``rounds`` their number is planned from a short pilot, for ratios of ``total_s`` with an
    interval of ± ``width`` (0.03: from r / 1.03 to r × 1.03) and so that all takes ``limit_s``
    seconds at most, but for at least ``FEWEST_SAMPLES`` rounds; ``spritedocs.timing.rounds`` says how. The
    plan is kept to, whatever the samples say.

    Foreign load is measured during every epoch by ``load``. A round with more than
    ``foreign_load.DISTURBING_CORES`` is taken again, all arms of it, as long as these are no more
    than half of the rounds, or two; where that is not enough, the last of the disturbed ones stay.
    Where most rounds are disturbed the load lasts, and none is taken again.
    Which rounds these are depends on the load alone, never on how two arms compare; but the longer an
    epoch, the surer is its load.

    ``progress(done, planned)`` is told after every round how many there have been, of how many as far
    as is known, those thrown away included.

    Examples:
        >>> result = compare({"few": [[1, 2]] * 5, "many": lambda: [[1, 2]] * 50}, rounds=6)
        >>> result.ratio("more_items", "many", "few", field="items").median
        10.0

    Raises what ``time_epoch`` does, naming the arm, and ``ValueError`` for no arms or rounds.
    """
    for key, arm in arms.items():
        if isinstance(arm, Iterator) or not (isinstance(arm, Iterable) or callable(arm)):
            raise TypeError(f"arm {key!r} is {arm!r:.60}: give a DataLoader, or a function that makes one")
    workers = dict.fromkeys(arms, 0)
    kept: dict[Key, Loader] = {}
    no_helpers = cache(why_no_helpers)

    def timed(key: Key, watch: Watch) -> EpochTiming:
        arm = arms[key]
        loader = kept[key] if key in kept else arm if isinstance(arm, Iterable) else arm()
        if keep and loader is not arm:
            kept[key] = loader
        workers[key] = getattr(loader, "num_workers", 0)
        if workers[key] and (why_not := no_helpers()):
            raise NotHere(why_not)
        with watch():
            epoch = time_epoch(loader, step, count=count, clock=clock, name=f"arm {key!r}")
            if loader is not arm and not keep:
                dismiss(loader)
        return epoch

    try:
        found = in_turns(
            {key: partial(timed, key) for key in arms},
            rounds,
            number=number_of,
            seed=seed,
            warmup=warmup,
            width=width,
            limit_s=limit_s,
            clock=clock,
            load=load,
            progress=progress,
        )
    finally:
        for loader in kept.values():
            dismiss(loader)
    return replace(found, warnings=(*found.warnings, *_warnings(found, workers)))


def _warnings(found: Comparison, workers: Mapping[Key, int]) -> Iterator[str]:
    cores = usable_cores()
    for key, epochs in found.arms.items():
        if not epochs:
            continue
        name, totals = shown(key), [epoch.total_s for epoch in epochs]
        spread = statistics.stdev(totals) / (statistics.fmean(totals) or 1) if len(totals) > 1 else 0
        if spread > LARGEST_SPREAD:
            yield f"{name}: its epochs vary by {spread:.0%}: end other programs, or use longer epochs."
        if (seconds := statistics.median(totals)) < SHORTEST_EPOCH_S:
            yield f"{name}: {seconds:.2g} s an epoch is too short: use more items, for {SHORTEST_EPOCH_S} s."
        # By default a worker fetches two batches ahead at the start; as many more show its pace.
        fewest = max(FEWEST_BATCHES, 4 * workers[key])
        if (batches := min(epoch.batches for epoch in epochs)) < fewest:
            yield f"{name}: {batches} batches are too few: use more items or smaller batches, for {fewest}."
        if workers[key] > cores:
            yield (
                f"{name}: more workers ({workers[key]}) than usable cores ({cores}). Items that wait (disk, "
                f"network, sleep) gain all the same; for items that compute use num_workers={cores}."
            )
