"""The kernel that runs an example: where it may write, what it may show, and what stopped it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from tiny import Tiny

from spritedocs.recordings import kernel
from spritedocs.recordings.kernel import Kernel, TooMuchShown, notebook_of, places_to_write
from spritedocs.recordings.kernel_failures import failure, line_told


@pytest.fixture
def ran(tiny: Tiny, tmp_path: Path) -> Kernel:
    """A kernel in the last cell of the example, whose code begins in line 21."""
    kernel = Kernel(notebook_of(tiny.example), tmp_path)
    kernel.running = len(kernel.nb.cells) - 1
    return kernel


IN_A_WORKER = """\
Caught ValueError in DataLoader worker process 1.
Original Traceback (most recent call last):
  File "/somewhere/torch/utils/data/_utils/worker.py", line 374, in _worker_loop
    data = fetcher.fetch(index)  # type: ignore[possibly-undefined]
           ^^^^^^^^^^^^^^^^^^^^
  File "/tmp/sprite-or3c3_e2/ipykernel_14442/2601302737.py", line 5, in __getitem__
    if i == 13: raise ValueError("sprite 13 is cursed")
ValueError: sprite 13 is cursed
"""
CHAIN = """\
\x1b[31mOSError\x1b[39m         Traceback (most recent call last)
\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 2\x1b[39m

\x1b[31mOSError\x1b[39m: no such sprite

The above exception was the direct cause of the following exception:

\x1b[31mRuntimeError\x1b[39m        Traceback (most recent call last)
\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 4\x1b[39m
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            CellExecutionError("", "ValueError", IN_A_WORKER),
            " failed in line 21 with ValueError: sprite 13 is cursed",
        ),
        (
            CellExecutionError(CHAIN, "RuntimeError", "loading failed"),
            " failed in line 24 with RuntimeError: loading failed, after OSError: no such sprite",
        ),
        (CellExecutionError("", "ValueError", None), " failed in line 21 with ValueError: None"),
        (CellExecutionError("", "KeyboardInterrupt", ""), " failed in line 21 with KeyboardInterrupt"),
        (
            CellExecutionError("", "OSError", "[Errno 28] No space left on device"),
            " failed in line 21, because the disk is full: free some room, or set TMPDIR (on Windows TEMP) "
            "to a folder with room",
        ),
        (DeadKernelError("Kernel died"), " failed in line 21, because its Python crashed (SIGSEGV)"),
        (TypeError("it is torn"), " failed in line 21 with TypeError: it is torn"),
    ],
)
def test_a_failure_is_a_sentence_with_line_cause_and_remedy(
    tiny: Tiny, ran: Kernel, error: Exception, said: str
) -> None:
    ran.status = -11
    assert failure(tiny.example, error, ran) == f"{tiny.name}{said}. 'python {tiny.script}' shows where."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            CellExecutionError("", "SystemExit", "3"),
            "01_counting ended in line 21 with sys.exit(3): let it run to ",
        ),
        (
            CellExecutionError("", "NotHere", "There is no GPU: get one."),
            "01_counting cannot be recorded on this machine. There is no GPU: get one.",
        ),
        (
            CellExecutionError("", "GpuEnded", "The run ended, because it melted."),
            "01_counting cannot be recorded on this machine. The run ended, because it melted.",
        ),
        (
            CellTimeoutError("A cell\ntimed out"),
            "What 01_counting showed in line 21 did not arrive in time: rec",
        ),
        (
            TooMuchShown(2_000_000, 1_000_000),
            "01_counting shows 2.0 MB of output, more than the 1 MB of a recording: ",
        ),
    ],
)
def test_where_running_the_script_would_show_nothing_it_is_not_named(
    tiny: Tiny, ran: Kernel, error: Exception, said: str
) -> None:
    sentence = failure(tiny.example, error, ran)
    assert sentence.startswith(said)
    assert tiny.script.name not in sentence


def test_a_kernel_that_did_not_start_is_not_the_examples_fault(tiny: Tiny, ran: Kernel) -> None:
    ran.running, ran.status = None, 1
    error = RuntimeError("Kernel died before replying to kernel_info")
    begins = "01_counting could not be run, because "
    assert failure(tiny.example, error, ran) == (
        f"{begins}its kernel ended itself, with exit status 1, with RuntimeError: {error}."
    )
    ran.complained = "Traceback (most recent call last):\n  File\nImportError: no ipykernel.\n"
    assert failure(tiny.example, error, ran).endswith("with exit status 1, with ImportError: no ipykernel.")
    ran.complained = "Too many open files (src/epoll.cpp:65)\nAborted\n"
    assert failure(tiny.example, error, ran).startswith(f"{begins}too many files are open: ")


def test_a_line_is_told_where_it_is_known(tiny: Tiny, ran: Kernel) -> None:
    assert line_told(tiny.example, ran) == " in line 21"
    ran.nb.cells[-1].source = "%matplotlib inline"
    assert line_told(tiny.example, ran) == ""
    ran.running = None
    assert line_told(tiny.example, ran) == ""


def test_what_can_be_kept_at_home_is_and_else_goes_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    run = tmp_path / "run"
    usual = places_to_write(run, {})
    assert set(usual) == {"IPYTHONDIR", "TMPDIR", "TEMP", "TMP"}
    (tmp_path / ".cache").touch()  # no folder: nothing can be written below it, not even by root
    assert set(places_to_write(run, {})) - set(usual) == {"MPLCONFIGDIR", "XDG_CACHE_HOME"}
    for asked, given in {".cache/x": str(run / "mplconfigdir"), "mine": None}.items():
        assert places_to_write(run, {"MPLCONFIGDIR": str(tmp_path / asked)}).get("MPLCONFIGDIR") == given
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / ".cache" / "gone"))
    assert len(places_to_write(run, {})) == len(usual) + 5


