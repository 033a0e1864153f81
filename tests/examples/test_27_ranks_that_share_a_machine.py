"""Ranks that share a machine: what two of them read, and what a training of them prints."""

from __future__ import annotations

from typing import Any

import pytest

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


def test_where_there_can_be_no_ranks_every_value_says_so(
    monkeypatch: pytest.MonkeyPatch, script: dict[str, Any]
) -> None:
    frame = '  File "ranks.py", line 76, in <module>\n    raise NotImplementedError\n'
    said = "NotImplementedError: this torch comes without torch.distributed"
    outcome = Outcome(f"Traceback (most recent call last):\n{frame}{said}\n", 1, 1.0, "ranks.py")
    monkeypatch.setitem(script["trained"].__globals__, "run_program", lambda *_, **__: outcome)
    gap = script["trained"](2, 2).part(1).value("two_ranks_ms", 4, "epoch_ms")
    assert isinstance(gap, Gap)
    assert gap.reason == "ranks.py cannot do that here: this torch comes without torch.distributed."
