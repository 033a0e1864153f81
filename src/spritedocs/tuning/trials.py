"""Measuring settings against each other: several in a first look, the likeliest thoroughly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import Any

from torch.utils.data import DataLoader

from spritedocs.machine import NotHere
from spritedocs.model import Costs, Settings
from spritedocs.timing import Comparison, Loader, compare, dismiss
from spritedocs.tuning.peak_memory import peak_worker_memory_mb
from spritedocs.tuning.variants import Variants

__all__ = ["Lengths", "Trials", "label", "scatter"]

EPOCH_S = 0.08
"""How long an epoch should take: above ``timing.SHORTEST_EPOCH_S``, and short enough for many rounds."""
WHOLE_S = 0.12
"""An epoch as short as this is measured whole."""
FEWEST_BATCHES = 8
FILLINGS = 4
"""How often an epoch has to fill the batches that are fetched ahead, to show the pace and not the start."""
EVEN = 0.03
"""So little may the items of a short epoch differ from those of a long one, by their scatter."""


def label(settings: Settings) -> str:
    """The name of an arm.

    Examples:
        >>> label(Settings(4, 8, True)), label(Settings(2, 2, False))
        ('4 workers, prefetch 8', '2 workers, prefetch 2, new each epoch')
    """
    if not settings.num_workers:
        return "no workers"
    new = "" if settings.persistent_workers else ", new each epoch"
    return f"{settings.num_workers} workers, prefetch {settings.prefetch_factor}{new}"


@dataclass(frozen=True)
class Lengths:
    """How many batches an epoch has for each setting; ``None`` for all of them."""

    batches: Mapping[Settings, int | None]
    batch_size: float

    @classmethod
    def of(
        cls,
        costs: Costs,
        rates: Mapping[Settings, float],
        whole: int | None,
        batch_size: float,
        epoch_s: float = EPOCH_S,
    ) -> Lengths:
        """For settings of which ``rates`` (items per second) are expected, of epochs with ``whole`` batches.

        ``batch_size`` is how many items of ``rates`` are in a batch, on average.

        Each setting's epoch lasts about as long. Where items differ, it has so many that their differences
        even out, or as many as all others have.
        """
        spread = pstdev(costs.item_s) / (fmean(costs.item_s) or 1)
        even = math.ceil((spread / EVEN) ** 2 / costs.batch_size)
        fewest = max(FILLINGS * each.num_workers * each.prefetch_factor for each in rates)
        best = max(rates.values())
        alike = max(FEWEST_BATCHES, fewest, math.ceil(epoch_s * best / batch_size))
        found: dict[Settings, int] = {}
        for each, rate in rates.items():
            own = max(
                FEWEST_BATCHES,
                FILLINGS * each.num_workers * each.prefetch_factor,
                math.ceil(epoch_s * rate / batch_size),
            )
            found[each] = min(alike, max(own, even))
        if whole is None:
            return cls(found, batch_size)
        short = whole * batch_size / best <= WHOLE_S
        cut = {each: None if (short and n == alike) or n >= whole else n for each, n in found.items()}
        return cls(cut, batch_size)

    def with_one(self, settings: Settings, like: Settings) -> Lengths:
        """These, and for ``settings`` as many batches as ``like`` has."""
        return replace(self, batches={**self.batches, settings: self.batches[like]})


class Trials:
    """Loaders for several settings, whose workers stay from one measurement to the next.

    If they are ``crowded``, because all of them together would not fit into memory, only one loader at a time
    has workers: each epoch that is timed then follows one of the same loader that is not.
    """

    def __init__(
        self,
        variants: Variants,
        lengths: Lengths,
        step: Callable[[Any], object] | None = None,
        timeout_s: float = 30.0,
        crowded: bool = False,
    ) -> None:
        self.variants, self.lengths, self.step, self.timeout_s = variants, lengths, step, timeout_s
        self.crowded = crowded
        self._memory_mb: dict[Settings, float | None] = {}
        self._loaders: dict[Settings, DataLoader[Any]] = {}

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *_: object) -> None:
        for loader in self._loaders.values():
            dismiss(loader)
        self._loaders.clear()

    def run(
        self, settings: Iterable[Settings], rounds: int, told: Callable[[int, int], object] | None = None
    ) -> Comparison:
        """Interleaved epochs of ``settings``, named by ``label``.

        After a round that is thrown away, unless all that stays has run before.
        """
        wanted = list(settings)
        running = set(self._loaders)
        for gone in running - set(wanted):
            dismiss(self._loaders.pop(gone))
        arms = {label(each): self._arm(each) for each in wanted}
        are_warm = set(self._loaders) <= running
        timed = compare(arms, rounds, step=self.step, warmup=not are_warm, progress=told)
        for why_not in timed.missing.values():
            raise NotHere(why_not)
        self._memory_mb |= {each: peak_worker_memory_mb(loader) for each, loader in self._loaders.items()}
        return timed

    def memory_mb(self, settings: Settings) -> float | None:
        """The most that any worker was seen to have held for itself, in MB; ``None`` without."""
        return self._memory_mb.get(settings)

    def _arm(self, settings: Settings) -> Loader | Callable[[], Loader]:
        def make() -> DataLoader[Any]:
            return self.variants.make(
                settings, batches=self.lengths.batches[settings], timeout_s=self.timeout_s
            )

        def make_and_warm_up() -> DataLoader[Any]:
            loader = make()
            for _ in loader:
                pass
            self._memory_mb[settings] = peak_worker_memory_mb(loader)
            return loader

        if settings.num_workers and not settings.persistent_workers:
            return make
        if settings.num_workers and self.crowded:
            return make_and_warm_up
        if settings not in self._loaders:
            self._loaders[settings] = make()
        return self._loaders[settings]


def scatter(comparison: Comparison) -> tuple[float, int]:
    """The variance of the logarithm of a ratio of two arms' throughput, from all of them, and the
    degrees of freedom that are behind it.

    What is left of the logarithms once each arm's and each round's mean is taken off.
    """
    logs = [[math.log(epoch.items_per_s) for epoch in epochs] for epochs in comparison.arms.values()]
    freedom = (len(logs) - 1) * (len(logs[0]) - 1)
    if not freedom:
        return 0.0, 0
    arms = [fmean(row) for row in logs]
    rounds = [fmean(column) for column in zip(*logs, strict=True)]
    whole = fmean(arms)
    left = _squares(logs, arms, rounds, whole)
    return 2 * left / freedom, freedom


def _squares(
    logs: Sequence[Sequence[float]], arms: Sequence[float], rounds: Sequence[float], whole: float
) -> float:
    return sum(
        (value - arm - column + whole) ** 2
        for row, arm in zip(logs, arms, strict=True)
        for value, column in zip(row, rounds, strict=True)
    )
