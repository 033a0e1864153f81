"""A measured value: its samples, their median, how far it can be trusted; and the gap where there is none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spritedocs.machine import NotHere
from spritedocs.report import formatting
from spritedocs.report.intervals import summarised

__all__ = ["MIME", "TRACE_MIME", "Gap", "Measurement", "count", "measured"]

MIME = "application/vnd.spritedocs.measurement+json"
"""The MIME type under which a recorded notebook keeps raw samples."""

TRACE_MIME = "application/vnd.spritedocs.trace"
"""And the one under which it keeps a trace."""

_PHYSICAL = ("s", "ms", "µs", "ns", "min", "kB", "MB", "GB", "%", "×")
"""With these units, and with rates, a whole number is a measured one, and no count."""


@dataclass(frozen=True)
class Measurement:
    """One named value that a run produced.

    Examples:
        >>> speedup = Measurement.of("speedup_4", [3.9, 4.0, 3.8, 3.9, 4.1, 3.9], "×")
        >>> print(speedup, speedup.interval_text)
        3.90× 3.83–4.04×
        >>> print(Measurement.of("epoch_s", [1.31, 1.36], "s"))  # too few to promise more
        about 1.3 s
    """

    name: str
    """What claims and macros call it: lower case, digits and underscores."""
    unit: str
    """``"s"``, ``"×"``, ``"items/s"``, ``"%"``, or ``""`` for a plain count."""
    median: float
    """The median of the samples, in ``unit``; of a ratio that of their logarithms."""
    interval: tuple[float, float] | None
    """95% interval in ``unit``, which holds the median; ``None`` below 6 samples."""
    samples: tuple[float, ...]
    """Every sample, in the order in which it was taken."""
    label: str = ""
    """What a table calls it."""

    @classmethod
    def of(cls, name: str, samples: Sequence[float], unit: str, label: str = "") -> Measurement:
        """Summarise ``samples`` (at least one finite number).

        The interval is the t-interval of the samples' logarithms: timings and their ratios are
        positive and skewed, and a percentile bootstrap of a median covers far less than it claims
        when samples are few.

        That is an interval of the geometric mean, while the median is what stands beside it: the
        typical sample, which a single disturbed one does not move. The median of a ratio is that of
        its logarithms, so that ``a / b`` and ``b / a`` tell the same story: between the middle two of
        an even number of samples lies their geometric mean. Of many skewed samples the two may
        differ by more than the interval is wide. Then it is widened to hold the median as well: what
        is typical is no better known than to lie between the two, and the interval still covers the
        geometric mean at least as often as it says.

        Samples that are not all positive, as a difference may have, get the t-interval of their mean
        instead, widened as well. A ratio with such samples gets none.

        Raises ``ValueError`` for a name that claims could not refer to, or for unusable samples.
        """
        _check_name(name)
        values = tuple(float(sample) for sample in samples)
        if not values or not all(math.isfinite(value) for value in values):
            raise ValueError(f"{name} needs at least one sample, all of them finite, not {values}")
        return cls(name, unit, *summarised(values, unit), values, label)

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval, or where there is none the smallest and largest sample."""
        return self.interval or (min(self.samples), max(self.samples))

    @property
    def shows_no_difference(self) -> bool:
        """Whether its interval reaches to both sides of 1 for a ratio, and of 0 for any other value.

        What is below 0 in some samples is a difference.
        """
        return self.bounds[0] < (1 if self.unit == "×" else 0) < self.bounds[1]

    @property
    def is_count(self) -> bool:
        """Whether this was counted, and is exact: whole numbers without a physical unit."""
        physical = self.unit in _PHYSICAL or "/" in self.unit
        return not physical and all(sample == int(sample) for sample in self.samples)

    @property
    def remark(self) -> str:
        """What has to stand beside the value so that nobody takes it for more than it is, or ``""``.

        Examples:
            >>> Measurement.of("gain", [1.01, 0.99, 1.0, 1.02, 0.98, 1.0], "×").remark
            'no difference measured'
            >>> Measurement.of("gain", [1.5], "×").remark
            'one run'
        """
        return formatting.remark(self)

    @property
    def interval_text(self) -> str:
        """The interval with its unit, or ``""`` where there is none, or none that its digits could show."""
        return formatting.interval_text(self)

    @property
    def in_full(self) -> str:
        """The value and, in brackets, its interval without the unit, where there is one.

        Examples:
            >>> Measurement.of("speedup_4", [3.9, 4.0, 3.8, 3.9, 4.1, 3.9], "×").in_full
            '3.90× (3.83–4.04)'
        """
        return formatting.value_in_full(self)

    def __str__(self) -> str:
        return formatting.text_of(self)

    def as_json(self) -> dict[str, Any]:
        """The value as a recording stores it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "interval": self.interval and list(self.interval),
            "samples": list(self.samples),
            "label": self.label,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Measurement:
        """The value that ``as_json`` stored.

        Raises ``LookupError``, ``TypeError``, ``ValueError`` or ``OverflowError`` if it is damaged.
        """
        interval = stored["interval"]
        value = cls(
            name=stored["name"],
            unit=stored["unit"],
            median=float(stored["median"]),
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            samples=tuple(float(sample) for sample in stored["samples"]),
            label=stored.get("label", ""),
        )
        if value.bounds[0] > value.bounds[1]:
            raise ValueError(f"the interval of {value.name} is reversed")
        if not all(isinstance(text, str) for text in (value.name, value.unit, value.label)):
            raise TypeError("a name, a unit or a label is no text")
        if not all(map(math.isfinite, (value.median, *value.bounds, *value.samples))):
            raise ValueError(f"{value.name} is not finite")
        return value


@dataclass(frozen=True)
class Gap:
    """A value that could not be measured on this machine. It stands where the value would stand.

    Examples:
        >>> str(Gap("uss_mb", "Windows reports no PSS."))
        'not measured'
    """

    name: str
    """What the value would be called."""
    reason: str
    """A sentence: what stood in the way here, and what would help."""

    def __post_init__(self) -> None:
        _check_name(self.name)

    def __str__(self) -> str:
        return "not measured"

    def as_json(self) -> dict[str, str]:
        """The gap as a recording stores it."""
        return {"name": self.name, "reason": self.reason}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Gap:
        """The gap that ``as_json`` stored; ``KeyError``, ``TypeError`` or ``ValueError`` if damaged."""
        if not all(isinstance(stored[key], str) for key in ("name", "reason")):
            raise TypeError("the name or the reason of a gap is no text")
        return cls(stored["name"], stored["reason"])


def measured(name: str, samples: Sequence[float] | float, unit: str = "") -> Measurement:
    """The value ``name`` from what was measured in ``unit``: ``Measurement.of``, which takes one number too.

    Examples:
        >>> print(measured("epoch_s", 1.3141, "s"))
        about 1.3 s
    """
    return Measurement.of(name, [samples] if isinstance(samples, int | float) else samples, unit)


def count(name: str, number: int | Callable[[], int], of: int | None = None) -> Measurement | Gap:
    """The value ``name`` for what was counted, out of ``of`` where that is known.

    A function that counts is called, and where it raises ``machine.NotHere`` its value is a gap.

    Examples:
        >>> print(count("repeated", 24, of=32))
        24 of 32
    """
    try:
        counted = number() if callable(number) else number
    except NotHere as why_not:
        return Gap(name, str(why_not))
    return Measurement.of(name, [counted], "" if of is None else f"of {of}")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"the name {name!r} is not of the form lower_case_7, which claims need")
