"""Noting when each batch was loaded and collated, in the process that did it.

A traced loader works as the loader it was made of, with the same batches. The times travel with a
batch, from the worker through the pinning thread, and are taken off as it leaves the loader.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

__all__ = ["ClockError", "Times", "is_traced", "noting", "system_wide_clock", "traced"]

SYSTEM_WIDE = ("clock_gettime(CLOCK_MONOTONIC)", "mach_absolute_time()", "QueryPerformanceCounter()")
"""The clocks behind ``time.perf_counter`` on Linux and BSD, on macOS and on Windows. Each counts from a
moment of the system, not of the process."""

clock = time.perf_counter


class ClockError(RuntimeError):
    """The clocks of two processes cannot be compared: because of what they are, or what they showed."""


class Times(NamedTuple):
    """When a batch was made, by ``time.perf_counter`` of the process that made it."""

    worker: int
    """The worker's number; -1 for the main process."""
    begun_s: float
    """When its first item was asked for."""
    loaded_s: float
    """When its last item was there, and collating began."""
    collated_s: float
    """When the batch was whole."""


def system_wide_clock() -> str:
    """The implementation of ``time.perf_counter``; ``ClockError`` if it may differ between processes."""
    implementation = time.get_clock_info("perf_counter").implementation
    if implementation not in SYSTEM_WIDE:
        raise ClockError(
            f"time.perf_counter is {implementation} here, which may differ from process to process: "
            f"tracing needs one of {', '.join(SYSTEM_WIDE)}"
        )
    return implementation


def traced(loader: DataLoader[Any]) -> DataLoader[Any]:
    """A loader like ``loader`` which notes when each batch was loaded and collated, and by whom.

    It is a copy: class, sampler and every setting are the same, and the workers, its own, start with
    its first epoch. It yields what ``loader`` would. Its ``dataset`` and ``collate_fn`` are wrapped:
    attributes of the data set are read and written as if it were not, so that a ``worker_init_fn``
    can write to ``get_worker_info().dataset``. A loader that is traced already is returned as it is.

    Raises ``TypeError`` for anything but a ``DataLoader``.
    """
    if not isinstance(loader, DataLoader):
        raise TypeError(f"the loader is {loader!r:.60}: to be traced it has to be a DataLoader of torch")
    if is_traced(loader):
        return loader
    stopwatch = _Stopwatch()
    wrapper = _Stream if isinstance(loader.dataset, IterableDataset) else _Items
    twin = copy.copy(loader)
    vars(twin).update(
        dataset=wrapper(loader.dataset, stopwatch),
        collate_fn=_Collate(loader.collate_fn, stopwatch),
        _iterator=None,  # persistent workers are those of the loader that started them
        _notebook=_Notebook(),
    )
    kind: Any = type(loader)
    twin.__class__ = _tracing(kind)
    return twin


def is_traced(loader: object) -> bool:
    """Whether ``traced`` made this loader."""
    return isinstance(loader, DataLoader) and "_notebook" in vars(loader)


@contextmanager
def noting(loader: DataLoader[Any]) -> Iterator[list[Times]]:
    """The times of the batches that leave the traced ``loader`` in this block, in that order."""
    notebook: _Notebook = vars(loader)["_notebook"]
    times: list[Times] = []
    notebook.times = times
    try:
        yield times
    finally:
        notebook.times = None


class _Notebook:
    """Where a loader's iterators write the times of the batches that arrive, while somebody wants them."""

    times: list[Times] | None = None


class _Stopwatch:
    """What data set and collate_fn, which run in the same process, share: when the batch was begun.

    They are pickled together, as arguments of one process, so that they share it in a worker too.
    """

    begun_s: float | None = None


class _Carried(NamedTuple):
    # torch pins a named tuple field by field and gives a named tuple back; of a plain tuple some of
    # its versions make a list.
    batch: Any
    worker: int
    begun_s: float
    loaded_s: float
    collated_s: float


class _Wrapped:
    """A data set that passes for the one it wraps, but for what the subclasses note."""

    # Names that no data set has; and as there is no __dict__, vars() finds the inner one's.
    __slots__ = ("_spritedocs_inner", "_spritedocs_stopwatch")
    _spritedocs_inner: Any
    _spritedocs_stopwatch: _Stopwatch

    def __init__(self, inner: Any, stopwatch: _Stopwatch) -> None:
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


class _Items(_Wrapped):
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


class _Stream(_Wrapped):
    """An iterable-style data set."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return _Arriving(iter(self._spritedocs_inner), self._spritedocs_stopwatch)


class _Arriving:
    """The items of a stream. The first that is asked for after a batch was collated begins the next one."""

    def __init__(self, items: Iterator[Any], stopwatch: _Stopwatch) -> None:
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


class _Collate:
    """A collate_fn whose batches carry their times."""

    def __init__(self, inner: Callable[[Any], Any], stopwatch: _Stopwatch) -> None:
        self.inner, self.stopwatch = inner, stopwatch

    def __call__(self, samples: Any) -> _Carried:
        loaded_s = clock()
        batch = self.inner(samples)
        begun_s, self.stopwatch.begun_s = self.stopwatch.begun_s, None
        info = get_worker_info()
        worker = -1 if info is None else info.id
        return _Carried(batch, worker, loaded_s if begun_s is None else begun_s, loaded_s, clock())


@functools.cache
def _tracing(plain: Any) -> Any:
    """The class of loaders like ``plain``, whose iterators take the times off the batches."""

    class Tracing(plain):
        # Private, but in torch since 1.7. To override __iter__ instead would come too late for a
        # subclass that does something with the batches there.
        def _get_iterator(self) -> Any:
            iterator = super()._get_iterator()
            iterator.__class__ = _taking_off(iterator.__class__)
            iterator.notebook = vars(self)["_notebook"]
            return iterator

    return _named_as(plain, Tracing)


@functools.cache
def _taking_off(plain: Any) -> Any:
    """The class of a traced loader's iterators, which are otherwise like ``plain``."""

    class TakingOff(plain):
        def __next__(self) -> Any:
            carried: _Carried = super().__next__()
            if self.notebook.times is not None:
                self.notebook.times.append(Times(*carried[1:]))
            return carried.batch

    return _named_as(plain, TakingOff)


def _named_as(plain: type, made: type) -> type:
    made.__name__, made.__qualname__, made.__module__ = plain.__name__, plain.__qualname__, plain.__module__
    return made
