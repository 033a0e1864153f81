"""Yours beside ours: the ratios and their intervals, which recordings stand there, and likely causes."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny import DESCRIBED, NAME, Tiny

from spritedocs.recordings import CLEAR, Beside, ExampleError, RecordingError, Row
from spritedocs.recordings.beside import welch_interval
from spritedocs.report import MIME, Gap, Measurement

HERE = "cpu-2-cores"
positive = st.lists(st.integers(1, 1000), min_size=6, max_size=9, unique=True)


def values(samples: list[float], unit: str = "s", name: str = "epoch_s") -> Measurement:
    return Measurement.of(name, samples, unit)


@settings(max_examples=30)
@given(above=positive, below=positive)
def test_the_interval_is_the_one_that_scipy_gives(above: list[float], below: list[float]) -> None:
    from scipy import stats  # takes longer than all else that the tests import

    low, high = welch_interval(above, below)
    test = stats.ttest_ind(np.log(above), np.log(below), equal_var=False)
    expected = test.confidence_interval(0.95)
    assert (math.log(low), math.log(high)) == pytest.approx((expected.low, expected.high))


def test_samples_without_any_spread_have_an_exact_ratio() -> None:
    assert welch_interval([3.0] * 6, [0.1] * 7) == (3.0 / 0.1, 3.0 / 0.1)
    assert welch_interval([1e6, math.nextafter(1e6, 2e6)] * 3, [1e6] * 6) == (1, 1)


@pytest.mark.parametrize(("first", "second"), [(0.05, 0.05), (0.02, 0.3)])
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(first: float, second: float) -> None:
    random = np.random.default_rng(7)
    pairs = ((random.lognormal(0, first, 6), random.lognormal(0, second, 8)) for _ in range(2000))
    covered = sum(low <= 1 <= high for low, high in (welch_interval(a, b) for a, b in pairs))
    assert 0.93 < covered / 2000 < 0.97


def test_a_ratio_is_yours_over_the_published() -> None:
    row = Row("epoch_s", values([2.0, 2.1, 1.9, 2.0, 2.0, 2.05]), values([1.0, 1.05, 0.95, 1, 1, 1]))
    means = [statistics.geometric_mean(side.samples) for side in (row.yours, row.published)]
    assert row.ratio.median == pytest.approx(means[0] / means[1])
    assert row.ratio.interval[0] < 2 < row.ratio.interval[1]
    assert str(row.ratio) == "2.01×"
    assert row.differs_clearly
    assert not row.shows_no_difference
    again = Row("epoch_s", row.yours, row.yours)
    assert again.shows_no_difference
    assert not again.differs_clearly


def test_a_small_difference_is_shown_and_asks_for_no_cause() -> None:
    row = Row("x", values([1.10, 1.11, 1.10, 1.11, 1.10, 1.11]), values([1.0, 1.01, 1.0, 1.01, 1.0, 1.01]))
    assert not row.shows_no_difference
    assert row.ratio.interval[0] > 1
    assert not row.differs_clearly


@settings(max_examples=30)
@given(above=positive, below=positive)
def test_a_ratio_lies_inside_its_interval(above: list[float], below: list[float]) -> None:
    ratio = Row("x", values(above), values(below)).ratio
    assert ratio.interval[0] <= ratio.median <= ratio.interval[1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.none() | st.just((0.5, 2.0)))
@example([1e-274, 1e-274], (0.5, 2.0))
def test_whatever_a_recording_holds_a_row_can_be_shown(
    samples: list[float], interval: tuple[float, float] | None
) -> None:
    yours = Measurement("x", "s", 1.0, interval, tuple(samples))
    theirs = values([1.0, 1.05, 0.95, 1.0, 1.0, 1.1])
    for row in (Row("x", yours, theirs), Row("x", theirs, yours)):
        json.dumps(row.as_json(), allow_nan=False)
        assert row.differs_clearly in (True, False)


@pytest.mark.parametrize(("yours", "published"), [([1.0, 1.36] * 3, [1.0] * 6), ([1.0] * 6, [1.0, 1.36] * 3)])
def test_where_much_is_open_there_may_be_no_difference(yours: list[float], published: list[float]) -> None:
    row = Row("x", values(yours), values(published))
    assert row.shows_no_difference
    assert row.may_differ
    same = Row("x", values([1.0, 1.01] * 3), values([1.0, 1.01] * 3))
    assert same.shows_no_difference
    assert not same.may_differ


@pytest.mark.parametrize("yours", [[5.0, 5.1], [5.0, 5.1, 4.9], [CLEAR + 0.1, CLEAR + 0.2, CLEAR + 0.3]])
def test_few_samples_have_a_ratio_without_an_interval(yours: list[float]) -> None:
    row = Row("x", values(yours), values([1.0, 1.05, 0.9]))
    assert row.ratio.interval is None
    assert not row.shows_no_difference
    assert row.differs_clearly == (min(yours) / 1.05 >= CLEAR)


@pytest.mark.parametrize(
    ("yours", "published"),
    [
        (values([0.0]), values([1.0])),
        (values([1.0]), values([0.0])),
        (values([-1.0] * 6), values([1.0] * 6)),
        (values([1.0], "s"), values([1.0], "ms")),
        (values([1e308]), values([1e-308])),
        (Gap("x", "No disk."), values([1.0])),
        (values([1.0]), None),
        (None, Gap("x", "No disk.")),
    ],
)
def test_what_has_no_ratio_says_none(yours: Any, published: Any) -> None:
    row = Row("x", yours, published)
    assert row.ratio is None
    assert not row.differs_clearly
    assert not row.shows_no_difference
    json.dumps(row.as_json(), allow_nan=False)


def test_where_one_side_has_no_interval_the_samples_of_both_count() -> None:
    spread = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.9]  # their interval ends far below the last
    assert Row("x", values([2.0, 2.0]), values(spread)).differs_clearly is False
    assert Row("x", values(spread), values([2.0, 2.0])).differs_clearly is False
    assert Row("x", values([2.4, 2.4]), values(spread)).differs_clearly


@pytest.mark.parametrize("unit", ["s", "", "B"])
def test_one_sample_against_one_differs_clearly_only_where_both_count(unit: str) -> None:
    assert not Row("x", values([5.5], unit), values([1.0], unit)).differs_clearly
    assert Row("x", values([5.0], unit), values([1.0], unit)).differs_clearly == (unit == "")
    assert Row("x", values([5.0], unit), values([1.0, 1.1], unit)).differs_clearly


@pytest.mark.parametrize(
    ("yours", "published", "differs"),
    [
        ([0], [7], True),
        ([7], [0], True),
        ([0] * 6, [9] * 6, True),
        ([0] * 6, [8, 9, 9, 9, 10, 9], True),
        ([0, 0, 0, 0, 0, 9], [8, 9, 9, 9, 10, 9], False),
        ([0], [0], False),
        ([100] * 6, [101] * 6, True),
        ([100, 101] * 3, [102, 103] * 3, False),
    ],
)
def test_counts_of_nothing_differ_too(yours: list[float], published: list[float], differs: bool) -> None:
    for unit in ("", "of 128"):
        row = Row("items_that_differ", values(yours, unit), values(published, unit))
        assert row.differs_clearly == differs
    assert not Row("x", values(yours, "of 128"), values(published, "of 64")).differs_clearly


def test_counts_differ_or_are_the_same() -> None:
    assert Row("n", values([8], ""), values([8], "")).is_same
    assert Row("n", values([0], "of 16"), values([0], "of 16")).is_same
    assert Row("n", values([15], "of 16"), values([16], "of 16")).differs_clearly
    assert not Row("n", values([8], "of 16"), values([8], "of 32")).is_same
    assert not Row("n", values([1.0, 2.0, 1.0]), values([1.0, 2.0, 1.0])).is_same


Change = Callable[[dict[str, Any]], object]


def own(tiny: Tiny, change: Change = lambda notebook: None, machine: str = HERE) -> None:
    tiny.add_recording(tiny.project.own / machine / f"{NAME}.ipynb", change)


def provenance(notebook: dict[str, Any]) -> dict[str, Any]:
    return notebook["metadata"]["spritedocs"]


def times_as_large(factor: float) -> Change:
    """A change of the recording that multiplies the value ``ratio``."""

    def change(notebook: dict[str, Any]) -> None:
        payload = notebook["cells"][-1]["outputs"][0]["data"][MIME]
        [value] = [value for value in payload["values"] if value["name"] == "ratio"]
        for key in ("interval", "samples"):
            value[key] = [number * factor for number in value[key]]
        value["median"] *= factor

    return change


def test_it_stands_beside_what_the_site_publishes(tiny: Tiny) -> None:
    own(tiny, times_as_large(2))
    tiny.add_recording(tiny.recording("a-machine"))  # the site does not publish it
    tiny.add_recording(tiny.recording("other-machine"))
    found = Beside.find(tiny.project, tiny.example, HERE)
    assert (found.yours.machine, found.published.machine) == (HERE, "cpu-13-cores")
    assert [row.name for row in found.rows] == ["helpers", "ratio"]
    assert found.rows[0].is_same
    assert found.rows[1].ratio.median == pytest.approx(2)
    tiny.edit("mkdocs.yml", "[cpu-13-cores, other-machine]", "[other-machine, cpu-13-cores]")
    assert Beside.find(tiny.project, tiny.example, HERE).published.machine == "other-machine"
    assert Beside.find(tiny.project, tiny.example, HERE, "a-machine").published.machine == "a-machine"


@pytest.mark.parametrize(
    "site", ["plugins: !!python/name:x.y [search]", "a: [", "machines: 5", "plugins: {a: 1}", "plugins: 5"]
)
def test_where_the_site_names_no_machines_all_that_recorded_count(tiny: Tiny, site: str) -> None:
    own(tiny)
    (tiny.root / "mkdocs.yml").write_text(site, encoding="utf-8")
    assert tiny.project.machines() == []
    assert Beside.find(tiny.project, tiny.example, HERE).published.machine == "cpu-13-cores"


def test_stale_recordings_are_compared_and_said_to_be_stale(tiny: Tiny) -> None:
    own(tiny, lambda notebook: provenance(notebook).update(source_sha256="0" * 64))
    assert Beside.find(tiny.project, tiny.example, HERE).stale == (True, False)
    tiny.edit("examples/01_counting.py", "[4]", "[5]")
    assert Beside.find(tiny.project, tiny.example, HERE).stale == (True, True)


def test_a_missing_recording_is_named_with_what_makes_it(tiny: Tiny) -> None:
    own(tiny, machine="cpu-64-cores")
    with pytest.raises(RecordingError, match=r"by cpu-2-cores: 'spritedocs record 01_counting' makes it\.$"):
        Beside.find(tiny.project, tiny.example, HERE)
    own(tiny)
    with pytest.raises(ExampleError, match=r"'\.\./x' has published no .* known are cpu-13-cores\.$"):
        Beside.find(tiny.project, tiny.example, HERE, "../x")
    tiny.recording().unlink()
    with pytest.raises(RecordingError, match="has no published recording to be compared with"):
        Beside.find(tiny.project, tiny.example, HERE)


def test_all_of_it_is_there_for_programs(tiny: Tiny) -> None:
    own(tiny, times_as_large(2))
    found = Beside.find(tiny.project, tiny.example, HERE).as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["example"], found["yours"]["machine"], found["published"]["stale"]) == (NAME, HERE, False)
    assert found["published"]["provenance"]["machine"] == DESCRIBED.as_dict()
    helpers, ratio = found["values"]
    assert (helpers["no_difference"], ratio["no_difference"], ratio["ratio"]) == (
        True,
        False,
        pytest.approx(2),
    )
    assert ratio["interval"][0] < 2 < ratio["interval"][1]
    [cause] = found["likely_causes"]
    assert (cause["about"], cause["values"]) == ("unknown", ["ratio"])


def test_values_that_one_side_lacks_keep_their_row(tiny: Tiny) -> None:
    def rename(notebook: dict[str, Any]) -> None:
        payload = notebook["cells"][-1]["outputs"][0]["data"][MIME]
        payload["values"] = [value for value in payload["values"] if value["name"] != "ratio"]
        payload["gaps"] = [{"name": "ratio", "reason": "One core is too few."}]
        payload["values"][0]["name"] = "sprites"

    own(tiny, rename)
    rows = {row.name: row for row in Beside.find(tiny.project, tiny.example, HERE).rows}
    assert list(rows) == ["sprites", "ratio", "helpers"]
    assert rows["sprites"].published is None
    assert rows["ratio"].yours == Gap("ratio", "One core is too few.")
    assert rows["helpers"].yours is None
