"""The goblins: that all storages hold the same, what is looked at and when, and the gaps."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from spritedocs.machine import MemoryUse
from spritedocs.report import Gap, Measurement

NAME = "10_memory_goblins"

STORAGES = ("list", "array", "tensor")
VALUES = {
    *(f"size_{storage}_mb" for storage in STORAGES),
    *(f"read_us_{storage}" for storage in STORAGES),
    *(f"growth_{storage}_mb" for storage in STORAGES),
    *(f"rss_growth_{storage}_mb" for storage in STORAGES),
    *(f"cost_{storage}_mb" for storage in STORAGES),
    *(f"{storage}_private_pct" for storage in STORAGES),
    *(f"uss_{storage}_mb" for storage in (*STORAGES, "nothing")),
    "second_epoch_growth_list_mb",
    "mb_per_million_list",
    "million_captions_per_gb_4",
}
VALUES_ON_LINUX = {
    *(f"total_{storage}_mb_{helpers}" for storage in STORAGES for helpers in (0, 2, 4)),
    *(f"rss_overcount_{storage}_4" for storage in STORAGES),
}
CLASSES = ("NoCaptions", "CaptionList", "CaptionArray", "CaptionTensor")
# A worker cannot unpickle the classes of a script that a test has only looked into.
on_linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="reads smaps_rollup")


@pytest.fixture
def names(script: dict[str, Any]) -> dict[str, Any]:
    """What the script's own functions look their names up in."""
    found: dict[str, Any] = script["watch"].__globals__
    return found


@pytest.mark.parametrize("make", CLASSES)
def test_every_storage_holds_the_same_captions(script, make: str) -> None:
    captions = [script["caption_of"](index) for index in range(120)]
    dataset = script[make](120)
    assert len(dataset) == 120
    assert [dataset[index] for index in range(120)] == captions
    assert len(set(captions)) == 120
    assert len({len(caption) for caption in captions}) > 1  # so that there are rows to fill up


@pytest.mark.parametrize("make", CLASSES)
def test_a_batch_is_the_number_of_its_letters(script, make: str) -> None:
    indices = [5, 119, 60]
    letters = sum(len(script["caption_of"](index)) for index in indices)
    assert script[make](120).__getitems__(indices) == [letters]
    assert script[make](120).__getitems__([]) == [0]


def test_sizes_are_those_of_objects_and_of_rows(script) -> None:
    longest = max(len(script["caption_of"](index)) for index in range(500))
    array, tensor = script["CaptionArray"](500), script["CaptionTensor"](500)
    assert tensor.captions.shape == (500, longest)
    assert tensor.captions.dtype == torch.uint8
    assert array.megabytes() == tensor.megabytes() == 500 * longest / 1e6
    letters = sum(len(script["caption_of"](index)) for index in range(500))
    assert script["CaptionList"](500).megabytes() > (letters + 500 * (8 + 32)) / 1e6
    assert script["NoCaptions"](500).megabytes() == 0


def test_reading_is_timed_for_each_storage(script, names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names, "CAPTIONS", 100)
    found = script["size_and_speed"](rounds=2)
    assert [storage for storage, _, _ in found] == list(STORAGES)
    assert all(len(times) == 2 and min(times) > 0 for _, _, times in found)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_batches_hold_every_caption_once_after_the_empty_ones(script, shuffle: bool) -> None:
    batches = script["Batches"](2, captions=1300, shuffle=shuffle)
    drawn = list(batches)
    assert len(drawn) == len(batches) == 6 + 3
    assert drawn[:6] == [[]] * 6
    read = [index for batch in drawn for index in batch]
    assert sorted(read) == list(range(1300))
    assert (read == sorted(read)) is not shuffle
    assert [batches.read_pct(arrived) for arrived in (0, 6, 9)] == [0, 0, 100]
    assert batches.read_pct(7) == pytest.approx(100 * 500 / 1300)


def test_without_helpers_no_batch_is_empty(script) -> None:
    assert [] not in list(script["Batches"](0, captions=1300))


def test_the_collecting_dataset_reads_nothing_and_collects(script, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[bool] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(True))
    dataset = script["Swept"](10)
    dataset.captions = None
    assert dataset.__getitems__([]) == [0]
    assert not collected
    assert dataset.__getitems__([1, 2]) == [0]
    assert collected == [True]


