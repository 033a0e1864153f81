"""Fingerprints: what makes a recording stale, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from spritedocs.fingerprints import measuring_modules, package_sha256, source_sha256

SCRIPT = """\
# %% [markdown]
# # Title

# %%
from spritedocs.timing import compare

x = 1
"""


@pytest.mark.parametrize(
    "rewritten",
    [
        SCRIPT.replace("# # Title", "# # Another title\n#\n# and a sentence."),
        SCRIPT.replace("x = 1", "\n\n    # a remark\nx = 1   \n\n"),
        SCRIPT.replace("\n", "\r\n"),
        SCRIPT.rstrip("\n"),
    ],
    ids=["narrative", "comments and blanks", "CRLF", "no last line end"],
)
def test_what_is_no_code_does_not_count(rewritten: str) -> None:
    assert rewritten != SCRIPT
    assert source_sha256(rewritten) == source_sha256(SCRIPT)


@pytest.mark.parametrize("rewritten", ["x = 2", "x = 1; y = 2", "    x = 1", "x = 1  # was 2", "x = '# 1'"])
def test_every_change_of_code_counts(rewritten: str) -> None:
    assert source_sha256(SCRIPT.replace("x = 1", rewritten)) != source_sha256(SCRIPT)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose timing imports memory through measurement, and whose report shows."""
    modules = {
        "sprites": "def draw(): ...",
        "datasets": "from spritedocs.sprites import draw",
        "timing": "from spritedocs.measurement import Measurement\nfrom spritedocs import report",
        "measurement": "from spritedocs import (\n    memory,  # (cores)\n    report\n)",
        "memory": "import os",
        "report": "from spritedocs.measurement import Measurement\nfrom spritedocs import datasets",
        "recordings": "import json",
        "tuning/__init__": "",
        "tuning/search": "from spritedocs.datasets import SpriteTensors",
    }
    (tmp_path / "tuning").mkdir()
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(f"{text}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("script", "modules"),
    [
        ("import torch", []),
        ("from spritedocs.sprites import draw", ["sprites"]),
        ("from spritedocs.datasets import D", ["datasets", "sprites"]),
        ("from spritedocs import timing", ["measurement", "memory", "timing"]),
        ("from spritedocs.tuning.search import Search", ["datasets", "sprites", "tuning"]),
        ("import spritedocs.datasets as data", ["datasets", "sprites"]),
        ("from spritedocs import memory, sprites as s", ["memory", "sprites"]),
        ("from spritedocs import (\n    memory,  # bytes (usable)\n    sprites,\n)", ["memory", "sprites"]),
        ("from spritedocs import (memory,\n  sprites)", ["memory", "sprites"]),
        ("from spritedocs import memory, \\\n    sprites", ["memory", "sprites"]),
        ("from spritedocs.report import show", []),
        ("if True:\n    from spritedocs.sprites import (\n        draw,\n    )", ["sprites"]),
        ("# from spritedocs.sprites import draw", []),
        ("from spritedocs.nowhere import x", []),
    ],
)
def test_the_measuring_modules_are_found_directly_and_through_others(
    package: Path, script: str, modules: list[str]
) -> None:
    assert measuring_modules(script, package) == modules


def test_the_order_of_imports_does_not_count(package: Path) -> None:
    lines = ["from spritedocs.timing import a", "from spritedocs.datasets import b"]
    forth, back = "\n".join(lines), "\n".join(reversed(lines))
    assert package_sha256(forth, package) == package_sha256(back, package)


@pytest.mark.parametrize(
    ("changed", "counts"),
    [("timing", True), ("memory", True), ("sprites", False), ("report", False), ("recordings", False)],
)
def test_a_changed_module_counts_if_it_measures_for_the_script(
    package: Path, changed: str, counts: bool
) -> None:
    script = "from spritedocs.timing import compare\nfrom spritedocs.report import show"
    before = package_sha256(script, package)
    path = package / f"{changed}.py"
    path.write_text("# only a remark\n\n" + path.read_text())
    assert package_sha256(script, package) == before
    path.write_text(path.read_text() + "changed = True\n")
    assert (package_sha256(script, package) != before) is counts
