"""``spritedocs new``: what it writes is an example like all others, and nothing is lost where it cannot."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from calling import Answer, called
from running import PROJECT
from tiny import DESCRIBED, MACHINE, NAME, Tiny

from spritedocs.recordings import record

NEW = "02_a_request"
SCRIPT, TEST = Path("examples", f"{NEW}.py"), Path("tests", "examples", f"test_{NEW}.py")


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Tiny
) -> Callable[..., Answer]:
    """The command ``spritedocs`` in the miniature site's folder, with templates and a place for tests."""
    monkeypatch.chdir(tiny.root)
    shutil.copytree(PROJECT.root / "examples" / "templates", tiny.root / "examples" / "templates")
    (tiny.root / TEST).parent.mkdir(parents=True)
    return partial(called, monkeypatch, capsys)


def test_what_it_writes_is_checked_recorded_and_shown_as_it_is(
    call: Callable[..., Answer], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = call("new", "a_request")
    assert (answer.status, answer.complained) == (0, "")
    assert answer.said.startswith(f"{SCRIPT} and {TEST} are there: ")
    assert f"'spritedocs record {NEW}'" in answer.said

    for path in ("pyproject.toml", "examples/ruff.toml"):
        shutil.copy(PROJECT.root / path, path)
    for check in (["check"], ["format", "--check"]):
        done = _python("ruff", *check, "--no-cache", str(SCRIPT), str(TEST))
        assert done.returncode == 0, done.stdout

    text = SCRIPT.read_text("utf-8").replace("rounds=7", "rounds=1")
    for claim in ("speedup_batches > 4", "epoch_s_batches < epoch_s_items"):  # a busy machine may refute it
        assert claim in text
        text = text.replace(claim, f"{claim.split()[0]} > 0")
    SCRIPT.write_text(text, "utf-8")
    for name in ("made_once.py", "running.py"):  # not what builds sites
        shutil.copy(PROJECT.root / "tests" / name, "tests")
    for name in ("conftest.py", "test_every_example.py"):
        shutil.copy(PROJECT.root / "tests" / "examples" / name, TEST.parent)
    # Of what holds for every example it lacks a published recording only.
    wanted = f"{NEW} and not has_a_test_of_its_own"
    options = ["-q", "-rp", "-p", "made_once", "-m", "not every_start_method", "-p", "no:cacheprovider"]
    done = _python("pytest", *options, str(TEST.parent), "-k", wanted)
    assert done.returncode == 0, done.stdout
    for passed in (TEST.name, f"test_it_runs_from_an_empty_folder[{NEW}]"):
        assert passed in done.stdout
    Path("pyproject.toml").unlink()  # a clone with one makes a wheel

    monkeypatch.setenv("SPRITEDOCS_COMMIT", "0123456789abcdef")
    project = tiny.project
    record(project, project.example(NEW), project.recorded / MACHINE, DESCRIBED.as_dict())
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    assert '<h1 id="a-request">A request</h1>' in built.page(f"experiments/{NEW}")
    assert f"{NEW}/" in built.page("experiments")


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)


def test_a_number_follows_the_last_and_is_no_part_of_the_name(
    call: Callable[..., Answer], tiny: Tiny
) -> None:
    (tiny.root / "examples" / "09_gone_on.py").touch()
    assert call("new", "class_2").said.startswith(str(Path("examples", "10_class_2.py")))


@pytest.mark.parametrize(
    "name", ["", "A_Request", "2_requests", "a request", "größe", "../up", "a\\b", "a" * 5000]
)
def test_a_name_that_cannot_be_used_is_misuse(call: Callable[..., Answer], tiny: Tiny, name: str) -> None:
    before = sorted(tiny.root.rglob("*"))
    answer = call("new", name)
    assert answer.status == 2
    assert re.fullmatch(r"'.{0,240}' cannot name an example: write .* as in \w+\.", answer.sentence)
    assert sorted(tiny.root.rglob("*")) == before


def test_what_is_there_stays_as_it_is(call: Callable[..., Answer], tiny: Tiny) -> None:
    answer = call("new", "counting")
    assert (answer.status, answer.sentence) == (
        2,
        f"there is an example {NAME} already: choose another name.",
    )
    (tiny.root / TEST).write_text("kept", encoding="utf-8")
    answer = call("new", "a_request")
    assert answer.status == 2
    assert re.fullmatch(
        rf"\S+{NEW}\.py cannot be written \(.*exists\): choose another name\.", answer.sentence
    )
    assert (tiny.root / TEST).read_text(encoding="utf-8") == "kept"
    assert not (tiny.root / SCRIPT).exists()


def test_a_clone_without_templates_has_a_remedy(call: Callable[..., Answer], tiny: Tiny) -> None:
    shutil.rmtree(tiny.root / "examples" / "templates")
    answer = call("new", "a_request")
    assert answer.status == 2
    assert re.search(r"example\.py cannot be read \(.+\): get it back, as by git restore\.$", answer.sentence)
    assert not (tiny.root / SCRIPT).exists()
