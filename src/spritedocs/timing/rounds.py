"""The rounds of a comparison: how many are needed, taking them, and taking disturbed ones again.

Their number is planned from a pilot, before the first sample that counts.

To stop when the interval happens to look narrow enough would be to stop at the luckiest moment: such
intervals hold the true ratio clearly less often than they say, as ``tests/timing/test_rounds.py`` shows.
So the number of rounds is settled by a pilot, whose rounds are then thrown away. Kept, they would be among
the samples whose spread chose the number: a pilot that happened to look calm would give few rounds *and* a
narrow interval. Thrown away, they leave samples that know nothing of the plan.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from statistics import variance
from typing import Any, NamedTuple

from spritedocs.machine import NotHere
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing.foreign_load import DISTURBING_CORES

__all__ = [
    "PILOT_ROUNDS",
    "Course",
    "Plan",
    "Round",
    "expected_width",
    "largest_variance",
    "least_disturbed",
    "rounds_for",
    "spare_rounds",
]

PILOT_ROUNDS = 6
"""Fewer say little of the spread, and so cost more rounds than they save."""

ASSURANCE = 0.8
"""How often an interval planned for a width is to be no wider."""

MOST_ROUNDS = 1_000_000
"""Nobody waits for more."""


class Round(NamedTuple):
    """What every arm gave once."""

    results: Mapping[Any, Any]
    """By arm, in the order of the arms."""
    foreign: float | None
    """The foreign load beside them in cores; ``None`` where it is not known."""

    @property
    def is_disturbed(self) -> bool:
        """Whether others used more of the processor than a measurement can bear."""
        return self.foreign is not None and self.foreign > DISTURBING_CORES


class Plan(NamedTuple):
    """How many rounds to take."""

    rounds: int
    until: float = math.inf
    """Until when, on the comparison's clock, rounds may be taken again."""
    warnings: tuple[str, ...] = ()
    """What the time limit does not allow, with what would."""


class Course:
    """The rounds of a comparison, as they are taken and counted.

    ``take`` takes one, ``clock()`` gives seconds, ``progress(done, planned)`` is told after each, and
    ``number`` is of a result what the rounds are planned for.
    """

    def __init__(
        self,
        take: Callable[[], Round],
        clock: Callable[[], float],
        progress: Callable[[int, int], object] | None = None,
        number: Callable[[Any], float] = float,
    ) -> None:
        self._take, self._clock, self._progress, self._number = take, clock, progress, number
        self._done = 0

    def collect(self, wanted: int, spare: int = 0, *, until: float = math.inf, then: int = 0) -> list[Round]:
        """Take ``wanted`` rounds, and in place of disturbed ones at most ``spare`` others.

        None of these others is begun after ``until``, nor where most of the wanted ones were disturbed: that
        load lasts. ``then`` says how many rounds are known to follow.
        """
        taken: list[Round] = []
        missing = wanted
        while missing > 0 and (len(taken) < wanted or self._clock() < until):
            taken.append(self._take())
            self._done += 1
            quiet = sum(not each.is_disturbed for each in taken)
            missing = min(wanted - quiet, wanted + spare - len(taken))
            if len(taken) >= wanted and 2 * quiet < wanted:
                missing = 0
            if self._progress:
                self._progress(self._done, self._done + missing + then)
        return taken

    def plan(self, width: float, limit_s: float, warmup: bool = True) -> Plan:
        """Take the warm-up and the pilot, which are thrown away, and plan from the pilot.

        Where ``limit_s`` leaves no time for a pilot, as many rounds as fit are planned, at least
        ``FEWEST_SAMPLES``.
        """
        begun = self._clock()
        self.collect(int(warmup), then=PILOT_ROUNDS + FEWEST_SAMPLES)
        # The warm-up does not say how long a round takes: it fills caches, and starts workers that stay.
        warm = self._clock()
        pilot = self.collect(1, then=PILOT_ROUNDS - 1 + FEWEST_SAMPLES)
        round_s, left_s = self._clock() - warm, begun + limit_s - self._clock()
        if left_s < round_s * (PILOT_ROUNDS - 1 + FEWEST_SAMPLES):
            enough_s = math.ceil(warm - begun + round_s * (PILOT_ROUNDS + FEWEST_SAMPLES))
            warning = f"limit_s={limit_s:g} leaves no time to plan: use limit_s={enough_s}."
            return Plan(max(FEWEST_SAMPLES, _fitting(left_s, round_s)), begun + limit_s, (warning,))
        missing = PILOT_ROUNDS - (not pilot[0].is_disturbed)
        pilot += self.collect(missing, spare_rounds(missing), then=FEWEST_SAMPLES)
        round_s, left_s = (self._clock() - warm) / len(pilot), begun + limit_s - self._clock()
        calm = least_disturbed(pilot, PILOT_ROUNDS)
        arms = []
        for arm in pilot[-1].results:  # one that turned out to be missing is in earlier rounds only
            with suppress(NotHere):  # what this machine does not tell needs no rounds
                arms.append([self._number(each.results[arm]) for each in calm])
        spread = largest_variance(list(zip(*arms, strict=True)))
        wanted = rounds_for(spread, width)
        rounds = max(FEWEST_SAMPLES, min(wanted, _fitting(left_s, round_s)))
        if rounds == wanted:
            return Plan(rounds, begun + limit_s)
        enough_s = math.ceil(limit_s - left_s + wanted * round_s)
        warning = (
            f"limit_s={limit_s:g} allows {rounds} of the {wanted} rounds that ±{width:.1%} needs: expect "
            f"±{expected_width(spread, rounds):.1%}, or use limit_s={enough_s}."
        )
        return Plan(rounds, begun + limit_s, (warning,))


