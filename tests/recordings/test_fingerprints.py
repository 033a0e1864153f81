"""Fingerprints: what makes a recording stale, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import spritedocs
from spritedocs.recordings import source_sha256
from spritedocs.recordings.fingerprints import code_of, measuring_modules, modules_sha256

SCRIPT = """\
# %% [markdown]
# # Title

# %%
from spritedocs.timing import compare

x = 1
def f(a, b=""): ...
"""


def instead(code: str) -> str:
    """The script with ``code`` in place of its assignment."""
    return SCRIPT.replace("x = 1", code)


@pytest.mark.parametrize(
    "rewritten",
    [
        SCRIPT.replace("# # Title", "# # Another title\n#\n# and a sentence."),
        instead("\n\n    # a remark (\nx = 1  # it's one (\n\n"),
        SCRIPT.replace("\n", "\r\n"),
        SCRIPT.rstrip("\n"),
        SCRIPT + '    """Say it.\n\n    It\'s # "quoted" """\n',
        instead("""'''A \\''' \"\"\" quote.\n'''  # remark\nx = 1"""),
        instead('x = 1\nr"""\\d \\""" x"""\nBR\'\'\'y\'\'\'').replace("\n", "\r\n"),
    ],
    ids=["narrative", "comments", "CRLF", "no end", "docstring", "nested quotes", "prefixes"],
)
def test_what_is_no_code_does_not_count(rewritten: str) -> None:
    assert rewritten != SCRIPT
    assert source_sha256(rewritten) == source_sha256(SCRIPT)


@pytest.mark.parametrize(
    "code",
    [
        *("x = 2", "x = 1; y = 2", "    x = 1", "x = '# 1'", "x = 1\nz = 'a\\' # b'"),
        'x = 1\ny = """a"""',
        'x = 1\ny = \\\n"""a"""',
        'x = 1\nf(\n    """a"""\n)',
        'x = 1\nf({"(": [\n"""a"""\n]})',
        'x = 1\n"""a""".strip()',
        'x = 1\n"""a"""; y = 2',
        'x = 1\nf"""{print()}"""',
        'x = 1\n"""a',
        'x = 1\n"""a\\"""',
    ],
)
def test_every_change_of_code_counts(code: str) -> None:
    assert source_sha256(instead(code)) != source_sha256(SCRIPT)
    assert source_sha256(instead(code).replace("\n", "\r\n")) == source_sha256(instead(code))


def test_all_that_a_string_holds_counts_if_it_is_used() -> None:
    texts = ["x = '''a\n\n# b'''", "x = '''a\n# b'''", "x = '''a\n'''", "x = '''a  \n'''"]
    assert [code_of(text) for text in texts] == texts


@pytest.mark.parametrize(
    "text", ["\\'" * 10**5, '"""' + '\\"""' * 10**5 + "\\", "'\"" * 10**5, "'''\"" * 10**5]
)
def test_a_strangers_quotes_are_read_once_and_not_again_from_each(text: str) -> None:
    """From each to the end it would take hours: the whole run has a limit."""
    assert code_of(text) == text


