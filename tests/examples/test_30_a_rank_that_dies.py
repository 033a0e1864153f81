"""A rank that dies: what is left of an epoch, and what is counted of both attempts at it."""

from __future__ import annotations

import errno
import os
import runpy
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from children import KILL, all_ended_since, children, posix
from running import PROJECT
from torch.utils.data import DistributedSampler

from spritedocs.errors import ending
from spritedocs.machine import NotHere, Outcome, run_program
from spritedocs.report import Gap, Measurement

NAME = "30_a_rank_that_dies"
PLACES = [(epoch, done) for epoch in (0, 1) for done in (0, 15, 30)]
PLACED = ("once", "twice", "never", "again")


@pytest.fixture
def restarted() -> dict[str, Any]:
    return runpy.run_path(str(PROJECT.example(NAME).path.parent / "programs" / "restarted.py"))


def epoch_of(restarted: dict[str, Any], rank: int, **state: Any) -> list[list[int]]:
    """The batches that a rank reads from there on."""
    make_loader = restarted["make_loader"]
    sampler = partial(DistributedSampler, num_replicas=2, rank=rank)
    make_loader.__globals__["DistributedSampler"] = sampler
    return [batch.tolist() for batch in make_loader(state.pop("way", "place"), state, rank)]


@pytest.mark.parametrize(("epoch", "done"), PLACES)
def test_what_is_left_of_an_epoch_is_its_end(restarted: dict[str, Any], epoch: int, done: int) -> None:
    for rank in (0, 1):
        whole = epoch_of(restarted, rank, epoch=epoch, done=0)
        assert len(whole) == 30
        assert epoch_of(restarted, rank, epoch=epoch, done=done) == whole[done:]


def test_both_ranks_read_each_sprite_once_in_an_order_of_the_epoch(restarted: dict[str, Any]) -> None:
    orders = [[epoch_of(restarted, rank, epoch=epoch, done=0) for rank in (0, 1)] for epoch in (0, 1)]
    for ranks in orders:
        read = Counter(sprite for batches in ranks for batch in batches for sprite in batch)
        assert read == Counter(range(480))
    assert orders[0] != orders[1]


@pytest.mark.peers
@pytest.mark.usefixtures("forks")
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("done", [0, 15, 29])
def test_a_stateful_loader_goes_on_at_its_place(restarted: dict[str, Any], done: int) -> None:
    whole = epoch_of(restarted, 0, epoch=1, done=0)
    make_loader = restarted["make_loader"]
    loader = make_loader("stateful", {"epoch": 1, "done": 0}, 0)
    batches = iter(loader)
    assert [next(batches).tolist() for _ in range(done)] == whole[:done]
    loaders = [loader.state_dict(), None]
    assert epoch_of(restarted, 0, way="stateful", epoch=1, done=done, loaders=loaders) == whole[done:]


def test_a_step_that_was_lost_counts_as_read_and_not_as_trained_on(script: dict[str, Any]) -> None:
    # Four sprites, of which 0 was saved, 1 was lost with the death, and 3 was left out.
    counted = script["tally"](read=[[0, 1], [0, 1, 2]], trained=[2, 1, 1, 0], pause_s=2.5)
    assert counted == {
        "once": 2,
        "twice": 1,
        "never": 1,
        "again": 2,
        "read_before": 2,
        "kept": 1,
        "pause_s": 2.5,
    }


def test_without_torchdata_its_way_is_missing_with_a_remedy(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script["go_on"].__globals__, "find_spec", lambda name: None)
    with pytest.raises(NotHere, match="pip install torchdata"):
        script["go_on"]("stateful")


def test_where_no_rank_can_be_killed_every_value_says_so(
    monkeypatch: pytest.MonkeyPatch, script: dict[str, Any]
) -> None:
    frame = '  File "restarted.py", line 107, in <module>\n    raise NotImplementedError\n'
    said = "NotImplementedError: Windows has no SIGKILL for a rank to die of"
    outcome = Outcome(f"Traceback (most recent call last):\n{frame}{said}\n", 1, 1.0, "restarted.py")
    monkeypatch.setitem(script["go_on"].__globals__, "run_program", lambda *_, **__: outcome)
    ways = {"place": partial(script["go_on"], "place")}
    gap = script["race"](ways, rounds=1, warmup=False).value("once_place", "place", "once")
    assert isinstance(gap, Gap)
    assert gap.reason == "restarted.py cannot do that here: Windows has no SIGKILL for a rank to die of."


@posix
def test_a_rank_that_dies_for_good_is_named(
    script: dict[str, Any], altered: Callable[[str, dict[str, str]], None]
) -> None:
    altered("restarted", {"--max-restarts 1": "--max-restarts 0"})
    before = children()
    ways = {"place": partial(script["go_on"], "place")}
    gap = script["race"](ways, rounds=1, warmup=False).value("once_place", "place", "once")
    assert all_ended_since(before)
    assert isinstance(gap, Gap)
    assert gap.reason.startswith(f"restarted.py cannot do that here: rank 1 {ending(-9)}: ")


@posix
@pytest.mark.parametrize(
    ("name", "old"),
    [("restarted", "    loader = make_loader(way, state, rank)\n"), ("left_behind", "    if rank == 0:\n")],
)
def test_a_death_that_comes_early_is_none_to_count(
    altered: Callable[[str, dict[str, str]], None], name: str, old: str
) -> None:
    altered(name, {old: f"    if rank == 0 and attempt == 0: {KILL}\n{old}"})
    arguments = ("place",) if name == "restarted" else ()
    with pytest.raises(NotHere, match="a rank ended before its death was due: end other programs"):
        assert run_program(name, arguments=arguments, limit_s=90).answer


def test_a_port_that_is_taken_is_told_by_the_exit_status(
    restarted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("", 0)) as taken:
        told = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": taken.getsockname()[1]}
        for name, value in told.items():
            monkeypatch.setitem(os.environ, name, str(value))
        with pytest.raises(SystemExit) as ended:
            restarted["meet"]()
    assert ended.value.code == errno.EADDRINUSE


def test_it_measures_what_the_page_says(values_of: Callable[[str], dict[str, Measurement]]) -> None:
    values = {name: value.median for name, value in values_of(NAME).items()}
    assert [values[f"{name}_model"] for name in PLACED] == [240, 240, 0, 288]
    assert [values[f"{name}_place"] for name in PLACED] == [480, 0, 0, 48]
    if "once_stateful" in values:  # where torchdata is installed
        assert [values[f"{name}_stateful"] for name in PLACED] == [480, 0, 0, 48]
    assert (values["read_before"], values["kept"]) == (288, 240)
    assert values["once_order"] + values["twice_order"] + values["never_order"] == 480
    assert values["twice_order"] == values["never_order"] > 0
    assert values["keys_left"] == values["keys_met"] > 1
