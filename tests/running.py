"""Runs an example as a reader would: the copied script, in an empty folder, under a start method.

    python running.py SCRIPT VALUES

What the script shows is printed as usual; its measured values are written to the file VALUES.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

from spritedocs import machine, report
from spritedocs.recordings import Example, Library, Project, Recording
from spritedocs.report import Measurement

PROJECT = Project(Path(__file__).parents[1])
EVERY_PYTHON = Path(__file__).with_name("every_python")
"""Holds a sitecustomize, which knows what a run under a start method needs."""
LIMIT_S = 300
"""A busy machine may take several times as long as an idle one."""
# Python 3.12 and 3.13 warn of every fork beside torch's threads; it is the platform's default there.
WARNINGS = "default,ignore:This process:DeprecationWarning"


class Run(NamedTuple):
    """What a run printed, what it measured, and the folder it ran in."""

    printed: str
    values: dict[str, Measurement]
    left: set[str]


def run(example: Example, folder: Path, start_method: str = "default") -> Run:
    """Run the copied script in ``folder``. Fails if it fails, or says anything on stderr.

    Under the start method that is called "default" it measures as it does for a reader, else in one round;
    the programs that it runs do alike.

    A worker that is spawned ends as a program of its own, and one has been seen to say something while
    it ended, though not what; under forkserver Python's tracker of semaphores has, of one that was gone. That
    is passed on then, and the script has to run again without.
    """
    shutil.copy(example.path, folder)
    done = _done(example, folder, start_method)
    known = {"spawn": "", "forkserver": "resource_tracker.py"}.get(start_method)
    if done.returncode == 0 and done.stderr and known is not None and known in done.stderr:
        print(f"{example.name} said, so it runs again:\n{done.stderr}", file=sys.__stderr__)
        done = _done(example, folder, start_method)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    stored = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    values = [Measurement.from_json(value) for value in stored]
    left = {path.name for path in folder.iterdir()} - {example.path.name, "values.json", "__pycache__"}
    return Run(done.stdout, {value.name: value for value in values}, left)


def _done(example: Example, folder: Path, start_method: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, __file__, example.path.name, "values.json"]
    environment = {**os.environ, "COLUMNS": "100", "PYTHONWARNINGS": WARNINGS}
    if start_method != "default":
        environment |= {"PYTHONPATH": str(EVERY_PYTHON), "SPRITE_TEST_START_METHOD": start_method}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def fresh(example: Example) -> list[Recording]:
    """The published recordings of ``example`` since which nothing has changed."""
    library = Library(PROJECT)
    found = library.reference(example, library.machines())
    return [status.recording for status in found if status.recording and status.state == "fresh"]


def _main(script: str, values: str) -> None:
    shown: list[Measurement] = []
    show = report.show

    def keep(result: report.Report | report.Table) -> None:
        shown.extend((result.report if isinstance(result, report.Table) else result).values)
        show(result)

    report.show = keep
    machine.run_program = partial(machine.run_program, limit_s=LIMIT_S)
    machine.run_programs = partial(machine.run_programs, limit_s=LIMIT_S)
    runpy.run_path(script, run_name="__main__")
    Path(values).write_text(json.dumps([value.as_json() for value in shown]), encoding="utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
