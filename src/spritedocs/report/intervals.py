"""The middle of samples, and the interval that they support."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median, median_high, median_low

__all__ = ["FEWEST_SAMPLES", "log_interval", "summarised"]

FEWEST_SAMPLES = 6
"""Below this many samples no interval is given: it would promise more than it covers."""


def summarised(samples: Sequence[float], unit: str) -> tuple[float, tuple[float, float] | None]:
    """The median of ``samples``, in ``"×"`` that of their logarithms, and the interval, which holds it.

    Samples that are not all positive have the t-interval of their mean, but in ``"×"`` none. It begins at 0
    where none is below: what is never negative has no negative mean.
    """
    low, high = median_low(samples), median_high(samples)
    middle = median(samples)
    if unit == "×" and 0 < low < high:
        middle = math.sqrt(low) * math.sqrt(high)
    interval = log_interval(samples)
    if interval is None and unit != "×" and len(samples) >= FEWEST_SAMPLES:
        interval = _t_interval(samples)
        if min(samples) == 0:
            interval = max(0.0, interval[0]), interval[1]
    return middle, interval and (min(interval[0], middle), max(interval[1], middle))


def log_interval(samples: Sequence[float]) -> tuple[float, float] | None:
    """The 95% t-interval of the geometric mean of ``samples``, or ``None`` for too few or not all positive.

    Examples:
        >>> log_interval([1.0, 2.0, 4.0]) is None
        True
        >>> low, high = log_interval([2.0, 2.1, 1.9, 2.0, 2.05, 1.95])
        >>> low < 2.0 < high
        True
    """
    if len(samples) < FEWEST_SAMPLES or min(samples) <= 0:
        return None
    return _t_interval(samples, math.log, math.exp)


def _t_interval(
    samples: Sequence[float], onto: Callable[[float], float] = float, back: Callable[[float], float] = float
) -> tuple[float, float]:
    if min(samples) == max(samples):
        return samples[0], samples[0]  # exactly, where logarithms would round
    from scipy.special import stdtrit  # here, because pages are built from stored intervals without it

    values = [onto(sample) for sample in samples]
    count = len(values)
    centre = math.fsum(values) / count
    variance = math.fsum((value - centre) ** 2 for value in values) / (count - 1)
    reach = float(stdtrit(count - 1, 0.975)) * math.sqrt(variance / count)
    return back(centre - reach), back(centre + reach)
