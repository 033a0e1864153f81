"""The package without its extras: what works all the same, and a sentence where an extra is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from running import PROJECT
from tiny import Traces

from spritedocs.guide import RECORD

PYPROJECT = tomllib.loads((PROJECT.root / "pyproject.toml").read_text(encoding="utf-8"))
ASKED: dict[str, Any] = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = ASKED["optional-dependencies"]

USED = """\
import contextlib, importlib, io, json, pkgutil, spritedocs, sys
NOT_PLAIN = ("recordings.", "site", "cli.terminal", "cli.new_example", "__main__")
for module in pkgutil.walk_packages(spritedocs.__path__, "spritedocs."):
    if not module.name.removeprefix("spritedocs.").startswith(NOT_PLAIN):
        importlib.import_module(module.name)

from torch.utils.data import DataLoader
from spritedocs.cli.commands import main
from spritedocs.datasets import SpriteTensors
from spritedocs.report import Table, show
from spritedocs.timing import compare

loaders = {name: DataLoader(SpriteTensors(8), batch_size=4) for name in ("mine", "yours")}
epochs = compare(loaders, rounds=2).values("epoch_s")
table = Table("Sprites", columns={"mine": "mine", "yours": "yours"}).row("epochs", epochs)
table = table.bars("seconds per epoch", epochs)
show(table)

def answer(command):
    sys.argv, (said, complained) = ["spritedocs", *command.split()], (io.StringIO(), io.StringIO())
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            main()
        except SystemExit as leaving:
            return leaving.code, said.getvalue(), complained.getvalue()
    return 0, said.getvalue(), complained.getvalue()

html = table.report.bundle()["text/html"]
print(json.dumps({"html": html, **{command: answer(command) for command in sys.argv[1:]}}))
"""
MINE = """\
def sprites():
    return list(range(64))
"""


def plainly_installed() -> set[str]:
    """The packages that the package alone brings into this environment: those it asks for, and so on."""
    found = {("spritedocs", "")}
    asked = [Requirement(each) for each in ASKED["dependencies"]]
    while asked:
        one = asked.pop()
        for wanted in {(canonicalize_name(one.name), extra) for extra in ("", *one.extras)} - found:
            found.add(wanted)
            needs = map(Requirement, metadata.requires(wanted[0]) or ())
            asked += [each for each in needs if not each.marker or each.marker.evaluate({"extra": wanted[1]})]
    return {name for name, _ in found}


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python where every other package of this environment is missing, for its children as well."""
    folder, brought = tmp_path_factory.mktemp("plain"), plainly_installed()
    others = [
        module
        for module, packages in metadata.packages_distributions().items()
        if brought.isdisjoint(map(canonicalize_name, packages))
    ]
    assert {*RECORD, "mkdocs", "pytest"} <= {*others}
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({others!r}))\n"
    (folder / "sitecustomize.py").write_text(hidden, encoding="utf-8")

    def run(*arguments: str, cwd: Path = PROJECT.root) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


def test_what_needs_no_recording_works_and_a_command_about_them_says_which_extra_it_needs(plain: Run) -> None:
    """One process imports every module, and torch, for all."""
    needs = {"record": "nbclient", "status": "PyYAML", "compare 06_optional_num_workers": "PyYAML"}
    done = plain("-c", USED, "doctor --quick --json", *needs)
    assert done.returncode == 0, done.stderr
    *in_a_terminal, last = done.stdout.splitlines()
    assert "█" in "".join(in_a_terminal)
    found = json.loads(last)
    assert "This figure needs matplotlib: pip install &quot;spritedocs[record]&quot;" in found["html"]
    assert json.loads(found["doctor --quick --json"][1])["findings"]
    for command, package in needs.items():
        said = f'spritedocs {command.split()[0]} needs {package}: pip install "spritedocs[record]"\n'
        assert found[command] == [1, "", said]


def test_a_dataset_is_tuned(plain: Run, traces: Traces, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    options = ("--json", "--budget", "250", "--max-workers", "1")
    done = plain("-m", "spritedocs", "tune", "mine.py:sprites", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["recommended"]["num_workers"] in (0, 1)
    assert found["present"]["num_workers"] == 0
    assert (traces.processes(), traces.files()) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_the_extra_for_recordings_is_what_its_commands_look_for_and_comes_with_the_site() -> None:
    assert {Requirement(each).name for each in EXTRAS["record"]} == {*RECORD.values()}
    assert "spritedocs[record]" in EXTRAS["docs"]
