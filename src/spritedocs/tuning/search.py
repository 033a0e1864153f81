"""The search behind ``spritedocs.tune``: successive halving over all settings, then rounds of the best.

Every setting gets a few batches, in turns. The worse half leaves, and the rest get twice as many, until
three or four are left. Those are compared in rounds whose number is settled beforehand. What the probe and
the model say decides how long a slice is and what fits into memory and the budget, not what is fast.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, NamedTuple

from spritedocs.machine import NotHere
from spritedocs.model import Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison, race, rounds_for
from spritedocs.tuning import randomness
from spritedocs.tuning.candidates import affordable, best, steady
from spritedocs.tuning.failures import ArgumentError, told
from spritedocs.tuning.outcome import Outcome
from spritedocs.tuning.probing import probe
from spritedocs.tuning.prospects import Prospects
from spritedocs.tuning.result import Tuning
from spritedocs.tuning.slices import Slices
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import WholeEpochs, scatter
from spritedocs.tuning.worker_watch import without_advice

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
FEW = 5
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
    begun_s: float = field(default_factory=lambda: time.perf_counter())
    doing: str = ""

    def run(self) -> Tuning:
        """Look at the costs, try all settings, compare the best, decide."""
        timeout_s = max(2.0, self.budget_s / 2)
        self.variants = variants = replace(self.variants, starting=self._starting)
        step = None if self.step is None else TimedStep(self.step)
        with told(variants.start_method, timeout_s), without_advice(), randomness.kept(variants.loader):
            self._say("looking at the items", self.budget_s)
            seen = probe(variants, step, seconds=min(PROBING_S, self.budget_s / 10), timeout_s=timeout_s)
            self._found = found = Prospects.of(variants, seen, step, self.most_workers, self.memory_limit_mb)
            self._rates, self._took = dict(found.rates), dict[Settings, tuple[float, float]]()
            tried = self._tried()
            self._slices = Slices(
                variants,
                step,
                timeout_s=timeout_s,
                drawing_s=seen.costs.main_s,
                crowded=not found.fit(tried),
                whole=found.whole(WHOLE_S),
                copies=found.delivers_copies,
                begins=lambda: self._tell(self.doing, max(0.0, self._left_s)),
            )
            with self._slices:
                outcome = self._settled(self._halved(tried))
        return outcome.tuning()

    def _tried(self) -> list[Settings]:
        """All settings, or those for which the budget lasts."""
        found, left_s = self._found, self._left_s
        every = {*found.choices, steady(self.variants.present)}
        if found.seen.fails_alone:
            every.discard(Settings())

        def seconds(settings: Collection[Settings], turns: int = TURNS) -> float:
            return found.starting_s(settings) + turns * self._takes_s(settings, SLICE_S)

        tried = affordable(every, found.indispensable, seconds, GRID_SHARE * left_s)
        if (needed_s := seconds(tried, 1)) > left_s + self.budget_s:
            enough_s = math.ceil((needed_s + self.budget_s - left_s) / 10) * 10
            raise ArgumentError(
                f"a budget of {self.budget_s:g} s is too small to measure anything: give {enough_s} s or "
                "more, or choose a smaller batch size"
            )
        return tried

    def _halved(self, tried: list[Settings]) -> Comparison:
        """Let the worse half leave until few are left, and return what was measured last."""
        seconds, turns = SLICE_S * self._found.unevenness, TURNS
        if self._takes_s(tried, WARM_S) < self._left_s / 4:
            self._raced(tried, WARM_S, 1, "starting")
            self._took.clear()  # what starting takes is taken once
        while True:
            turns = max(1, min(turns, int(self._left_s / self._takes_s(tried, seconds))))
            last = self._raced(tried, seconds, turns, "trying")
            kept = best(self._looked(last.arms), self._found.choices, steady(self.variants.present))
            seconds, turns = (seconds, 2 * turns) if self._slices.whole else (2 * seconds, turns)
            no_time = turns * self._takes_s(kept, seconds) > self._left_s / 2
            if len(kept) <= FEW or len(kept) == len(tried) or no_time:
                return last
            self._slices.keep(kept)
            tried = kept

    def _settled(self, last: Comparison) -> Outcome:
        """Compare the best in rounds, and once more where that leaves much open.

        Then only the second comparison decides: the first one's chance is why there is a second.
        """
        present, whole = self.variants.present, self._slices.whole is not None
        remaining = last.arms if not self._found.choices.isdisjoint(last.arms) else self._took
        chosen = best(self._looked(remaining), self._found.choices, steady(present), most=2)
        leads = self._leads()
        if whole and present != steady(present):
            chosen.append(present)

        def outcome(final: Comparison, needed_s: float = 0.0) -> Outcome:
            epochs = WholeEpochs(self._found, final, leads, whole)
            looked, memory_mb = self._looked(self._took), self._slices.memory_mb
            if needed_s:  # and half as much again as was allowed, at least
                needed_s = max(needed_s, self._left_s + self.budget_s / 2)
            return Outcome(epochs, looked, memory_mb, self.begun_s, needed_s)

        seconds = FINAL_S * self._found.unevenness
        round_s = self._takes_s(chosen, seconds)
        if (rounds := self._rounds(last, round_s, MOST_ROUNDS)) < 2:
            return outcome(last, FEWEST_SAMPLES * round_s)
        begun = time.perf_counter()
        final = self._raced(chosen, seconds, rounds, "comparing")
        if self._found.choices.isdisjoint(chosen):  # their workers have grown
            return self._settled(last)
        round_s = (time.perf_counter() - begun) / (rounds + final.retaken)
        more = self._rounds(final, round_s, MOST_FURTHER_ROUNDS)
        found = outcome(final, max(0, FEWEST_SAMPLES - rounds) * round_s)
        if more < 2 * rounds or not found.is_open:
            return found
        return outcome(self._raced(chosen, seconds, more, "settling between"))

    def _leads(self) -> list[float]:
        """Seconds until new workers have each delivered a batch, and until they are gone; measured."""
        present = self.variants.present
        if present == steady(present) or self._found.batches is None or self._slices.whole:
            return []
        length = self._found.length(present, FINAL_S, self._rates[steady(present)])
        arm, leads, begun = self._slices.arms({present: length})[present], list[float](), time.perf_counter()
        while not leads or (len(leads) < FEWEST_SAMPLES and time.perf_counter() < begun + self._left_s / 20):
            leads.append(arm()["lead_s"])
        return leads

    def _looked(self, settings: Iterable[Settings]) -> dict[Settings, float]:
        return {each: self._rates[each] for each in settings if each == steady(each)}

    def _takes_s(self, settings: Iterable[Settings], seconds: float) -> float:
        """How long a slice of each takes that should take so many ``seconds``, as far as is known."""
        total_s = 0.0
        for each in map(steady, settings):
            took_s, of_s = self._took.get(each, (0.0, seconds))
            total_s += took_s * max(1.0, seconds / of_s) or self._found.slice_s(each, seconds)
        return total_s

    def _rounds(self, pilot: Comparison, round_s: float, most: int) -> int:
        """How many rounds of ``round_s`` are needed, by the spread of the ``pilot``, and can be had."""
        spread, freedom = scatter(pilot)
        wanted = rounds_for(spread, WIDTH, freedom + 1) if freedom > 1 else most
        return min(max(FEWEST_SAMPLES, wanted), int(self._left_s / round_s / RETAKEN), most)

    def _raced(self, settings: Collection[Settings], seconds: float, rounds: int, says: str) -> Comparison:
        round_s = self._takes_s(settings, seconds)

        def said(done: int, planned: int) -> None:
            self._say(f"{says} {len(settings)} settings", (planned - done) * round_s)

        said(0, rounds)
        lengths = {each: self._found.length(each, seconds, self._rates[steady(each)]) for each in settings}
        timed = race(self._slices.arms(lengths), rounds, warmup=False, progress=said)
        for why_not in timed.missing.values():
            raise NotHere(why_not)
        for each in self._looked(timed.arms):
            self._rates[each] = median(timed.samples(each, "items_per_s"))
            self._took[each] = min(timed.samples(each, "seconds")), seconds
        batches = self._found.batches or self._slices.batches
        self._found = replace(self._found, batches=batches).without_too_large(self._slices.memory_mb)
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
