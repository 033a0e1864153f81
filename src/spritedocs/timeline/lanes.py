"""Timelines drawn: a lane for each helper, one for the training loop, one for the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from spritedocs.report import (
    GRID,
    INK,
    MUTED,
    PANEL,
    Figure,
    axes_of,
    colour_of,
    letters,
    name_x_axis,
    put_linear_ticks,
)
from spritedocs.timeline.strips import Piece, cells_of, pieces_of, runs_of

if TYPE_CHECKING:
    from spritedocs.timeline.spans import Timeline

__all__ = ["Lanes"]


class _Look(NamedTuple):
    colour: str
    width_points: float
    letter: str
    style: str


_BAR = 11.0
_LOOKS = {
    "load": _Look(colour_of(1), _BAR, "▓", "magenta"),
    "collate": _Look(colour_of(4), _BAR, "▒", "yellow"),
    "copy": _Look(colour_of(5), _BAR, "▚", "blue"),
    "compute": _Look(colour_of(3), _BAR, "█", "green"),
    # Thin, so that what is busy stands out without colours too.
    "wait": _Look(MUTED, 2.0, "·", "dim"),
}
_NUMBERED = ("load", "compute")

_TERMINAL_CELLS = 64
_MOST_BARS = 360
"""With more of them, cells show what took most of each, so that the picture stays light."""
_MOST_NUMBERS = 40
_DRAWN_POINTS = {False: 260.0, True: 680.0}
"""About how wide the time axis is drawn, on a phone and in a wide column."""
_NUMBER_POINTS = 9


@dataclass(frozen=True)
class Lanes(Figure):
    """Timelines one above the other, on one time axis, each with a lane for everybody who worked.

    A wait shows only where nothing else happens: without helpers, loading takes place inside it.
    """

    panels: Mapping[str, Timeline]
    """What stands above each timeline; together they have to have a lane and a length."""
    x_label: str = "ms since the epoch began"
    names: Mapping[str, str] = field(default_factory=dict)
    """What lanes are called, where not as in the timeline."""

    def __post_init__(self) -> None:
        if not self.panels or not all(line.wall_s > 0 for line in self.panels.values()):
            raise ValueError(
                f"a figure of lanes needs timelines that take time, not {dict(self.panels)!r:.60}"
            )

    @property
    def _range(self) -> tuple[float, float]:
        lines = self.panels.values()
        return min(line.begin_s for line in lines), max(line.begin_s + line.wall_s for line in lines)

    @property
    def _kinds(self) -> list[str]:
        found = {span.kind for line in self.panels.values() for span in line.spans}
        return [kind for kind in _LOOKS if kind in found]

    def _draw(self, wide: bool) -> Any:
        begin, end = self._range
        rows = sum(len(line.lanes) + 1.3 for line in self.panels.values())
        figure, axes = axes_of(5.5 + 1.4 * rows, wide)
        axes.set_xlim(begin * 1e3, end * 1e3)
        axes.spines["left"].set_visible(False)
        places = dict(self._places())
        bars = self._light({where: pieces_of(self.panels[where[0]], where[1]) for where in places}, wide)
        for where, row in places.items():
            line = self.panels[where[0]]
            whole = (line.begin_s * 1e3, (line.begin_s + line.wall_s) * 1e3)
            axes.plot(whole, (row, row), color=GRID, linewidth=1, solid_capstyle="butt", zorder=1)
            self._draw_lane(axes, bars[where], row)
        self._write_numbers(axes, bars, places, wide)
        for panel in self.panels:
            top = min(row for (name, _), row in places.items() if name == panel)
            axes.annotate(
                panel,
                (0, top - 0.95),
                xycoords=("axes fraction", "data"),
                va="center",
                weight="bold",
                color=INK,
            )
        axes.set_ylim(max(places.values()) + 0.6, -1.4)
        axes.set_yticks(list(places.values()), [self.names.get(lane, lane) for _, lane in places])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        put_linear_ticks(axes.xaxis, letters(wide, 0.6))
        name_x_axis(axes, self.x_label, wide)
        self._explain(figure, wide)
        return figure

    def _composed(self) -> str:
        return "; ".join(f"{panel}, {line.wall_s * 1e3:.0f} ms" for panel, line in self.panels.items()) + "."

    def _places(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Panel and lane, and how far down it is drawn."""
        row = 0.0
        for panel, line in self.panels.items():
            for lane in line.lanes:
                yield (panel, lane), row
                row += 1
            row += 1.3

    def _light(self, bars: dict[Any, list[Piece]], wide: bool) -> dict[Any, list[Piece]]:
        """``bars``, or if they are too many, cells just wide enough for few of them."""
        begin, end = self._range
        cells = int(_DRAWN_POINTS[wide] * 2)
        drawn = bars
        while sum(map(len, drawn.values())) > _MOST_BARS and cells > 1:
            drawn = {
                where: runs_of(cells_of(lane, begin, end, cells), begin, end) for where, lane in bars.items()
            }
            cells = cells * 3 // 4
        return drawn

    def _draw_lane(self, axes: Any, bars: Sequence[Piece], row: float) -> None:
        """One path for each kind, as a thick dashed line: the fewest bytes that draw bars."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        for kind, look in _LOOKS.items():
            ends = [(x * 1e3, row) for bar in bars if bar.kind == kind for x in (bar.begin_s, bar.end_s)]
            if not ends:
                continue
            path = Path(ends, [Path.MOVETO, Path.LINETO] * (len(ends) // 2))
            path.should_simplify = False
            axes.add_patch(
                PathPatch(
                    path,
                    facecolor="none",
                    edgecolor=look.colour,
                    linewidth=look.width_points,
                    capstyle="butt",
                    clip_on=False,
                    zorder=2,
                )
            )

    def _write_numbers(
        self, axes: Any, bars: Mapping[Any, list[Piece]], places: Mapping[Any, float], wide: bool
    ) -> None:
        begin, end = self._range
        points_per_s = _DRAWN_POINTS[wide] / (end - begin)
        fitting = [
            (bar, row)
            for where, row in places.items()
            for bar in bars[where]
            if bar.kind in _NUMBERED
            and bar.batch >= 0
            and (bar.end_s - bar.begin_s) * points_per_s > 6 * len(str(bar.batch)) + 2
        ]
        every, last = 1, max((bar.batch for bar, _ in fitting), default=0)
        # Batch 0 always stays, and as many lanes may show it as there are.
        while every <= last and sum(bar.batch % every == 0 for bar, _ in fitting) > _MOST_NUMBERS:
            every *= 2
        for bar, row in fitting:
            if bar.batch % every == 0:
                axes.text(
                    (bar.begin_s + bar.end_s) / 2 * 1e3,
                    row,
                    str(bar.batch),
                    color=PANEL,
                    fontsize=_NUMBER_POINTS,
                    ha="center",
                    va="center_baseline",
                )

    def _explain(self, figure: Any, wide: bool) -> None:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=look.colour, linewidth=min(look.width_points, 7), label=kind)
            for kind, look in _LOOKS.items()
            if kind in self._kinds
        ]
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=len(handles) if wide else 3,
            frameon=False,
            labelcolor=INK,
            handlelength=1.0,
            columnspacing=1.0,
        )

    def text(self) -> Text:
        """See ``Figure.text``: each letter is a piece of time, and shows what took most of it."""
        begin, end = self._range
        width = max(len(self.names.get(lane, lane)) for line in self.panels.values() for lane in line.lanes)
        picture = Text()
        for panel, line in self.panels.items():
            picture.append(f"{panel}\n", style="bold")
            for lane in line.lanes:
                picture.append(f"{self.names.get(lane, lane):>{width}} ")
                cells = cells_of(pieces_of(line, lane), begin, end, _TERMINAL_CELLS)
                for kind, run in groupby(cells):
                    letter, style = (_LOOKS[kind].letter, _LOOKS[kind].style) if kind else (" ", "")
                    picture.append(letter * len(list(run)), style=style)
                picture.append("\n")
        first, last = f"{begin * 1e3:.0f}", f"{end * 1e3:.0f} {self.x_label}"
        picture.append(f"{'':>{width}} {first}{last:>{_TERMINAL_CELLS - len(first)}}\n", style="dim")
        picture.append(f"{'':>{width}}")
        for kind in self._kinds:
            picture.append(f" {_LOOKS[kind].letter}", style=_LOOKS[kind].style)
            picture.append(f" {kind} ")
        picture.append("\n")
        return picture
