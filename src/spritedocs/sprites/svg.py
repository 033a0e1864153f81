"""A sprite as a scalable picture, for pages."""

from __future__ import annotations

from itertools import groupby
from typing import SupportsIndex

from spritedocs.sprites.pixel_art import FAMILIES, NATIVE_SIZE, draw_sprite, family_of, scale

__all__ = ["sprite_svg"]


def sprite_svg(index: SupportsIndex, size: SupportsIndex = NATIVE_SIZE) -> str:
    """A sprite as a scalable picture with a text alternative; ``size`` is its side in CSS pixels.

    One path a colour, one rectangle a run of equal pixels. Raises ``ValueError`` as
    ``draw_sprite`` does.

    Examples:
        >>> sprite_svg(7, 48).startswith('<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"')
        True
    """
    side = NATIVE_SIZE * scale(size)
    runs: dict[str, str] = {}
    for y, row in enumerate(draw_sprite(index)):
        x = 0
        for (*colour, alpha), run in groupby(map(tuple, row.tolist())):
            width = len(list(run))
            if alpha:
                name = bytes(colour).hex()
                runs[name] = runs.get(name, "") + f"M{x} {y}h{width}v1h-{width}z"
            x += width
    paths = "".join(f'<path fill="#{colour}" d="{path}"/>\n' for colour, path in runs.items())
    title = f"A {FAMILIES[family_of(index)]} sprite"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"'
        f' viewBox="0 0 {NATIVE_SIZE} {NATIVE_SIZE}" role="img" aria-label="{title}"'
        f' shape-rendering="crispEdges">\n<title>{title}</title>\n{paths}</svg>\n'
    )
