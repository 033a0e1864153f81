"""``spritedocs watch -- COMMAND``: a script that knows nothing of it is watched, and runs as without."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from ast import AST, AnnAssign, FunctionDef, JoinedStr, parse, walk
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from spritedocs.cli import watch_command
from spritedocs.cli.watch_command import _ignores_us
from spritedocs.watching import patching

PATIENCE_S = 300
OURS = [sys.executable, "-m", "spritedocs", "watch"]

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]
Custom = Callable[[str], Path]

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no such thing")

TRAIN = """\
import inspect, multiprocessing, os, sys
import torch
from torch.utils.data import DataLoader, Dataset

class Nested(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return sum(int(number) for number in DataLoader(range(index)))  # made and iterated over by a worker

def loader(method):
    return DataLoader(Nested(), 4, num_workers=1, persistent_workers=True, multiprocessing_context=method)

if __name__ == "__main__":
    for method in os.environ.get("METHODS", "").split() or multiprocessing.get_all_start_methods():
        trained = loader(method)
        for epoch in range(2):
            for batch in trained:
                print(epoch, batch.tolist(), type(trained).__name__)
    for batch in DataLoader(range(3)):
        break
    print(sys.argv, sys.path, "sitecustomize" in sys.modules, inspect.signature(DataLoader))
    print([type(finder).__name__ for finder in sys.meta_path])
    sys.exit(3)
"""
RANKS = """\
import multiprocessing, subprocess, sys

def train():
    from torch.utils.data import DataLoader
    for batch in DataLoader(range(4)):
        pass

if __name__ == "__main__":
    if sys.argv[1:]:
        train()
    else:
        subprocess.run([sys.executable, __file__, "rank"], check=True)
        rank = multiprocessing.get_context("spawn").Process(target=train)
        rank.start()
        rank.join()
        sys.exit(rank.exitcode)
"""
SIGNALLED = """\
import signal
from torch.utils.data import DataLoader

signal.signal(signal.SIGINT, signal.default_int_handler)  # CI may let it be ignored
loader = DataLoader(range(4))
list(loader)
print("trained", flush=True)
for batch in loader:
    signal.raise_signal(signal.{name})
"""
TORCH = "class DataLoader:\n    def __iter__(self):\n        return iter([1, 2])\n"
"""A torch that is imported at once."""
LOOPS = """\
import subprocess, sys
from torch.utils.data.dataloader import DataLoader
print(list(DataLoader()), list(DataLoader()), flush=True)
if not sys.argv[1:]:
    subprocess.run([sys.executable, __file__, "again"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the script is."""
    made = tmp_path / "theirs"
    made.mkdir()
    return made


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("PYTHONPATH", "SPRITEDOCS_WATCH", "PYTHONSAFEPATH"):
        monkeypatch.delenv(name, raising=False)

    def started(*command: str, **environment: str) -> Done:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return started


@pytest.fixture
def theirs(tmp_path: Path) -> Custom:
    """Makes a folder for PYTHONPATH, with a stub of torch, and a sitecustomize if there is to be one."""
    loaders = tmp_path / "stub" / "torch" / "utils" / "data"
    loaders.mkdir(parents=True)
    for package in (loaders, loaders.parent, loaders.parent.parent):
        (package / "__init__.py").touch()
    (loaders / "dataloader.py").write_text(TORCH, encoding="utf-8")
    (loaders / "__init__.py").write_text("def get_worker_info():\n    pass\n", encoding="utf-8")

    def made(custom: str) -> Path:
        if custom:  # which runs where the command itself begins, too
            text = f"import sys\nif 'watch' not in sys.orig_argv:\n    {custom}\n"
            (tmp_path / "stub" / "sitecustomize.py").write_text(text, encoding="utf-8")
        return tmp_path / "stub"

    return made


def script(folder: Path, text: str) -> str:
    (folder / "train.py").write_text(text, encoding="utf-8")
    return "train.py"


def told(done: Done) -> list[str]:
    """What was told of epochs, without the figures."""
    lines = done.stderr.decode().splitlines()
    return [line.partition(": ")[2].partition(": ")[0] for line in lines if ", epoch " in line]


def made_in(text: str, code: str) -> str:
    [line] = [number for number, each in enumerate(text.splitlines(), 1) if code in each]
    return f"train.py:{line}"


def test_a_script_runs_as_without_and_its_loaders_are_told_of(run: Run, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, script(folder, TRAIN), "--lr", "*", "--", ""]
    methods, report = multiprocessing.get_all_start_methods(), tmp_path / "report.json"
    plain = run(*command, METHODS=methods[0])
    lines = plain.stdout.splitlines(keepends=True)
    epochs, rest = lines[:6], lines[6:]  # two of three batches, and what comes once
    watched = run(*OURS, "--report", str(report), "--", *command)
    assert plain.returncode == watched.returncode == 3, watched.stderr.decode()
    assert watched.stdout == b"".join([*epochs * len(methods), *rest])
    assert sorted(path.name for path in folder.iterdir()) == ["train.py"]
    loaders = json.loads(report.read_text(encoding="utf-8"))["loaders"]
    found = {
        each["name"]: [(epoch["batches"], epoch["ended"]) for epoch in each["epochs"]] for each in loaders
    }
    once = made_in(TRAIN, "DataLoader(range(3))")
    trained = [(3, "done")] * 2 * len(methods)
    assert found == {made_in(TRAIN, "DataLoader(Nested()"): trained, once: [(1, "left")]}
    lines = watched.stderr.decode().splitlines()
    assert sum(line.endswith("done after 3 batches") for line in lines) == len(trained)  # the table
    assert [f"{once}, epoch 1 (left after 1 batch)"] == [each for each in told(watched) if once in each]


def test_ranks_are_watched_however_they_start(run: Run, folder: Path) -> None:
    done = run(*OURS, "--", sys.executable, script(folder, RANKS))
    assert done.returncode == 0, done.stderr.decode()
    assert told(done) == [f"{made_in(RANKS, 'DataLoader(range')}, epoch 1"] * 2


@POSIX
def test_torchrun_s_ranks_are_watched(run: Run, folder: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = run(*OURS, "--", sys.executable, *launcher, script(folder, RANKS), "rank")
    assert done.returncode == 0, done.stderr.decode()
    assert told(done) == [f"{made_in(RANKS, 'DataLoader(range')}, epoch 1"] * 2


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_script_as_without(run: Run, folder: Path, name: str) -> None:
    command = [sys.executable, script(folder, SIGNALLED.replace("{name}", name))]
    done = run(*OURS, "--", *command)
    assert done.returncode == -getattr(signal, name)
    assert done.stdout == b"trained\n"
    loader = made_in(SIGNALLED, "DataLoader(range")
    left = [f"{loader}, epoch 2 (left after 1 batch)"] if name == "SIGINT" else []
    assert told(done) == [f"{loader}, epoch 1", *left]
    assert (b"  ended\n" in done.stderr) == bool(left)  # the table


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("trap", ["true", "trap '' INT QUIT HUP USR1"])
def test_what_is_to_be_ignored_stays_so(run: Run, trap: str) -> None:
    mask = "grep -E 'Sig(Ign|Blk)|Threads' /proc/self/status"
    plain = run("bash", "-c", f"{trap}; exec {mask}")
    watched = run("bash", "-c", f"{trap}; exec {' '.join(OURS)} -- {mask}")
    assert (watched.stdout, watched.stderr) == (plain.stdout, b"")


# --- sitecustomize, and what goes wrong ---


@pytest.mark.parametrize(
    ("path", "custom"),
    [
        ("", ""),
        *product(
            ["{theirs}", f"{os.pathsep}{{theirs}}"],
            [
                "",
                "print(__name__, __file__, sys.path)",
                "raise ValueError('theirs')",
                "import absent_from_here",
            ],
        ),
    ],
)
def test_their_sitecustomize_runs_as_without(run: Run, theirs: Custom, path: str, custom: str) -> None:
    environment = {"PYTHONPATH": path.format(theirs=theirs(custom))}
    said = "import sys; print(sys.path, getattr(sys.modules.get('sitecustomize'), '__file__', None))"
    plain = run(sys.executable, "-c", said, **environment)
    watched = run(*OURS, "--", sys.executable, "-c", said, **environment)
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, plain.stdout, plain.stderr)


@pytest.mark.parametrize(
    ("breaks", "complaints", "remedy"),
    [
        ("sys.modules['spritedocs'] = None", 1, f"{sys.executable} -m pip install "),
        ("pass", 1, f"{sys.executable} -m pip install "),  # the stub is not whole: the first epoch finds out
        ("sys.modules['spritedocs.watching.patching'] = sys", 1, f"{sys.executable} -m pip install "),
        (
            "sys.modules['spritedocs.watching.patching'] = type(sys)('p'); "
            "sys.modules['spritedocs.watching.patching'].patch = None",
            1,
            "please report it",
        ),
        ("sys.modules['json'] = None", 0, ""),
        ("sys.hexversion = 0x030A0CF0", 1, "it is too old): run the script with Python 3.11 or later"),
        (
            "import importlib.machinery as m; m.SourceFileLoader.__setattr__ = lambda self, name, value: "
            "1 / 0 if name == 'exec_module' else object.__setattr__(self, name, value)",
            1,
            "please report it",
        ),
    ],
    ids=["absent", "parts absent", "another", "a mistake", "no words", "old", "a loader of another kind"],
)
def test_where_ours_fails_the_script_runs_on_and_it_is_said_once(
    run: Run, folder: Path, theirs: Custom, breaks: str, complaints: int, remedy: str
) -> None:
    command = [sys.executable, script(folder, LOOPS)]
    environment = {"PYTHONPATH": str(theirs(breaks))}
    watched = run(*OURS, "--", *command, **environment)
    assert watched.returncode == 0
    assert watched.stdout == run(*command, **environment).stdout
    lines = watched.stderr.decode().splitlines()
    assert len(lines) == complaints, lines
    assert all(line.startswith(f"spritedocs: nothing is watched in {sys.executable} (") for line in lines)
    assert all(remedy in line for line in lines)


def test_a_finder_of_the_old_kind_is_passed_over(run: Run, folder: Path, theirs: Custom) -> None:
    old = "sys.meta_path.insert(0, type('Old', (), {'find_module': lambda *_: None})())"
    command = [sys.executable, script(folder, LOOPS)]
    environment = {"PYTHONPATH": str(theirs(old)), "PYTHONWARNINGS": "ignore"}
    done = run(*OURS, "--", *command, **environment)
    assert (done.returncode, done.stdout) == (0, run(*command, **environment).stdout)
    assert b"find_spec" not in done.stderr


def test_any_python_can_read_what_it_runs_first() -> None:
    """One that cannot would complain each time that it starts."""
    text = (patching._FOLDER / "sitecustomize.py").read_text(encoding="ascii")
    assert not [node for node in walk(parse(text)) if _is_new(node)]
    assert "from __future__" not in text


def _is_new(node: AST) -> bool:
    if isinstance(node, FunctionDef):
        arguments = node.args
        return bool(node.returns or arguments.kwonlyargs or arguments.posonlyargs) or any(
            argument.annotation for argument in arguments.args
        )
    return isinstance(node, AnnAssign | JoinedStr)


def test_windows_is_given_the_path_of_what_the_shell_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    name = "python.cmd" if os.name == "nt" else "python"
    (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(watch_command, "os", SimpleNamespace(name="nt"))
    monkeypatch.setattr(watch_command.subprocess, "call", lambda command, env: called.append(command) or 3)
    for command in ("python", "absent"):
        with pytest.raises(SystemExit, match="3"):
            watch_command._run((command, "train.py"), {})
    (path, *rest), absent = called
    assert (path.lower(), rest) == (str(tmp_path / name).lower(), ["train.py"])
    assert absent == ["absent", "train.py"]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("python -E train.py", "-E"),
        ("/usr/bin/python3.11 -Im train", "-I"),
        ("python3 -X dev -uS train.py", "-S"),
        ("pypy3 -Wignore -I train.py", "-I"),
        ("python train.py -E", ""),
        ("python -m train -I", ""),
        ("python -c 1 -S", ""),
        ("python -uc 1 -S", ""),
        ("python -W E -XI -mSEI", ""),
        ("python --version", ""),
        ("pythonise -E", ""),
        ("torchrun -E", ""),
    ],
)
def test_a_python_that_is_told_to_ignore_us_is_found(command: str, option: str) -> None:
    assert _ignores_us(tuple(command.split())) == option


def test_of_a_python_that_ignores_us_it_is_said(run: Run) -> None:
    done = run(*OURS, sys.executable, "-I", "-c", "print('--')")
    assert done.stdout.split() == [b"--"]
    assert done.stderr.decode().splitlines() == [
        f"{sys.executable} -I takes nothing from PYTHONPATH: nothing is watched."
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--",), 2, "Missing argument 'COMMAND...'."),
        (("--epochs", "python"), 2, "No such option"),
        (("--report", "absent/r.json", "python"), 2, "which is not there: make that folder first."),
        (
            ("--", "no such thing", "--help"),
            127,
            "There is no command 'no such thing': write it as in a shell",
        ),
        pytest.param(("./train.py",), 126, "'./train.py' cannot be run (", marks=POSIX),
    ],
)
def test_what_cannot_run_is_a_sentence(
    run: Run, folder: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    script(folder, "")
    done = run(*OURS, *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert sentence in done.stderr.decode().splitlines()[-1]