def stream(text: str, name: str = "stdout") -> Any:
    return new_output("stream", name=name, text=text)


def test_each_stream_is_shown_once_and_an_overwritten_line_as_it_was_last() -> None:
    shown = new_output("display_data", data={"text/plain": "x"})
    printed = [stream("w", "stderr"), stream("1%\r50"), stream("%\r\n"), shown, stream("end\r")]
    merged = kernel._merged(printed)
    assert [output.get("text") for output in merged] == ["50%\r\nend\r", "w", None]


def test_a_long_line_is_merged_in_no_time() -> None:
    """Of nbclient's own way this would take an hour, in which nothing else can run."""
    [merged] = kernel._merged([stream("x" * 1_000_000)])
    assert len(merged["text"]) == 1_000_000


@pytest.mark.parametrize(
    ("kind", "content", "most"),
    [
        ("stream", {"name": "stdout", "text": "é" * 300_000}, 1),
        ("display_data", {"data": {"text/plain": "x" * 3_000_000}, "metadata": {}}, 1),
        ("error", {"ename": "E", "evalue": "x" * 6_000_000, "traceback": []}, 3),
    ],
)
def test_what_is_shown_is_counted_while_it_comes(
    ran: Kernel, kind: str, content: dict[str, Any], most: int
) -> None:
    cell, ran.clear_before_next_output = ran.nb.cells[-1], False  # as before any cell runs
    for _ in range(3):
        message = {"msg_type": kind, "content": content, "header": {"msg_type": kind}, "parent_header": {}}
        ran.process_message(message, cell, ran.running)
    assert len(cell.outputs) == most
    assert (ran.shutdown_kernel == "immediate") == (most == 1)


def test_too_few_files_are_said_at_once(ran: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (48, 4096))
    monkeypatch.setattr(Kernel, "_manager", None)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        ran.run({})


def test_what_nbclient_does_when_python_ends_does_not_fail_after_an_interruption(ran: Kernel) -> None:
    ran.km = None
    ran._cleanup_kernel()
