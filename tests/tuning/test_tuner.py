"""Tuning: decisions from made-up measurements, real runs on tiny datasets, and what can go wrong."""

from __future__ import annotations

import ast
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError, replace
from multiprocessing import resource_tracker
from typing import Any, NamedTuple

import psutil
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    _utils,
    get_worker_info,
)

import spritedocs
from spritedocs.model import Costs, Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison, EpochTiming
from spritedocs.tuning import search, tune, tuner
from spritedocs.tuning import world as worlds
from spritedocs.tuning.diagnosis import DIAGNOSES
from spritedocs.tuning.outcome import Outcome
from spritedocs.tuning.probing import Probe
from spritedocs.tuning.trials import Trials, label
from spritedocs.tuning.tuner import Progress, TuneError, Tuning

BATCH = 4


class Numbers(Dataset[Any]):
    """``count`` items; at number ``bad``, ``what`` happens."""

    def __init__(
        self, count: int = 40, wait_s: float = 0.0, bad: int | None = None, what: Callable[[], Any] = int
    ) -> None:
        self.count, self.wait_s, self.bad, self.what = count, wait_s, bad, what

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        time.sleep(self.wait_s)
        return torch.full((3,), float(index)) if index != self.bad else self.what()


class AtOnce(Numbers):
    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [self[index] for index in indices]


class Stream(IterableDataset[Any]):
    def __init__(self, count: int = 80, shared: bool = True) -> None:
        self.count, self.shared = count, shared

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker and self.shared else (0, 1)
        for number in range(first, self.count, step):
            time.sleep(0.0005)
            yield torch.tensor(number)


