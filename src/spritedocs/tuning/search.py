"""The search behind ``spritedocs.tune``: successive halving over all settings, then rounds of the best.

Every number of workers loads a few batches, in turns. The worse half leaves, and what is far behind; the rest
go on for twice as long, and fetch further ahead, too. The best few are compared in up to three looks, until
none of those left could change the answer. By the probe and the model slices, memory and budget are planned.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison, race
from spritedocs.tuning import randomness
from spritedocs.tuning.budget import Budget, OutOfTime
from spritedocs.tuning.candidates import affordable, best, further_ahead, is_far_behind, steady
from spritedocs.tuning.failures import told
from spritedocs.tuning.outcome import Outcome
from spritedocs.tuning.probing import probe
from spritedocs.tuning.prospects import Prospects
from spritedocs.tuning.result import Tuning
from spritedocs.tuning.slices import Slices
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import LOOKS, WholeEpochs, joined
from spritedocs.tuning.worker_watch import without_advice

__all__ = ["Search"]

SLICE_S, WARM_S = 0.15, 0.05
"""How long first slices are, doubled by each halving; and those before, in which workers and memory wake."""
WHOLE_S = 0.25
"""An epoch that may be as short as this is measured as a whole."""
TURNS, FEW = 2, 6
"""Slices of each setting before the worse half leaves; and how many are compared thoroughly."""
GRID_SHARE = 0.25
"""Of what is left of the budget, so much may go into each round of halving."""
WARM_SHARE, PROBING_S, FINAL_S = 0.1, 0.6, 0.3


@dataclass
class Search:
    """One search; ``run`` makes it."""

    variants: Variants
    step: Callable[[Any], object] | None
    most_workers: int
    memory_limit_mb: float | None
    budget: Budget

    def run(self) -> Tuning:
        """Look at the costs, try all settings, compare the best, decide."""
        timeout_s, self._here = max(2.0, self.budget.seconds / 2), machine.describe()
        self.variants = variants = replace(self.variants, waits=self.budget.waits)
        step = None if self.step is None else TimedStep(self.step)
        with told(variants.start_method, timeout_s), without_advice(), randomness.kept(variants.loader):
            self.budget.say("looking at the items", self.budget.seconds)
            with self.budget.enough():
                probing_s = min(PROBING_S, self.budget.seconds / 10)
                seen = probe(variants, step, seconds=probing_s, timeout_s=timeout_s)
            self._found = found = Prospects.of(variants, seen, step, self.most_workers, self.memory_limit_mb)
            self._rates, self._seen = dict(found.rates), Comparison({})
            self._took = dict[Settings, tuple[float, float]]()
            tried = self._tried()
            self._slices = Slices(
                variants,
                step,
                timeout_s=timeout_s,
                drawing_s=seen.costs.main_s,
                crowded=not found.fit(tried),
                whole=found.whole(WHOLE_S),
                copies=found.delivers_copies,
                ends_s=self.budget.ends_s,
            )
            with self.budget.enough(), self._slices:
                outcome = self._compared(self._halved(tried))
        return outcome.tuning()

    def _tried(self) -> list[Settings]:
        """Every number of workers, or those for which the budget lasts, and the present settings."""
        found, left_s = self._found, self.budget.left_s
        every = {*found.choices - further_ahead(found.choices), steady(self.variants.present)}
        every -= {Settings()} if found.seen.fails_alone else set()

        def seconds(settings: Collection[Settings]) -> float:
            return found.starting_s(settings) + self._takes_s(settings, SLICE_S)

        tried = affordable(every, found.indispensable, seconds, GRID_SHARE * left_s)
        if (needed_s := seconds(tried)) > left_s + self.budget.seconds:
            raise self.budget.too_small(needed_s - left_s)
        return tried

    def _halved(self, tried: list[Settings]) -> Comparison:
        """Let the worse half leave until few are left, and return what was measured last."""
        seconds, turns = SLICE_S * self._found.unevenness, TURNS
        ahead, last = further_ahead(self._found.choices), Comparison({})
        if self._takes_s(tried, WARM_S) < WARM_SHARE * self.budget.left_s:
            self._raced(tried, WARM_S, 1, "starting")
            self._took.clear()  # what starting takes is taken once
        while True:
            turns = max(1, min(turns, int(GRID_SHARE * self.budget.left_s / self._takes_s(tried, seconds))))
            found = self._raced(tried, seconds, turns, "trying")
            if last.arms and len(found.arms) < len(tried):  # the time is over
                return last
            last, kept = found, self._kept(found)
            seconds, turns = (seconds, 2 * turns) if self._slices.whole else (2 * seconds, turns)
            counts = {each.num_workers for each in kept if each in self._found.choices}
            more = [*kept, *(each for each in ahead if each.num_workers in counts and each not in kept)]
            left_s, final_s = self.budget.left_s, self._takes_s(self._finalists(last), self._final_s)
            ahead, most_s = frozenset(), min(GRID_SHARE * left_s, left_s - FEWEST_SAMPLES * final_s)
            if len(more) > len(kept) and self._takes_s(more, seconds) <= most_s:
                kept = more
            elif len(kept) <= FEW or len(kept) == len(tried) or self._takes_s(kept, seconds) > most_s:
                return last
            self._slices.keep(kept)
            tried = kept

    def _kept(self, last: Comparison) -> list[Settings]:
        """The better half of what was measured ``last``, without what was far behind in each turn."""
        rates, present = self._looked(last.arms), steady(self.variants.present)
        samples = {each: last.samples(each, "items_per_s") for each in last.arms}
        leader = max(self._found.choices & rates.keys(), key=lambda each: rates[each], default=present)
        kept = best(rates, self._found.choices, present)
        return [each for each in kept if each == present or not is_far_behind(samples[each], samples[leader])]

    def _compared(self, last: Comparison) -> Outcome:
        """Compare the best in up to three looks; those that cannot be the answer leave after each.

        When looks are taken is settled beforehand, and ``Outcome`` widens its intervals for them.
        """
        present, whole = self.variants.present, self._slices.whole is not None
        left, seconds, leads = self._finalists(last), self._final_s, self._leads()
        if self._time_for(left, seconds) < FEWEST_SAMPLES:
            left = self._finalists(last, 1)
        if whole and present != steady(present):
            left.append(present)

        def outcome(final: Comparison, needed_s: float = 0.0) -> Outcome:
            if self._found.choices.isdisjoint(final.arms):  # the workers of all that was measured have grown
                seen = self._seen.arms
                final = Comparison(
                    {each: seen[each] for each in self._found.choices & seen.keys()} or final.arms
                )
                self._found = replace(self._found, choices=frozenset(map(steady, final.arms)))
            epochs = WholeEpochs(self._found, final, leads, whole)
            if needed_s:  # and half as much again as was allowed, at least
                needed_s = max(needed_s, self.budget.left_s + self.budget.seconds / 2)
            took = self._looked(self._took), self._slices.memory_mb, self.budget.begun_s
            return Outcome(epochs, *took, needed_s, self._here)

        round_s = self._takes_s(left, seconds)
        if self._time_for(left, seconds) < 2:
            return outcome(last, FEWEST_SAMPLES * round_s)
        final, done = Comparison(dict.fromkeys(left, ())), 0
        for look in LOOKS:
            rounds = min(look - done, self._time_for(left, seconds))
            if rounds < 1:
                break
            final = joined(final, self._raced(left, seconds, rounds, "comparing"))
            if len(final.arms) < len(left):  # the time is over
                return outcome(last, FEWEST_SAMPLES * round_s)
            if self._found.choices.isdisjoint(final.arms):  # their workers have grown
                return self._compared(last)
            done = max(map(len, final.arms.values()))
            left = outcome(final).undecided()
            if done < look or not left:
                break
        return outcome(final, max(0, FEWEST_SAMPLES - done) * round_s)

    def _finalists(self, last: Comparison, most: int = 2) -> list[Settings]:
        """The best of what was measured ``last``, and what they are compared with."""
        choices = self._found.choices
        remaining = self._looked(self._took if choices.isdisjoint(last.arms) else last.arms)
        return best(remaining, choices, steady(self.variants.present), most) or [min(map(steady, last.arms))]

    @property
    def _final_s(self) -> float:
        return FINAL_S * self._found.unevenness

    def _leads(self) -> list[float]:
        """Seconds until new workers have each delivered a batch, and until they are gone; measured."""
        present, leads = self.variants.present, list[float]()
        if present == steady(present) or self._found.batches is None or self._slices.whole:
            return leads
        length = self._found.length(present, FINAL_S, self._rates[steady(present)])
        arm, left_s = self._slices.arms({present: length})[present], self.budget.left_s
        with suppress(OutOfTime):
            while not leads or (len(leads) < FEWEST_SAMPLES and self.budget.left_s > 0.95 * left_s):
                leads.append(arm()["lead_s"])
        return leads

    def _looked(self, settings: Iterable[Settings]) -> dict[Settings, float]:
        return {each: self._rates[each] for each in settings if each == steady(each)}

    def _takes_s(self, settings: Iterable[Settings], seconds: float) -> float:
        """How long a slice of each takes that should take so many ``seconds``, as far as is known."""
        total_s = 0.0
        for each in map(steady, settings):
            took_s, of_s = self._took.get(each, (0.0, seconds))
            longer_s = max(0.0, seconds - of_s)  # the fewest turns may have taken more than was asked for
            total_s += took_s + longer_s if took_s else self._found.slice_s(each, seconds)
        return total_s

    def _time_for(self, settings: Iterable[Settings], seconds: float) -> int:
        """How many rounds of such slices can be had."""
        return int(self.budget.left_s / self._takes_s(settings, seconds))

    def _raced(self, settings: Collection[Settings], seconds: float, rounds: int, says: str) -> Comparison:
        """As many ``rounds`` as the budget allows; where not even one is done, what was measured of it."""
        round_s = self._takes_s(settings, seconds)
        taken: dict[Settings, list[dict[str, float]]] = {each: [] for each in settings}

        def said(done: int, planned: int) -> None:
            self.budget.say(f"{says} {len(settings)} settings", (planned - done) * round_s)

        def slice_of(each: Settings, arm: Callable[[], dict[str, float]]) -> dict[str, float]:
            begins = {len(found) for found in taken.values()} == {len(taken[each])}
            needed_s = round_s if begins and taken[each] else self._takes_s([each], seconds)
            if self.budget.left_s < (needed_s if self._took or any(taken.values()) else 0):
                raise OutOfTime
            taken[each].append(arm())
            return taken[each][-1]

        said(0, rounds)
        lengths = {each: self._found.length(each, seconds, self._rates[steady(each)]) for each in settings}
        arms = {each: partial(slice_of, each, arm) for each, arm in self._slices.arms(lengths).items()}
        try:
            timed = race(arms, rounds, warmup=False, progress=said)
        except OutOfTime:
            whole = max(1, min(map(len, taken.values())))
            measured = {each: tuple(found[:whole]) for each, found in taken.items() if found}
            timed = Comparison(measured, disturbed=None)
            if self._found.choices.isdisjoint([*timed.arms, *self._took]):
                raise self.budget.too_small() from None
        for why_not in timed.missing.values():
            raise machine.NotHere(why_not)
        self._seen = Comparison({**self._seen.arms, **timed.arms})
        for each in self._looked(timed.arms):
            self._rates[each] = median(timed.samples(each, "items_per_s"))
            self._took[each] = min(timed.samples(each, "seconds")), seconds
        batches = self._found.batches or self._slices.batches
        self._found = replace(self._found, batches=batches).without_too_large(self._slices.memory_mb)
        return timed
