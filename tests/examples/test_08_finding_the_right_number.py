"""Finding the number: the procedure on made-up figures, what is tried, and what cannot be measured."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from spritedocs.machine import NoRoomError, Outcome
from spritedocs.report import Gap, Measurement
from spritedocs.timing import compare

NAME = "08_finding_the_right_number"


def _percent(*samples: float) -> Measurement:
    return Measurement.of("data_wait_pct", samples, "%")


def _times(*samples: float) -> Measurement:
    return Measurement.of("gain", samples, "×")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What the script enters its temporary folder into."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def replace(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Puts something in the place of one of the script's names."""
    names = script["three_kinds"].__globals__
    return lambda name, value: monkeypatch.setitem(names, name, value)


# The procedure.


@pytest.mark.parametrize(
    ("data_wait", "gain", "number", "why"),
    [
        ({0: 3, 2: 1}, {2: 1.5}, 0, "under 5%"),
        ({0: 60, 2: 2, 4: 1}, {2: 2.4, 4: 1.5}, 2, "under 5%"),
        ({0: 60, 2: 30, 4: 1}, {2: 1.7, 4: 1.4}, 4, "under 5%"),
        ({0: 60, 2: 30, 4: 29}, {2: 1.7, 4: 1.01}, 2, "4 are not measurably better"),
        ({0: 60, 2: 58}, {2: 0.9}, 0, "2 are not measurably better"),
        ({0: 60, 2: 30, 4: 15}, {2: 1.7, 4: 1.4}, 4, "more were not tried"),
        ({0: 60}, {}, 0, "more were not tried"),
    ],
)
def test_the_procedure_stops_at_the_smallest_good_number(script, data_wait, gain, number, why) -> None:
    data_wait = {helpers: _percent(wait) for helpers, wait in data_wait.items()}
    gain = {helpers: _times(ratio) for helpers, ratio in gain.items()}
    stop, reason = script["smallest_good"](data_wait, gain)
    assert stop == number
    assert why in reason


def test_a_number_that_brought_nothing_is_not_kept_though_the_model_is_fed_there(script) -> None:
    assert script["smallest_good"]({0: _percent(6), 2: _percent(4)}, {2: _times(1.01)})[0] == 0


def test_a_step_up_counts_only_if_its_whole_interval_does(script) -> None:
    data_wait = {0: _percent(60), 2: _percent(40)}
    sure, unsure = _times(1.2, 1.21, 1.19, 1.2, 1.22, 1.2), _times(1.2, 1.6, 0.9, 1.2, 1.5, 1.0)
    assert script["smallest_good"](data_wait, {2: sure})[0] == 2
    assert script["smallest_good"](data_wait, {2: unsure})[0] == 0


def test_a_data_wait_is_small_only_if_its_whole_interval_is(script) -> None:
    gain = {2: _times(1.5)}
    after = {4: _percent(1)}
    gain |= {4: _times(1.5)}
    sure, unsure = _percent(4, 4.1, 3.9, 4, 4, 4.1), _percent(4, 9, 3, 4, 8, 2)
    assert script["smallest_good"]({0: _percent(60), 2: sure} | after, gain)[0] == 2
    assert script["smallest_good"]({0: _percent(60), 2: unsure} | after, gain)[0] == 4


# What is tried, and how it is timed.


@pytest.mark.parametrize(
    ("cores", "numbers"),
    [
        (1, [0, 1, 2, 4, 8]),
        (2, [0, 1, 2, 4, 8]),
        (3, [0, 1, 2, 3, 4, 6, 8]),
        (16, [0, 1, 2, 4, 8, 16, 32]),
        (24, [0, 1, 2, 4, 8, 24]),
        (128, [0, 1, 2, 4, 8]),
    ],
)
def test_the_usable_cores_and_twice_as_many_are_tried(script, cores, numbers) -> None:
    assert script["numbers_to_try"](cores) == numbers


def test_whatever_the_cores_the_training_finds_its_loaders(script) -> None:
    for numbers in script["TRIED"].values():
        assert set(numbers) <= set(script["numbers_to_try"](1))
        assert list(numbers) == sorted(numbers)


