"""Ticks that people read: 0.5, 1, 2, 4 or 1, 10, 100; never 6×10⁰."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["log_ticks", "put_linear_ticks", "put_ticks", "written"]

_MOST = 7
_DOUBLING = (0.25, 64)
"""Where powers of two read well."""


def log_ticks(low: float, high: float) -> list[float]:
    """Between two and seven round numbers for an axis from ``low`` to ``high``, both above 0.

    At most one lies outside at either end, where too few would lie within.

    Examples:
        >>> log_ticks(0.4, 5), log_ticks(0.03, 0.4), log_ticks(3, 4000)
        ([0.5, 1.0, 2.0, 4.0], [0.05, 0.1, 0.2], [10.0, 100.0, 1000.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = [10.0**n for n in range(first, last + 1)]
    halves = [m * 10.0**n for n in range(first, last + 1) for m in (1, 2, 5)]
    doubles = [2.0**n for n in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    scales = [halves, decades]
    if _DOUBLING[0] <= doubles[0] and doubles[-1] <= _DOUBLING[1]:
        scales.insert(0, doubles)
    for scale in scales:
        inside = [tick for tick in scale if low <= tick <= high]
        if 2 <= len(inside) <= _MOST:
            return inside
    if len(decades) > _MOST:
        return decades[:: math.ceil(len(decades) / _MOST)]
    below, above = max(tick for tick in halves if tick <= low), min(tick for tick in halves if tick >= high)
    return [tick for tick in halves if below <= tick <= above]


def written(number: float) -> str:
    """A tick for people: no powers, and no zeros to count.

    Examples:
        >>> [written(number) for number in (0.001, 0.5, 20, 1000.0, 10e6, 1e9)]
        ['0.001', '0.5', '20', '1,000', '10 million', '1,000 million']
    """
    if abs(number) >= 1e6:
        return f"{number / 1e6:,.10g} million"
    return f"{number:,.10g}" if abs(number) >= 10 else f"{number + 0.0:.10f}".rstrip("0").rstrip(".")


def put_ticks(axis: Any, places: Sequence[float], names: Sequence[str], letters: int) -> None:
    """Write ``names`` at ``places`` of an axis: as many of them, evenly, as ``letters`` have room for."""
    step = math.ceil(sum(len(name) + 2 for name in names) / letters)
    axis.set_ticks(places[::step], names[::step])
    axis.set_ticks([], minor=True)


def put_linear_ticks(axis: Any, letters: int) -> None:
    """Put round numbers on an axis, as many as ``letters`` have room for."""
    from matplotlib.ticker import MaxNLocator

    low, high = axis.get_view_interval()
    round_steps = [1, 2, 2.5, 5, 10]
    longest = max(len(written(tick)) for tick in MaxNLocator(2, steps=round_steps).tick_values(low, high))
    most = max(1, min(_MOST, letters // (longest + 3)))
    ticks = MaxNLocator(most, steps=round_steps).tick_values(low, high)
    inside = [tick for tick in ticks if low <= tick <= high]
    axis.set_ticks(inside, [written(round(tick, 12)) for tick in inside])