def written(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        path = folder / (name if name.endswith(".pyi") else f"{name}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose timing imports memory through measurement, and whose report shows."""
    return written(
        tmp_path,
        {
            "__init__": "def __getattr__(name):\n    from spritedocs.tuning.search import tune",
            "sprites": "def draw(): ...",
            "model": "import math",
            "datasets": "from spritedocs.sprites import draw",
            "timing": "from spritedocs.report.measurement import M\nfrom spritedocs import recordings",
            "report/__init__": "from .measurement import Measurement\nfrom .showing import show",
            "report/measurement": "from spritedocs.machine import (\n    memory,  # (cores)\n    show\n)",
            "report/showing": "from spritedocs import datasets",
            "machine/__init__": "",
            "machine/memory": "import os",
            "recordings": "import json",
            "tuning/__init__": "",
            "tuning/search": "from spritedocs.datasets import SpriteTensors",
            "tuning/budget": "",
        },
    )


@pytest.mark.parametrize(
    ("script", "modules"),
    [
        ("import torch", []),
        ("from spritedocs.sprites import draw", ["sprites"]),
        ("from spritedocs.datasets import D", ["datasets", "sprites"]),
        ("from spritedocs import timing", ["machine.memory", "report.measurement", "timing"]),
        ("from spritedocs.tuning.search import Search", ["datasets", "sprites", "tuning.search"]),
        ("from spritedocs import tune", ["datasets", "sprites", "tuning.search"]),
        ("import spritedocs.datasets as data, os", ["datasets", "sprites"]),
        ("from spritedocs import model, sprites as s", ["model", "sprites"]),
        ("from spritedocs import (\n    model,  # bytes (usable)\n    sprites,\n)", ["model", "sprites"]),
        ("from spritedocs import (model,\n  sprites)", ["model", "sprites"]),
        ("from spritedocs import model, \\\n    sprites", ["model", "sprites"]),
        ("from spritedocs.report import show", []),
        ("if True:\n    from spritedocs.sprites import (\n        draw,\n    )", ["sprites"]),
        ("try: import spritedocs.sprites", ["sprites"]),
        ("# from spritedocs.sprites import draw", []),
        ("from spritedocs.nowhere import x", []),
        ("from spritedocs import __version__", []),
    ],
)
def test_the_measuring_modules_are_found_directly_and_through_others(
    package: Path, script: str, modules: list[str]
) -> None:
    assert measuring_modules(script, package) == modules


ATTACHED = """\
import lazy_loader as lazy
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "rounds": ["Course", "compare"],  # "load": ["compare"]
        "load": ("watch",),
    },
)
"""
STUB = "from .rounds import Course as Course, compare\nfrom .load import (\n    see as watch,\n)"
PLAIN = "from spritedocs.timing.rounds import Course, compare\nfrom spritedocs.timing.load import watch"


STUBBED = {"__init__": "lazy.attach_stub()", "__init__.pyi": STUB}


@pytest.fixture(params=[{"__init__": ATTACHED}, STUBBED, {"__init__": PLAIN}])
def wings(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A package of wings, whose timing has a face."""
    return written(
        tmp_path,
        {
            "__init__": "",
            **{f"timing/{name}": text for name, text in request.param.items()},
            "timing/rounds": "from ..report import Measurement, show\nfrom . import clock",
            "timing/load": "from spritedocs.machine import used_mb",
            "timing/clock": "",
            "report/__init__": "from .measurement import Measurement\nfrom .tables import show",
            "report/measurement": "",
            "report/tables": "from spritedocs.timing import watch",
            "machine/__init__": "from .memory import used_mb\nfrom .cores import usable_cores",
            "machine/memory": "from .cores import usable_cores",
            "machine/cores": "from spritedocs.timing import watch",
        },
    )


ROUNDS = ["report.measurement", "timing.clock", "timing.rounds"]
LOAD = ["machine.memory", "timing.load"]


@pytest.mark.parametrize(
    ("script", "modules"),
    [
        ("from spritedocs.timing import compare", ROUNDS),
        ("from spritedocs.timing import (\n    Course as C,\n)", ROUNDS),
        ("from spritedocs.timing.rounds import hidden", ROUNDS),
        ("from spritedocs.timing import rounds", ROUNDS),
        ("from spritedocs.timing import watch", LOAD),
        ("import spritedocs.timing.load", LOAD),
        ("from spritedocs.timing import watch, compare", sorted(LOAD + ROUNDS)),
        ("import spritedocs.timing", sorted(["timing", *LOAD, *ROUNDS])),
        ("import spritedocs", sorted(["timing", *LOAD, *ROUNDS])),
        ("from spritedocs import timing as t", sorted(["timing", *LOAD, *ROUNDS])),
        ("from spritedocs.timing import *", sorted(["timing", *LOAD, *ROUNDS])),
        ("from spritedocs.timing import nobody_knows", sorted(["timing", *LOAD, *ROUNDS])),
        ("from spritedocs.report import show", []),
        ("from spritedocs.report import Measurement", ["report.measurement"]),
        ("from spritedocs.machine import usable_cores", []),
    ],
)
def test_a_name_is_followed_through_the_face_of_its_wing(
    wings: Path, script: str, modules: list[str]
) -> None:
    assert measuring_modules(script, wings) == modules


PACKAGE = Path(spritedocs.__file__).parent


@pytest.mark.parametrize(
    ("names", "module"),
    [
        ("usable_cores, start_method", "machine.parallelism"),
        ("quota_cores", "machine.cgroups"),
        ("helpers_for, training_device", "machine.training"),
        ("by_start_method, needs", "machine.requirements"),
        ("NotHere", "machine.not_here"),
        ("room_for, why_no_helpers", "machine.workspace"),
    ],
)
def test_what_decides_how_a_run_is_done_measures(names: str, module: str) -> None:
    for name in names.split(", "):
        assert module in measuring_modules(f"from spritedocs.machine import {name}", PACKAGE)


def test_what_prints_a_value_or_describes_a_machine_does_not_measure() -> None:
    script = (
        "from spritedocs.machine import describe, needs\n"
        "from spritedocs.report import Measurement, Table, show\n"
        "from spritedocs.timing import compare\n"
    )
    found = measuring_modules(script, PACKAGE)
    assert {name for name in found if name.startswith("report")} == {"report.intervals", "report.measurement"}
    assert not {"machine.description", "machine.accelerator"} & {*found}


def test_the_order_of_imports_does_not_count(package: Path) -> None:
    lines = ["from spritedocs.timing import a", "from spritedocs.datasets import b"]
    forth, back = "\n".join(lines), "\n".join(reversed(lines))
    assert modules_sha256(forth, package) == modules_sha256(back, package)


@pytest.mark.parametrize("changed", ["timing", "machine.memory", "sprites", "report.showing", "recordings"])
def test_only_the_modules_that_measure_for_the_script_count_and_each_by_itself(
    package: Path, changed: str
) -> None:
    script = "from spritedocs.timing import compare\nfrom spritedocs.report import show"
    before = modules_sha256(script, package)
    path = package / f"{changed.replace('.', '/')}.py"
    path.write_text('# only a remark\n"""and a docstring"""\n' + path.read_text())
    assert modules_sha256(script, package) == before
    path.write_text(path.read_text() + "changed = True\n")
    after = modules_sha256(script, package)
    assert {name for name in before if before[name] != after[name]} == {changed} & {
        "timing",
        "machine.memory",
    }


def test_the_programs_that_a_script_runs_count_with_what_they_import(tmp_path: Path) -> None:
    package = written(tmp_path / "package", {"timing": "x = 1", "datasets": "y = 1"})
    program = tmp_path / "cursed.py"
    program.write_text("from spritedocs.timing import x", encoding="utf-8")
    before = modules_sha256("import spritedocs.datasets", package, [program])
    assert sorted(before) == ["datasets", "programs.cursed", "timing"]
    program.write_text("from spritedocs.timing import x as y  # a remark", encoding="utf-8")
    after = modules_sha256("import spritedocs.datasets", package, [program])
    assert [name for name in before if before[name] != after[name]] == ["programs.cursed"]
