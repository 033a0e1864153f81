"""Where the command begins and ends: no traceback of ours, and no result lost without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny import Tiny

from spritedocs.cli.streams import guard_streams

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has neither these streams nor signals")

RESULT = "python -m spritedocs, version"


class Answer(NamedTuple):
    status: int
    said: str
    complained: str


@pytest.fixture
def shell(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run a line of the shell, in which ``$S`` is the command, and Python imports ``module`` in its place."""
    stand_ins = tmp_path / "stand_ins"
    stand_ins.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(stand_ins))
    monkeypatch.setenv("S", f"{sys.executable} -m spritedocs")

    def run(line: str, **modules: str) -> Answer:
        for name, code in modules.items():
            (stand_ins / f"{name}.py").write_text(code, encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", line], cwd=tiny.root, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


FULL = pytest.param(
    "$S --version > /dev/full",
    "Standard output cannot be written (No space left on device): what was to stand there follows.",
    marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has it"),  # noqa: PTH110
)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        FULL,
        (
            "$S --version >&-",
            "Standard output cannot be written (it is closed): what was to stand there follows.",
        ),
    ],
    ids=["full", "closed"],
)
def test_a_result_that_cannot_be_written_goes_to_standard_error(
    shell: Callable[..., Answer], line: str, sentence: str
) -> None:
    status, said, complained = shell(line)
    assert (status, said) == (1, "")
    assert complained.startswith(f"{sentence}\n{RESULT}")


def test_a_reader_that_left_is_one_sentence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "spritedocs", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    said = "Not all of the output was read: its reader has ended.\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_without_standard_error_the_result_comes_all_the_same(shell: Callable[..., Answer]) -> None:
    status, said, _ = shell("$S --version 2>&-")
    assert status == 0
    assert said.startswith(RESULT)


def test_without_any_stream_the_status_tells(shell: Callable[..., Answer]) -> None:
    assert shell("$S --help <&- >&- 2>&-") == (1, "", "")
    assert shell("$S nonsense <&- >&- 2>&-") == (2, "", "")


def test_what_an_encoding_lacks_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with (tmp_path / "said").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        streams = guard_streams()
        print("3.8 × \udcff")
        assert not streams.tell_of_lost_output()
    assert (tmp_path / "said").read_text(encoding="ascii") == "3.8 ? ?\n"


def test_a_working_folder_that_is_gone_is_a_sentence(shell: Callable[..., Answer], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    answer = shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; $S status")
    said = "The working folder cannot be read (No such file or directory): change into another.\n"
    assert answer == (2, "", said)


def test_a_signal_during_the_first_imports_and_one_at_the_very_end_are_heeded(
    shell: Callable[..., Answer],
) -> None:
    late = "import atexit, signal; atexit.register(signal.raise_signal, signal.SIGTERM)"
    status, said, complained = shell("$S --version", sitecustomize=late)
    assert (status, complained) == (143, "Interrupted.\n")
    assert said.startswith(RESULT)
    early = "import signal; signal.raise_signal(signal.SIGINT)"
    assert shell("$S --version", click=early) == (130, "", "Interrupted.\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only a forked process inherits handlers")
def test_a_process_that_is_forked_does_not_leave_in_the_commands_name(shell: Callable[..., Answer]) -> None:
    forking = """
import os, signal
if not (child := os.fork()):
    signal.raise_signal(signal.SIGTERM)
raise SystemExit(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
    assert shell("$S --help", click=forking) == (1, "", "-15\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            "OSError(24, 'Too many open files', 'sprites')",
            "The system stopped spritedocs (Too many open files: sprites): mend that, and try again.",
        ),
        ("ImportError('no sprites')", "A package cannot be imported (ImportError: no sprites): install it"),
        ("SystemExit('No room: make some.')", "No room: make some."),
        ("MemoryError()", "There is not enough memory: free some, and try again."),
        ("TypeError('odd')", "spritedocs itself failed (TypeError: odd), which is a mistake of ours: please"),
    ],
)
def test_what_nobody_foresaw_is_a_sentence(shell: Callable[..., Answer], error: str, sentence: str) -> None:
    status, said, complained = shell("$S --help", click=f"raise {error}")
    assert (status, said, complained.count("\n")) == (1, "", 1)
    assert complained.startswith(sentence)
