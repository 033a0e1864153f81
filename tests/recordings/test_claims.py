"""Claims: read strictly, judged at both ends of the interval."""

from __future__ import annotations

import operator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.recordings import Claim, ClaimError, Example, claimed_values
from spritedocs.report import Measurement

names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
numbers = st.floats(-1e12, 1e12)
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


@st.composite
def values(draw: st.DrawFn) -> Measurement:
    low, median, high = sorted(draw(st.tuples(*[st.integers(-20, 20)] * 3)))
    return Measurement("value", "s", median, draw(st.sampled_from([None, (low, high)])), (low, median, high))


@given(st.text("abc_019", min_size=1), names, st.sampled_from(list(OPERATORS)), names | numbers)
def test_a_printed_claim_reads_back_as_itself(example, left, comparison, right) -> None:
    claim = Claim(example, left, comparison, right)
    assert Claim.parse(str(claim)) == claim
    assert Claim.parse(claim.short, example) == claim


@given(st.sampled_from(list(OPERATORS)), values(), st.integers(-20, 20) | values())
def test_a_claim_holds_only_if_the_whole_interval_agrees(comparison, left, right) -> None:
    known = {"left": left}
    if isinstance(right, Measurement):
        known["right"] = right
    ends = right.bounds if isinstance(right, Measurement) else (right, right)
    claim = Claim("01_x", "left", comparison, "right" if isinstance(right, Measurement) else float(right))
    agrees, verdict = OPERATORS[comparison], claim.judge(known)
    assert verdict.holds == all(agrees(a, b) for a in left.bounds for b in ends)
    # Whole numbers: every value that the intervals hold, and between which "==" may lie, is tried.
    ours, theirs = (range(int(low), int(high) + 1) for low, high in (left.bounds, ends))
    assert verdict.refuted == (not any(agrees(a, b) for a in ours for b in theirs))


@pytest.mark.parametrize(
    ("bound", "in_words"),
    [(2.8, "holds"), (2.95, "is not certain"), (3.05, "is not certain"), (3.2, "is false")],
)
def test_both_ends_decide_and_the_verdict_tells_it(bound: float, in_words: str) -> None:
    speedup = Measurement("speedup_4", "×", 3.0, (2.9, 3.1), (3.0,) * 6)
    verdict = Claim.parse(f"06_x: speedup_4 > {bound}").judge({"speedup_4": speedup})
    assert verdict.in_words == in_words
    assert verdict.found == "speedup_4 is 3× (2.90–3.10)"


@pytest.mark.parametrize(
    "line", ["06_x: speedup_4 > 3", '"06_x: speedup_4 > 3"', "06_x: speedup_4>3  # fast"]
)
def test_yaml_may_leave_the_quotes_out(line: str) -> None:
    [raw] = yaml.safe_load(f"- {line}")
    assert Claim.parse(raw) == Claim("06_x", "speedup_4", ">", 3.0)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "speedup_4 > 3",
        "06_x: speedup_4",
        "06_x: > 3",
        "06_x: speedup_4 > ",
        "06_x: speedup_4 => 3",
        "06_x: 3 < speedup_4",
        "06_x: speedup_4 > 3 > 2",
        "06_x: speedup_4 > 3×",
        "06_x: Speedup > 3",
        "06_x: __import__('os') > 3",
        "06_x: speedup_4 > 1e999",
        {"06_x": "speedup_4 > 3", "07_x": "y > 3"},
        {"06_x": None},
        ["06_x: speedup_4 > 3"],
        3,
        None,
    ],
)
def test_a_malformed_claim_is_refused_in_one_line_that_quotes_it(raw: object) -> None:
    with pytest.raises(ClaimError, match=r"^the claim ") as error:
        Claim.parse(raw)
    assert "\n" not in str(error.value)


def test_a_value_that_was_not_measured_is_named_beside_the_known_ones() -> None:
    known = {name: Measurement.of(name, [1.0], "s") for name in ("b", "a")}
    for text in ("speed > 3", "a > speed"):
        with pytest.raises(ClaimError, match="'speed' was not measured: known are a, b"):
            Claim.parse(text, "06_x").judge(known)


def test_a_value_with_a_known_gap_is_named_with_the_reason() -> None:
    for text in ("x: cold > 1", "x: a < cold"):
        with pytest.raises(ClaimError, match=r"'cold' could not be measured there: no disk here$"):
            Claim.parse(text).judge({"a": Measurement.of("a", [1.0], "")}, {"cold": "no disk here."})


@pytest.mark.parametrize("claims", [["a > 1", "b <= c", "what => 3", 7], "a > b", None])
def test_the_values_that_an_example_claims_something_about(claims: object) -> None:
    header = {"title": "x", "claims": claims}
    named = {"a", "b", "c"} if isinstance(claims, list) else set()
    assert claimed_values(Example(Path("01_x.py"), "", header)) == named
