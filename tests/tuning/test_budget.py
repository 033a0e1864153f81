"""A budget that is too small: the sentence names one that is enough."""

from __future__ import annotations

import re

import pytest

from spritedocs.model import Costs, Settings
from spritedocs.tuning.budget import LONGEST_BUDGET_S, starting_s, too_small


@pytest.mark.parametrize(("budget_s", "needed_s"), [(20, 20.2), (20, 19.6), (2, 2.0001), (60, 600), (7.5, 8)])
def test_what_is_asked_for_is_more_than_was_given_and_is_needed(budget_s: float, needed_s: float) -> None:
    said = too_small(budget_s, needed_s, 0.0, "fork")
    asked = re.search(r"give (\d+) s or more", said)
    assert asked is not None
    assert float(asked[1]) >= 1.25 * max(budget_s, needed_s)
    assert said.startswith(f"a budget of {budget_s:g} s is too small to decide: ")


def test_what_start_up_has_eaten_is_said() -> None:
    said = too_small(30, 40, 25, "spawn")
    assert (
        "as starting workers by 'spawn' takes 25 s of it: give 55 s or more, or choose another start" in said
    )
    assert "try fewer workers" in too_small(30, 40, 25, "fork")


def test_no_budget_is_asked_for_that_cannot_be_given() -> None:
    said = too_small(30, LONGEST_BUDGET_S, 0.0, "fork")
    assert said == "a budget of 30 s is too small to decide: choose a smaller batch size"


def test_workers_that_share_a_core_start_one_after_another() -> None:
    costs = Costs((1.0,), (1.0,), 1, start_s=0.5, boot_s=10.0, cores=2.0)
    assert starting_s(costs, [Settings(), Settings(2), Settings(3)]) == 5 * 0.5 + 3 * 10
