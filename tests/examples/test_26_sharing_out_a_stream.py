"""Sharing out a stream: who reads what, and what the page quotes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spritedocs.report import Measurement

NAME = "26_sharing_out_a_stream"


@pytest.mark.parametrize(("n", "shards", "idle"), [(0, 4, 0), (2, 4, 0), (3, 4, 0), (8, 4, 4), (8, 8, 0)])
def test_shards_are_shared_out_once_each(script: dict[str, Any], n: int, shards: int, idle: int) -> None:
    class Helper:
        num_workers = n

        def __init__(self, number: int) -> None:
            self.id = number

    stream, globals_ = script["Shared"](shards), script["Shared"].my_shards.__globals__
    asked, taken = globals_["get_worker_info"], []
    for number in range(max(1, n)):
        globals_["get_worker_info"] = lambda number=number: Helper(number) if n else None
        taken.append(list(stream.my_shards()))
    globals_["get_worker_info"] = asked
    assert sorted(shard for shards_ in taken for shard in shards_) == list(range(shards))
    assert sum(not shards_ for shards_ in taken) == idle


def test_every_shard_holds_as_many_items(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(script["Stream"].__iter__.__globals__, "sleep", lambda _: None)
    for shards in (4, 8):
        items = [int(item) for item, _ in script["Stream"](shards)]
        assert sorted(items) == list(range(script["ITEMS"]))
        assert script["ITEMS"] % shards == 0


def test_it_measures_what_the_guide_quotes(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    assert [values[f"copies_{n}"].median for n in (0, 2, 8)] == [1, 2, 8]
    assert [values[f"shared_{n}"].median for n in (0, 2, 3, 4, 8)] == [1] * 5
    assert [values[f"idle_{n}"].median for n in (0, 2, 3, 4, 8)] == [0, 0, 0, 0, 4]
    # Wide on purpose: helpers that wait need no core, but a busy machine wakes them late.
    assert values["speedup_4"].median > 1.2
