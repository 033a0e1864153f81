"""Figures for results: SVG that follows the page's colours, and the same figure as terminal text."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.text import Text

from spritedocs.drawing import (
    FONT_POINTS,
    GRID,
    INK,
    LETTERS,
    MUTED,
    SERIES,
    axes_of,
    finished,
    name_x_axis,
    plain_matplotlib,
)
from spritedocs.measurement import Measurement

__all__ = ["Bars", "Blocks", "Figure", "Lines"]

_TERMINAL_SERIES = ("cyan", "magenta", "yellow", "green")
_BAR_CELLS = 32
_MOST_MARKERS = 12
"""With more points than this a line has no marks on them."""


@dataclass(frozen=True)
class Figure(ABC):
    """A picture of a result. ``alt`` says in words what it shows."""

    alt: str

    @abstractmethod
    def svg(self) -> str:
        """The picture as one line of inline SVG, coloured by ``--sprite-…`` CSS variables."""

    @abstractmethod
    def text(self) -> Text:
        """The picture for a terminal."""


@dataclass(frozen=True)
class Bars(Figure):
    """One horizontal bar per value, with a whisker over its interval; all values share a unit."""

    values: Sequence[Measurement]
    groups: Sequence[int] = ()
    """The colour of each bar, counted from 0; all the first colour where this is empty."""
    x_label: str = ""
    """What the axis is called; the unit where this is empty."""

    @plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        count = len(self.values)
        groups = self.groups or [0] * count
        figure, axes = axes_of(0.55 + 0.34 * count)
        for row, (value, group) in enumerate(zip(self.values, groups, strict=True)):
            axes.barh(row, value.median, height=0.62, color=SERIES[group % len(SERIES)])
            if value.interval:
                axes.plot(value.interval, (row, row), color=INK, linewidth=1.4, solid_capstyle="butt")
            axes.annotate(
                str(value), (_reach(value), row), (4, 0), textcoords="offset points", va="center", **LETTERS
            )
        axes.set_xlim(0, max(map(_reach, self.values)) * 1.24 or 1)
        axes.set_ylim(count - 0.45, -0.55)
        axes.set_yticks(range(count), [value.label or value.name for value in self.values])
        name_x_axis(axes, self.x_label or self.values[0].unit)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        return finished(figure, self.alt)

    def text(self) -> Text:
        """See ``Figure.text``."""
        longest = max(value.median for value in self.values) or 1
        width = max(len(value.label or value.name) for value in self.values)
        groups = self.groups or [0] * len(self.values)
        picture = Text()
        for value, group in zip(self.values, groups, strict=True):
            cells = max(1, round(value.median / longest * _BAR_CELLS))
            picture.append(f"{value.label or value.name:>{width}} ")
            picture.append("█" * cells, style=_TERMINAL_SERIES[group % len(_TERMINAL_SERIES)])
            picture.append(f" {value}\n")
        return picture


@dataclass(frozen=True)
class Blocks(Figure):
    """Rows of numbered blocks: who did what, in order. Each block's number is the actor's, from 0."""

    rows: Mapping[str, Sequence[int]]
    """One row per label; ``-1`` is the main process."""
    names: Sequence[str] = ()
    """What stands in a block of actor 0, 1, …; the number itself where this is empty."""
    main: str = "main"
    """What stands in a block of the main process."""
    x_label: str = ""

    def _name(self, actor: int) -> str:
        if actor < 0:
            return self.main
        return self.names[actor] if self.names else str(actor)

    @plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        figure, axes = axes_of(0.55 + 0.42 * len(self.rows))
        outlines: dict[str, list[Path]] = {}
        for row, actors in enumerate(self.rows.values()):
            for column, actor in enumerate(actors):
                colour = MUTED if actor < 0 else SERIES[actor % len(SERIES)]
                outlines.setdefault(colour, []).append(_block(column, row))
                axes.annotate(self._name(actor), (column + 0.5, row), ha="center", va="center", **LETTERS)
        for colour, blocks in outlines.items():
            # One path for all of a colour: a page holds hundreds of blocks.
            outline = Path.make_compound_path(*blocks)
            axes.add_patch(
                PathPatch(outline, facecolor="none", edgecolor=colour, linewidth=1.6, clip_on=False)
            )
        axes.set_xlim(0, max(len(actors) for actors in self.rows.values()))
        axes.set_ylim(len(self.rows) - 0.45, -0.55)
        axes.set_yticks(range(len(self.rows)), list(self.rows))
        axes.set_xticks([])
        name_x_axis(axes, self.x_label)
        axes.spines["left"].set_visible(False)
        return finished(figure, self.alt)

    def text(self) -> Text:
        """See ``Figure.text``."""
        width = max(len(label) for label in self.rows)
        picture = Text()
        for label, actors in self.rows.items():
            picture.append(f"{label:>{width}} ")
            for actor in actors:
                style = "dim" if actor < 0 else f"black on {_TERMINAL_SERIES[actor % len(_TERMINAL_SERIES)]}"
                picture.append(f" {self._name(actor)} ", style=style)
                picture.append(" ")
            picture.append("\n")
        return picture


@dataclass(frozen=True)
class Lines(Figure):
    """One line per series, with a band over the intervals: how a value changes with another."""

    series: Mapping[str, Sequence[tuple[float, Measurement | float]]]
    """Label to points (x, y), each series in the order of x. The first four have colours of their own."""
    x_label: str
    y_label: str
    spacing: Literal["linear", "log", "even"] = "linear"
    """How x is laid out; ``"even"`` puts the x values that occur side by side, as suits 0, 1, 2, 4, 8."""
    log_y: bool = False
    reference: tuple[float, str] | None = None
    """A value of y to compare with, drawn as a dashed line, and what it means."""

    def __post_init__(self) -> None:
        if not self.series or not all(self.series.values()):
            raise ValueError(f"a figure of lines needs points, not {dict(self.series)!r:.60}")

    @property
    def _ticks(self) -> list[float]:
        return sorted({x for points in self.series.values() for x, _ in points})

    @plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        figure, axes = axes_of(2.6)
        ticks = self._ticks
        place = {x: float(ticks.index(x)) if self.spacing == "even" else x for x in ticks}
        for number, (label, points) in enumerate(self.series.items()):
            style: dict[str, Any] = {
                "color": SERIES[number % len(SERIES)],
                "linestyle": "-" if number < len(SERIES) else ":",
            }
            xs = [place[x] for x, _ in points]
            marker = "os^D"[number % 4] if len(points) <= _MOST_MARKERS else ""
            axes.plot(xs, [_middle(y) for _, y in points], label=label, marker=marker, markersize=4, **style)
            low, high = zip(*(_bounds(y) for _, y in points), strict=True)
            axes.fill_between(xs, low, high, color=style["color"], alpha=0.22, linewidth=0)
        if self.reference:
            value, meaning = self.reference
            axes.axhline(value, color=MUTED, linestyle="--", linewidth=1)
            axes.annotate(
                meaning,
                (1, value),
                (0, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                color=MUTED,
                fontsize=FONT_POINTS,
            )
        self._scale(axes)
        figure.legend(
            loc="outside upper left",
            ncols=2,
            frameon=False,
            fontsize=FONT_POINTS,
            labelcolor=INK,
            handlelength=1.6,
        )
        return finished(figure, self.alt)

    def _scale(self, axes: Any) -> None:
        name_x_axis(axes, self.x_label)
        axes.set_ylabel(self.y_label, color=MUTED, fontsize=FONT_POINTS)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        if self.log_y:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(_plain_number)
        else:
            axes.set_ylim(bottom=0)
        if self.spacing == "log":
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(_plain_number)
        elif self.spacing == "even":
            axes.set_xticks(range(len(self._ticks)), [f"{x:g}" for x in self._ticks])
        axes.tick_params(which="minor", length=0)

    def text(self) -> Text:
        """See ``Figure.text``: one row of columns per series, each to the same scale."""
        heights = [_middle(y) for points in self.series.values() for _, y in points]
        least, most = (min(heights), max(heights)) if self.log_y else (0.0, max(heights))
        width = max(map(len, self.series))
        picture = Text()
        for number, (label, points) in enumerate(self.series.items()):
            picture.append(f"{label:>{width}} ")
            columns = "".join(_column(_middle(y), least, most, self.log_y) for _, y in points)
            picture.append(columns, style=_TERMINAL_SERIES[number % len(_TERMINAL_SERIES)])
            first, last = points[0][1], points[-1][1]
            picture.append(f" {_said(first)} → {_said(last)}\n")
        ticks = self._ticks
        several = (
            ", ".join(f"{x:g}" for x in ticks)
            if len(ticks) <= _MOST_MARKERS
            else f"{ticks[0]:g} to {ticks[-1]:g}"
        )
        picture.append(f"{'':>{width}} {self.y_label}; {self.x_label}: {several}\n", style="dim")
        return picture


def _block(column: int, row: int) -> Any:
    """The outline of a block, a little apart from its neighbours."""
    from matplotlib.path import Path

    left, right, top, bottom = column + 0.06, column + 0.94, row - 0.38, row + 0.38
    return Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)


def _reach(value: Measurement) -> float:
    """Where a bar ends, its whisker included."""
    return max(value.median, *(value.interval or (value.median,)))


def _column(value: float, least: float, most: float, logarithmic: bool) -> str:
    if logarithmic:
        value, least, most = (math.log(max(number, 1e-300)) for number in (value, least, most))
    share = (value - least) / (most - least) if most > least else 1.0
    return "▁▂▃▄▅▆▇█"[min(7, max(0, round(share * 7)))]


def _middle(y: Measurement | float) -> float:
    return y.median if isinstance(y, Measurement) else y


def _bounds(y: Measurement | float) -> tuple[float, float]:
    return y.bounds if isinstance(y, Measurement) else (y, y)


def _said(y: Measurement | float) -> str:
    return str(y) if isinstance(y, Measurement) else f"{y:.3g}"


def _plain_number(value: float, position: int) -> str:
    """10 and 1000 for the axes, where matplotlib would write powers."""
    return f"{value:g}"
