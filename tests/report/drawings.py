"""Where the letters of a figure stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

from spritedocs.report import Figure

SVG = "{http://www.w3.org/2000/svg}"
_NARROWEST = 0.46
"""How wide a letter is at least, on average, in heights of a letter."""


class Box(NamedTuple):
    """A text, and about where it stands."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    colour: str

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


_DRAWN: dict[tuple[int, bool], tuple[Figure, str]] = {}


def svg_of(figure: Figure, wide: bool = True) -> str:
    """The drawing, made once: a figure may be looked at in many tests."""
    key = id(figure), wide
    if key not in _DRAWN:
        _DRAWN[key] = figure, figure.svg(wide)  # with the figure, so that no other one gets its id
    return _DRAWN[key][1]


def words(figure: Figure, wide: bool = True) -> list[str]:
    return [text.strip() for text in ElementTree.fromstring(svg_of(figure, wide)).itertext() if text.strip()]


def boxes(figure: Figure, wide: bool) -> list[Box]:
    return list(_boxes(ElementTree.fromstring(svg_of(figure, wide)), ""))


def _boxes(element: ElementTree.Element, style: str) -> Iterator[Box]:
    style = f"{style}; {element.get('style') or ''}"
    if element.tag == f"{SVG}text":
        size = float(re.findall(r"font-size: ([\d.]+)", style)[-1])
        width = len(element.text or "") * size * _NARROWEST
        moved = re.findall(r"translate\(([\d.-]+) ([\d.-]+)\)", element.get("transform") or "")
        x, y = map(float, moved[0] if moved else (element.get("x") or 0, element.get("y") or 0))
        anchor = (re.findall(r"text-anchor: (\w+)", style) or ["start"])[-1]
        left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        colour = re.findall(r"fill: var\(--sprite-([\w-]+)\)", style)
        yield Box(
            element.text or "",
            left,
            y - 0.75 * size,
            left + width,
            y + 0.2 * size,
            colour[-1] if colour else "",
        )
    for child in element:
        yield from _boxes(child, style)


def hidden(figure: Figure, wide: bool) -> list[tuple[str, str]]:
    """Pairs of texts that stand on each other."""
    return [(a.text, b.text) for a, b in combinations(boxes(figure, wide), 2) if a.overlaps(b)]


def outside(figure: Figure, wide: bool) -> list[str]:
    """Texts that the edge of the picture cuts off."""
    root = ElementTree.fromstring(svg_of(figure, wide))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    return [
        box.text
        for box in boxes(figure, wide)
        if box.left < -1 or box.top < -1 or box.right > width + 1 or box.bottom > height + 1
    ]
