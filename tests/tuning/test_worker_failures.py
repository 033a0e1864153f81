"""What went wrong with a worker, told by what is known of it: memory only where it was memory."""

from __future__ import annotations

import signal
import sys

import pytest

from spritedocs.tuning.worker_failures import as_torch_said, worker_sentence
from spritedocs.tuning.worker_watch import BatchLost, NotStarted, WorkerEnded, WorkerError

signals = pytest.mark.skipif(sys.platform == "win32", reason="processes end by no signals there")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WorkerEnded(3), "ended with the exit code 3: your code, or a library that it uses, called sys.exit"),
        (WorkerEnded(0), "os._exit, or raised KeyboardInterrupt. Let it raise an error instead"),
        (
            WorkerEnded(1, "Vanished: sprite 13."),
            "since your code raised Vanished: sprite 13, which no loader",
        ),
        (
            WorkerEnded(1, "RuntimeError: can't start new thread"),
            "No more processes or threads may be started",
        ),
        (WorkerEnded(1, "MemoryError: "), "Memory ran out (MemoryError: )"),
        (WorkerEnded(0xC0000005), "A worker crashed (0xC0000005), in compiled code"),
        (WorkerEnded(1, ran=False), "while it started: it could not import what the dataset is made of"),
        (
            BatchLost("OSError: [Errno 28] No space left on device"),
            "/dev/shm, is full: set TMPDIR to a folder",
        ),
        (
            BatchLost("OSError: [Errno 12] Cannot allocate memory"),
            "Memory ran out (OSError: [Errno 12] Cannot",
        ),
        (
            BatchLost("AttributeError: Can't pickle local object"),
            "what items raise, be of classes at the top",
        ),
        (BatchLost("ValueError: torn"), "A worker could not hand over a batch (ValueError: torn): "),
        (NotStarted(60.0), "were not there after 60 s: each imports your code anew"),
        (NotStarted(7.0, is_init=True), "The worker_init_fn has not returned for 7 s: "),
        pytest.param(WorkerEnded(-11), "A worker crashed (SIGSEGV), in compiled code", marks=signals),
        pytest.param(WorkerEnded(-7), "(SIGBUS): /dev/shm is full", marks=signals),
        pytest.param(WorkerEnded(-6), "(SIGABRT): compiled code that an item uses gave up", marks=signals),
        pytest.param(WorkerEnded(-15), "(SIGTERM): see whether your code, or a program", marks=signals),
        pytest.param(WorkerEnded(-24), "(SIGXCPU): its processor time is limited", marks=signals),
        pytest.param(WorkerEnded(-50), "(signal 50): see whether", marks=signals),
    ],
)
def test_each_end_has_its_own_sentence(error: WorkerError, said: str) -> None:
    sentence = worker_sentence(error, "spawn")
    assert said in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@signals
@pytest.mark.parametrize(
    ("out_of_memory", "said"),
    [
        (True, "A worker was killed by the system, as memory ran out."),
        (False, "killed (SIGKILL), and not by the system for want of memory: see whether your code kills"),
        (None, "killed (SIGKILL), by the system for want of memory, or by a program: see whether your code"),
    ],
)
def test_a_killed_worker_died_of_memory_only_if_the_system_says_so(
    out_of_memory: bool | None, said: str
) -> None:
    assert said in worker_sentence(WorkerEnded(-9, out_of_memory=out_of_memory), "fork")


@signals
@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT] if sys.platform != "win32" else []
)
def test_the_words_of_torch_are_understood(number: signal.Signals) -> None:
    found = as_torch_said(f"DataLoader worker (pid 12) is killed by signal: {signal.strsignal(number)}. ")
    assert found is not None
    assert found.exit_code == -number
    assert as_torch_said("DataLoader timed out after 7 seconds") is None
