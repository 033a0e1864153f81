"""One epoch of a loader, timed: where the time goes, and how many items arrive."""

from __future__ import annotations

import math
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

__all__ = ["EpochTiming", "Loader", "TimingError", "Training", "dismiss", "finish_cuda_work", "time_epoch"]

Loader: TypeAlias = Iterable[Any]
"""A ``torch.utils.data.DataLoader``, or anything else that yields batches."""

_END = object()


class TimingError(RuntimeError):
    """The loader raised while it was timed; ``__cause__`` is what it raised."""


@dataclass(frozen=True)
class EpochTiming:
    """Where the time of one epoch went."""

    startup_s: float
    """Seconds from before ``iter()`` until the first batch was there."""
    total_s: float
    """Seconds from before ``iter()`` until the loader had said that it was done."""
    items: int
    """How many items arrived."""
    batches: int
    """How many batches arrived."""
    iter_s: float
    """Seconds inside ``iter()``, which starts the workers."""
    wait_s: float
    """Seconds inside ``next()``; in the last of them workers that are not persistent shut down."""
    step_s: float
    """Seconds inside the step, its CUDA work included; 0 without a step."""

    @property
    def rest_s(self) -> float:
        """Seconds from the first batch until the loader had said that it was done."""
        return self.total_s - self.startup_s

    @property
    def next_wait_s(self) -> float:
        """Seconds that the loop waited for each batch after the first: a mean, the loader's end included."""
        waited_s = self.iter_s + self.wait_s - self.startup_s
        return waited_s / (self.batches - 1) if self.batches > 1 else 0.0

    @property
    def item_us(self) -> float:
        """Microseconds for each item over the whole epoch, start-up included."""
        return 1e6 * self.total_s / self.items

    @property
    def items_per_s(self) -> float:
        """Items per second over the whole epoch, start-up included."""
        return self.items / self.total_s if self.total_s else math.inf

    @property
    def data_wait_share(self) -> float:
        """The share of the epoch, 0 to 1, in which the training loop waited for the loader."""
        return (self.iter_s + self.wait_s) / self.total_s if self.total_s else 0.0


def time_epoch(
    loader: Loader,
    step: Callable[[Any], object] | None = None,
    *,
    count: Callable[[Any], int] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    name: str = "the loader",
) -> EpochTiming:
    """Time one epoch of ``loader``, calling ``step(batch)`` on every batch.

    Where CUDA is in use, the current device is synchronised before the start and after every step;
    with other accelerators the step has to end with that itself.

    ``count(batch)`` says how many items a batch holds. Without it that is the leading dimension of
    its first tensor or array; its ``len()`` if there is none, or if only that is the batch size (a
    list of samples); 1 if the loader does not batch. ``clock()`` gives seconds, and errors call the
    loader ``name``.

    Examples:
        >>> epoch = time_epoch([["a", "b"], ["c"]])
        >>> epoch.items, epoch.batches, epoch.step_s
        (3, 2, 0.0)

    Raises ``TimingError`` if the loader raises, ``ValueError`` if it yields no batch, and
    ``TypeError`` if it is no loader; what ``step`` raises passes through. After any of these the
    loader's workers are gone, persistent ones too.
    """
    if not isinstance(loader, Iterable):
        raise TypeError(f"{name} is {loader!r:.60}, which yields no batches: give a DataLoader")
    items = batches = 0
    startup_s = wait_s = step_s = 0.0
    iterator, loading = None, True
    finish_cuda_work()
    try:
        start = clock()
        iterator = iter(loader)
        iter_s = clock() - start
        while True:
            loading, asked = True, clock()
            batch = next(iterator, _END)
            loading, received = False, clock()
            wait_s += received - asked
            if batch is _END:
                break
            if not batches:
                startup_s = received - start
            if count is None:
                count = _item_counter(loader, batch)
            batches += 1
            items += count(batch)
            if step is not None:
                begun = clock()
                step(batch)
                finish_cuda_work()
                step_s += clock() - begun
        if not batches:
            raise ValueError(f"{name} yielded no batch: give it more items, or a smaller batch_size")
    except BaseException as error:
        dismiss(loader, iterator)
        if loading and isinstance(error, Exception) and not getattr(loader, "is_stepping", False):
            raise _failure(name, error, batches) from error
        raise
    return EpochTiming(startup_s, received - start, items, batches, iter_s, wait_s, step_s)


