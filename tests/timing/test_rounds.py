"""Racing: in turns, by a plan that is kept to; what a plan promises, and what becomes of those who peek."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit

from spritedocs.machine import GpuEnded, NotHere
from spritedocs.report import log_interval
from spritedocs.report.intervals import FEWEST_SAMPLES
from spritedocs.timing import Comparison, compare, race, rounds_for
from spritedocs.timing.foreign_load import Reading
from spritedocs.timing.rounds import PILOT_ROUNDS, expected_width, largest_variance

Noise = Callable[[np.random.Generator, int], np.ndarray]

STEADY = [0.1, -0.1] * (PILOT_ROUNDS // 2)
PLANNED = rounds_for(0.012, 0.05)
"""How many rounds a pilot with this spread asks for."""


class Machine:
    """Two arms on a clock of its own: the logarithm of their ratio in each round, and the load beside it."""

    def __init__(self, ratios: object = (), load: object = (), seconds: float = 1.0) -> None:
        self.ratios, self.loads, self.seconds = iter(ratios), iter(load), seconds
        self.now, self.foreign_s, self.asked, self.read = 0.0, 0.0, 0, Reading(0.0, 0.0)
        self.rounds, self.told = 0, []

    def race(self, rounds: int | None = None, width: float = 0.05, **options: Any) -> Comparison:
        arms = {"a": self.a, "b": self.b}
        options = {"clock": lambda: self.now, "load": self.load, "progress": self.progress, **options}
        return race(arms, rounds, width=width, **options)

    def a(self) -> dict[str, float]:
        self.rounds += 1
        return self.pass_time(self.seconds * math.exp(next(self.ratios, 0.0)))

    def b(self) -> dict[str, float]:
        return self.pass_time(self.seconds)

    def pass_time(self, seconds: float) -> dict[str, float]:
        self.now += seconds
        return {"s": seconds, "round": self.rounds}

    def load(self) -> Reading:
        """Before and after each of the two."""
        self.asked += 1
        if self.asked % 4 == 1:
            self.cores = next(self.loads, 0.0)
        if self.asked % 2 == 0:
            self.foreign_s += self.cores * (self.now - self.read.at_s)
        self.read = Reading(self.now, self.foreign_s)
        return self.read

    def progress(self, done: int, planned: int) -> None:
        self.told.append((done, planned))


def quiet(arms: dict[Any, Callable[[], object]], rounds: int | None = 1, **options: Any) -> Comparison:
    """A race where nobody else computes."""
    return race(arms, rounds, load=lambda: Reading(0.0, 0.0), **options)


def number(value: object) -> Callable[[], object]:
    return lambda: value


def test_arms_are_interleaved_in_an_order_drawn_from_the_seed() -> None:
    def order(seed: int) -> list[str]:
        drawn: list[str] = []
        quiet({name: lambda name=name: drawn.append(name) or 1 for name in "abc"}, 12, seed=seed)
        return drawn

    drawn = order(0)
    rounds = [tuple(drawn[start : start + 3]) for start in range(0, len(drawn), 3)]
    assert len(rounds) == 13
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(set(rounds)) > 2
    assert order(0) == drawn != order(1)


@pytest.mark.parametrize("warmup", [True, False])
def test_the_warm_up_is_thrown_away(warmup: bool) -> None:
    waits = iter(range(1, 10))
    result = quiet({"a": lambda: next(waits)}, 3, warmup=warmup)
    assert result.arms["a"] == ((2, 3, 4) if warmup else (1, 2, 3))
    assert result.warnings == ("Too few rounds (3) for an interval: use rounds=6 or more.",)


def test_numbers_lists_of_them_and_mappings() -> None:
    result = quiet({1: number(2), 2: number((3, np.int64(4))), 3: number({"ms": True, "mb": [5]})})
    assert result.arms == {1: (2.0,), 2: (3.5,), 3: ({"ms": 1.0, "mb": 5.0},)}


@pytest.mark.parametrize("value", [None, "slow", [], [None], {"ms": None}])
def test_an_arm_that_returns_no_number(value: object) -> None:
    with pytest.raises(TypeError, match=r"arm 'x' returned .*: return a number, a list of numbers, or"):
        quiet({"x": number(value)})


def test_whatever_else_an_arm_raises_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        quiet({"x": lambda: 1 / 0})
    with pytest.raises(TypeError, match="arm 'x' is 5: give a function"):
        race({"x": 5})  # type: ignore[dict-item]


@pytest.mark.parametrize("rounds", [6, None])
def test_warnings_are_shown_once_and_torch_speaks_of_cores_outside_only(rounds: int | None) -> None:
    def warn() -> float:
        warnings.warn("mine", UserWarning, stacklevel=1)
        warnings.warn("This DataLoader will create 9 worker processes", UserWarning, stacklevel=1)
        return 1.0

    def said() -> list[str]:  # not what a collector says that finds a file which others left open
        return [str(each.message)[:10] for each in caught if each.category is UserWarning]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        before = list(warnings.filters)
        for _ in range(2):
            quiet({"x": warn, "y": warn}, rounds, clock=lambda: 0.0)
            compare({"x": lambda: warn() and [[1]]}, rounds=2)
        assert said() == ["mine"]
        assert warnings.filters == before
        warn()
    assert said() == ["mine", "This DataL"]


def test_a_gpu_that_fails_ends_the_run_in_a_sentence_and_leaves_no_gap() -> None:
    def fails(message: str) -> Callable[[], object]:
        def arm() -> float:
            raise RuntimeError(message)

        return arm

    with pytest.raises(GpuEnded) as left:
        quiet({"x": fails("CUDA-capable device(s) is/are busy or unavailable\nFor debugging")})
    assert str(left.value).startswith("The run ended, because another process has the GPU for itself")
    with pytest.raises(RuntimeError, match="pid 7"):
        quiet({"x": fails("DataLoader worker (pid 7) is killed by signal: Killed.")})


@pytest.mark.parametrize("after", [0, 1, 3, 9])
@pytest.mark.parametrize("rounds", [6, None])
def test_an_arm_that_cannot_run_here_is_missing_and_the_others_go_on(after: int, rounds: int | None) -> None:
    calls = []

    def late() -> float:
        calls.append(1)
        if len(calls) > after:
            raise NotHere("There is no GPU: get one.")
        return 1.0

    result = quiet({"late": late, "b": number(2.0)}, rounds, clock=lambda: 0.0)
    if len(calls) > after:  # six rounds that count, and a warm-up, are over by the tenth
        assert (result.missing, result.arms["late"]) == ({"late": "There is no GPU: get one."}, ())
        assert len(calls) == after + 1
    assert result.arms["b"] == (2.0,) * 6
    assert result.warnings == ()


def test_where_all_are_missing_nothing_is_measured() -> None:
    def nowhere() -> float:
        raise NotHere("Not here.")

    result = quiet({"a": nowhere, "b": nowhere}, None)
    assert result == Comparison({"a": (), "b": ()}, missing={"a": "Not here.", "b": "Not here."})


@pytest.mark.parametrize("rounds", [0, -1, 2.5, "8"])
def test_rounds_that_are_no_number_of_rounds(rounds: Any) -> None:
    with pytest.raises(ValueError, match=f"rounds is {rounds!r}: give"):
        quiet({"one": number(1)}, rounds)


@pytest.mark.parametrize(("option", "value"), [("width", 0), ("width", -0.1), ("limit_s", 0)])
def test_options_that_no_plan_can_keep(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value}: give a number above 0"):
        quiet({"a": number(1)}, None, **{option: value})


def test_no_arms() -> None:
    with pytest.raises(ValueError, match=r"the arms are \{\}: give at least one"):
        quiet({})


def test_the_plan_takes_as_many_rounds_as_its_pilot_asks_for_and_throws_the_pilot_away() -> None:
    machine = Machine(ratios=[5.0, *STEADY])
    result = machine.race(plan_on="s", limit_s=1000)
    first = 1 + PILOT_ROUNDS
    assert [each["round"] for each in result.arms["a"]] == list(range(first + 1, first + 1 + PLANNED))
    assert machine.told[:first] == [(done, first + FEWEST_SAMPLES) for done in range(1, first + 1)]
    assert machine.told[-1] == (first + PLANNED,) * 2
    assert (result.warnings, result.retaken, result.disturbed) == ((), 0, 0)


def test_without_a_warm_up_the_first_round_is_one_of_the_pilot() -> None:
    machine = Machine(ratios=STEADY)
    machine.race(plan_on="s", limit_s=1000, warmup=False)
    assert machine.rounds == PILOT_ROUNDS + PLANNED


def test_a_short_limit_says_what_to_expect_and_what_would_do() -> None:
    ratios = [0.0, *[0.1, -0.1] * 1000]
    result = Machine(ratios).race(plan_on="s", limit_s=50)
    (warning,) = result.warnings
    assert len(result.arms["a"]) == 17
    assert f"limit_s=50 allows 17 of the {PLANNED} rounds that ±5.0% needs" in warning
    assert f"±{expected_width(0.012, 17):.1%}" in warning
    enough_s = int(warning.rpartition("limit_s=")[2].rstrip("."))
    assert Machine(ratios).race(plan_on="s", limit_s=enough_s + 1).warnings == ()


@pytest.mark.parametrize(("limit_s", "rounds"), [(1, 6), (20, 8)])
def test_a_limit_too_short_for_a_pilot(limit_s: float, rounds: int) -> None:
    machine = Machine()
    result = machine.race(plan_on="s", limit_s=limit_s)
    assert (len(result.arms["a"]), machine.rounds) == (rounds, 2 + rounds)
    assert result.warnings == (f"limit_s={limit_s} leaves no time to plan: use limit_s=26.",)
    assert Machine().race(plan_on="s", limit_s=26).warnings == ()


def test_a_clock_that_stands_still_gets_the_fewest_rounds() -> None:
    assert len(Machine(seconds=0.0).race(plan_on="s").arms["a"]) == FEWEST_SAMPLES


def test_a_disturbed_pilot_round_does_not_count() -> None:
    machine = Machine(ratios=[0, 3, *STEADY], load=[0, 0.5])
    machine.race(plan_on="s", limit_s=1000)
    assert machine.rounds == 1 + PILOT_ROUNDS + 1 + PLANNED


@pytest.mark.parametrize(("wanted", "again"), [(4, 2), (6, 3), (20, 10)])
def test_disturbed_rounds_are_taken_again_at_most_half_as_often(wanted: int, again: int) -> None:
    machine = Machine(load=[0.5, 0] * (wanted // 2) + [0.5] * 100)
    result = machine.race(wanted, warmup=False)
    assert (result.retaken, result.disturbed) == (again, wanted // 2)
    assert machine.told[-1] == (wanted + again,) * 2
    disturbed, retaken, *_ = result.warnings
    assert disturbed.startswith(
        f"{wanted // 2} of {wanted} rounds are disturbed: in them other programs, other containers or the "
        f"system used more than 0.2 of a core, up to 0.5"
    )
    assert retaken.startswith(
        f"{again} rounds had to be taken again, because others used up to 0.5 of a core"
    )


def test_only_disturbed_rounds_are_taken_again() -> None:
    machine = Machine(load=[0, 0.5, 0.21, 0, 0.19])
    assert machine.race(6, warmup=False).disturbed == 0
    assert machine.told == [(1, 6), (2, 7), *((done, 8) for done in range(3, 9))]


def test_where_most_rounds_are_disturbed_none_is_taken_again() -> None:
    machine = Machine(load=[0.5, 0.5, 0, 0.5, 0.5, 0, *[0] * 100])
    result = machine.race(6, warmup=False)
    assert (result.retaken, result.disturbed, machine.told[-1]) == (0, 4, (6, 6))


@pytest.mark.parametrize(("limit_s", "again"), [(26, 0), (27, 1), (29, 2)])
def test_no_round_is_taken_again_after_the_limit(limit_s: float, again: int) -> None:
    load = [*[0] * (1 + PILOT_ROUNDS), *[0.5, 0] * 3, *[0.5] * 100]
    assert Machine(load=load).race(plan_on="s", limit_s=limit_s).retaken == again


@pytest.mark.parametrize(
    ("wanted", "load", "kept"),
    [(3, [0, 1, 0, 0], [1, 3, 4]), (4, [0, 1, 1, 0, 1, 0], [1, 4, 5, 6]), (4, [1] * 4, [1, 2, 3, 4])],
)
def test_the_undisturbed_stay_and_the_last_of_the_others(
    wanted: int, load: list[float], kept: list[int]
) -> None:
    result = Machine(load=load).race(wanted, warmup=False)
    assert [each["round"] for each in result.arms["a"]] == kept


def test_a_load_that_nobody_knows_disturbs_nothing() -> None:
    result = Machine().race(6, load=lambda: None)
    assert (result.retaken, result.disturbed, result.warnings) == (0, None, ())


def test_the_spread_is_that_of_the_pair_that_varies_most() -> None:
    pilot = [[1.0, 2.0, 3.0], [2.0, 4.0, 3.0], [1.0, 2.0, 3.0]]
    assert largest_variance(pilot) == pytest.approx(math.log(2) ** 2 / 3)
    assert largest_variance([row[:2] for row in pilot]) == pytest.approx(0)
    assert largest_variance([row[:1] for row in pilot]) == pytest.approx(math.log(2) ** 2 / 3)
    assert largest_variance([[0.0, 1.0], [1.0, 1.0]]) == 0


@pytest.mark.parametrize("spread", [0.0, 1e-6, 0.01, 0.5])
@pytest.mark.parametrize("width", [0.01, 0.05, 0.5])
def test_no_fewer_rounds_would_do(spread: float, width: float) -> None:
    rounds = rounds_for(spread, width)
    assert expected_width(spread, rounds) <= width
    assert rounds == FEWEST_SAMPLES or expected_width(spread, rounds - 1) > width


# What a plan promises, over thousands of comparisons whose true ratio is 1.


def lognormal(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(0, 0.05, count)


def skewed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Each arm has a few epochs that take half as long again."""
    return sum(sign * (rng.normal(0, 0.03, count) + 0.4 * (rng.random(count) < 0.1)) for sign in (1, -1))  # type: ignore[return-value]


