"""Dice that repeat: which generators do, in which workers and epochs, and which fixes work."""

from __future__ import annotations

import numpy as np
import pytest
import torch

NAME = "13_repeating_randomness"


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize(("num_workers", "keep", "expected"), [(1, False, 16), (2, False, 8), (2, True, 16)])
def test_an_object_repeats_and_a_global_does_not(script, num_workers: int, keep: bool, expected: int) -> None:
    items = script["roll"](script["many_dice"](), num_workers, persistent_workers=keep)
    for kind, number in script["unique"](items).items():
        # "numpy_module" stands at the top of the script, which fork copies too.
        assert number == (32 if kind.endswith("_global") else expected), kind


def test_nothing_repeats_without_workers(script) -> None:
    items = script["roll"](script["many_dice"](), 0)
    assert set(script["unique"](items).values()) == {32}


@pytest.mark.usefixtures("forks")
def test_a_torch_generator_is_copied_like_any_object(script) -> None:
    generator = torch.Generator().manual_seed(0)
    items = script["roll"](script["Dice"](die=lambda: torch.rand((), generator=generator).item()), epochs=1)
    assert script["unique"](items) == {"die": 8}


@pytest.mark.usefixtures("forks")
def test_only_a_generator_that_the_worker_makes_is_its_own(script) -> None:
    assert script["unique"](script["mended"]()) == {"peeked": 8, "checked": 32, "lazy": 32, "init_fn": 32}


def test_a_generator_is_made_anew_when_the_seed_is_another_one(script) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        checked, lazy = script["ForEachSeed"](), script["AtFirstDraw"]()
        before = [checked(), checked()]
        lazy()
        torch.manual_seed(2)
        after, went_on = checked(), lazy()
    assert before == list(np.random.default_rng(1).random(2))
    assert after == np.random.default_rng(2).random()
    assert went_on == before[1]


def test_a_new_torch_generator_always_starts_from_the_same_seed() -> None:
    assert torch.Generator().initial_seed() == torch.Generator().initial_seed()


def test_equal_draws_get_equal_letters_in_the_order_of_their_first(script) -> None:
    items = [{"numpy_object": draw} for draw in (0.7, 0.1, 0.7, 0.4, 0.1)]
    assert script["letters"](items) == [0, 1, 0, 2, 1]


def test_it_counts_what_the_page_quotes(values_of) -> None:
    values = values_of(NAME)
    counts = {
        "unique_numpy_global_2": 16,
        "unique_numpy_object_0": 16,
        "unique_numpy_object_2": 8,
        "unique_numpy_module_spawn": 16,
        "two_epochs_numpy_object_2_persistent": 16,
        "peeked_two_epochs_2": 8,
        "checked_two_epochs_2": 32,
    }
    assert {name: values[name].median for name in counts} == counts
