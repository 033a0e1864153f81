"""What a lane shows: its pieces, or where these are too many, cells with what took most of each."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from typing import NamedTuple

from spritedocs.timeline.spans import Span, Timeline

__all__ = ["Piece", "cells_of", "pieces_of", "runs_of"]


class Piece(NamedTuple):
    """A piece of a lane. No two of a lane overlap."""

    begin_s: float
    end_s: float
    kind: str
    batch: int
    """-1 where it stands for several."""


def pieces_of(line: Timeline, lane: str) -> list[Piece]:
    """What ``lane`` did, in order; its waits without what else it did in them."""
    spans = sorted((span for span in line.spans if span.lane == lane), key=lambda span: span.begin_s)
    pieces = [Piece(span.begin_s, span.end_s, span.kind, span.batch) for span in spans if span.kind != "wait"]
    waits = [span for span in spans if span.kind == "wait"]
    return sorted([*pieces, *(gap for wait in waits for gap in _gaps(wait, pieces))])


def _gaps(wait: Span, pieces: Sequence[Piece]) -> Iterator[Piece]:
    free = wait.begin_s
    inside = range(bisect_left(pieces, free, key=lambda piece: piece.end_s), len(pieces))
    for piece in takewhile(lambda piece: piece.begin_s < wait.end_s, (pieces[number] for number in inside)):
        if piece.begin_s > free:
            yield Piece(free, piece.begin_s, "wait", wait.batch)
        free = max(free, piece.end_s)
    if free < wait.end_s:
        yield Piece(free, wait.end_s, "wait", wait.batch)


def cells_of(pieces: Sequence[Piece], begin: float, end: float, count: int) -> list[str]:
    """For each of ``count`` equal parts of the time the kind that took most of it; ``""`` if nothing did."""
    width = (end - begin) / count
    taken = [defaultdict(float, {"": width}) for _ in range(count)]
    for piece in pieces:
        last = min(count - 1, int((piece.end_s - begin) / width))
        for number in range(max(0, int((piece.begin_s - begin) / width)), last + 1):
            left = begin + number * width
            overlap = min(piece.end_s, left + width) - max(piece.begin_s, left)
            if overlap > 0:
                taken[number][piece.kind] += overlap
                taken[number][""] -= overlap
    return [max(kinds, key=lambda kind: kinds[kind]) for kinds in taken]


def runs_of(cells: Sequence[str], begin: float, end: float) -> list[Piece]:
    """Pieces for ``cells``; they are of no batch."""
    width = (end - begin) / len(cells)
    pieces, position = [], 0
    for kind, run in groupby(cells):
        length = len(list(run))
        if kind:
            pieces.append(Piece(begin + position * width, begin + (position + length) * width, kind, -1))
        position += length
    return pieces
