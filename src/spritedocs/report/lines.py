"""Lines: how a value changes with another."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.text import Text

from spritedocs.report.direct_labels import Label, side_by_side, write_beside
from spritedocs.report.drawing import (
    GRID,
    MUTED,
    Figure,
    axes_of,
    colour_of,
    kind_of,
    letters,
    name_x_axis,
    terminal_colour_of,
)
from spritedocs.report.measurement import Measurement
from spritedocs.report.ticks import log_ticks, put_linear_ticks, put_ticks, written

__all__ = ["Lines", "Spacing"]

Spacing = Literal["linear", "log", "even", "log-log"]

_MOST_MARKERS = 12
"""With more points than this a line has no marks on them."""
_LANE = 4.0
"""In points: from one such line to the next."""
_MARKS = {"o": "●", "s": "■", "^": "▲", "D": "◆"}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))


@dataclass(frozen=True)
class Lines(Figure):
    """One line per series, with a band over the intervals: how a value changes with another.

    Each line is told from the others by its colour, its dashes and its marks, and named at its end.
    """

    series: Mapping[str, Sequence[tuple[float, Measurement | float]]]
    """Label to points (x, y), each series in the order of x. The first four have colours of their own."""
    x_label: str
    y_label: str
    spacing: Spacing = "linear"
    """How x is laid out; ``"even"`` puts the x values that occur side by side, as suits 0, 1, 2, 4, 8. With
    ``"log-log"`` y is logarithmic too; what is 0 or below then has no point."""
    reference: tuple[float, str] | None = None
    """A value of y to compare with, drawn as a dashed line, and what it means."""
    mark: tuple[float, str] | None = None
    """A value of x to mark by a vertical line, and what it means."""
    ideal: str = ""
    """What it means that y is x, drawn as a dotted line; no such line where this is empty."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """The colours of series that have a meaning: 0 grey, 1 purple, 2 orange."""

    def __post_init__(self) -> None:
        if not self._shown:
            raise ValueError(f"a figure of lines needs points, not {dict(self.series)!r:.60}")

    @property
    def _shown(self) -> dict[str, list[tuple[float, Measurement | float]]]:
        above = 0.0 if self.spacing == "log-log" else float("-inf")
        from_x = 0.0 if self.spacing in ("log", "log-log") else float("-inf")
        shown = {
            label: [(x, y) for x, y in points if x > from_x and _middle(y) > above]
            for label, points in self.series.items()
        }
        return {label: points for label, points in shown.items() if points}

    @property
    def _ticks(self) -> list[float]:
        return sorted({x for points in self._shown.values() for x, _ in points})

    def _colour(self, number: int, label: str) -> int:
        return self.groups.get(label, kind_of(number))

    def _draw(self, wide: bool) -> Any:
        from matplotlib.transforms import ScaledTranslation

        names = len(self.series) + bool(self.reference) + bool(self.ideal)
        figure, axes = axes_of(max(22 if wide else 19, 9 + 3 * names), wide)
        ticks = self._ticks
        place = {x: float(ticks.index(x)) if self.spacing == "even" else x for x in ticks}
        labels = []
        level = math.log if self.spacing == "log-log" else float
        lanes = side_by_side(
            {label: {x: level(_middle(y)) for x, y in points} for label, points in self._shown.items()}
        )
        for number, (label, points) in enumerate(self._shown.items()):
            colour, mark = colour_of(self._colour(number, label)), "os^D"[number % 4]
            xs = [place[x] for x, _ in points]
            aside = ScaledTranslation(0, lanes[label] * _LANE / 72, figure.dpi_scale_trans)
            axes.plot(
                xs,
                [_middle(y) for _, y in points],
                color=colour,
                linestyle=_DASHES[number % 4],
                linewidth=2,
                marker=mark if len(points) <= _MOST_MARKERS else "",
                markersize=4 if lanes[label] else 6,
                transform=axes.transData + aside,
            )
            low, high = zip(*(_bounds(y) for _, y in points), strict=True)
            axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
            sign = f"{_MARKS[mark]} " if len(self.series) > 1 else ""
            grey = colour == colour_of(0)
            labels.append(Label(f"{sign}{label}", _middle(points[-1][1]), MUTED if grey else colour))
        if self.reference:
            value, meaning = self.reference
            axes.axhline(value, color=MUTED, linestyle="--", linewidth=1)
            labels.append(Label(meaning, value, MUTED))
        if self.ideal:
            axes.plot([*place.values()], ticks, color=MUTED, linestyle=":", linewidth=1.4)
            labels.append(Label(self.ideal, ticks[-1], MUTED))
        self._scale(axes, wide)
        if self.mark:
            self._draw_mark(axes, place)
        axes.set_title(
            textwrap.fill(self.y_label, letters(wide, 0.75)),
            loc="left",
            color=MUTED,
            fontsize="medium",
            pad=24 if self.mark else 8,
        )
        name_x_axis(axes, self.x_label, wide)
        write_beside(figure, axes, labels, letters(wide, 0.3 if wide else 0.34))
        return figure

    def _draw_mark(self, axes: Any, place: Mapping[float, float]) -> None:
        assert self.mark
        at, meaning = self.mark
        if self.spacing == "even" and at not in place:
            return
        at = place.get(at, at)
        axes.axvline(at, color=MUTED, linestyle="--", linewidth=1)
        axes.annotate(
            meaning,
            (at, 1),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            color=MUTED,
        )

    def _composed(self) -> str:
        rows = []
        for label, points in self.series.items():
            first, last = (f"{_said(y)} at {x:g}" for x, y in (points[0], points[-1]))
            rows.append(f"{label} from {first} to {last}")
        return f"{self.y_label}, by {self.x_label}: {'; '.join(rows)}."

    def _scale(self, axes: Any, wide: bool) -> None:
        ys = [y for points in self._shown.values() for _, y in points]
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        if self.spacing == "log-log":
            ends = [end for y in ys for end in (_middle(y), *_bounds(y)) if end > 0]
            _make_logarithmic(axes.yaxis, ends, 60)
        else:
            axes.set_ylim(bottom=min(0, *(_bounds(y)[0] for y in ys)))
            put_linear_ticks(axes.yaxis, 60)
        room, ticks = letters(wide, 0.5), self._ticks
        if self.spacing == "even" or (self.spacing == "log-log" and len(ticks) <= 7):
            if self.spacing == "log-log":
                axes.set_xscale("log")
            places = range(len(ticks)) if self.spacing == "even" else ticks
            put_ticks(axes.xaxis, places, [written(x) for x in ticks], room)
        elif self.spacing == "linear":
            put_linear_ticks(axes.xaxis, room)
        else:
            _make_logarithmic(axes.xaxis, ticks, room)

    def text(self) -> Text:
        """See ``Figure.text``: one row of columns per series, each to the same scale."""
        heights = [_middle(y) for points in self.series.values() for _, y in points]
        width = max(map(len, self.series))
        picture = Text()
        for number, (label, points) in enumerate(self.series.items()):
            picture.append(f"{label:>{width}} ")
            columns = "".join(_column(_middle(y), max(heights)) for _, y in points)
            picture.append(columns, style=terminal_colour_of(self._colour(number, label)))
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


def _column(value: float, most: float) -> str:
    share = value / most if most > 0 else 1.0
    return "▁▂▃▄▅▆▇█"[min(7, max(0, round(share * 7)))]


def _middle(y: Measurement | float) -> float:
    return y.median if isinstance(y, Measurement) else y


def _bounds(y: Measurement | float) -> tuple[float, float]:
    return y.bounds if isinstance(y, Measurement) else (y, y)


def _said(y: Measurement | float) -> str:
    return str(y) if isinstance(y, Measurement) else f"{y:.3g}"


def _make_logarithmic(axis: Any, values: Sequence[float], room: int) -> None:
    """Lay an axis out by logarithms, with our ticks where matplotlib would write 6×10⁰."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    beyond = max(1.15, (max(values) / min(values)) ** 0.05)
    low, high = min(values) / beyond, max(values) * beyond
    ticks = log_ticks(low, high)
    axis.set_view_interval(min(low, *ticks), max(high, *ticks), ignore=True)
    put_ticks(axis, ticks, [written(tick) for tick in ticks], room)
