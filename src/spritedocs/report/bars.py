"""Bars and dots: values side by side, each with its interval."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from spritedocs.report.drawing import (
    GRID,
    INK,
    MUTED,
    Figure,
    axes_of,
    colour_of,
    letters,
    name_x_axis,
    terminal_colour_of,
)
from spritedocs.report.measurement import Measurement
from spritedocs.report.ticks import log_ticks, put_linear_ticks, put_ticks, written

__all__ = ["Bars", "Dots"]

_CELLS = 32
_LINE = 1.4
"""In heights of a letter: a line of text, and a bar."""


@dataclass(frozen=True)
class Bars(Figure):
    """One horizontal bar per value, with a whisker over its interval; all values share a unit."""

    values: Sequence[Measurement]
    groups: Sequence[int] = ()
    """The colour of each bar: 0 grey, 1 purple, 2 orange, …; all purple where this is empty."""
    x_label: str = ""
    """What the axis is called; the unit where this is empty."""

    @property
    def _rows(self) -> list[tuple[str, Measurement, int]]:
        groups = self.groups or [1] * len(self.values)
        names = [value.label or value.name for value in self.values]
        return list(zip(names, self.values, groups, strict=True))

    def _draw(self, wide: bool) -> Any:
        rows = self._rows
        is_beside = max(len(name) for name, _, _ in rows) <= letters(wide, 0.35)
        # Where there is no room for names beside the bars they stand above them, values and all.
        above = [
            [] if is_beside else _wrapped(f"{name}: ", str(value), letters(wide, 0.96))
            for name, value, _ in rows
        ]
        places, down = [], 0.0
        for lines in above:
            places.append(down + len(lines) * _LINE + _LINE / 2)
            down += len(lines) * _LINE + _LINE * 1.5
        figure, axes = axes_of(down + 4, wide)
        self._scale(axes, wide)
        for place, lines, (_, value, group) in zip(places, above, rows, strict=True):
            self._mark(axes, value, place, colour_of(group))
            if value.interval:
                axes.plot(value.interval, (place, place), color=INK, linewidth=1.4, solid_capstyle="butt")
            if lines:
                axes.annotate(
                    "\n".join(lines),
                    (0, place - _LINE / 2),
                    (4, 2),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    color=INK,
                )
        if is_beside:
            for place, value in zip(places, self.values, strict=True):
                at = max(_reach(value), axes.get_xlim()[0])
                axes.annotate(
                    str(value), (at, place), (8, 0), textcoords="offset points", va="center", color=INK
                )
        axes.set_ylim(down, -0.3)
        axes.set_yticks(places if is_beside else [], [name for name, _, _ in rows] if is_beside else [])
        name_x_axis(axes, self.x_label or self.values[0].unit, wide)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        return figure

    def _mark(self, axes: Any, value: Measurement, place: float, colour: str) -> None:
        axes.barh(place, value.median, height=_LINE * 0.8, color=colour)

    def _scale(self, axes: Any, wide: bool) -> None:
        axes.set_xlim(
            min(0, *(value.bounds[0] for value in self.values)), max(0, *map(_reach, self.values)) or 1
        )
        put_linear_ticks(axes.xaxis, letters(wide, 0.6))

    def _composed(self) -> str:
        said = "; ".join(f"{name} {value}" for name, value, _ in self._rows)
        return f"{self.x_label}: {said}." if self.x_label else f"{said}."

    def text(self) -> Text:
        """See ``Figure.text``."""
        width = max(len(name) for name, _, _ in self._rows)
        picture = Text()
        for name, value, group in self._rows:
            picture.append(f"{name:>{width}} ")
            picture.append(self._cells(value), style=terminal_colour_of(group))
            picture.append(f" {value}\n")
        return picture

    def _cells(self, value: Measurement) -> str:
        longest = max(value.median for value in self.values) or 1
        return "█" * max(1, round(value.median / longest * _CELLS))


@dataclass(frozen=True)
class Dots(Bars):
    """One dot per value on a logarithmic axis, where a bar would have no beginning: 0.03 s beside 4 s.

    What is 0, or below, has no dot: its value stands at the left edge.
    """

    @property
    def _ends(self) -> tuple[float, float]:
        """The smallest and the largest end of what can be shown, a little apart."""
        ends = [end for value in self.values for end in (value.median, *value.bounds) if end > 0] or [1.0]
        return min(ends) / 1.3, max(ends) * 1.3

    def _mark(self, axes: Any, value: Measurement, place: float, colour: str) -> None:
        if value.median > 0:
            axes.plot((self._ends[0], value.median), (place, place), color=MUTED, linestyle=":", linewidth=1)
            axes.plot(value.median, place, "o", color=colour, markersize=10, clip_on=False)

    def _scale(self, axes: Any, wide: bool) -> None:
        axes.set_xscale("log")
        low, high = self._ends
        ticks = log_ticks(low, high)
        axes.set_xlim(min(low, *ticks), max(high, *ticks))
        put_ticks(axes.xaxis, ticks, [written(tick) for tick in ticks], letters(wide, 0.6))

    def _cells(self, value: Measurement) -> str:
        low, high = self._ends
        if value.median <= 0:
            return " " * _CELLS
        before = round(math.log(value.median / low) / math.log(high / low) * (_CELLS - 1))
        return f"{'·' * before}●{' ' * (_CELLS - 1 - before)}"


def _wrapped(name: str, value: str, letters: int) -> list[str]:
    """Both in lines of ``letters`` at most; the value stays whole."""
    whole = value.replace(" ", "\N{NO-BREAK SPACE}")
    return [line.replace(whole, value) for line in textwrap.wrap(name + whole, letters)]


def _reach(value: Measurement) -> float:
    """Where a bar ends, its whisker included."""
    return max(value.median, *(value.interval or (value.median,)))
