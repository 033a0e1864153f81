"""What a lane shows: its bars, or where they are too many, cells with what took most of each."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from typing import NamedTuple

from spritedocs.spans import Span, Timeline

__all__ = ["Bar", "bars_of", "cells_of", "runs_of"]


class Bar(NamedTuple):
    """A piece of a lane. No two of a lane overlap."""

    begin_s: float
    end_s: float
    kind: str
    batch: int
    """-1 where it stands for several."""


def bars_of(line: Timeline, lane: str) -> list[Bar]:
    """What ``lane`` did, in order; its waits without what else it did in them."""
    spans = sorted((span for span in line.spans if span.lane == lane), key=lambda span: span.begin_s)
    bars = [Bar(span.begin_s, span.end_s, span.kind, span.batch) for span in spans if span.kind != "wait"]
    waits = [span for span in spans if span.kind == "wait"]
    return sorted([*bars, *(gap for wait in waits for gap in _gaps(wait, bars))])


def _gaps(wait: Span, bars: Sequence[Bar]) -> Iterator[Bar]:
    free = wait.begin_s
    inside = range(bisect_left(bars, free, key=lambda bar: bar.end_s), len(bars))
    for bar in takewhile(lambda bar: bar.begin_s < wait.end_s, (bars[number] for number in inside)):
        if bar.begin_s > free:
            yield Bar(free, bar.begin_s, "wait", wait.batch)
        free = max(free, bar.end_s)
    if free < wait.end_s:
        yield Bar(free, wait.end_s, "wait", wait.batch)


def cells_of(bars: Sequence[Bar], begin: float, end: float, count: int) -> list[str]:
    """For each of ``count`` equal pieces of time the kind that took most of it; ``""`` if nothing did."""
    width = (end - begin) / count
    taken = [defaultdict(float, {"": width}) for _ in range(count)]
    for bar in bars:
        last = min(count - 1, int((bar.end_s - begin) / width))
        for number in range(max(0, int((bar.begin_s - begin) / width)), last + 1):
            left = begin + number * width
            overlap = min(bar.end_s, left + width) - max(bar.begin_s, left)
            if overlap > 0:
                taken[number][bar.kind] += overlap
                taken[number][""] -= overlap
    return [max(kinds, key=lambda kind: kinds[kind]) for kinds in taken]


def runs_of(cells: Sequence[str], begin: float, end: float) -> list[Bar]:
    """Bars for ``cells``; they are of no batch."""
    width = (end - begin) / len(cells)
    bars, position = [], 0
    for kind, run in groupby(cells):
        length = len(list(run))
        if kind:
            bars.append(Bar(begin + position * width, begin + (position + length) * width, kind, -1))
        position += length
    return bars
