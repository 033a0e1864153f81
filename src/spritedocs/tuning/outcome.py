"""From what a search measured to what it recommends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
from typing import Any

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.report import Measurement
from spritedocs.tuning.candidates import CLOSE, pick, steady
from spritedocs.tuning.diagnosis import Situation, diagnose
from spritedocs.tuning.notes import line_to_copy, notes
from spritedocs.tuning.probes import loads_whole_batches
from spritedocs.tuning.prospects import Prospects
from spritedocs.tuning.result import Candidate, Tuning
from spritedocs.tuning.situations import WORTH_CHANGING
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import WholeEpochs, sequential_ratio

__all__ = ["Outcome"]

MUCH = 1.05
"""What is this many times as fast should not be missed."""
FEW_TIMES = 2.0
FAR = 3.0
"""What was measured is this many times what the probe explains, or less than one of so many parts."""


@dataclass(frozen=True)
class Outcome:
    """What was measured; ``tuning`` decides."""

    epochs: WholeEpochs
    looked: Mapping[Settings, float]
    """Items per second of all that were tried, when they were last tried."""
    memory_mb: Mapping[int, float]
    begun_s: float
    needed_s: float = 0.0
    """So much longer it would have taken to be sure."""
    here: machine.Machine | None = None
    """This machine, if it was looked at before: asking a GPU takes seconds of the budget."""

    @property
    def found(self) -> Prospects:
        """What was known before."""
        return self.epochs.found

    @property
    def variants(self) -> Variants:
        """What was tuned."""
        return self.found.variants

    def tuning(self) -> Tuning:
        """The result."""
        found, variants, seen = self.found, self.variants, self.found.seen
        recommended, here = self._pick(), self.here or machine.describe()
        gain, doubt = self._gain(recommended), self._doubt(recommended)
        arguments: dict[str, Any] = {"num_workers": 0}
        if recommended.num_workers:
            arguments = recommended._asdict()
            if variants.is_asked_for:
                arguments["multiprocessing_context"] = variants.start_method
        # Where the present settings cannot load, of the best ones.
        waits = map(self.epochs.wait_share, (variants.present, self._best))
        wait_share = next(share for share in waits if share is not None)
        step_s = found.step.mean_s if found.step else 0.0
        situation = Situation(
            costs=seen.costs,
            present=variants.present,
            recommended=recommended,
            batches=found.batches,
            step_s=step_s,
            step_cpu_share=found.step.cpu_share if found.step else 0.0,
            wait_share_present=wait_share,
            gain=(gain.bounds[0], gain.median, gain.bounds[1]) if gain else self._expected(recommended),
            limited_by_memory=found.limited_by_memory,
            logical_cores=here.logical_cores / variants.ranks,
            empty_handover_s=seen.empty_handover_s,
            in_order=variants.in_order,
            epoch_start_s=found.start_s if found.batches else 0.0,
            is_streaming=variants.is_streaming,
            loads_whole_batches=loads_whole_batches(variants.loader.dataset),
            contended=self._is_contended,
        )
        diagnosis, remedies = diagnose(situation)
        if gain is None:
            remedies = (replace(remedies[0], gain=None), *remedies[1:])
        rates = self.epochs.rates(recommended) or [self.epochs.at(self.looked[recommended])]
        spent_s = time.perf_counter() - self.begun_s
        return Tuning(
            recommended=arguments,
            line=line_to_copy(variants, arguments),
            throughput=Measurement.of("throughput", rates, self._unit),
            gain=gain,
            doubt=doubt,
            present=variants.present,
            diagnosis=diagnosis,
            remedies=remedies,
            candidates=self._candidates(),
            costs=seen.costs,
            batch_size=found.batch_size,
            batches=found.batches,
            step_s=step_s,
            data_wait_share=wait_share,
            epoch_start_s=found.start_s,
            start_method=variants.start_method,
            ranks=variants.ranks,
            machine=here,
            seconds_spent=spent_s,
            warnings=tuple(notes(self.epochs, recommended, self.looked, spent_s, self.needed_s)),
        )

    def undecided(self) -> list[Settings]:
        """The settings among which more rounds may well change the pick; none where it is settled.

        That is where another choice would be so much faster that it should not be missed, if its ratio lay
        half-way to the upper end of its interval.
        """
        chosen, present, timed = self._pick(), self.variants.present, self.epochs.timed.arms
        if self._remembered:  # and rounds tell nothing
            return []
        ratios = {each: self._against(each, chosen) for each in self._choices if each != chosen}
        rivals = {each for each, ratio in ratios.items() if ratio.median * ratio.bounds[1] >= MUCH**2}
        restarted = {present} & timed.keys() if steady(present) in {*rivals, chosen} else set()
        return sorted({*rivals, chosen, *restarted}) if rivals else []

    @property
    def _unit(self) -> str:
        """Where a stream makes its own batches, nobody knows how many items are in one."""
        is_told = self.variants.loader.batch_sampler is not None or not self.variants.is_streaming
        return "items/s" if is_told else "batches/s"

    @property
    def _choices(self) -> list[Settings]:
        return [each for each in self.epochs.timed.arms if each in self.found.choices]

    def _pick(self) -> Settings:
        """The smallest choice within 3% of the best.

        As many workers as now, or more, are recommended only if they gain for certain. Where items were
        remembered, what the probe saw decides, among all that were tried.
        """
        if self._remembered:
            rates = {each: self.found.rates[each] for each in self.looked if each in self.found.choices}
            return min(each for each in rates if rates[each] >= CLOSE * max(rates.values()))
        ratios = {each: self._against(each, self._best) for each in self._choices}
        chosen = pick({each: (ratio.median, ratio.bounds[1]) for each, ratio in ratios.items()})
        kept = steady(self.variants.present)
        if chosen.num_workers >= kept.num_workers and kept in ratios and chosen != kept:
            gain = self._against(chosen, kept)
            if gain.bounds[0] <= 1 or gain.median < WORTH_CHANGING:
                return kept
        return chosen

    @cached_property
    def _best(self) -> Settings:
        return max(self._choices, key=lambda each: median(self.epochs.rates(each)))

    @property
    def _is_contended(self) -> bool:
        """Whether many workers do not get on, though one, or none, was as fast as the probe explains."""
        most = max(each.num_workers for each in self.looked)
        few = [each for each in self.looked if each.num_workers <= 1]
        many = [each for each in self.looked if each.num_workers >= max(2, most / 2)]
        if not few or not many:
            return False
        gain = median(self.looked[each] for each in many) / max(self.looked[each] for each in few)
        explained = median(map(self._explained, many)) / max(map(self._explained, few))
        return gain < FEW_TIMES and explained < 1 / FAR

    def _against(self, settings: Settings, other: Settings) -> Measurement:
        if settings == other:
            return Measurement.of("against_best", [1.0], "×")
        return sequential_ratio("against_best", self.epochs.rates(settings), self.epochs.rates(other))

    def _explained(self, settings: Settings) -> float:
        """What was measured, times what the probe in a worker explains."""
        return self.looked[settings] / self.found.rates[settings]

    @property
    def _remembered(self) -> float:
        """How many times as fast batches came as loading explains, if it is many times; else 0.

        Few items of a dataset may be slow, and the probe have met them by chance: usual ones are faster.
        """
        items = self.found.seen.costs.item_s
        times = self._explained(self._best) * min(1.0, median(items) / fmean(items))
        return times if times > FAR else 0.0

    def _gain(self, recommended: Settings) -> Measurement | None:
        """The throughput of the recommended settings over the present ones', for epochs as they are."""
        now = self.epochs.rates(self.variants.present)
        if self._doubt(recommended) or not now:
            return None
        if recommended == self.variants.present:
            return Measurement.of("gain", [1.0], "×")
        return sequential_ratio("gain", self.epochs.rates(recommended), now)

    def _expected(self, recommended: Settings) -> tuple[float, float, float]:
        """The gain by the probe, where none was measured, or none to believe."""
        gain = self.found.rates[recommended] / self.found.rates[steady(self.variants.present)]
        return gain, gain, gain

    def _doubt(self, recommended: Settings) -> str:
        """Where what was measured is far from what one worker showed."""
        times = self._remembered
        rounds, disturbed = len(self.epochs.timed.arms[self._best]), self.epochs.timed.disturbed or 0
        if 2 * disturbed > rounds and (times or 1 / self._explained(recommended) > FAR):
            return (
                f"No gain is promised: other programs computed during {disturbed} of {rounds} rounds. End "
                "them, and run this again."
            )
        if times:
            return (
                f"No gain is promised: batches came {times:.0f}× as fast as loading explains, so items are "
                "remembered, as by a cache. The settings are for items that are not."
            )
        if (times := 1 / self._explained(recommended)) > FAR:
            return (
                f"No gain is promised: batches took {times:.0f}× as long as one worker explains, so workers "
                "wait for each other, or for what else runs here."
            )
        return ""

    def _candidates(self) -> tuple[Candidate, ...]:
        rows = []
        for each in sorted({*self.looked, *self.found.choices, self.variants.present}):
            if (kept := steady(each)) not in self.found.rates:
                continue
            measured = against = None
            if rates := self.epochs.rates(each):
                measured = Measurement.of("items_per_s", rates, self._unit)
                against = self._against(each, self._best)
            elif kept in self.looked:
                measured = Measurement.of("items_per_s", [self.epochs.at(self.looked[kept])], self._unit)
            predicted = self.epochs.at(self.found.rates[kept])
            rows.append(Candidate(each, predicted, measured, against, self.memory_mb.get(each.num_workers)))
        return tuple(rows)
