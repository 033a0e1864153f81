"""Whole epochs, as training has them, by what slices of them showed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from spritedocs.model import Settings
from spritedocs.timing import Comparison
from spritedocs.tuning.candidates import steady
from spritedocs.tuning.prospects import Prospects

__all__ = ["WholeEpochs"]


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
