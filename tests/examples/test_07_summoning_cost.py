"""What sprites in RAM lose to helpers, where the two break even, and what is said where that is not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import worker_pids
from spritedocs.report import Gap, Measurement

NAME = "07_summoning_cost"

SHOWN_EVERYWHERE = {"ratio_1", "ratio_2", "ratio_4", "ratio_2_large", "startup_ms_per_worker"}
SHOWN_EVERYWHERE |= {"making_ms_per_batch", "handover_ms_per_batch", "price_ms_per_batch"}


def swept_as(script: dict[str, Any], *rounds_of_ratios: list[float], size: int = 8) -> dict[Any, Any]:
    """What a sweep returns for these ratios, a sprite costing 10, 20, 40, … µs without helpers."""
    return {
        (size, added): [{0: 10.0 * 2**step, 2: 10.0 * 2**step * ratios[step]} for ratios in rounds_of_ratios]
        for step, added in enumerate(script["ADDED_US"][size])
    }


def test_portions_change_between_the_epochs_of_one_loader(script) -> None:
    loader = script["make_loader"](SpriteTensors(5), 0)
    assert [len(images) for images, _ in loader] == [8] * len(loader)
    loader.batch_sampler.batch_size, loader.batch_sampler.batches = 3, 2
    assert list(loader.batch_sampler) == [[0, 1, 2], [3, 4, 0]]
    assert [images.shape for images, _ in loader] == [(3, 4, 16, 16)] * 2


def test_a_race_is_run_by_all_and_told_per_sprite(script, monkeypatch) -> None:
    class Epoch:
        total_s, items = 0.5, 1000

    monkeypatch.setitem(script["race"].__globals__, "time_epoch", lambda loader: Epoch)
    party = {number: script["make_loader"](SpriteTensors(5), 0) for number in (0, 2)}
    batches = script["plan"](party, 64)
    assert batches == {0: script["FEWEST_BATCHES"], 2: script["FEWEST_BATCHES"]}
    assert script["race"](party, 64, {0: 3, 2: 4}) == {0: 500.0, 2: 500.0}
    assert [loader.batch_sampler.batches for loader in party.values()] == [3, 4]
    assert {loader.batch_sampler.batch_size for loader in party.values()} == {64}


def test_cheap_epochs_get_more_batches(script, monkeypatch) -> None:
    monkeypatch.setitem(script["plan"].__globals__, "us_per_sprite", lambda loader, size, batches: 1.0)
    assert script["plan"]({0: None}, 100) == {0: round(script["EPOCH_S"] * 1e6 / 100)}


def test_ratios_are_paired_by_round(script) -> None:
    races = [{0: 10.0, 2: 30.0}, {0: 20.0, 2: 40.0}]
    assert script["ratios"](races, 2) == [3.0, 2.0]
    assert script["ratios"](races, 4) == []


def test_the_dial_turns_for_a_helper_that_is_there_until_it_is_sent_home(script) -> None:
    dialled = script["DialledSprites"](SpriteTensors(8))
    loader = script["make_loader"](Telltale(dialled), 1)
    assert torch.cat(list(loader)).unique().tolist() == [0.0]
    dialled.seconds = 0.25
    assert torch.cat(list(loader)).unique().tolist() == [0.25]
    assert worker_pids(loader)
    script["send_home"]({1: loader})
    assert worker_pids(loader) == ()


class Telltale(torch.utils.data.Dataset):
    """What the dial of a dataset says in the process that fetches."""

    def __init__(self, dialled: Any) -> None:
        self.dialled = dialled

    def __len__(self) -> int:
        return len(self.dialled)

    def __getitem__(self, index: int) -> float:
        return float(self.dialled.seconds)


def test_a_dialled_sprite_is_the_same_sprite(script) -> None:
    sprites = SpriteTensors(3)
    image, label = script["DialledSprites"](sprites)[1]
    assert torch.equal(image, sprites[1][0])
    assert label == sprites[1][1]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([4.0, 1.0, 0.5], 20),
        ([2.0, 2.0, 0.5], 40),
        ([4.0, 0.25, 0.5], 200**0.5),  # half of the way, by logarithms
        ([0.9, 2.0, 0.5], 40),  # the last crossing counts
        ([4.0, 2.0, 1.0], None),
        ([0.9, 0.8, 0.7], None),
    ],
)
def test_the_break_even_is_where_the_ratio_falls_through_one(script, ratios, expected) -> None:
    costs = [10, 20, 80]
    assert script["break_even"](costs, ratios) == (expected and pytest.approx(expected))


def test_break_even_is_given_per_sprite_and_per_batch(script, monkeypatch) -> None:
    _with_cores(script, monkeypatch, 2)
    swept = swept_as(script, *[[4, 2, 1, 0.5, 0.5]] * 6)
    cost, work = script["break_even_values"](swept, 8, "")
    assert (cost.name, cost.unit, cost.median) == ("break_even_us", "µs", pytest.approx(40))
    assert (work.name, work.unit, work.median) == ("break_even_ms_per_batch", "ms", pytest.approx(0.32))
    assert script["left_out"](swept, 8) == ""


def test_a_round_that_never_breaks_even_is_left_out_and_told(script, monkeypatch) -> None:
    _with_cores(script, monkeypatch, 2)
    swept = swept_as(script, *[[4, 2, 1, 0.5, 0.5]] * 6, [9, 8, 7, 6, 5])
    cost, _ = script["break_even_values"](swept, 8, "")
    assert isinstance(cost, Measurement)
    assert len(cost.samples) == 6
    assert "6 of 7 rounds" in script["left_out"](swept, 8)


@pytest.mark.parametrize(
    ("rounds", "cores", "said"),
    [
        ([[9, 8, 7, 6, 5]] * 3 + [[9, 8, 1, 0.5, 0.5]] * 4, 2, "lost in 3 of 7 rounds even with the dearest"),
        ([[0.9, 0.8, 0.7, 0.6, 0.5]] * 7, 2, "pay for the cheapest sprite already"),
        ([[4, 2, 1, 0.5, 0.5]] * 7, 1, "On one usable core"),
    ],
)
def test_without_break_even_there_is_a_gap_that_says_why(script, monkeypatch, rounds, cores, said) -> None:
    _with_cores(script, monkeypatch, cores)
    values = script["break_even_values"](swept_as(script, *rounds), 8, "")
    assert [value.name for value in values] == ["break_even_us", "break_even_ms_per_batch"]
    for value in values:
        assert isinstance(value, Gap)
        assert said in value.reason


def test_without_a_sweep_the_rest_of_its_table_is_there(script) -> None:
    cost, _ = script["break_even_values"]({}, 64, "No dial here.")
    assert cost == Gap("break_even_us_large", "No dial here.")
    assert script["rows_of"](64, [], cost) == [["batches of 64", "at break-even", cost, ""]]


def test_windows_cannot_add_microseconds(script, monkeypatch) -> None:
    assert script["why_no_sweep"]() == ""
    monkeypatch.setattr("sys.platform", "win32")
    assert "Windows" in script["why_no_sweep"]()


def test_no_helper_is_summoned_where_the_loader_would_hang(script, monkeypatch) -> None:
    why = "No temporary folder can be written to."
    monkeypatch.setitem(script["why_no_sweep"].__globals__, "why_no_helpers", lambda: why)
    assert script["why_no_sweep"]() == why
    rows = script["in_ram_rows"](8, [{0: 10.0}, {0: 11.0}], why)
    assert isinstance(rows[0][1], Measurement)
    assert {cell.reason for cell in [*rows[0][2:], *rows[1][2:]]} == {why}


def test_a_bill_without_helpers_has_the_making_only(script) -> None:
    making, handover, price = script["batch_bill"](8, [{0: 10.0}, {0: 10.0}], [], "No helpers.")
    assert making.median == pytest.approx(0.08)
    assert {handover.name, price.name} == {"handover_ms_per_batch", "price_ms_per_batch"}
    assert handover.reason == price.reason == "No helpers."
    assert script["receive"]({0: None}, rounds=2) == {8: [], 64: []}
    assert script["first_batches"]([], [], rounds=2) == {}
    assert script["slopes"]({}) == []


def test_the_price_is_what_a_batch_costs_more_with_one_helper(script) -> None:
    _, handover, price = script["batch_bill"](64, [{0: 10.0, 1: 30.0}], [0.5], "")
    assert (price.name, price.median) == ("price_ms_per_batch_large", pytest.approx(1.28))
    assert handover.median == 0.5


def test_a_slope_is_what_each_further_helper_adds(script) -> None:
    assert script["slopes"]({1: [10, 20], 2: [13, 20], 4: [19, 20]}) == pytest.approx([3, 0])


def test_receiving_is_timed_for_each_batch_but_the_first(script, monkeypatch) -> None:
    monkeypatch.setitem(script["ms_to_receive"].__globals__, "STEP_S", 0)
    loader = script["make_loader"](SpriteTensors(5), 0)
    loader.batch_sampler.batches = 99
    assert 0 < script["ms_to_receive"](loader, 3) < 1000
    assert (loader.batch_sampler.batch_size, len(loader)) == (3, script["RECEIVED"])


def test_new_loaders_are_timed_by_their_number_of_helpers(script) -> None:
    waits = script["first_batches"](SpriteTensors(5), (0,), rounds=2)
    assert list(waits) == [0]
    assert len(waits[0]) == 2
    assert min(waits[0]) > 0


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    assert set(values) >= SHOWN_EVERYWHERE
    # Wide on purpose: carrying a batch against picking eight rows of a tensor.
    assert values["ratio_2"].median > 1.5
    assert values["handover_ms_per_batch"].median > values["making_ms_per_batch"].median


def _with_cores(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setitem(script["why_no_break_even"].__globals__, "usable_cores", lambda: cores)
