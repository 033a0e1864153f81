"""Each example is run once under the platform's default start method, whoever asks."""

from __future__ import annotations

import pickle
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import PROJECT, Run, fresh, run

from spritedocs.machine import program, start_method
from spritedocs.recordings import Library
from spritedocs.report import Measurement


@pytest.fixture(scope="session")
def run_once(once: Callable[[str, Callable[[Path], None]], Path]) -> Callable[[str], Run]:
    def made(name: str) -> Run:
        def make(folder: Path) -> None:
            before = set(psutil.Process().children(recursive=True))
            example = PROJECT.example(name)
            folder.mkdir()
            # What was recorded since it changed tells the figures: then one round shows that it runs.
            done = run(example, folder, start_method() if fresh(example) else "default")
            assert set(psutil.Process().children(recursive=True)) <= before
            (folder / "done").write_bytes(pickle.dumps(done))

        stored: Run = pickle.loads((once(f"run-{name}", make) / "done").read_bytes())
        return stored

    return made


@pytest.fixture(scope="session")
def values_of(run_once: Callable[[str], Run]) -> Callable[[str], dict[str, Measurement]]:
    """What an example measured: as published where that is fresh, else as it measures here and now."""

    def values(name: str) -> dict[str, Measurement]:
        library = Library(PROJECT)
        for status in library.reference(PROJECT.example(name), library.machines()):
            if status.state == "fresh" and status.recording:
                return status.recording.values
        return run_once(name).values

    return values


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The names of the script that this test module is about, without what its main guard protects."""
    return runpy.run_path(str(PROJECT.example(request.module.NAME).path))


@pytest.fixture
def forks() -> None:
    """Skips a test that gives real workers what ``script`` holds, where they are not forked.

    That belongs to no module that a pickle could name.
    """
    if start_method() != "fork":
        pytest.skip("needs workers that are forked")


@pytest.fixture
def altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, str]], None]:
    """Has examples run a program in which each old text reads otherwise."""

    def alter(name: str, otherwise: dict[str, str]) -> None:
        text = program(name).read_text(encoding="utf-8")
        for old, new in otherwise.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        path = tmp_path / "programs" / f"{name}.py"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        monkeypatch.chdir(tmp_path)

    return alter
