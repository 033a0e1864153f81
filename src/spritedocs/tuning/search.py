"""The search behind ``spritedocs.tune``: successive halving over all settings, then rounds of the best.

Every setting gets a few batches, in turns. The worse half leaves, and the rest get twice as many, until
three or four are left. Those are compared in rounds whose number is settled beforehand. What the probe and
the model say decides how long a slice is and what fits into memory and the budget, not what is fast.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any, NamedTuple

from spritedocs.machine import NotHere
from spritedocs.model import Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison, race, rounds_for
from spritedocs.tuning import randomness
from spritedocs.tuning.candidates import affordable, better_half, finalists, steady
from spritedocs.tuning.failures import ArgumentError, told
from spritedocs.tuning.outcome import Outcome
from spritedocs.tuning.probing import probe
from spritedocs.tuning.prospects import Prospects
from spritedocs.tuning.result import Tuning
from spritedocs.tuning.slices import Slices
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants

__all__ = ["Progress", "Search"]

SLICE_S = 0.15
"""How long a setting's first slices are; each round of halving doubles it."""
WARM_S = 0.05
"""And the slice before, in which workers start and memory is touched for the first time."""
FINAL_S = 0.3
WHOLE_S = 0.25
"""An epoch that may be as short as this is measured as a whole."""
TURNS = 2
"""Slices of each setting before the worse half leaves."""
FEW = 4
"""So many settings are compared thoroughly."""
WIDTH = 0.025
"""The wanted half-width of a ratio's interval: so that 3% can be told from nothing."""
MOST_ROUNDS = 8
MOST_FURTHER_ROUNDS = 24
"""Where ``MOST_ROUNDS`` leave open what to choose."""
GRID_SHARE = 0.4
"""Of what is left of the budget, so much may go into the first slices of all settings."""
PROBING_S = 0.6
RETAKEN = 1.2
"""Rounds may have to be taken again, because of other programs."""


class Progress(NamedTuple):
    """What is being tried, and how long it all should take."""

    says: str
    done_s: float
    total_s: float


