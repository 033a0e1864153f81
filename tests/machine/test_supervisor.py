"""Running a command under a supervisor: it ends as the command does, and takes everything along."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spritedocs.machine import supervised

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no supervisor")

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("exit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
    ],
)
def test_it_ends_as_its_command_does(code: str, status: int, tmp_path: Path) -> None:
    done = subprocess.run(supervised([sys.executable, "-c", code], tmp_path), check=False)
    assert done.returncode == status
    assert tmp_path.is_dir()


def test_input_and_output_are_the_commands(tmp_path: Path) -> None:
    command = supervised([sys.executable, "-c", "print(input()[::-1])"], tmp_path)
    assert subprocess.run(command, input=b"sprite", capture_output=True, check=True).stdout == b"etirps\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only there do orphans come to it")
def test_what_the_command_left_is_ended_before(tmp_path: Path) -> None:
    null = "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    code = (
        "import os, subprocess\n"
        f"print(subprocess.Popen({SLEEPER!r}, env={{}}, start_new_session=True, {null}).pid, flush=True)\n"
        "os._exit(0)"
    )
    command = supervised([sys.executable, "-c", code], tmp_path)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert not psutil.pid_exists(int(done.stdout))


def test_it_ends_everything_once_its_owner_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    program = (
        "import json, subprocess, sys, time\nfrom pathlib import Path\n"
        "from spritedocs.machine.supervisor import supervised\n"
        "child = subprocess.Popen(supervised(json.loads(sys.argv[1]), Path(sys.argv[2])))\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", program, json.dumps(SLEEPER), folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        supervisor = psutil.Process(int(owner.stdout.readline()))
        while not supervisor.children():
            time.sleep(0.02)
        [sleeper] = supervisor.children()
        owner.kill()
    end = time.monotonic() + 120
    while (supervisor.is_running() or folder.exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()
    assert not any(process.is_running() for process in (supervisor, sleeper))
