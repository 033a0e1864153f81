"""From what a search measured to what it recommends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.report import FEWEST_SAMPLES, Measurement
from spritedocs.timing import Comparison
from spritedocs.tuning.candidates import CLOSE, pick, steady
from spritedocs.tuning.diagnosis import Situation, diagnose
from spritedocs.tuning.result import Candidate, Tuning
from spritedocs.tuning.situations import WORTH_CHANGING
from spritedocs.tuning.trials import label
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import WholeEpoch, whole_epochs
from spritedocs.tuning.world import World

__all__ = ["Outcome"]

MUCH = 1.05
"""What is this many times as fast should not be missed."""


@dataclass(frozen=True)
class Outcome:
    """What was measured; ``tuning`` decides."""

    variants: Variants
    world: World
    first: Comparison
    final: Comparison
    looked: Mapping[Settings, float]
    memory_mb: Mapping[Settings, float | None]
    finalists: list[Settings]
    begun_s: float

    def tuning(self) -> Tuning:
        """The result."""
        variants, world = self.variants, self.world
        recommended = self._pick()
        gain = self._gain(recommended)
        present = variants.present
        arguments = _arguments(recommended)
        if variants.is_asked_for and recommended.num_workers:
            arguments["multiprocessing_context"] = variants.start_method
        here = machine.describe()
        situation = Situation(
            costs=world.costs,
            present=present,
            recommended=recommended,
            batches=self._batches,
            step_s=world.step_s,
            step_cpu_share=world.step_cpu_share,
            wait_share_present=self._wait_share,
            gain=(gain.bounds[0], gain.median, gain.bounds[1]),
            limited_by_memory=world.limited_by_memory,
            logical_cores=here.logical_cores,
            tensors_per_batch=world.seen.tensors_per_batch,
            bytes_per_batch=world.seen.bytes_per_batch,
            empty_handover_s=world.seen.empty_handover_s,
            in_order=variants.in_order,
        )
        diagnosis, remedies = diagnose(situation)
        candidates = self._candidates(situation)
        return Tuning(
            recommended=arguments,
            line=self._line(arguments),
            throughput=_throughput(self.final, recommended, "throughput"),
            gain=gain,
            present=present,
            diagnosis=diagnosis,
            remedies=remedies,
            candidates=candidates,
            costs=world.costs,
            prediction_error=_prediction_error(candidates),
            batch_size=world.costs.batch_size,
            batches=variants.batches,
            step_s=world.step_s,
            data_wait_share=self._wait_share,
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
            if each not in self.world.choices or each == chosen:
                continue
            ratio = self._against(each, chosen)
            # A gain gets a second chance to show; so it also gets one to prove luck.
            most = 1 / WORTH_CHANGING if each == kept < chosen else MUCH
            if ratio.bounds[1] >= most or (each < chosen and ratio.median >= CLOSE):
                return True
        return False

    @property
    def _present(self) -> Settings:
        return self.variants.present

    @property
    def _batches(self) -> int:
        """Of an epoch; where nobody knows, the most that a measured one had."""
        return self.world.batches or max(each.batches for arm in self.final.arms.values() for each in arm)

    def _pick(self) -> Settings:
        """The smallest of the finalists within 3% of the best. Workers that start anew are no choice.

        More workers than now are recommended only if they gain for certain.
        """
        against = {}
        best = self._best
        for each in self.finalists:
            if each in self.world.choices:
                ratio = self._against(each, best)
                against[each] = (ratio.median, ratio.bounds[0])
        chosen, kept = pick(against), steady(self._present)
        if chosen.num_workers > kept.num_workers and kept in against:
            gain = self._against(chosen, kept)
            if gain.bounds[0] <= 1 or gain.median < WORTH_CHANGING:
                return kept
        return chosen

    @property
    def _best(self) -> Settings:
        choices = [each for each in self.finalists if each in self.world.choices]
        return max(choices, key=lambda each: median(self._rates(each)))

    def _against(self, settings: Settings, other: Settings) -> Measurement:
        if settings == other:
            return Measurement.of("against_best", [1.0], "×")
        return _ratio("against_best", self._rates(settings), self._rates(other))

    def _rates(self, settings: Settings) -> list[float]:
        return self.final.samples(label(settings), "items_per_s")

    def _gain(self, recommended: Settings) -> Measurement:
        """The throughput of the recommended settings over the present ones', for epochs as they are."""
        if recommended == self._present:
            return Measurement.of("gain", [1.0], "×")
        return _ratio("gain", self._rates(recommended), [epoch.items_per_s for epoch in self._now])

    @property
    def _wait_share(self) -> float:
        """Of an epoch as it is with the present settings."""
        return median(epoch.data_wait_share for epoch in self._now)

    @cached_property
    def _now(self) -> list[WholeEpoch]:
        return whole_epochs(self.final, self._present, self._batches * self.world.batch_size)

    def _candidates(self, situation: Situation) -> tuple[Candidate, ...]:
        found = []
        if self._present != steady(self._present):
            found.append(self._new_in_each_epoch(situation))
        rates = {**self.world.rates}
        for each in sorted({*rates, *self.looked}):
            if each not in {*self.looked, *self.finalists} and each.prefetch_factor != 2:
                continue
            measured = against = None
            if each in self.finalists:
                measured = _throughput(self.final, each)
                against = self._against(each, self._best)
            elif each in self.looked:
                measured = _throughput(self.first, each)
            found.append(Candidate(each, rates[each], measured, against, self.memory_mb.get(each)))
        return tuple(sorted(found, key=lambda each: each.settings))

    def _new_in_each_epoch(self, situation: Situation) -> Candidate:
        """The present settings, whose workers start anew in each epoch."""
        rates = [epoch.items_per_s for epoch in self._now]
        return Candidate(
            self._present,
            self._batches * self.world.batch_size / situation.epoch_s(self._present),
            Measurement.of("items_per_s", rates, "items/s"),
            _ratio("against_best", rates, self._rates(self._best)),
            self.memory_mb.get(steady(self._present)),
        )

    def _line(self, arguments: Mapping[str, Any]) -> str:
        variants, undone = self.variants, {} if arguments["num_workers"] else self.variants.only_for_workers
        given = [f"{name}={value!r}" for name, value in {**arguments, **undone}.items()]
        if variants.is_loader:
            return f"DataLoader(..., {', '.join(given)})"
        order = [] if variants.is_streaming else ["shuffle=True"]
        if variants.is_huge:
            order = ["sampler=RandomSampler(dataset, replacement=True)"]
        size = [f"batch_size={variants.loader.batch_size}"]
        return f"DataLoader(dataset, {', '.join([*size, *order, *given])})"

    def _warnings(self) -> tuple[str, ...]:
        found = []
        rounds = len(next(iter(self.final.arms.values())))
        if self.final.disturbed:
            found.append(
                f"Other programs computed during {self.final.disturbed} of {rounds} rounds: end them, and "
                "run this again."
            )
        if rounds < FEWEST_SAMPLES:
            found.append(
                f"The budget allowed {rounds} rounds, too few for intervals: give a larger one to be sure."
            )
        if self.world.repeats:
            found.append(
                "Every worker delivers the whole stream: the dataset does not share its items out, so that "
                "an epoch with 2 workers has each item twice. Divide them by "
                "torch.utils.data.get_worker_info()."
            )
        return tuple(found)


def _throughput(timed: Comparison, settings: Settings, name: str = "items_per_s") -> Measurement:
    return Measurement.of(name, timed.samples(label(settings), "items_per_s"), "items/s")


def _ratio(name: str, above: Sequence[float], below: Sequence[float]) -> Measurement:
    return Measurement.of(name, [one / other for one, other in zip(above, below, strict=True)], "×")


def _arguments(settings: Settings) -> dict[str, Any]:
    if not settings.num_workers:
        return {"num_workers": 0}
    return {
        "num_workers": settings.num_workers,
        "prefetch_factor": settings.prefetch_factor,
        "persistent_workers": True,
    }


def _prediction_error(candidates: tuple[Candidate, ...]) -> float | None:
    missed = [
        abs(each.predicted_items_per_s / each.measured.median - 1)
        for each in candidates
        if each.measured is not None and each.settings.persistent_workers
    ]
    return median(missed) if missed else None
