"""Running scripts that fail: what is kept of them, and that nothing else is."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from children import has_ended
from tiny import Traces

from spritedocs.machine import NotHere, Outcome, programs, run_script, run_scripts
from spritedocs.machine.programs import program, run_program, run_programs

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither these signals nor sessions")

# Starts a sleeper in a session of its own and says its number.
SLEEPER = """
import subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
null = subprocess.DEVNULL
print(subprocess.Popen(sleeper, start_new_session=True, stdout=null, stderr=null).pid)
"""


def test_what_was_printed_is_kept_in_its_order_with_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    outcome = run_script(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')\nsys.exit(7)"
    )
    assert outcome.text == "one\ntwo\nthree\n"
    assert outcome.status == 7
    assert not outcome.timed_out
    assert outcome.seconds > 0


def test_it_runs_under_its_name_with_its_arguments_in_an_otherwise_empty_folder() -> None:
    source = "import os, sys\nprint(sys.argv, os.listdir())"
    outcome = run_script(source, name="fit.py", arguments=("--helpers", "2"))
    assert outcome.text == "['fit.py', '--helpers', '2'] ['fit.py']\n"


def test_nobody_answers_its_questions() -> None:
    reading, writing = os.pipe()
    ours = os.dup(0)
    try:
        os.dup2(reading, 0)
        outcome = run_script("input()", limit_s=60)
    finally:
        os.dup2(ours, 0)
        for descriptor in (ours, reading, writing):
            os.close(descriptor)
    assert outcome.error.startswith("EOFError")


@posix
def test_a_signal_that_kills_it_is_its_status() -> None:
    outcome = run_script("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert outcome.status == -signal.SIGKILL
    assert outcome.error == ""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ""),
        ("all went well\n", ""),
        ("KeyError: 1\n\nDuring …\n\nValueError: two\nand a line\n", "ValueError: two"),
        ("  ValueError: indented\n", ""),
        ("PIL.UnidentifiedImageError: no picture\n", "PIL.UnidentifiedImageError: no picture"),
        ("KeyboardInterrupt\nexiting\n", "KeyboardInterrupt"),
        ("Errors: none\n", ""),
    ],
)
def test_the_error_is_the_last_line_that_names_one(text: str, error: str) -> None:
    assert Outcome(text, 1, 0.1).error == error


def test_folders_before_file_names_are_shortened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home" / "sprite"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    source = """
import json, os, tempfile, numpy, spritedocs.sprites
print(os.path.abspath(__file__))
print(json.__file__)
print(numpy.__file__)
print(spritedocs.sprites.__file__)
print(os.path.join(tempfile.gettempdir(), "batch.bin"))
print(os.path.expanduser(os.path.join("~", "secret.txt")), os.path.expanduser("~") + "s/other")
print(os.path.join(os.sep, "opt", "x", "site-packages", "y.py"))
1 / 0
"""
    lines = run_script(source).text.replace("\\", "/").splitlines()
    assert lines[:5] == [
        "train.py",
        "…/json/__init__.py",
        "…/numpy/__init__.py",
        "…/spritedocs/sprites/__init__.py",
        "…/batch.bin",
    ]
    assert lines[5] == f"~/secret.txt {home.as_posix()}s/other"
    assert lines[6] == "…/y.py"
    assert '  File "train.py", line 10, in <module>' in lines


@pytest.mark.skipif(os.name == "nt", reason="macOS alone has these names")
@pytest.mark.parametrize("number", range(8))  # an order by hash would be right for some
def test_the_longer_of_two_names_of_a_folder_is_shortened_first(number: int) -> None:
    folder = Path(f"/private/tmp/sprite-{number}/run")
    said = f"{folder}/train.py\n/tmp/sprite-{number}/run/train.py\n{folder.parent}/batch.bin"
    assert programs._shortened(said, folder) == "train.py\ntrain.py\n…/batch.bin"


@pytest.mark.parametrize("home", ["/", "~", ""])
def test_a_user_without_a_home_loses_no_text(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: home)
    assert programs._shortened("a/b ~ c", Path("/nowhere/run")) == "a/b ~ c"


def test_output_that_is_not_utf_8_is_kept_as_far_as_it_can_be_read() -> None:
    outcome = run_script(r"import sys; sys.stdout.buffer.write(b'good \xff bad\r\n')")
    assert outcome.text == "good \ufffd bad\n"


def test_what_it_prints_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run_script("print('→')").text == "→\n"


def test_a_run_inside_a_run_keeps_the_outer_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPRITEDOCS_RUN", "outer")
    assert run_script("import os; print(os.environ['SPRITEDOCS_RUN'])").text == "outer\n"


def test_commands_beside_this_python_are_found() -> None:
    source = "import os, sysconfig\nprint(os.get_exec_path()[0] == sysconfig.get_path('scripts'))"
    assert run_script(source).text == "True\n"


def test_nothing_is_coloured_even_where_a_notebook_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["FORCE_COLOR", "CLICOLOR_FORCE"]
    for name in names:
        monkeypatch.setenv(name, "1")
    source = f"import os\nprint([os.environ.get(name) for name in {names!r}], os.environ['NO_COLOR'])"
    assert run_script(source).text == "[None, None] 1\n"


@posix
def test_the_time_limit_ends_what_was_started_in_other_sessions_and_none_that_runs_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The time is up once those that end have ended, and the others have started what they leave."""
    begun = time.monotonic()
    monkeypatch.setattr(programs, "usable_cores", lambda: 4)

    def telling(name: str) -> str:
        return f"import os, sys\nsys.stdout = open({str(tmp_path / name)!r}, 'w', 1)\n"

    def told(name: str) -> str:
        text = (tmp_path / name).read_text() if (tmp_path / name).exists() else ""
        return text if text.endswith("\n") else ""

    def clock() -> float:
        ended = all(told(name) and not psutil.pid_exists(int(told(name))) for name in ("patient", "hasty"))
        is_up = ended and told("late") and told("inner")
        return 1000.0 if is_up or time.monotonic() > begun + 200 else 0.0

    monkeypatch.setattr(programs, "time", SimpleNamespace(perf_counter=clock))
    inner = f"{telling('inner')}{SLEEPER}time.sleep(250)"
    sources = {
        "patient": f"{telling('patient')}print(os.getpid())\nimport time; time.sleep(1.5); exit(2)",
        "hasty": f"{telling('hasty')}print(os.getpid())\nexit(3)",
        "late": f"{telling('late')}{SLEEPER}time.sleep(250)",
        "running scripts": f"from spritedocs.machine.programs import run_script\nrun_script({inner!r})",
    }
    ran = run_scripts(sources)
    assert {name: run.status for name, run in ran.items()} == {
        "patient": 2,
        "hasty": 3,
        "late": None,
        "running scripts": None,
    }
    assert list(ran) == list(sources)
    assert ran["late"].timed_out
    assert has_ended(int(told("late")))
    assert has_ended(int(told("inner")))


