"""What a start costs: its program measures one start method at a time, and torch is what takes the time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest

from spritedocs.machine import NotHere
from spritedocs.report import Measurement

NAME = "11_what_a_start_costs"

HAS_FORK = "fork" in multiprocessing.get_all_start_methods()


def test_a_system_without_fork_has_spawn_only(script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    for method in ("fork", "forkserver"):
        with pytest.raises(NotHere, match="cannot fork"):
            script["start"](method)


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    # Wide on purpose: an import of torch against none.
    assert values["persistent_speedup_spawn"] > 3
    assert values["small_from_s_spawn"] > 13 * values["epoch_s_spawn_new"]  # of 20, as the same ones are fast
    if HAS_FORK:
        assert values["spawn_over_fork"] > 2
        assert values["epoch_s_preloaded_new"] < values["first_batch_s_preloaded"]
