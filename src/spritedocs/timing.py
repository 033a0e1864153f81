"""How long an epoch takes, where its time goes, and which of several loaders is faster.

Compare only epochs of the same round: on a shared machine the same epoch differs by several per cent
from one minute to the next, and the arms of a round share the minute.
"""

from __future__ import annotations

import math
import random
import re
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from spritedocs.machine import usable_cores
from spritedocs.measurement import FEWEST_SAMPLES, Measurement

__all__ = ["Comparison", "EpochTiming", "Loader", "TimingError", "compare", "time_epoch"]

Loader: TypeAlias = Iterable[Any]
"""A ``torch.utils.data.DataLoader``, or anything else that yields batches."""

UNITS = dict.fromkeys(["startup_s", "total_s", "iter_s", "wait_s", "step_s"], "s")
UNITS |= {"items": "", "batches": "", "items_per_s": "items/s", "data_wait_share": "%"}
LARGEST_SPREAD = 0.10
SHORTEST_EPOCH_S = 0.05  # A thread waits up to 5 ms for Python's GIL, a tenth of this.
FEWEST_BATCHES = 5  # With fewer, the first and the last, which differ from the others, weigh too much.
END = object()


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
    def items_per_s(self) -> float:
        """Items per second over the whole epoch, start-up included."""
        return self.items / self.total_s if self.total_s else math.inf

    @property
    def data_wait_share(self) -> float:
        """The share of the epoch, 0 to 1, in which the training loop waited for the loader."""
        return (self.iter_s + self.wait_s) / self.total_s if self.total_s else 0.0


@dataclass(frozen=True)
class Comparison:
    """The epochs of several arms, timed in the same rounds."""

    arms: dict[str, tuple[EpochTiming, ...]]
    """Each arm's epochs, one a round, in the order of the rounds."""
    warnings: tuple[str, ...] = ()
    """What makes these figures less trustworthy than they look, each with its remedy."""

    def measurement(self, arm: str, field: str, name: str, label: str = "") -> Measurement:
        """A field or property of an arm's epochs, as the value ``name``, in s, items/s, % or a count.

        Raises ``ValueError`` for an unknown arm or field.
        """
        return Measurement.of(name, self._samples(arm, field), UNITS[field], label)

    def ratio(
        self, numerator: str, denominator: str, name: str, field: str = "total_s", label: str = ""
    ) -> Measurement:
        """How many times as large ``field`` is in one arm as in the other, round by round, in ×.

        The speed-up of ``"four"`` over ``"none"`` is ``ratio("none", "four", …)``. Its interval is
        the t-interval of the paired ratios' logarithms, which ``Measurement.of`` gives.
        Raises ``ValueError`` for an unknown arm or field, or where the denominator is 0.
        """
        pairs = zip(self._samples(numerator, field), self._samples(denominator, field), strict=True)
        try:
            return Measurement.of(name, [above / below for above, below in pairs], "×", label)
        except ZeroDivisionError:
            raise ValueError(f"{field} of {denominator!r} is 0 in a round: choose another field") from None

    def _samples(self, arm: str, field: str) -> list[float]:
        for value, known in ((arm, self.arms), (field, UNITS)):
            if value not in known:
                raise ValueError(f"{value!r} is unknown: choose one of {', '.join(known)}")
        return [(100 if UNITS[field] == "%" else 1) * getattr(epoch, field) for epoch in self.arms[arm]]


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
    _finish_cuda_work()
    try:
        start = clock()
        iterator = iter(loader)
        iter_s = clock() - start
        while True:
            loading, asked = True, clock()
            batch = next(iterator, END)
            loading, received = False, clock()
            wait_s += received - asked
            if batch is END:
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
                _finish_cuda_work()
                step_s += clock() - begun
        if not batches:
            raise ValueError(f"{name} yielded no batch: give it more items, or a smaller batch_size")
    except BaseException as error:
        _dismiss(loader, iterator)
        if loading and isinstance(error, Exception):
            raise _failure(name, error, batches) from error
        raise
    return EpochTiming(startup_s, received - start, items, batches, iter_s, wait_s, step_s)


