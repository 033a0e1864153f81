"""The loader of a dataset that comes without one."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, RandomSampler

from spritedocs.tuning.failures import too_short

__all__ = ["BATCH_SIZE", "loader_of"]

BATCH_SIZE = 32
"""The batch size if none is asked for."""

LARGEST_BATCH = 1_000_000  # A list of so many indices still takes only some megabytes.
MOST_SHUFFLED = 10_000_000
"""To shuffle, torch makes a list of all indices in each epoch: some 40 bytes for each of them."""


def loader_of(dataset: Any, batch_size: int | None = None, ranks: int = 1) -> DataLoader[Any]:
    """A loader without workers, shuffled if map-style; the first one's of so many ``ranks``.

    Raises ``ValueError`` for a batch size that is none, and for a dataset without items.
    """
    size = BATCH_SIZE if batch_size is None else batch_size
    if not isinstance(size, int) or not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"batch_size is {size!r}: give a whole number from 1 to {LARGEST_BATCH:,}")
    if isinstance(dataset, IterableDataset):
        return DataLoader(dataset, size)
    if len(dataset) == 0:  # RandomSampler's own words would speak of num_samples
        raise ValueError(too_short(0, 0))
    if len(dataset) > MOST_SHUFFLED:
        return DataLoader(dataset, size, sampler=RandomSampler(dataset, replacement=True))
    if ranks > 1:
        return DataLoader(dataset, size, sampler=DistributedSampler(dataset, ranks, rank=0))
    return DataLoader(dataset, size, shuffle=True)
