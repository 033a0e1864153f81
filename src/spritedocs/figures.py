"""Figures for results: SVG that follows the page's colours, and the same figure as terminal text.

matplotlib refuses CSS variables as colours, so the figures are drawn in sentinel colours that are
then replaced. What else it writes into an SVG that a page does not want (metadata, a style that
would reach the whole page, ids that two figures would share) is taken out.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from spritedocs.measurement import Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bars", "Blocks", "Figure"]

_COLOURS = {
    "#010203": "var(--sprite-ink)",
    "#010204": "var(--sprite-muted)",
    "#010205": "var(--sprite-grid)",
    "#010211": "var(--sprite-series-1)",
    "#010212": "var(--sprite-series-2)",
    "#010213": "var(--sprite-series-3)",
    "#010214": "var(--sprite-series-4)",
}
_INK, _MUTED, _GRID, *_SERIES = _COLOURS
_TERMINAL_SERIES = ("cyan", "magenta", "yellow", "green")
_WIDTH_INCHES = 4.0
_FONT_POINTS = 9
_BAR_CELLS = 32
_LETTERS: Any = {"color": _INK, "fontsize": _FONT_POINTS}


@contextmanager
def _plain_matplotlib() -> Iterator[None]:
    """matplotlib as it comes: settings of the reader's own would change the figures."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "spritedocs"})
        matplotlib.rcParams["font.size"] = _FONT_POINTS
        yield


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

    @_plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        count = len(self.values)
        groups = self.groups or [0] * count
        figure, axes = _axes(0.55 + 0.34 * count)
        for row, (value, group) in enumerate(zip(self.values, groups, strict=True)):
            axes.barh(row, value.median, height=0.62, color=_SERIES[group % len(_SERIES)])
            if value.interval:
                axes.plot(value.interval, (row, row), color=_INK, linewidth=1.4, solid_capstyle="butt")
            end = max(value.bounds[1], value.median)
            axes.annotate(str(value), (end, row), (4, 0), textcoords="offset points", va="center", **_LETTERS)
        axes.set_xlim(0, max(value.bounds[1] for value in self.values) * 1.24 or 1)
        axes.set_ylim(count - 0.45, -0.55)
        axes.set_yticks(range(count), [value.label or value.name for value in self.values])
        axes.set_xlabel(self.x_label or self.values[0].unit, color=_MUTED, fontsize=_FONT_POINTS)
        axes.grid(axis="x", color=_GRID, linewidth=0.8)
        return _finished(figure, self.alt)

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

    @_plain_matplotlib()
    def svg(self) -> str:
        """See ``Figure.svg``."""
        from matplotlib.patches import Rectangle

        figure, axes = _axes(0.55 + 0.42 * len(self.rows))
        for row, actors in enumerate(self.rows.values()):
            for column, actor in enumerate(actors):
                colour = _MUTED if actor < 0 else _SERIES[actor % len(_SERIES)]
                axes.add_patch(
                    Rectangle(
                        (column + 0.06, row - 0.38),
                        0.88,
                        0.76,
                        facecolor="none",
                        edgecolor=colour,
                        linewidth=1.6,
                    )
                )
                axes.annotate(self._name(actor), (column + 0.5, row), ha="center", va="center", **_LETTERS)
        axes.set_xlim(0, max(len(actors) for actors in self.rows.values()))
        axes.set_ylim(len(self.rows) - 0.45, -0.55)
        axes.set_yticks(range(len(self.rows)), list(self.rows))
        axes.set_xticks([])
        axes.set_xlabel(self.x_label, color=_MUTED, fontsize=_FONT_POINTS)
        axes.spines["left"].set_visible(False)
        return _finished(figure, self.alt)

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


def _axes(height_inches: float) -> tuple[Any, Axes]:
    """An empty figure, ``height_inches`` tall, in the sentinel colours."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.tick_params(colors=_MUTED, labelcolor=_INK, labelsize=_FONT_POINTS, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(_MUTED)
    return figure, axes


def _finished(figure: Any, alt: str) -> str:
    """``figure`` as one line of SVG that several pages, and several figures on one, can hold."""
    stream = io.StringIO()
    unwanted = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=unwanted)
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for pattern in (r"<metadata>.*?</metadata>", r"<defs>\s*<style.*?</style>\s*</defs>", r"<!--.*?-->"):
        drawn = re.sub(pattern, "", drawn, flags=re.DOTALL)
    drawn = re.sub(r" font-family: [^;\"]+;?", "", drawn)
    drawn = _own_ids(drawn)
    for sentinel, variable in _COLOURS.items():
        drawn = drawn.replace(sentinel, variable)
    box = re.search(r'viewBox="([^"]+)"', drawn)
    opening = (
        f'<svg class="sprite-svg" viewBox="{box[1] if box else ""}" role="img" '
        f'aria-label="{html.escape(alt)}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"\s*\n\s*", " ", re.sub(r"<svg[^>]*>", opening, drawn, count=1)).strip()


def _own_ids(drawn: str) -> str:
    """Prefix the ids that something refers to, and drop the rest."""
    prefix = f"sprite-{hashlib.sha256(drawn.encode()).hexdigest()[:8]}-"
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{prefix}{match[1]}"' if match[1] in wanted else ""

    drawn = re.sub(r'\s+id="([^"]+)"', renamed, drawn)
    return re.sub(r'(href="#|url\(#)', rf"\1{prefix}", drawn)