def compare(
    arms: Mapping[str, Loader | Callable[[], Loader]],
    rounds: int = 8,
    *,
    step: Callable[[Any], object] | None = None,
    count: Callable[[Any], int] | None = None,
    seed: int = 0,
    warmup: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Time ``rounds`` epochs of every arm, interleaved in an order drawn from ``seed``.

    An arm is a loader, which every round uses again, its persistent workers too; or a function that
    makes one, for a new loader in every epoch: its start-up is measured each time (its making is
    not), and its workers are gone before the next arm. ``warmup`` adds a first round that is thrown
    away. ``step``, ``count`` and ``clock`` are those of ``time_epoch``.

    Examples:
        >>> result = compare({"few": [[1, 2]] * 5, "many": lambda: [[1, 2]] * 50}, rounds=6)
        >>> result.ratio("many", "few", name="more_items", field="items").median
        10.0

    Raises what ``time_epoch`` does, naming the arm, and ``ValueError`` for no arms or rounds.
    """
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"rounds is {rounds!r}: give a whole number, at least 1")
    if not arms:
        raise ValueError(f"the arms are {arms!r}: give at least one, such as {{'two': loader}}")
    for name, arm in arms.items():
        if isinstance(arm, Iterator) or not (isinstance(arm, Iterable) or callable(arm)):
            raise TypeError(f"arm {name!r} is {arm!r:.60}: give a DataLoader, or a function that makes one")
    order, shuffled = list(arms), random.Random(seed)
    epochs: dict[str, list[EpochTiming]] = {name: [] for name in arms}
    workers: dict[str, int] = {}
    for _ in range(rounds + warmup):
        shuffled.shuffle(order)
        for name in order:
            arm = arms[name]
            loader = arm if isinstance(arm, Iterable) else arm()
            workers[name] = getattr(loader, "num_workers", 0)
            epochs[name].append(time_epoch(loader, step, count=count, clock=clock, name=f"arm {name!r}"))
            if loader is not arm:
                _dismiss(loader)
            del loader  # or the next factory would run, and fill the memory, beside it
    kept = {name: tuple(timings[-rounds:]) for name, timings in epochs.items()}
    return Comparison(kept, tuple(_warnings(kept, workers)))


def _finish_cuda_work() -> None:
    # A process that has not imported torch has no such work, and need not pay for the import.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _dismiss(loader: Loader, iterator: Iterator[Any] | None = None) -> None:
    """Shut the loader's workers down: else they live as long as the loader, or a traceback, does."""
    for owner in (iterator, getattr(loader, "_iterator", None)):
        # Private, but in torch since 1.0. What a generator iterates over goes when that is closed.
        shut_down = getattr(owner, "_shutdown_workers", None) or getattr(owner, "close", None)
        if shut_down:
            shut_down()
    if getattr(loader, "_iterator", None) is not None:
        # The next epoch would wait for ever for workers that have gone.
        loader._iterator = None  # type: ignore[attr-defined]


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


def _warnings(arms: Mapping[str, tuple[EpochTiming, ...]], workers: Mapping[str, int]) -> Iterator[str]:
    cores = usable_cores()
    rounds = min(map(len, arms.values()))
    if rounds < FEWEST_SAMPLES:
        yield f"{rounds} rounds are too few for an interval: use rounds={FEWEST_SAMPLES} or more."
    for name, epochs in arms.items():
        totals = [epoch.total_s for epoch in epochs]
        spread = statistics.stdev(totals) / (statistics.fmean(totals) or 1) if rounds > 1 else 0
        if spread > LARGEST_SPREAD:
            yield f"{name}: its epochs vary by {spread:.0%}: end other programs, or use longer epochs."
        if (seconds := statistics.median(totals)) < SHORTEST_EPOCH_S:
            yield f"{name}: {seconds:.2g} s an epoch is too short: use more items, for {SHORTEST_EPOCH_S} s."
        # By default a worker fetches two batches ahead at the start; as many more show its pace.
        fewest = max(FEWEST_BATCHES, 4 * workers[name])
        if (batches := min(epoch.batches for epoch in epochs)) < fewest:
            yield f"{name}: {batches} batches are too few: use more items or smaller batches, for {fewest}."
        if workers[name] > cores:
            yield (
                f"{name}: {workers[name]} workers, {cores} usable cores: items that wait (disk, network, "
                f"sleep) can still gain; for items that compute use num_workers={cores}."
            )
