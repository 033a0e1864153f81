"""Tuning: decisions from made-up measurements, real runs on tiny datasets, and what can go wrong."""

from __future__ import annotations

import ast
import itertools
import json
import math
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError, replace
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from children import children, number_since
from running import PROJECT
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    _utils,
    get_worker_info,
)

from spritedocs import machine
from spritedocs.model import Costs, Settings
from spritedocs.report import FEWEST_SAMPLES
from spritedocs.timing import Comparison
from spritedocs.tuning import budget, prospects, search, tune, worker_watch
from spritedocs.tuning.budget import OutOfTime, Progress
from spritedocs.tuning.diagnosis import DIAGNOSES
from spritedocs.tuning.probing import Probe
from spritedocs.tuning.slices import Length, Slices
from spritedocs.tuning.tuner import TuneError, Tuning
from spritedocs.tuning.variants import Variants
from spritedocs.tuning.whole_epochs import LOOKS

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


def tear_if(late: Path) -> Any:
    return tear() if late.exists() else torch.zeros(3)


def vanish() -> Any:
    os._exit(3)


def leave() -> Any:
    sys.exit(3)


def hang(begun: Path) -> Any:
    begun.touch()
    time.sleep(1000)


def as_tokens(samples: list[Any]) -> Any:
    """A batch that holds 30 tokens for each item."""
    return torch.zeros(30 * len(samples))


def as_function(samples: list[Any]) -> Any:
    return lambda: samples


# -- decisions -----------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What a search asked to be measured, in turns."""

    settings: list[Settings]
    seconds: float
    rounds: int


