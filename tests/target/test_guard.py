"""The tuner's process: whatever the reader's code does, there is a sentence, and nothing stays behind."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny import Traces

from spritedocs.machine import Interrupted
from spritedocs.target import Callbacks, RunError, guard, run

TUNE = "spritedocs.tuning.tune"

# Stands in for the tuner, and for torch, whose import would take longer than all the rest. A file of
# this name is imported by every Python that finds it.
STAND_IN = """\
import multiprocessing, sys, types

def tune(dataset, *, step, progress, start_method, **others):
    for index in range(len(dataset)):
        progress((f"loading item {index:,}", index / 10, 1.5))
        try:
            item = dataset[index]
        except KeyError as error:
            from spritedocs.target import TheirError

            raise TheirError(f"Item {index:,} cannot be loaded.") from error
    if step:
        step(item)
    if start_method:
        with multiprocessing.get_context(start_method).Pool(1) as pool:
            item = pool.apply(dataset.__getitem__, [0])
    return types.SimpleNamespace(as_json=lambda: {"item": item, **others})

tuning = types.ModuleType("spritedocs.tuning.tuner")
kinds = types.ModuleType("spritedocs.target.dataset_kinds")
tuning.tune = tune
kinds.complaint = lambda thing: "" if hasattr(thing, "__len__") else "no dataset"
kinds.is_something_else = lambda thing: False
kinds.dataset_of, kinds.is_stream = lambda thing: thing, lambda thing: False
kinds.kind_of = lambda thing: type(thing).__name__
sys.modules |= {"spritedocs.tuning.tuner": tuning, "spritedocs.target.dataset_kinds": kinds}
"""

MINE = """\
import json, multiprocessing.util, os, signal, subprocess, sys, time, warnings

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]

class Sprites:
    def __len__(self):
        return 3
    def __getitem__(self, index):
        return index

class Cursed(Sprites):
    def __len__(self):
        return 2000
    def __getitem__(self, index):
        if index == 1234:
            raise KeyError("sprite 1234 is cursed")

class Noisy(Cursed):
    def __getitem__(self, index):
        print("item", index)
        if index == 1:
            os.write(1, b"straight to stdout\\n")
            subprocess.run([sys.executable, "-c", "print('a child')"])
            warnings.warn("too many workers")
            input_ended = sys.stdin.read()

class Lasting(Sprites):
    def __init__(self):
        subprocess.Popen(SLEEP, start_new_session=True)
        subprocess.Popen(SLEEP, env={} if sys.platform == "linux" else None)  # which has shed every mark
    def __getitem__(self, index):
        import resource
        return resource.getrlimit(resource.RLIMIT_CORE)[0]

class Ignoring(Sprites):
    def __getitem__(self, index):
        multiprocessing.util.get_temp_dir()  # as the first worker does
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        subprocess.Popen(SLEEP, start_new_session=True, env={})
        time.sleep(60)

class Crashing(Sprites):
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGSEGV)

class Killed(Sprites):
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)

class Stopped(Sprites):
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGTERM)

class Leaving(Sprites):
    def __getitem__(self, index):
        os._exit(3)

class Mistaken(Sprites):
    def __getitem__(self, index):
        raise ValueError("of theirs")

def write_everywhere():
    for descriptor in range(3, 64):
        for line in ({"line": "pwned"}, {"result": {"line": "pwned"}}, {"tries": 5}, {"error": "pwned"}, []):
            try:
                os.write(descriptor, json.dumps(line).encode() + b"\\n")
            except OSError:
                break

class Forging(Sprites):
    def __getitem__(self, index):
        write_everywhere()
        return index

class Closing(Sprites):
    def __init__(self):
        os.closerange(3, 64)

class Silent(Sprites):
    def __init__(self):
        sys.stdout = sys.stderr = sys.__stdout__ = None

class Bare(BaseException):
    pass

class Baring(Sprites):
    def __getitem__(self, index):
        raise Bare("sprite 13")

class Loud(Sprites):
    def __init__(self):
        for _ in range(2000):
            print("x" * 50_000)

