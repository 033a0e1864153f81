"""What a search that looks at its own intervals may say of a gain."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from spritedocs.report import Measurement
from spritedocs.tuning.whole_epochs import LOOKS, sequential_ratio

TRUE, NOISE, SEARCHES = 1.04, 0.05, 1500
"""A gain that is hard to tell from none: it is looked at more than once."""


def covered(ratio: Callable[[Sequence[float]], Measurement]) -> float:
    """The share of searches whose interval, of the look that ended them, holds the true gain."""
    drawn, held = random.Random(1), 0
    for _ in range(SEARCHES):
        rounds = [TRUE * math.exp(drawn.gauss(0, NOISE)) for _ in range(LOOKS[-1])]
        for look in LOOKS:
            gain = ratio(rounds[:look])
            low, high = gain.bounds
            if low > 1.03 or high < 1.05:
                break
        held += low <= TRUE <= high
    return held / SEARCHES


def test_an_interval_that_is_looked_at_holds_the_true_gain_as_often_as_it_says() -> None:
    assert covered(lambda rounds: sequential_ratio("gain", rounds, [1.0] * len(rounds))) >= 0.95
    assert covered(lambda rounds: Measurement.of("gain", rounds, "×")) < 0.93


def test_only_rounds_that_both_took_part_in_are_compared() -> None:
    ratio = sequential_ratio("gain", [2.0] * 6 + [100.0] * 6, [1.0] * 6)
    assert (ratio.median, ratio.interval, len(ratio.samples)) == (2.0, (2.0, 2.0), 6)
