"""Sharing out a stream: who reads what, and what the page quotes."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from children import KILL, all_ended_since, children, has_ended, posix

from spritedocs.errors import ending
from spritedocs.machine import Outcome, program
from spritedocs.report import Gap, Measurement

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


def test_on_two_hosts_each_item_comes_once(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = values_of(NAME)
    if "hosts" in values:  # where Linux allows network namespaces
        assert [values[name].median for name in ("hosts", "came", "once")] == [2, 128, 128]


def test_an_item_that_comes_twice_does_not_count_as_once(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome('{"read": [["net:[1]", [0, 1, 2]], ["net:[1]", [2, 3]]]}\n', 0, 1.0)
    monkeypatch.setitem(script["two_hosts"].__globals__, "run_program", lambda *_, **__: outcome)
    assert script["two_hosts"]() == {"hosts": 1, "came": 5, "once": 3}


def test_where_linux_makes_no_hosts_the_table_says_why(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    found = script["race"]({"two": script["two_hosts"]}, rounds=1, warmup=False)
    gap = found.value("once", "two", "once")
    assert isinstance(gap, Gap)
    assert gap.reason == "two_hosts.py cannot do that here: unshare, of Linux, is missing."


@pytest.fixture(scope="module")
def hosts() -> dict[str, Any]:
    """What the program defines."""
    return runpy.run_path(str(program("two_hosts")))


def python(source: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", source])


WAITS = "import time; time.sleep(600)"


@posix
@pytest.mark.parametrize("first", [0, 1])
def test_who_waits_for_a_dead_rank_is_ended(hosts: dict[str, Any], first: int) -> None:
    hosts["endings"].__globals__["PATIENCE_S"] = 0.2
    begun = [python("raise SystemExit(128 + 9)"), python(WAITS)]
    ended = hosts["endings"](begun if first == 0 else begun[::-1])
    assert ended == ([-9, -15] if first == 0 else [-15, -9])
    assert all(has_ended(each.pid) for each in begun)


def test_both_hosts_may_take_their_time(hosts: dict[str, Any]) -> None:
    assert hosts["endings"]([python("import time; time.sleep(0.5)"), python("")]) == [0, 0]


@posix
def test_a_rank_that_is_killed_is_named_and_nobody_waits_for_it(
    script: dict[str, Any], altered: Callable[[str, dict[str, str]], None]
) -> None:
    dies = f"    if distributed.get_rank(): {KILL}\n    else: {WAITS}\n"
    altered("two_hosts", {"    host = ": f"{dies}    host = ", "PATIENCE_S = 5": "PATIENCE_S = 0.5"})
    before = children()
    gap = script["race"]({"two": script["two_hosts"]}, rounds=1, warmup=False).value("once", "two", "once")
    assert all_ended_since(before)
    assert isinstance(gap, Gap)
    if "rank" in gap.reason:  # else there are no hosts
        assert gap.reason.startswith(f"two_hosts.py cannot do that here: rank 1 {ending(-9)}: ")