@pytest.mark.parametrize("kind", ["waiting", "computing", "png"])
def test_every_helper_gets_several_batches_of_an_epoch(script, kind) -> None:
    for number in script["numbers_to_try"](16):
        batches = script["batches_for"](kind, number)
        assert batches >= 5
        assert batches >= 4 * number


def test_an_index_names_its_kind(script, room) -> None:
    dataset, missing = script["three_kinds"](room)
    assert missing == {}
    assert set(dataset.kinds) == set(script["KINDS"])
    assert dataset["waiting", 3].shape == dataset["computing", 3].shape == (4, 16, 16)
    assert dataset["png", 3].shape == (4, script["CROP"], script["CROP"])
    assert dataset["png", 3].dtype == torch.uint8
    assert not torch.equal(dataset["png", 3], dataset["png", 4])


@pytest.mark.parametrize("helpers", [0, 2])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_same_helpers_fetch_one_kind_after_the_other(script, room, helpers) -> None:
    dataset, _ = script["three_kinds"](room)
    loader = script["make_loader"](dataset, helpers)
    workers = set()
    for kind, batches, side in (("waiting", 2, 16), ("png", 3, 32)):
        shapes = [tuple(batch.shape) for batch in script["Errand"](loader, kind, batches)]
        assert shapes == [(16, 4, side, side)] * batches
        if helpers:
            workers |= {worker.pid for worker in loader._iterator._workers}
    assert len(workers) == helpers
    script["dismiss"](loader)


def test_a_comparison_counts_the_items_of_an_errand(script, room) -> None:
    dataset, _ = script["three_kinds"](room)
    errand = script["Errand"](script["make_loader"](dataset, 0), "png", 5)
    (epoch,) = compare({"png": errand}, rounds=1, warmup=False).arms["png"]
    assert (epoch.items, epoch.batches) == (5 * script["BATCH_SIZE"], 5)


def test_training_waits_for_batches_and_not_for_its_own_step(script) -> None:
    def slow():
        for batch in range(6):
            time.sleep(0.03)
            yield batch

    starved, fed = script["train"](slow(), 0.01), script["train"](range(6), 0.01)
    assert 0.5 < starved.data_wait < 0.95
    assert fed.data_wait < 0.2
    assert fed.steps_per_s > 2 * starved.steps_per_s


def test_training_takes_turns_and_misses_no_setting(script, replace) -> None:
    asked = []
    replace("Errand", lambda loader, kind, batches: (loader, kind, batches))
    replace("train", asked.append)
    loaders = {number: f"loader {number}" for number in (0, 1, 2, 4, 8)}
    trained = script["train_in_turns"](loaders, ["waiting"])
    assert list(trained) == [("waiting", number) for number in (0, 2, 4, 8)]
    assert len(asked) == script["ROUNDS"] * len(trained)
    first, *others = [tuple(asked[start : start + 4]) for start in range(0, len(asked), 4)]
    assert all(set(other) == set(first) for other in others)
    assert len({first, *others}) > 1


def test_sleeping_needs_no_core_and_computing_needs_one(script, room) -> None:
    dataset, _ = script["three_kinds"](room)
    assert script["core_share"](dataset, "waiting", 0.05) < 0.3
    assert script["core_share"](dataset, "computing", 0.05) > script["core_share"](dataset, "waiting", 0.05)


def test_the_bound_and_what_was_reached_are_paired_by_round(script) -> None:
    trained = script["Trained"]
    epochs = {
        ("png", 0): [trained(0.5, 10)] * 6,
        ("png", 2): [trained(0.02, 19)] * 6,
        ("png", 4): [trained(0.01, 19.1)] * 6,
    }
    (bound, reached, number), why = script["verdict"](epochs, {}, "png")
    assert (bound.median, reached.median, number.median) == (2, 1.9, 2)
    assert (bound.name, reached.name, number.name) == ("png_bound", "png_reached", "smallest_good_png")
    assert why == "PNG files: stop at 2, since the data wait is under 5%."