class World:
    """Data and a machine, made up: ``truth`` gives items per second, whatever the model says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.costs = Costs((0.01,) * 99, (0.0,) * 99, BATCH, cores=8.0)
        self.truth: Callable[[Settings], float] = lambda settings: 100.0 * max(1, settings.num_workers)
        self.noise, self.memory_mb, self.disturbed, self.count = 0.001, 10.0, 0, 80_000
        self.lead_s, self.wait_share, self.start_s = 0.5, 1.0, 0.0
        self.seen: dict[str, Any] = {}
        self.measured_mb: Callable[[], float] = lambda: self.memory_mb
        self.asked: list[Asked] = []
        self.seconds, self.stalls, self.ended = 0.0, iter(itertools.repeat(0.0)), 0
        self._draw = random.Random(5)
        made = self

        class Made(Slices):
            def arms(self, lengths: Mapping[Settings, Length]) -> Any:
                made.seconds = next(iter(lengths.values())).seconds
                return {each: partial(made._slice, self, each, length) for each, length in lengths.items()}

        monkeypatch.setattr(search, "Slices", Made)
        monkeypatch.setattr(search, "probe", lambda *_, **__: self._probe())
        monkeypatch.setattr(search, "race", self._race)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)
        monkeypatch.setattr(machine, "describe", lambda: machine.Machine(usable_cores=8, logical_cores=8))
        monkeypatch.setattr(prospects, "_usable_memory_mb", lambda: 10_000.0)
        self.now_s = 0.0

    def tune(self, **options: Any) -> Tuning:
        loader = DataLoader(Numbers(self.count), BATCH, **options.pop("loader", {}))
        found = tune(loader, **options)
        json.dumps(found.as_json())
        assert found.diagnosis in DIAGNOSES
        return found

    @property
    def rungs(self) -> list[list[int]]:
        """The numbers of workers that were left, step by step."""
        return [sorted({each.num_workers for each in asked.settings}) for asked in self.asked]

    def _probe(self) -> Probe:
        self.now_s += 1.0
        return Probe(self.costs, None, self.memory_mb, 1, 48, 0.001, **self.seen)

    def _race(self, arms: Mapping[Settings, Any], rounds: int, progress: Any, **_: Any) -> Comparison:
        self.asked.append(Asked(list(arms), self.seconds, rounds))
        found = {each: tuple(arm() for _ in range(rounds)) for each, arm in arms.items()}
        progress(rounds, rounds)
        return Comparison(found, disturbed=self.disturbed)

    def _slice(self, slices: Slices, settings: Settings, length: Length) -> dict[str, float]:
        start_s = 0.0
        if settings.num_workers:
            start_s = 0.0 if settings.num_workers in slices.memory_mb else self.start_s
            slices.memory_mb[settings.num_workers] = self.measured_mb()
        rate = self.truth(settings) * math.exp(self._draw.gauss(0, self.noise))
        took_s = max(length.seconds, 2 * max(1, settings.num_workers) * BATCH / rate) + start_s
        stalls_s = next(self.stalls)
        took_s += stalls_s
        if self.now_s + took_s > slices.ends_s:
            self.now_s, self.ended = slices.ends_s, self.ended + (not stalls_s)
            raise OutOfTime
        self.now_s += took_s
        return {"items_per_s": rate, "wait_share": self.wait_share, "seconds": took_s, "lead_s": self.lead_s}


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
    assert found.gain is not None
    assert found.gain.median == pytest.approx(4, rel=0.01)
    assert found.gain.interval is not None
    assert found.throughput.median == pytest.approx(400, rel=0.01)
    assert found.throughput.unit == "items/s"
    assert found.present == Settings()
    assert found.data_wait_share == 1
    assert found.doubt == ""


def test_where_the_most_workers_win_by_far_more_are_proposed(world: World) -> None:
    said = "More than 4 workers were not tried: try --max-workers 16, or max_workers=16."
    assert world.tune(max_workers=4).warnings == (said,)
    assert world.tune(max_workers=4, memory_limit_mb=25).warnings == ()  # two fit
    world.truth = by_workers({0: 100.0, 1: 100.0, 2: 200.0, 3: 200.0, 4: 215.0})
    assert world.tune(max_workers=4).recommended["num_workers"] == 4
    assert world.tune(max_workers=4).warnings == ()


def test_every_setting_is_tried_and_the_worse_half_leaves(world: World) -> None:
    world.tune(max_workers=16, loader={"num_workers": 5})
    warm, first, second, *others = world.asked
    assert {each[:2] for each in first.settings} == {(n, 2) for n in (0, 1, 2, 3, 4, 5, 6, 8, 12, 16)}
    assert set(warm.settings) == set(first.settings)
    kept = {each for each in second.settings if each.prefetch_factor == 2}
    assert {each.num_workers for each in kept} == {5, 12, 16}  # half of them, and not what is far behind
    assert {each[:2] for each in second.settings} == {(5, 2), (12, 2), (16, 2), (12, 8), (16, 8)}
    assert 2 * first.seconds == second.seconds
    assert all(5 in rung for rung in world.rungs[:-1])
    assert len(others[0].settings) <= 4
    assert others[0].rounds == FEWEST_SAMPLES
    assert len(others) == 1


def test_what_is_far_behind_in_one_turn_only_stays(world: World) -> None:
    turns = itertools.count()  # after the one in which workers start, an unlucky one, and then lucky ones

    def truth(settings: Settings) -> float:
        if settings.num_workers == 3:
            return (50.0, 50.0, 95.0)[min(next(turns), 2)]
        return 100.0 if settings.num_workers == 2 else 10.0

    world.truth = truth
    world.tune(max_workers=3)
    assert world.rungs[2] == [0, 2, 3]


def test_no_prediction_decides(world: World) -> None:
    """By the probe items wait, so that more workers are faster; and their disk is slower for two. Or the
    other way round: items compute on one core, but the most workers are the fastest."""
    world.truth = by_workers({0: 100, 1: 95}, 60)
    assert world.tune(max_workers=8).recommended == {"num_workers": 0}
    world.costs = Costs((0.01,) * 99, (0.01,) * 99, BATCH, cores=1.0)
    world.truth = lambda settings: 100.0 * max(1, settings.num_workers / 5)
    assert world.tune(max_workers=12).recommended["num_workers"] == 12


def test_fetching_further_ahead_is_recommended_where_it_is_faster(world: World) -> None:
    world.truth = lambda settings: (90 + 5.0 * settings.prefetch_factor) * max(1, settings.num_workers)
    assert world.tune(max_workers=4).recommended["prefetch_factor"] == 8


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
    assert found.gain is not None
    assert (found.gain.median, found.gain.interval) == (1, None)
    assert found.diagnosis == "nothing-to-gain"


def test_what_few_rounds_leave_open_more_of_them_settle(world: World) -> None:
    """A gain of a fifth is not certain where slices differ by a fifth: not after 8 rounds of them."""
    world.truth = by_workers({0: 100, 2: 120}, 60)
    world.noise = 0.2
    found = world.tune(loader={"num_workers": 1}, max_workers=2, budget_s=3000)
    *_, first, second, third = world.asked
    assert (first.rounds, first.rounds + second.rounds, first.rounds + second.rounds + third.rounds) == LOOKS
    assert set(third.settings) <= set(second.settings) <= set(first.settings)
    assert len(found.throughput.samples) == LOOKS[-1]


@pytest.mark.parametrize(
    ("rates", "noise"),
    [
        pytest.param({0: 100, 2: 300}, 0.1, id="a gain that no noise hides"),
        pytest.param({0: 100, 2: 40}, 0.1, id="a loss that no noise hides"),
        pytest.param({0: 100, 2: 101}, 0.005, id="a gain too small to be missed"),
    ],
)
def test_what_few_rounds_settle_costs_no_more(world: World, rates: dict[int, float], noise: float) -> None:
    world.truth = lambda settings: by_workers(rates, 10)(settings) / (settings.prefetch_factor / 2)
    world.noise = noise
    world.tune(loader={"num_workers": 2, "persistent_workers": True}, max_workers=2, budget_s=3000)
    assert [asked.rounds for asked in world.asked if asked.rounds >= LOOKS[0]] == [LOOKS[0]]


def test_those_that_cannot_be_the_answer_leave_the_comparison(world: World) -> None:
    """Four workers and eight are as good as each other; what there is now is far behind."""
    world.truth = by_workers({0: 100, 1: 100, 2: 100, 4: 500, 8: 505}, 100)
    world.noise = 0.3
    found = world.tune(max_workers=8, budget_s=3000)
    first, second = [asked for asked in world.asked if asked.rounds >= LOOKS[0]][:2]
    assert Settings() in first.settings
    assert Settings() not in second.settings
    assert found.gain is not None
    assert len(found.gain.samples) == LOOKS[0]


@pytest.mark.parametrize("noise", [0.001, 0.05])
def test_of_equals_fewer_workers_that_fetch_as_torch_does_are_recommended(world: World, noise: float) -> None:
    world.truth = by_workers({0: 100, 1: 150}, 400)
    world.noise = noise
    picks = [tuple(world.tune(max_workers=8).recommended.values())[:2] for _ in range(6)]
    assert [workers for workers, _ in picks].count(2) >= 4
    assert picks.count((2, 2)) >= 3


@pytest.mark.parametrize("stalls_s", [0.0, 20.0, 1000.0])
def test_the_budget_is_kept_whatever_stalls(world: World, stalls_s: float) -> None:
    """All is as fast as was expected, until a slice takes longer by ``stalls_s``."""
    world.stalls = iter([0.0] * 20 + [stalls_s] + [0.0] * 10_000)
    found = world.tune(max_workers=8)
    assert found.recommended["num_workers"] == 8
    assert found.seconds_spent <= 60
    marked = [note for note in found.warnings if note.startswith("The best so far: ")]
    assert bool(marked) == (stalls_s > 60)


def test_no_round_is_begun_that_would_pass_the_budget(world: World) -> None:
    """Batches take 2 s; and one round of the last takes so much longer that fewer fit than were planned."""
    world.costs = replace(world.costs, item_s=(0.5,) * 99, item_cpu_s=(0.0,) * 99)
    world.truth = lambda settings: 2.0 * max(1, settings.num_workers)
    world.noise = 0.0
    for slices in range(6, 18):
        world.now_s, world.stalls = 0.0, iter([0.0] * slices + [20.0] + [0.0] * 10_000)
        assert world.tune(max_workers=2, budget_s=60).recommended["num_workers"] == 2
    assert world.ended == 0


@pytest.mark.parametrize("slices", range(1, 60, 7))
def test_whenever_the_time_is_over_the_answer_is_the_best_so_far(world: World, slices: int) -> None:
    world.stalls = iter([0.0] * slices + [1000.0] * 10_000)
    if slices <= 5:  # only those that start workers
        with pytest.raises(ValueError, match="too small to measure anything"):
            world.tune(max_workers=4)
        return
    found = world.tune(max_workers=4)
    assert found.seconds_spent <= 60
    assert slices > 40 or found.warnings[0].startswith("The best so far: ")


def test_new_workers_are_started_once_in_an_epoch(world: World) -> None:
    """In slices both are as fast; in epochs of 10 s each start takes 1 s."""
    world.count, world.lead_s = 2_000, 1.0
    present = {"num_workers": 2, "prefetch_factor": 3}
    found = world.tune(loader=present, max_workers=2)
    assert found.present == Settings(2, 3, False)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(1.1, rel=0.01)
    assert found.diagnosis in {"startup", "waiting"}
    (new, kept) = [each for each in found.candidates if each.settings[:2] == (2, 3)]
    assert (new.settings, kept.settings.persistent_workers) == (found.present, True)
    assert new.measured is not None
    assert new.measured.median == pytest.approx(2000 / 11, rel=0.02)
    assert new.against_best is not None
    assert new.against_best.median == pytest.approx(1 / 1.1, rel=0.02)


def test_an_epoch_of_unknown_length_is_no_short_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Variants, "batches", None)
    world.seen = {"start_s": 1000.0}
    found = world.tune(loader={"num_workers": 2}, max_workers=2)
    assert found.diagnosis == "nothing-to-gain"
    assert found.throughput.median == pytest.approx(200, rel=0.01)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(1, rel=0.01)


def test_the_start_of_an_epoch_counts_once_in_it(world: World) -> None:
    """2,000 items in 20 s alone, or 5 s with four; and 5 s of listing and drawing before."""
    world.count = 2_000
    world.seen = {"start_s": 3.0, "drawing_start_s": 2.0}
    found = world.tune(max_workers=4)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(2.5, rel=0.02)
    assert found.throughput.median == pytest.approx(200, rel=0.02)
    assert found.epoch_start_s == 5
    assert found.diagnosis == "epoch-start"
    assert "sampler" in found.remedies[1].says


def test_the_wait_is_that_of_whole_epochs(world: World) -> None:
    world.wait_share, world.lead_s = 0.01, 4.0
    world.count = 40_000  # of 200 s
    found = world.tune(loader={"num_workers": 2}, max_workers=2)
    assert found.data_wait_share == pytest.approx(0.03, abs=0.005)
    assert found.diagnosis == "consumer"


def test_items_that_are_remembered_promise_nothing(world: World) -> None:
    """Without workers a cache serves them; the probe saw what an item takes the first time."""
    world.truth = lambda settings: 5000.0 if settings == Settings() else 100.0 * settings.num_workers
    found = world.tune(max_workers=4)
    assert found.gain is None
    assert "50× as fast as loading explains" in found.doubt
    assert found.recommended["num_workers"] == 4
    assert found.remedies[0].gain is None
    assert found.as_json()["gain"] is None
    world.disturbed = 5  # of 6: then it is rather the other programs
    found = world.tune(max_workers=4)
    assert found.gain is None
    assert found.doubt.startswith("No gain is promised: other programs computed during 5 of 6 rounds.")


def test_workers_that_wait_for_each_other_are_named(world: World) -> None:
    world.truth = lambda settings: 100.0
    found = world.tune(max_workers=8)
    assert found.recommended == {"num_workers": 0}
    assert found.diagnosis == "contention"
    assert "hold no lock" in found.remedies[1].says
    assert found.doubt == ""


def test_what_fails_without_workers_is_tuned_with_them(world: World) -> None:
    world.seen = {"fails_alone": "TypeError: 'NoneType' object is not subscriptable"}
    world.truth = by_workers({0: 10_000, 2: 200}, 100)
    found = world.tune(loader={"num_workers": 1, "persistent_workers": True}, max_workers=2)
    assert Settings() not in {each for asked in world.asked for each in asked.settings}
    assert found.recommended["num_workers"] == 2
    assert found.warnings[0].startswith("Without workers the dataset fails (TypeError: 'NoneType'")
    none = world.tune(max_workers=2)
    assert (none.gain, none.recommended["num_workers"]) == (None, 2)
    with pytest.raises(ValueError, match="the dataset needs a worker, and none fits: allow max_workers=1"):
        world.tune(max_workers=0)


def test_copies_of_a_stream_are_no_gain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Variants, "is_streaming", True)
    world.seen = {"asked_who_it_is": False}
    found = world.tune(max_workers=8)
    assert set(found.recommended.values()) <= {0, 1, 2}
    assert max(max(rung) for rung in world.rungs) == 1
    assert found.warnings[0].startswith("Every worker would deliver the whole stream")
    world.seen = {"asked_who_it_is": True}
    assert not any("stream" in note for note in world.tune(max_workers=8).warnings)


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
    assert found.gain is not None
    assert (found.gain.median, found.gain.interval) == (1, None)


def test_no_more_workers_than_asked_for_are_recommended_even_if_there_are_now(world: World) -> None:
    found = world.tune(loader={"num_workers": 4, "persistent_workers": True}, max_workers=2)
    assert found.recommended["num_workers"] == 2
    assert found.gain is not None
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


@pytest.mark.parametrize(("measured", "picked"), [(110, 3), (150, 2), (400, 0)])
def test_workers_that_turn_out_to_be_larger_than_they_seemed_are_not_recommended(
    world: World, measured: float, picked: int
) -> None:
    world.memory_mb, world.truth = 100, by_workers({0: 100, 1: 150, 2: 300, 3: 450})
    world.measured_mb = lambda: measured
    found = world.tune(max_workers=3, memory_limit_mb=350)
    assert found.recommended["num_workers"] == picked
    assert (found.diagnosis == "memory") == (picked < 3)


def test_workers_whose_files_would_be_too_many_have_their_turns_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded, made = [], search.Slices

    def noted(*args: Any, **kwargs: Any) -> Slices:
        crowded.append(kwargs["crowded"])
        return made(*args, **kwargs)

    monkeypatch.setattr(search, "Slices", noted)
    for files in (1000, 100):  # 1 + 2 + 3 + 4 + 6 + 8 workers have 96, and as many to spare
        monkeypatch.setattr(prospects, "_spare_files", lambda files=files: files)
        world.tune(max_workers=8)
    assert crowded == [False, True]


def test_when_all_workers_have_grown_and_the_time_is_over_there_is_an_answer(world: World) -> None:
    world.memory_mb = 1

    def grown() -> float:
        if len(world.asked) < 3:  # in which all settings start, and are tried
            return 1
        world.now_s = 56.0  # of 57
        return 100

    world.measured_mb = grown
    present = {"num_workers": 4, "persistent_workers": True}
    found = world.tune(loader=present, max_workers=8, memory_limit_mb=300)
    assert min(each.num_workers for each in world.asked[-1].settings) == 4
    assert found.recommended["num_workers"] == 3  # by what was measured of those that fit, before


def test_of_many_workers_fetching_further_ahead_is_not_played(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, model_predict = [], prospects.predict

    def predict(costs: Costs, settings: Settings, *args: Any, **kwargs: Any) -> Any:
        played.append(settings)
        return model_predict(costs, settings, *args, **kwargs)

    monkeypatch.setattr(prospects, "predict", predict)
    world.tune(max_workers=96)
    assert max(played).num_workers == 96
    assert all(each.prefetch_factor == 2 for each in played if each.num_workers > 64)


def test_a_dataset_is_counted_once_or_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(Numbers, "__len__", lambda self: asked.append(1) or self.count)
    world.tune(max_workers=8)
    assert len(asked) < 10


def test_workers_that_grow_while_they_are_compared_are_not_recommended(world: World) -> None:
    world.memory_mb = 100
    world.measured_mb = lambda: 300 if any(asked.rounds >= FEWEST_SAMPLES for asked in world.asked) else 100
    present = {"num_workers": 2, "persistent_workers": True}
    found = world.tune(loader=present, max_workers=2, memory_limit_mb=250)
    assert found.recommended == {"num_workers": 0}
    assert Settings() in world.asked[-1].settings


def test_slow_batches_and_workers_leave_time_for_the_numbers_that_count(world: World) -> None:
    """A batch takes a second, and so does a worker's start: not all numbers can be tried in a minute."""
    world.costs = replace(world.costs, item_s=(0.25,) * 99, item_cpu_s=(0.0,) * 99, boot_s=4.0)
    world.truth = lambda settings: 4.0 * max(1, settings.num_workers)
    found = world.tune(max_workers=16, loader={"num_workers": 3})
    tried = world.rungs[0]
    assert {0, 3, 8, 16} <= set(tried)
    assert 6 not in tried
    assert found.recommended["num_workers"] in {8, 16}
    assert world.now_s < 100


