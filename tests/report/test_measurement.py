"""A measured value: what it says of itself, and that it survives being stored."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.machine import NotHere
from spritedocs.report import Gap, Measurement, log_interval
from spritedocs.report.intervals import FEWEST_SAMPLES
from spritedocs.report.measurement import count, measured

names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
numbers = st.floats(-1e12, 1e12).filter(lambda number: number == 0 or abs(number) > 1e-9)
measurements = st.builds(
    Measurement.of,
    names,
    st.lists(numbers, min_size=1, max_size=12),
    st.sampled_from(["s", "×", ""]),
    st.text(),
)


@given(measurements)
def test_a_value_survives_storage(value: Measurement) -> None:
    stored = json.loads(json.dumps(value.as_json(), allow_nan=False))
    assert Measurement.from_json(stored) == value
    assert str(Measurement.from_json(stored)) == str(value)


@pytest.mark.parametrize(
    ("samples", "unit", "said"),
    [
        ([1.31, 1.30, 1.32] * 2, "s", "1.31 s"),
        ([1.0, 5.0, 3.33] * 2, "s", "3.3 s"),
        ([123.4, 131.2, 128.1] * 2, "s", "128 s"),
        ([0.01234, 0.01236, 0.01235] * 2, "s", "0.0123 s"),
        ([1234.5, 1400.2, 1300.1] * 2, "s", "1,300 s"),
        ([2.0] * 6, "s", "2 s"),
        ([1234.5] * 5, "s", "about 1,200 s"),
        ([0.01234], "s", "about 0.012 s"),
        ([9.96, 9.97], "s", "about 10 s"),
        ([4], "×", "about 4.0×"),
        ([4096], "B", "4,096 B"),
        ([24], "of 32", "24 of 32"),
        ([3.5], "", "about 3.5"),
        ([-3.2, -3.1], "ms", "about −3.2 ms"),
        ([-0.4, 0.3], "ms", "about −0.050 ms"),
        ([-3.21, -3.19, -3.2] * 2, "ms", "−3.20 ms"),
        ([-9.9, 10.1] * 3, "ms", "0 ms"),
        ([-0.0013, 0.0011] * 3, "s", "−0.0001 s"),
    ],
)
def test_digits_follow_the_spread_and_few_samples_have_two_and_counts_all(
    samples: list[float], unit: str, said: str
) -> None:
    assert str(Measurement.of("value", samples, unit)) == said


@pytest.mark.parametrize(("unit", "said"), [("s", "4 s"), ("×", "4×"), ("%", "4%"), ("", "4")])
def test_a_unit_stands_where_readers_expect_it(unit: str, said: str) -> None:
    assert str(Measurement.of("helpers", [4] * 6, unit)) == said


def test_an_interval_needs_six_samples() -> None:
    samples = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9]
    assert len(samples) == FEWEST_SAMPLES
    assert Measurement.of("x", samples[:-1], "s").interval is None
    assert Measurement.of("x", samples[:-1], "s").interval_text == ""
    low, high = Measurement.of("x", samples, "s").interval or (0, 0)
    assert 0.9 < low < 1.0 < high < 1.1


def test_the_interval_is_the_t_interval_of_the_logarithms() -> None:
    """By hand: logarithms 0 and 1, three of each; their variance is 0.3; t for 5 degrees is 2.570582."""
    reach = 2.570582 * math.sqrt(0.3 / 6)
    expected = math.exp(0.5 - reach), math.exp(0.5 + reach)
    assert Measurement.of("x", [1, math.e] * 3, "s").interval == pytest.approx(expected, rel=1e-6)


def test_samples_that_are_not_all_positive_have_the_t_interval_of_their_mean() -> None:
    """By hand: -1 and 2, three of each; their mean is 0.5 and their variance 2.7."""
    reach = 2.570582 * math.sqrt(2.7 / 6)
    value = Measurement.of("x", [-1, 2] * 3, "ms")
    assert value.interval == pytest.approx((0.5 - reach, 0.5 + reach), rel=1e-6)
    assert Measurement.of("x", [-1, 2] * 2, "ms").interval is None
    assert Measurement.of("x", [-0.1] * 7, "ms").interval == (-0.1, -0.1)


def test_it_is_widened_to_hold_the_median_and_begins_at_0_where_no_sample_is_below() -> None:
    samples = [0.0] * 60 + [1.0] * 40
    low, high = Measurement.of("x", samples, "ms").interval or (9, 9)
    assert low == 0 < 0.4 < high < 0.6
    low, high = Measurement.of("x", [-1.0, *samples], "ms").interval or (9, 9)
    assert low == 0 < high
    assert (Measurement.of("x", [0.0, 0, 0, 0, 0, 1], "ms").interval or (9,))[0] == 0


def test_a_ratio_that_is_not_positive_has_no_interval() -> None:
    assert Measurement.of("x", [0.0, 1, 1, 1, 1, 1], "×").interval is None


def test_bounds_without_an_interval_are_the_extremes() -> None:
    assert Measurement.of("x", [3.0, 1.0, 2.0], "s").bounds == (1.0, 3.0)
    six = Measurement.of("x", [1.0, 1.1, 0.9] * 2, "s")
    assert six.bounds == six.interval


@pytest.mark.parametrize("name", ["", "Speedup", "4_helpers", "speed up", "speed-up", "x\n"])
def test_a_name_that_claims_could_not_refer_to_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="lower_case"):
        Measurement.of(name, [1.0], "s")


@pytest.mark.parametrize("samples", [[], [float("nan")], [1.0, float("inf")]])
def test_unusable_samples_are_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="epoch_s needs at least one sample"):
        Measurement.of("epoch_s", samples, "s")


@pytest.mark.parametrize(
    "damage",
    [{"samples": []}, {"median": "fast"}, {"interval": [1]}, {"name": 7}, {"unit": None}, {"median": 1e999}],
)
def test_a_damaged_value_is_not_read(damage: dict[str, object]) -> None:
    stored = Measurement.of("epoch_s", [1.0, 2.0], "s").as_json()
    with pytest.raises((LookupError, TypeError, ValueError)):
        Measurement.from_json({**stored, **damage})


@given(st.floats(0.001, 1000), st.integers(6, 12))
def test_samples_that_do_not_differ_have_an_interval_of_no_width(value: float, count: int) -> None:
    assert Measurement.of("value", [value] * count, "s").interval == (value, value)


@pytest.mark.parametrize(
    ("samples", "unit", "expected"),
    [
        ([0.9, 1.1, 1.0] * 2, "×", True),
        ([1.2, 1.3, 1.25] * 2, "×", False),
        ([0.9, 0.95], "×", False),
        ([0.9, 1.1], "×", True),
        ([0.9, 1.1, 1.0] * 2, "s", False),
        ([-1.0, 2.0] * 3, "s", True),
        ([-1.0, 2.0], "s", True),
        ([-1.0, -2.0] * 3, "s", False),
        ([-0.1, *[2.0] * 8], "s", False),
        ([0.0, 2.0] * 3, "s", False),
    ],
)
def test_a_ratio_shows_no_difference_around_one_and_others_around_zero(samples, unit, expected) -> None:
    assert Measurement.of("x", samples, unit).shows_no_difference is expected


@pytest.mark.parametrize(
    ("samples", "unit", "remark", "in_full"),
    [
        ([0.9, 1.1] * 3, "×", "no difference measured", "0.99× (0.89–1.12)"),
        ([1.5, 2.5] * 3, "×", "", "1.94× (1.44–2.60)"),
        ([1.5], "×", "one run", "about 1.5×"),
        ([0.9, 1.1], "×", "no difference measured", "about 0.99×"),
        ([1.5], "s", "one run", "about 1.5 s"),
        ([1.5, 2.5] * 3, "s", "", "2.00 s (1.44–2.60)"),
        ([3], "of 4", "", "3 of 4"),
        ([-4.1, 6.2] * 3, "ms", "no difference measured", "1.1 ms (−4.9 to 7.0)"),
        ([-410.0, 620.5] * 3, "%", "no difference measured", "110% (−490 to 700)"),
        ([-6.1, -4.2] * 3, "ms", "", "−5.2 ms (−6.2 to −4.1)"),
        ([0.0, 2.5] * 3, "ms", "", "1.2 ms (0.0–2.7)"),
    ],
)
def test_what_stands_beside_a_value(samples: list[float], unit: str, remark: str, in_full: str) -> None:
    value = Measurement.of("x", samples, unit)
    assert (value.remark, value.in_full) == (remark, in_full)


def test_one_number_is_a_value_and_a_count_tells_of_how_many() -> None:
    assert measured("x", 2.5, "s") == Measurement.of("x", [2.5], "s")
    assert (str(count("x", 3, of=1024)), str(count("x", 3000))) == ("3 of 1024", "3,000")


def test_what_cannot_be_counted_here_is_a_gap_with_the_reason() -> None:
    def refuse() -> int:
        raise NotHere("There is no fork here.")

    assert count("carried", lambda: 5, of=6) == count("carried", 5, of=6)
    assert count("carried", refuse) == Gap("carried", "There is no fork here.")


def test_the_interval_holds_the_median_that_stands_beside_it() -> None:
    """Of many skewed samples the geometric mean is known so well that the median lies outside."""
    samples = [1.0] * 60 + [1.5] * 40
    value = Measurement.of("x", samples, "×")
    alone = log_interval(samples)
    assert alone
    assert value.median == 1.0 < alone[0]
    assert value.interval == (1.0, alone[1])


def test_an_old_value_whose_median_lies_outside_is_read_as_it_was() -> None:
    stored = {**Measurement.of("x", [1.0, 1.1] * 3, "s").as_json(), "median": 2.0}
    assert Measurement.from_json(stored).as_json() == stored


def test_an_interval_that_its_digits_cannot_show_is_not_printed() -> None:
    assert Measurement.of("x", [4096] * 6, "B").interval_text == ""
    assert Measurement.of("x", [2.0, 2.1, 1.9] * 2, "s").interval_text == "1.91–2.09 s"


def test_a_gap_survives_storage() -> None:
    gap = Gap("cold_us", "This disk keeps its pages.")
    assert Gap.from_json(json.loads(json.dumps(gap.as_json()))) == gap


@pytest.mark.parametrize(
    "stored", [{}, {"name": "x"}, {"name": 3, "reason": "y"}, {"name": "No", "reason": "y"}]
)
def test_a_damaged_gap_is_not_read(stored: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Gap.from_json(stored)