def step(batch):
    raise ValueError(f"no step with {batch}")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traces: Traces) -> Path:
    """The reader's own, with the file 01-mine.py; nothing may be left of a run, there or anywhere."""
    (tmp_path / "stand_in").mkdir()
    (tmp_path / "stand_in" / "sitecustomize.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stand_in"))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "01-mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def options(name: str, **others: Any) -> dict[str, Any]:
    return {"target": f"01-mine.py:{name}", "step": None, "start_method": None, "budget_s": 2.0, **others}


def failure(name: str, **others: Any) -> RunError:
    with pytest.raises(RunError) as caught:
        run(TUNE, options(name, **others), Callbacks())
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_result_comes_through_and_nothing_stays(folder: Path, traces: Traces) -> None:
    tried: list[tuple[str, float, float]] = []
    callbacks = Callbacks(tries=lambda *heard: tried.append(heard))
    assert run(TUNE, options("Lasting", batch_size=7), callbacks) == {
        "item": 0,
        "batch_size": 7,
        "budget_s": 2.0,
    }
    assert [says for says, *_ in tried] == [
        "importing torch",
        "importing 01-mine.py and calling Lasting",
        *(f"loading item {index}" for index in range(3)),
    ]
    assert tried[-1][1:] == (0.2, 1.5)
    assert (traces.processes(), traces.files()) == ([], [])
    assert [path.name for path in folder.iterdir()] == ["01-mine.py"]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_find_their_classes_however_they_start(folder: Path, traces: Traces, method: str) -> None:
    assert run(TUNE, options("Sprites", start_method=method), Callbacks())["item"] == 0
    assert (traces.processes(), traces.files()) == ([], [])
    assert [path.name for path in folder.iterdir()] == ["01-mine.py"]


def test_what_prints_is_passed_on_up_to_a_limit(folder: Path) -> None:
    printed: list[str] = []
    run(TUNE, options("Noisy"), Callbacks(prints=printed.append))
    assert printed[:5] == ["item 0", "item 1", "straight to stdout", "a child", "item 2"]
    assert len(printed) == 11
    assert printed[-1] == "… 1,992 more lines from your code"


def test_what_their_code_raises_is_a_failure_with_their_frames(folder: Path) -> None:
    found = failure("Cursed")
    assert (str(found), found.status) == ("Item 1,234 cannot be loaded.", 1)
    assert "01-mine.py" in found.traceback
    assert "spritedocs" not in found.traceback
    assert found.traceback.endswith("\nKeyError: 'sprite 1234 is cursed'")
    for name, others in (("Mistaken", {}), ("Sprites", {"step": "01-mine.py:step"})):
        found = failure(name, **others)
        assert str(found).startswith("Your code failed with ValueError: ")
        assert (found.status, found.traceback.splitlines()[0]) == (1, "Traceback (most recent call last):")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no such numbers there")
def test_what_their_code_writes_into_the_pipe_is_no_result(folder: Path) -> None:
    tried: list[str] = []
    assert run(TUNE, options("Forging"), Callbacks(tries=lambda says, *_: tried.append(says))) == {
        "item": 2,
        "budget_s": 2.0,
    }
    assert tried[-1] == "loading item 2"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no such numbers there")
def test_the_pipe_that_their_code_closes_is_told(folder: Path) -> None:
    assert str(failure("Closing")) == (
        "Your code closed the pipe through which the tuner answers, while importing 01-mine.py and calling "
        "Closing: let it close only what it has opened itself."
    )


def test_their_code_may_take_standard_output_away_or_print_a_lot(folder: Path) -> None:
    assert run(TUNE, options("Silent"), Callbacks())["item"] == 2
    printed: list[str] = []
    loud = run(TUNE, options("Loud"), Callbacks(prints=printed.append), patience_s=250.0)
    assert loud["item"] == 2
    assert len(printed) == 11


def test_what_is_no_exception_is_told_too(folder: Path) -> None:
    found = failure("Baring")
    assert str(found) == "Your code failed with Bare: sprite 13. Mend that, and run the command again."
    assert found.traceback.endswith("Bare: sprite 13")


def test_what_ends_before_their_code_runs_is_not_their_doing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "stand_in" / "sitecustomize.py").write_text("import os; os._exit(3)", encoding="utf-8")
    assert str(failure("Sprites")).startswith(
        "The tuner's own Python ended (status 3) while starting Python: "
    )


