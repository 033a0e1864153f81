"""What the doctor sees on systems that tell less than Linux does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spritedocs import machine
from spritedocs.doctor import facts
from spritedocs.doctor.facts import UNLIMITED, look
from spritedocs.machine import GpuLoad, Machine


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The root of another machine, which is described at once and has no files."""
    monkeypatch.setattr(facts.machine, "describe", lambda root: Machine(usable_cores=4))
    monkeypatch.setattr(machine, "ask_apart", lambda *command: None)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def test_a_root_without_shared_memory_or_marks_of_a_container(elsewhere: Path) -> None:
    bare = look(start=False, root=elsewhere)
    assert (bare.shm, bare.in_container, bare.numpy_threads) == (None, False, None)
    (elsewhere / "dev" / "shm").mkdir(parents=True)
    (elsewhere / ".dockerenv").touch()
    furnished = look(start=False, root=elsewhere)
    assert furnished.shm.free > 0
    assert furnished.in_container


def test_a_pod_of_kubernetes_is_a_container(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert look(start=False, root=elsewhere).in_container


def test_a_system_without_limits_says_nothing_of_them(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr("os.geteuid", raising=False)
    monkeypatch.delattr("os.getuid", raising=False)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    there = look(start=False, root=elsewhere)
    assert (there.system, there.files_limit, there.files_hard_limit) == ("win32", None, None)
    assert (there.tasks_limit, there.tasks, there.files_open, there.socket_problem) == (None, 0, 0, None)
    assert there.suggested_workers == 12


def test_an_infinite_limit_is_none(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda name: (512, resource.RLIM_INFINITY))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    there = look(start=False, root=elsewhere)
    assert (there.files_limit, there.files_hard_limit, there.tasks_limit) == (512, UNLIMITED, 512)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert look(start=False, root=elsewhere).tasks_limit == UNLIMITED


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError("AF_UNIX path too long"), "AF_UNIX path too long"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (
            FileNotFoundError(2, "No usable temporary directory found in ['/a']"),
            "No usable temporary directory",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_socket_that_cannot_be_made(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, problem: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(facts, "Listener", fail)
    assert look(start=False, root=elsewhere).socket_problem == problem


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("PINNED", ""),
        ("WHY no memory is left", "no memory is left"),
        (None, "the GPU did not"),
    ],
)
def test_memory_is_pinned_where_there_is_a_gpu(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, answer: str | None, problem: str
) -> None:
    assert look(start=False, root=elsewhere).pin_problem is None
    monkeypatch.setattr(facts.machine, "describe", lambda root: Machine(gpu="NVIDIA H200"))
    monkeypatch.setattr(machine, "gpu_busy", lambda gpu: GpuLoad(50, 2.0, 1))
    monkeypatch.setattr(machine, "ask_apart", lambda *command: answer if "pin_memory" in command[-1] else "8")
    there = look(start=False, root=elsewhere)
    assert there.pin_problem.startswith(problem)
    assert there.pin_problem == "" or problem
    assert (there.gpu_load, there.gpu_absence, there.numpy_threads) == (GpuLoad(50, 2.0, 1), "", 8)


def test_memory_is_what_the_group_may_have(elsewhere: Path) -> None:
    group = elsewhere / "sys" / "fs" / "cgroup"
    for path, text in ((group / "memory.max", "1000000\n"), (elsewhere / "proc/self/cgroup", "0::/\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert look(start=False, root=elsewhere).memory_available == 1_000_000


def test_a_container_may_have_a_limit_on_processes_that_holds_for_root_too(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0, raising=False)
    assert look(start=False, root=elsewhere).group_tasks_limit is None
    group = elsewhere / "sys" / "fs" / "cgroup"
    own = elsewhere / "proc" / "self" / "cgroup"
    for path, text in ((group / "pids.max", "100"), (group / "pids.current", "7"), (own, "0::/\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    there = look(start=False, root=elsewhere)
    assert (there.group_tasks_limit, there.group_tasks) == (100, 7)


def test_data_are_measured_and_starts_made_on_request(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "start_all", lambda: ("started",))
    (elsewhere / "file").write_bytes(bytes(7))
    there = look(elsewhere / "file", root=elsewhere)
    assert (there.data.size, there.starts) == (7, ("started",))
