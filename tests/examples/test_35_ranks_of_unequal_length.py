"""Ranks of unequal length: what Join trains on, and a rank that is killed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from children import KILL, all_ended_since, children, posix

from spritedocs.errors import ending
from spritedocs.machine import Outcome
from spritedocs.report import Gap, Measurement

NAME = "35_ranks_of_unequal_length"


def test_what_both_ranks_did_is_counted(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        '{"alone": [{"steps": 5, "moved": 9, "error": ""}, {"steps": 6, "moved": 10, "error": "Timed out"}]}'
    )
    script["ranks"].cache_clear()
    monkeypatch.setitem(script["trained"].__globals__, "run_program", lambda *_, **__: Outcome(said, 0, 1.0))
    assert script["trained"]("alone") == {"steps": 6, "trained": 11, "ended": 1, "moved": 10}
    script["ranks"].cache_clear()


@posix
def test_a_rank_that_is_killed_leaves_its_rows(
    script: dict[str, Any], altered: Callable[[str, dict[str, str]], None]
) -> None:
    altered("unequal", {"    found = {}\n": f"    if number: {KILL}\n    found = {{}}\n"})
    before = children()
    found = script["race"]({"joined": partial(script["trained"], "joined")}, rounds=1, warmup=False)
    assert all_ended_since(before)
    gap = found.value("steps_joined", "joined", "steps")
    assert isinstance(gap, Gap)
    assert gap.reason.startswith(f"unequal.py cannot do that here: rank 1 {ending(-9)}: ")


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    if values:  # where torch has gloo
        each = [
            [values[f"{n}_{way}"] for n in ("ended", "trained", "moved")]
            for way in ("alone", "joined", "averaged")
        ]
        assert each == [[1, 10, 10], [2, 13, 13], [2, 13, 16]]
