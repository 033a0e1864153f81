"""The watch over a loader's workers: what real ones do, and what made-up ones report."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import Pipe, get_context
from multiprocessing.queues import Queue
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, _utils

from spritedocs.timing import dismiss
from spritedocs.tuning import worker_watch
from spritedocs.tuning.worker_watch import BatchLost, NotStarted, WorkerEnded, WorkerError, watch

LONG_S = 60.0
METHOD = "spawn" if sys.platform == "win32" else "fork"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers that hang end soon, and those that start may take long; nothing else of the machine matters."""
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.5)  # for so long a worker that hangs may end
    monkeypatch.setattr(worker_watch, "STARTING_S", 250.0)
    monkeypatch.setattr(worker_watch, "KILLS", tmp_path / "vmstat")  # the system may kill any program
    (tmp_path / "vmstat").write_text("drop_slab 0\noom_kill 3\nhtlb 1\n", encoding="ascii")
    # Torch's handler of SIGCHLD tells of a worker's end wherever this process is, in iter() for instance.
    monkeypatch.setattr(_utils.signal_handling, "_error_if_any_worker_fails", lambda: None)


class VanishedError(BaseException):
    pass


class Numbers(Dataset[Any]):
    """Item 0 does ``what``; unpickling takes ``slow_s``."""

    def __init__(self, what: Callable[[], Any] | None = None, slow_s: float = 0.0) -> None:
        self.what, self.slow_s = what, slow_s

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return torch.tensor(index) if self.what is None or index else self.what()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        time.sleep(self.slow_s)


def leave() -> Any:
    sys.exit(3)


def vanish() -> Any:
    raise VanishedError("sprite 13")


def exit_at_once() -> Any:
    os._exit(7)


def kill() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(begun: Path) -> Any:
    begun.touch()
    time.sleep(1000)


def drop() -> Any:
    queue = Queue(ctx=get_context())
    queue.put(Unsendable())
    queue.close()
    queue.join_thread()
    time.sleep(0.3)
    return torch.tensor(0)


class Unsendable:
    def __reduce__(self) -> Any:
        raise OSError("[Errno 28] No space left on device")


def leave_at_once(worker: int) -> None:
    sys.exit(3)


def wait(worker: int) -> None:
    time.sleep(1000)


def load(
    dataset: Dataset[Any],
    method: str,
    waits: Callable[[bool], object] = lambda _: None,
    timeout: float = LONG_S,
    **arguments: Any,
) -> list[Any]:
    loader: DataLoader[Any] = DataLoader(
        dataset, None, num_workers=1, multiprocessing_context=method, timeout=timeout, **arguments
    )
    watch(loader, waits)
    iterator = iter(loader)
    try:
        return list(iterator)
    finally:
        dismiss(loader, iterator)


ENDS = [
    pytest.param(leave, 3, "SystemExit: 3", id="sys.exit"),
    pytest.param(vanish, 1, "VanishedError: sprite 13", id="BaseException"),
    pytest.param(exit_at_once, 7, "", id="os._exit"),
    pytest.param(
        kill, -9, "", id="SIGKILL", marks=pytest.mark.skipif(sys.platform == "win32", reason="none")
    ),
]


@pytest.mark.parametrize(("what", "code", "raised"), ENDS)
def test_what_ended_a_worker_is_known(servers: None, what: Callable[[], Any], code: int, raised: str) -> None:
    with pytest.raises(WorkerEnded) as caught:
        load(Numbers(what), METHOD)
    assert (caught.value.exit_code, caught.value.raised, caught.value.ran) == (code, raised, True)
    assert caught.value.out_of_memory is False


def test_it_is_known_of_a_spawned_one_too_and_of_its_worker_init_fn(servers: None) -> None:
    with pytest.raises(WorkerEnded) as caught:
        load(Numbers(), "spawn", worker_init_fn=leave_at_once)
    assert (caught.value.exit_code, caught.value.raised, caught.value.ran) == (3, "SystemExit: 3", True)


