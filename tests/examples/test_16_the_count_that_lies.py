"""What a process is told of its cores, free and held to one."""

from __future__ import annotations

import sys
from collections.abc import Callable

from spritedocs.report import Measurement

NAME = "16_the_count_that_lies"


def test_a_program_held_to_one_core_is_still_told_of_all(
    values_of: Callable[[str], dict[str, Measurement]],
) -> None:
    values = values_of(NAME)
    assert all(value.is_count for value in values.values())
    found = {name: value.median for name, value in values.items()}
    assert found["usable_cores"] <= found["cpu_count"]
    if sys.platform != "darwin":  # which holds no process to a core
        assert found["cpu_count_held"] == found["cpu_count"]
        assert (found["usable_cores_held"], found["affinity_cores_held"]) == (1, 1)
    if sys.platform == "linux":
        assert found["suggested_workers_held"] == 1
