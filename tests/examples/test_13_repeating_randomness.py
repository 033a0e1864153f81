"""Repeating randomness: what is counted, in parts; and the counts that the page quotes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from spritedocs.report import Gap

NAME = "13_repeating_randomness"

needs_fork = pytest.mark.skipif(
    sys.platform != "linux",
    reason="the script's classes, loaded by path, cannot be pickled, and fork is not safe here",
)


@pytest.fixture
def forked(script):
    """``load_epochs`` with forked workers."""

    def load(dataset, num_workers, epochs=1, **options):
        if num_workers:
            options["multiprocessing_context"] = "fork"
        return script["load_epochs"](dataset, num_workers, epochs, **options)

    return load


def test_an_item_is_one_number_from_each_generator(script) -> None:
    item = script["RandomItems"](torch.Generator())[0]
    assert len(item) == 8
    assert len(set(item.values())) == 8
    assert all(isinstance(draw, float) and 0 <= draw < 1 for draw in item.values())


def test_only_generators_with_a_seed_agree_between_two_datasets(script) -> None:
    items = [script["RandomItems"](torch.Generator())[0] for _ in range(2)]
    agree = {kind for kind in items[0] if items[0][kind] == items[1][kind]}
    assert agree == {"python_object", "numpy_object", "torch_object"}


@pytest.mark.parametrize(
    ("num_workers", "start_method", "there"),
    [(2, "fork", True), (2, "spawn", False), (2, "forkserver", False), (0, "spawn", True)],
)
def test_a_torch_generator_is_kept_from_workers_that_die_of_it(
    script, num_workers: int, start_method: str, there: bool
) -> None:
    assert ("torch_object" in script["random_items"](num_workers, start_method)[0]) is there


def test_draws_are_counted_over_all_epochs(script) -> None:
    count = script["count_unique"]("unique", "dice", [{"dice": [1, 2, 1]}, {"dice": [2, 3, 3]}])
    assert str(count) == "3 of 6"


def test_a_generator_that_was_not_tried_is_a_gap(script) -> None:
    gap = script["count_unique"]("unique", "dice", [{"other": [1]}])
    assert isinstance(gap, Gap)
    assert "in the worker" in gap.reason


def test_equal_draws_get_equal_letters_in_the_order_of_their_first(script) -> None:
    assert script["first_seen"]([0.7, 0.1, 0.7, 0.4, 0.1]) == [0, 1, 0, 2, 1]


@needs_fork
@pytest.mark.parametrize(("num_workers", "keep", "expected"), [(1, False, 16), (2, False, 8), (2, True, 16)])
def test_an_object_repeats_and_a_global_does_not(
    script, forked, num_workers: int, keep: bool, expected: int
) -> None:
    drawn = forked(script["RandomItems"](torch.Generator()), num_workers, epochs=2, keep=keep)
    for kind in drawn[0]:
        draws = drawn[0][kind] + drawn[1][kind]
        # "numpy_module" stands at the top of the script, which fork copies too.
        assert len(set(draws)) == (32 if kind.endswith("_global") else expected), kind


def test_nothing_repeats_without_workers(script, forked) -> None:
    for kind, draws in forked(script["RandomItems"](torch.Generator()), 0)[0].items():
        assert len(set(draws)) == script["ITEMS"], kind


@needs_fork
def test_only_a_generator_that_the_worker_makes_and_seeds_is_its_own(script, forked) -> None:
    (drawn,) = forked(script["FixedItems"](), 2, worker_init_fn=script["make_generator"])
    unique = {kind: len(set(draws)) for kind, draws in drawn.items()}
    assert unique == {"lazy": 16, "peeked": 8, "checked": 16, "init_fn": 16, "unseeded_torch": 8}


class SeedsOfWorker(torch.utils.data.Dataset):
    """Two names for a worker's seed."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, int]:
        worker = torch.utils.data.get_worker_info()
        return {"initial": torch.initial_seed() % 2**62, "info": worker.seed % 2**62}


@needs_fork
def test_the_initial_seed_is_the_seed_of_the_worker(forked) -> None:
    (seen,) = forked(SeedsOfWorker(), 2)
    assert seen["initial"] == seen["info"]


