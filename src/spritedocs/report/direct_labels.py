"""Lines and their names at the ends, none of them on another."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Label", "side_by_side", "spread", "write_beside"]

_GAP = 2.0
"""In pixels of the drawing, between a label and the next."""
_NEAR = 0.02
"""Lines lie on each other that are nowhere further apart than this share of the height."""


class Label(NamedTuple):
    """A name, and the y of the line that it belongs to."""

    text: str
    y: float
    colour: str


def write_beside(figure: Any, axes: Any, labels: Sequence[Label], letters: int) -> None:
    """Write ``labels`` to the right of ``axes``, each as near to its y as the others let it.

    A label has two lines of ``letters`` at most. Where all of them together are taller than the axes they
    reach below them.
    """
    written = [
        axes.annotate(
            textwrap.fill(label.text, letters, max_lines=2, placeholder=" …"),
            (1, label.y),
            (8, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=label.colour,
            annotation_clip=False,
        )
        for label in labels
    ]
    figure.draw_without_rendering()  # only now is it known where everything stands
    boxes = [each.get_window_extent() for each in written]
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    ends = axes.get_window_extent()
    placed = spread(middles, [box.height + _GAP for box in boxes], ends.y0, ends.y1)
    for each, was, now in zip(written, middles, placed, strict=True):
        each.xyann = (8, (now - was) * 72 / figure.dpi)


def spread(middles: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Where labels go so that they do not overlap, near ``middles``, between ``low`` and ``high``.

    Where they are taller together than that, they reach below ``low``.

    Examples:
        >>> spread([5, 5, 50], [4, 4, 4], 0, 100)
        [3.0, 7.0, 50.0]
        >>> spread([100, 100], [4, 4], 0, 100)
        [94.0, 98.0]
    """
    order = sorted(range(len(middles)), key=lambda n: middles[n])
    # Labels that would overlap form a block, which stands where its labels want it on average.
    blocks: list[tuple[list[int], float, float]] = []
    for number in order:
        members, height, middle = [number], heights[number], float(middles[number])
        middle = min(max(middle, low + height / 2), high - height / 2)
        while blocks and blocks[-1][2] + blocks[-1][1] / 2 > middle - height / 2:
            before, taller, centre = blocks.pop()
            members = [*before, *members]
            middle = (centre * len(before) + middle * (len(members) - len(before))) / len(members)
            height += taller
            middle = min(max(middle, low + height / 2), high - height / 2)
        blocks.append((members, height, middle))
    placed = [0.0] * len(middles)
    for members, height, middle in blocks:
        at = middle - height / 2
        for number in members:
            placed[number] = at + heights[number] / 2
            at += heights[number]
    return placed


def side_by_side(lines: Mapping[str, Mapping[float, float]]) -> dict[str, float]:
    """How many lanes up each line has to be drawn, so that none of them lies on another.

    A line is a mapping from x to y. The one that ends higher goes above.

    Examples:
        >>> side_by_side({"a": {0: 1, 9: 1}, "b": {0: 1, 9: 9}, "c": {0: 1, 9: 1.01}})
        {'a': -0.5, 'c': 0.5, 'b': 0.0}
    """
    heights = [y for points in lines.values() for y in points.values()]
    near = (max(heights) - min(heights)) * _NEAR

    def meet(one: Mapping[float, float], other: Mapping[float, float]) -> bool:
        both = one.keys() & other.keys()
        return len(both) > 1 and all(abs(one[x] - other[x]) <= near for x in both)

    bundles: list[list[str]] = []
    for label in sorted(lines, key=lambda label: [*lines[label].values()][-1]):
        with_it = next((bundle for bundle in bundles if meet(lines[bundle[0]], lines[label])), None)
        if with_it is None:
            bundles.append([label])
        else:
            with_it.append(label)
    return {label: n - (len(bundle) - 1) / 2 for bundle in bundles for n, label in enumerate(bundle)}
