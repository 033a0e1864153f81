"""Whether the values of a recording follow from their samples, and its tables say what the values are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from statistics import fmean, median, median_high, median_low
from typing import TYPE_CHECKING

from spritedocs.recordings.cleaning import Tag, drawn, has_controls
from spritedocs.report import Measurement, log_interval

if TYPE_CHECKING:
    from spritedocs.recordings.recording import Result

__all__ = ["ContradictionError", "check_result", "check_statement", "check_summary", "require"]

_LONGEST = 10_000
_NUMBER = r"([-−]?[\d,]+(?:\.\d+)?)"
_NOT_MEASURED = "not measured"
_REMARKS = ("one run", "no difference measured", "uncertain", "uncertain, may be no difference")
"""What stands below a value beside its interval; the last two in recordings of old."""


class ContradictionError(ValueError):
    """A recording contradicts itself. Half a sentence says how: "says that …"."""


def require(holds: bool, otherwise: str) -> None:
    """Raise ``ContradictionError`` with ``otherwise`` unless something ``holds``."""
    if not holds:
        raise ContradictionError(otherwise)


def check_summary(value: Measurement, written_as: int) -> None:
    """Whether median and interval follow from the samples, by the rule of the format that it was written in.

    The median of a ratio is that of logarithms from format 2 on. Samples that are not all positive have an
    interval from format 4 on.
    """
    # Which also raises for a name that claims could not refer to, and for samples that are none.
    ours = Measurement.of(value.name, value.samples, value.unit)
    middle, interval = ours.median, ours.interval
    if written_as < 4 and min(value.samples) <= 0:
        interval = None
    if written_as == 1:
        middle, interval = median(value.samples), log_interval(value.samples)
        if interval:
            interval = min(interval[0], middle), max(interval[1], middle)
    told, follows = (value.median, *(value.interval or ())), (middle, *(interval or ()))
    # Platforms differ in the last digits of a logarithm.
    same = len(told) == len(follows) and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300) for a, b in zip(told, follows, strict=True)
    )
    require(same, f"says that {value.name} is {_exactly(told)}, though its samples give {_exactly(follows)}")


def _exactly(numbers: tuple[float, ...]) -> str:
    middle, *interval = (f"{number:.10g}" for number in numbers)
    return f"{middle} ({' to '.join(interval)})" if interval else middle


def check_statement(value: Measurement) -> None:
    """Whether the middle of a benchmark's value lies in the midst of its samples, or is their mean."""
    Measurement.of(value.name, value.samples, value.unit)
    low, high = median_low(value.samples), median_high(value.samples)
    slack = 1e-9 * max(abs(low), abs(high))
    inside = low - slack <= value.median <= high + slack
    of_all = math.isclose(value.median, fmean(value.samples), rel_tol=1e-9, abs_tol=1e-300)
    require(inside or of_all, f"says that {value.name} is {value.median:.10g}, unlike its samples")


def check_result(result: Result) -> None:
    """Whether the result is drawn as we draw, and each measured cell is the next value, or the next gap."""
    said = [result.title, *(text for value in result.values for text in (value.unit, value.label))]
    said += [gap.reason for gap in result.gaps]
    for text in said:
        require(
            len(text) < _LONGEST and not has_controls(text), f"says {text[:60]!r}, which is no plain text"
        )
    try:
        tags = list(drawn(result.html))
    except ValueError as error:
        raise ContradictionError(str(error)) from None
    caption = "".join(tag.text for tag in tags if tag.name == "caption")
    require(caption == result.title, f"shows a table {caption!r} for the result {result.title!r}")
    values, gaps = iter(result.values), iter(result.gaps)
    for cell in _measured_cells(tags):
        shown = " ".join(cell)
        if cell == [_NOT_MEASURED]:
            require(next(gaps, None) is not None, f"shows {shown!r} for a value that it does not lack")
            continue
        value = next(values, None)
        require(
            value is not None and _says(cell, value),
            f"shows {shown!r} where its values say {value or 'nothing'}",
        )


def _says(cell: Sequence[str], value: Measurement) -> bool:
    """Whether a cell is ``value`` rounded, with its interval and a remark: their wording was others once."""
    number, *below = cell
    return _rounds(number.removeprefix("about "), value, value.median) and all(
        line in _REMARKS or (value.interval is not None and _rounds(line, value, *value.interval))
        for line in below
    )


def _rounds(text: str, value: Measurement, *numbers: float) -> bool:
    """Whether ``text`` is these ``numbers`` of ``value``, from one to the other, and rounded somewhere."""
    read = re.fullmatch("(?:–| to )".join([_NUMBER] * len(numbers)) + r"\s?" + re.escape(value.unit), text)
    return read is not None and all(
        abs(float(digits.replace(",", "").replace("−", "-")) - number) <= _half_a_digit(digits, value)
        for digits, number in zip(read.groups(), numbers, strict=True)
    )


def _half_a_digit(digits: str, value: Measurement) -> float:
    """Half of what the last digit that was kept stands for; the zeros of a whole number may not be any."""
    whole, _, decimals = digits.replace(",", "").partition(".")
    places = len(decimals) if decimals else len(whole.rstrip("0")) - len(whole)
    if whole.strip("-−") == "0" and not decimals and value.median:
        # Of a number that is small beside the median, of which two digits are kept at least; or beside what
        # reaches to both sides of 0.
        low, high = value.bounds
        scale = (high - low) / 2 if low < 0 < high else abs(value.median)
        places = min(0, 1 - math.floor(math.log10(scale)))
    return 0.5000001 * 10.0**-places


def _measured_cells(tags: list[Tag]) -> Iterator[list[str]]:
    """The texts of each cell with a measurement: its value, and what stands below."""
    inside: list[str] | None = None
    for tag in tags:
        if tag.name == "td" and tag.attributes.get("class") == "sprite-number":
            inside = [tag.text]
        elif tag.name == "span" and inside is not None:
            inside.append(tag.text)
        elif tag.name == "/td" and inside is not None:
            yield inside
            inside = None
