"""Sources of indices: how many are given."""

from __future__ import annotations

from torch.utils.data import BatchSampler, RandomSampler

from spritedocs.tuning.indices import Drawn, Until


def test_indices_until_a_time_but_at_least_so_many() -> None:
    times = iter([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert list(Until(range(100), seconds=3, least=6, clock=lambda: next(times))) == [0, 1, 2, 3, 4, 5]
    times = iter([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert list(Until(range(100), seconds=3, least=2, clock=lambda: next(times))) == [0, 1, 2, 3, 4]


def test_the_start_of_an_epoch_takes_nothing_from_the_time() -> None:
    times = iter([0, 1000, 1001, 1002, 1003, 1004, 1005])
    assert list(Until(range(100), seconds=2, least=2, clock=lambda: next(times), limit_s=50)) == [0, 1, 2, 3]


def test_three_indices_are_enough_where_they_take_long() -> None:
    times = iter(range(0, 1000, 100))
    until = Until(range(100), seconds=3, least=9, clock=lambda: next(times), limit_s=50)
    assert list(until) == [0, 1, 2]


def test_what_was_drawn_once_stays() -> None:
    drawn = Drawn(BatchSampler(RandomSampler(range(100)), 4, drop_last=False))
    few, many, all_of_them = (drawn.first(count) for count in (2, 5, 1000))
    assert few == many[:2]
    assert many == all_of_them[:5]
    assert sorted(index for batch in all_of_them for index in batch) == list(range(100))
    assert few.batch_size == 4  # type: ignore[attr-defined]
