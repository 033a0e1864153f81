"""The miniature site as tests use it: copied, altered, built, and searched for traces."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from building import forget_plugins, listened, signals_kept
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from sealing import put_right, seal

from spritedocs import machine
from spritedocs.recordings import Example, Library, Project, Provenance, store_report
from spritedocs.report import Measurement, Report

NAME = "01_counting"
MACHINE = "cpu-13-cores"
"""The name of ``DESCRIBED``, which no machine has that runs these tests."""
DESCRIBED = machine.Machine(
    cpu="Tiny CPU",
    usable_cores=13,
    memory_gb=8.0,
    os="TinyOS 1",
    python="3.11.7",
    torch="2.13.0+cpu",
    start_method="fork",
)


class Built(NamedTuple):
    """A finished ``mkdocs build``."""

    status: int
    said: str
    site: Path

    def page(self, address: str) -> str:
        return (self.site / address / "index.html").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Tiny:
    """A copy of the miniature site, to alter at will."""

    root: Path
    name = NAME

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def library(self) -> Library:
        return Library(self.project)

    @property
    def script(self) -> Path:
        return self.root / "examples" / f"{NAME}.py"

    @property
    def example(self) -> Example:
        return Example.read(self.script)

    def recording(self, machine_name: str = MACHINE) -> Path:
        return self.project.recorded / machine_name / f"{NAME}.ipynb"

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def add_recording(
        self, target: Path, change: Callable[[dict[str, Any]], object] = lambda _: None
    ) -> Path:
        """A copy of the recording at ``target``, after ``change`` has altered its JSON.

        What follows from what was altered is put right, as if a run had stored it so.
        """
        before = self.recording().read_text(encoding="utf-8")
        notebook = json.loads(before)
        change(notebook)
        put_right(notebook, json.loads(before), target.parent)
        return self.write(target, notebook)

    def write(self, target: Path, notebook: object) -> Path:
        """Store ``notebook`` as it is at ``target``, with the sums of what it holds."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook), encoding="utf-8")
        return seal(target)

    def build(self, strict: bool = False, **environment: str) -> Built:
        """What ``mkdocs build`` does, in this process: one of its own takes five times as long."""
        said, status = io.StringIO(), 0
        with listened(said), signals_kept(), pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment(environment).items():
                patch.setenv(name, value)
            for name in os.environ.keys() - self._environment(environment).keys():
                patch.delenv(name)
            patch.chdir(self.root)
            forget_plugins()
            config = load_config(strict=strict)
            config.plugins.on_startup(command="build", dirty=False)
            try:
                build(config)
            except Abort as stop:
                said.write(f"\n{stop}")
                status = stop.code
            finally:
                config.plugins.on_shutdown()
                forget_plugins()
        return Built(status, said.getvalue(), self.root / "site")

    def build_apart(self, *arguments: str, **environment: str) -> Built:
        """``mkdocs build`` in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", *arguments],
            cwd=self.root,
            env=self._environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Built(done.returncode, done.stdout, self.root / "site")

    @staticmethod
    def _environment(more: dict[str, str]) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SPRITEDOCS_")}
        return {**inherited, "NO_MKDOCS_2_WARNING": "1", **more}


@dataclass(frozen=True)
class Traces:
    """Finds what a run left behind: processes that inherited its mark or its folders, and temporary files."""

    mark: str
    temporary: Path

    def processes(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and self._is_of_it(process):
                    found.append(f"{process.pid} {process.cmdline()}")
            except (psutil.Error, OSError):
                continue
        return found

    def _is_of_it(self, process: psutil.Process) -> bool:
        """One that was given another environment still works in a folder of the run."""
        folders = (Path(self.mark), self.temporary.resolve())
        marked = process.environ().get("SPRITE_TEST") == self.mark
        return marked or any(map(Path(process.cwd()).is_relative_to, folders))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())


def add_benchmark(tiny: Tiny) -> Example:
    """A benchmark, ``speed``, with a recording by ``MACHINE``."""
    folder = tiny.root / "benchmarks" / "timing"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text("x = 1\n", encoding="utf-8")
    benchmark = tiny.project.benchmark("speed")
    value = Measurement.of("overhead", [1.5] * 6, "×")
    store_report(
        tiny.project.benchmarked / MACHINE,
        Report("How fast", ["overhead"], [[value]]),
        Provenance.of(tiny.project, benchmark),
        DESCRIBED.as_dict(),
        "python benchmarks/timing/speed.py",
    )
    return benchmark
