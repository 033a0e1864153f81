"""How long an epoch takes, where its time goes, and which of several loaders is faster.

Compare only epochs of the same round: on a shared machine the same epoch differs by several per cent
from one minute to the next, and the arms of a round share the minute.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spritedocs import foreign_load
from spritedocs.epochs import EpochTiming, Loader, TimingError, dismiss, time_epoch
from spritedocs.foreign_load import DISTURBING_CORES, Reading, certain_cores
from spritedocs.machine import usable_cores
from spritedocs.measurement import FEWEST_SAMPLES, Measurement
from spritedocs.rounds import Course, Plan, Round, least_disturbed, spare_rounds

__all__ = ["Comparison", "EpochTiming", "Loader", "TimingError", "compare", "time_epoch"]

UNITS = dict.fromkeys(["startup_s", "total_s", "iter_s", "wait_s", "step_s"], "s")
UNITS |= {"items": "", "batches": "", "items_per_s": "items/s", "data_wait_share": "%"}
LARGEST_SPREAD = 0.10
SHORTEST_EPOCH_S = 0.05  # A thread waits up to 5 ms for Python's GIL, a tenth of this.
FEWEST_BATCHES = 5  # With fewer, the first and the last, which differ from the others, weigh too much.


@dataclass(frozen=True)
class Comparison:
    """The epochs of several arms, timed in the same rounds."""

    arms: dict[str, tuple[EpochTiming, ...]]
    """Each arm's epochs, one a round, in the order of the rounds."""
    warnings: tuple[str, ...] = ()
    """What makes these figures less trustworthy than they look, each with its remedy."""
    retaken: int = 0
    """How many rounds were taken again, because of foreign load."""
    disturbed: int | None = 0
    """How many rounds among these were disturbed all the same; ``None`` where foreign load is not known."""

    def measurement(self, arm: str, field: str, name: str, label: str = "") -> Measurement:
        """A field or property of an arm's epochs, as the value ``name``, in s, items/s, % or a count.

        Raises ``ValueError`` for an unknown arm or field.
        """
        return Measurement.of(name, self._samples(arm, field), UNITS[field], label)

    def ratio(
        self, numerator: str, denominator: str, name: str, field: str = "total_s", label: str = ""
    ) -> Measurement:
        """How many times as large ``field`` is in one arm as in the other, round by round, in ×.

        The speed-up of ``"four"`` over ``"none"`` is ``ratio("none", "four", …)``. Its interval is
        the t-interval of the paired ratios' logarithms, which ``Measurement.of`` gives.
        Raises ``ValueError`` for an unknown arm or field, or where the denominator is 0.
        """
        pairs = zip(self._samples(numerator, field), self._samples(denominator, field), strict=True)
        try:
            return Measurement.of(name, [above / below for above, below in pairs], "×", label)
        except ZeroDivisionError:
            raise ValueError(f"{field} of {denominator!r} is 0 in a round: choose another field") from None

    def _samples(self, arm: str, field: str) -> list[float]:
        for value, known in ((arm, self.arms), (field, UNITS)):
            if value not in known:
                raise ValueError(f"{value!r} is unknown: choose one of {', '.join(known)}")
        return [(100 if UNITS[field] == "%" else 1) * getattr(epoch, field) for epoch in self.arms[arm]]


