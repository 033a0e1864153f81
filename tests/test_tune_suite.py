"""The workloads of the tuner's suite, and how picks are scored: with made-up numbers, no epoch is timed."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate

from spritedocs.model import Settings
from spritedocs.recordings import Provenance
from spritedocs.report import Gap, Measurement
from spritedocs.timing import Comparison, EpochTiming, TimingError
from spritedocs.tuning.diagnosis import DIAGNOSES

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "tuning"))

import tune_suite
from suite.failures import said
from suite.held_out import COUNT, KINDS, held_out, scaled
from suite.kept import Kept, KeptError
from suite.kinds import Kind
from suite.rivals import TITLES, by_counting_up, by_random, by_rule
from suite.scores import Grid, Outcome, Pick, Standing
from suite.tables import of_contestants, of_workloads, settings_text
from tune_workloads import COMPUTING, LOCKED, OTHERS, WAITING, WORKLOADS, Workload, loader, prepared

NONE, TWO, FOUR = Settings(), Settings(2, 2, True), Settings(4, 2, True)


def first_items(dataset: Any, count: int) -> list[Any]:
    if isinstance(dataset, IterableDataset):
        return list(islice(dataset, count))
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(range(count)))
    return [dataset[index] for index in range(count)]


EXTREMES = [replace(scaled(name, *[at] * 3), name=f"{name}-{at}") for name in KINDS for at in (0, 1)]


@pytest.mark.parametrize("workload", [*WORKLOADS.values(), *EXTREMES], ids=lambda workload: workload.name)
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


def test_all_loaders_of_a_workload_draw_the_same_orders_epoch_by_epoch(tmp_path: Path) -> None:
    workload = WORKLOADS["tiny-integers"]
    numbers: Any = list(range(100))

    def orders(seed: int, settings: Settings) -> list[list[int]]:
        made = loader(workload, numbers, settings, seed)
        return [torch.cat(list(made)).tolist() for _ in range(3)]

    one, other = orders(1, NONE), orders(1, TWO)
    assert one == other
    assert one[0] != one[1] != list(range(100))
    assert one[0] != orders(2, NONE)[0]
    assert loader(workload, WORKLOADS["tiny-iterable"].make(tmp_path), NONE).dataset


def test_every_bottleneck_is_planted_in_some_of_at_least_30_workloads() -> None:
    assert len(WORKLOADS) >= 30
    assert {name for workload in WORKLOADS.values() for name in workload.planted} == set(DIAGNOSES)
    assert sum(len(workload.planted) > 1 for workload in WORKLOADS.values()) <= 2


def test_some_are_drawn_of_every_kind_and_always_the_same() -> None:
    drawn = held_out()
    sizes = [(each.name, each.batch_size) for each in drawn]
    assert sizes == [(each.name, each.batch_size) for each in held_out()]
    assert len({each.name for each in drawn}) == COUNT
    kinds = {each.name.removesuffix("-held-out") for each in drawn}
    for group, fewest in ((WAITING, 1), (COMPUTING, 1), (LOCKED, 1), (OTHERS, 5)):
        assert len(kinds & {workload.name for workload in group}) >= fewest
    labels = [each.planted[0] for each in drawn]
    assert set(labels) == set(DIAGNOSES)
    assert max(map(labels.count, labels)) == 2
    assert [each.name for each in held_out(seed=1)] != [each.name for each in drawn]
    assert all(each.held_out for each in drawn)
    assert not {each.name for each in drawn} & set(WORKLOADS)
    assert list(tune_suite.EVERY) == [*WORKLOADS, *(each.name for each in drawn)]
    with pytest.raises(ValueError, match="no more of them"):
        held_out(count=len(KINDS) + 1)


@pytest.mark.parametrize("name", ["wait", "wait-gpu-step", "wait-by-batch", "compute-gpu-step", "one-core"])
def test_an_epoch_lasts_as_long_with_other_costs(name: str, tmp_path: Path) -> None:
    fewest: list[bool] = []

    def epoch_s(workload: Workload) -> float:
        dataset: Any = workload.make(tmp_path)
        (_, seconds), batches = dataset.work[0], len(dataset) / workload.batch_size
        if workload.held_out:
            fewest.append(batches == 16)
        loading_s = seconds[0] * (batches if hasattr(dataset, "__getitems__") else len(dataset))
        return float(loading_s + batches * (workload.step.seconds if workload.step else 0))

    before_s = epoch_s(WORKLOADS[name])
    for places in ((0, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)):
        after_s = epoch_s(scaled(name, *places))
        assert before_s * 0.95 < after_s < before_s * (1.3 if fewest[-1] else 1.05)
    assert not all(fewest)


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
    again = Measurement.of("score", [0.96, 1.0, 1.02], "×")
    return Outcome("wait-longer", ("waiting",), present, totals, picks, measured, again, **more)


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
    assert [str(standing.good), str(standing.without)] == ["2 of 4", "2 of 4"]
    assert (standing.worst.median, standing.median.median, standing.time.median) == (98, 98, 10)
    again, none = Standing.of("again", [good, bad]), Standing.of("none", [good, bad])
    assert (str(again.good), again.worst.median) == ("2 of 2", 100)
    assert [str(each) for each in (none.good, none.surely_below, none.without)] == [
        "0 of 2",
        "2 of 2",
        "0 of 2",
    ]
    assert (none.worst.median, none.median.median) == (50, 50)


def test_the_tables_show_a_failure_as_a_row() -> None:
    fine = outcome(Pick(TWO, 5.0, "waiting"))
    broken = replace(outcome(Pick(None, 5.0, "TuneError: it broke")), name="broken")
    table = of_workloads([fine, broken])
    assert table.rows[1][2:6] == ["TuneError: it broke", "0", "4×2 +", "none"]
    assert isinstance(table.rows[1][7], Gap)
    values = {value.name: value.median for value in (*table.values, *of_contestants([fine, broken]).values)}
    assert values["score_wait_longer"] == 0.98
    assert values["gain_wait_longer"] == 2
    assert values["good_tune"] == values["named_right"] == 1
    assert values["time_gpus"] == 50
    hopeless = {gap.name for gap in of_contestants([broken]).gaps}
    assert hopeless >= {"good_tune", "worst_tune"}


def test_rules_need_no_measuring_and_searches_stop_when_it_gets_no_better() -> None:
    picks = by_rule()
    assert picks["none"].settings == NONE
    assert {*picks, "until_slower", "num_workers_search", "single_grid", "random_search"} == set(TITLES)
    seconds = [3.0, 2.0, 2.5, 1.0]
    assert by_counting_up(seconds.__getitem__, 3, patience=0) == Pick(Settings(1, 2, True), 7.5)
    assert by_counting_up(seconds.__getitem__, 3, patience=1) == Pick(Settings(3, 2, True), 8.5)
    assert by_counting_up([2.0, 2.0, 1.0, 1.5].__getitem__, 3, patience=0) == Pick(TWO, 6.5)


def test_alarms_are_counted_among_the_workloads_on_which_they_are_false() -> None:
    missed = outcome(Pick(NONE, 1.0, "nothing-to-gain"))
    needless = outcome(Pick(FOUR, 1.0, "cpu"), present=TWO)
    seen = [missed, outcome(Pick(TWO, 1.0, "waiting")), needless]
    values = {value.name: value.median for value in of_contestants(seen).values}
    assert (values["missed"], values["needless"]) == (1, 1)
    assert {gap.name for gap in of_contestants([missed]).gaps if "held_out" not in gap.name} == {"needless"}


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


def test_random_search_ends_with_its_time_and_takes_the_fastest_of_what_it_tried() -> None:
    searched = grid(none=[4, 4], two=[2, 2])
    every = by_random(searched, limit_s=100)
    assert (every.settings, every.seconds) == (searched.best, 12)
    one = by_random(searched, limit_s=0.5)
    assert one.settings is not None
    assert one.seconds == searched.totals[one.settings][0]


def test_a_workload_is_searched_by_all_and_rated_by_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    seen = tune_suite.outcome(WORKLOADS["wait"], rounds=2, with_rivals=True)
    assert seen.grid is not None
    assert (len(seen.grid.totals), seen.grid.best, seen.disturbed) == (19, Settings(8, 2, True), 2)
    picks = {name: pick.settings.num_workers for name, pick in seen.picks.items() if pick.settings}
    assert "random_search" in picks  # how much it tries depends on how long the tuner took
    assert {name: count for name, count in picks.items() if name != "random_search"} == {
        "tune": 3,
        **{name: pick.settings.num_workers for name, pick in by_rule().items() if pick.settings},
        "until_slower": 8,
        "num_workers_search": os.cpu_count(),
        "single_grid": 8,
        "again": 8,
    }
    assert seen.again is not None
    assert (seen.again.median, seen.score("again")) == (1, seen.again)
    assert {name: ratio.median for name, ratio in seen.ratios.items()} == pytest.approx(
        {each: (1 + each.num_workers) / 9 if each.num_workers else 0.8 / 9 for each in seen.ratios}
    )
    assert seen.possible_gain == pytest.approx(90 / 8)
    assert set(machine.steps) == {None}


def test_a_step_is_taken_by_all_but_the_search_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, workload = Machine(monkeypatch), WORKLOADS["wait-gpu-step"]
    tune_suite.outcome(workload, rounds=2, with_rivals=False)
    assert set(machine.steps) == {workload.step}
    with prepared(workload) as dataset:
        tune_suite.rivals(workload, dataset, grid(none=[1]), 1.0)
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
    seen = tune_suite.outcome(WORKLOADS["memory-two-fit"], rounds=2, with_rivals=True)
    assert max(seen.ratios).num_workers == 2
    assert seen.score("tune") is None


def test_a_limited_memory_limits_the_grid() -> None:
    assert len(tune_suite.cells(WORKLOADS["wait"])) == 19
    assert max(tune_suite.cells(WORKLOADS["memory-two-fit"])).num_workers == 2


def test_a_tuner_that_raises_is_a_pick_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "tune", range(1), RuntimeError("not today"), Machine(monkeypatch))
    workload = WORKLOADS["tiny-integers"]
    seen = tune_suite.outcome(workload, rounds=2, with_rivals=False)
    assert (seen.pick("tune").settings, seen.pick("tune").says) == (None, "RuntimeError: not today")
    assert seen.failures == ("tune: RuntimeError: not today",)
    assert seen.is_rated


def failing(
    monkeypatch: pytest.MonkeyPatch, name: str, calls: range, error: Exception, machine: Machine
) -> None:
    """Let ``name`` of the suite raise at these of its calls."""
    number = iter(range(10**6))
    works = getattr(machine, name)

    def call(*given: Any, **options: Any) -> Any:
        if next(number) in calls:
            raise error
        return works(*given, **options)

    monkeypatch.setattr(tune_suite, name, call)


ERROR = TimingError("arm 'x' raised OSError\nafter 3 batches: Too many open files")
SAID = "TimingError: arm 'x' raised OSError after 3 batches: Too many open files"


def both_tables(outcomes: list[Outcome]) -> tuple[list[Any], dict[str, Any], str]:
    """The row of the first workload, all values and gaps, and the notes."""
    contestants, workloads = of_contestants(outcomes), of_workloads(outcomes)
    values = {each.name: each.median for report in (contestants, workloads) for each in report.values}
    gaps = {each.name: each.reason for report in (contestants, workloads) for each in report.gaps}
    for report in (contestants, workloads):
        assert report.bundle()
    return list(workloads.rows[0]), values | gaps, " ".join(contestants.remarks)


def test_a_grid_that_fails_is_a_workload_that_is_not_rated(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "compare", range(1), ERROR, Machine(monkeypatch))
    seen = tune_suite.outcome(WORKLOADS["wait"], rounds=2, with_rivals=True)
    assert (seen.grid, seen.ratios, seen.named_right) == (None, {}, True)
    without = [f"{name}: there is no grid" for name in ("single_grid", "random_search")]
    assert list(seen.failures) == [f"the grid: {SAID}", *without]
    row, values, notes = both_tables([seen, outcome(Pick(TWO, 1.0, "waiting"))])
    assert row[:6] == ["wait", "waiting", "waiting", "0", "not known", "3×2 +"]
    assert SAID in str(values["gain_wait"])
    assert (values["good_tune"], values["without_tune"], values["not_rated"]) == (1, 1, 1)
    assert f"wait, the grid: {SAID}" in notes
    _, values, _ = both_tables([seen])
    assert values["brute_force_s"] == "The grid failed on every workload."


def test_without_a_last_comparison_a_workload_is_not_rated(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "compare", range(1, 2), ERROR, Machine(monkeypatch))
    seen = tune_suite.outcome(WORKLOADS["wait"], rounds=2, with_rivals=True)
    assert seen.grid is not None
    assert seen.failures == (f"the final comparison: {SAID}",)
    assert [seen.is_rated, seen.can_gain, seen.cannot_gain, seen.missed, seen.needless] == [False] * 5
    row, values, notes = both_tables([seen])
    assert row[4:6] == ["8×2 +", "3×2 +"]
    assert values["good_tune"] == "spritedocs tune has no pick that is rated."
    assert "as if nobody had a pick, are 1: wait." in notes


def test_a_rival_that_fails_is_a_pick_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    failing(monkeypatch, "time_epoch", range(1), ERROR, machine)
    seen = tune_suite.outcome(WORKLOADS["wait"], rounds=2, with_rivals=True)
    assert seen.failures == (f"until_slower: {SAID}",)
    assert seen.score("until_slower") is None
    assert seen.score("tune") is not None
    _, values, notes = both_tables([seen])
    assert values["without_num_workers_search"] == 0
    assert values["good_until_slower"] == "one epoch per count, until slower has no pick that is rated."
    assert SAID in notes


def test_a_data_set_that_fails_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch)

    def refuse(*_: Any) -> Any:
        raise OSError("no space left")

    refusing = replace(WORKLOADS["wait"], kind=Kind(refuse, 256))
    seen = tune_suite.outcome(refusing, rounds=2, with_rivals=True)
    assert seen.failures == ("the data set: OSError: no space left",)
    row, _, _ = both_tables([seen, outcome(Pick(TWO, 1.0, "waiting"))])
    assert row[:6] == ["wait", "waiting", "not asked", "0", "not known", "none"]
    both_tables([seen])


def test_an_error_is_said_in_one_short_line_without_private_names() -> None:
    assert said(ERROR) == SAID
    assert len(said(ValueError("x" * 1000))) == 200
    assert said(OSError(f"cannot open {Path.home()}/data")) == "OSError"


def test_what_is_held_out_is_told_apart() -> None:
    fresh = replace(outcome(Pick(NONE, 1.0, "waiting")), name="wait-held-out", held_out=True)
    known = outcome(Pick(TWO, 1.0, "cpu"))
    _, values, notes = both_tables([known, fresh])
    names = ("named_right_held_out", "good_held_out", "workloads_held_out")
    assert [values[name] for name in names] == [1, 0, 1]
    assert "Held out are 1," in notes
    assert "seed: it named 1 of 1 right, and 0 of 1 picks" in notes
    assert "developed: it named 0 of 1 right, and 1 of 1 picks" in notes
    _, values, _ = both_tables([known])
    assert values["good_held_out"] == "No workload of this run is held out."


SAME = {"code": "1", "machine": {"cpu": "one", "memory_gb": 25.3}, "rounds": 6}


def beginning(dirty: bool = False) -> Provenance:
    at = datetime(2026, 11, 27, tzinfo=UTC)
    return Provenance("tune_suite", "s", {}, "c0ffee", dirty, at, begun=1000.0)


def test_a_run_that_was_ended_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, path = Machine(monkeypatch), tmp_path / "kept.json"
    kept = Kept.begun(path, SAME, beginning())
    (first,) = tune_suite.measure(["wait"], kept, 2, True)
    kept.add(outcome(Pick(None, 1.0, "TuneError: no"), failures=("tune: TuneError: no",)), 30.0)
    again = Kept.resumed(path, SAME, beginning(dirty=True))
    assert (again.outcomes, again.parts) == (kept.outcomes, 2)
    assert again.provenance(beginning()).dirty
    assert again.provenance(beginning()).begun == 1000 - kept.spent_s < 970
    # What is kept is not measured again, and failures least of all.
    asked = len(machine.tuned)
    found = tune_suite.measure(["wait", "wait-longer", "compute"], again, 2, True)
    assert found[:2] == [first, kept.outcomes["wait-longer"]]
    assert len(machine.tuned) == asked + 1
    assert list(Kept.resumed(path, SAME, beginning()).outcomes) == ["wait", "wait-longer", "compute"]
    assert list(tmp_path.iterdir()) == [path]
    assert "in 2 parts" in of_contestants(found, again.parts).notes[-1]


@pytest.mark.parametrize("what", list(SAME))
def test_a_run_is_not_mixed_with_another(what: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    Kept.begun(path, SAME, beginning())
    with pytest.raises(KeptError, match=f"with another {what}"):
        Kept.resumed(path, SAME | {what: "other"}, beginning())
    Kept.resumed(path, SAME, beginning())


def test_a_file_that_keeps_no_run_is_refused_and_one_that_does_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    with pytest.raises(KeptError, match="holds no run"):
        Kept.resumed(path, SAME, beginning())
    path.write_text("{")
    with pytest.raises(KeptError, match="holds no run"):
        Kept.resumed(path, SAME, beginning())
    with pytest.raises(KeptError, match="is there already"):
        Kept.begun(path, SAME, beginning())
    with pytest.raises(KeptError, match="cannot be written"):
        Kept.begun(tmp_path / "nowhere" / "kept.json", SAME, beginning())


def test_a_full_disk_does_not_end_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    kept = Kept.begun(folder / "kept.json", SAME, beginning())
    (folder / "kept.json").unlink()
    folder.rmdir()
    kept.add(outcome(Pick(TWO, 1.0, "waiting")), 1.0)
    assert "cannot be written" in capsys.readouterr().err
    assert "wait-longer" in kept.outcomes


@pytest.mark.parametrize("shorter", [["--quick"], ["--only", "wait"], ["--without-rivals"]])
def test_only_a_whole_run_is_recorded(shorter: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tune_suite.py", "--record", *shorter])
    with pytest.raises(SystemExit):
        tune_suite.arguments()
    monkeypatch.setattr(sys, "argv", ["tune_suite.py", "--record"])
    assert tune_suite.arguments().keep.name.startswith("tune-suite-")


def test_settings_are_shown_in_short() -> None:
    assert [settings_text(each) for each in (NONE, Settings(4), FOUR)] == ["0", "4×2", "4×2 +"]
