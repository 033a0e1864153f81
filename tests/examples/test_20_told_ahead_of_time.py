"""What helpers are told ahead of time: the batches that it is shown on."""

from __future__ import annotations

import pytest

NAME = "20_told_ahead_of_time"


class Arriving(list):
    """A loader whose batches come in this order."""

    in_order = False


def test_even_and_bursty_batches_cost_the_same(script) -> None:
    even, bursty = script["BATCHES"]["even"], script["BATCHES"]["bursty"]
    assert len(even) == len(bursty)
    assert sum(bursty) == pytest.approx(sum(even))
    slow = [number for number, seconds in enumerate(bursty) if seconds]
    assert [number % 2 for number in slow].count(0) == len(slow) / 2  # fair to both helpers


def test_helpers_stay_unless_told_otherwise(script) -> None:
    loader = script["make_loader"]([0, 0], prefetch_factor=8)
    assert (len(loader), loader.num_workers, loader.prefetch_factor) == (2, 2, 8)
    assert (loader.persistent_workers, loader.in_order) == (True, True)
    told = script["make_loader"]([0], persistent_workers=False, in_order=False)
    assert (told.persistent_workers, told.in_order) == (False, False)


def test_of_those_before_the_slow_batch_the_ones_asked_for_later_overtook_it(script) -> None:
    batches = [(None, number) for number in range(4)]
    assert script["listen"](Arriving(batches))["batches_ahead"] == 0
    hasty = Arriving([batches[0], batches[2], batches[3], batches[1]])
    assert script["listen"](hasty)["batches_ahead"] == 2
    assert script["arrived"] == {"in_order=False": [0, 2, 3, 1]}
    assert [bool(seconds) for seconds in script["LATE"]].index(True) == script["SLOW"] == 1
