"""The workloads of the tuner's suite, and how picks are scored: with made-up numbers, no epoch is timed."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils.data import DataLoader, IterableDataset, default_collate

from spritedocs.epochs import EpochTiming
from spritedocs.measurement import Gap, Measurement
from spritedocs.model import Settings
from spritedocs.timing import Comparison
from spritedocs.tuning.diagnosis import DIAGNOSES

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import tune_suite
from tune_rivals import TITLES, by_counting_up, by_rule
from tune_scores import Grid, Outcome, Pick, Standing
from tune_tables import of_contestants, of_workloads, settings_text
from tune_workloads import WORKLOADS, Workload, loader, prepared

NONE, TWO, FOUR = Settings(), Settings(2, 2, True), Settings(4, 2, True)


def first_items(dataset: Any, count: int) -> list[Any]:
    if isinstance(dataset, IterableDataset):
        return list(islice(dataset, count))
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(range(count)))
    return [dataset[index] for index in range(count)]


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda workload: workload.name)
def test_a_workload_gives_batches_and_reaches_workers_by_any_start_method(workload: Workload) -> None:
    if workload.one_core and not hasattr(os, "sched_setaffinity"):
        pytest.skip("one core needs affinity")
    with prepared(workload) as dataset:
        sent = pickle.loads(pickle.dumps(dataset))
        items = first_items(sent, 2)
        batch = (workload.collate or default_collate)(items)
        assert pickle.loads(pickle.dumps(workload.step)) is not None or workload.step is None
        if not isinstance(dataset, IterableDataset):
            assert len(loader(workload, dataset, workload.present)) >= 16
        assert len(batch) == 2 or len(batch) == len(items[0])


def test_every_bottleneck_is_planted_in_some_of_at_least_30_workloads() -> None:
    assert len(WORKLOADS) >= 30
    assert {name for workload in WORKLOADS.values() for name in workload.planted} == set(DIAGNOSES)
    assert sum(len(workload.planted) > 1 for workload in WORKLOADS.values()) <= 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="one core needs affinity")
def test_a_workload_on_one_core_gives_the_others_back_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.sched_getaffinity(0)
    done = threading.Event()
    with prepared(WORKLOADS["one-core"]):
        assert len(os.sched_getaffinity(0)) == 1
        assert list(tmp_path.iterdir())
        thread = threading.Thread(target=done.wait)
        thread.start()
    try:
        assert os.sched_getaffinity(0) == os.sched_getaffinity(thread.native_id or 0) == before
    finally:
        done.set()
        thread.join()
    assert not list(tmp_path.iterdir())


def grid(**seconds: list[float]) -> Grid:
    cells = {"none": NONE, "two": TWO, "four": FOUR}
    return Grid({cells[name]: totals for name, totals in seconds.items()}, seconds=50.0)


def test_all_rounds_choose_the_best_and_a_single_one_does_not() -> None:
    lucky = grid(none=[3, 3, 3, 3], two=[0.5, 0.9, 2, 2], four=[1, 1, 1, 1])
    assert (lucky.best, lucky.best_single) == (FOUR, TWO)
    assert lucky.seconds_single == 4.5
    assert Grid.from_json(lucky.as_json()) == lucky


def test_of_equally_fast_cells_the_one_with_fewest_workers_is_best() -> None:
    assert grid(four=[1, 1], none=[2, 2], two=[1, 1]).best == TWO


def outcome(pick: Pick, present: Settings = NONE, **more: Any) -> Outcome:
    """Best are four workers; two reach 98% of them, none half."""
    ratios = {FOUR: 1.0, TWO: 0.98, NONE: 0.5}
    measured = {each: Measurement.of("score", [ratio] * 6, "×") for each, ratio in ratios.items()}
    totals = grid(none=[2.0, 2], two=[1.02, 1.02], four=[1.0, 1])
    picks = {"tune": pick, "none": Pick(NONE), "gpus": Pick(FOUR, 25.0)}
    return Outcome("wait-longer", ("waiting",), present, totals, picks, measured, **more)


@pytest.mark.parametrize(
    ("pick", "right", "missed"),
    [
        (Pick(FOUR, 1.0, "waiting"), True, False),
        (Pick(FOUR, 1.0, "cpu"), False, False),
        (Pick(FOUR, 1.0, "nothing-to-gain"), False, True),
        (Pick(NONE, 1.0, "waiting"), True, True),
        (Pick(None, 1.0, "TuneError: it broke"), False, False),
    ],
)
def test_what_the_tuner_says_is_judged_by_what_was_planted(pick: Pick, right: bool, missed: bool) -> None:
    judged = outcome(pick)
    assert (judged.named_right, judged.missed, judged.needless) == (right, missed, False)


def test_a_change_is_needless_where_nothing_is_gained_unless_it_saves_workers() -> None:
    assert outcome(Pick(FOUR, 1.0, "cpu"), present=TWO).needless
    assert not outcome(Pick(FOUR, 1.0, "cpu"), present=NONE).needless
    assert not outcome(Pick(TWO, 1.0, "cpu"), present=FOUR).needless
    assert not outcome(Pick(TWO, 1.0, "cpu"), present=TWO).needless
    assert not outcome(Pick(TWO, 1.0, "nothing-to-gain"), present=TWO).missed


def test_standings_count_missing_picks_and_time() -> None:
    good, bad = outcome(Pick(TWO, 5.0, "waiting")), outcome(Pick(None, 5.0, "TuneError: it broke"))
    too_large = outcome(Pick(FOUR, 5.0, "waiting"), most_workers=2)
    standing = Standing.of("tune", [good, bad, too_large, good])
    assert (standing.good, standing.without, standing.worst, standing.time) == (50, 50, 98, 10)
    none = Standing.of("none", [good, bad])
    assert (none.good, none.surely_below, none.worst, none.typical, none.without) == (0, 100, 50, 50, 0)


def test_the_tables_show_a_failure_as_a_row() -> None:
    fine = outcome(Pick(TWO, 5.0, "waiting"))
    broken = replace(outcome(Pick(None, 5.0, "TuneError: it broke")), name="broken")
    table = of_workloads([fine, broken])
    assert table.rows[1][2:6] == ["TuneError: it broke", "0", "4×2 +", "none"]
    assert isinstance(table.rows[1][7], Gap)
    values = {value.name: value.median for value in (*table.values, *of_contestants([fine, broken]).values)}
    assert values["score_wait_longer"] == 0.98
    assert values["gain_wait_longer"] == 2
    assert values["good_tune"] == values["named_right"] == 50
    assert values["time_gpus"] == 50
    hopeless = {gap.name for gap in of_contestants([broken]).gaps}
    assert hopeless >= {"good_tune", "worst_tune"}


def test_rules_need_no_measuring_and_searches_stop_when_it_gets_no_better() -> None:
    picks = by_rule()
    assert picks["none"].settings == NONE
    assert {*picks, "until_slower", "num_workers_search", "single_grid"} == set(TITLES)
    seconds = [3.0, 2.0, 2.5, 1.0]
    assert by_counting_up(seconds.__getitem__, 3, patience=0) == Pick(Settings(1, 2, True), 7.5)
    assert by_counting_up(seconds.__getitem__, 3, patience=1) == Pick(Settings(3, 2, True), 8.5)
    assert by_counting_up([2.0, 2.0, 1.0, 1.5].__getitem__, 3, patience=0) == Pick(TWO, 6.5)


def test_alarms_are_counted_among_the_workloads_on_which_they_are_false() -> None:
    missed = outcome(Pick(NONE, 1.0, "nothing-to-gain"))
    needless = outcome(Pick(FOUR, 1.0, "cpu"), present=TWO)
    seen = [missed, outcome(Pick(TWO, 1.0, "waiting")), needless]
    values = {value.name: value.median for value in of_contestants(seen).values}
    assert (values["missed"], values["needless"]) == (50, 100)
    assert {gap.name for gap in of_contestants([missed]).gaps} == {"needless"}


def test_it_is_told_how_many_of_the_rounds_were_disturbed() -> None:
    disturbed, quiet = outcome(Pick(TWO), disturbed=3), outcome(Pick(TWO))
    assert "12 rounds. Other programs disturbed 3 of them." in of_contestants([disturbed, quiet]).notes[-1]
    unknown = outcome(Pick(TWO), disturbed=None)
    assert "not known here" in of_contestants([unknown, quiet]).notes[-1]


class Machine:
    """Epochs in no time, as long as they are told to be: the more workers that stay, the shorter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[object] = []
        self.tuned: list[tuple[Any, dict[str, Any]]] = []
        for name in ("compare", "time_epoch", "tune"):
            monkeypatch.setattr(tune_suite, name, getattr(self, name))

    def time_epoch(self, tried: DataLoader[Any], step: object) -> EpochTiming:
        self.steps.append(step)
        total_s = 8.0 / (1 + tried.num_workers) if tried.persistent_workers else 10.0
        return EpochTiming(0.1, total_s, 10, 5, 0.0, total_s, 0.0)

    def compare(self, arms: dict[str, DataLoader[Any]], rounds: int = 6, **options: Any) -> Comparison:
        epochs = {name: (self.time_epoch(tried, options["step"]),) * rounds for name, tried in arms.items()}
        return Comparison(epochs, retaken=1, disturbed=2)

    def tune(self, dataset: Any, **options: Any) -> SimpleNamespace:
        self.tuned.append((dataset, options))
        kept = {"num_workers": 3, "prefetch_factor": 2, "persistent_workers": True}
        return SimpleNamespace(recommended=kept, diagnosis="waiting")


