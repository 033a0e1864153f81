"""The guide's script: what its page says must be visible in what it prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from running import Run

from spritedocs.report import Gap
from spritedocs.timing import compare

NAME = "06_optional_num_workers"

VALUES = {"first_epoch_s_0", "first_epoch_s_4", "epoch_s_0", "epoch_s_4", "speedup_4", "startup_s_4"}


def test_an_item_says_who_fetched_it(script) -> None:
    image, family, fetched_by = script["SlowSprites"](3, 0)[1]
    assert image.shape == (4, 16, 16)
    assert isinstance(family, int)
    assert fetched_by == script["MAIN_PROCESS"]


def test_the_two_loaders_differ_in_their_helpers_only(script) -> None:
    alone, helped = script["make_loader"](0), script["make_loader"](script["HELPERS"])
    assert (alone.num_workers, helped.num_workers) == (0, 4)
    assert alone.batch_size == helped.batch_size
    assert len(alone) == len(helped)
    assert helped.persistent_workers


def test_the_batches_divide_evenly_among_the_helpers(script) -> None:
    assert len(script["make_loader"](script["HELPERS"])) % script["HELPERS"] == 0


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_main_process_loads_everything_without_helpers(script) -> None:
    loader = script["make_loader"](0)
    assert script["who_loaded_what"](loader) == [script["MAIN_PROCESS"]] * len(loader)


def test_without_helpers_their_values_are_gaps_and_the_others_are_measured(
    script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script["measured"].__globals__, "why_no_helpers", lambda: "No folder.")
    alone = compare({"0 helpers": [[1]] * 5}, rounds=1, warmup=False)
    assert script["measured"](alone, "total_s", "epoch_s_0", "later, 0").label == "later, 0"
    for gap in (script["measured"](alone, "total_s", "epoch_s_4"), script["speedup"](alone, "speedup_4")):
        assert isinstance(gap, Gap)
        assert gap.reason == "No folder."


def test_with_helpers_all_is_measured(script) -> None:
    both = compare({"0 helpers": [[1]] * 5, "4 helpers": [[1]] * 5}, rounds=1, warmup=False)
    values = [script["measured"](both, "items", f"items_{number}") for number in (0, 4)]
    assert [(value.name, value.median) for value in values] == [("items_0", 5), ("items_4", 5)]
    assert script["speedup"](both, "speedup_4").unit == "×"


def test_it_measures_what_the_guide_quotes(run_once: Callable[[str], Run]) -> None:
    done = run_once(NAME)
    assert set(done.values) >= VALUES
    # Wide on purpose: four sleepers against one.
    assert done.values["speedup_4"].median > 1.5
    assert "Batches loaded by each process" in done.printed
    assert "times as fast" in done.printed
