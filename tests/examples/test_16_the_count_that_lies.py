"""What a process is told of its cores, free and held to one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from running import Run

from spritedocs.machine import usable_cores

NAME = "16_the_count_that_lies"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS holds no process to a core")
def test_a_program_held_to_one_core_is_still_told_of_all(script) -> None:
    free, held = script["look_around"](), script["look_around"]("held")
    assert set(free) == set(held) == set(script["ASKED"])
    assert free["cpu_count"] == held["cpu_count"] == os.cpu_count()
    assert (free["usable_cores"], held["usable_cores"]) == (usable_cores(), 1)
    assert held["affinity_cores"] == 1
    if sys.platform == "linux":
        assert held["suggested_workers"] == 1


def test_it_measures_what_the_guide_quotes(run_once: Callable[[str], Run]) -> None:
    values = run_once(NAME).values
    assert values["usable_cores"].median <= values["cpu_count"].median
    assert all(value.is_count for value in values.values())
