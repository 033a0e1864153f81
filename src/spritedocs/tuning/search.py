"""The search behind ``spritedocs.tune``: look at the costs, predict, have a first look, measure, decide."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import median
from typing import Any, NamedTuple

from torch.random import fork_rng

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison, rounds_for
from spritedocs.tuning.budget import starting_s, too_small
from spritedocs.tuning.candidates import between, beyond, shortlist, steady, survivors
from spritedocs.tuning.failures import ArgumentError, told
from spritedocs.tuning.outcome import Outcome
from spritedocs.tuning.result import Tuning
from spritedocs.tuning.steps import TimedStep
from spritedocs.tuning.trials import Lengths, Trials, label, scatter
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.world import World, looked_into

__all__ = ["Progress", "Search"]

LOOKS = 2
"""Rounds of the first look that count. With four or more settings they give a spread to plan by."""
LOOKING_ROUNDS = LOOKS + 1
"""With the one that starts the workers."""
FINALISTS = 2
WIDTH = 0.025
"""The wanted half-width of a ratio's interval: so that 3% can be told from nothing."""
MOST_ROUNDS = 8
MOST_FURTHER_ROUNDS = 24
"""Where ``MOST_ROUNDS`` leave open what to choose."""
MORE_ROUNDS = 2
"""So many times as many have to be possible, or there are none: as few again would be as unsure."""
LOOKING_SHARE = 0.4
"""Of what is left of the budget, so much may go into the first look."""
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
        """Look at the costs, predict, have a first look at a few settings, measure the best, decide."""
        timeout_s = max(2.0, self.budget_s / 2)
        self.variants = replace(self.variants, starting=self._starting)
        # A loader without a generator of its own draws from torch's, which the reader may have seeded.
        with told(self.variants.start_method, timeout_s), _without_advice(), fork_rng(devices=[]):
            self._say("looking at the items", self.budget_s)
            world = self._world(timeout_s)
            present = self.variants.present
            chosen = shortlist(world.among_choices(world.rates), present, machine.usable_cores())
            rates = {each: world.rates[each] for each in chosen}
            lengths = Lengths.of(
                world.costs, {**rates, present: rates[steady(present)]}, world.batches, world.batch_size
            )
            chosen = self._affordable(chosen, world, lengths)
            crowded = not world.fit(chosen)
            with Trials(self.variants, lengths, self._timed, timeout_s, crowded) as trials:
                round_s = sum(self._epoch_s(each, lengths, rates) for each in chosen)
                first = self._measured(trials, chosen, LOOKS, "having a first look at", round_s)
                outcome = self._outcome(trials, world, first, chosen)
        return outcome.tuning()

    def _outcome(
        self, trials: Trials, world: World, first: Comparison, chosen: Sequence[Settings]
    ) -> Outcome:
        """Measure the best of the first look's, until some of them are small enough, too."""
        looked = {each: _rate(first, each) for each in chosen}
        while True:
            world = world.without_too_large(trials.memory_mb)
            if not any(each.num_workers for each in world.among_choices(looked)):
                likeliest = _fastest(world.among_choices(world.rates))
                looked.setdefault(likeliest, world.rates[likeliest])
                trials.lengths = trials.lengths.with_one(likeliest, like=chosen[0])
            found = self._compared(trials, world, first, looked)
            world = world.without_too_large(trials.memory_mb)
            if not world.choices.isdisjoint(found.finalists):
                return replace(found, world=world)

    def _compared(
        self, trials: Trials, world: World, first: Comparison, looked: Mapping[Settings, float]
    ) -> Outcome:
        """Measure the best of those ``looked`` at, and once more where that leaves much open.

        Then only the second comparison decides: the first one's chance is why there is a second.
        """
        finalists = self._finalists(looked, world.among_choices(looked), trials.lengths)
        rates = dict(looked)
        if further := self._further(finalists, world, looked, trials.lengths):
            trials.lengths = trials.lengths.with_one(further, like=_fastest(looked))
            finalists = sorted([*finalists, further])
            rates[further] = max(looked.values())

        expected_s = sum(self._epoch_s(each, trials.lengths, rates) for each in finalists)
        rounds = self._rounds(first, expected_s, MOST_ROUNDS)
        begun = time.perf_counter()
        final = self._measured(trials, finalists, rounds, "measuring the best", expected_s)
        # With the starting of workers: those of the present settings may start in every round.
        round_s = (time.perf_counter() - begun) / (rounds + final.retaken)
        memory = {each: trials.memory_mb(each) for each in {*looked, *finalists}}
        found = Outcome(self.variants, world, first, final, looked, memory, finalists, self.begun_s)
        more = self._rounds(final, round_s, MOST_FURTHER_ROUNDS)
        if more < MORE_ROUNDS * rounds or not found.is_open:
            return found
        return replace(found, final=self._measured(trials, finalists, more, "settling between", round_s))

    def _world(self, timeout_s: float) -> World:
        seconds = min(PROBING_S, self.budget_s / 10)
        most, limit_mb = self.most_workers, self.memory_limit_mb
        return looked_into(self.variants, self._timed, most, limit_mb, seconds=seconds, timeout_s=timeout_s)

    @cached_property
    def _timed(self) -> TimedStep | None:
        return None if self.step is None else TimedStep(self.step)

    def _affordable(self, chosen: list[Settings], world: World, lengths: Lengths) -> list[Settings]:
        """The most of ``chosen`` for which the budget lasts, the present settings and the likeliest first."""
        present = steady(self.variants.present)
        order = sorted(chosen, key=lambda each: (each != present, -world.rates[each]))
        seconds = [self._epoch_s(each, lengths, world.rates) for each in order]
        boot_s = starting_s(world.costs, order[:2])
        least_s = sum(seconds[:2]) * (LOOKING_ROUNDS + FEWEST_SAMPLES) + boot_s
        if least_s > self._left_s and len(order) > 1:
            needed_s = self.budget_s - self._left_s + least_s
            raise ArgumentError(too_small(self.budget_s, needed_s, boot_s, self.variants.start_method))
        count = len(order)
        while count > 2 and (
            sum(seconds[:count]) * LOOKING_ROUNDS + starting_s(world.costs, order[:count])
            > LOOKING_SHARE * self._left_s
        ):
            count -= 1
        return [each for each in chosen if each in order[:count]]

    def _finalists(
        self, looked: Mapping[Settings, float], choices: Mapping[Settings, float], lengths: Lengths
    ) -> list[Settings]:
        """The present settings and the likeliest choices: fewer of them if the budget is short."""
        present = self.variants.present
        for most in range(FINALISTS, 0, -1):
            # The present ones may start new workers in every epoch: then they are measured both ways.
            finalists = list(dict.fromkeys([steady(present), *survivors(choices, most), present]))
            round_s = sum(self._epoch_s(each, lengths, looked) for each in finalists)
            if FEWEST_SAMPLES * RETAKEN * round_s <= self._left_s:
                break
        return finalists

    def _further(
        self, finalists: list[Settings], world: World, looked: Mapping[Settings, float], lengths: Lengths
    ) -> Settings | None:
        """One more finalist that was not looked at, if there is reason, memory, and time for it."""
        seen = world.among_choices(looked)
        wanted = [beyond(seen, world.choices)] if world.items_wait else []
        round_s = sum(self._epoch_s(each, lengths, looked) for each in [*finalists, _fastest(looked)])
        for found in [*wanted, between(seen, world.choices)]:
            if found is None:
                continue
            fits = world.fit([*finalists, found])
            # Its workers have to start, and then one round is thrown away.
            needed_s = starting_s(world.costs, [found]) + (1 + FEWEST_SAMPLES * RETAKEN) * round_s
            if fits and needed_s <= self._left_s:
                return found
        return None

    def _rounds(self, pilot: Comparison, round_s: float, most: int) -> int:
        """How many rounds of ``round_s`` are needed, by the spread of the ``pilot``, and can be had."""
        spread, freedom = scatter(pilot)
        wanted = rounds_for(spread, WIDTH, freedom + 1) if freedom > 1 else most
        possible = int(self._left_s / round_s / RETAKEN)
        return max(2, min(max(FEWEST_SAMPLES, wanted), possible, most))

    def _measured(
        self, trials: Trials, settings: list[Settings], rounds: int, says: str, round_s: float
    ) -> Comparison:
        def said(done: int, planned: int) -> None:
            self._say(f"{says} {len(settings)} settings", (planned - done) * round_s)

        said(0, rounds)
        return trials.run(settings, rounds, said)

    def _epoch_s(self, settings: Settings, lengths: Lengths, rates: Mapping[Settings, float]) -> float:
        """By the ``rates`` of workers that stay, which those that start anew have once they run."""
        batches = lengths.batches[settings] or self.variants.batches or 0
        return batches * lengths.batch_size / rates[steady(settings)]

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


@contextmanager
def _without_advice() -> Iterator[None]:
    """Without torch's warnings of what is found out here: too many workers, what cannot be pickled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        warnings.filterwarnings("ignore", "Got pickle error")  # which is told as a TuneError
        yield


def _fastest(looked: Mapping[Settings, float]) -> Settings:
    return max(looked, key=lambda each: looked[each])


def _rate(comparison: Comparison, settings: Settings) -> float:
    return median(comparison.samples(label(settings), "items_per_s"))
