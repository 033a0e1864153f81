"""From what a search measured to what it recommends."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any, NamedTuple

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.report import Measurement
from spritedocs.timing import Comparison
from spritedocs.tuning.candidates import CLOSE, pick, steady
from spritedocs.tuning.diagnosis import Situation, diagnose
from spritedocs.tuning.probes import loads_whole_batches
from spritedocs.tuning.prospects import Prospects
from spritedocs.tuning.result import Candidate, Tuning
from spritedocs.tuning.situations import WORTH_CHANGING

__all__ = ["Outcome"]

MUCH = 1.05
"""What is this many times as fast should not be missed."""
FAR = 3.0
"""What was measured is this many times what the probe explains, or less than one of so many parts."""


class Epoch(NamedTuple):
    """A whole epoch with some settings, by what one round showed."""

    items: float
    total_s: float
    wait_s: float
    """Seconds in which the training loop waited for the loader."""

    @property
    def items_per_s(self) -> float:
        """Items per second, the start of the epoch included."""
        return self.items / self.total_s


@dataclass(frozen=True)
class Outcome:
    """What was measured; ``tuning`` decides."""

    prospects: Prospects
    final: Comparison
    finalists: list[Settings]
    looked: Mapping[Settings, float]
    """Items per second of all that were tried, when they were last tried before the final."""
    leads: Sequence[float]
    """Seconds of an epoch of the present settings until new workers have each loaded a batch, and to end them."""
    whole: bool
    """Whether epochs were measured whole."""
    memory_mb: Mapping[int, float]
    begun_s: float
    needed_s: float = 0.0
    """So much longer it would have taken to be sure."""

    def tuning(self) -> Tuning:
        """The result."""
        found = self.prospects
        variants, seen = found.variants, found.seen
        recommended = self._pick()
        gain = self._gain(recommended)
        arguments = _arguments(recommended)
        if variants.is_asked_for and recommended.num_workers:
            arguments["multiprocessing_context"] = variants.start_method
        here = machine.describe()
        situation = Situation(
            costs=seen.costs,
            present=self._present,
            recommended=recommended,
            batches=variants.batches,
            step_s=found.step_s,
            step_cpu_share=found.step_cpu_share,
            wait_share_present=self._wait_share,
            gain=(gain.bounds[0], gain.median, gain.bounds[1]) if gain else (1.0, 1.0, 1.0),
            limited_by_memory=found.limited_by_memory,
            logical_cores=here.logical_cores,
            tensors_per_batch=seen.tensors_per_batch,
            bytes_per_batch=seen.bytes_per_batch,
            empty_handover_s=seen.empty_handover_s,
            in_order=variants.in_order,
            epoch_start_s=found.start_s,
            is_streaming=variants.is_streaming,
            loads_whole_batches=loads_whole_batches(variants.loader.dataset),
            workers_wait_for_each_other=self._workers_wait_for_each_other,
        )
        diagnosis, remedies = diagnose(situation)
        candidates = self._candidates()
        rates = self._epoch_rates(recommended) or [self._of_epoch(self.looked[recommended])]
        return Tuning(
            recommended=arguments,
            line=self._line(arguments),
            throughput=Measurement.of("throughput", rates, self._unit),
            gain=gain,
            doubt=self._doubt(recommended),
            present=self._present,
            diagnosis=diagnosis,
            remedies=remedies,
            candidates=candidates,
            costs=seen.costs,
            prediction_error=_prediction_error(candidates),
            batch_size=found.batch_size,
            batches=variants.batches,
            step_s=found.step_s,
            data_wait_share=self._wait_share,
            epoch_start_s=found.start_s,
            start_method=variants.start_method,
            machine=here,
            seconds_spent=time.perf_counter() - self.begun_s,
            warnings=self._warnings(),
        )

    @property
    def is_open(self) -> bool:
        """Whether more rounds may well change the pick.

        By the intervals, another choice may be so much faster that it should not be missed; or workers that
        are recommended gain too little to be sure. Or a smaller choice seems as good, but not surely.
        """
        chosen, kept = self._pick(), steady(self._present)
        for each in self.finalists:
            if each not in self.prospects.choices or each == chosen:
                continue
            ratio = self._against(each, chosen)
            # A gain gets a second chance to show; so it also gets one to prove luck.
            most = 1 / WORTH_CHANGING if each == kept < chosen else MUCH
            if ratio.bounds[1] >= most or (each < chosen and ratio.median >= CLOSE):
                return True
        return False

    @property
    def _present(self) -> Settings:
        return self.prospects.variants.present

    @property
    def _unit(self) -> str:
        loader = self.prospects.variants.loader
        batched = loader.batch_sampler is not None or not self.prospects.variants.is_streaming
        return "items/s" if batched else "batches/s"

    def _pick(self) -> Settings:
        """The smallest of the finalists within 3% of the best. Workers that start anew are no choice.

        More workers than now are recommended only if they gain for certain. Where items were remembered, what
        the probe saw decides among all that were tried.
        """
        if self._items_are_remembered:
            rates = {each: self.prospects.rates[each] for each in self._choices(self.looked)}
            return min(each for each in rates if rates[each] >= CLOSE * max(rates.values()))
        against = {}
        for each in self._choices(self.finalists):
            ratio = self._against(each, self._best)
            against[each] = (ratio.median, ratio.bounds[0])
        chosen, kept = pick(against), steady(self._present)
        if chosen.num_workers > kept.num_workers and kept in against:
            gain = self._against(chosen, kept)
            if gain.bounds[0] <= 1 or gain.median < WORTH_CHANGING:
                return kept
        return chosen

    def _choices(self, settings: Any) -> list[Settings]:
        return [each for each in settings if each in self.prospects.choices]

    @property
    def _best(self) -> Settings:
        return max(self._choices(self.finalists), key=lambda each: median(self._epoch_rates(each)))

    def _against(self, settings: Settings, other: Settings) -> Measurement:
        if settings == other:
            return Measurement.of("against_best", [1.0], "×")
        return _ratio("against_best", self._epoch_rates(settings), self._epoch_rates(other))

    # -- epochs ----------------------------------------------------------------------------------------

    def _epochs(self, settings: Settings) -> list[Epoch]:
        """Whole epochs, one a round: their start, and the rest at the pace that the round showed.

        Workers that start anew do so once in an epoch, and go on as those that stay.
        """
        kept = settings if self.whole else steady(settings)
        found = self.prospects
        batches, batch_size = found.variants.batches, found.batch_size
        leads = itertools.cycle(self.leads or [0.0])
        start_s = found.seen.drawing_start_s if self.whole else found.start_s
        epochs = []
        for rate, share in zip(
            self.final.samples(kept, "items_per_s") if kept in self.final.arms else (),
            self.final.samples(kept, "wait_share") if kept in self.final.arms else (),
            strict=True,
        ):
            items = (batches or 1) * batch_size
            begin_s, rest_s = (start_s, items / rate) if batches else (0.0, items / rate)
            if settings != kept and batches:
                begin_s += next(leads)
                rest_s *= max(0.0, 1 - settings.num_workers / batches)
            epochs.append(Epoch(items, begin_s + rest_s, begin_s + share * rest_s))
        return epochs

    def _epoch_rates(self, settings: Settings) -> list[float]:
        return [epoch.items_per_s for epoch in self._epochs(settings)]

    def _of_epoch(self, items_per_s: float) -> float:
        """Items per second of whole epochs, by those of a slice."""
        found = self.prospects
        if found.variants.batches is None:
            return items_per_s
        items = found.variants.batches * found.batch_size
        return items / (found.start_s * (not self.whole) + items / items_per_s)

    @cached_property
    def _now(self) -> list[Epoch]:
        return self._epochs(self._present)

    @property
    def _wait_share(self) -> float:
        """Of an epoch as it is with the present settings; of the recommended ones where those cannot load."""
        epochs = self._now or self._epochs(self._pick())
        return median([epoch.wait_s / epoch.total_s for epoch in epochs] or [1.0])

    # -- what is said ----------------------------------------------------------------------------------

    def _gain(self, recommended: Settings) -> Measurement | None:
        """The throughput of the recommended settings over the present ones', for epochs as they are."""
        if self._doubt(recommended) or not self._now:
            return None
        if recommended == self._present:
            return Measurement.of("gain", [1.0], "×")
        return _ratio("gain", self._epoch_rates(recommended), [epoch.items_per_s for epoch in self._now])

    def _explained(self, settings: Settings) -> float:
        """What was measured, times what the probe in a worker explains."""
        measured = self.final.samples(settings, "items_per_s") if settings in self.final.arms else ()
        rate = median(measured or [self.looked[settings]])
        return rate / self.prospects.rates[settings]

    @cached_property
    def _items_are_remembered(self) -> bool:
        return any(self._explained(each) > FAR for each in self._choices(self.finalists))

    @cached_property
    def _workers_wait_for_each_other(self) -> bool:
        tried = [each for each in self._choices(self.looked) if each.num_workers > 1]
        if not tried or self._items_are_remembered:
            return False
        return self._explained(max(tried, key=lambda each: self.prospects.rates[each])) < 1 / FAR

    def _doubt(self, recommended: Settings) -> str:
        if self._items_are_remembered:
            times = max(self._explained(each) for each in self._choices(self.finalists))
            return (
                f"No gain is promised: batches came {times:.0f}× as fast as loading explains, so items are "
                "remembered, as by a cache. The settings are for items that are not."
            )
        if recommended in self.looked and self._explained(recommended) < 1 / FAR:
            times = 1 / self._explained(recommended)
            return (
                f"No gain is promised: batches came {times:.0f}× as slowly as one worker alone explains, so "
                "workers wait for each other, or for what else runs here."
            )
        return ""

    def _candidates(self) -> tuple[Candidate, ...]:
        found, rows = self.prospects, []
        for each in sorted({*self.looked, *self.finalists, *found.rates, self._present}):
            kept = steady(each)
            if kept not in found.rates or (kept not in self.looked and each not in found.choices):
                continue
            measured = against = None
            if rates := self._epoch_rates(each) if each in {*self.finalists, self._present} else []:
                measured = Measurement.of("items_per_s", rates, self._unit)
                against = self._against(each, self._best)
            elif each in self.looked:
                measured = Measurement.of("items_per_s", [self._of_epoch(self.looked[each])], self._unit)
            predicted = self._of_epoch(found.rates[kept])
            rows.append(Candidate(each, predicted, measured, against, self.memory_mb.get(each.num_workers)))
        return tuple(rows)

    def _line(self, arguments: Mapping[str, Any]) -> str:
        variants = self.prospects.variants
        undone = {} if arguments["num_workers"] else variants.only_for_workers
        given = [f"{name}={value!r}" for name, value in {**arguments, **undone}.items()]
        if variants.is_loader:
            return f"DataLoader(..., {', '.join(given)})"
        order = [] if variants.is_streaming else ["shuffle=True"]
        if variants.is_huge:
            order = ["sampler=RandomSampler(dataset, replacement=True)"]
        size = [f"batch_size={variants.loader.batch_size}"]
        return f"DataLoader(dataset, {', '.join([*size, *order, *given])})"

    def _warnings(self) -> tuple[str, ...]:
        found = [*getattr(self.prospects.variants, "notes", ())]
        rounds = len(next(iter(self.final.arms.values())))
        if failure := self.prospects.seen.fails_alone:
            found.append(f"Without workers the dataset fails ({failure}): 0 workers was left out.")
        if self.prospects.delivers_copies:
            found.append(
                "Every worker would deliver the whole stream, as it does not ask which one it is: so more "
                "than 1 worker was left out. Divide the items by torch.utils.data.get_worker_info() to use more."
            )
        if self.needed_s:
            spent_s = time.perf_counter() - self.begun_s
            enough_s = math.ceil((spent_s + 1.2 * self.needed_s) / 10) * 10
            found.append(
                f"The best so far: the time allowed {rounds} round{'s' * (rounds != 1)}, too few to be sure. "
                f"Give a budget of {enough_s} s."
            )
        if self.final.disturbed:
            found.append(
                f"Other programs computed during {self.final.disturbed} of {rounds} rounds: end them, and "
                "run this again."
            )
        return tuple(found)


def _ratio(name: str, above: Sequence[float], below: Sequence[float]) -> Measurement:
    return Measurement.of(name, [one / other for one, other in zip(above, below, strict=True)], "×")


def _arguments(settings: Settings) -> dict[str, Any]:
    if not settings.num_workers:
        return {"num_workers": 0}
    return {**settings._asdict(), "persistent_workers": True}


def _prediction_error(candidates: tuple[Candidate, ...]) -> float | None:
    missed = [
        abs(each.predicted_items_per_s / each.measured.median - 1)
        for each in candidates
        if each.measured is not None and each.settings == steady(each.settings)
    ]
    return median(missed) if missed else None
