"""How `tune_suite` scores what it measured: a grid's best, the picks against it, and what was said.

What failed has no score. It stays among the workloads of which the scores are a share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from spritedocs.model import Settings
from spritedocs.report import Gap, Measurement, count

TUNE, AGAIN = "tune", "again"
GOOD = 0.97
GAIN, NO_GAIN = 1.05, 1.03
"""From the one on a change is worth it; below the other there is nothing to gain."""


@dataclass(frozen=True)
class Grid:
    """Whole epochs of every cell of the brute-force grid, taken in turns."""

    totals: Mapping[Settings, Sequence[float]]
    """Seconds of each cell's epochs, one a round."""
    seconds: float
    """What the grid took; rounds that were taken again are left out, as a quiet machine has none."""

    @property
    def best(self) -> Settings:
        """The fastest cell, by the median of its rounds; of equals the one with fewest workers.

        All rounds choose it: the fewer do, the luckier is the cell that wins, and the slower the one that
        picks are measured against. What it is worth is said by other epochs, in ``Outcome.ratios``.
        """
        return min(sorted(self.totals), key=lambda cell: median(self.totals[cell]))

    @property
    def best_single(self) -> Settings:
        """The fastest cell by the first round alone."""
        return min(sorted(self.totals), key=lambda cell: self.totals[cell][0])

    @property
    def seconds_single(self) -> float:
        """What one epoch of each cell took, without the starting of workers."""
        return sum(totals[0] for totals in self.totals.values())

    def as_json(self) -> dict[str, Any]:
        """The raw epochs."""
        return {
            "cells": [[*cell, *totals] for cell, totals in self.totals.items()],
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Grid:
        """The grid that ``as_json`` gave."""
        return cls({Settings(*row[:3]): row[3:] for row in stored["cells"]}, stored["seconds"])


@dataclass(frozen=True)
class Pick:
    """What a contestant chose."""

    settings: Settings | None
    """``None`` where it failed."""
    seconds: float = 0.0
    """How long it took to choose."""
    says: str = ""
    """The diagnosis; or why there is no pick."""


@dataclass(frozen=True)
class Outcome:
    """One workload's results."""

    name: str
    planted: tuple[str, ...]
    present: Settings
    grid: Grid | None
    """``None`` where it failed."""
    picks: Mapping[str, Pick]
    """By contestant; of none where not even the data set could be made."""
    ratios: Mapping[Settings, Measurement] = field(default_factory=dict)
    """Throughput over that of the grid's best, in ×, from epochs of new loaders taken in turns.

    None where these, or the grid, failed.
    """
    again: Measurement | None = None
    """The same ratio for a second loader with the settings of the best: what luck does to a rating."""
    most_workers: int | None = None
    disturbed: int | None = 0
    """In how many rounds of these other programs computed; ``None`` where that is not known."""
    held_out: bool = False
    """Whether the tuner was developed without it."""
    failures: Sequence[str] = ()
    """What failed, and how: the grid, say, or a contestant."""

    def pick(self, contestant: str) -> Pick:
        """What it chose."""
        return self.picks.get(contestant, Pick(None, says="not asked"))

    def score(self, contestant: str) -> Measurement | None:
        """The ratio of its pick; ``None`` without a pick, or one that fits into memory, or a rating."""
        if contestant == AGAIN:
            return self.again
        chosen = self.pick(contestant).settings
        if chosen is None or (self.most_workers is not None and chosen.num_workers > self.most_workers):
            return None
        return self.ratios.get(chosen)

    @property
    def is_rated(self) -> bool:
        """Whether there are epochs that compare the picks with the best."""
        return bool(self.ratios)

    @property
    def possible_gain(self) -> float | None:
        """Throughput of the best over that of the present settings: 1 where there is nothing better."""
        return 1 / self.ratios[self.present].median if self.present in self.ratios else None

    @property
    def can_gain(self) -> bool:
        """Whether the best is so much faster than the present settings that a change is worth it."""
        return self.possible_gain is not None and self.possible_gain >= GAIN

    @property
    def cannot_gain(self) -> bool:
        """Whether the present settings are as good as the best. Between the two is what is neither."""
        return self.possible_gain is not None and self.possible_gain < NO_GAIN

    @property
    def named_right(self) -> bool:
        """Whether the tuner named the planted bottleneck."""
        return self.pick(TUNE).says in self.planted

    @property
    def is_good(self) -> bool:
        """Whether the tuner's pick has at least 97% of the best's throughput."""
        score = self.score(TUNE)
        return score is not None and score.median >= GOOD

    @property
    def missed(self) -> bool:
        """Whether the tuner said there was nothing to gain, or nothing to change, and there was something."""
        pick = self.pick(TUNE)
        return self.can_gain and (pick.says == "nothing-to-gain" or pick.settings == self.present)

    @property
    def needless(self) -> bool:
        """Whether the tuner recommended a change, other than fewer workers, and there was nothing to gain."""
        chosen = self.pick(TUNE).settings
        if chosen is None or chosen == self.present or chosen.num_workers < self.present.num_workers:
            return False
        return self.cannot_gain


class Standing(NamedTuple):
    """How a contestant did over all workloads."""

    good: Measurement | Gap
    """Workloads with a pick of at least 97% of the best's throughput."""
    surely_below: Measurement | Gap
    """Workloads with a pick whose whole interval lies below 97%."""
    worst: Measurement
    """The smallest score of a pick, in %."""
    median: Measurement
    """The scores of the picks, in %."""
    without: Measurement | Gap
    """Workloads without a pick, or with one that does not fit into memory or is not rated."""
    time: Measurement
    """The time for choosing, in % of the brute-force grid's, where there is a grid."""

    @classmethod
    def of(cls, contestant: str, outcomes: Sequence[Outcome]) -> Standing:
        """Over ``outcomes``. Raises ``ValueError`` where none has a pick that is rated."""
        scores = [outcome.score(contestant) for outcome in outcomes]
        rated = [score for score in scores if score]
        if not rated:
            raise ValueError(f"{contestant} has no pick that is rated")

        def per_cent(what: str, parts: Iterable[float]) -> Measurement:
            return Measurement.of(f"{what}_{contestant}", [100 * part for part in parts], "%")

        return cls(
            good=counted(f"good_{contestant}", (score and score.median >= GOOD for score in scores)),
            surely_below=counted(
                f"surely_below_{contestant}", (score and score.bounds[1] < GOOD for score in scores)
            ),
            worst=per_cent("worst", min(rated, key=lambda score: score.median).samples),
            median=per_cent("median", (score.median for score in rated)),
            without=counted(f"without_{contestant}", (not score for score in scores)),
            time=per_cent(
                "time",
                (
                    outcome.pick(contestant).seconds / outcome.grid.seconds
                    for outcome in outcomes
                    if outcome.grid
                ),
            ),
        )


def counted(name: str, answers: Iterable[object]) -> Measurement | Gap:
    """How many of the answers are true, of how many."""
    found = [bool(answer) for answer in answers]
    return count(name, sum(found), of=len(found))