# What cannot be measured.


def test_without_room_the_other_kinds_go_on(script, room, replace) -> None:
    def full(megabytes):
        raise NoRoomError("The temporary folder has 0 MB free of the 2 MB needed: set TMPDIR.")

    replace("room_for", full)
    dataset, missing = script["three_kinds"](room)
    assert set(dataset.kinds) == {"waiting", "computing"}
    assert missing == {"png": "The temporary folder has 0 MB free of the 2 MB needed: set TMPDIR."}


def test_a_disk_that_fills_up_meanwhile_is_a_gap_too(script, room, replace) -> None:
    def fill(folder, count, size):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    replace("write_png_folder", fill)
    dataset, missing = script["three_kinds"](room)
    assert set(dataset.kinds) == {"waiting", "computing"}
    assert "No space left on device" in missing["png"]
    assert "sprite-" not in missing["png"], "a folder's name is nobody's business"


def test_every_value_of_a_missing_kind_is_a_gap(script) -> None:
    missing = {"png": "No room."}
    cells = [
        script["throughput"]({}, missing, "png", 4),
        *script["scaling"](None, {}, missing, "png", 2),
        *script["verdict"]({}, missing, "png")[0],
    ]
    assert {cell.name for cell in cells} == {
        "png_items_per_s_4",
        "png_core_share_pct",
        "png_at_cores",
        "png_beyond_cores",
        "png_bound",
        "png_reached",
        "smallest_good_png",
    }
    assert {cell.reason for cell in cells} == {"No room."}


@pytest.mark.parametrize(
    ("kind", "number", "why"),
    [("waiting", 0, ""), ("waiting", 2, "No folder."), ("png", 0, "No room."), ("png", 2, "No room.")],
)
def test_without_helpers_each_kind_is_measured_without(script, kind: str, number: int, why: str) -> None:
    assert script["why_missing"]({"png": "No room.", "helpers": "No folder."}, kind, number) == why
    assert script["why_missing"]({}, kind, number) == ""


def test_without_helpers_every_value_with_some_is_a_gap(script) -> None:
    missing = {"helpers": "No folder."}
    fetched = {"waiting": compare({"waiting 0": [[1]] * 5}, rounds=1, warmup=False)}
    assert script["throughput"](fetched, missing, "waiting", 0).unit == "items/s"
    trained = {(kind, 0): [script["Trained"](0.5, 10)] * 6 for kind in script["TRIED"]}
    (_, alone), *faster = script["speedups"](fetched, missing, "waiting", (0, 2, 4))
    assert alone.median == 1
    data_wait, before = list(script["training_cells"](trained, missing, 0))[:2]
    assert (data_wait.median, before) == (50, "")
    (bound, *reached), why = script["verdict"](trained, missing, "waiting")
    assert (bound.median, why) == (2, "No folder.")
    gaps = [
        script["throughput"](fetched, missing, "waiting", 2),
        *(gap for _, gap in faster),
        *script["past_the_cores"](fetched, missing, "waiting", 2),
        *list(script["training_cells"](trained, missing, 4))[:2],
        *reached,
    ]
    assert {gap.reason for gap in gaps if isinstance(gap, Gap)} == {"No folder."}
    assert [gap.name for gap in gaps] == [
        "waiting_items_per_s_2",
        "waiting_speedup_2",
        "waiting_speedup_4",
        "waiting_at_cores",
        "waiting_beyond_cores",
        "waiting_data_wait_pct_4",
        "waiting_gain_4",
        "waiting_reached",
        "smallest_good_waiting",
    ]


def test_training_goes_on_with_the_loaders_there_are(script, replace) -> None:
    replace("train", lambda errand: script["Trained"](0.5, 10))
    replace("Errand", lambda loader, kind, batches: None)
    trained = script["train_in_turns"]({0: None}, ["waiting", "png"])
    assert list(trained) == [("waiting", 0), ("png", 0)]
    assert list(script["data_waits"](trained, "waiting")) == [0]


