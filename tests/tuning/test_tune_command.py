"""The command ``spritedocs tune``: its options, what it prints where, and its exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from calling import Answer, called
from test_tune_terminal import TUNED
from tiny import Traces

from spritedocs.cli import tune_command as command
from spritedocs.machine import Interrupted
from spritedocs.target import Callbacks, RunError

MINE = """\
import time
import torch
from torch.utils.data import DataLoader, Dataset

class Sprites(Dataset):
    def __len__(self):
        return 2000
    def __getitem__(self, index):
        return torch.zeros(4), index

class Cursed(Sprites):
    def __getitem__(self, index):
        if index == 4:
            raise ValueError("sprite 4 is cursed")
        return index

def make_cursed_loader():
    return DataLoader(Cursed(), batch_size=10)

class Hanging(Sprites):
    def __init__(self):
        print("about to hang")
        time.sleep(60)
"""


Call = Callable[..., Answer]
Run = Callable[[str, Mapping[str, Any], Callbacks], dict[str, Any]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """The command in a folder with the file mine.py; ``run`` stands in for the tuner's process."""
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def answer(*arguments: str, run: Run | None = None) -> Answer:
        if run:
            monkeypatch.setattr(command, "run", run)
        return called(monkeypatch, capsys, "tune", *arguments)

    return answer


def test_the_options_reach_the_tuner_and_the_result_is_printed(call: Call) -> None:
    def run(function: str, options: Mapping[str, Any], callbacks: Callbacks) -> dict[str, Any]:
        heard.update(options, function=function)
        callbacks.tries("measuring", 1.0, 60.0)
        callbacks.waits()
        callbacks.prints("[red]from their code[/red]")
        return TUNED.as_json()

    heard: dict[str, Any] = {}
    answer = call("mine.py:Sprites", run=run)
    assert answer.status == 0
    assert answer.said.startswith(TUNED.line)
    assert "What loading costs" not in answer.said
    assert answer.complained == "[red]from their code[/red]\n"
    assert heard == {
        "function": "spritedocs.tuning.tune",
        "target": "mine.py:Sprites",
        "step": None,
        "batch_size": None,
        "step_ms": None,
        "max_workers": None,
        "memory_limit_mb": None,
        "start_method": None,
        "ranks": 1,
        "budget_s": 60.0,
    }
    assert "What loading costs" in call("mine.py:Sprites", "--explain", run=run).said
    call("mine.py:Sprites", "--memory-limit", "1.5GB", "--step-ms", "2.5", "--batch-size", "7", run=run)
    assert (heard["memory_limit_mb"], heard["step_ms"], heard["batch_size"]) == (1500.0, 2.5, 7)
    call("mine.py:Sprites", "--ranks", "4", run=run)
    assert heard["ranks"] == 4


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_line_is_in_the_words_of_a_framework(call: Call, options: tuple[str, ...]) -> None:
    answer = call("mine.py:Sprites", "--for", "accelerate", *options, run=lambda *_: TUNED.as_json())
    line = json.loads(answer.said)["line"] if options else answer.said.splitlines()[0]
    assert line == f"accelerator.prepare({TUNED.line})"