def drifting(rng: np.random.Generator, count: int) -> np.ndarray:
    """What slows the machine slows both arms of a round; a fifth of it is left, from round to round."""
    noise = rng.normal(0, 0.05, count)
    for number in range(1, count):
        noise[number] += 0.2 * noise[number - 1]
    return noise


def planned(noise: Noise, width: float, tries: int = 1500) -> tuple[float, float]:
    """How often the planned interval holds the truth, and how often it is as narrow as was asked for."""
    rng = np.random.default_rng(0)
    covered = narrow = 0
    for _ in range(tries):
        rounds = rounds_for(float(noise(rng, PILOT_ROUNDS).var(ddof=1)), width)
        low, high = log_interval(list(np.exp(noise(rng, rounds)))) or (1, 1)
        covered += low <= 1 <= high
        narrow += high / low <= (1 + width) ** 2
    return covered / tries, narrow / tries


@pytest.mark.parametrize(("noise", "least"), [(lognormal, 0.93), (skewed, 0.92), (drifting, 0.86)])
def test_planned_intervals_hold_the_truth(noise: Noise, least: float) -> None:
    covered, narrow = planned(noise, 0.05)
    assert least < covered < 0.98
    assert narrow > 0.7


def stopped(noise: Noise, width: float, first: int, tries: int = 1500) -> float:
    """How often the interval holds the truth if it is looked at after each round, till it is narrow."""
    rng, count = np.random.default_rng(0), np.arange(2, 2001)
    quantiles = stdtrit(count - 1, 0.975)
    covered = 0
    for _ in range(tries):
        samples = noise(rng, 2000)
        means = np.cumsum(samples)[1:] / count
        squares = np.cumsum(samples**2)[1:] - count * means**2
        reach = quantiles * np.sqrt(squares / (count - 1) / count)
        at = int(np.argmax((reach <= math.log1p(width)) & (count >= first)))
        covered += abs(means[at]) <= reach[at]
    return covered / tries


def in_one_arm(rng: np.random.Generator, count: int) -> np.ndarray:
    """Every fifth epoch of one arm takes longer, by a fifth."""
    return rng.normal(0, 0.02, count) + 0.2 * (rng.random(count) < 0.2) - 0.04


@pytest.mark.parametrize(("noise", "first"), [(lognormal, 3), (in_one_arm, FEWEST_SAMPLES)])
def test_who_stops_at_a_narrow_interval_is_wrong_more_often(noise: Noise, first: int) -> None:
    luck = stopped(noise, 0.03, first)
    assert luck < 0.92
    assert luck < planned(noise, 0.03)[0] - 0.03


def test_a_slowdown_as_large_as_twice_the_width_is_found() -> None:
    """Why 3% is the default: one of 5% is found in more than nine comparisons of ten."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(500):
        rounds = rounds_for(float(lognormal(rng, PILOT_ROUNDS).var(ddof=1)), 0.03)
        low, _ = log_interval(list(1.05 * np.exp(lognormal(rng, rounds)))) or (0, 0)
        found += low > 1
    assert found / 500 > 0.9
