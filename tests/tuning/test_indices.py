"""Sources of indices: how many are given."""

from __future__ import annotations

from spritedocs.tuning.indices import Until


def test_indices_until_a_time_but_at_least_so_many() -> None:
    times = iter([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert list(Until(range(100), seconds=3, least=6, clock=lambda: next(times))) == [0, 1, 2, 3, 4, 5]
    times = iter([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert list(Until(range(100), seconds=3, least=2, clock=lambda: next(times))) == [0, 1, 2, 3, 4]


def test_the_start_of_an_epoch_takes_nothing_from_the_time() -> None:
    times = iter([0, 1000, 1001, 1002, 1003, 1004, 1005])
    assert list(Until(range(100), seconds=2, least=2, clock=lambda: next(times), limit_s=50)) == [0, 1, 2, 3]


def test_two_indices_are_enough_where_they_take_long() -> None:
    times = iter(range(0, 1000, 100))
    until = Until(range(100), seconds=3, least=9, clock=lambda: next(times), limit_s=50)
    assert list(until) == [0, 1]