def test_more_helpers_than_are_started_are_a_gap(script) -> None:
    at, beyond = script["past_the_cores"]({}, {}, "waiting", 64)
    assert isinstance(at, Gap)
    assert isinstance(beyond, Gap)
    assert "taskset" in beyond.reason


def test_a_training_table_has_as_many_cells_for_every_number(script) -> None:
    trained = {
        (kind, number): [script["Trained"](0.5, 10)] * 6
        for kind, numbers in script["TRIED"].items()
        for number in numbers
    }
    cells = {number: list(script["training_cells"](trained, {}, number)) for number in (0, 2, 4, 8)}
    assert {len(row) for row in cells.values()} == {2 * len(script["TRIED"])}
    assert cells[0][1] == ""
    assert cells[8][2:] == ["–", "–"]
    gaps = list(script["training_cells"](trained, {"png": "No room."}, 2))[2:]
    assert [gap.name for gap in gaps] == ["png_data_wait_pct_2", "png_gain_2"]


# What a process sees.


def test_a_report_of_cores_is_read_from_among_warnings(script) -> None:
    said = (
        "SomeWarning: look\n"
        '{"cpu_count": 8, "affinity_cores": 1, "quota_cores": null, "usable_cores": 1, "suggested_workers": '
        '"This DataLoader will create 100000 worker processes in total. Our suggested max number of worker '
        'in current system is 1, which is smaller"}\n'
    )
    seen = script["seen_by"](Outcome(said, 0, 1.0))
    cells = {asked: script["cores_cell"](seen, asked, f"{asked}_held") for asked in script["ASKED"]}
    assert cells.pop("quota_cores") == "no limit"
    assert {name: cell.median for name, cell in cells.items()} == {
        "cpu_count": 8,
        "affinity_cores": 1,
        "suggested_workers": 1,
        "usable_cores": 1,
    }


def test_a_quota_is_shown_where_there_is_one(script) -> None:
    assert script["cores_cell"]({"quota_cores": 1.5}, "quota_cores", "quota_cores").median == 1.5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AttributeError: 'Process' object has no attribute 'cpu_affinity'", "Linux and Windows can"),
        ("Killed", "by hand"),
    ],
)
def test_a_script_that_fails_leaves_gaps(script, text, reason) -> None:
    seen = script["seen_by"](Outcome(text, 1, 1.0))
    cell = script["cores_cell"](seen, "usable_cores", "usable_cores_held")
    assert isinstance(cell, Gap)
    assert reason in cell.reason


def test_affinity_that_a_system_does_not_know_is_a_gap(script) -> None:
    assert isinstance(
        script["cores_cell"]({"affinity_cores": False}, "affinity_cores", "affinity_cores"), Gap
    )


def test_no_script_can_be_written_to_a_full_disk(script, replace) -> None:
    def full(sources):
        raise OSError(errno.ENOSPC, "No space left on device")

    replace("run_scripts", full)
    free, held = script["look_around"]()
    assert free == held
    assert "No space left on device" in free


def test_no_script_can_be_written_without_a_folder_and_no_folder_is_named(script, replace) -> None:
    def refuse(megabytes):
        raise NoRoomError("No temporary folder can be written to: set TMPDIR.")

    replace("room_for", refuse)
    assert script["look_around"]() == ("No temporary folder can be written to: set TMPDIR.",) * 2


# The whole.


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    kinds = "waiting", "computing", "png"
    assert set(values) >= {f"{kind}_items_per_s_{number}" for kind in kinds for number in (0, 1, 2, 4, 8)}
    assert set(values) >= {f"{kind}_{what}" for kind in kinds for what in ("at_cores", "beyond_cores")}
    assert set(values) >= {f"waiting_data_wait_pct_{number}" for number in (0, 2, 4, 8)}
    # Wide on purpose: eight sleepers against one; a model that starves against one that is fed.
    assert values["waiting_speedup_8"].median > 2
    assert values["waiting_data_wait_pct_8"].median < values["waiting_data_wait_pct_0"].median / 2
    assert values["smallest_good_waiting"].median in (2, 4, 8)
    assert values["usable_cores"].median <= values["cpu_count"].median