class Training:
    """A training loop that ``compare`` times as a whole: the batches of ``loader``, each after its ``step``.

    Nothing waits for the device but the end of an epoch, as in training. (A step that ``compare`` is given
    is timed by itself, so each is waited for.) ``step`` may copy the batch to the device; what it raises
    passes through.

    Examples:
        >>> seen = []
        >>> list(Training(["a", "b"], seen.append)), seen
        (['a', 'b'], ['a', 'b'])
    """

    def __init__(self, loader: Loader, step: Callable[[Any], object]) -> None:
        self.loader, self.step = loader, step
        self.num_workers: int = getattr(loader, "num_workers", 0)
        self.is_stepping = False
        """Whether it is not the loader that is at work, nor to be blamed."""

    def __iter__(self) -> Iterator[Any]:
        self.is_stepping = False
        for batch in self.loader:
            self.is_stepping = True
            self.step(batch)
            self.is_stepping = False
            yield batch
        self.is_stepping = True
        finish_cuda_work()
        self.is_stepping = False


def finish_cuda_work() -> None:
    """Wait for the current CUDA device, if CUDA is in use."""
    # A process that has not imported torch has no such work, and need not pay for the import.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def dismiss(loader: Loader, iterator: Iterator[Any] | None = None) -> None:
    """Shut the loader's workers down: else they live as long as the loader, or a traceback, does.

    Those of a loader that is wrapped are reached, where the wrapper holds it as ``loader``.
    """
    for owner in (iterator, getattr(loader, "_iterator", None)):
        # Private, but in torch since 1.0. What a generator iterates over goes when that is closed.
        shut_down = getattr(owner, "_shutdown_workers", None) or getattr(owner, "close", None)
        if shut_down:
            shut_down()
    if getattr(loader, "_iterator", None) is not None:
        # The next epoch would wait for ever for workers that have gone.
        loader._iterator = None  # type: ignore[attr-defined]
    if (inner := getattr(loader, "loader", None)) is not None:
        dismiss(inner)


def _failure(name: str, error: Exception, batches: int) -> TimingError:
    # Variables of its frames may hold workers that iter() had started before it failed.
    traceback.clear_frames(error.__traceback__)
    kind = type(error).__name__
    # The message of an error from a worker is the worker's traceback, which ends in the real one.
    said = re.findall(rf"^(?:[\w.]+\.)?{kind}: (.+)$", str(error), re.M)[-1:] or str(error).splitlines()[:1]
    return TimingError(
        f"{name} raised {kind} after {batches} batch{'es' * (batches != 1)}: {''.join(said)}; "
        "the error before this one says where, and num_workers=0 runs it in this process"
    )


def _item_counter(loader: Loader, first: Any) -> Callable[[Any], int]:
    batch_sampler = getattr(loader, "batch_sampler", None)
    sources = (loader, batch_sampler, getattr(loader, "sampler", None))
    size = next((n for source in sources if (n := getattr(source, "batch_size", None)) is not None), None)
    if size is None and batch_sampler is None and hasattr(loader, "batch_size"):
        return lambda batch: 1
    if _tensor_length(first) != size == _length(first):
        return _length
    return lambda batch: _length(batch) if (length := _tensor_length(batch)) is None else length


def _tensor_length(batch: Any) -> int | None:
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    if isinstance(batch, tuple | list):
        parts: Iterable[Any] = batch
    elif isinstance(batch, Mapping):
        parts = batch.values()
    else:
        return None
    # Eight, so that a batch of a thousand words costs no time worth measuring.
    return next((n for part in islice(parts, 8) if (n := _tensor_length(part)) is not None), None)


def _length(batch: Any) -> int:
    try:
        return 1 if isinstance(batch, str | bytes) else len(batch)
    except TypeError:
        return 1