def test_what_workers_take_to_start_is_taken_once(world: World) -> None:
    """By spawn, some seconds: the rounds after that are as short as ever."""
    world.start_s, world.costs = 6.0, replace(world.costs, boot_s=12.0)
    found = world.tune(max_workers=4)
    assert world.asked[-1].rounds >= FEWEST_SAMPLES
    assert not any("so far" in note for note in found.warnings)
    assert world.now_s < 60


def test_a_budget_that_does_not_suffice_gives_the_best_so_far(world: World) -> None:
    world.costs = replace(world.costs, item_s=(0.5,) * 99, item_cpu_s=(0.0,) * 99)
    world.truth = lambda settings: 2.0 * max(1, settings.num_workers)
    found = world.tune(max_workers=2, budget_s=20)
    assert found.recommended["num_workers"] == 2
    (note,) = found.warnings
    assert note.startswith("The best so far: the time allowed ")
    assert float(note.partition("Give a budget of ")[2].removesuffix(" s.")) > 20


def test_where_nothing_can_be_measured_the_budget_that_can_is_named(world: World) -> None:
    world.costs = replace(world.costs, item_s=(60.0,) * 99, item_cpu_s=(0.0,) * 99)
    said = r"^the budget is too small to measure anything, as 18 s of it are left: give \d+ s"
    with pytest.raises(ValueError, match=said):
        world.tune(max_workers=2, budget_s=20)
    assert world.asked == []