def test_for_programs_there_is_one_object_and_nothing_else_on_stdout(call: Call) -> None:
    def run(function: str, options: Mapping[str, Any], callbacks: Callbacks) -> dict[str, Any]:
        callbacks.prints("from their code")
        return TUNED.as_json()

    answer = call("mine.py:Sprites", "--json", "--explain", run=run)
    assert json.loads(answer.said) == json.loads(json.dumps(TUNED.as_json()))
    assert {
        "recommended",
        "throughput",
        "interval",
        "diagnosis",
        "remedies",
        "candidates",
        "seconds_spent",
    } < set(json.loads(answer.said))
    assert answer.complained == "from their code\n"


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RunError("It is no dataset.", status=2), Answer(2, "", "It is no dataset.\n")),
        (
            RunError("It failed.", traceback="Traceback\n  theirs"),
            Answer(1, "", "Traceback\n  theirs\nIt failed.\n"),
        ),
        (
            Interrupted(signal.SIGINT),
            Answer(130, "", "Interrupted: nothing was changed, and nothing runs on.\n"),
        ),
    ],
)
def test_without_a_result_there_is_a_sentence_and_a_status(
    call: Call, error: BaseException, answer: Answer, as_json: list[str]
) -> None:
    def run(function: str, options: Mapping[str, Any], callbacks: Callbacks) -> dict[str, Any]:
        raise error

    assert call("mine.py:Sprites", *as_json, run=run) == answer


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'TARGET'"),
        (["mine.py"], "write it as mine.py:Sprites."),
        ([""], "'' names nothing, as of a variable that is not set: write it as path/to/file.py:callable"),
        (["mine.py:Sprites", "--step", ""], "'' names nothing, as of a variable that is not set"),
        (["nime.py:Sprites"], "There is no file nime.py: did you mean mine.py?"),
        (["mine.py:Sprites", "--step", "nime.py:step"], "There is no file nime.py: did you mean mine.py?"),
        (
            ["mine.py:Sprites", "--step", "mine.py:step", "--step-ms", "5"],
            "--step and --step-ms exclude each other",
        ),
        (["mine.py:Sprites", "--batch-size", "0"], "0 is not in the range"),
        (["mine.py:Sprites", "--batch-size", "many"], "'many' is not a valid integer"),
        (["mine.py:Sprites", "--batch-size", "10000000000"], "10000000000 is not in the range"),
        (["mine.py:Sprites", "--step-ms", "-1"], "-1.0 is not in the range"),
        (["mine.py:Sprites", "--step-ms", "nan"], "'nan' is no number"),
        (["mine.py:Sprites", "--max-workers", "-1"], "-1 is not in the range"),
        (["mine.py:Sprites", "--max-workers", "100000"], "100000 is not in the range"),
        (["mine.py:Sprites", "--memory-limit", "4"], "'4' is no size: write it as 4GB or 500MB."),
        (["mine.py:Sprites", "--memory-limit", "0GB"], "give at least 1MB"),
        (["mine.py:Sprites", "--memory-limit", "-4GB"], "'-4GB' is no size"),
        (["mine.py:Sprites", "--start-method", "thread"], "'thread' is not one of "),
        (["mine.py:Sprites", "--budget", "0"], "0.0 is not in the range 2<=x"),
        (["mine.py:Sprites", "--budget", "inf"], "inf is not in the range"),
    ],
)
def test_misuse_is_a_sentence_and_status_2_before_any_work(
    call: Call, arguments: list[str], sentence: str
) -> None:
    def run(function: str, options: Mapping[str, Any], callbacks: Callbacks) -> dict[str, Any]:
        raise AssertionError("work was begun")

    answer = call(*arguments, run=run)
    assert (answer.status, answer.said) == (2, "")
    assert sentence in answer.complained.splitlines()[-1]


def test_a_real_dataset_that_raises_is_told_with_its_own_traceback(
    call: Call, traces: Traces, tmp_path: Path
) -> None:
    answer = call("mine.py:make_cursed_loader", "--budget", "200")
    assert (answer.status, answer.said) == (1, "")
    *shown, sentence = answer.complained.splitlines()
    assert shown[0] == "Traceback (most recent call last):"
    assert "mine.py" in shown[1]
    assert shown[-1] == "ValueError: sprite 4 is cursed"
    assert "item 4 " in sentence
    assert "spritedocs" not in answer.complained
    assert (traces.processes(), traces.files()) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal that a program can send there")
def test_ctrl_c_leaves_nothing_behind(call: Call, traces: Traces, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spritedocs", "tune", "mine.py:Hanging", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "about to hang\n"
        os.kill(process.pid, signal.SIGINT)
        said, complained = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert (said, complained) == ("", "Interrupted: nothing was changed, and nothing runs on.\n")
    assert (traces.processes(), traces.files()) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
