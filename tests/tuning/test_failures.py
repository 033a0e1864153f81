"""What the reader's code raises, told in a sentence with a hint."""

from __future__ import annotations

import errno
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch._utils import ExceptionWrapper

from spritedocs.machine import GpuEnded
from spritedocs.model import Costs, Settings, predict
from spritedocs.timing import TimingError
from spritedocs.timing.epochs import time_epoch
from spritedocs.tuning.failures import ArgumentError, StepError, TuneError, told
from spritedocs.tuning.probes import BatchError, ItemError
from spritedocs.tuning.worker_watch import NotStarted, WorkerEnded


class TwoPartsError(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class OnlyOnce:
    def __init__(self, source: Iterator[int]) -> None:
        self.source = source

    def __iter__(self) -> Iterator[int]:
        return self.source


def fail(error: Exception) -> Callable[[], Any]:
    def failing() -> Any:
        raise error

    return failing


def from_a_worker(raise_it: Callable[[], Any]) -> Exception:
    """What a loader raises where its worker caught this."""
    try:
        raise_it()
    except Exception:  # noqa: BLE001 - any
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    try:
        wrapped.reraise()
    except Exception as error:  # noqa: BLE001 - any
        return error
    raise AssertionError


def sentence(error: Exception, start_method: str = "fork") -> str:
    with pytest.raises(TuneError) as raised, told(start_method, timeout_s=7.0):
        raise error
    assert raised.value.__cause__ is error
    said = str(raised.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_nothing_is_told_where_nothing_fails() -> None:
    with told("fork", 7.0):
        pass


def item_of_a_chain() -> None:
    try:
        fail(OSError("no such file"))()
    except OSError as error:
        raise ItemError("item 1,234 raised OSError: no such file") from error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("it is torn"), "The dataset failed: ValueError: it is torn; iterating"),
        (ValueError("it is torn.\nSee there"), "failed: ValueError: it is torn. See there; iterating"),
        (ValueError(), "failed: ValueError; iterating"),
        (
            from_a_worker(fail(ValueError("it is torn\nfor ever"))),
            "failed: ValueError: it is torn for ever; iterating",
        ),
        (from_a_worker(fail(KeyError("helm"))), "failed: KeyError: 'helm'; iterating"),
        (from_a_worker(fail(TwoPartsError("helm", "cap"))), "failed: TwoPartsError: helm and cap; iterating"),
        (from_a_worker(fail(ValueError())), "failed: ValueError; iterating"),
        (
            ItemError("item 7 raised ValueError: torn"),
            "The dataset failed: item 7 raised ValueError: torn; load",
        ),
        (from_a_worker(item_of_a_chain), "failed: item 1,234 raised OSError: no such file; loading"),
        (
            from_a_worker(fail(BatchError("a batch cannot be collated (so)"))),
            "collated (so); give a DataLoader",
        ),
        (
            RuntimeError("DataLoader timed out after 7.0 seconds"),
            "--start-method spawn, or start_method='spawn'",
        ),
        (OSError("connection timed out after 9 s"), "failed: OSError: connection timed out after 9 s;"),
        (
            RuntimeError("DataLoader worker (pid 12) exited unexpectedly with exit code 3. Details are lost"),
            "A worker ended with the exit code 3: your code, or a library that it uses, called sys.exit",
        ),
        (RuntimeError("DataLoader worker (pid(s) 1, 2) exited unexpectedly"), "ended, and nothing tells how"),
        (ItemError("item 7 raised MemoryError: "), "Memory ran out ("),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Memory ran out (OSError: [Errno 12] Cannot"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "Memory ran out (",
        ),
        (RuntimeError("std::bad_alloc"), "Memory ran out ("),
        (RuntimeError("can't start new thread"), "No more processes or threads may be started ("),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "No more processes or threads"),
        (OSError(errno.ENOSPC, "No space left on device"), "No room is left to write (OSError"),
        (
            ItemError("item 7 raised AssertionError: daemonic processes are not allowed to have children"),
            "An item starts a process, which a worker may not",
        ),
        (
            RuntimeError("Cannot re-initialize CUDA in forked subprocess. To use CUDA with ..."),
            "because a forked worker used CUDA, which the main process had started: keep CUDA out",
        ),
        (ValueError("w" * 9999), "w … w"),
    ],
)
def test_what_is_said(error: Exception, said: str) -> None:
    assert said in sentence(error)
    assert len(sentence(error)) < 400


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("received 0 items of ancdata")]
)
def test_workers_may_open_too_many_files(error: Exception) -> None:
    assert "try fewer workers" in sentence(error)