def test_progress_moves_on(world: World) -> None:
    said: list[Progress] = []
    world.tune(max_workers=4, progress=said.append)
    assert said[0].says == "looking at the items"
    assert any(each.says.startswith("trying 5 settings") for each in said)
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
    assert all(each.measured for each in found.candidates if each.settings.prefetch_factor == 2)


def test_every_key_of_the_answer_is_documented(world: World) -> None:
    page = (PROJECT.root / "docs/api/cli.md").read_text(encoding="utf-8").partition("`spritedocs tune`")[2]
    assert world.tune(max_workers=1).as_json().keys() <= set(re.findall(r"`(\w+)`", page))


# -- misuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": -1}, "max_workers is -1: give a number from 0 to 512"),
        ({"max_workers": 10**6}, "max_workers is 1000000: give"),
        ({"max_workers": 2.5}, "max_workers is 2.5: give a whole number"),
        ({"max_workers": "2"}, "max_workers is '2': give a whole number"),
        ({"ranks": 0}, "ranks is 0: give a number from 1 to 64"),
        ({"ranks": 1.5}, "ranks is 1.5: give a whole number"),
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


# -- real runs -----------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, servers: None) -> Iterator[None]:
    """Few rounds and short slices, and no process left after them."""
    monkeypatch.setattr(search, "LOOKS", (FEWEST_SAMPLES,))
    monkeypatch.setattr(search, "PROBING_S", 0.05)
    monkeypatch.setattr(search, "SLICE_S", 0.02)
    monkeypatch.setattr(search, "FINAL_S", 0.05)
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.5)  # for so long a worker that hangs may end
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # which stays, once any process was spawned
    before = children()
    yield
    assert number_since(before) == 0