def test_no_more_run_at_once_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "usable_cores", lambda: 1)
    source = "import time\nbegun = time.monotonic()\ntime.sleep(0.2)\nprint(begun, time.monotonic())"
    ran = run_scripts({"first": source, "second": source})
    (_, end), (begun, _) = (map(float, run.text.split()) for run in ran.values())
    assert end <= begun


def test_it_leaves_neither_processes_nor_files(traces: Traces) -> None:
    source = (
        SLEEPER
        + "subprocess.Popen(sleeper, env={} if sys.platform == 'linux' else None)\n"
        + "import os, tempfile\ntempfile.mkdtemp()\nopen('file', 'w')\nos.mkdir('folder')\nos._exit(1)"
    )
    assert run_script(source).status == 1
    assert run_script(source + "\ntime.sleep(60)", limit_s=1).status in (1, None)
    assert traces.processes() == []
    assert traces.files() == []


def test_temporary_files_stay_where_they_are_if_sockets_there_would_have_names_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = "import os\nprint(os.environ.get('TMPDIR') == os.environ['OUTER'])"
    for folder, kept in ((tmp_path / ("x" * 80), True), (Path(tempfile.gettempdir()), False)):
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("OUTER", str(folder))
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        assert run_script(source).text == f"{kept}\n"


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
def test_a_temporary_folder_that_cannot_be_written_to_is_an_os_error(
    make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make(tmp_path / "tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(OSError, match="tmp"):
        run_script("print(1)")
    with pytest.raises(OSError, match="tmp"):
        run_scripts({"one": "print(1)", "two": "print(2)"})


@posix
def test_ctrl_c_does_not_wait_for_the_scripts(
    traces: Traces, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    waits, started, result = threading.Event(), tmp_path / "started", Future.result

    def waiting(future: Future[Outcome]) -> Outcome:
        waits.set()
        return result(future)

    def press() -> None:
        waits.wait()
        while not started.exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    monkeypatch.setattr(Future, "result", waiting)
    monkeypatch.setattr(programs, "usable_cores", lambda: 1)
    # A shell lets what it starts in the background ignore Ctrl-C; pytest would pass that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    source = f"{SLEEPER}open({str(started)!r}, 'w')\ntime.sleep(250)"
    begun = time.monotonic()
    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_scripts(dict.fromkeys("abc", source), limit_s=250)
    assert time.monotonic() - begun < 200
    assert traces.processes() == []
    assert traces.files() == []


@pytest.fixture
def cursed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the folder of programs below the working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "programs" / "cursed.py"
    path.parent.mkdir()
    path.write_text("import sys\nprint(sys.argv)\nraise ValueError('sprite 13 is cursed')")
    return path


def test_a_program_is_found_by_its_name_and_runs_under_it(cursed: Path) -> None:
    assert program("cursed") == cursed
    outcome = run_program("cursed", arguments=("4",))
    assert outcome.error == "ValueError: sprite 13 is cursed"
    assert "['cursed.py', '4']" in outcome.text
    assert 'File "cursed.py", line 3' in run_programs(["cursed"])["cursed"].text


@pytest.mark.parametrize("home", ["script", "package", "checkout"])
def test_programs_lie_beside_the_script_and_in_the_package_and_in_its_checkout(
    home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "script" / "x.py"), raising=False)
    monkeypatch.setattr(programs, "_PACKAGE", tmp_path / "checkout" / "src" / "package")
    place = {"script": "script", "package": "checkout/src/package", "checkout": "checkout/examples"}[home]
    path = tmp_path / place / "programs" / "cursed.py"
    path.parent.mkdir(parents=True)
    path.touch()
    assert program("cursed") == path.resolve()


def test_a_program_that_is_nowhere() -> None:
    with pytest.raises(FileNotFoundError, match=r"no program 'blessed': put it into programs.blessed\.py"):
        run_program("blessed")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "the disk is full: free some room, or set TMPDIR"),
        (errno.EROFS, f"there is no temporary folder ({os.strerror(errno.EROFS)}): set TMPDIR"),
    ],
)
def test_where_no_program_can_run_that_is_a_sentence(
    number: int, why: str, cursed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*options: str) -> str:
        raise OSError(number, "refused", "/secret/place")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    for run in (lambda: run_program("cursed"), lambda: run_programs(["cursed"])):
        with pytest.raises(NotHere, match=re.escape(why)) as caught:
            run()
        assert "secret" not in str(caught.value)


def test_a_program_that_outlasts_its_time_says_so(cursed: Path) -> None:
    cursed.write_text("import time; time.sleep(60)")
    for run in (lambda: run_program("cursed", limit_s=0.5), lambda: run_programs(["cursed"], limit_s=0.5)):
        with pytest.raises(NotHere, match=r"cursed\.py took over 0\.5 s"):
            run()