@pytest.mark.usefixtures("forks")
def test_the_first_look_comes_before_any_worker_has_been_given_a_caption(
    script, names, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    looks: list[int] = []
    batches: list[int] = []

    class Counting(script["Batches"]):  # type: ignore[misc]
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                drawn.append(len(batch))
                yield batch

    def look(pid: int) -> MemoryUse:
        looks.append(sum(drawn))
        batches.append(len(drawn))
        return MemoryUse(pid, 1.0, 1.0, 1.0)

    monkeypatch.setitem(names, "CAPTIONS", 5000)
    monkeypatch.setitem(names, "memory_of", look)
    run = script["watch"](script["NoCaptions"], Counting(3, captions=5000), 3)
    assert looks[:3] == [0, 0, 0]
    # Two ahead for each, and one more for each that has arrived: every worker has answered.
    assert batches[0] == 3 * 2 + 3
    assert looks[3] > 0
    assert looks[-1] == 5000
    (epoch,) = run.epochs
    assert epoch[0][0] == 0
    assert epoch[-1][0] == 100
    assert all(len(uses) == 3 for _, uses in epoch)


@pytest.mark.usefixtures("forks")
def test_a_run_leaves_no_worker_and_nothing_frozen(script, names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names, "CAPTIONS", 2000)
    before = set(psutil.Process().children(recursive=True))
    run = script["watch"](script["CaptionList"], script["Batches"](2, captions=2000), 2, epochs=2)
    assert run.letters == sum(len(script["caption_of"](index)) for index in range(2000))
    assert len(run.epochs) == 2
    assert len(run.tree) >= 3
    assert gc.get_freeze_count() == 0
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("freeze", [True, False])
def test_the_objects_are_frozen_when_the_workers_start(
    script, names, monkeypatch: pytest.MonkeyPatch, freeze: bool
) -> None:
    frozen: list[int] = []
    monkeypatch.setitem(names, "CAPTIONS", 1000)
    monkeypatch.setitem(names, "worker_pids", lambda iterator: frozen.append(gc.get_freeze_count()) or ())
    script["watch"](script["NoCaptions"], script["Batches"](0, captions=1000), 0, freeze=freeze)
    assert (frozen[0] > 0) is freeze


@pytest.mark.usefixtures("forks")
def test_a_run_that_fails_leaves_no_worker_and_nothing_frozen(
    script, names, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cursed(script["NoCaptions"]):  # type: ignore[misc]
        def __getitems__(self, indices: list[int]) -> list[int]:
            raise ValueError("cursed")

    monkeypatch.setitem(names, "CAPTIONS", 1000)
    before = set(psutil.Process().children(recursive=True))
    # While the error is at hand, its traceback holds the loader.
    with pytest.raises(ValueError, match="cursed") as raised:
        script["watch"](Cursed, script["Batches"](2, captions=1000), 2)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert gc.get_freeze_count() == 0
    assert raised.value.__traceback__ is not None


def use_of(uss: float | None, rss: float = 100.0, pss: float | None = 20.0) -> MemoryUse:
    return MemoryUse(1, rss, uss, pss)


@pytest.fixture
def run_of(script) -> Callable[..., Any]:
    """A run of two workers by their USS at each look of its only epoch."""

    def made(*looks: tuple[float | None, float | None], pss: float | None = 20.0, letters: int = 7) -> Any:
        points = [(number, [use_of(a), use_of(b)]) for number, (a, b) in enumerate(looks)]
        tree = (use_of(1.0, pss=pss), use_of(2.0, pss=pss))
        return script["Watched"]([points], tree, letters)

    return made


def test_growth_cost_and_sums_are_those_of_the_workers(script, run_of) -> None:
    run, bare = run_of((10.0, 11.0), (50.0, 50.0), (30.0, 41.0)), run_of((9.0, 9.0), (10.0, 12.0))
    assert script["growth"](run) == [20, 30]
    assert script["growth"](run, "rss") == [0, 0]
    assert script["at_end"](run) == [30, 41]
    assert script["cost"](run, bare) == [20, 29]
    assert script["sum_of"](run, "pss") == 40
    assert script["sum_of"](run, "rss") == 200
    assert script["in_order_ratio"](run, bare) == [20 / 1, 30 / 3]


def test_growth_of_a_later_epoch(script, run_of) -> None:
    run = run_of((10.0, 11.0), (30.0, 41.0))
    later = [(0, [use_of(30.0), use_of(41.0)]), (100, [use_of(31.0), use_of(43.0)])]
    assert script["growth"](run._replace(epochs=[*run.epochs, later]), epoch=1) == [1, 2]


def test_a_value_has_the_samples_of_every_round(script, run_of) -> None:
    first, second = run_of((1.0, 1.0), (2.0, 3.0)), run_of((1.0, 1.0), (4.0, 5.0))
    runs = script["Runs"]({"full": [first, second], "bare": [second, first]}, {})
    value = runs.value("growth_mb", ["full"], script["growth"])
    assert value == Measurement.of("growth_mb", [1, 2, 3, 4], "MB")
    paired = runs.value("cost_mb", ["full", "bare"], script["cost"])
    assert paired.samples == (-2, -2, 2, 2)


def test_what_cannot_be_read_is_a_gap_that_says_why(script, run_of) -> None:
    runs = script["Runs"]({"blind": [run_of((None, 1.0), (None, 3.0), pss=None)]}, {})
    found = runs.value("growth_mb", ["blind"], script["growth"])
    assert isinstance(found, Gap)
    assert found.name == "growth_mb"
    assert "USS of a process cannot be read here" in found.reason
    totals = runs.value("total_mb", ["blind"], lambda run: [script["sum_of"](run, "pss")])
    assert "PSS of a process cannot be read here" in totals.reason


def test_a_run_that_was_not_made_is_a_gap_that_says_why(script, run_of) -> None:
    runs = script["Runs"]({"full": [run_of((1.0, 1.0), (2.0, 3.0))]}, {"bare": "It would not fit."})
    for arms in (["bare"], ["full", "bare"]):
        assert runs.value("cost_mb", arms, script["cost"]) == Gap("cost_mb", "It would not fit.")


def test_rows_pictures_and_totals_survive_gaps(
    script, names, run_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(names, "sizes_mb", dict.fromkeys(STORAGES, 10.0))
    many = [(1.0, 1.0)] * 10 + [(2.0, 3.0)]
    arms = ["nothing", *(f"{storage} {helpers}" for storage in STORAGES for helpers in (0, 2, 4))]
    made = {arm: [run_of(*many)] for arm in arms}
    whole = script["Runs"](made, {})
    lacking = script["Runs"](made, {"tensor 4": "Too large."})
    unread = run_of(*[(None, None)] * 11, pss=None)
    blind = script["Runs"]({arm: [unread] for arm in arms}, {})
    assert set(script["picture"](whole).series) == {*STORAGES, "nothing"}
    assert set(script["picture"](lacking).series) == {"list", "array", "nothing"}
    assert script["picture"](blind) is None
    for runs, drawn in ((whole, set(STORAGES)), (lacking, {"list", "array"}), (blind, set())):
        totals = {storage: script["totals_of"](runs, storage) for storage in STORAGES}
        picture = script["picture_of_totals"](totals)
        assert (set(picture.series) if picture else set()) == drawn
    name, *values = script["row_of"](whole, "list")
    assert name == "list"
    assert [value.name for value in values] == [
        "growth_list_mb",
        "rss_growth_list_mb",
        "cost_list_mb",
        "list_private_pct",
    ]
    assert values[-1].samples == (0, 0)
    # RSS can be read where USS cannot.
    assert [type(value) for value in script["row_of"](blind, "list")[1:]] == [Gap, Measurement, Gap, Gap]
    total, overcount = script["rss_of"](whole, "list")
    assert total.median == 200
    assert overcount.median == 5


def test_the_arms_of_a_system_that_forks_and_of_one_that_does_not(script) -> None:
    spawned, forked = script["arms_of"]("spawn"), script["arms_of"]("fork")
    everywhere = {f"{storage} {helpers}" for storage in STORAGES for helpers in (0, 2, 4)} | {"nothing"}
    assert set(spawned) == everywhere
    assert set(forked) == everywhere | {"in order", "collected", "frozen"}
    assert [name for name, arm in forked.items() if arm.keywords.get("epochs") == 2] == ["list 4"]
    assert [name for name, arm in forked.items() if arm.keywords.get("freeze") is False] == ["collected"]
    assert [name for name, arm in forked.items() if not arm.args[1].shuffle] == ["in order"]
    assert all(arm.args[1].empty == 3 * arm.args[2] for arm in forked.values())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_tensor_is_left_out_where_shared_memory_is_too_small_for_it(
    script, names, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    usage = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=8e6))
    monkeypatch.setitem(names, "shutil", usage)
    monkeypatch.setitem(names, "SHARED_MEMORY", tmp_path)
    only_fork = set() if method == "fork" else {"in order", "collected", "frozen"}
    reasons = script["without"](method, 12.0)
    assert set(reasons) == only_fork | (set() if method == "fork" else {"tensor 2", "tensor 4"})
    assert set(script["without"](method, 7.0)) == only_fork
    monkeypatch.setitem(names, "SHARED_MEMORY", tmp_path / "missing")
    assert set(script["without"](method, 12.0)) == only_fork
    if method == "spawn":
        assert "/dev/shm only 8 MB free" in reasons["tensor 2"]
        assert "started by spawn share no Python objects" in reasons["in order"]
    assert set(reasons) <= set(script["arms_of"]("fork"))


@pytest.mark.parametrize(
    ("method", "platform", "needed"),
    [
        ("fork", "linux", False),
        ("spawn", "linux", False),
        ("forkserver", "linux", True),
        ("spawn", "darwin", True),
    ],
)
def test_without_a_folder_helpers_are_left_out_where_they_need_one(
    script, names, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str, platform: str, needed: bool
) -> None:
    monkeypatch.setitem(names, "SHARED_MEMORY", tmp_path / "missing")
    monkeypatch.setitem(names, "why_no_helpers", lambda: "No folder.")
    monkeypatch.setitem(names, "sys", SimpleNamespace(platform=platform))
    reasons = script["without"](method, 12.0)
    left_out = {name for name, reason in reasons.items() if reason == "No folder."}
    with_helpers = {f"{storage} {helpers}" for storage in STORAGES for helpers in (2, 4)} | {"nothing"}
    assert left_out == (with_helpers if needed else set())
    monkeypatch.setitem(names, "why_no_helpers", lambda: "")
    assert "" not in script["without"](method, 12.0).values()


@pytest.mark.usefixtures("forks")
def test_a_run_needs_no_temporary_folder(script, names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names, "CAPTIONS", 1000)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    run = script["watch"](script["CaptionTensor"], script["Batches"](2, captions=1000), 2)
    assert run.letters == sum(len(script["caption_of"](index)) for index in range(1000))


def test_each_arm_takes_its_turn_once_a_round_unless_there_is_a_reason(script) -> None:
    called: list[str] = []

    def arm(name: str) -> Callable[[], str]:
        return lambda: called.append(name) or name

    runs = script["take_turns"]({name: arm(name) for name in "abc"}, {"b": "No."}, rounds=3)
    assert runs.made == {"a": ["a"] * 3, "c": ["c"] * 3}
    assert runs.reasons == {"b": "No."}
    assert [sorted(called[turn : turn + 2]) for turn in (0, 2, 4)] == [["a", "c"]] * 3


def test_all_epochs_must_have_read_the_same(script, run_of) -> None:
    made = {"list 0": [run_of((1.0, 1.0))] * 2, "frozen": [run_of((1.0, 1.0), letters=0)]}
    assert script["letters_read"](script["Runs"](made, {})) == (2, 7)
    made["array 0"] = [run_of((1.0, 1.0), letters=8)]
    with pytest.raises(ValueError, match="unpack"):
        script["letters_read"](script["Runs"](made, {}))


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    assert set(values) >= VALUES
    # Wide on purpose: a whole copy against next to nothing.
    assert values["list_private_pct"].median > 60
    assert values["tensor_private_pct"].median < 30
    assert values["cost_list_mb"].median > 3 * values["cost_tensor_mb"].median
    if "growth_in_order_mb" in values:  # workers were forked
        assert values["growth_list_mb"].median > 5 * values["growth_array_mb"].median
        assert values["growth_list_mb"].median > 1.5 * values["growth_in_order_mb"].median
        assert values["growth_collected_mb"].median > 5 * values["growth_collected_frozen_mb"].median
    if "total_list_mb_4" in values:
        assert set(values) >= VALUES_ON_LINUX
