"""Who was busy when: each worker, the training loop and the accelerator, over one epoch, on one clock.

The clock is ``time.perf_counter``, which on Linux, macOS and Windows is the whole system's, so that
times taken in different processes can be compared. Where it is another, or where the times contradict
each other (a batch received before it was collated), there is a ``ClockError`` in place of a picture.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from spritedocs.timeline.device_clock import Accelerator, Stamp, accelerator, anchor, host_times
from spritedocs.timeline.spans import DEVICE, MAIN, Span, Timeline
from spritedocs.timeline.tracing import ClockError, Times, noting, system_wide_clock, traced
from spritedocs.timing import dismiss

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader

__all__ = ["trace_epoch"]

_END = object()


class _Lap(NamedTuple):
    """The training loop's times for one batch, by the host's clock."""

    asked: float
    received: float
    copied: float
    computed: float


class _Epoch(NamedTuple):
    """What an epoch's training loop noted, by the host's clock."""

    begun: float
    laps: list[_Lap]
    last_wait: tuple[float, float]
    """For the loader's end: when it was asked, and when it said so."""
    ended: float
    times: list[Times]
    stamped: list[float]
    """The moments before and after each part of what the device did, if there is one."""


def trace_epoch(
    loader: DataLoader[Any],
    compute: Callable[[Any], object],
    *,
    copy: Callable[[Any], Any] | None = None,
    device: str | torch.device = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Timeline:
    """Run one epoch of a training loop and say who was busy when.

    Every batch is waited for, handed to ``copy``, which returns it as it is on the device (left out
    where it is ``None``), and then to ``compute``. Nothing waits for the device in between: with a
    CUDA ``device`` the spans of ``"main"`` are the launches, and CUDA events on the current stream
    give those of ``"device"``. The epoch ends when the device has finished.

    ``loader`` is a ``DataLoader``, which is traced here with workers of its own that are gone
    afterwards; or one of ``traced``, whose persistent workers stay for the next epoch.

    On the device a span begins when its stream reaches the call and ends when what the call launched
    is done. Host and device are put on one clock by events that the host waits for, several before
    and several after the epoch. If both clocks run evenly, the device's spans are off by no more than
    half of one wait: the shortest before or the shortest after, whichever is the longer.

    ``clock()`` gives the training loop's time in seconds. The loader's is always ``time.perf_counter``,
    so any other clock is for tests.

    Examples:
        >>> from torch.utils.data import DataLoader
        >>> line = trace_epoch(DataLoader(range(100), batch_size=10), lambda batch: batch.sum())
        >>> line.batches, line.lanes
        (10, ('main',))
        >>> 0 < line.data_wait_share < 1
        True

    Raises ``TypeError`` if ``loader`` is neither, ``ValueError`` if it yields no batch or the device
    cannot be traced, and ``ClockError`` where clocks cannot be compared. What the loader, ``copy`` or
    ``compute`` raises passes through, and the loader's workers are gone then.
    """
    implementation = system_wide_clock()
    watched = traced(loader)
    where, gpu = accelerator(device)
    kept = False
    try:
        epoch = _run(watched, compute, copy, gpu, clock)
        if not epoch.laps:
            raise ValueError("the loader yielded no batch: give it more items, or a smaller batch_size")
        if not epoch.times:
            raise ValueError(f"{type(loader).__name__} hands out what another loader makes: trace that one")
        if len(epoch.times) != len(epoch.laps):
            raise ValueError(
                f"{type(loader).__name__} yielded {len(epoch.laps)} batches where {len(epoch.times)} were "
                "collated: only a loader that yields each as it is can be traced"
            )
        spans = [*_made(epoch), *_used(epoch, copy is not None), *_on_device(epoch, copy is not None)]
        kept = watched is loader
    finally:
        if not kept:
            dismiss(watched)
    spans.sort(key=lambda span: (span.begin_s, span.end_s))
    wall_s = epoch.ended - epoch.begun
    return Timeline(tuple(spans), wall_s, implementation, where, len(epoch.laps), watched.num_workers)


def _run(
    loader: DataLoader[Any],
    compute: Callable[[Any], object],
    copy: Callable[[Any], Any] | None,
    gpu: Accelerator | None,
    clock: Callable[[], float],
) -> _Epoch:
    stamps: list[Stamp] = []
    laps: list[_Lap] = []
    iterator: Any = None
    first = anchor(gpu, clock) if gpu else None
    try:
        with noting(loader) as times:
            begun = asked = clock()
            iterator = iter(loader)
            while True:
                batch = next(iterator, _END)
                copied = received = clock()
                if batch is _END:
                    break
                if gpu:
                    stamps.append(gpu.stamp())
                if copy is not None:
                    batch = copy(batch)
                    copied = clock()
                    if gpu:
                        stamps.append(gpu.stamp())
                compute(batch)
                if gpu:
                    stamps.append(gpu.stamp())
                computed = clock()
                laps.append(_Lap(asked, received, copied, computed))
                asked = computed
    except BaseException as error:
        if iterator is None:
            # Variables of its frames may hold workers that iter() had started before it failed.
            traceback.clear_frames(error.__traceback__)
        dismiss(loader, iterator)
        raise
    ended = received
    moments = []
    if gpu and first:
        gpu.synchronize()
        ended = clock()
        moments = host_times(first, stamps, anchor(gpu, clock))
    return _Epoch(begun, laps, (asked, received), ended, times, moments)


def _made(epoch: _Epoch) -> Iterator[Span]:
    """Loading and collating. Raises ``ClockError`` where an effect came before its cause."""
    # No message crosses to another process in a microsecond.
    slack = max(2 * time.get_clock_info("perf_counter").resolution, 1e-6)
    start = epoch.begun
    for batch, (made, lap) in enumerate(zip(epoch.times, epoch.laps, strict=True)):
        lane = MAIN if made.worker < 0 else f"helper {made.worker}"
        early, late = start - made.begun_s, made.collated_s - lap.received
        if max(early, late) > slack:
            said = f"begun {early:.3g} s before" if early > slack else f"finished {late:.3g} s after"
            what = "the epoch began" if early > slack else "it had arrived"
            raise ClockError(
                f"batch {batch} was {said} {what}, by the clock of {lane}: "
                "the clocks of the processes cannot be compared"
            )
        yield Span(lane, "load", made.begun_s - start, made.loaded_s - start, batch)
        yield Span(lane, "collate", made.loaded_s - start, made.collated_s - start, batch)


def _used(epoch: _Epoch, copies: bool) -> Iterator[Span]:
    """What the training loop did."""
    start = epoch.begun
    for batch, lap in enumerate(epoch.laps):
        yield Span(MAIN, "wait", lap.asked - start, lap.received - start, batch)
        if copies:
            yield Span(MAIN, "copy", lap.received - start, lap.copied - start, batch)
        yield Span(MAIN, "compute", lap.copied - start, lap.computed - start, batch)
    asked, received = epoch.last_wait
    yield Span(MAIN, "wait", asked - start, received - start, len(epoch.laps))


def _on_device(epoch: _Epoch, copies: bool) -> Iterator[Span]:
    """What the device did, from the stamps before and after each part."""
    moments = iter(moment - epoch.begun for moment in epoch.stamped)
    for batch, begun in enumerate(moments):
        if copies:
            copied = next(moments)
            yield Span(DEVICE, "copy", begun, copied, batch)
            begun = copied
        yield Span(DEVICE, "compute", begun, next(moments), batch)
