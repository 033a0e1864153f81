"""What holds for every example, the next one included."""

from __future__ import annotations

import ast
import io
import json
import multiprocessing
import re
import runpy
import subprocess
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from running import LIMIT_S, PROJECT, Run, fresh, run

from spritedocs.recordings import Example, Library, Recording

NAMES = PROJECT.names()
ALWAYS_RUN = "06_optional_num_workers"
"""The guide's own script runs in every test run, the others when they have changed."""
OTHER_LIBRARIES = ("31_other_loaders", "33_feeding_from_other_machines")


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_test_of_its_own_and_a_recording(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file()
    library = Library(PROJECT)
    assert library.reference(PROJECT.example(name), library.machines())


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_its_motive_its_measure_and_its_caveat(name: str) -> None:
    example = PROJECT.example(name)
    assert example.header.get("description")
    assert example.header.get("claims"), "a page whose prose claims nothing needs no measurement"
    first = example.cells[0]
    assert first.kind == "markdown"
    for word in ("**Motive.**", "**What is measured.**", "**Caveat.**"):
        assert word in first.text


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_enough_to_copy(name: str) -> None:
    """Blank lines and comments, the narrative among them, do not count; docstrings do."""
    lines = [line.strip() for line in PROJECT.example(name).text.splitlines()]
    assert sum(bool(line) and not line.startswith("#") for line in lines) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_its_findings_are_true_whichever_way_the_values_turn_out(name: str) -> None:
    """They are values in a sentence, such as "3.8 times as fast", or questions: never "faster"."""
    for node in ast.walk(ast.parse(PROJECT.example(name).text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".finding"):
            said = ast.literal_eval(node.args[0])
            assert "{" in said or "?" in said
            assert not re.search(
                r"(fast|slow|long|short|larg|small|few|cheap)er|more|less|most|least|best", said
            )


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_on_what_its_comparisons_warn_of(name: str) -> None:
    """Where one round is taken, it counts: there is nothing to warn of but the single round."""
    compared, warned = set(), set()
    for node in ast.walk(ast.parse(PROJECT.example(name).text)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value)
            if called.startswith(("race(", "compare(")) and "rounds=1," not in called:
                compared |= {ast.unparse(target) for target in node.targets}
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".warn"):
            warned |= {ast.unparse(each) for each in node.args}
    assert compared <= warned


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_an_empty_folder(name: str, run_once: Callable[[str], Run]) -> None:
    if name != ALWAYS_RUN and fresh(PROJECT.example(name)):
        pytest.skip("unchanged since a published machine recorded it; make test-all runs it")
    _passes(run_once(name))


@pytest.mark.every_start_method
@pytest.mark.timeout(2 * LIMIT_S)
@pytest.mark.parametrize("start_method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_under_every_start_method(name: str, start_method: str, tmp_path: Path) -> None:
    example = PROJECT.example(name)
    if start_method in {each.provenance["machine"]["start_method"] for each in fresh(example)}:
        pytest.skip("unchanged since it was recorded under this start method")
    if name in OTHER_LIBRARIES:
        pytest.skip("it takes minutes, most of them in libraries that start processes in ways of their own")
    _passes(run(example, tmp_path, start_method))


def _passes(done: Run) -> None:
    assert done.printed.strip()
    assert done.values or "not measured" in done.printed  # without a GPU, for one
    assert done.left == set()


RECORDINGS = sorted((*PROJECT.recorded.rglob("*.ipynb"), *PROJECT.benchmarked.rglob("*.ipynb")))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_published_recording_tells_nothing_of_who_made_it(path: Path) -> None:
    recording = Recording.read(path)
    outputs = json.dumps([cell.get("outputs", []) for cell in recording.notebook["cells"]])
    shown = outputs + json.dumps(recording.provenance)
    assert re.findall(r"/home/|/root/|/Users/|[A-Z]:\\\\Users|site-packages", shown) == []


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What a commit holds; several recordings name the same."""

    @cache
    def unpacked(commit: str) -> Path:
        archive = ["git", "-C", str(PROJECT.root), "archive", commit, "src", "examples", "benchmarks"]
        packed = subprocess.run(archive, capture_output=True, check=False)
        if packed.returncode:
            pytest.skip("the commit is not in this clone")
        folder = tmp_path_factory.mktemp("committed")
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
            tar.extractall(folder, filter="data")
        return folder

    return unpacked


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_published_recording_ran_is_in_the_commit_that_it_names(
    path: Path, committed: Callable[[str], Path]
) -> None:
    """Where anything was not committed, it was nothing that was run."""
    recording = Recording.read(path)
    if not recording.provenance["dirty"]:
        return
    folder = committed(recording.provenance["commit"])
    is_example = path.is_relative_to(PROJECT.recorded)
    [found] = folder.joinpath("examples" if is_example else "benchmarks").rglob(f"{path.stem}.py")
    script = Example(found, found.read_text(encoding="utf-8"))
    package = folder / "src" / "spritedocs"
    if recording.provenance["format"] >= 3:
        assert recording.stale_because(script, package) == ""
        return
    # Fingerprints were taken otherwise: as that commit's own module takes them.
    fingerprints = runpy.run_path(str(package / "fingerprints.py"))
    assert recording.has_code_of(script)
    assert recording.provenance["package_sha256"] == fingerprints["package_sha256"](script.text, package)
