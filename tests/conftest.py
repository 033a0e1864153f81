"""The miniature site, recorded once for the whole run; each test that needs a project gets a copy."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from building import signals_kept
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemLoader
from running import PROJECT
from tiny import DESCRIBED, MACHINE, NAME, Tiny, Traces

from spritedocs.recordings import Project, record
from spritedocs.site.second_process import SecondProcess

if TYPE_CHECKING:
    from made_once import Make

pytest_plugins = ["made_once"]

# No test may fail for a slow machine, and none by luck: `make test` tries the same inputs each time.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("fixed", patient, derandomize=True)
settings.register_profile("random", patient, derandomize=False)
settings.load_profile("fixed")


LONG = (
    *("test_in_a_browser.py", "test_prose.py", "test_cases.py", "test_new_example.py"),
    *("test_06_optional_num_workers.py", "test_watch_command.py"),
)
"""Files with tests that take many seconds."""


@pytest.hookimpl(trylast=True)  # after -m and -k have left some out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The share that each worker is given at first begins with long tests: one that began such a test last
    would let the others wait.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    others = iter([item for item in items if item.path.name not in LONG])
    ordered: list[pytest.Item] = []
    for number in range(workers):
        share = [item for item in items if item.path.name in LONG[number::workers]]
        size = (len(items) - len(ordered)) // (workers - number)
        ordered += [*share, *islice(others, max(0, size - len(share)))]
    items[:] = [*ordered, *others]


def pytest_collection() -> None:
    """What is imported stays: to look for garbage among it takes time in each worker."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Else every collection of garbage goes through all that was imported, and copies it in each worker."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def handlers_of_signals() -> Iterator[None]:
    """Whatever a test lets signals do ends with it."""
    with signals_kept():
        yield


@pytest.fixture(autouse=True, scope="session")
def no_second_process() -> Iterator[None]:
    """Builds in the process that tests fork nothing: what they find rendered would be luck."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecondProcess, "start", lambda *_, **__: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_icons_among_the_templates() -> Iterator[None]:
    """MkDocs goes through Material's 14,000 icons in each build, to leave them out: half of a small one."""
    everything = FileSystemLoader.list_templates

    def few(self: FileSystemLoader) -> list[str]:
        return [name for name in everything(self) if not name.startswith(".icons/")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystemLoader, "list_templates", few)
        yield


@pytest.fixture(scope="session")
def servers() -> None:
    """The processes that the first worker which is not forked starts for those after it: they stay."""
    if sys.platform != "win32" and (method := multiprocessing.get_start_method()) != "fork":
        from multiprocessing import forkserver, resource_tracker

        resource_tracker.ensure_running()
        if method == "forkserver":
            forkserver.ensure_running()


@pytest.fixture(scope="session")
def site(once: Callable[[str, Make], Path]) -> Path:
    """The real site, strictly built. Not to be altered."""

    def build(folder: Path) -> None:
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        for name in ("OFFLINE", "SPRITEDOCS_EXECUTE", "SPRITEDOCS_REPO_URL", "SPRITEDOCS_SITE_URL"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
        done = subprocess.run(
            command, cwd=PROJECT.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    return once("site", build)


@pytest.fixture(scope="session")
def recorded(once: Callable[[str, Make], Path]) -> Path:
    """The miniature site with a recording by ``cpu-13-cores``, and compiled templates. Not to be altered."""

    def make(folder: Path) -> None:
        root = Path(shutil.copytree(Path(__file__).parent / "tiny_site", folder / "tiny"))
        project = Project(root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPRITEDOCS_COMMIT", "0123456789abcdef")
            record(project, project.example(NAME), project.recorded / MACHINE, DESCRIBED.as_dict())
        built = Tiny(Path(shutil.copytree(root, folder / "built")))
        assert built.build().status == 0
        templates = Path(".cache", "spritedocs", "templates")
        shutil.copytree(built.root / templates, root / templates)

    return once("recorded", make) / "tiny"


@pytest.fixture
def tiny(recorded: Path, tmp_path: Path) -> Tiny:
    return Tiny(Path(shutil.copytree(recorded, tmp_path / "tiny")))


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Traces]:
    """Everything started from here on carries a mark, and puts its temporary files into one folder."""
    # Not in tmp_path: the kernel keeps sockets there, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        monkeypatch.setenv("SPRITE_TEST", str(tmp_path))
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Traces(str(tmp_path), Path(name))
