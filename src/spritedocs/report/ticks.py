"""Ticks of a logarithmic axis that people read: 0.5, 1, 2, 4 or 1, 10, 100."""

from __future__ import annotations

import math

__all__ = ["log_ticks", "written"]

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
    if number >= 1e6:
        return f"{number / 1e6:,.0f} million"
    return f"{number:,.0f}" if number >= 10 else f"{number:.10f}".rstrip("0").rstrip(".")
