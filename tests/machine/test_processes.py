"""Leaving no process behind, and turning signals into one tidy interruption."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from children import has_ended

from spritedocs.machine import marked, remains
from spritedocs.machine.processes import MARKER
from spritedocs.machine.subreaper import adopting_orphans, adopts_orphans

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# Starts a sleeper in a session of its own, says its number, and ends: the sleeper is nobody's child.
ORPHANED = f"""
import subprocess
null = subprocess.DEVNULL
print(subprocess.Popen({SLEEP!r}, start_new_session=True, stdout=null, stderr=null).pid)
"""


def await_environment(*pids: int) -> None:
    """A process that is just being started has none for a moment, after ``Popen`` has returned too."""
    while not all(psutil.Process(pid).environ() for pid in pids):
        time.sleep(0.001)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A child that was there before, and belongs to another run."""
    with subprocess.Popen(SLEEP, env={**os.environ, MARKER: "another"}) as process:
        yield process
        process.kill()


def test_a_run_ends_all_it_started_and_nothing_else(bystander: subprocess.Popen[bytes]) -> None:
    with marked() as environment:
        child = subprocess.Popen(SLEEP, env=environment)
        forgetful = subprocess.Popen(SLEEP, env={**os.environ})
        command = [sys.executable, "-c", ORPHANED]
        orphan = int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
        await_environment(child.pid, orphan)
        assert {process.pid for process in remains(environment[MARKER])} == {child.pid, orphan}
        assert not any(map(has_ended, (child.pid, forgetful.pid, orphan, bystander.pid)))
    assert all(map(has_ended, (child.pid, forgetful.pid, orphan)))
    assert not has_ended(bystander.pid)
    child.wait(), forgetful.wait()


def test_a_run_that_fails_ends_all_it_started_too() -> None:
    with contextlib.suppress(RuntimeError), marked() as environment:
        child = subprocess.Popen(SLEEP, env=environment)
        raise RuntimeError("no sprites")
    assert has_ended(child.pid)
    child.wait()


def test_every_run_has_a_mark_of_its_own_beside_the_inherited_environment() -> None:
    with marked() as first, marked() as second:
        assert first[MARKER] != second[MARKER]
        assert first["PATH"] == os.environ["PATH"]
        assert MARKER not in os.environ


linux = pytest.mark.skipif(sys.platform != "linux", reason="only there do orphans come to us")


def orphaned_without_environment() -> int:
    """Start a program that starts a sleeper in a session of its own, and ends; the sleeper's number."""
    done = subprocess.run([sys.executable, "-c", ORPHANED], env={}, stdout=subprocess.PIPE, check=True)
    return int(done.stdout)


@linux
def test_an_orphan_that_has_shed_the_mark_is_ended_too() -> None:
    assert not adopts_orphans()
    with marked():
        orphan = orphaned_without_environment()
        assert not has_ended(orphan)
    assert not psutil.pid_exists(orphan)
    assert not adopts_orphans()


@linux
def test_where_runs_overlap_what_has_shed_the_mark_is_ended_with_the_last(
    bystander: subprocess.Popen[bytes],
) -> None:
    with marked(alone=False):
        with marked("SPRITEDOCS_OTHER", alone=False):
            orphan = orphaned_without_environment()
        assert not has_ended(orphan)
        ours = subprocess.Popen(SLEEP)
        await_environment(ours.pid)
    assert not psutil.pid_exists(orphan)
    assert not any(map(has_ended, (ours.pid, bystander.pid)))
    ours.kill(), ours.wait()


@linux
def test_who_adopted_orphans_before_does_so_afterwards() -> None:
    with adopting_orphans():
        with marked():
            pass
        assert adopts_orphans()
    assert not adopts_orphans()


CHAIN = """
import os, sys, time
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.001)
"""


@linux
@pytest.mark.parametrize("alone", [True, False])
def test_a_chain_of_processes_each_of_which_starts_the_next_is_ended(alone: bool) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with marked(alone=alone):
        subprocess.run([sys.executable, "-c", CHAIN], env={}, pass_fds=[writing], check=True)
        os.close(writing)
        with pytest.raises(BlockingIOError):  # a writer lives
            os.read(reading, 1)
    assert os.read(reading, 1) == b""
    os.close(reading)


SHARED_BY_FILES = """
import sys, torch, torch.multiprocessing
from torch.utils.data import DataLoader
torch.multiprocessing.set_sharing_strategy("file_system")
batches = iter(DataLoader(torch.zeros(4000, 8), 4, num_workers=2))
kept = [next(batches) for _ in range(9)]
print("ready", flush=True)
sys.stdin.read()
"""


@linux
def test_files_that_tensors_share_are_gone_with_the_processes_that_shared_them(tmp_path: Path) -> None:
    def files() -> list[Path]:
        return [file for pid in pids for file in Path("/dev/shm").glob(f"torch_{pid}_*")]

    with marked() as environment:
        child = subprocess.Popen(
            [sys.executable, "-c", SHARED_BY_FILES],
            env=environment | {"TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        pids = [child.pid, *(process.pid for process in psutil.Process(child.pid).children(recursive=True))]
        assert files()
    assert files() == list(tmp_path.glob("torch-shm-dir-*")) == []
    child.communicate()
