"""Foreign load: what counts as ours, whatever becomes of the process that used it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from spritedocs.timing import foreign_load
from spritedocs.timing.foreign_load import Reading, certain_cores, cores, read

linux = pytest.mark.skipif(sys.platform != "linux", reason="known on Linux only")

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"


def started(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_window_without_length_has_no_load() -> None:
    now = Reading(1.0, 1.0, 0.01)
    assert cores([(now, now)]) == certain_cores([(now, now)]) == 0


def test_what_may_be_an_error_of_the_counters_is_not_certain() -> None:
    assert certain_cores([(Reading(0, 0, 0.02), Reading(0.1, 0.015, 0.02))]) == 0
    assert certain_cores([(Reading(0, 0, 0.02), Reading(0.1, -0.05, 0.02))]) == 0


def test_one_loaded_epoch_is_not_hidden_by_quiet_ones() -> None:
    loaded = (Reading(0, 0, 0.01), Reading(1, 0.5, 0.01))
    quiet = (Reading(1, 0.5, 0.01), Reading(9, 0.5, 0.01))
    assert certain_cores([loaded, quiet]) == pytest.approx(0.49)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_it_is_not_known_elsewhere(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert read() is None


@linux
def test_readings_move_on() -> None:
    first, second = read(), read()
    assert first is not None
    assert second is not None
    assert second.at_s > first.at_s
    assert 0 < second.error_s < 1


@linux
def test_only_the_cores_that_we_may_use_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, nice, system, both interrupts and steal: 1 + 2 + 4 + 32 + 64 + 128; user holds guest already."""
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\ncpu3 1 2 4 8 16 32 64 128 256 512\nintr 7 7\n"
    )
    monkeypatch.setattr(foreign_load, "Path", lambda path: stat)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 12})
    monkeypatch.setattr(foreign_load, "TICKS_PER_S", 100)
    busy_s, error_s = foreign_load._busy_s()
    assert busy_s == pytest.approx(2.31)
    assert error_s == pytest.approx(0.01 * 2**0.5)


@linux
def test_where_the_cores_are_numbered_otherwise_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\n")
    monkeypatch.setattr(foreign_load, "Path", lambda path: stat)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 12})
    assert foreign_load.read() is None


def of_children_s() -> float:
    """What our children used. What this process uses while it looks for them is luck, and left out."""
    clocks = SimpleNamespace(process_time=lambda: 0.0, clock_gettime=time.clock_gettime)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foreign_load, "time", clocks)
        return foreign_load._own_s()


@linux
def test_a_child_that_ended_within_the_window_was_ours() -> None:
    before = of_children_s()
    with started(BURN) as child:
        _, child.returncode, used = os.wait4(child.pid, 0)
    assert of_children_s() - before == pytest.approx(used.ru_utime + used.ru_stime, abs=0.1)


@linux
def test_a_killed_child_is_neither_lost_nor_counted_twice() -> None:
    with started(BURN + "print(flush=True)\ntime.sleep(60)") as child:
        assert child.stdout
        child.stdout.readline()
        alive = of_children_s()
        child.kill()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        waiting = of_children_s()
    reaped = of_children_s()
    assert waiting == pytest.approx(alive, abs=0.15)
    assert reaped == pytest.approx(waiting, abs=0.15)


@linux
def test_what_a_child_s_own_children_used_is_ours() -> None:
    """As the workers of a fork server are: they end, while it lives on."""
    before = of_children_s()
    server = (
        f"import resource, subprocess, sys, time\nsubprocess.run([sys.executable, '-S', '-c', {BURN!r}])\n"
        "print(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) + time.process_time(), flush=True)\n"
        "time.sleep(60)"
    )
    with started(server) as child:
        assert child.stdout
        used_s = float(child.stdout.readline())
        assert of_children_s() - before == pytest.approx(used_s, abs=0.15)
        child.kill()


@linux
@pytest.mark.parametrize(("failures", "known"), [(2, True), (3, False)])
def test_a_process_that_ends_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch, failures: int, known: bool
) -> None:
    left = [psutil.NoSuchProcess(1)] * failures

    def own_s() -> float:
        if left:
            raise left.pop()
        return 0.0

    monkeypatch.setattr(foreign_load, "_own_s", own_s)
    assert (read() is not None) is known