def test_a_generator_is_made_anew_when_the_seed_is_another_one(script) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        checked, lazy = script["WorkerGenerator"](), script["LazyGenerator"]()
        before = [checked.random(), checked.random()]
        lazy.random()
        torch.manual_seed(2)
        after, went_on = checked.random(), lazy.random()
    assert before == list(np.random.default_rng(1).random(2))
    assert after == np.random.default_rng(2).random()
    assert went_on == before[1]


def test_a_key_gives_an_item_its_picture_whatever_was_drawn_before(script) -> None:
    sprites, others = script["KeyAugmented"](), script["KeyAugmented"]()
    picture = sprites[3]
    others[1]
    assert picture.shape == (4, 16, 16)
    assert torch.equal(picture, others[3])
    sprites.set_epoch(1)
    assert not torch.equal(picture, sprites[3])


def test_a_key_differs_from_item_to_item(script) -> None:
    sprites = script["KeyAugmented"]()
    sprites.sprites.images[:] = sprites.sprites.images[0].clone()
    assert len({tuple(sprites[index].flatten().tolist()) for index in range(len(sprites))}) == len(sprites)


def test_an_augmentation_moves_and_lights(script) -> None:
    image = torch.arange(8, dtype=torch.uint8).reshape(1, 2, 4)
    moved = script["augment"](image, 0.25, 0.5)
    assert torch.equal(moved, torch.tensor([[[3.0, 0, 1, 2], [7, 4, 5, 6]]]))
    assert torch.equal(script["augment"](image, 0, 0), image / 2)


@needs_fork
def test_the_key_does_not_care_who_loads(script, forked) -> None:
    runs = []
    for number in (0, 2, 3):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            runs.append(forked(script["Both"](), number, epochs=2, keep=number > 0))
    for run in runs[1:]:
        assert script["differences"](runs[0], run, "by_key") == 0
        assert script["differences"](runs[0], run, "by_global") == 32


def test_differences_are_counted_item_by_item(script) -> None:
    run, other = [{"dice": [1, 2, 3]}, {"dice": [4, 5, 6]}], [{"dice": [1, 0, 3]}, {"dice": [4, 0, 0]}]
    assert script["differences"](run, other, "dice") == 3


@needs_fork
@pytest.mark.parametrize(("keep", "attribute"), [(False, 3), (True, 1)])
def test_kept_workers_hear_of_the_epoch_through_shared_memory_only(
    script, forked, keep: bool, attribute: int
) -> None:
    run = forked(script["EpochWatcher"](), 2, epochs=3, keep=keep)
    assert str(script["count_epochs"]("seen", "attribute", run)) == f"{attribute} of 3"
    assert str(script["count_epochs"]("seen", "shared", run)) == "3 of 3"


@pytest.mark.parametrize(
    ("key", "numpy", "pytorch"), [("key_of_sum", 17, 17), ("key_of_shift", 32, 16), ("key_of_list", 32, 32)]
)
def test_keys_differ_as_far_as_the_generator_takes_them(script, key: str, numpy: int, pytorch: int) -> None:
    for draw, expected in (("with_numpy", numpy), ("with_torch", pytorch)):
        assert script["unique_keys"]("keys", script[draw], script[key]).median == expected


def test_a_key_is_a_key_for_python_too(script) -> None:
    assert script["with_python"]([0, 1, 2]) == script["with_python"]([0, 1, 2])
    assert script["with_python"]([0, 1, 2]) != script["with_python"]([0, 1, 3])


@pytest.mark.parametrize(
    ("platform", "own", "started"),
    [("linux", "fork", ["spawn"]), ("linux", "forkserver", ["fork", "spawn"]), ("darwin", "spawn", [])],
)
def test_fork_is_tried_where_it_is_safe(script, monkeypatch, platform: str, own: str, started: list) -> None:
    tried: list[str] = []

    def load(dataset, num_workers, epochs, multiprocessing_context):
        tried.append(multiprocessing_context)
        return [{"dice": [1, 1]}]

    by_start_method = script["by_start_method"]
    monkeypatch.setitem(by_start_method.__globals__, "load_epochs", load)
    monkeypatch.setattr(script["sys"], "platform", platform)
    results = by_start_method(own, [{"dice": [1, 2]}])
    assert tried == started
    cells = {
        method: script["count_or_gap"](f"unique_{method}", "dice", run) for method, run in results.items()
    }
    assert str(cells[own]) == "2 of 2"
    assert isinstance(cells["fork"], Gap) is (platform == "darwin")


