"""The SVG beneath the figures: one line that follows the page's colours, and that any page can hold.

matplotlib refuses CSS variables as colours, so figures are drawn in sentinel colours that are then
replaced. What else it writes into an SVG that a page does not want (metadata, a style that would
reach the whole page, ids that two figures would share) is taken out.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "FONT_POINTS",
    "GRID",
    "INK",
    "LETTERS",
    "MUTED",
    "PANEL",
    "Figure",
    "axes_of",
    "colour_of",
    "finished",
    "name_x_axis",
    "plain_matplotlib",
    "terminal_colour_of",
]

_COLOURS = {
    "#010203": "var(--sprite-ink)",
    "#010204": "var(--sprite-muted)",
    "#010205": "var(--sprite-grid)",
    "#010206": "var(--sprite-panel)",
    "#010210": "var(--sprite-series-0)",
    "#010211": "var(--sprite-series-1)",
    "#010212": "var(--sprite-series-2)",
    "#010213": "var(--sprite-series-3)",
    "#010214": "var(--sprite-series-4)",
}
INK, MUTED, GRID, PANEL, *_SERIES = _COLOURS
_TERMINAL_SERIES = ("bright_black", "magenta", "yellow", "cyan", "green")
FONT_POINTS = 9
LETTERS: Any = {"color": INK, "fontsize": FONT_POINTS}
_WIDTH_INCHES = 4.0
_LABEL_LETTERS = 40
_RECTANGLE = r"M (\S+) (\S+)\s+L (\S+) \2\s+L \3 (\S+)\s+L \1 \4\s+L \1 \2\s+z\s*"
_TEXT = '<text style="{}"([^>]*>[^<]*</text>) ?'
_TEXTS = _TEXT.format('([^"]*)') + "(?:" + _TEXT.format(r"\1") + ")+"


@dataclass(frozen=True)
class Figure(ABC):
    """A picture of a result."""

    alt: str
    """What it shows, in words; where this is empty the words are composed from the values."""

    @abstractmethod
    def svg(self) -> str:
        """The picture as one line of inline SVG, coloured by ``--sprite-…`` CSS variables."""

    @property
    def in_words(self) -> str:
        """What the picture shows."""
        return self.alt or self._composed()

    @abstractmethod
    def _composed(self) -> str:
        """What the picture shows, from its values."""

    @abstractmethod
    def text(self) -> Text:
        """The picture for a terminal."""


def colour_of(group: int) -> str:
    """Grey for group 0, that without helpers; purple, orange and two more for the others, over and over."""
    return _SERIES[1 + (group - 1) % (len(_SERIES) - 1) if group else 0]


def terminal_colour_of(group: int) -> str:
    """What ``colour_of`` is in a terminal."""
    return _TERMINAL_SERIES[_SERIES.index(colour_of(group))]


@contextmanager
def plain_matplotlib() -> Iterator[None]:
    """matplotlib as it comes: settings of the reader's own would change the figures."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "spritedocs"})
        matplotlib.rcParams["font.size"] = FONT_POINTS
        yield


def axes_of(height_inches: float) -> tuple[Any, Axes]:
    """An empty figure, ``height_inches`` tall, in the sentinel colours."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=FONT_POINTS, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(MUTED)
    return figure, axes


def name_x_axis(axes: Axes, label: str) -> None:
    """Write ``label`` below the axis, in several lines where it would be cut off."""
    axes.set_xlabel(textwrap.fill(label, _LABEL_LETTERS), color=MUTED, fontsize=FONT_POINTS)


def finished(figure: Any, alt: str) -> str:
    """``figure`` as one line of SVG that several pages, and several figures on one, can hold."""
    stream = io.StringIO()
    unwanted = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=unwanted)
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for pattern in (r"<metadata>.*?</metadata>", r"<defs>\s*<style.*?</style>\s*</defs>", r"<!--.*?-->"):
        drawn = re.sub(pattern, "", drawn, flags=re.DOTALL)
    drawn = _slim(re.sub(r" font-family: [^;\"]+;?", "", drawn))
    drawn = _gathered_texts(_without_bare_groups(_own_ids(drawn)))
    for sentinel, variable in _COLOURS.items():
        drawn = drawn.replace(sentinel, variable)
    box = re.search(r'viewBox="([^"]+)"', drawn)
    opening = (
        f'<svg class="sprite-svg" viewBox="{box[1] if box else ""}" role="img" '
        f'aria-label="{html.escape(alt)}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"\s*\n\s*", " ", re.sub(r"<svg[^>]*>", opening, drawn, count=1)).strip()


def _slim(drawn: str) -> str:
    """Leave out what nobody sees: a page holds several figures, on every machine's tab."""
    drawn = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", drawn)
    # Hundredths of a point; not in what is to be read.
    drawn = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d+", _hundredths, tag[0]), drawn)
    drawn = re.sub(_RECTANGLE, r"M\1 \2H\3V\4H\1z", drawn)
    drawn = re.sub(r'<path d="[^"]*"(?: clip-path="[^"]*")? style="fill: none"/>', "", drawn)
    return re.sub(r"; stroke-linejoin: miter", "", drawn)  # as it is by default


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _own_ids(drawn: str) -> str:
    """Prefix the ids that something refers to, and drop the rest."""
    prefix = f"sprite-{hashlib.sha256(drawn.encode()).hexdigest()[:8]}-"
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{prefix}{match[1]}"' if match[1] in wanted else ""

    drawn = re.sub(r'\s+id="([^"]+)"', renamed, drawn)
    return re.sub(r'(href="#|url\(#)', rf"\1{prefix}", drawn)


def _without_bare_groups(drawn: str) -> str:
    """``drawn`` without ``<g>`` elements that say nothing, which most do when their ids are gone."""
    kept, open_groups = [], []
    for part in re.split(r"(<g\b[^>]*>|</g>)", drawn):
        if part.startswith("<g") and not part.endswith("/>"):
            open_groups.append(part != "<g>")
        wanted = open_groups.pop() if part == "</g>" else part not in ("<g>", "<g/>")
        kept.append(part if wanted else "")
    return re.sub(r"\s+", " ", "".join(kept))


def _gathered_texts(drawn: str) -> str:
    """``drawn`` with a style written once for all texts that follow each other and share it."""

    def gathered(match: re.Match[str]) -> str:
        style = f' style="{match[1]}"'
        return f"<g{style}>{match[0].replace(style, '')}</g>"

    return re.sub(_TEXTS, gathered, drawn)
