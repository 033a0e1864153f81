"""The memory of a loader's workers over an epoch, from before they have read anything to its end.

A worker that has just been started is no beginning: it may still be importing, or unpickling its dataset. So
the first batches of a watched epoch are empty, as many as it takes for every worker to have delivered one
and to have been given nothing else when the first look is taken.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from spritedocs.machine import MemoryUse, NotHere, memory_of, memory_of_tree, needs, worker_pids
from spritedocs.timing.epochs import dismiss

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

__all__ = ["watch_memory"]

_Look = tuple[MemoryUse, ...]
"""What each worker had, by worker number."""


def watch_memory(
    loader: DataLoader[Any], *, looks: Sequence[float] = (0, 100), epochs: int = 1, freeze: bool = True
) -> dict[str, Any]:
    """Run ``loader`` with workers of its own, and say how much memory it took, in MB (10⁶ bytes).

    ``looks`` says when to look at the workers: at how many per cent of the batches, from 0, before any of
    them has read an item, to 100. What has been *read* is up to ``prefetch_factor`` batches a worker ahead
    of what has arrived. The answer suits an arm of ``race``, which takes the median of a list. There is a
    list, by worker, of each of these:

    - ``uss_at_0_mb`` and so on for each of ``looks``: what the worker had to itself;
    - ``uss_mb``, ``rss_mb``: what it had at the end of the first epoch;
    - ``growth_mb``, ``rss_growth_mb``: and how much more that is than at the first look;
    - ``later_growth_mb``, with several ``epochs``: what it gained from the first look of the second to the
      end, which takes ``persistent_workers``.

    And one number each: ``total_mb`` and ``rss_sum_mb`` are the PSS and the RSS of this process and all its
    descendants, added up, at the end of the first epoch, and ``rss_overcount`` is their quotient. Without
    workers the lists are left out. What the system does not tell is a ``NotHere`` that says so.

    ``freeze`` calls ``gc.freeze()`` before the workers start: else a full garbage collection in a forked one
    writes to whatever objects the main process has, and what it copies is not the dataset's doing.

    ``loader`` makes batches of a map-style dataset. It is left as it is: workers and batches are those of a
    copy, whose ``collate_fn`` never sees an empty batch. A ``__getitems__`` of the dataset has to bear one.

    Examples:
        >>> from torch.utils.data import DataLoader
        >>> sorted(watch_memory(DataLoader(range(8), batch_size=2)))
        ['rss_overcount', 'rss_sum_mb', 'total_mb']

    Raises ``NotHere`` if workers could hand nothing over, ``TypeError`` for a loader that cannot be watched,
    ``ValueError`` for other ``looks`` or ``epochs``. What the loader raises passes through, and its workers
    are gone then.
    """
    from torch.utils.data import IterableDataset  # here: who has a loader has imported it

    batches = getattr(loader, "batch_sampler", None)
    if batches is None or isinstance(loader.dataset, IterableDataset):
        raise TypeError(f"the loader is {loader!r:.60}: give a DataLoader that makes batches by a sampler")
    if list(looks) != sorted(set(looks)) or not looks or (looks[0], looks[-1]) != (0, 100):
        raise ValueError(f"the looks are {looks!r}: give per cent, from 0 to 100, in order")
    if loader.num_workers:
        needs("workers")
        if epochs > 1 and not loader.persistent_workers:
            raise ValueError(
                f"epochs is {epochs!r}, but its workers leave after each: make the loader with "
                "persistent_workers=True"
            )
    watched = _watched(loader)
    gc.collect()
    frozen = gc.get_freeze_count()
    if freeze:
        gc.freeze()
    try:
        first, tree = _epoch(watched, looks)
        later = [_epoch(watched, (0, 100))[0] for _ in range(epochs - 1)]
    finally:
        dismiss(watched)
        if freeze and not frozen:  # what others froze could not be told apart, and stays
            gc.unfreeze()
    found = _totals(tree)
    if loader.num_workers:
        for per_cent, look in zip(looks, first, strict=True):
            found[f"uss_at_{per_cent:g}_mb".replace(".", "_")] = _mb(look, "uss")
        found |= {"uss_mb": _mb(first[-1], "uss"), "rss_mb": _mb(first[-1], "rss")}
        found |= {"growth_mb": _growth(first, "uss"), "rss_growth_mb": _growth(first, "rss")}
        if later:
            found["later_growth_mb"] = _growth([later[0][0], later[-1][-1]], "uss")
    return found


class _EmptyFirst:
    """The batches of a sampler, after ``empty`` ones without an index."""

    def __init__(self, batches: Any, empty: int) -> None:
        self.batches, self.empty = batches, empty

    def __len__(self) -> int:
        return self.empty + len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return chain(repeat([], self.empty), self.batches)


class _Collate:
    """``collate`` for batches that hold something."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self.collate = collate

    def __call__(self, items: Any) -> Any:
        return self.collate(items) if items else None


def _watched(loader: DataLoader[Any]) -> DataLoader[Any]:
    # One batch for each worker to deliver, and what it fetches ahead meanwhile.
    empty = loader.num_workers * (1 + (loader.prefetch_factor or 0))
    twin = copy.copy(loader)
    # A loader does not let its sampler be set, and persistent workers are those of whoever started them.
    vars(twin).update(
        batch_sampler=_EmptyFirst(loader.batch_sampler, empty),
        collate_fn=_Collate(loader.collate_fn),
        _iterator=None,
    )
    return twin


def _epoch(loader: DataLoader[Any], looks: Sequence[float]) -> tuple[list[_Look], _Look]:
    """Run one epoch and look at the workers when it has come so far; at the end at all processes, too."""
    found: list[_Look] = []
    tree: _Look = ()
    iterator = iter(loader)
    pids = worker_pids(iterator)
    sampler: Any = loader.batch_sampler
    batches = len(sampler) - sampler.empty
    try:
        for arrived, _ in enumerate(iterator, 1):
            done = max(0, arrived - sampler.empty)
            # The first look waits until every worker has answered.
            while (
                arrived >= len(pids) and len(found) < len(looks) and 100 * done >= looks[len(found)] * batches
            ):
                found.append(tuple(memory_of(pid) for pid in pids))
            if done == batches:  # now: workers that are not persistent will be gone
                tree = memory_of_tree()
    except BaseException:
        dismiss(loader, iterator)
        raise
    return found, tree


def _mb(look: Sequence[MemoryUse], figure: str) -> list[float] | NotHere:
    """``figure`` ("uss", "pss", "rss") of each process; ``NotHere`` where one of them cannot be read."""
    found = [getattr(use, f"{figure}_mb") for use in look]
    return NotHere(look[found.index(None)].missing) if None in found else found


def _growth(looks: Sequence[_Look], figure: str) -> list[float] | NotHere:
    first, last = _mb(looks[0], figure), _mb(looks[-1], figure)
    if isinstance(first, NotHere) or isinstance(last, NotHere):
        return first if isinstance(first, NotHere) else last
    return [end - begin for begin, end in zip(first, last, strict=True)]


def _totals(tree: Sequence[MemoryUse]) -> dict[str, Any]:
    rss = sum(use.rss_mb for use in tree)
    shares = _mb(tree, "pss")
    if isinstance(shares, NotHere):
        return {"total_mb": shares, "rss_sum_mb": rss, "rss_overcount": shares}
    return {"total_mb": sum(shares), "rss_sum_mb": rss, "rss_overcount": rss / sum(shares)}