@pytest.fixture
def no_folder(script, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no temporary folder to hand anything over in."""
    monkeypatch.setitem(script["load_epochs"].__globals__, "why_no_helpers", lambda: "No folder.")


@pytest.mark.usefixtures("no_folder")
def test_without_helpers_nothing_is_loaded_with_some(script) -> None:
    assert len(script["load_epochs"](script["EpochWatcher"](), 0, epochs=2)) == 2
    assert script["load_epochs"](script["EpochWatcher"](), 2, epochs=2) is None
    assert script["seeded_epochs"](2) is None


@pytest.mark.usefixtures("no_folder")
def test_without_helpers_every_count_with_some_is_a_gap(script) -> None:
    run = [{"by_key": [1] * 16}, {"by_key": [2] * 16}]
    gaps = [
        script["count_unique"]("unique", "dice", None),
        script["count_or_gap"]("unique_fork", "dice", None),
        script["count_row"]("dice", "two_epochs", "dice", {"2": None})[1],
        script["count_differences"]("differ", [(run, run), (run, None)], "by_key"),
        script["count_alike"]("alike", None),
        script["count_epochs"]("seen", "shared", None),
    ]
    assert {gap.reason for gap in gaps if isinstance(gap, Gap)} == {"No folder."}
    assert [gap.name for gap in gaps] == [
        "unique",
        "unique_fork",
        "two_epochs_dice_2",
        "differ",
        "alike",
        "seen",
    ]


def test_differences_are_added_up_over_pairs_of_runs(script) -> None:
    run, other = ([{"by_key": draws}] * 2 for draws in ([1] * 16, [1] * 15 + [0]))
    count = script["count_differences"]("differ", [(run, run), (run, other), (other, run)], "by_key")
    assert str(count) == "4 of 96"
    assert str(script["count_alike"]("alike", [run[0], other[0]])) == "15 of 16"


def test_every_arm_is_timed_once_a_round(script) -> None:
    calls: list[int] = []
    samples = script["microseconds"]({"a": calls.append, "b": str}, rounds=3, items=2)
    assert calls == [0, 1] * 3
    assert [len(samples["a"]), len(samples["b"])] == [3, 3]
    assert min(samples["a"]) > 0


def test_ratios_are_paired_by_round(script) -> None:
    samples = {"rng": [2.0, 30.0], "lookup": [1.0, 10.0], "decode": [20.0, 200.0]}
    label, us, per_lookup, share = script["cost_row"]("dice", "rng", samples)
    assert (label, us.name, per_lookup.name, share.name) == (
        "dice",
        "rng_us_per_item",
        "rng_per_lookup",
        "rng_share_of_decode",
    )
    assert (us.samples, per_lookup.samples) == ((2, 30), (2, 3))
    assert share.samples == pytest.approx((10, 15))
    assert script["cost_row"]("copy", "lookup", samples)[2:] == ["", ""]


def test_the_png_is_of_the_size_that_the_page_says(script) -> None:
    with script["Image"].open(script["io"].BytesIO(script["png_of"](0, size=224))) as picture:
        assert picture.size == (224, 224)


def test_it_counts_what_the_page_quotes(values_of) -> None:
    values = values_of(NAME)
    counts = {
        "unique_numpy_global_2": 16,
        "unique_numpy_object_0": 16,
        "unique_numpy_object_2": 8,
        "unique_numpy_unseeded_2": 8,
        "unique_numpy_module_spawn": 16,
        "two_epochs_numpy_object_0": 32,
        "two_epochs_numpy_object_2": 8,
        "two_epochs_numpy_object_2_persistent": 16,
        "lazy_two_epochs_2_persistent": 32,
        "checked_two_epochs_2": 32,
        "peeked_two_epochs_2": 8,
        "items_that_differ": 0,
        "items_that_differ_global_0_1": 32,
        "items_that_differ_global_1_1": 0,
        "items_alike_in_both_epochs": 0,
        "epochs_seen_attribute_2_persistent": 1,
        "keys_shifted_torch": 16,
    }
    assert {name: values[name].median for name in counts} == counts
    assert values["epochs_seen_shared_2_persistent"].median == values["epochs_seen_shared_0"].median
    # Wide on purpose: a few µs against a few, and against hundreds.
    assert 0.3 < values["rng_per_lookup"].median < 30
    assert values["rng_share_of_decode"].median < 30
