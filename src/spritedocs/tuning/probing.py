"""What loading costs: measured in one worker, where it will be paid, and once in the main process."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch.utils.data import DataLoader

from spritedocs.errors import raised, said_by
from spritedocs.model import Costs, Settings
from spritedocs.target import starts_processes
from spritedocs.timing import EpochTiming, TimingError, dismiss, time_epoch
from spritedocs.tuning.budget import OutOfTime
from spritedocs.tuning.costing import Arrival, Starting, TimedCollate, costs_of, suspects
from spritedocs.tuning.failures import GAVE_NOTHING, ArgumentError, too_short
from spritedocs.tuning.indices import Epoch, Until
from spritedocs.tuning.init_probe import InitProbe
from spritedocs.tuning.peak_memory import peak_worker_memory_mb
from spritedocs.tuning.probes import ITEMS, TURNS, CollateProbe, ItemProbe, Notebook, StreamProbe
from spritedocs.tuning.tensors import bytes_of, tensors_in
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.worker_watch import watch

__all__ = ["Probe", "probe"]

FEWEST_BATCHES = 9  # Two turns of probes.TURNS, and the first, which warms up, is not counted.
LONG = 5
"""So many times as long as wanted may the first few batches take."""
EMPTY_BATCHES = 40
ONE_WORKER = Settings(num_workers=1, prefetch_factor=1, persistent_workers=True)


@dataclass(frozen=True)
class Probe:
    """What a dataset was seen to cost, and what its batches are like."""

    costs: Costs
    alone: EpochTiming | None
    """Some batches without workers, the step included; ``None`` where it ``fails_alone``."""
    memory_mb: float | None
    """The most that the worker held for itself, in MB."""
    tensors_per_batch: int
    bytes_per_batch: int
    empty_handover_s: float
    """Seconds to hand over a batch of one number."""
    fails_alone: str | None = None
    """What the dataset raised without workers, although it loads in a worker."""
    asked_who_it_is: bool = True
    """Whether a stream, or the ``worker_init_fn``, looked at ``get_worker_info()`` in the worker."""
    start_s: float = 0.0
    """Seconds at the start of a stream's epoch in a worker that is there already, beyond those of a batch."""
    drawing_start_s: float = 0.0
    """Seconds until the sampler gives its first batch of indices, beyond those of a usual one."""


def probe(
    variants: Variants,
    step: Callable[[Any], object] | None = None,
    *,
    seconds: float = 0.5,
    timeout_s: float = 30.0,
) -> Probe:
    """Load batches for about ``seconds`` in one worker, and as long in the main process, with the step.

    The worker comes first: ``timeout_s`` is how long it may take for a batch, so that items that hang
    hang there. Raises ``TimingError`` or what torch raises where they fail there, ``StepError`` where the
    step fails, and ``ArgumentError`` for a stream without a second batch, or a dataset that starts processes.
    """
    epoch = Epoch(variants.indices)
    try:
        worker = _in_a_worker(variants, epoch, seconds, timeout_s)
    except Exception as error:
        is_starting = re.search("daemonic processes are not|pool objects cannot be passed", said_by(error))
        if is_starting and (why := starts_processes(variants.loader.dataset)):
            raise ArgumentError(f"a worker may start no processes, as the dataset does: {why}") from None
        raise
    tensors = list(tensors_in(worker.batch))
    empty_s = _empty_handover_s(variants, timeout_s)
    if step is not None and type(variants.loader) is DataLoader:
        step(worker.batch)  # The first step may compile, or wake a GPU: no other one takes as long.
    least, alone_s = min(len(worker.seen), FEWEST_BATCHES), seconds / 2
    if least < FEWEST_BATCHES and variants.batches != least:  # they took too long
        least, alone_s = 1, -1.0
    variants.waits(False)
    collate, failure = TimedCollate(variants.loader.collate_fn), None

    def timed(settings: Settings, **attributes: Any) -> EpochTiming:
        until = Until(epoch, alone_s, least)
        loader = variants.make(settings, sampler=lambda _: until, timeout_s=timeout_s, **attributes)
        try:
            # Nobody asks for the number of items, which a batch of a class of theirs may not tell.
            return time_epoch(loader, step, count=lambda batch: 1, name="the loader")
        except TimingError as error:
            if isinstance(error.__cause__, OutOfTime):
                raise error.__cause__ from None
            raise
        finally:
            dismiss(loader)

    try:
        alone: EpochTiming | None = timed(Settings(), collate_fn=collate)
    except (TimingError, ValueError) as error:
        if not (isinstance(error, TimingError) or GAVE_NOTHING in str(error)):
            raise
        alone, failure = None, raised(error.__cause__ or error)
        if step is not None:
            timed(ONE_WORKER)
    return Probe(
        costs=costs_of(
            worker.seen,
            worker.starting,
            drawing_s=epoch.drawing_s,
            collate_s=median(collate.seconds) if collate.seconds else None,
            tensors=len(tensors),
            ranks=variants.ranks,
        ),
        alone=alone,
        memory_mb=worker.memory_mb,
        tensors_per_batch=len(tensors),
        bytes_per_batch=sum(map(bytes_of, tensors)),
        empty_handover_s=empty_s,
        fails_alone=failure,
        asked_who_it_is=any(arrival.note.asked for arrival in worker.seen),
        start_s=worker.start_s,
        drawing_start_s=epoch.start_s,
    )


