"""The middle of samples, and the interval that they support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, median_high, median_low

__all__ = ["FEWEST_SAMPLES", "log_interval", "summarised"]

FEWEST_SAMPLES = 6
"""Below this many samples no interval is given: it would promise more than it covers."""


def summarised(samples: Sequence[float], unit: str) -> tuple[float, tuple[float, float] | None]:
    """The median of ``samples``, in ``"×"`` that of their logarithms, and the interval, which holds it."""
    low, high = median_low(samples), median_high(samples)
    middle = median(samples)
    if unit == "×" and 0 < low < high:
        middle = math.sqrt(low) * math.sqrt(high)
    interval = log_interval(samples)
    return middle, interval and (min(interval[0], middle), max(interval[1], middle))


def log_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """The t-interval of the geometric mean of ``samples``, or ``None`` for too few or not all positive.

    Examples:
        >>> log_interval([1.0, 2.0, 4.0]) is None
        True
        >>> low, high = log_interval([2.0, 2.1, 1.9, 2.0, 2.05, 1.95])
        >>> low < 2.0 < high
        True
    """
    if len(samples) < FEWEST_SAMPLES or min(samples) <= 0:
        return None
    if min(samples) == max(samples):
        return samples[0], samples[0]  # exactly, where logarithms would round
    from scipy.special import stdtrit  # here, because pages are built from stored intervals without it

    logs = [math.log(sample) for sample in samples]
    count = len(logs)
    centre = math.fsum(logs) / count
    variance = math.fsum((value - centre) ** 2 for value in logs) / (count - 1)
    reach = float(stdtrit(count - 1, (1 + confidence) / 2)) * math.sqrt(variance / count)
    return math.exp(centre - reach), math.exp(centre + reach)
