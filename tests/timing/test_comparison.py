"""From what the arms of a comparison gave to values with names, units and intervals."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spritedocs.machine import NotHere
from spritedocs.report import FEWEST_SAMPLES, Gap
from spritedocs.timing import Comparison, EpochTiming, race

numbers = st.floats(0.001, 1000)
rounds = st.lists(numbers, min_size=6, max_size=12)


def of(**arms):
    return Comparison({name: tuple(values) for name, values in arms.items()})


def epochs(*totals, step_s=0.0):
    return tuple(EpochTiming(0.1, total, 10, 5, 0.05, total / 4, step_s) for total in totals)


@given(rounds, st.floats(0.1, 10))
def test_a_ratio_is_taken_round_by_round(values, factor):
    ratio = of(a=[value * factor for value in values], b=values).ratio("paired", "a", "b")
    assert (ratio.name, ratio.unit) == ("paired", "×")
    assert ratio.samples == pytest.approx([factor] * len(values))
    assert ratio.interval == pytest.approx((factor, factor))


@given(st.lists(st.tuples(numbers, numbers), min_size=6, max_size=12))
# Skewed, and an even number of them: the interval is widened, to a middle between two samples.
@example([(1, 1)] * 3 + [(2, 1)] * 2 + [(1e-3, 1)] * 3 + [(4, 1)] * 4)
def test_the_other_way_round_is_the_reciprocal(pairs):
    first, second = zip(*pairs, strict=True)
    result = of(a=first, b=second)
    there, back = result.ratio("there", "a", "b"), result.ratio("back", "b", "a")
    assert 1 / back.median == pytest.approx(there.median)
    (low, high), (other_low, other_high) = there.interval, back.interval
    mean = math.exp(sum(math.log(a / b) for a, b in pairs) / len(pairs))
    assert low <= mean * (1 + 1e-9)
    assert mean <= high * (1 + 1e-9)
    assert (1 / other_high, 1 / other_low) == pytest.approx((low, high))


def test_no_interval_below_six_rounds():
    assert of(a=[1.0] * 5, b=[2.0] * 5).ratio("few", "a", "b").interval is None


def test_the_fields_of_epochs():
    result = Comparison({"a": epochs(2.0, 4.0)})
    total = result.value("epoch_s_0", "a")
    assert (total.name, total.unit, total.samples) == ("epoch_s_0", "s", (2.0, 4.0))
    for field, unit, samples in [
        ("items_per_s", "items/s", (5.0, 2.5)),
        ("data_wait_share", "%", (27.5, 26.25)),
        ("rest_s", "s", (1.9, 3.9)),
        ("next_wait_s", "s", (0.1125, 0.2375)),
        ("item_us", "µs", (2e5, 4e5)),
        ("step_s", "s", (0, 0)),
        ("batches", "", (5, 5)),
    ]:
        value = result.value("any", "a", field)
        assert (value.unit, value.samples) == (unit, pytest.approx(samples))


@pytest.mark.parametrize(
    ("name", "field", "unit"),
    [
        ("start_ms", None, "ms"),
        ("{}_start_ms", None, "ms"),
        ("start_ms_{}", None, "ms"),
        ("ms", None, "ms"),
        ("of", "us", "µs"),
        ("of_ms", "held_mb", "MB"),
        ("of", "shm_gb", "GB"),
        ("of", "hit_pct", "%"),
        ("percent_ms", "cpu_percent", "%"),
        ("of", "wait_share", "%"),
        ("of", "read_gb_per_s", "GB/s"),
        ("of", "sprites_per_s", "items/s"),
        ("of", "seen_bytes", "B"),
        ("of_ms", "found", "ms"),
        ("of", "process", ""),
    ],
)
def test_units_by_the_ending_of_the_field_or_else_of_the_name(name, field, unit):
    result = Comparison({"x": (({field: 1.0} if field else 1.0),)})
    assert result.values(name, field)["x"].unit == unit
    assert result.values(name, field, unit="items")["x"].unit == "items"


@pytest.mark.parametrize(
    ("key", "name", "called"),
    [
        (4, "epoch_s", "epoch_s_4"),
        (0.5, "epoch_s", "epoch_s_0_5"),
        ("PNG", "us_{}_cold", "us_png_cold"),
        (("PNG", 0.25, 8), "us", "us_png_0_25_8"),
        (("png", 4), "us_{}_cold", "us_png_4_cold"),
    ],
)
def test_a_value_is_named_after_its_arm(key, name, called):
    result = Comparison({"none": (2.0, 2.0), key: (1.0, 4.0)}, missing={"gone": "It is gone."})
    assert result.values(name)[key].name == called
    assert list(result.values(name)) == ["none", key, "gone"]
    assert result.values(name, scale=1000)[key].samples == (1000, 4000)
    ratios, speedups = result.ratios(name, over="none"), result.speedups(name, against="none")
    assert list(ratios) == list(speedups) == [key, "gone"]
    assert (ratios[key].name, ratios[key].samples) == (called, (0.5, 2))
    assert (speedups[key].name, speedups[key].samples) == (called, (2, 0.5))


def test_a_name_that_claims_could_not_refer_to():
    with pytest.raises(ValueError, match="the name 'epoch_s_4 helpers' is not of the form"):
        Comparison({"4 helpers": (1.0,)}).values("epoch_s")


def test_what_a_missing_arm_takes_part_in_is_a_gap_in_its_place():
    result = Comparison({0: (1.0,), 4: (), 8: (2.0,)}, missing={4: "There is no folder: make one."})
    gap = Gap("x", "There is no folder: make one.")
    assert result.value("x", 4, "any_field") == result.ratio("x", 0, 4) == result.ratio("x", 4, 0) == gap
    assert list(result.values("x")) == [0, 4, 8]
    assert result.values("x")[4] == Gap("x_4", gap.reason)
    assert set(result.speedups("x", against=4).values()) == {Gap("x_0", gap.reason), Gap("x_8", gap.reason)}
    assert result.samples(4) == []


@pytest.mark.parametrize("fields", [("pss_mb",), ("pss_mb", "rss_mb")])
def test_rounds_are_planned_by_the_arms_that_tell_the_field(fields):
    numbers = itertools.cycle((1.0, 1.1))
    arms = {field: lambda field=field: {"mb": NotHere("Not here.")} for field in fields}
    if "rss_mb" in fields:
        arms["rss_mb"] = lambda: {"mb": next(numbers)}
    result = race(arms, plan_on="mb", clock=lambda: 0.0, load=lambda: None)
    assert result.value("x", "pss_mb", "mb") == Gap("x", "Not here.")
    assert (len(result.arms["pss_mb"]) > FEWEST_SAMPLES) is ("rss_mb" in fields)


def test_a_field_that_a_machine_does_not_tell_is_a_gap_in_its_place():
    arms = {"a": lambda: {"pss_mb": NotHere("Not on this system."), "rss_mb": 2}}
    result = race(arms, rounds=1, warmup=False)
    assert result.values("x", "rss_mb")["a"].samples == (2,)
    gap = Gap("x", "Not on this system.")
    assert result.value("x", "a", "pss_mb") == result.ratio("x", "a", "a", "pss_mb") == gap
    assert result.difference("x", "a", "a", "pss_mb") == gap
    assert result.samples("a", "pss_mb") == []
    for ask in (lambda one: one["pss_mb"] / one["rss_mb"], lambda one: sum(one.values())):
        assert result.combined("x", ask) == gap
    assert result.combined("x_mb", lambda one: one["rss_mb"] + one.get("uss_mb", 1)).samples == (3,)


def test_what_several_workers_had_in_a_round_is_one_sample():
    two, three = iter([[1, 3], [4]]), iter([[1, 8, 9], [1]])
    arms = {"two": lambda: {"at_0_mb": next(two)}, "three": lambda: {"at_0_mb": next(three)}}
    result = race(arms, rounds=2, warmup=False, load=lambda: None)
    assert result.samples("two", "at_0_mb") == [2, 4]
    assert result.value("w", "two", "at_0_mb").samples == (2, 4)
    assert result.values("w", "at_0_mb")["three"].samples == (8, 1)
    assert result.curves("w", "at_{}_mb", [0])["three"][0].samples == (8, 1)
    assert result.ratio("r", "three", "two", "at_0_mb").samples == (4, 0.25)
    twice = result.difference("d", "three", "two", "at_0_mb", unit="%", scale=2)
    assert (twice.samples, twice.unit) == ((12, -6), "%")
    assert result.difference("d_us", "three", "two", "at_0_mb").unit == "MB"


def test_several_arms_are_combined_round_by_round():
    result = Comparison({1: (1.0, 2.0), 4: (7.0, 2.0), 8: ()}, missing={8: "Too many."})
    slope = result.combined("further_ms", lambda one, four: (four - one) / 3, 1, 4)
    assert (slope.unit, slope.samples) == ("ms", (2.0, 0.0))
    assert result.combined("x", max) == Gap("x", "Too many."), "of all arms"

    def refuse(one):
        raise NotHere("Not on this machine.")

    assert result.combined("x", refuse, 1) == Gap("x", "Not on this machine.")


def test_a_part_has_the_arms_that_begin_so_and_all_that_was_said():
    whole = Comparison(
        {("png", "warm", 0): (1.0,), ("png", "cold", 0): (2.0,), ("png", "cold", 4): (), "png": (3.0,)},
        ("Too few.",),
        retaken=1,
        disturbed=None,
        missing={("png", "cold", 4): "It is cold."},
    )
    part = whole.part("png", "cold")
    assert part == Comparison({0: (2.0,), 4: ()}, ("Too few.",), 1, None, {4: "It is cold."})
    assert list(whole.part("png").arms) == [("warm", 0), ("cold", 0), ("cold", 4)]
    with pytest.raises(ValueError, match="no arm begins with jpg: there are png, warm, 0; png, cold, 0"):
        whole.part("jpg")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda result: result.value("x", "c"), "'c' is unknown: choose one of a; b"),
        (lambda result: result.speedups("x", against="c"), "'c' is unknown: choose one of a; b"),
        (
            lambda result: result.ratio("x", "a", "a", "colour"),
            "'colour' is unknown: choose one of startup_s",
        ),
        (lambda result: result.ratio("x", "a", "a", "step_s"), "step_s of 'a' is 0 in a round"),
        (lambda result: result.value("x", "b"), "no field is given: choose one of ms"),
        (lambda result: of(n=[1.0]).value("x", "n", "ms"), "'ms' is unknown: each result is one number"),
    ],
)
def test_what_cannot_be_told(asked, said):
    with pytest.raises(ValueError, match=said):
        asked(Comparison({"a": epochs(1.0), "b": ({"ms": 1.0},)}))
