"""Yours beside ours: what two recordings of one example say, value by value, and why they may differ.

The two are independent samples, on two machines or at two times: a ratio of them has Welch's interval,
not the paired one that arms of one run have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, variance
from typing import Any

import yaml

from spritedocs.causes import Cause, Difference, likely
from spritedocs.claims import claimed_values
from spritedocs.examples import Example, ExampleError, Project
from spritedocs.measurement import Gap, Measurement
from spritedocs.recordings import Library, Recording, RecordingError, Status, published

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
        """Yours over the published, of the medians, in ×; with an interval where both have one.

        ``None`` where a value is missing or not positive, or where the units differ.
        """
        yours, theirs = self.yours, self.published
        if not isinstance(yours, Measurement) or not isinstance(theirs, Measurement):
            return None
        if yours.unit != theirs.unit or min(yours.median, theirs.median) <= 0:
            return None
        median = yours.median / theirs.median
        if not math.isfinite(median):
            return None
        if not yours.interval or not theirs.interval:
            return Measurement(self.name, "×", median, None, (median,))
        interval = welch_interval(yours.samples, theirs.samples)
        return Measurement(self.name, "×", median, interval, interval)

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
    def differs_clearly(self) -> bool:
        """Whether even the near end of the interval is ``CLEAR`` away from 1; of counts, whether they differ.

        Where there is no interval the nearest samples of the two count.
        """
        yours, theirs = self.yours, self.published
        if self.ratio is None or not isinstance(yours, Measurement) or not isinstance(theirs, Measurement):
            return False
        if len(yours.samples) == len(theirs.samples) == 1 and re.match("of |$", yours.unit):
            return yours.median != theirs.median
        low, high = self.ratio.interval or (
            yours.bounds[0] / theirs.bounds[1],
            yours.bounds[1] / theirs.bounds[0] if theirs.bounds[0] > 0 else math.inf,
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
        if yours.recording is None:
            raise RecordingError(
                f"{example.name} has no recording of yours, by {here}: 'spritedocs record {example.name}' "
                "makes it."
            )
        machines = _published_order(project, library)
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
        clear = {row.name: row.ratio for row in self.rows if row.differs_clearly}
        units = {name: self.yours.values[name].unit for name in clear}
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
    from scipy.special import stdtrit  # here, as in spritedocs.measurement

    centre = fmean(logs[0]) - fmean(logs[1])
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True)
    )
    reach = float(stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(sum(parts))
    return math.exp(centre - reach), math.exp(centre + reach)


def _measured(recording: Recording) -> dict[str, Measurement | Gap]:
    gaps = {name: Gap(name, reason) for name, reason in recording.gaps.items()}
    return {**recording.values, **gaps}


def _is_stale(status: Status) -> bool:
    return status.state == "stale"


class _AnyTag(yaml.SafeLoader):
    """mkdocs.yml may hold tags such as ``!ENV``, which do not matter here."""


_AnyTag.add_multi_constructor("", lambda loader, suffix, node: None)


def _published_order(project: Project, library: Library) -> list[str]:
    """The machines that the site publishes, the preferred one first; all that recorded if it says nothing."""
    try:
        site = yaml.load((project.root / "mkdocs.yml").read_text(encoding="utf-8"), _AnyTag)
        options = next(p["spritedocs"] for p in site["plugins"] if isinstance(p, dict) and "spritedocs" in p)
        return [str(name) for name in options["machines"]]
    except (OSError, ValueError, LookupError, TypeError, StopIteration, yaml.YAMLError):
        return library.machines()
