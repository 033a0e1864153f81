"""Noting when each batch was loaded and collated, in the process that did it.

A traced loader works as the loader it was made of, with the same batches. The times travel with a
batch, from the worker through the pinning thread, and are taken off as it leaves the loader.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, IterableDataset

from spritedocs.timeline.stopwatch import Carried, Collate, Items, Stopwatch, Stream

__all__ = ["ClockError", "traced"]

SYSTEM_WIDE = ("clock_gettime(CLOCK_MONOTONIC)", "mach_absolute_time()", "QueryPerformanceCounter()")
"""The clocks behind ``time.perf_counter`` on Linux and BSD, on macOS and on Windows. Each counts from a
moment of the system, not of the process."""


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
    stopwatch = Stopwatch()
    wrapper = Stream if isinstance(loader.dataset, IterableDataset) else Items
    twin = copy.copy(loader)
    vars(twin).update(
        dataset=wrapper(loader.dataset, stopwatch),
        collate_fn=Collate(loader.collate_fn, stopwatch),
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
            carried: Carried = super().__next__()
            if self.notebook.times is not None:
                self.notebook.times.append(Times(*carried[1:]))
            return carried.batch

    return _named_as(plain, TakingOff)


def _named_as(plain: type, made: type) -> type:
    made.__name__, made.__qualname__, made.__module__ = plain.__name__, plain.__qualname__, plain.__module__
    return made
