"""Lines: how a value changes with another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.text import Text

from spritedocs.report.drawing import (
    FONT_POINTS,
    GRID,
    INK,
    MUTED,
    Figure,
    axes_of,
    colour_of,
    finished,
    name_x_axis,
    plain_matplotlib,
    terminal_colour_of,
)
from spritedocs.report.measurement import Measurement
from spritedocs.report.ticks import log_ticks, written

__all__ = ["Lines"]

_MOST_MARKERS = 12
"""With more points than this a line has no marks on them."""


@dataclass(frozen=True)
class Lines(Figure):
    """One line per series, with a band over the intervals: how a value changes with another."""

    series: Mapping[str, Sequence[tuple[float, Measurement | float]]]
    """Label to points (x, y), each series in the order of x. The first four have colours of their own."""
    x_label: str
    y_label: str
    spacing: Literal["linear", "log", "even"] = "linear"
    """How x is laid out; ``"even"`` puts the x values that occur side by side, as suits 0, 1, 2, 4, 8."""
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
                "color": colour_of(number + 1),
                "linestyle": "-" if number < 4 else ":",
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
        return finished(figure, self.in_words)

    def _composed(self) -> str:
        rows = []
        for label, points in self.series.items():
            first, last = (f"{_said(y)} at {x:g}" for x, y in (points[0], points[-1]))
            rows.append(f"{label} from {first} to {last}")
        return f"{self.y_label}, by {self.x_label}: {'; '.join(rows)}."

    def _scale(self, axes: Any) -> None:
        name_x_axis(axes, self.x_label)
        axes.set_ylabel(self.y_label, color=MUTED, fontsize=FONT_POINTS)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_ylim(bottom=0)
        if self.spacing == "log":
            axes.set_xscale("log")
            _write_ticks(axes.xaxis)
        elif self.spacing == "even":
            axes.set_xticks(range(len(self._ticks)), [f"{x:g}" for x in self._ticks])

    def text(self) -> Text:
        """See ``Figure.text``: one row of columns per series, each to the same scale."""
        heights = [_middle(y) for points in self.series.values() for _, y in points]
        width = max(map(len, self.series))
        picture = Text()
        for number, (label, points) in enumerate(self.series.items()):
            picture.append(f"{label:>{width}} ")
            columns = "".join(_column(_middle(y), max(heights)) for _, y in points)
            picture.append(columns, style=terminal_colour_of(number + 1))
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


def _write_ticks(axis: Any) -> None:
    """Put our ticks on a logarithmic axis, where matplotlib would write 6×10⁰."""
    ticks = log_ticks(*axis.get_view_interval())
    axis.set_ticks(ticks, [written(tick) for tick in ticks])
    axis.set_ticks([], minor=True)