def _fitting(left_s: float, round_s: float) -> int:
    return int(left_s / round_s) if round_s else MOST_ROUNDS


def spare_rounds(wanted: int) -> int:
    """How many rounds may be taken again: half of those that are wanted, or two."""
    return max(2, wanted // 2)


def least_disturbed(taken: Sequence[Round], wanted: int) -> list[Round]:
    """The undisturbed rounds, and where these are too few the last of the others, in their order."""
    latest_first = sorted(range(len(taken)), key=lambda number: (taken[number].is_disturbed, -number))
    return [taken[number] for number in sorted(latest_first[:wanted])]


def largest_variance(pilot: Sequence[Sequence[float]]) -> float:
    """The variance of the logarithm of the ratio of two arms, for the two whose ratio varies most.

    ``pilot`` holds rounds, each of them the number of every arm. A single arm has the variance of
    its own logarithm; it is 0 without arms, and where a number is 0 or less, as by a clock too coarse.

    Examples:
        >>> largest_variance([[1.0, 2.0], [1.1, 2.2], [0.9, 1.8]]) < 1e-9
        True
    """
    if min(map(min, pilot), default=0.0) <= 0:
        return 0.0
    arms = [[math.log(seconds) for seconds in arm] for arm in zip(*pilot, strict=True)]
    if len(arms) == 1:
        return variance(arms[0])
    return max(
        variance([above - below for above, below in zip(one, other, strict=True)])
        for one, other in combinations(arms, 2)
    )


def expected_width(spread: float, rounds: int, pilot_rounds: int = PILOT_ROUNDS) -> float:
    """The half-width of the interval after ``rounds``, as a share of the ratio: 0.05 is ±5%.

    ``spread`` is the variance that ``pilot_rounds`` rounds showed. That of the rounds to come is
    another, and their quotient is distributed as F: at its 80% quantile, the interval is no wider than
    this in four comparisons of five. The half-width is one of the logarithm: ±5% is from r / 1.05 to
    r × 1.05. Source of planning by a quantile: F. A. Graybill, *Determining sample size for a
    specified width confidence interval*, Annals of Mathematical Statistics 29 (1958).

    Examples:
        >>> round(expected_width(0.03**2, rounds=6), 3), round(expected_width(0.03**2, rounds=24), 3)
        (0.048, 0.019)
    """
    from scipy.special import fdtri, stdtrit  # here, as in spritedocs.report.intervals

    largest = spread * float(fdtri(rounds - 1, pilot_rounds - 1, ASSURANCE))
    return math.expm1(float(stdtrit(rounds - 1, 0.975)) * math.sqrt(largest / rounds))


def rounds_for(spread: float, width: float, pilot_rounds: int = PILOT_ROUNDS) -> int:
    """The fewest rounds, at least ``FEWEST_SAMPLES``, whose ``expected_width`` is at most ``width``.

    Examples:
        >>> rounds_for(0.01**2, 0.05), rounds_for(0.1**2, 0.05)
        (6, 38)
    """
    return bisect_left(
        range(MOST_ROUNDS),
        True,
        lo=FEWEST_SAMPLES,
        key=lambda rounds: expected_width(spread, rounds, pilot_rounds) <= width,
    )