class WithoutLength(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return index


def tear() -> Any:
    raise ValueError("the sprite is torn")


def vanish() -> Any:
    os._exit(3)


def leave() -> Any:
    sys.exit(3)


def hang() -> Any:
    time.sleep(1000)


def as_dict(samples: list[Any]) -> Any:
    return {"image": torch.stack(samples), "name": ["a sprite"] * len(samples)}


def as_tokens(samples: list[Any]) -> Any:
    """A batch that holds 30 tokens for each item."""
    return torch.zeros(30 * len(samples))


def as_function(samples: list[Any]) -> Any:
    return lambda: samples


def test_the_package_has_it_by_its_short_name() -> None:
    assert spritedocs.tune is tuner.tune


# -- decisions -----------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What a search asked to be measured."""

    settings: list[Settings]
    rounds: int


class World:
    """Data whose costs and speeds are made up: ``truth`` gives items per second, whatever the model says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.costs = Costs((0.01,) * 99, (0.0,) * 99, BATCH, cores=8.0)
        self.truth: Callable[[Settings], float] = lambda settings: 100.0 * max(1, settings.num_workers)
        self.noise, self.memory_mb, self.disturbed, self.count = 0.001, 10.0, 0, 800
        self.measured_mb = lambda: self.memory_mb
        self.asked: list[Asked] = []
        self._draw = random.Random(5)
        monkeypatch.setattr(worlds, "probe", lambda *_, **__: self._probe())
        monkeypatch.setattr(search.machine, "usable_cores", lambda *_: 8)
        monkeypatch.setattr(Trials, "run", lambda trials, *arguments: self._run(trials, *arguments))
        monkeypatch.setattr(
            Trials, "memory_mb", lambda _, settings: self.measured_mb() if settings.num_workers else None
        )

    def tune(self, **options: Any) -> Tuning:
        loader = DataLoader(Numbers(self.count), BATCH, **options.pop("loader", {}))
        found = tune(loader, **options)
        json.dumps(found.as_json())
        assert found.diagnosis in DIAGNOSES
        return found

    def _probe(self) -> Probe:
        seconds = 400 / self.truth(Settings())
        alone = EpochTiming(seconds / 100, seconds, 400, 400 // BATCH, 0.0, seconds, 0.0)
        return Probe(self.costs, alone, self.memory_mb, 1, 48, 0.001, 0.1)

    def _run(self, trials: Trials, settings: list[Settings], rounds: int, told: Any) -> Comparison:
        self.asked.append(Asked(settings, rounds))
        arms = {}
        for each in settings:
            batches = trials.lengths.batches[each] or self.count // BATCH
            arms[label(each)] = tuple(self._epoch(each, batches) for _ in range(rounds))
        for done in range(rounds + 1):
            told(done + 1, rounds + 1)
        return Comparison(arms, disturbed=self.disturbed)

    def _epoch(self, settings: Settings, batches: int) -> EpochTiming:
        items = batches * BATCH
        seconds = items / self.truth(settings) * math.exp(self._draw.gauss(0, self.noise))
        return EpochTiming(seconds / 10, seconds, items, batches, 0.0, seconds, 0.0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def by_workers(rates: Mapping[int, float], others: float = 1.0) -> Callable[[Settings], float]:
    return lambda settings: rates.get(settings.num_workers, others)


def test_the_fastest_is_recommended(world: World) -> None:
    found = world.tune(max_workers=4)
    arguments = {"num_workers": 4, "prefetch_factor": 2, "persistent_workers": True}
    assert found.recommended == arguments
    assert found.line == "DataLoader(..., num_workers=4, prefetch_factor=2, persistent_workers=True)"
    assert found.gain.median == pytest.approx(4, rel=0.01)
    assert found.gain.interval is not None
    assert found.throughput.median == pytest.approx(400, rel=0.01)
    assert found.present == Settings()
    assert found.data_wait_share == 1
    assert found.prediction_error == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("three", "picked"), [(0.985, 3), (0.95, 4)])
def test_fewer_workers_within_three_percent_are_better(world: World, three: float, picked: int) -> None:
    world.truth = by_workers({0: 100, 1: 200, 2: 200, 3: 400 * three, 4: 400})
    assert world.tune(max_workers=4).recommended["num_workers"] == picked


def test_nothing_to_gain_is_said(world: World) -> None:
    world.costs = replace(world.costs, item_s=(0.001,) * 99, item_cpu_s=(0.001,) * 99)
    world.truth = by_workers({0: 1000, 1: 990, 2: 1010}, 900)
    found = world.tune(max_workers=2)
    assert found.recommended == {"num_workers": 0}
    assert found.line == "DataLoader(..., num_workers=0)"
    assert (found.gain.median, found.gain.interval) == (1, None)
    assert found.diagnosis == "nothing-to-gain"


def test_measurements_overrule_the_model(world: World) -> None:
    """It expects items that wait to load 8 times as fast, but their disk is slower for two."""
    world.truth = by_workers({0: 100, 1: 95}, 60)
    assert world.tune(max_workers=8).recommended == {"num_workers": 0}


def test_a_few_settings_are_measured_and_the_best_of_them_thoroughly(world: World) -> None:
    world.tune(max_workers=20)
    first, final = world.asked
    assert len(first.settings) <= 9
    assert len(final.settings) <= 5
    assert len(set(final.settings) - set(first.settings)) <= 1
    assert final.rounds >= FEWEST_SAMPLES > first.rounds


def test_a_number_between_those_of_the_first_look_may_be_enough(world: World) -> None:
    """The model expects 16 to be twice as fast as 8, and the cores are 8; but from 10 on the disk is busy."""
    world.truth = lambda settings: 100.0 * max(1, min(10, settings.num_workers))
    found = world.tune(max_workers=16)
    first, final = world.asked
    assert Settings(12, 2, True) in set(final.settings) - set(first.settings)
    assert found.recommended["num_workers"] == 12
    (row,) = [each for each in found.candidates if each.settings == Settings(12, 2, True)]
    assert row.measured is not None
    assert row.memory_mb == 10


def test_more_workers_than_the_model_asks_for_are_tried_where_the_most_are_the_fastest(world: World) -> None:
    """It takes items to need a core for half of their time, so that 16 suffice; they need none."""
    world.costs = replace(world.costs, item_cpu_s=(0.005,) * 99)
    world.truth = lambda settings: 100.0 * max(1, settings.num_workers)
    found = world.tune(max_workers=64)
    first, final = world.asked
    most = max(each.num_workers for each in first.settings)
    assert max(each.num_workers for each in final.settings) > 1.4 * most
    assert found.recommended["num_workers"] > 1.4 * most


def test_more_workers_than_cores_are_not_tried_for_items_that_compute(world: World) -> None:
    world.costs = replace(world.costs, item_cpu_s=(0.009,) * 99)
    world.truth = lambda settings: 100.0 * max(1, settings.num_workers)
    world.tune(max_workers=64)
    first, final = world.asked
    most = max(each.num_workers for each in first.settings)
    assert max(each.num_workers for each in final.settings) <= most


def test_fewer_workers_that_seem_as_good_get_more_rounds_to_show_it(world: World) -> None:
    world.truth = by_workers({0: 100, 3: 390, 4: 400}, 200)
    world.noise = 0.03
    world.tune(max_workers=4, budget_s=3000)
    assert len(world.asked) == 3


def test_rounds_are_planned_from_the_scatter_of_the_first_look(world: World) -> None:
    world.tune(max_workers=4)
    calm = world.asked[1].rounds
    world.noise = 0.03
    world.asked.clear()
    world.tune(max_workers=4, budget_s=3000)
    assert calm < world.asked[1].rounds <= search.MOST_ROUNDS
    assert calm == FEWEST_SAMPLES


def test_what_few_rounds_leave_open_more_of_them_settle(world: World) -> None:
    """A gain of a fifth is not certain where epochs differ by a fifth: not after 8 rounds of them."""
    world.truth = by_workers({0: 100, 2: 120}, 60)
    world.noise = 0.2
    found = world.tune(max_workers=2, budget_s=3000)
    _first, final, longer = world.asked
    assert final.rounds == search.MOST_ROUNDS < longer.rounds <= search.MOST_FURTHER_ROUNDS
    assert longer.settings == final.settings
    assert found.recommended["num_workers"] == 2
    assert found.gain.interval is not None
    assert found.gain.interval[0] > 1
    # Only those that were taken to settle it do: they know nothing of how it was left open.
    assert len(found.gain.samples) == longer.rounds


@pytest.mark.parametrize(
    ("rates", "noise"),
    [
        pytest.param({0: 100, 2: 300}, 0.2, id="a gain that no noise hides"),
        pytest.param({0: 100, 2: 40}, 0.2, id="a loss that no noise hides"),
        pytest.param({0: 100, 2: 101}, 0.01, id="a gain too small to be missed"),
    ],
)
def test_what_few_rounds_settle_costs_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, rates: dict[int, float], noise: float
) -> None:
    monkeypatch.setattr(search, "WIDTH", 0.0001)  # By the spread alone, more rounds would always be wanted.
    world.truth = by_workers(rates, min(rates.values()) / 3)
    world.noise = noise
    world.tune(loader={"num_workers": 2, "persistent_workers": True}, max_workers=2, budget_s=3000)
    assert len(world.asked) == 2


def test_a_gain_that_is_hardly_certain_has_to_show_once_more(world: World) -> None:
    """Else noise would have two chances to pass for a gain: at once, and where first rounds leave it open."""
    world.truth = by_workers({0: 100, 2: 107}, 60)
    world.noise = 0.03
    found = world.tune(max_workers=2, budget_s=3000)
    assert len(world.asked) == 3
    assert len(found.throughput.samples) == world.asked[-1].rounds


def test_a_budget_that_is_spent_settles_nothing_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.truth = by_workers({0: 100, 2: 120}, 60)
    world.noise = 0.2
    run = Trials.run

    def runs(trials: Trials, settings: list[Settings], rounds: int, told: Any) -> Comparison:
        if world.asked:  # The first look is over; when the next one is, so is the budget.
            monkeypatch.setattr(search.Search, "_left_s", 0.0)
        return run(trials, settings, rounds, told)

    monkeypatch.setattr(Trials, "run", runs)
    world.tune(max_workers=2, budget_s=3000)
    assert [asked.rounds for asked in world.asked] == [search.LOOKS, search.MOST_ROUNDS]


def test_the_gain_is_over_the_present_settings_as_they_are(world: World) -> None:
    """New workers are started once in an epoch, however short the measured ones are."""
    world.truth = lambda settings: 400.0 if settings.persistent_workers else 200.0
    present = {"num_workers": 2, "prefetch_factor": 3}
    found = world.tune(loader=present, max_workers=2)
    assert found.present == Settings(2, 3, False)
    assert Settings(2, 3, False) in world.asked[-1].settings
    assert found.recommended["num_workers"] in (1, 2)
    assert 1.01 < found.gain.median < 1.5
    (new, kept) = [each for each in found.candidates if each.settings[:2] == (2, 3)]
    assert (new.settings, kept.settings.persistent_workers) == (found.present, True)
    assert new.measured is not None
    assert new.against_best is not None
    assert 200 < new.measured.median < 400
    assert new.against_best.median == pytest.approx(1 / found.gain.median, rel=0.02)


def test_the_wait_is_that_of_whole_epochs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part of a long epoch that is timed waits for its new workers first: most of the epoch does not."""
    made = world._epoch

    def epoch(settings: Settings, batches: int) -> EpochTiming:
        waiting = made(settings, batches)
        waits = 0.9 if settings.num_workers and not settings.persistent_workers else 0.02
        return replace(waiting, wait_s=waits * waiting.total_s, step_s=(1 - waits) * waiting.total_s)

    monkeypatch.setattr(world, "_epoch", epoch)
    world.count = 40_000
    found = world.tune(loader={"num_workers": 2}, max_workers=2)
    assert found.data_wait_share < 0.05
    assert found.diagnosis == "consumer"


def test_the_line_without_workers_takes_back_what_needs_them(world: World) -> None:
    world.truth = by_workers({0: 100}, 50)
    present = {
        "num_workers": 2,
        "prefetch_factor": 4,
        "persistent_workers": True,
        "timeout": 5,
        "multiprocessing_context": "spawn",
    }
    found = world.tune(loader=present, max_workers=2)
    assert found.recommended == {"num_workers": 0}
    said = found.line.removeprefix("DataLoader(..., ").removesuffix(")")
    arguments = dict(part.split("=") for part in said.split(", "))
    assert arguments.keys() == present.keys()
    changed = {name: ast.literal_eval(value) for name, value in arguments.items()}
    assert len(list(DataLoader(Numbers(), BATCH, **{**present, **changed}))) == 10


def test_no_gain_without_a_change(world: World) -> None:
    present = {"num_workers": 2, "prefetch_factor": 2, "persistent_workers": True}
    found = world.tune(loader=present, max_workers=2)
    assert found.recommended == present
    assert (found.gain.median, found.gain.interval) == (1, None)


def test_no_more_workers_than_asked_for_are_recommended_even_if_there_are_now(world: World) -> None:
    found = world.tune(loader={"num_workers": 4, "persistent_workers": True}, max_workers=2)
    assert found.recommended["num_workers"] == 2
    assert found.gain.median == pytest.approx(0.5, rel=0.02)
    assert world.tune(max_workers=0).recommended == {"num_workers": 0}


def test_workers_have_to_fit_into_memory(world: World) -> None:
    world.memory_mb = 100
    found = world.tune(memory_limit_mb=250)
    assert found.recommended["num_workers"] == 2
    assert found.diagnosis == "memory"
    assert max(each.settings.num_workers for each in found.candidates) == 2
    crowded = world.tune(loader={"num_workers": 4, "persistent_workers": True}, memory_limit_mb=50)
    assert crowded.recommended == {"num_workers": 0}


def test_what_is_fetched_ahead_has_to_fit_too(world: World) -> None:
    """Two workers of 100 MB, each with batches of 10 MB ahead."""
    world.memory_mb = 100
    seen = replace(world._probe(), bytes_per_batch=10_000_000)
    assert worlds._memory_mb(seen, Settings(2, 2, True)) == 2 * (100 + 2 * 10)
    assert worlds._memory_mb(seen, Settings(2, 8, True)) == 2 * (100 + 8 * 10)
    assert worlds._memory_mb(seen, Settings(2, 8, True), 300) == 2 * (300 + 8 * 10)
    assert worlds._memory_mb(seen, Settings()) == 0


@pytest.mark.parametrize(("measured", "picked"), [(110, 3), (150, 2), (400, 0)])
def test_workers_that_turn_out_to_be_larger_than_they_seemed_are_not_recommended(
    world: World, measured: float, picked: int
) -> None:
    world.memory_mb, world.truth = 100, by_workers({0: 100, 1: 150, 2: 300, 3: 450})
    world.measured_mb = lambda: measured
    found = world.tune(max_workers=3, memory_limit_mb=350)
    assert found.recommended["num_workers"] == picked
    assert (found.diagnosis == "memory") == (picked < 3)


def test_workers_that_grow_while_they_are_measured_are_not_recommended(world: World) -> None:
    """After the first look they still fit; after the finals no workers do."""
    world.memory_mb = 100
    world.measured_mb = lambda: 100 if len(world.asked) < 2 else 300
    present = {"num_workers": 2, "persistent_workers": True}
    found = world.tune(loader=present, max_workers=2, memory_limit_mb=250)
    assert found.recommended == {"num_workers": 0}
    assert Settings() in world.asked[-1].settings


def test_a_batch_may_hold_other_things_than_items(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing counts 30 tokens for each item, in every arm: what the model predicts is brought to that."""
    as_tokens_probe = world._probe

    def tokens() -> Probe:
        seen = as_tokens_probe()
        return replace(seen, alone=replace(seen.alone, items=30 * seen.alone.items))

    monkeypatch.setattr(world, "_probe", tokens)
    found = world.tune(max_workers=2)
    rates = {each.settings.num_workers: each.predicted_items_per_s for each in found.candidates}
    assert rates[2] == pytest.approx(2 * rates[0], rel=0.1)


@pytest.mark.parametrize(("item_s", "budget_s"), [(10.0, 60.0), (0.5, 2.0)])
def test_a_budget_that_is_too_small_says_what_is_enough(world: World, item_s: float, budget_s: float) -> None:
    world.costs = replace(world.costs, item_s=(item_s,), item_cpu_s=(0.0,))
    world.truth = lambda settings: max(1, settings.num_workers) / item_s
    said = rf"^a budget of {budget_s:g} s is too small to decide: give (\d+) s or more, or choose a smaller"
    with pytest.raises(ValueError, match=said) as raised:
        world.tune(max_workers=2, budget_s=budget_s)
    enough_s = float(str(raised.value).partition("give ")[2].partition(" s")[0])
    assert enough_s > budget_s
    assert world.asked == []
    if enough_s < 80_000:
        assert world.tune(max_workers=2, budget_s=enough_s).recommended["num_workers"] == 2


def test_progress_moves_on(world: World) -> None:
    said: list[Progress] = []
    world.tune(max_workers=4, progress=said.append)
    assert said[0].says == "looking at the items"
    assert any("first look" in each.says for each in said)
    assert all(0 <= each.done_s <= each.total_s for each in said)
    assert [each.done_s for each in said] == sorted(each.done_s for each in said)
    assert said[-1].done_s == pytest.approx(said[-1].total_s)


def test_a_start_method_that_is_asked_for_is_part_of_the_answer(world: World) -> None:
    found = world.tune(max_workers=2, start_method="spawn")
    assert found.start_method == "spawn"
    assert found.line.endswith("persistent_workers=True, multiprocessing_context='spawn')")


def test_the_line_for_a_data_set_alone(world: World) -> None:
    found = tune(Numbers(800), batch_size=4, max_workers=1)
    assert found.line.startswith("DataLoader(dataset, batch_size=4, shuffle=True, num_workers=")


def test_the_line_for_a_data_set_that_is_too_large_to_shuffle(world: World) -> None:
    found = tune(Numbers(10**11), batch_size=4, max_workers=1)
    assert "batch_size=4, sampler=RandomSampler(dataset, replacement=True), num_workers=" in found.line


def test_a_result_is_frozen_and_complete(world: World) -> None:
    world.disturbed = 3
    found = world.tune(max_workers=4)
    with pytest.raises(FrozenInstanceError):
        found.line = ""  # type: ignore[misc]
    told = found.as_json()
    keys = "recommended throughput interval gain gain_interval diagnosis remedies candidates seconds_spent"
    assert {
        *keys.split(),
        "machine",
        "present",
        "costs",
        "warnings",
        "line",
        "start_method",
        "batch_size",
    } <= told.keys()
    low, high = told["interval"]
    assert low <= told["throughput"] <= high
    assert {"num_workers", "prefetch_factor", "measured", "against_best", "memory_mb"} <= told["candidates"][
        0
    ].keys()
    assert told["costs"]["item_s"] == {
        "mean": pytest.approx(0.01),
        "median": 0.01,
        "largest": 0.01,
        "count": 99,
    }
    assert any(warning.startswith("Other programs computed during 3 of") for warning in told["warnings"])
    order = [(each.settings.num_workers, each.settings.prefetch_factor) for each in found.candidates]
    assert order == sorted(order)
    assert all(each.measured for each in found.candidates if each.against_best)


# -- misuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": -1}, "max_workers is -1: give a number from 0 to 512"),
        ({"max_workers": 10**6}, "max_workers is 1000000: give"),
        ({"max_workers": 2.5}, "max_workers is 2.5: give a whole number"),
        ({"max_workers": "2"}, "max_workers is '2': give a whole number"),
        ({"step_ms": -1}, "step_ms is -1: give a number from 0"),
        ({"step_ms": math.nan}, "step_ms is nan: give"),
        ({"step_ms": math.inf}, "step_ms is inf: give"),
        ({"step_ms": 1, "step": print}, "step and step_ms=1 are both given: choose"),
        ({"step": 3}, "step is 3: give a function that takes a batch"),
        ({"memory_limit_mb": 0}, "memory_limit_mb is 0: give a number at least 1"),
        ({"memory_limit_mb": -5}, "memory_limit_mb is -5: give"),
        ({"budget_s": 0}, "budget_s is 0: give a number from 2"),
        ({"budget_s": math.inf}, "budget_s is inf: give"),
        ({"budget_s": "long"}, "budget_s is 'long': give a number"),
        ({"batch_size": 0}, "batch_size is 0: give a whole number"),
        ({"start_method": "magic"}, "'magic' is unknown here: choose"),
    ],
    ids=str,
)
def test_absurd_options_are_refused_before_anything_is_loaded(options: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        tune(Numbers(bad=0, what=tear), **options)


@pytest.mark.parametrize(
    "thing",
    [None, 5, Numbers, WithoutLength(), {"train": Numbers()}, iter([])],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_data_set(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"^the dataset is "):
        tune(thing)


# -- real runs -----------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, servers: None) -> Iterator[None]:
    """Few rounds, and no process left after them."""
    monkeypatch.setattr(search, "MOST_ROUNDS", FEWEST_SAMPLES)
    monkeypatch.setattr(search, "MOST_FURTHER_ROUNDS", FEWEST_SAMPLES)
    monkeypatch.setattr(search, "PROBING_S", 0.05)
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.5)  # for so long a worker that hangs may end
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # which stays, once any process was spawned
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


def batches_of(dataset: Dataset[Any], **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset, BATCH, **options)


@pytest.mark.usefixtures("quick")
def test_items_that_wait_are_loaded_faster_by_two() -> None:
    tunings = (tune(Numbers(wait_s=0.002), batch_size=BATCH, max_workers=2) for _ in range(3))
    # Beside other tests a comparison may vary too much to be sure of a gain.
    found = next((each for each in tunings if each.recommended["num_workers"] == 2), None)
    assert found is not None
    assert found.gain.median > 1.2
    assert found.warnings == () or "Other programs" in found.warnings[0]
    assert next(each for each in found.candidates if each.settings.num_workers == 2).memory_mb


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "dataset",
    [
        batches_of(Numbers(), num_workers=2),
        batches_of(AtOnce()),
        batches_of(Numbers(), collate_fn=as_dict),
        batches_of(Numbers(), collate_fn=as_tokens),
        batches_of(Stream()),
        DataLoader(Numbers(), batch_size=None),
        DataLoader(Stream(), batch_size=None),
        DataLoader(Numbers(), batch_sampler=BatchSampler(RandomSampler(range(40)), BATCH, drop_last=True)),
        [torch.zeros(3)] * 80,
    ],
    ids=[
        "present settings",
        "at once",
        "dict",
        "tokens",
        "stream",
        "items",
        "stream of items",
        "batch sampler",
        "list",
    ],
)
def test_every_kind_of_data_set_is_tuned(dataset: Any) -> None:
    found = tune(dataset, max_workers=1)
    assert found.throughput.median > 0
    assert found.recommended["num_workers"] <= 1
    assert {each.settings.num_workers for each in found.candidates} >= {0, 1}
    json.dumps(found.as_json())


@pytest.mark.usefixtures("quick")
def test_a_stream_that_is_not_shared_out_is_told() -> None:
    found = tune(Stream(shared=False), batch_size=BATCH, max_workers=1)
    assert any(warning.startswith("Every worker delivers the whole stream") for warning in found.warnings)


@pytest.mark.usefixtures("quick")
def test_the_step_is_timed() -> None:
    batches: list[Any] = []
    found = tune(batches_of(Numbers()), step=lambda batch: batches.append(time.sleep(0.002)), max_workers=1)
    assert len(batches) > 40
    assert found.step_s >= 0.002
    assert tune(batches_of(Numbers()), step_ms=2, max_workers=0).step_s >= 0.002


FAILING = [
    (
        batches_of(Numbers(bad=9, what=tear)),
        "The dataset failed: item 9 raised ValueError: the sprite is torn;",
    ),
    (
        batches_of(Numbers(bad=9, what=list)),
        r"a batch cannot be collated \(.*; give a DataLoader with a collate_fn",
    ),
    (batches_of(Numbers(), collate_fn=as_function), r"a batch cannot be pickled to leave its worker \("),
    (batches_of(Numbers(bad=9, what=vanish)), "A worker ended with the exit code 3: your code, or a library"),
    (batches_of(Numbers(bad=3, what=hang)), "No batch came within 2 s"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("dataset", "said"), FAILING, ids=["raises", "uncollatable", "unpicklable", "dies", "hangs"]
)
def test_what_fails_is_told_in_a_sentence(dataset: Any, said: str) -> None:
    with pytest.raises(TuneError, match=said) as raised:
        tune(dataset, max_workers=2, budget_s=4)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is not None


@pytest.mark.usefixtures("quick")
def test_what_ends_a_program_is_told_with_its_item() -> None:
    """By sys.exit(), a worker would end without a word."""
    with pytest.raises(TuneError, match="The dataset failed: item 9 raised SystemExit: 3; loading"):
        tune(batches_of(Numbers(bad=9, what=leave)), max_workers=1)


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_pickled_cannot_be_spawned() -> None:
    with pytest.raises(TuneError, match="cannot be pickled, which the start method 'spawn' needs"):
        tune(batches_of(Numbers(what=lambda: 1)), start_method="spawn")


@pytest.mark.usefixtures("quick")
def test_an_item_that_fails_late_fails_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where its costs are looked at: where it is measured, and workers of several settings are there."""
    monkeypatch.setattr(search, "PROBING_S", 0.0)
    with pytest.raises(TuneError, match="The dataset failed: ValueError: the sprite is torn; iterating"):
        tune(batches_of(Numbers(80, bad=79, what=tear)), max_workers=2)


@pytest.mark.usefixtures("quick")
def test_the_step_may_fail() -> None:
    with pytest.raises(
        TuneError, match="The step failed: ValueError: the sprite is torn; calling it"
    ) as raised:
        tune(batches_of(Numbers()), step=lambda batch: tear())
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("count", "said"), [(0, "is empty"), (3, r"has 1 batch \(3 items\)")])
def test_a_stream_that_is_too_short_is_misuse(count: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tune(Stream(count), batch_size=BATCH)


@pytest.mark.usefixtures("quick")
def test_an_interruption_leaves_nothing() -> None:
    def interrupt(progress: Progress) -> None:
        if "first look" in progress.says and progress.total_s > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(batches_of(Numbers()), max_workers=2, progress=interrupt)


@pytest.mark.usefixtures("quick")
def test_more_rounds_are_taken_with_the_workers_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WIDTH", 0.0001)
    monkeypatch.setattr(search, "MOST_FURTHER_ROUNDS", 2 * FEWEST_SAMPLES)
    monkeypatch.setattr(Outcome, "is_open", True)
    found = tune(batches_of(Numbers(64, wait_s=0.001)), max_workers=1)
    assert len(found.throughput.samples) == 2 * FEWEST_SAMPLES


@pytest.mark.usefixtures("quick")
def test_torchs_own_random_numbers_go_on_as_without_it() -> None:
    before = torch.get_rng_state()
    tune(Numbers(64), batch_size=4, max_workers=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("quick")
def test_the_readers_loader_is_not_touched() -> None:
    loader = batches_of(Numbers(), num_workers=1)
    before = dict(vars(loader))
    tune(loader, max_workers=1)
    assert vars(loader) == before