def test_a_workload_is_searched_by_all_and_rated_by_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    seen = tune_suite.outcome(WORKLOADS["wait"], None, rounds=2, limit_s=1.0, with_rivals=True)
    assert (len(seen.grid.totals), seen.grid.best, seen.disturbed) == (19, Settings(8, 2, True), 2)
    assert {name: pick.settings.num_workers for name, pick in seen.picks.items() if pick.settings} == {
        "tune": 3,
        **{name: pick.settings.num_workers for name, pick in by_rule().items() if pick.settings},
        "until_slower": 8,
        "num_workers_search": os.cpu_count(),
        "single_grid": 8,
    }
    assert {name: ratio.median for name, ratio in seen.ratios.items()} == pytest.approx(
        {each: (1 + each.num_workers) / 9 if each.num_workers else 0.8 / 9 for each in seen.ratios}
    )
    assert seen.possible_gain == pytest.approx(90 / 8)
    assert set(machine.steps) == {None}


def test_a_step_is_taken_by_all_but_the_search_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, workload = Machine(monkeypatch), WORKLOADS["wait-gpu-step"]
    tune_suite.outcome(workload, None, rounds=2, limit_s=1.0, with_rivals=False)
    assert set(machine.steps) == {workload.step}
    with prepared(workload) as dataset:
        tune_suite.rivals(workload, dataset, grid(none=[1]))
    assert set(machine.steps) == {workload.step, None}


