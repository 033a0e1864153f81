"""How a measured value is put: its digits, its interval, and what has to stand beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spritedocs.report.intervals import FEWEST_SAMPLES

if TYPE_CHECKING:
    from spritedocs.report.measurement import Measurement

__all__ = ["interval_text", "remark", "text_of", "value_in_full"]


def text_of(value: Measurement) -> str:
    """The median with its unit, and ``about`` where too few samples were measured to say more."""
    return f"{'about ' if _is_rough(value) else ''}{_digits(value, value.median)}{_suffix(value)}"


def interval_text(value: Measurement) -> str:
    """See ``Measurement.interval_text``."""
    interval = _interval(value)
    return interval and f"{interval}{_suffix(value)}"


def value_in_full(value: Measurement) -> str:
    """See ``Measurement.in_full``."""
    interval = _interval(value)
    return f"{value} ({interval})" if interval else str(value)


def remark(value: Measurement) -> str:
    """See ``Measurement.remark``."""
    if value.shows_no_difference:
        return "no difference measured"
    return "one run" if _is_rough(value) and len(value.samples) == 1 else ""


def _is_rough(value: Measurement) -> bool:
    return value.interval is None and len(value.samples) < FEWEST_SAMPLES and not value.is_count


def _suffix(value: Measurement) -> str:
    return value.unit if value.unit in ("", "×", "%") else f" {value.unit}"


def _interval(value: Measurement) -> str:
    if value.interval is None:
        return ""
    low, high = (_digits(value, end) for end in value.interval)
    if low == high:
        return ""
    return f"{low} to {high}" if value.interval[0] < 0 else f"{low}–{high}"


def _digits(value: Measurement, number: float) -> str:
    """``number`` with no digit that the spread of the samples does not support: two where they are few."""
    low, high = value.bounds
    spread = (high - low) / 2 or abs(value.median) / 100
    if _is_rough(value):
        decimals = 1 - _magnitude(float(f"{number:.1e}")) if number else 0
    elif all(sample == int(sample) for sample in value.samples) and number == int(number):
        decimals = 0
    elif low < 0 < high:
        decimals = 1 - _magnitude(spread)
    else:
        magnitude = _magnitude(value.median)
        decimals = max(1 - magnitude, min(1 - _magnitude(spread), 2 - magnitude))
    rounded = round(number, decimals) + 0.0  # which is never -0
    return f"{rounded:,.{max(decimals, 0)}f}".replace("-", "−")


def _magnitude(number: float) -> int:
    return math.floor(math.log10(abs(number))) if number else 0
