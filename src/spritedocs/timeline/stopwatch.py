"""The data set and the collate_fn of a traced loader, which note the time in the process that runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch.utils.data import get_worker_info

__all__ = ["Carried", "Collate", "Items", "Stopwatch", "Stream", "Wrapped"]

clock = time.perf_counter


class Stopwatch:
    """What data set and collate_fn, which run in the same process, share: when the batch was begun.

    They are pickled together, as arguments of one process, so that they share it in a worker too.
    """

    begun_s: float | None = None


class Carried(NamedTuple):
    """A batch on its way to the training loop, and when it was made by whom, as in ``tracing.Times``."""

    # torch pins a named tuple field by field and gives a named tuple back; of a plain tuple some of
    # its versions make a list.
    batch: Any
    worker: int
    begun_s: float
    loaded_s: float
    collated_s: float


class Wrapped:
    """A data set that passes for the one it wraps, but for what the subclasses note."""

    # Names that no data set has; and as there is no __dict__, vars() finds the inner one's.
    __slots__ = ("_spritedocs_inner", "_spritedocs_stopwatch")
    _spritedocs_inner: Any
    _spritedocs_stopwatch: Any

    def __init__(self, inner: Any, stopwatch: Any) -> None:
        object.__setattr__(self, "_spritedocs_inner", inner)
        object.__setattr__(self, "_spritedocs_stopwatch", stopwatch)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """That of the inner data set, for ``isinstance``."""
        return self._spritedocs_inner.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spritedocs_inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._spritedocs_inner, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._spritedocs_inner, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._spritedocs_inner, self._spritedocs_stopwatch)

    def __repr__(self) -> str:
        return repr(self._spritedocs_inner)

    def __len__(self) -> int:
        return len(self._spritedocs_inner)


class Items(Wrapped):
    """A map-style data set. A loader asks it for whole batches, or for items where it does not batch."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        self._spritedocs_stopwatch.begun_s = clock()
        return self._spritedocs_inner[index]

    def __getitems__(self, indices: Any) -> Any:
        self._spritedocs_stopwatch.begun_s = clock()
        inner = self._spritedocs_inner
        # As torch's fetcher asks; see torch/utils/data/_utils/fetch.py.
        if hasattr(inner, "__getitems__") and inner.__getitems__:
            return inner.__getitems__(indices)
        return [inner[index] for index in indices]


class Stream(Wrapped):
    """An iterable-style data set."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return _Arriving(iter(self._spritedocs_inner), self._spritedocs_stopwatch)


class _Arriving:
    """The items of a stream. The first that is asked for after a batch was collated begins the next one."""

    def __init__(self, items: Iterator[Any], stopwatch: Stopwatch) -> None:
        self.items, self.stopwatch = items, stopwatch
        stopwatch.begun_s = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.stopwatch.begun_s is None:
            self.stopwatch.begun_s = clock()
        try:
            return next(self.items)
        except Exception as error:
            if not isinstance(error, StopIteration):  # which ends a batch that may be collated yet
                self.stopwatch.begun_s = None
            raise


class Collate:
    """A collate_fn whose batches carry their times."""

    def __init__(self, inner: Callable[[Any], Any], stopwatch: Stopwatch) -> None:
        self.inner, self.stopwatch = inner, stopwatch

    def __call__(self, samples: Any) -> Carried:
        loaded_s = clock()
        begun_s, self.stopwatch.begun_s = self.stopwatch.begun_s, None
        batch = self.inner(samples)
        info = get_worker_info()
        worker = -1 if info is None else info.id
        return Carried(batch, worker, loaded_s if begun_s is None else begun_s, loaded_s, clock())