@dataclass(frozen=True)
class _Worker:
    """What one worker showed."""

    seen: list[Arrival]
    batch: Any
    """The first one that it loaded: the last may be smaller."""
    memory_mb: float | None
    starting: Starting
    start_s: float


def _in_a_worker(variants: Variants, epoch: Epoch, seconds: float, timeout_s: float) -> _Worker:
    """Load batches in one worker, one at a time, and those that took suspiciously long again."""
    notebook = Notebook()
    wrapper = StreamProbe if variants.is_streaming else ItemProbe
    until = Until(epoch, seconds, FEWEST_BATCHES, limit_s=LONG * seconds, whole=variants.batches)
    loader = variants.make(
        ONE_WORKER,
        sampler=lambda _: until,
        timeout_s=timeout_s,
        is_plain=True,  # batches carry their notes here
        dataset=wrapper(variants.loader.dataset, notebook),
        collate_fn=CollateProbe(variants.loader.collate_fn, notebook),
        worker_init_fn=InitProbe(variants.loader.worker_init_fn, notebook),
    )
    try:
        begun = time.perf_counter()
        iterator = iter(loader)
        started = time.perf_counter()
        seen, batch = _arrivals(iterator)
        if len(seen) < 2:
            raise ArgumentError(too_short(len(seen), seen[0].note.items if seen else 0))
        memory_mb = peak_worker_memory_mb(loader)
        doubted = [] if variants.is_streaming else suspects(seen)
        taken = list(until.taken)
        until.only([taken[place] for place in doubted for _ in TURNS] or taken[:1])
        resuming = time.perf_counter()
        again = iter(loader)
        resumed = time.perf_counter()
        repeated, _ = _arrivals(again)
        del again, iterator
    finally:
        stopping = time.perf_counter()
        dismiss(loader)
        stopped = time.perf_counter()
    for number, place in enumerate(doubted):
        seen[place] = _settled(seen[place], repeated[number * len(TURNS) :][: len(TURNS)])
    boot_s = max(0.0, seen[0].note.begun_s - started)
    starting = Starting(started - begun, boot_s, resumed - resuming, stopped - stopping)
    usual_s = median(after.arrived_s - before.arrived_s for before, after in itertools.pairwise(seen))
    begins_s = repeated[0].arrived_s - resumed if variants.is_streaming and repeated else 0.0
    return _Worker(seen, batch, memory_mb, starting, max(0.0, begins_s - usual_s))


def _settled(first: Arrival, again: list[Arrival]) -> Arrival:
    """The arrival to believe, if loading the same batch again gave ``again``.

    If it was slow each time it is slow, and the note that tells single items is the best. Else something
    else held it up the first time, and the quickest is.
    """
    quickest = min(again, key=_load_s, default=first)
    if _load_s(quickest) < _load_s(first) / 2:
        return quickest
    return next((arrival for arrival in again if arrival.note.turn == ITEMS), first)


def _load_s(arrival: Arrival) -> float:
    return arrival.note.loaded_s - arrival.note.begun_s


def _arrivals(iterator: Iterator[Any]) -> tuple[list[Arrival], Any]:
    """All batches of an epoch, and the first one's content."""
    seen: list[Arrival] = []
    batch: Any = None
    while True:
        before = time.process_time()
        try:
            probed = next(iterator)
        except StopIteration:
            return seen, batch
        seen.append(Arrival(probed.note, time.perf_counter(), time.process_time() - before))
        if len(seen) == 1:
            batch = probed.batch


class _Numbers(torch.utils.data.Dataset[int]):
    def __len__(self) -> int:
        return EMPTY_BATCHES

    def __getitem__(self, index: int) -> int:
        return index


def _empty_handover_s(variants: Variants, timeout_s: float) -> float:
    """Seconds from when a worker has a batch of one number until the main process has it."""
    notebook = Notebook()
    numbers: Any = ItemProbe(_Numbers(), notebook)
    loader: DataLoader[Any] = DataLoader(
        numbers,
        1,
        num_workers=1,
        prefetch_factor=1,
        multiprocessing_context=variants.context,
        collate_fn=CollateProbe(torch.utils.data.default_collate, notebook),
        timeout=timeout_s,
    )
    watch(loader, variants.waits)
    iterator = iter(loader)
    try:
        seen, _ = _arrivals(iterator)
    finally:
        dismiss(loader, iterator)
    return median(arrival.delivered_s for arrival in seen)
