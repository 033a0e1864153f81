"""The spans of an epoch: who was busy when, in shares of the wall time, and as a trace file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

__all__ = ["DEVICE", "MAIN", "Span", "Timeline", "merged_trace"]

MAIN, DEVICE = "main", "device"


class Span(NamedTuple):
    """Something that took time."""

    lane: str
    """Who did it: ``"helper 0"`` (a worker), ``"main"`` (the process of the training loop), ``"device"``."""
    kind: str
    """``"load"`` or ``"collate"`` (in a helper's lane; without helpers in the main one, inside its wait),
    ``"wait"`` (in ``iter()`` and ``next()``), ``"copy"`` or ``"compute"``."""
    begin_s: float
    """Seconds since the epoch began, just before ``iter()``."""
    end_s: float
    """Likewise."""
    batch: int
    """Counted from 0 in the order of arrival. The wait for the loader's end has the number after the last."""


@dataclass(frozen=True)
class Timeline:
    """The spans of one epoch, or of a window of it."""

    spans: tuple[Span, ...]
    wall_s: float
    """The length of the epoch, or of the window, in seconds."""
    clock: str
    """What the time was read from, such as ``"clock_gettime(CLOCK_MONOTONIC)"``."""
    device: str
    """Where the computing was traced: ``"cpu"``, ``"cuda:0"``."""
    batches: int
    """How many batches were computed."""
    workers: int = 0
    """How many helpers the loader had."""
    begin_s: float = 0.0
    """When the window begins, in seconds since the epoch did."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """The helpers by number, then ``"main"``, then ``"device"`` if there is one; idle ones too."""
        seen = (int(span.lane.split()[1]) + 1 for span in self.spans if span.lane not in (MAIN, DEVICE))
        helpers = [f"helper {number}" for number in range(max((self.workers, *seen)))]
        return (*helpers, MAIN, *([DEVICE] if self.device != "cpu" else []))

    def busy_s(self, lane: str, *kinds: str) -> float:
        """Seconds that ``lane`` spent on these kinds of things (on any, if none is named).

        What overlaps counts once. Raises ``ValueError`` for a lane that there is not.
        """
        if lane not in self.lanes:
            raise ValueError(f"there is no lane {lane!r}: choose one of {', '.join(self.lanes)}")
        spans = (span for span in self.spans if span.lane == lane and (not kinds or span.kind in kinds))
        busy_s = covered_s = 0.0
        for span in sorted(spans, key=lambda span: span.begin_s):
            begin_s = max(span.begin_s, covered_s)
            busy_s += max(span.end_s - begin_s, 0.0)
            covered_s = max(span.end_s, covered_s)
        return busy_s

    def share(self, lane: str, *kinds: str) -> float:
        """``busy_s`` as a share of the wall time, 0 to 1."""
        return self.busy_s(lane, *kinds) / self.wall_s if self.wall_s else 0.0

    @property
    def utilisation(self) -> float:
        """Accelerator utilisation, 0 to 1: the time that the accelerator computes / wall time.

        As MLPerf Storage defines it (https://mlcommons.org/benchmarks/storage/). Copying is no
        computing. Without an accelerator it is the main process that computes. A device that waits
        between the kernels of one step, because the host launches them too slowly, counts as busy; so
        does a main process that waits for a core in the midst of a step.
        """
        return self.share(DEVICE if DEVICE in self.lanes else MAIN, "compute")

    @property
    def data_wait_share(self) -> float:
        """The share of the wall time, 0 to 1, in which the training loop waited for the loader.

        ``iter()``, which starts the workers, is part of it. With a CUDA device the loop runs ahead, and
        may wait for batches while the device is busy: there the device's idle time is what waiting costs.
        """
        return self.share(MAIN, "wait")

    def computed_s(self, batches: int) -> float:
        """When the first ``batches`` batches had been computed, in seconds since the epoch began."""
        lane = DEVICE if DEVICE in self.lanes else MAIN
        steps = [span for span in self.spans if (span.lane, span.kind) == (lane, "compute")]
        return max(span.end_s for span in steps if span.batch < batches)

    def summary(self) -> dict[str, float]:
        """What an arm of ``timing.race`` may return of this epoch.

        ``loading_pct`` is each helper's share of the epoch in which it loaded and collated, on average, or
        the main process's without helpers; ``waiting_pct`` and ``computing_pct`` the main process's, its
        loading left out; ``utilisation_pct`` that of the accelerator. ``data_wait_pct`` is the share in which
        training stood still: the main process waited, or the device, if there is one, had nothing to do.
        ``first_batch_ms`` is how long it waited for the first batch.
        """
        loaders = [lane for lane in self.lanes if lane not in (MAIN, DEVICE)] or [MAIN]
        loading = sum(self.share(lane, "load", "collate") for lane in loaders) / len(loaders)
        inside = self.share(MAIN, "load", "collate")
        idle = 1 - self.share(DEVICE) if DEVICE in self.lanes else self.data_wait_share
        first = min(s.end_s for s in self.spans if (s.lane, s.kind, s.batch) == (MAIN, "wait", 0))
        shares = {
            "loading": loading,
            "waiting": max(0.0, self.data_wait_share - inside),
            "computing": self.share(MAIN, "compute"),
            "utilisation": self.utilisation,
            "data_wait": idle,
        }
        return {f"{name}_pct": 100 * share for name, share in shares.items()} | {
            "first_batch_ms": 1e3 * first
        }

    def between(self, begin_s: float, end_s: float) -> Timeline:
        """What happened in a window of the epoch. Times are still those since the epoch began.

        Raises ``ValueError`` for a window with nothing of the epoch in it.
        """
        begin, end = max(begin_s, self.begin_s), min(end_s, self.begin_s + self.wall_s)
        if not begin < end:
            raise ValueError(f"from {begin_s:g} s to {end_s:g} s is no part of this epoch")
        spans = tuple(
            span._replace(begin_s=max(span.begin_s, begin), end_s=min(span.end_s, end))
            for span in self.spans
            if span.begin_s < end and span.end_s > begin
        )
        batches = len({span.batch for span in spans if span.kind == "compute" and span.lane == MAIN})
        return replace(self, spans=spans, wall_s=end - begin, begin_s=begin, batches=batches)

    def rows(self) -> list[tuple[str, dict[str, float]]]:
        """Each lane with the share of the wall time that each kind of thing took there, 0 to 1."""
        kinds = {lane: dict.fromkeys(s.kind for s in self.spans if s.lane == lane) for lane in self.lanes}
        return [(lane, {kind: self.share(lane, kind) for kind in kinds[lane]}) for lane in self.lanes]

    def trace(self, name: str = "") -> dict[str, Any]:
        """The spans in the Chrome Trace Event format: written as JSON, https://ui.perfetto.dev opens it.

        Times are in microseconds; arrows lead from the helper that made a batch to its use. ``name``
        is what the group of lanes is called.
        """
        return merged_trace({name or "epoch": self})


def merged_trace(timelines: Mapping[str, Timeline]) -> dict[str, Any]:
    """Several epochs in one trace, each a group of lanes under its name; all of them begin at 0.

    The dictionary is for ``json.dump``; ``Timeline.trace`` says what opens it. Raises ``ValueError``
    if there is none.
    """
    if not timelines:
        raise ValueError("a trace needs at least one timeline")
    events: list[dict[str, Any]] = []
    for group, (name, timeline) in enumerate(timelines.items(), start=1):
        threads = _threads(group, timeline)
        events += _names(group, name, threads)
        events += _slices(timeline, threads)
        events += _arrows(group, timeline, threads)
    said = {name: {"clock": line.clock, "device": line.device} for name, line in timelines.items()}
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": said}


_LANES_AT_MOST = 10_000


_Threads: TypeAlias = dict[str, dict[str, int]]
"""What each lane is in the trace."""


def _threads(group: int, timeline: Timeline) -> _Threads:
    # No number occurs twice in a file: viewers take a thread's for the system's.
    first = group * _LANES_AT_MOST
    return {lane: {"pid": group, "tid": tid} for tid, lane in enumerate(timeline.lanes, start=first)}


def _names(group: int, name: str, threads: _Threads) -> Iterator[dict[str, Any]]:
    def named(what: str, **said: Any) -> dict[str, Any]:
        return {"ph": "M", "name": what, "pid": group, "ts": 0, "args": said}

    yield named("process_name", name=name)
    yield named("process_sort_index", sort_index=group)
    for position, (lane, thread) in enumerate(threads.items()):
        yield named("thread_name", name=lane) | thread
        yield named("thread_sort_index", sort_index=position) | thread


def _slices(timeline: Timeline, threads: _Threads) -> Iterator[dict[str, Any]]:
    for span in sorted(timeline.spans, key=lambda span: (span.begin_s, -span.end_s)):
        begin_us, end_us = _us(span.begin_s), _us(span.end_s)
        yield {
            "ph": "X",
            "name": span.kind,
            "cat": "spritedocs",
            "ts": begin_us,
            "dur": round(end_us - begin_us, 3),
            "args": {"batch": span.batch},
            **threads[span.lane],
        }


def _arrows(group: int, timeline: Timeline, threads: _Threads) -> Iterator[dict[str, Any]]:
    """From the collating of each batch, where that was a helper's, to the first thing done with it."""
    made = {span.batch: span for span in timeline.spans if span.kind == "collate" and span.lane != MAIN}
    used: dict[int, Span] = {}
    for span in timeline.spans:
        if span.lane == MAIN and span.kind in ("copy", "compute"):
            used[span.batch] = min(used.get(span.batch, span), span, key=lambda span: span.begin_s)
    for batch in sorted(made.keys() & used.keys()):
        # An arrow belongs to the slice that is open at its time, and one that has just ended is not.
        flow = {"name": "batch", "cat": "spritedocs", "id": group * 1_000_000 + batch}
        for phase, span in (("s", made[batch]), ("f", used[batch])):
            at_us = _us((span.begin_s + span.end_s) / 2 if phase == "s" else span.begin_s)
            binding = {"bp": "e"} if phase == "f" else {}
            yield {"ph": phase, **flow, "ts": at_us, **binding, **threads[span.lane]}


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 3)
