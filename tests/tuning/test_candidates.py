"""Which settings are measured, and which of the measured ones are recommended."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.model import Costs, Settings
from spritedocs.tuning.candidates import (
    between,
    beyond,
    grid,
    pick,
    predictions,
    shortlist,
    steady,
    survivors,
)


def workers(*counts: int) -> list[Settings]:
    return [Settings(count, 2, count > 0) for count in counts]


def predicted(rates: dict[int, float], *more: tuple[int, int, float]) -> dict[Settings, float]:
    """Rates by workers, and others by workers and prefetch_factor."""
    found = dict(zip(workers(*rates), rates.values(), strict=True))
    return found | {Settings(count, prefetch, True): rate for count, prefetch, rate in more}


@pytest.mark.parametrize("most", [0, 1, 2, 7, 8, 9, 16, 100, 512])
def test_the_grid_reaches_from_none_to_the_most(most: int) -> None:
    counts = sorted({settings.num_workers for settings in grid(most)})
    assert (counts[0], counts[-1]) == (0, most)
    assert set(range(min(8, most) + 1)) <= set(counts)
    assert all(after <= before * 1.3 for before, after in itertools.pairwise(counts[8:]))
    assert all(settings == steady(settings) for settings in grid(most))
    assert len(grid(most)) == len(set(grid(most)))


def test_predictions_are_of_steady_epochs() -> None:
    """Ten batches of one item that waits 1 s: starting workers, 100 s each, is not part of it."""
    costs = Costs((1.0,), (0.0,), 1, start_s=100.0, cores=8.0)
    rates = predictions(costs, [*workers(0, 2), *workers(2)], batches=10, step_s=0.0, step_cpu_share=0.0)
    assert rates == {Settings(): 1.0, Settings(2, 2, True): 2.0}


def test_the_likeliest_its_neighbours_none_and_one_are_measured() -> None:
    rates = predicted({0: 10, 1: 10, 2: 20, 3: 30, 4: 40, 5: 41, 6: 41, 7: 41, 8: 41})
    chosen = shortlist(rates, Settings(), cores=2)
    assert chosen[0] == Settings()
    assert {settings.num_workers for settings in chosen} >= {0, 3, 4, 5}
    assert all(settings.prefetch_factor == 2 for settings in chosen)


def test_few_are_measured() -> None:
    rates = predicted({count: 10.0 * count + 1 for count in range(33)})
    assert len(shortlist(rates, Settings(5, 3, True), cores=16)) <= 9


def test_the_present_settings_are_always_measured_with_workers_that_stay() -> None:
    for present in (Settings(3, 5), Settings(40, 2, True), Settings()):
        assert shortlist(predicted({0: 9, 1: 1}), present, cores=1)[0] == steady(present)
    assert steady(Settings(3, 5)) == Settings(3, 5, True)
    assert steady(Settings(0, 5, True)) == Settings(0, 2, False)


@given(
    most=st.integers(0, 512), cores=st.integers(1, 512), speed_up=st.floats(0.1, 2), limit=st.integers(1, 600)
)
def test_whatever_is_measured_was_predicted(most: int, cores: int, speed_up: float, limit: int) -> None:
    rates = {each: 1 + min(each.num_workers, limit) * speed_up for each in grid(most)}
    for chosen in (shortlist(rates, Settings(), cores), shortlist({Settings(): 1.0}, Settings(), cores)):
        assert set(chosen) <= set(rates)
        assert len(chosen) == len(set(chosen))
        assert Settings() in chosen


def test_memory_may_leave_no_room_for_one_worker() -> None:
    assert shortlist({Settings(): 1.0, Settings(4, 2, True): 3.0}, Settings(4), cores=2) == workers(4, 0)


def test_fetching_further_ahead_is_tried_where_it_promises_something() -> None:
    rates = {0: 1.0, 1: 1.0, 2: 100.0}
    assert Settings(2, 4, True) in shortlist(predicted(rates, (2, 4, 110.0), (2, 8, 112.0)), Settings(), 2)
    assert Settings(2, 8, True) in shortlist(predicted(rates, (2, 4, 110.0), (2, 8, 130.0)), Settings(), 2)
    close = shortlist(predicted(rates, (2, 4, 101.0), (2, 8, 101.0)), Settings(), 2)
    assert all(settings.prefetch_factor == 2 for settings in close)


def test_the_best_and_the_smallest_near_it_go_on() -> None:
    rates = predicted({0: 10, 1: 96, 2: 94, 3: 100, 4: 99, 5: 98, 6: 89})
    assert survivors(rates, most=2) == workers(1, 3)
    assert survivors(rates, most=3) == workers(1, 3, 4)
    assert survivors(rates, most=99) == workers(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("looked", "wanted"),
    [
        ({0: 1, 6: 8, 12: 10, 16: 10}, 8),
        ({0: 1, 6: 8, 12: 9.6, 16: 10}, 8),
        ({0: 1, 2: 3, 16: 10}, 8),
        ({0: 1, 6: 9.6, 12: 10}, 3),
        ({0: 1, 5: 8, 6: 9.6, 12: 10}, None),
        ({0: 1, 9: 8, 12: 10}, None),
        ({0: 10, 6: 8, 12: 9}, None),
        ({0: 1, 4: 5}, 2),
        ({40: 1}, None),
    ],
)
def test_between_a_small_number_and_a_large_one_another_is_measured(
    looked: dict[int, float], wanted: int | None
) -> None:
    found = between(predicted(looked), grid(16))
    assert found == (None if wanted is None else Settings(wanted, 2, True))
    assert between(predicted(looked), workers(*looked)) is None, "no choice is left there"


@pytest.mark.parametrize(
    ("looked", "most", "tried"),
    [
        pytest.param({0: 1, 3: 2, 5: 3}, 32, 10, id="twice as many"),
        pytest.param({0: 1, 3: 2, 5: 3}, 8, 8, id="no more than there are"),
        pytest.param({0: 1, 3: 2, 5: 3}, 5, None, id="there are no more"),
        pytest.param({0: 1, 3: 2.9, 5: 3}, 32, None, id="hardly faster than fewer"),
        pytest.param({0: 1, 3: 3, 5: 2}, 32, None, id="slower than fewer"),
        pytest.param({0: 1}, 32, None, id="no workers were looked at"),
    ],
)
def test_beyond_the_most_that_were_clearly_the_fastest_more_are_measured(
    looked: dict[int, float], most: int, tried: int | None
) -> None:
    found = beyond(predicted(looked), grid(most))
    assert found == (None if tried is None else Settings(tried, 2, True))


def test_beyond_settings_that_fetch_further_ahead_others_do_too() -> None:
    assert beyond(predicted({0: 1, 3: 2}, (3, 4, 3)), grid(32)) == Settings(6, 4, True)


def test_between_settings_that_fetch_an_unusual_number_ahead_the_usual_is_measured() -> None:
    looked = {**predicted({0: 1, 6: 5}), Settings(12, 3, True): 10.0}
    assert between(looked, grid(16)) == Settings(8, 2, True)


def test_the_smallest_within_three_percent_is_picked() -> None:
    best = {Settings(4, 2, True): (1.0, 1.0)}
    two = Settings(2, 2, True)
    assert pick({**best, two: (0.98, 0.96)}) == two
    assert pick({**best, two: (0.97, 0.97)}) == two
    assert pick({**best, two: (0.969, 0.969)}) == Settings(4, 2, True)
    assert pick({**best, two: (0.975, 0.945)}) == Settings(4, 2, True), (
        "it is not likely enough to be within 3%"
    )
    assert pick({**best, two: (0.99, 0.93)}) == Settings(4, 2, True), "it may lose more than twice that"
    assert pick({**best, Settings(): (0.98, 0.97), two: (0.99, 0.98)}) == Settings()


def test_of_as_many_workers_the_one_that_fetches_less_ahead_is_picked() -> None:
    against = {Settings(2, 8, True): (1.0, 1.0), Settings(2, 4, True): (0.98, 0.97)}
    assert pick(against) == Settings(2, 4, True)


def test_where_only_one_can_be_measured_it_is_the_smallest_that_is_as_good() -> None:
    rates = predicted({0: 10, 1: 95, 2: 98, 3: 100})
    assert survivors(rates, most=1) == workers(2)
