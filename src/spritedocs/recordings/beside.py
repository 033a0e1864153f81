"""Yours beside ours: what two recordings of one example say, value by value, and why they may differ.

The two are independent samples, on two machines or at two times: a ratio of them has Welch's interval,
not the paired one that arms of one run have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, variance
from typing import Any

from spritedocs.recordings.causes import Cause, Difference, is_count_unit, likely
from spritedocs.recordings.claims import claimed_values
from spritedocs.recordings.examples import Example, ExampleError, Project
from spritedocs.recordings.library import Library, Status
from spritedocs.recordings.publication import published
from spritedocs.recordings.recording import Recording, RecordingError
from spritedocs.report import Gap, Measurement

__all__ = ["CLEAR", "Beside", "Row", "welch_interval"]

CLEAR = 1.25
"""From which factor on a difference deserves a cause. An interval holds what varies within a run, and
two runs on one machine differ by more: of our own pairs of runs nine values in ten by less than this."""


@dataclass(frozen=True)
class Row:
    """One value as two machines measured it; a ``Gap`` where one could not, ``None`` where it did not."""

    name: str
    yours: Measurement | Gap | None
    published: Measurement | Gap | None

    @cached_property
    def ratio(self) -> Measurement | None:
        """Yours over the published, in ×: of the geometric means, with an interval, where both have one.

        Elsewhere of the medians, and without. ``None`` where a value is missing or not positive, or where
        the units differ.
        """
        yours, theirs = self.yours, self.published
        if not isinstance(yours, Measurement) or not isinstance(theirs, Measurement):
            return None
        if yours.unit != theirs.unit or min(yours.median, theirs.median) <= 0:
            return None
        if interval := _interval(yours, theirs):
            centre = math.sqrt(interval[0] * interval[1])  # of the logarithms: the geometric means' ratio
            return Measurement(self.name, "×", centre, interval, interval)
        ratio = yours.median / theirs.median
        return Measurement(self.name, "×", ratio, None, (ratio,)) if math.isfinite(ratio) else None

    @property
    def is_same(self) -> bool:
        """Whether both are the same number in every sample, as counts are."""
        yours, theirs = self.yours, self.published
        return (
            isinstance(yours, Measurement)
            and isinstance(theirs, Measurement)
            and yours.unit == theirs.unit
            and {*yours.samples} == {*theirs.samples} == {yours.median}
        )

    @property
    def shows_no_difference(self) -> bool:
        """Whether the ratio's interval holds 1."""
        interval = self.ratio.interval if self.ratio else None
        return interval is not None and interval[0] <= 1 <= interval[1]

    @property
    def may_differ(self) -> bool:
        """Whether the interval leaves open a difference of ``CLEAR`` or more, in whatever direction."""
        interval = self.ratio.interval if self.ratio else None
        return interval is not None and (interval[1] >= CLEAR or interval[0] <= 1 / CLEAR)

    @property
    def differs_clearly(self) -> bool:
        """Whether even the near end of the interval is ``CLEAR`` away from 1.

        Where there is no interval the nearest samples of the two count, unless each has but one. Counts
        that do not vary, or have no ratio because one of them is 0, differ if no sample is in both ranges.
        """
        yours, theirs = self.yours, self.published
        if not isinstance(yours, Measurement) or not isinstance(theirs, Measurement):
            return False
        (least, most), (their_least, their_most) = (
            (min(side.samples), max(side.samples)) for side in (yours, theirs)
        )
        if _count_alike(yours, theirs) and (
            self.ratio is None or (least == most and their_least == their_most)
        ):
            return most < their_least or their_most < least
        if self.ratio is None or their_most <= 0 or len(yours.samples) == len(theirs.samples) == 1:
            return False
        low, high = self.ratio.interval or (
            least / their_most,
            most / their_least if their_least > 0 else math.inf,
        )
        return low >= CLEAR or high <= 1 / CLEAR

    def as_json(self) -> dict[str, Any]:
        """The row as ``spritedocs compare --json`` prints it."""
        return {
            "name": self.name,
            "yours": self.yours and self.yours.as_json(),
            "published": self.published and self.published.as_json(),
            "ratio": self.ratio and self.ratio.median,
            "interval": self.ratio and self.ratio.interval and list(self.ratio.interval),
            "no_difference": self.shows_no_difference or self.is_same,
        }


