"""The SVG beneath the figures: one line that follows the page's colours, and that any page can hold.

matplotlib refuses CSS variables as colours, so figures are drawn in sentinel colours that are then
replaced. What else it writes into an SVG that a page does not want (metadata, a style that would
reach the whole page, ids that two figures would share) is taken out.

A figure is drawn twice, for a phone and for a wide column: letters that are read on one would be lost on,
or fill, the other. The page's stylesheet shows the one that fits; without it the wide one shows.
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
    "GRID",
    "INK",
    "MUTED",
    "PANEL",
    "Figure",
    "axes_of",
    "colour_of",
    "kind_of",
    "letters",
    "name_x_axis",
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
    "#010215": "var(--sprite-series-5)",
}
INK, MUTED, GRID, PANEL, *_SERIES = _COLOURS
_TERMINAL_SERIES = ("bright_black", "magenta", "yellow", "cyan", "green", "blue")
_KINDS = (1, 3, 4, 5)
_SIZES = {False: (328, 12), True: (760, 14)}
"""How wide a drawing is and how large its letters are, on a phone and in a wide column: a point is a pixel
where the column is as wide as the drawing."""
_LETTER_WIDTH = 0.6
"""In heights of a letter: no less than a reader's own font has on average."""
_RECTANGLE = r"M (\S+) (\S+)\s+L (\S+) \2\s+L \3 (\S+)\s+L \1 \4\s+L \1 \2\s+z\s*"
_TEXT = '<text style="{}"([^>]*>[^<]*</text>) ?'
_TEXTS = _TEXT.format('([^"]*)') + "(?:" + _TEXT.format(r"\1") + ")+"


@dataclass(frozen=True)
class Figure(ABC):
    """A picture of a result."""

    alt: str
    """What it shows, in words; where this is empty the words are composed from the values."""

    def svg(self, wide: bool = True) -> str:
        """The picture as one line of inline SVG, coloured by ``--sprite-…`` CSS variables.

        It is drawn for a column of about 760 pixels, or where it is not ``wide``, for one of 328.
        """
        with _plain_matplotlib(wide):
            return _finished(self._draw(wide), self.in_words, wide)

    @abstractmethod
    def _draw(self, wide: bool) -> Any:
        """The picture in matplotlib, in the sentinel colours."""

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
    """Grey for group 0, no helpers; purple for 1, helpers; orange for 2, the control or a remedy's price.

    Three more have no meaning of their own.
    """
    return _SERIES[1 + (group - 1) % (len(_SERIES) - 1) if group else 0]


def kind_of(number: int) -> int:
    """The group of the kind ``number``, from 0, where kinds are told apart: never grey or orange."""
    return _KINDS[number % len(_KINDS)]


def terminal_colour_of(group: int) -> str:
    """What ``colour_of`` is in a terminal."""
    return _TERMINAL_SERIES[_SERIES.index(colour_of(group))]


@contextmanager
def _plain_matplotlib(wide: bool) -> Iterator[None]:
    """matplotlib as it comes: settings of the reader's own would change the figures."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "spritedocs"})
        matplotlib.rcParams["font.size"] = _SIZES[wide][1]
        yield


def axes_of(height: float, wide: bool) -> tuple[Any, Axes]:
    """An empty figure, ``height`` letters tall, in the sentinel colours."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    width, letter = _SIZES[wide]
    figure = Canvas(figsize=(width / 72, height * letter / 72), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=INK, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(MUTED)
    return figure, axes


def letters(wide: bool, share: float = 1.0) -> int:
    """How many letters fit side by side into a ``share`` of a drawing's width."""
    width, letter = _SIZES[wide]
    return int(share * width / letter / _LETTER_WIDTH)


def name_x_axis(axes: Axes, label: str, wide: bool) -> None:
    """Write ``label`` below the axis, in several lines where it would be cut off."""
    axes.set_xlabel(textwrap.fill(label, letters(wide, 0.75)), color=MUTED)


def _finished(figure: Any, alt: str, wide: bool) -> str:
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
    size = 'sprite-wide"' if wide else 'sprite-narrow" display="none"'
    opening = (
        f'<svg class="sprite-svg {size} viewBox="{box[1] if box else ""}" role="img" '
        f'aria-label="{html.escape(alt)}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"\s*\n\s*", " ", re.sub(r"<svg[^>]*>", lambda _: opening, drawn, count=1)).strip()


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
