"""What a process is told of its cores, free and held to one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from running import Run

from spritedocs.machine import usable_cores

NAME = "16_the_count_that_lies"


def test_a_program_held_to_one_core_is_still_told_of_all(run_once: Callable[[str], Run]) -> None:
    values = run_once(NAME).values
    assert all(value.is_count for value in values.values())
    found = {name: value.median for name, value in values.items()}
    assert found["cpu_count"] == os.cpu_count()
    assert found["usable_cores"] == usable_cores() <= os.cpu_count()
    if sys.platform != "darwin":  # which holds no process to a core
        assert found["cpu_count_held"] == os.cpu_count()
        assert (found["usable_cores_held"], found["affinity_cores_held"]) == (1, 1)
    if sys.platform == "linux":
        assert found["suggested_workers_held"] == 1
