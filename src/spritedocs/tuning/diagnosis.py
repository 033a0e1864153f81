"""What holds a loader up, and what would help: the model played again with one cost removed or changed.

The first line of this table that holds names the diagnosis: what holds the *present* settings up.

| diagnosis | holds where |
|---|---|
| `epoch-start` | a stream or a sampler takes 10% of an epoch, and 50 ms, or more before its first item |
| `consumer` | the training loop waits for less than 5% of the epoch, or 20% if there is nothing to gain |
| `startup` | workers are started for each epoch, and that takes 20% of it or more |
| `memory` | more workers did not fit into memory; with them, epochs would be 5% faster |
| `slow-sample` | samples of 20 times the median and 5 ms are 20% of the loading; without, 10% faster |
| `contention` | several workers were measured to load less than a third of what one alone explains, and \
a batch takes longer to load than an empty one to hand over |
| `handover` | workers win little or lose; handing over costs half of what loading does, and three times \
what a batch of one number costs; if it cost no more than that, 10% faster |
| `cores` | items compute; the machine has cores that may not be used, or only one; with all, or with two, \
epochs would be 15% faster, and more would be won than by workers |
| `nothing-to-gain` | the recommended settings win less than 3%, or nothing for certain, or are 0 workers |
| `waiting` | items that never wait would save more than items that never compute |
| `gil` | else, where half of the loading or more holds Python's lock |
| `cpu` | else |

Helpers win little where the recommended ones are less than 1.3 times as fast as none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from spritedocs.model import Settings
from spritedocs.tuning import situations as would_be
from spritedocs.tuning.remedies import Remedy, remedies
from spritedocs.tuning.situations import Situation, faster, is_slow_from_s

__all__ = ["DIAGNOSES", "Remedy", "Situation", "diagnose"]


def diagnose(situation: Situation) -> tuple[str, tuple[Remedy, ...]]:
    """Name the bottleneck, one of ``DIAGNOSES``, and what to do: the settings first, then the rest.

    Examples:
        Items that wait 10 ms each, and that four workers were measured to load 3.8 times as fast:

        >>> from spritedocs.model import Costs
        >>> found = Situation(
        ...     costs=Costs(item_s=(0.01,), item_cpu_s=(0.0,), batch_size=8, cores=2.0),
        ...     present=Settings(), recommended=Settings(4, 2, persistent_workers=True), batches=50,
        ...     step_s=0.0, step_cpu_share=0.0, wait_share_present=1.0, gain=(3.7, 3.8, 3.9),
        ...     limited_by_memory=False, logical_cores=2, empty_handover_s=0.001,
        ... )
        >>> name, told = diagnose(found)
        >>> name, told[0].says, told[0].gain
        ('waiting', 'Use num_workers=4, prefetch_factor=2, persistent_workers=True.', 3.8)
    """
    name = next(name for name, holds in _RULES.items() if holds(situation))
    return name, tuple(remedies(name, situation))


def _epoch_start(s: Situation) -> bool:
    return s.epoch_start_s >= max(0.1 * s.epoch_s(s.present), 0.05)


def _consumer(s: Situation) -> bool:
    return s.wait_share_present < (0.2 if _nothing_to_gain(s) else 0.05)


def _startup(s: Situation) -> bool:
    if s.batches is None or s.present.num_workers == 0 or s.present.persistent_workers:
        return False
    return would_be.without_starting(s).epoch_s(s.present) <= 0.8 * s.epoch_s(s.present)


def _memory(s: Situation) -> bool:
    return s.limited_by_memory and faster(s, would_be.with_more_workers) >= 1.05


def _slow_sample(s: Situation) -> bool:
    usual, slow = median(s.costs.item_s), is_slow_from_s(s.costs)
    lost_s = sum(whole - usual for whole in s.costs.item_s if whole >= slow)
    return lost_s > 0.2 * sum(s.costs.item_s) and faster(s, would_be.without_slow_samples) >= 1.1


def _handover(s: Situation) -> bool:
    tried = s.present if s.present.num_workers else s.recommended
    dear = s.handover_s >= max(0.5 * s.loading_s, 3 * s.empty_handover_s)
    if tried.num_workers == 0 or not dear or _workers_gain(s) >= 1.3:
        return False
    return s.epoch_s(tried) >= 1.1 * would_be.handed_over_as_one_number(s).epoch_s(tried)


def _cores(s: Situation) -> bool:
    few = s.costs.cores < s.logical_cores or s.costs.cores <= 1
    computes = sum(s.costs.item_cpu_s) >= 0.5 * sum(s.costs.item_s)
    return few and computes and faster(s, would_be.with_all_cores) >= max(1.15, _workers_gain(s))


def _nothing_to_gain(s: Situation) -> bool:
    return s.recommended.num_workers == 0 or not s.recommends_a_change


def _waiting(s: Situation) -> bool:
    return would_be.without_waiting(s).epoch_s(s.present) < would_be.without_computing(s).epoch_s(s.present)


_RULES: Mapping[str, Callable[[Situation], bool]] = {
    "epoch-start": _epoch_start,
    "consumer": _consumer,
    "startup": _startup,
    "memory": _memory,
    "slow-sample": _slow_sample,
    "contention": lambda s: s.contended and s.loading_s > s.empty_handover_s,
    "handover": _handover,
    "cores": _cores,
    "nothing-to-gain": _nothing_to_gain,
    "waiting": _waiting,
    "gil": lambda s: s.costs.gil_share >= 0.5,
    "cpu": lambda s: True,
}
DIAGNOSES = tuple(_RULES)
"""Every diagnosis, in the order in which they are tried."""


def _workers_gain(s: Situation) -> float:
    """How many times as fast the recommended workers are as none; measured, if those are the present ones."""
    if s.recommended.num_workers and s.present.num_workers == 0:
        return s.gain[1]
    return s.epoch_s(Settings()) / s.epoch_s(s.recommended)