class MadeUp:
    """An iterator with one worker, that looks for batches as it is told."""

    def __init__(self, look: Callable[[], tuple[bool, Any]]) -> None:
        self.look = look
        self._workers = (SimpleNamespace(pid=12, exitcode=3, join=lambda seconds: None),)

    def _try_get_data(self, timeout: float) -> Any:
        return self.look()


def test_starting_takes_nothing_of_the_time_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker takes longer to start than a batch may take, and is no worse for that."""
    heard, said = Pipe(duplex=False)
    looks, seconds = itertools.count(1), itertools.count()
    monkeypatch.setattr(worker_watch, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))

    def look() -> tuple[bool, Any]:
        number = next(looks)
        if number == 20:
            said.send_bytes(b"up 0 ")
            said.send_bytes(b"ready 0 ")
        return number == 22, "a batch"

    told: list[bool] = []
    iterator = MadeUp(look)
    found = worker_watch._Watch(iterator, heard, told.append).try_get_data(4.0)
    assert found == (True, "a batch")
    assert told == [True] * 19 + [False] * 2
    assert next(seconds) > 20


def test_a_worker_that_does_not_start_is_told_apart_from_a_batch_that_does_not_come(
    servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_watch, "STARTING_S", 0.1)
    with pytest.raises(NotStarted, match=r"did not run after 0 s"):
        load(Numbers(slow_s=1000), "spawn")


def test_a_worker_init_fn_that_hangs_is_told_apart(servers: None) -> None:
    with pytest.raises(NotStarted) as caught:
        load(Numbers(), METHOD, timeout=0.2, worker_init_fn=wait)
    assert caught.value.is_init


def test_a_batch_that_hangs_times_out_as_ever(
    servers: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The clock stands still until the worker hangs: what it does before takes its time."""
    begun, seconds = tmp_path / "begun", itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)) if begun.exists() else 0.0)
    monkeypatch.setattr(worker_watch, "time", clock)
    with pytest.raises(RuntimeError, match="timed out after") as caught:
        load(Numbers(partial(hang, begun)), METHOD, timeout=3.0)
    assert not isinstance(caught.value, WorkerError)


def test_a_batch_that_cannot_be_sent_is_not_waited_for(servers: None) -> None:
    """As where the temporary folder is full, so that no socket for a tensor can be made there."""
    with pytest.raises(BatchLost, match="No space left on device"):
        load(Numbers(Unsendable), METHOD)


def test_a_queue_of_the_readers_own_may_drop_what_it_likes(
    servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_watch, "LOOKING_S", 0.01)  # long before the item is there
    assert load(Numbers(drop), METHOD) == [0, 1, 2, 3]


def test_a_worker_of_another_loader_is_not_taken_for_one_of_this() -> None:
    """Torch tells of any worker that ended wherever the main process is."""

    for pid, kind in ((13, RuntimeError), (12, WorkerEnded)):

        def look(pid: int = pid) -> Any:
            raise RuntimeError(f"DataLoader worker (pid {pid}) is killed by signal: Killed. ")

        iterator = MadeUp(look)
        heard, _said = Pipe(duplex=False)
        with pytest.raises(RuntimeError) as caught:
            worker_watch._Watch(iterator, heard, lambda _: None).try_get_data(7.0)
        assert type(caught.value) is kind


def test_the_readers_own_worker_init_fn_is_called_and_nothing_else_changes(servers: None) -> None:
    assert load(Numbers(), METHOD, worker_init_fn=print) == [0, 1, 2, 3]
    assert Queue._on_queue_feeder_error.__module__ == "multiprocessing.queues"  # type: ignore[attr-defined]


def test_processes_killed_for_want_of_memory_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert worker_watch._kills() == 3
    monkeypatch.setattr(worker_watch, "KILLS", tmp_path / "absent")
    assert worker_watch._kills() is None
