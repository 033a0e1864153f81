"""From the notes of a worker's batches to what loading costs."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from spritedocs.machine import usable_cores
from spritedocs.model import Costs
from spritedocs.tuning.lock_watch import NAP_S
from spritedocs.tuning.probes import ITEMS, WATCHED, WHOLE, Note

__all__ = ["Arrival", "Starting", "TimedCollate", "costs_of", "suspects"]

SUSPICIOUS = 3.0
"""A batch that took so many times the median was held up, by an item or by another program."""
MOST_SUSPECTS = 3
MOST_ITEMS = 10_000
SWITCH_S, SWITCHES_PER_TENSOR = 0.005, 5
"""Python takes the lock from a thread that computes after 5 ms. How often that is needed to hand over a
tensor was measured here: about 5 times."""
READING_S = 50e-6
"""Against items from here on, the readings of two clocks do not count."""


@dataclass(frozen=True)
class Arrival:
    """One batch that came from the worker, as the main process saw it."""

    note: Note
    arrived_s: float
    received_cpu_s: float
    """The main process's processor seconds in ``next()``."""

    @property
    def delivered_s(self) -> float:
        """Seconds from when the worker had it until the main process did."""
        return self.arrived_s - self.note.collated_s


@dataclass(frozen=True)
class Starting:
    """Seconds for the beginning and the end of one worker, as ``Costs`` names them."""

    start_s: float
    boot_s: float
    resume_s: float
    stop_s: float


class TimedCollate:
    """A collate_fn that notes how long it takes."""

    def __init__(self, inner: Callable[[Any], Any]) -> None:
        self.inner, self.seconds = inner, list[float]()

    def __call__(self, samples: Any) -> Any:
        begun = time.perf_counter()
        batch = self.inner(samples)
        self.seconds.append(time.perf_counter() - begun)
        return batch


def costs_of(
    seen: Sequence[Arrival],
    starting: Starting,
    *,
    drawing_s: float,
    collate_s: float | None,
    tensors: int,
    ranks: int = 1,
) -> Costs:
    """What loading costs, by batches that came one at a time; the first, which warms up, is left out.

    ``drawing_s`` is what drawing the indices of a batch takes, ``collate_s`` what collating one takes in the
    main process, ``None`` if unknown. In a worker it may take more, into memory that is shared and new: what
    it takes more counts as handing over. A batch has ``tensors`` tensors; ``ranks`` share the cores. Middles
    are medians, because another program may hold up any batch; the items' sequence is kept as it was.
    """
    kept = seen[1:] or seen
    notes = [arrival.note for arrival in kept]
    whole = [note for note in notes if note.turn == WHOLE] or notes
    worker_collate_s = median(note.collated_s - note.loaded_s for note in whole)
    collate_s = worker_collate_s if collate_s is None else collate_s
    item_s, item_cpu_s = _items(notes)
    send_s = median(
        max(0.0, after.note.begun_cpu_s - before.note.collated_cpu_s)
        for before, after in itertools.pairwise(seen)
    )
    receive_s = median(arrival.received_cpu_s for arrival in kept)
    delivered_s = median(arrival.delivered_s for arrival in kept)
    return Costs(
        item_s=item_s[:MOST_ITEMS],
        item_cpu_s=item_cpu_s[:MOST_ITEMS],
        batch_size=fmean(note.items for note in notes),
        collate_s=collate_s,
        send_s=max(0.0, send_s + worker_collate_s - collate_s),
        receive_s=receive_s,
        latency_s=max(0.0, delivered_s - send_s - receive_s),
        main_s=drawing_s,
        start_s=starting.start_s,
        boot_s=starting.boot_s,
        resume_s=starting.resume_s,
        stop_s=starting.stop_s,
        lock_delay_s=SWITCH_S * (1 + SWITCHES_PER_TENSOR * tensors),
        gil_share=_gil_share([note for note in notes if note.turn == WATCHED]),
        cores=usable_cores() / ranks,
    )


def suspects(seen: Sequence[Arrival]) -> list[int]:
    """The positions of the batches that took much longer than most: to be loaded again, worst first."""
    seconds = [arrival.note.loaded_s - arrival.note.begun_s for arrival in seen]
    usual = median(seconds)
    slow = [place for place in range(1, len(seen)) if seconds[place] > SUSPICIOUS * usual]
    return sorted(slow, key=lambda place: -seconds[place])[:MOST_SUSPECTS]


def _items(notes: Sequence[Note]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds and processor seconds of single items, in order.

    Of a batch that was noted as a whole, each item has the mean; but if it took far longer than others, one
    slow item was among them, and all others are as usual. Single items that are cheap are brought down to
    the level of whole batches: that takes off what reading the clocks cost.
    """
    means = [
        (note.loaded_s - note.begun_s) / note.items for note in notes if note.turn != ITEMS and note.items
    ]
    noted = [seconds for note in notes for seconds in note.item_s]
    usual = median(noted) if noted else median(means)
    scale = min(1.0, median(means) / usual) if noted and means and usual and usual < READING_S else 1.0
    found: list[tuple[float, float]] = []
    for note in notes:
        if len(note.item_s) == note.items:  # not so where __getitems__ loaded them all at once
            found += [(s * scale, c * scale) for s, c in zip(note.item_s, note.item_cpu_s, strict=True)]
        else:
            found += _shared_out(note, usual * scale)
    seconds = tuple(s for s, _ in found)
    if sys.platform == "win32":  # processor time comes in ticks of 15.6 ms there: only its sum is right
        whole_s = sum(note.loaded_s - note.begun_s for note in notes)
        computed_s = sum(note.loaded_cpu_s - note.begun_cpu_s for note in notes)
        share = min(1.0, max(0.0, computed_s / whole_s)) if whole_s else 0.0
        return seconds, tuple(share * s for s in seconds)
    return seconds, tuple(min(s, max(0.0, c)) for s, c in found)


def _shared_out(note: Note, usual: float) -> list[tuple[float, float]]:
    """Seconds and processor seconds of a batch's items, of which only the sums are known."""
    loaded_s, cpu_s = note.loaded_s - note.begun_s, note.loaded_cpu_s - note.begun_cpu_s
    mean, mean_cpu = loaded_s / note.items, cpu_s / note.items
    others = note.items - 1
    if loaded_s < SUSPICIOUS * usual * note.items or not others:
        return [(mean, mean_cpu)] * note.items
    cpu = min(usual, mean_cpu)
    return [(usual, cpu)] * others + [(loaded_s - usual * others, cpu_s - cpu * others)]


def _gil_share(watched: Sequence[Note]) -> float:
    """The share of loading in which a second thread had to wait for Python's lock.

    That thread is late as well where another program has the core; but nobody holds the lock without
    computing, so that it is never more than the share of loading that computes.
    """
    loading_s = sum(note.loaded_s - note.begun_s for note in watched)
    if loading_s < 10 * NAP_S:
        return 0.0
    computing_s = sum(note.loaded_cpu_s - note.begun_cpu_s for note in watched)
    return min(1.0, max(0.0, min(sum(note.late_s for note in watched), computing_s) / loading_s))