def test_a_hang_after_a_fork_names_the_start_method_first() -> None:
    hung = RuntimeError("DataLoader timed out after 7.0 seconds")
    said = sentence(hung, "fork")
    assert said.index("--start-method") < said.index("smaller batch size")
    assert "start" not in sentence(hung, "spawn")


def test_a_stream_that_ends_for_good_is_told() -> None:
    stream = OnlyOnce(iter([1, 2]))
    time_epoch(stream)
    with pytest.raises(TuneError, match="let its __iter__ begin anew"), told("fork", 7.0):
        time_epoch(stream)


def test_what_we_did_wrong_is_not_blamed_on_the_dataset() -> None:
    with pytest.raises(ValueError, match="is no epoch"), told("fork", 7.0):
        predict(Costs((1.0,), (1.0,), 1), Settings(), batches=0)


@pytest.mark.skipif(sys.platform == "win32", reason="processes end by no signals there")
def test_a_worker_that_ended_during_the_step_is_not_the_steps_doing() -> None:
    """Torch raises this wherever the main process is."""
    ended = RuntimeError("DataLoader worker (pid 12) is killed by signal: Segmentation fault. ")
    with pytest.raises(TuneError, match=r"^A worker crashed \(SIGSEGV\), in compiled code"), told("fork", 7):
        raise StepError from ended
    with pytest.raises(TuneError, match=r"^A worker crashed \(SIGSEGV\), in compiled code"), told("fork", 7):
        raise ended


def test_what_the_watch_over_workers_found_is_told_as_that() -> None:
    found = WorkerEnded(0, "Vanished: sprite 13")
    with pytest.raises(TuneError, match="your code raised Vanished: sprite 13") as raised, told("fork", 7):
        raise TimingError from found
    assert raised.value.__cause__ is found
    assert sentence(NotStarted(60.0), "spawn").startswith("Workers were not there after 60 s: each imports")


@pytest.mark.parametrize("thing", [lambda: 1, open], ids=["lambda", "file"])
def test_what_cannot_be_pickled(thing: Any) -> None:
    with open(__file__) as file:  # noqa: PTH123 - any file
        try:
            pickle.dumps(file if thing is open else thing)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            said = sentence(error, "spawn")
    assert said.startswith("The dataset cannot be pickled, which the start method 'spawn' needs (")
    assert "at the top level of a module" in said


def test_what_the_timing_says_of_it_is_left_out() -> None:
    torn = ValueError("it is torn")
    with (
        pytest.raises(TuneError, match=r"^The dataset failed: ValueError: it is torn; ") as raised,
        told("fork", 7),
    ):
        raise TimingError("arm '4 workers' raised ValueError after 3 batches") from torn
    assert raised.value.__cause__ is torn


def test_the_step_is_not_the_data_set() -> None:
    torn = ValueError("it is torn")
    said = r"^The step failed: ValueError: it is torn; calling it"
    with pytest.raises(TuneError, match=said) as raised, told("fork", 7):
        raise StepError from torn
    assert raised.value.__cause__ is torn


def test_what_is_told_already_or_not_theirs_passes() -> None:
    for error in (TuneError("told"), ArgumentError("a budget"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, told("fork", 7):
            raise error
        assert raised.value is error


def test_a_gpu_that_fails_is_the_datasets_failure_and_ends_no_script() -> None:
    with pytest.raises(TuneError, match="the GPU ran out of memory"), told("spawn", 30):
        raise GpuEnded("the GPU ran out of memory")


def test_an_error_that_cannot_be_told_is_told_all_the_same() -> None:
    class MuteError(RuntimeError):
        def __str__(self) -> str:
            raise ValueError("mute")

    with pytest.raises(TuneError, match="MuteError"), told("fork", 30):
        raise StepError("the step failed") from MuteError()