def batches_of(dataset: Dataset[Any], **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset, BATCH, **options)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "dataset",
    [
        batches_of(Numbers(), num_workers=2, collate_fn=as_tokens),
        DataLoader(Stream(), batch_size=None),
        DataLoader(Numbers(), batch_sampler=BatchSampler(RandomSampler(range(40)), BATCH, drop_last=True)),
        [torch.zeros(3)] * 80,
    ],
    ids=["present settings", "stream of items", "batch sampler", "list"],
)
def test_every_kind_of_data_set_is_tuned(dataset: Any) -> None:
    found = tune(dataset, max_workers=1)
    assert found.throughput.median > 0
    assert found.recommended["num_workers"] <= 1
    assert {each.settings.num_workers for each in found.candidates} >= {0, 1}
    json.dumps(found.as_json())


@pytest.mark.usefixtures("quick")
def test_the_step_is_timed() -> None:
    batches: list[Any] = []
    told: list[tuple[str, int]] = []
    found = tune(
        batches_of(Numbers()),
        step=lambda batch: batches.append(time.sleep(0.002)),
        max_workers=1,
        progress=lambda progress: told.append((progress.says, len(batches))),
    )
    before = next(count for says, count in told if says.startswith("comparing"))
    assert len(batches) >= before + 2 * FEWEST_SAMPLES
    assert found.step_s >= 0.002
    assert tune(batches_of(Numbers()), step_ms=2, max_workers=0).step_s >= 0.002


