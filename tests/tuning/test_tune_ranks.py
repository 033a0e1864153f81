"""Other ranks: they load beside what is measured, with the same settings, and nothing of them stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from children import children, number_since
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from spritedocs import machine
from spritedocs.model import Settings
from spritedocs.tuning import line_for, tune
from spritedocs.tuning.failures import TuneError
from spritedocs.tuning.ranks import OtherRanks
from spritedocs.tuning.slices import Length, Slices
from spritedocs.tuning.steps import StandIn
from spritedocs.tuning.variants import Variants

ITEMS, BATCH = 120, 4
TWO = Settings(2, 2, True)

pytestmark = [
    pytest.mark.usefixtures("servers"),
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="forks"),
]


class Noted(Dataset[int]):
    """Notes in a file which process loaded which item, and which one started that."""

    def __init__(self, notes: Path, main: int | None = None, fails: bool = False) -> None:
        self.notes, self.main, self.fails = notes, main, fails

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, index: int) -> int:
        is_other = self.main not in {os.getpid(), os.getppid()}
        if self.fails and is_other:
            raise ValueError("the sprite is torn")
        with self.notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{os.getpid()} {os.getppid()} {index}\n")
        return index

    def read(self) -> list[tuple[int, int, int]]:
        lines = self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []
        return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]


def wait_until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path / "notes.txt", os.getpid())


@pytest.fixture(autouse=True)
def _none_stays() -> Iterator[None]:
    before = children()
    yield
    assert number_since(before) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_all_ranks_load_while_one_is_measured_and_only_then(noted: Noted, workers: int) -> None:
    before = children()
    ranks = OtherRanks(Variants.of(noted, BATCH, "fork", ranks=3))
    ranks.start()
    assert number_since(before, 2) == 2
    loading: set[int] = set()
    for _ in range(2):
        with ranks.beside(workers, 2, stay=True):
            begun = len(noted.read())
            assert begun >= 2 * max(1, workers) * BATCH  # each of their workers has loaded a batch
            wait_until(lambda begun=begun: len(noted.read()) > begun + 2 * ITEMS)
        over = noted.read()
        loading |= {process for process, _, _ in over}
        time.sleep(0.2)
        assert noted.read() == over
    assert len(loading) == 2 * max(1, workers)  # the same ones both times
    ranks.keep([3])
    wait_until(lambda: number_since(before, 2) == 2)
    ranks.end()


def test_each_rank_has_items_of_its_own(noted: Noted) -> None:
    variants = Variants.of(noted, BATCH, "fork", ranks=3)
    assert variants.batches == ITEMS / 3 / BATCH
    with Slices(variants) as slices:
        slices.arms({TWO: Length(0.2, ITEMS)})[TWO]()
    items: dict[int, set[int]] = {}
    for _, rank, item in noted.read():
        items.setdefault(rank, set()).add(item)
    assert len(items) == 3
    assert set.union(*items.values()) == set(range(ITEMS))
    assert sum(map(len, items.values())) == ITEMS


def test_workers_stay_only_where_all_fit(noted: Noted) -> None:
    before = children()
    with Slices(Variants.of(noted, BATCH, "fork", ranks=2), crowded=True) as slices:
        slices.arms({TWO: Length(0.0, ITEMS)})[TWO]()
        wait_until(lambda: number_since(before, 1) == 1)


def test_a_failure_in_another_rank_is_told(noted: Noted) -> None:
    noted.fails = True
    with (
        pytest.raises(TuneError, match=r"^In another rank: The dataset failed: .*the sprite is torn"),
        Slices(Variants.of(noted, BATCH, "fork", ranks=2)) as slices,
    ):
        slices.arms({TWO: Length(0.0, ITEMS)})[TWO]()


def test_a_rank_that_is_killed_is_told(noted: Noted) -> None:
    ranks = OtherRanks(Variants.of(noted, BATCH, "fork", ranks=3))
    ranks.start()
    said = r"^Another rank ended, exit code -9: .* fewer ranks"
    with pytest.raises(TuneError, match=said), ranks.beside(0, 2, stay=True):
        os.kill(ranks._ranks[1][0].pid or 0, signal.SIGKILL)


def test_a_rank_that_does_not_answer_is_told_and_ended(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = OtherRanks(Variants.of(noted, BATCH, "fork", ranks=2), timeout_s=0.5)
    ranks.start()
    monkeypatch.setattr("spritedocs.tuning.ranks.STARTING_S", 0.5)
    monkeypatch.setattr("spritedocs.tuning.ranks.ENDING_S", 0.1)
    os.kill(ranks._ranks[0][0].pid or 0, signal.SIGSTOP)
    said = r"^Another rank loaded nothing for 1 s: try fewer"
    with pytest.raises(TuneError, match=said), ranks.beside(2, 2, stay=True):
        pytest.fail("it has not answered")


def test_what_fails_beside_them_ends_them(noted: Noted) -> None:
    before = children()
    ranks = OtherRanks(Variants.of(noted, BATCH, "fork", ranks=2))
    ranks.start()
    with pytest.raises(KeyboardInterrupt), ranks.beside(2, 2, stay=True):
        raise KeyboardInterrupt
    assert number_since(before) == 0


def test_none_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent("""\
            import os, signal, psutil
            from spritedocs.tuning.ranks import OtherRanks
            from spritedocs.tuning.variants import Variants

            ranks = OtherRanks(Variants.of(list(range(100)), 4, "fork", ranks=3))
            ranks.start()
            with ranks.beside(2, 2, stay=True):
                print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            """),
        encoding="utf-8",
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    pids = [int(pid) for pid in ended.stdout.split()]
    assert len(pids) == 2 * 3, ended.stderr
    wait_until(lambda: not any(map(psutil.pid_exists, pids)))


def test_their_step_computes_and_waits_as_long() -> None:
    step, begun, computed = StandIn(0.2, 0.5), time.perf_counter(), time.thread_time()
    step(None)
    assert time.perf_counter() - begun >= 0.2
    assert 0.1 <= time.thread_time() - computed < 0.2


def test_one_rank_of_several_is_tuned(noted: Noted) -> None:
    found = tune(noted, batch_size=BATCH, ranks=2, max_workers=1, start_method="fork", budget_s=10)
    assert found.ranks == found.as_json()["ranks"] == 2
    assert found.costs.cores == machine.usable_cores() / 2
    assert found.line.startswith("DataLoader(dataset, batch_size=4, sampler=DistributedSampler(dataset), ")
    assert len({rank for _, rank, _ in noted.read()} - {os.getppid()}) >= 2
    # Frameworks divide the items themselves, some of them once more.
    assert "shuffle=True" in line_for("accelerate", found.as_json())


def test_a_loader_is_taken_as_one_ranks(noted: Noted) -> None:
    found = tune(DataLoader(noted, BATCH), ranks=2, max_workers=0, start_method="fork", budget_s=10)
    assert found.batches == ITEMS / BATCH
    assert any("All 2 ranks loaded the same items" in each for each in found.warnings)


def test_a_sampler_that_divides_is_another_ranks_in_its_process_only(noted: Noted) -> None:
    sampler: Any = DistributedSampler(noted, 2, rank=1, shuffle=False)
    with Slices(Variants.of(DataLoader(noted, BATCH, sampler=sampler), None, "fork", ranks=2)) as slices:
        slices.arms({Settings(): Length(0.0, ITEMS)})[Settings()]()
    assert sampler.rank == 1
    assert {item % 2 for process, _, item in noted.read() if process == os.getpid()} == {1}
    assert {item % 2 for process, _, item in noted.read() if process != os.getpid()} == {0}
