"""Blocks: who did what, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from spritedocs.report.drawing import (
    INK,
    MUTED,
    Figure,
    axes_of,
    colour_of,
    kind_of,
    letters,
    name_x_axis,
    terminal_colour_of,
)

__all__ = ["Blocks"]

_MOST_NAMED = 8
"""So many of a row's blocks are told in words."""
_BLOCK = 2.0
_LINE = 1.4
"""In heights of a letter: a line of blocks, and one of text above them."""


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

    def _draw(self, wide: bool) -> Any:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        columns, lines = self._lines(wide)
        outlines: dict[str, list[Path]] = {}
        names: list[tuple[str, float, float]] = []
        down = 0.0
        headings = []
        for heading, actors in lines:
            if heading:
                headings.append((heading, down))
                down += _LINE
            for column, actor in enumerate(actors):
                colour = MUTED if actor < 0 else colour_of(kind_of(actor))
                outlines.setdefault(colour, []).append(_block(column, down + _BLOCK / 2))
                names.append((self._name(actor), column + 0.5, down + _BLOCK / 2))
            down += _BLOCK
        figure, axes = axes_of(down + 1 + _LINE * bool(self.x_label), wide)
        for heading, top in headings:
            axes.text(0, top + _LINE / 2, heading, va="center_baseline", color=INK)
        for name, x, y in names:
            axes.text(x, y, name, ha="center", va="center_baseline", color=INK)
        for colour, blocks in outlines.items():
            # One path for all of a colour: a page holds hundreds of blocks.
            outline = Path.make_compound_path(*blocks)
            axes.add_patch(
                PathPatch(outline, facecolor="none", edgecolor=colour, linewidth=1.6, clip_on=False)
            )
        axes.set_xlim(0, columns)
        axes.set_ylim(down, 0)
        axes.set_xticks([])
        axes.set_yticks([])
        name_x_axis(axes, self.x_label, wide)
        axes.spines["left"].set_visible(False)
        return figure

    def _lines(self, wide: bool) -> tuple[int, list[tuple[str, Sequence[int]]]]:
        """How many blocks a line has at most, and the lines, the first of each row with the row's label."""
        longest = max(len(self._name(actor)) for actors in self.rows.values() for actor in actors)
        fitting = max(1, letters(wide, 0.95) // (longest + 1))
        most = max(map(len, self.rows.values()))
        # Of a row that must be folded, the lines are about as long as each other.
        columns = -(-most // -(-most // fitting))
        return columns, [
            ("" if begin else label, actors[begin : begin + columns])
            for label, actors in self.rows.items()
            for begin in range(0, len(actors), columns)
        ]

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
                style = "dim" if actor < 0 else f"black on {terminal_colour_of(kind_of(actor))}"
                picture.append(f" {self._name(actor)} ", style=style)
                picture.append(" ")
            picture.append("\n")
        return picture


def _block(column: int, middle: float) -> Any:
    """The outline of a block, a little apart from its neighbours."""
    from matplotlib.path import Path

    left, right, top, bottom = column + 0.06, column + 0.94, middle - 0.8, middle + 0.8
    return Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)
