"""Figures for results: SVG that follows the page's colours, and the same figure as terminal text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from spritedocs.report.drawing import (
    GRID,
    INK,
    LETTERS,
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

__all__ = ["Bars", "Blocks"]

_BAR_CELLS = 32
_MOST_NAMED = 8
"""So many of a row's blocks are told in words."""


@dataclass(frozen=True)
class Bars(Figure):
    """One horizontal bar per value, with a whisker over its interval; all values share a unit."""

    values: Sequence[Measurement]
    groups: Sequence[int] = ()
    """The colour of each bar: 0 grey, 1 purple, 2 orange, …; all purple where this is empty."""
    x_label: str = ""
    """What the axis is called; the unit where this is empty."""

    @plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        count = len(self.values)
        groups = self.groups or [1] * count
        figure, axes = axes_of(0.55 + 0.34 * count)
        for row, (value, group) in enumerate(zip(self.values, groups, strict=True)):
            axes.barh(row, value.median, height=0.62, color=colour_of(group))
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
        return finished(figure, self.in_words)

    def _composed(self) -> str:
        said = "; ".join(f"{value.label or value.name} {value}" for value in self.values)
        return f"{self.x_label}: {said}." if self.x_label else f"{said}."

    def text(self) -> Text:
        """See ``Figure.text``."""
        longest = max(value.median for value in self.values) or 1
        width = max(len(value.label or value.name) for value in self.values)
        groups = self.groups or [1] * len(self.values)
        picture = Text()
        for value, group in zip(self.values, groups, strict=True):
            cells = max(1, round(value.median / longest * _BAR_CELLS))
            picture.append(f"{value.label or value.name:>{width}} ")
            picture.append("█" * cells, style=terminal_colour_of(group))
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
                colour = MUTED if actor < 0 else colour_of(actor + 1)
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
        return finished(figure, self.in_words)

    def _composed(self) -> str:
        rows = []
        for label, actors in self.rows.items():
            named = [*map(self._name, actors[:_MOST_NAMED]), *["…"] * (len(actors) > _MOST_NAMED)]
            rows.append(f"{label}: {', '.join(named)}")
        return f"{'; '.join(rows)}."

    def text(self) -> Text:
        """See ``Figure.text``."""
        width = max(len(label) for label in self.rows)
        picture = Text()
        for label, actors in self.rows.items():
            picture.append(f"{label:>{width}} ")
            for actor in actors:
                style = "dim" if actor < 0 else f"black on {terminal_colour_of(actor + 1)}"
                picture.append(f" {self._name(actor)} ", style=style)
                picture.append(" ")
            picture.append("\n")
        return picture


def _block(column: int, row: int) -> Any:
    """The outline of a block, a little apart from its neighbours."""
    from matplotlib.path import Path

    left, right, top, bottom = column + 0.06, column + 0.94, row - 0.38, row + 0.38
    return Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)


def _reach(value: Measurement) -> float:
    """Where a bar ends, its whisker included."""
    return max(value.median, *(value.interval or (value.median,)))