@dataclass
class Search:
    """One search; ``run`` makes it."""

    variants: Variants
    step: Callable[[Any], object] | None
    most_workers: int
    memory_limit_mb: float | None
    budget_s: float
    progress: Callable[[Progress], object] | None = None
    begun_s: float = field(default_factory=time.perf_counter)
    doing: str = ""

    def run(self) -> Tuning:
        """Look at the costs, try all settings, compare the best, decide."""
        timeout_s = max(2.0, self.budget_s / 2)
        self.variants = replace(self.variants, starting=self._starting)
        step = None if self.step is None else TimedStep(self.step)
        with (
            told(self.variants.start_method, timeout_s),
            _without_advice(),
            randomness.kept(self.variants.loader),
        ):
            self._say("looking at the items", self.budget_s)
            seconds = min(PROBING_S, self.budget_s / 10)
            seen = probe(self.variants, step, seconds=seconds, timeout_s=timeout_s)
            found = Prospects.of(self.variants, seen, step, self.most_workers, self.memory_limit_mb)
            tried = self._tried(found)
            slices = Slices(
                self.variants,
                step,
                timeout_s=timeout_s,
                drawing_s=seen.costs.main_s,
                crowded=not found.fit(tried),
                whole=self._whole(found),
                copies=found.delivers_copies,
            )
            with slices:
                outcome = self._outcome(slices, found, tried)
            if step is not None and step.count:
                found = replace(
                    outcome.prospects, step_s=step.mean_s, step_cpu_share=min(1.0, step.cpu_share)
                )
                outcome = replace(outcome, prospects=found)
        return outcome.tuning()

    def _whole(self, found: Prospects) -> int | None:
        """The batches of an epoch that is too short for slices of it, or ``None``."""
        batches, best = self.variants.batches, max(found.rates.values())
        if batches is None:
            return None
        return batches if found.start_s + batches * found.batch_size / best <= WHOLE_S else None

    def _tried(self, found: Prospects) -> list[Settings]:
        """All settings, or those for which the budget lasts."""
        present = steady(self.variants.present)
        every = sorted({*found.choices, present} - ({Settings()} if found.seen.fails_alone else set()))

        def seconds(settings: Sequence[Settings], turns: int = TURNS) -> float:
            return sum(
                turns * found.slice_s(each, SLICE_S, found.rates[each])
                + found.slice_s(each, WARM_S, found.rates[each])
                for each in settings
            ) + found.starting_s(settings)

        tried = affordable(every, found.indispensable, seconds, GRID_SHARE * self._left_s)
        needed_s = seconds(tried, 1)
        if needed_s > self._left_s + self.budget_s:
            enough_s = math.ceil((needed_s + self.budget_s - self._left_s) / 10) * 10
            raise ArgumentError(
                f"a budget of {self.budget_s:g} s is too small to measure anything: give {enough_s} s or "
                "more, or choose a smaller batch size"
            )
        return tried

    def _outcome(self, slices: Slices, found: Prospects, tried: list[Settings]) -> Outcome:
        """Halve ``tried`` until few are left, and compare those."""
        present = steady(self.variants.present)
        rates = {each: found.rates[each] for each in tried}
        took = {each: found.slice_s(each, SLICE_S, rates[each]) for each in tried}
        looked: dict[Settings, float] = {}
        seconds, turns, last = SLICE_S, TURNS, None
        warm_s = sum(took.values()) + found.starting_s(tried)
        if warm_s < self._left_s / 2:
            self._raced(slices, found, rates, tried, WARM_S, 1, "starting", warm_s)
        while len(tried) > FEW or not looked:
            round_s = sum(took[each] for each in tried)
            turns = max(1, min(turns, int(self._left_s / round_s)))
            last = self._raced(slices, found, rates, tried, seconds, turns, "trying", round_s)
            for each in tried:
                looked[each] = rates[each] = median(last.samples(each, "items_per_s"))
                took[each] = median(last.samples(each, "seconds"))
            found = found.without_too_large(slices.memory_mb)
            better = better_half({each: rates[each] for each in tried}, found.choices, present)
            if len(better) == len(tried) or not better or len(tried) <= FEW:
                break
            if slices.whole:
                turns *= 2
            else:
                seconds *= 2
                took = {each: 2 * s for each, s in took.items()}
            tried = better
            slices.keep(tried)
            if sum(took[each] for each in tried) * (turns + 1) > self._left_s / 2:
                break
        return self._settled(slices, found, looked, took, last)

    def _settled(
        self,
        slices: Slices,
        found: Prospects,
        looked: Mapping[Settings, float],
        took: Mapping[Settings, float],
        last: Comparison | None,
    ) -> Outcome:
        """Compare the best in rounds, and once more where that leaves much open.

        Then only the second comparison decides: the first one's chance is why there is a second.
        """
        assert last is not None
        present = self.variants.present
        still = {each: looked[each] for each in looked if each in last.arms}
        while True:
            chosen = finalists(still, found.choices, steady(present))
            leads = self._leads(slices, found, looked)
            if slices.whole and present != steady(present):
                chosen = [*chosen, present]
            per_slice = FINAL_S / SLICE_S
            round_s = sum(min(per_slice, 2.0) * took[steady(each)] for each in chosen)
            outcome = Outcome(
                prospects=found,
                final=last,
                finalists=list(last.arms),
                looked=looked,
                leads=leads,
                whole=slices.whole is not None,
                memory_mb=slices.memory_mb,
                begun_s=self.begun_s,
            )
            rounds = self._rounds(last, round_s, MOST_ROUNDS)
            if rounds < 2:
                return replace(outcome, needed_s=FEWEST_SAMPLES * round_s)
            begun = time.perf_counter()
            final = self._raced(slices, found, looked, chosen, FINAL_S, rounds, "comparing", round_s)
            round_s = (time.perf_counter() - begun) / (rounds + final.retaken)
            found = found.without_too_large(slices.memory_mb)
            outcome = replace(
                outcome,
                prospects=found,
                final=final,
                finalists=chosen,
                needed_s=max(0, FEWEST_SAMPLES - rounds) * round_s,
            )
            if not found.choices.isdisjoint(chosen):
                break
            still = {each: rate for each, rate in looked.items() if each in found.choices} or {
                Settings(): 1.0
            }
            looked = {**still, **looked}
            took = {**dict.fromkeys(still, FINAL_S), **took}
        more = self._rounds(final, round_s, MOST_FURTHER_ROUNDS)
        if more < 2 * rounds or not outcome.is_open:
            return outcome
        return replace(
            outcome,
            final=self._raced(slices, found, looked, chosen, FINAL_S, more, "settling between", round_s),
        )

    def _leads(self, slices: Slices, found: Prospects, looked: Mapping[Settings, float]) -> list[float]:
        """Seconds until new workers have each delivered a batch, and until they are gone; measured."""
        present = self.variants.present
        if present == steady(present) or self.variants.batches is None or slices.whole:
            return []
        length = found.length(present, FINAL_S, looked[steady(present)])
        arm, leads = slices.arms({present: length})[present], list[float]()
        begun = time.perf_counter()
        while not leads or (len(leads) < FEWEST_SAMPLES and time.perf_counter() < begun + self._left_s / 20):
            leads.append(arm()["lead_s"])
        return leads

    def _rounds(self, pilot: Comparison, round_s: float, most: int) -> int:
        """How many rounds of ``round_s`` are needed, by the spread of the ``pilot``, and can be had."""
        spread, freedom = scatter(pilot)
        wanted = rounds_for(spread, WIDTH, freedom + 1) if freedom > 1 else most
        return min(max(FEWEST_SAMPLES, wanted), int(self._left_s / round_s / RETAKEN), most)

    def _raced(
        self,
        slices: Slices,
        found: Prospects,
        rates: Mapping[Settings, float],
        settings: Collection[Settings],
        seconds: float,
        rounds: int,
        says: str,
        round_s: float,
    ) -> Comparison:
        def said(done: int, planned: int) -> None:
            self._say(f"{says} {len(settings)} settings", (planned - done) * round_s)

        said(0, rounds)
        lengths = {each: found.length(each, seconds, rates[steady(each)]) for each in settings}
        timed = race(slices.arms(lengths), rounds, warmup=False, progress=said)
        for why_not in timed.missing.values():
            raise NotHere(why_not)
        return timed

    @property
    def _left_s(self) -> float:
        return self.budget_s - (time.perf_counter() - self.begun_s)

    def _starting(self, are_starting: bool) -> None:
        """Say that workers are starting, or again what was begun."""
        says = f"{self.doing} (starting workers)" if are_starting else self.doing
        self._tell(says, max(0.0, self._left_s))

    def _say(self, says: str, left_s: float) -> None:
        self.doing = says
        self._tell(says, left_s)

    def _tell(self, says: str, left_s: float) -> None:
        if self.progress is not None:
            done_s = time.perf_counter() - self.begun_s
            self.progress(Progress(says, done_s, done_s + left_s))


def scatter(comparison: Comparison) -> tuple[float, int]:
    """The variance of the logarithm of a ratio of two arms' throughput, from all of them, and the
    degrees of freedom that are behind it.

    What is left of the logarithms once each arm's and each round's mean is taken off.
    """
    logs = [[math.log(each["items_per_s"]) for each in arm] for arm in comparison.arms.values()]
    freedom = (len(logs) - 1) * (len(logs[0]) - 1)
    if not freedom:
        return 0.0, 0
    arms = [fmean(row) for row in logs]
    rounds = [fmean(column) for column in zip(*logs, strict=True)]
    whole = fmean(arms)
    left = sum(
        (value - arm - column + whole) ** 2
        for row, arm in zip(logs, arms, strict=True)
        for value, column in zip(row, rounds, strict=True)
    )
    return 2 * left / freedom, freedom


@contextmanager
def _without_advice() -> Iterator[None]:
    """Without torch's warnings of what is found out here: too many workers, what cannot be pickled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        warnings.filterwarnings("ignore", "Got pickle error")  # which is told as a TuneError
        yield
