"""Whole epochs, as training has them, by what slices of them showed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

from spritedocs.model import Settings
from spritedocs.report import Measurement
from spritedocs.timing import Comparison
from spritedocs.tuning.candidates import steady
from spritedocs.tuning.prospects import Prospects

__all__ = ["LOOKS", "WholeEpochs", "joined", "sequential_ratio"]

LOOKS = (6, 12, 24)
"""After so many rounds the search looks whether the answer is settled, and ends if it is."""


@dataclass(frozen=True)
class WholeEpochs:
    """Epochs of the arms of ``timed``, one a round: their start, and then the pace that the round showed."""

    found: Prospects
    timed: Comparison
    leads: Sequence[float]
    """Seconds until new workers have each loaded a batch, and to end them, with the present settings."""
    whole: bool
    """Whether slices were whole epochs."""

    def rates(self, settings: Settings) -> list[float]:
        """Items per second in each round; none of settings that were not measured."""
        return [self._items / epoch_s for epoch_s, _ in self._spans(settings)]

    def wait_share(self, settings: Settings) -> float | None:
        """The share of an epoch, 0 to 1, in which the training loop waits; ``None`` if that is not known."""
        spans = self._spans(settings)
        return median(wait_s / epoch_s for epoch_s, wait_s in spans) if spans else None

    def at(self, items_per_s: float) -> float:
        """Items per second of a whole epoch, if its slices have so many."""
        return self._items / (self._start_s + self._items / items_per_s)

    def _spans(self, settings: Settings) -> list[tuple[float, float]]:
        """Seconds, and those of waiting. Workers that start anew then go on as those that stay."""
        kept = settings if self.whole else steady(settings)
        leads, batches, spans = itertools.cycle(self.leads or [0.0]), self.found.batches, []
        for seen in self.timed.arms.get(kept, ()):
            begin_s, rest_s = self._start_s, self._items / seen["items_per_s"]
            if settings != kept and batches:
                begin_s += next(leads)
                rest_s *= max(0.0, 1 - settings.num_workers / batches)
            elif batches:
                begin_s += seen.get("once_s", 0.0)
            spans.append((begin_s + rest_s, begin_s + seen["wait_share"] * rest_s))
        return spans

    @property
    def _items(self) -> float:
        return (self.found.batches or 1) * self.found.batch_size

    @property
    def _start_s(self) -> float:
        """As far as slices do not have it; of an epoch that is endless, or may be, nothing."""
        start_s = self.found.seen.drawing_start_s if self.whole else self.found.start_s
        return start_s if self.found.batches else 0.0


def sequential_ratio(name: str, above: Sequence[float], below: Sequence[float]) -> Measurement:
    """The ratio in the rounds that both took part in, with an interval that a search may look at.

    A search that ends as soon as the interval says enough ends at a lucky moment: of such 95% intervals only
    some 91% hold a true gain of 4%, as ``tests/tuning/test_whole_epochs.py`` shows. So each is that of
    1 - 5% / 3, for three looks, and by Bonferroni the true ratio is in it in 95% of all searches at least,
    whichever look ended them.
    """
    found = Measurement.of(name, [one / other for one, other in zip(above, below, strict=False)], "×")
    if found.interval is None or len(set(found.samples)) == 1:
        return found
    from scipy.special import stdtrit  # here, as in spritedocs.report.intervals

    logs, count = list(map(math.log, found.samples)), len(found.samples)
    reach = float(stdtrit(count - 1, 1 - 0.025 / len(LOOKS))) * stdev(logs) / math.sqrt(count)
    low, high = math.exp(fmean(logs) - reach), math.exp(fmean(logs) + reach)
    return replace(found, interval=(min(low, found.median), max(high, found.median)))


def joined(one: Comparison, more: Comparison) -> Comparison:
    """Both, one after the other; what left before has fewer rounds."""
    return Comparison(
        {each: found for each, taken in one.arms.items() if (found := taken + more.arms.get(each, ()))},
        retaken=one.retaken + more.retaken,
        disturbed=None if one.disturbed is None or more.disturbed is None else one.disturbed + more.disturbed,
    )
