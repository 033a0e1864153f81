"""Several things measured in turns, so that what disturbs one disturbs them all."""

from __future__ import annotations

import random
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from statistics import median
from typing import Any, TypeAlias, cast

from spritedocs.machine import NotHere, gpu_ended
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import foreign_load
from spritedocs.timing.comparison import Comparison
from spritedocs.timing.foreign_load import DISTURBING_CORES, Reading, certain_cores
from spritedocs.timing.results import Key, number_of
from spritedocs.timing.rounds import Course, Plan, Round, least_disturbed, spare_rounds

__all__ = ["race"]

Watch: TypeAlias = Callable[[], AbstractContextManager[None]]
"""``with watch(): ...`` stands round what is measured: the foreign load meanwhile counts."""


def race(
    arms: Mapping[Key, Callable[[], Any]],
    rounds: int | None = None,
    *,
    plan_on: str | None = None,
    seed: int = 0,
    warmup: bool = True,
    width: float = 0.03,
    limit_s: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
    load: Callable[[], Reading | None] = foreign_load.read,
    progress: Callable[[int, int], object] | None = None,
) -> Comparison:
    """Call every arm once a round, interleaved in an order drawn from ``seed``.

    An arm is a function without arguments. It returns what it measured: a number; a list of numbers, such as
    one for each worker, whose median counts; or a mapping from names of fields to these, with a ``NotHere``
    in place of what this machine does not tell. An arm that raises ``NotHere``, as
    ``spritedocs.machine.needs`` does, is missing: the others are measured without it.

    ``warmup`` adds a first round that is thrown away. Without ``rounds`` their number is planned, for the
    ratios of the one number, or of the field ``plan_on``; and rounds with foreign load are taken again. In
    these, and in ``width``, ``limit_s``, ``load`` and ``progress``, it does what
    ``spritedocs.timing.compare`` does. The ``clock`` is for the plan only.

    Examples:
        >>> found = race({"short": lambda: 2.0, "long": lambda: 6.0}, rounds=6)
        >>> found.ratio("times_as_long", "long", "short").median
        3.0

    Raises what an arm raises, but for a GPU's failure one sentence, as ``GpuEnded``; ``TypeError`` for an arm
    that is no function or returns no number; ``ValueError`` for no arms or rounds.
    """
    for key, arm in arms.items():
        if not callable(arm):
            raise TypeError(f"arm {key!r} is {arm!r:.60}: give a function that returns a number")

    def called(key: Key, watch: Watch) -> Any:
        with watch():
            result = arms[key]()
        return _plain(key, result)

    return in_turns(
        {key: partial(called, key) for key in arms},
        rounds,
        number=partial(number_of, field=plan_on),
        seed=seed,
        warmup=warmup,
        width=width,
        limit_s=limit_s,
        clock=clock,
        load=load,
        progress=progress,
    )


_OF_CORES = ("ignore", re.compile("This DataLoader will create"), UserWarning, None, 0)
"""As ``warnings`` keeps a filter."""


@contextmanager
def _quiet_of_cores() -> Iterator[None]:
    """Torch would warn of more workers than cores, once for each number of workers.

    Neither ``filterwarnings`` nor ``catch_warnings``: both make Python forget what it has warned of, so that
    other warnings would be shown again.
    """
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _OF_CORES)
    try:
        yield
    finally:
        with suppress(ValueError):  # an arm may have removed all of them
            filters.remove(_OF_CORES)


def _plain(key: Key, result: Any) -> Any:
    """The result in floats: one a round, as what was measured in the same round is not independent."""
    if isinstance(result, Mapping):
        return {str(field): _plain(key, value) for field, value in result.items()}
    if isinstance(result, NotHere):
        return result
    try:
        if isinstance(result, list | tuple) and result:
            return median(float(each) for each in result)
        return float(result)
    except (TypeError, ValueError):
        raise TypeError(
            f"arm {key!r} returned {result!r:.60}: return a number, a list of numbers, or a mapping from "
            "names to these"
        ) from None


class _NobodyLeft(Exception):
    """Every arm is missing."""


def in_turns(
    arms: Mapping[Key, Callable[[Watch], Any]],
    rounds: int | None,
    *,
    number: Callable[[Any], float],
    seed: int,
    warmup: bool,
    width: float,
    limit_s: float,
    clock: Callable[[], float],
    load: Callable[[], Reading | None],
    progress: Callable[[int, int], object] | None,
) -> Comparison:
    """The rounds of ``race`` and of ``spritedocs.timing.compare``: their number is planned for ``number``.

    An arm stands ``watch()`` round what of it is measured.
    """
    if rounds is not None and (not isinstance(rounds, int) or rounds < 1):
        raise ValueError(f"rounds is {rounds!r}: give a whole number, at least 1, or None for a plan")
    for name, value in (("width", width), ("limit_s", limit_s)):
        if not value > 0:
            raise ValueError(f"{name} is {value!r}: give a number above 0")
    if not arms:
        raise ValueError(f"the arms are {arms!r}: give at least one")
    missing: dict[Key, str] = {}
    shuffled = random.Random(seed)

    def take() -> Round:
        results: dict[Key, Any] = {}
        windows: list[tuple[Reading | None, Reading | None]] = []

        @contextmanager
        def watch() -> Iterator[None]:
            begin = load()
            yield
            windows.append((begin, load()))

        running = [key for key in arms if key not in missing]
        for key in shuffled.sample(running, len(running)):
            try:
                results[key] = arms[key](watch)
            except NotHere as why_not:
                missing[key] = str(why_not)
        if not results:
            raise _NobodyLeft
        known = [(begin, end) for begin, end in windows if begin is not None and end is not None]
        foreign = certain_cores(known) if len(known) == len(windows) else None
        return Round({key: results[key] for key in arms if key in results}, foreign)

    course = Course(take, clock, progress, number)
    try:
        with _quiet_of_cores():
            if rounds is None:
                plan = course.plan(width, limit_s, warmup)
            else:
                plan = Plan(rounds)
                course.collect(int(warmup), then=rounds)
            taken = course.collect(plan.rounds, spare_rounds(plan.rounds), until=plan.until)
    except RuntimeError as error:
        # An error with a cause is not torch's own, and says already whose fault that was.
        if error.__cause__ is None and (ended := gpu_ended(error)):
            raise ended from None
        raise
    except _NobodyLeft:
        return Comparison(dict.fromkeys(arms, ()), missing=missing)
    kept = least_disturbed(taken, plan.rounds)
    return Comparison(
        {key: () if key in missing else tuple(each.results[key] for each in kept) for key in arms},
        (*plan.warnings, *_warnings(taken, kept)),
        retaken=len(taken) - len(kept),
        disturbed=sum(each.is_disturbed for each in kept) if kept[0].foreign is not None else None,
        missing=missing,
    )


def _warnings(taken: Sequence[Round], kept: Sequence[Round]) -> Iterator[str]:
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
    if len(kept) < FEWEST_SAMPLES:
        yield f"Too few rounds ({len(kept)}) for an interval: use rounds={FEWEST_SAMPLES} or more."
