"""Ranks that share a machine: what two of them read, and what a training of them prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from children import KILL, all_ended_since, children, posix

from spritedocs.errors import ending
from spritedocs.machine import Outcome
from spritedocs.report import Gap

NAME = "27_ranks_that_share_a_machine"


def test_two_ranks_read_what_their_sampler_gives_them(script: dict[str, Any]) -> None:
    reads = {key: script["readings"](sampler) for key, sampler in script["SAMPLERS"].items()}
    assert {key: (found.total(), len(found)) for key, found in reads.items()} == {
        "alone": (126, 63),
        "shared": (64, 63),
        "dropped": (62, 62),
    }


def test_an_order_is_another_one_only_if_the_sampler_is_told_the_epoch(script: dict[str, Any]) -> None:
    assert script["same_places"](0) == 32
    assert script["same_places"](1) < 16


@pytest.mark.parametrize(
    "why", ["this torch comes without gloo", "rank 1 was killed (SIGKILL): end other programs"]
)
def test_where_there_can_be_no_ranks_every_value_says_so(
    monkeypatch: pytest.MonkeyPatch, script: dict[str, Any], why: str
) -> None:
    frame = '  File "ranks.py", line 76, in <module>\n    raise NotImplementedError\n'
    said = f"NotImplementedError: {why}"
    outcome = Outcome(f"Traceback (most recent call last):\n{frame}{said}\n", 1, 1.0, "ranks.py")
    monkeypatch.setitem(script["trained"].__globals__, "run_program", lambda *_, **__: outcome)
    found = script["trained"](2, 2, ranks=(1, 2))
    gaps = [
        found.part(2, 1).value("epoch_ms", 4, "epoch_ms"),
        found.part(1, 0).speedups("one_rank", "epoch_ms", against=0)[2],
        found.combined("two_over_one", script["best_ratio"], (1, 0, 0), (2, 0, 0)),
    ]
    for gap in gaps:
        assert isinstance(gap, Gap)
        assert gap.reason == f"ranks.py cannot do that here: {why}."


@posix
def test_a_rank_that_is_killed_is_named(
    script: dict[str, Any], altered: Callable[[str, dict[str, str]], None]
) -> None:
    altered("ranks", {"    store = ": f"    if number: {KILL}\n    store = "})

    before = children()
    found = script["trained"](1, 1, helpers=[0])
    assert all_ended_since(before)
    gap = found.value("epoch_ms", (2, 0, 0), "epoch_ms")
    assert isinstance(gap, Gap)
    if "two cores" not in gap.reason and "clock" not in gap.reason:
        assert gap.reason.startswith(f"ranks.py cannot do that here: rank 1 {ending(-9)}: ")


def test_each_number_of_ranks_has_its_best_number_of_helpers(script: dict[str, Any]) -> None:
    one, two = [100, 300, 200, 100], [150, 200, 450, 440]
    epochs = [{"items_per_s": pace} for pace in (*one, *two)]
    assert script["best_ratio"](*epochs) == 1.5