FAILING = [
    (
        batches_of(Numbers(bad=1, what=tear)),
        "The dataset failed: item 1 raised ValueError: the sprite is torn;",
    ),
    (
        batches_of(Numbers(bad=1, what=list)),
        r"a batch cannot be collated \(.*; give a DataLoader with a collate_fn",
    ),
    (batches_of(Numbers(), collate_fn=as_function), r"a batch cannot be pickled to leave its worker \("),
    (batches_of(Numbers(bad=1, what=vanish)), "A worker ended with the exit code 3: your code, or a library"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("dataset", "said"), FAILING, ids=["raises", "uncollatable", "unpicklable", "dies"])
def test_what_fails_is_told_in_a_sentence(dataset: Any, said: str) -> None:
    with pytest.raises(TuneError, match=said) as raised:
        tune(dataset, max_workers=2)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is not None


@pytest.mark.usefixtures("quick")
def test_a_batch_that_hangs_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The budget's clock stands still, and that of the watch over workers until one hangs."""
    begun, seconds = tmp_path / "begun", itertools.count()
    watching = SimpleNamespace(monotonic=lambda: float(next(seconds)) if begun.exists() else 0.0)
    monkeypatch.setattr(worker_watch, "time", watching)
    monkeypatch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    with pytest.raises(TuneError, match="No batch came within 2 s") as raised:
        tune(batches_of(Numbers(bad=3, what=partial(hang, begun))), max_workers=2, budget_s=4)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("quick")
def test_what_ends_a_program_is_told_with_its_item() -> None:
    """By sys.exit(), a worker would end without a word."""
    with pytest.raises(TuneError, match="The dataset failed: item 1 raised SystemExit: 3; loading"):
        tune(batches_of(Numbers(bad=1, what=leave)), max_workers=1)


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_pickled_cannot_be_spawned() -> None:
    with pytest.raises(TuneError, match="cannot be pickled, which the start method 'spawn' needs"):
        tune(batches_of(Numbers(what=lambda: 1)), start_method="spawn")


@pytest.mark.usefixtures("quick")
def test_an_item_that_fails_late_fails_without_a_trace(tmp_path: Path) -> None:
    """Not where its costs are looked at: where it is measured, and workers of several settings are there."""
    late = tmp_path / "late"

    def told(progress: Progress) -> None:
        if progress.says.startswith("comparing"):
            late.touch()

    with pytest.raises(TuneError, match="The dataset failed: ValueError: the sprite is torn; iterating"):
        tune(batches_of(Numbers(bad=1, what=partial(tear_if, late))), max_workers=2, progress=told)
    assert late.exists()


@pytest.mark.usefixtures("quick")
def test_the_step_may_fail() -> None:
    with pytest.raises(
        TuneError, match="The step failed: ValueError: the sprite is torn; calling it"
    ) as raised:
        tune(batches_of(Numbers()), step=lambda batch: tear())
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.usefixtures("quick")
def test_an_interruption_leaves_nothing() -> None:
    def interrupt(progress: Progress) -> None:
        if "trying" in progress.says and progress.total_s > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(batches_of(Numbers()), max_workers=2, progress=interrupt)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("held", ["none", "both"])
def test_random_numbers_go_on_as_without_it(held: str) -> None:
    own, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(4)
    options: dict[str, Any] = {
        "none": {"shuffle": True},
        "both": {"sampler": RandomSampler(range(64), generator=own), "generator": other},
    }[held]

    def states() -> list[Any]:
        numpys = np.random.get_state()[1]
        held = (own.get_state().tolist(), other.get_state().tolist())
        return [*held, torch.get_rng_state().tolist(), random.getstate(), list(numpys)]

    def step(batch: Any) -> None:
        torch.rand(1), random.random(), np.random.rand()

    before, method = states(), multiprocessing.get_start_method(allow_none=True)
    tune(DataLoader(Numbers(64), BATCH, **options), step=step, max_workers=1)
    assert states() == before
    assert multiprocessing.get_start_method(allow_none=True) == method


@pytest.mark.usefixtures("quick")
def test_the_readers_loader_is_not_touched() -> None:
    loader = batches_of(Numbers(), num_workers=1)
    before = dict(vars(loader))
    tune(loader, max_workers=1)
    assert vars(loader) == before