@dataclass(frozen=True)
class Beside:
    """Your recording of an example beside a published one."""

    yours: Recording
    published: Recording
    stale: tuple[bool, bool] = (False, False)
    """Whether the code has changed since yours, and since the published one, was recorded."""

    @classmethod
    def find(cls, project: Project, example: Example, here: str, machine: str | None = None) -> Beside:
        """The recordings by ``here``, this machine's short name, and by ``machine``, a published one.

        Without ``machine`` the one that the site publishes for this example. Raises ``RecordingError``
        where a recording is missing or cannot be used, ``ExampleError`` for an unknown machine.
        """
        library = Library(project)
        yours = library.status(example, project.own / here)
        if yours.recording is None or yours.is_former:
            raise RecordingError(
                f"{example.name} has no recording of yours, by {here}: 'spritedocs record {example.name}' "
                "makes it."
            )
        machines = project.machines() or library.machines()
        if machine is not None:
            machines = [name for name in library.machines() if name == machine]
        chosen = published(library.reference(example, machines), claimed_values(example))
        if chosen is None or chosen.recording is None:
            if machine is None:
                raise RecordingError(f"{example.name} has no published recording to be compared with.")
            have = ", ".join(known.machine for known in library.reference(example, library.machines()))
            raise ExampleError(
                f"{machine!r} has published no recording of {example.name}: known are {have or 'none'}."
            )
        return cls(yours.recording, chosen.recording, (_is_stale(yours), _is_stale(chosen)))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every value of either, in the order in which yours shows them."""
        yours, theirs = _measured(self.yours), _measured(self.published)
        return tuple(Row(name, yours.get(name), theirs.get(name)) for name in {**yours, **theirs})

    @cached_property
    def causes(self) -> tuple[list[Cause], list[Difference]]:
        """Likely causes of the clear differences, and the differences of provenance that explain none."""
        units = {row.name: self.yours.values[row.name].unit for row in self.rows if row.differs_clearly}
        return likely(self.yours.provenance, self.published.provenance, units)

    def as_json(self) -> dict[str, Any]:
        """All of it, as ``spritedocs compare --json`` prints it."""
        causes, others = self.causes
        both = zip(("yours", "published"), (self.yours, self.published), self.stale, strict=True)
        return {
            "example": self.yours.provenance["example"],
            **{
                whose: {"machine": r.machine, "stale": stale, "provenance": r.provenance}
                for whose, r, stale in both
            },
            "values": [row.as_json() for row in self.rows],
            "likely_causes": [{**cause._asdict(), "values": list(cause.values)} for cause in causes],
            "other_differences": [difference._asdict() for difference in others],
        }


def welch_interval(
    above: Sequence[float], below: Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """Welch's t-interval of the logarithms, as an interval of the ratio of two independent samples.

    Each needs two samples or more, all of them positive; their spreads may differ. Source: B. L. Welch,
    *The generalization of "Student's" problem when several different population variances are involved*,
    Biometrika 34 (1947).

    Examples:
        >>> low, high = welch_interval([2.0, 2.1, 1.9, 2.0], [1.0, 1.05, 0.95, 1.0])
        >>> low < 2 < high
        True
        >>> welch_interval([4.0, 4.0], [2.0, 2.0])
        (2.0, 2.0)
    """
    logs = [[math.log(sample) for sample in samples] for samples in (above, below)]
    parts = [variance(values) / len(values) for values in logs]
    if not any(parts):
        return above[0] / below[0], above[0] / below[0]  # exactly, where logarithms would round
    from scipy.special import stdtrit  # here, as in spritedocs.report.intervals

    centre = fmean(logs[0]) - fmean(logs[1])
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True)
    )
    reach = float(stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(sum(parts))
    return math.exp(centre - reach), math.exp(centre + reach)


def _interval(yours: Measurement, theirs: Measurement) -> tuple[float, float] | None:
    """The ratio's interval; ``None`` where either has none, or a damaged recording no samples for one."""
    both = (yours, theirs)
    if not all(side.interval and len(side.samples) > 1 and min(side.samples) > 0 for side in both):
        return None
    try:
        low, high = welch_interval(yours.samples, theirs.samples)
    except OverflowError:  # of samples so far apart that no float holds its end
        return None
    return (low, high) if 0 < low * high < math.inf else None


def _count_alike(yours: Measurement, theirs: Measurement) -> bool:
    """Whether both count the same: a loss has no unit either, but is no whole number."""
    whole = all(sample.is_integer() for side in (yours, theirs) for sample in side.samples)
    return whole and yours.unit == theirs.unit and is_count_unit(yours.unit)


def _measured(recording: Recording) -> dict[str, Measurement | Gap]:
    gaps = {name: Gap(name, reason) for name, reason in recording.gaps.items()}
    return {**recording.values, **gaps}


def _is_stale(status: Status) -> bool:
    return status.state == "stale"
