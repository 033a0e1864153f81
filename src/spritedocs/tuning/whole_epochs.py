"""Epochs of the present settings as they are in training, where a part of each was timed."""

from __future__ import annotations

from typing import NamedTuple

from spritedocs.model import Settings
from spritedocs.timing import Comparison
from spritedocs.tuning.candidates import steady
from spritedocs.tuning.trials import label

__all__ = ["WholeEpoch", "whole_epochs"]


class WholeEpoch(NamedTuple):
    """One epoch."""

    items: float
    total_s: float
    wait_s: float
    """Seconds in which the training loop waited for the loader."""

    @property
    def items_per_s(self) -> float:
        """Items per second, the start of its workers included."""
        return self.items / self.total_s

    @property
    def data_wait_share(self) -> float:
        """The share of the epoch, 0 to 1, in which the training loop waited."""
        return self.wait_s / self.total_s


def whole_epochs(timed: Comparison, present: Settings, items: float) -> list[WholeEpoch]:
    """The epochs with the ``present`` settings, one a round, of ``items`` items each.

    Workers that stay show their pace in a part, which then stands for the whole. Workers that start anew
    are started once in an epoch, however short the timed part is: the rest of the epoch goes on as with
    workers that stay, which were timed in the same round.
    """
    started = timed.arms[label(present)]
    if present == steady(present):
        return [
            WholeEpoch(epoch.items, epoch.total_s, epoch.data_wait_share * epoch.total_s) for epoch in started
        ]
    found = []
    for begun, running in zip(started, timed.arms[label(steady(present))], strict=True):
        rest_s = max(0.0, items - begun.items) / running.items_per_s
        waited_s = begun.data_wait_share * begun.total_s + running.data_wait_share * rest_s
        found.append(WholeEpoch(max(items, begun.items), begun.total_s + rest_s, waited_s))
    return found