@pytest.mark.parametrize("target", ["", ":", "\n"])
def test_a_target_that_names_nothing_is_misuse_in_the_process_too(folder: Path, target: str) -> None:
    with pytest.raises(RunError, match=r"write it as path/to/file\.py:callable") as caught:
        run(TUNE, {**options("Sprites"), "target": target}, Callbacks())
    assert (caught.value.status, caught.value.traceback) == (2, "")


def test_misuse_has_status_2_and_no_traceback(folder: Path) -> None:
    for name, others in (("Zebra", {}), ("SLEEP", {"step": "01-mine.py:SLEEP"})):
        found = failure(name, **others)
        assert (found.status, found.traceback) == (2, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals end no process there")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Crashing", "Your code crashed Python (SIGSEGV) while loading item 0: run it by "),
        ("Killed", "The process of your code was killed while loading item 0: if it was for want of memory"),
        (
            "Stopped",
            "Python was ended by a signal (SIGTERM) while loading item 0: see whether your code, or ",
        ),
        ("Leaving", "Your code ended Python, with the status 3, while loading item 0: "),
    ],
)
def test_a_process_that_ends_is_told_with_what_it_was_doing(
    folder: Path, traces: Traces, name: str, sentence: str
) -> None:
    found = failure(name)
    assert str(found).startswith(sentence)
    assert found.status == 1
    assert (traces.processes(), traces.files()) == ([], [])


def test_what_a_process_said_is_heard_however_late_after_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[Any]] = []

    class Known(subprocess.Popen[Any]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            children.append(self)

    def late(stream: Any, key: bytes) -> Any:
        while not children or children[0].poll() is None:
            time.sleep(0.01)
        time.sleep(0.1)
        yield from signed(stream, key)

    signed = guard.signed
    monkeypatch.setattr(subprocess, "Popen", Known)
    monkeypatch.setattr(guard, "signed", late)
    assert run(TUNE, options("Sprites"), Callbacks())["item"] == 2
    children.clear()
    assert str(failure("Leaving")).startswith(
        "Your code ended Python, with the status 3, while loading item 0"
    )


def await_sleeper(traces: Traces) -> None:
    while not any("sleep(60)" in each for each in traces.processes()):
        time.sleep(0.02)


def test_one_that_hangs_is_ended_with_what_it_started(
    folder: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time passes, a second with each look at the clock, once it hangs."""
    hanging: list[str] = []
    now = itertools.count()

    def hear(says: str, *_: float) -> None:
        if says == "loading item 0":
            await_sleeper(traces)
            hanging.append(says)

    clock = SimpleNamespace(monotonic=lambda: next(now) if hanging else 0)
    monkeypatch.setattr(guard, "time", clock)
    said = "Nothing was heard for 9 s while loading item 0: if it hangs, mend that; if it only takes long,"
    with pytest.raises(RunError, match=f"^{said}") as caught:
        run(TUNE, options("Ignoring"), Callbacks(tries=hear), patience_s=8.0)
    assert caught.value.status == 1
    assert (traces.processes(), traces.files()) == ([], [])


def test_an_interruption_ends_all_and_passes_through(folder: Path, traces: Traces) -> None:
    def interrupt(says: str, *_: float) -> None:
        if says == "loading item 0":
            raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        run(TUNE, options("Ignoring"), Callbacks(tries=interrupt))
    assert (traces.processes(), traces.files()) == ([], [])


def test_a_command_that_is_killed_takes_its_process_along(folder: Path, traces: Traces) -> None:
    code = (
        "import json, sys; from spritedocs.target.guard import *; "
        f"run({TUNE!r}, json.loads(sys.argv[1]), Callbacks(print))"
    )
    command = [sys.executable, "-uc", code, json.dumps(options("Ignoring"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "loading item 0" not in (line := process.stdout.readline()):
            assert line
        await_sleeper(traces)
        process.kill()
    end = time.monotonic() + 60
    while (traces.processes() or traces.files()) and time.monotonic() < end:
        time.sleep(0.05)
    assert (traces.processes(), traces.files()) == ([], [])