def compare(
    arms: Mapping[str, Loader | Callable[[], Loader]],
    rounds: int | None = None,
    *,
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
    not), and its workers are gone before the next arm. ``warmup`` adds a first round that is thrown
    away. ``step``, ``count`` and ``clock`` are those of ``time_epoch``.

    Without ``rounds`` their number is planned from a short pilot, for ratios of ``total_s`` with an
    interval of ± ``width`` (0.03: from r / 1.03 to r × 1.03) and so that all takes ``limit_s``
    seconds at most, but for at least ``FEWEST_SAMPLES`` rounds; ``spritedocs.rounds`` says how. The
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
        >>> result.ratio("many", "few", name="more_items", field="items").median
        10.0

    Raises what ``time_epoch`` does, naming the arm, and ``ValueError`` for no arms or rounds.
    """
    if rounds is not None and (not isinstance(rounds, int) or rounds < 1):
        raise ValueError(f"rounds is {rounds!r}: give a whole number, at least 1, or None for a plan")
    for name, value in (("width", width), ("limit_s", limit_s)):
        if not value > 0:
            raise ValueError(f"{name} is {value!r}: give a number above 0")
    if not arms:
        raise ValueError(f"the arms are {arms!r}: give at least one, such as {{'two': loader}}")
    for name, arm in arms.items():
        if isinstance(arm, Iterator) or not (isinstance(arm, Iterable) or callable(arm)):
            raise TypeError(f"arm {name!r} is {arm!r:.60}: give a DataLoader, or a function that makes one")
    workers = dict.fromkeys(arms, 0)
    shuffled = random.Random(seed)

    def take() -> Round:
        epochs, windows = {}, []
        for name in shuffled.sample(list(arms), len(arms)):
            arm = arms[name]
            loader = arm if isinstance(arm, Iterable) else arm()
            workers[name] = getattr(loader, "num_workers", 0)
            begin = load()
            epochs[name] = time_epoch(loader, step, count=count, clock=clock, name=f"arm {name!r}")
            if loader is not arm:
                dismiss(loader)
            windows.append((begin, load()))
            del loader  # or the next factory would run, and fill the memory, beside it
        known = [(begin, end) for begin, end in windows if begin is not None and end is not None]
        foreign = certain_cores(known) if len(known) == len(windows) else None
        return Round({name: epochs[name] for name in arms}, foreign)

    course = Course(take, clock, progress)
    if rounds is None:
        plan = course.plan(width, limit_s, warmup)
    else:
        plan = Plan(rounds)
        course.collect(int(warmup), then=rounds)
    taken = course.collect(plan.rounds, spare_rounds(plan.rounds), until=plan.until)
    kept = least_disturbed(taken, plan.rounds)
    timings = {name: tuple(each.epochs[name] for each in kept) for name in arms}
    return Comparison(
        timings,
        (*plan.warnings, *_disturbances(taken, kept), *_warnings(timings, workers)),
        retaken=len(taken) - len(kept),
        disturbed=sum(each.is_disturbed for each in kept) if kept[0].foreign is not None else None,
    )


def _disturbances(taken: Sequence[Round], kept: Sequence[Round]) -> Iterator[str]:
    loads = [each.foreign for each in taken if each.is_disturbed and each.foreign is not None]
    if left := sum(each.is_disturbed for each in kept):
        yield (
            f"{left} of {len(kept)} rounds are disturbed: in them other programs, other containers or the "
            f"system used more than {DISTURBING_CORES} of a core, up to {max(loads):.1f}. End what you can, "
            "and measure again."
        )
    if again := len(taken) - len(kept):
        yield (
            f"{again} round{'s' * (again > 1)} had to be taken again, because others used up to "
            f"{max(loads):.1f} of a core: end what you can to save that time."
        )


def _warnings(arms: Mapping[str, tuple[EpochTiming, ...]], workers: Mapping[str, int]) -> Iterator[str]:
    cores = usable_cores()
    rounds = min(map(len, arms.values()))
    if rounds < FEWEST_SAMPLES:
        yield f"Too few rounds ({rounds}) for an interval: use rounds={FEWEST_SAMPLES} or more."
    for name, epochs in arms.items():
        totals = [epoch.total_s for epoch in epochs]
        spread = statistics.stdev(totals) / (statistics.fmean(totals) or 1) if rounds > 1 else 0
        if spread > LARGEST_SPREAD:
            yield f"{name}: its epochs vary by {spread:.0%}: end other programs, or use longer epochs."
        if (seconds := statistics.median(totals)) < SHORTEST_EPOCH_S:
            yield f"{name}: {seconds:.2g} s an epoch is too short: use more items, for {SHORTEST_EPOCH_S} s."
        # By default a worker fetches two batches ahead at the start; as many more show its pace.
        fewest = max(FEWEST_BATCHES, 4 * workers[name])
        if (batches := min(epoch.batches for epoch in epochs)) < fewest:
            yield f"{name}: {batches} batches are too few: use more items or smaller batches, for {fewest}."
        if workers[name] > cores:
            yield (
                f"{name}: more workers ({workers[name]}) than usable cores ({cores}). Items that wait (disk, "
                f"network, sleep) gain all the same; for items that compute use num_workers={cores}."
            )