def test_the_tuner_is_called_as_a_user_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    for name in ("memory-two-fit", "wait-two-workers"):
        with prepared(WORKLOADS[name]) as dataset:
            pick = tune_suite.tuned(WORKLOADS[name], dataset)
            assert (pick.settings, pick.says) == (Settings(3, 2, True), "waiting")
    (plain, options), (ready, others) = machine.tuned
    assert not isinstance(plain, DataLoader)
    assert options == {"batch_size": 4, "step": None, "memory_limit_mb": 420}
    assert isinstance(ready, DataLoader)
    assert ready.num_workers == 2
    assert others == {"step": None, "memory_limit_mb": None}


def test_what_does_not_fit_into_memory_is_not_even_rated(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch)
    seen = tune_suite.outcome(WORKLOADS["memory-two-fit"], None, rounds=2, limit_s=1.0, with_rivals=True)
    assert max(seen.ratios).num_workers == 2
    assert seen.score("tune") is None


def test_a_limited_memory_limits_the_grid() -> None:
    assert len(tune_suite.cells(WORKLOADS["wait"])) == 19
    assert max(tune_suite.cells(WORKLOADS["memory-two-fit"])).num_workers == 2


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(dataset: Any, **options: Any) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(tune_suite, "tune", refuse)
    return


@pytest.mark.usefixtures("refusing")
def test_a_tuner_that_raises_is_a_pick_that_says_so() -> None:
    workload = WORKLOADS["tiny-integers"]
    with prepared(workload) as dataset:
        pick = tune_suite.tuned(workload, dataset)
    assert (pick.settings, pick.says) == (None, "RuntimeError: not today")


def test_settings_are_shown_in_short() -> None:
    assert [settings_text(each) for each in (NONE, Settings(4), FOUR)] == ["0", "4×2", "4×2 +"]
