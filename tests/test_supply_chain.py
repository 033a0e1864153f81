"""What is installed where the site is published, and who looks at a change of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from publishing import LOCK, WORKFLOWS, locked, workflow
from running import PROJECT

ROOT = PROJECT.root
LOCK_TEXT = (ROOT / LOCK).read_text(encoding="utf-8")
CONSTRAINTS_TEXT = (ROOT / "constraints.txt").read_text(encoding="utf-8")
WITH_HASHES, CONSTRAINTS = locked(LOCK_TEXT), locked(CONSTRAINTS_TEXT)
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OWNER = re.compile(r"@<owner>|@[A-Za-z0-9-]+(/[\w.-]+)?|[^@\s]+@[^@\s]+")
"""The placeholder, or what a fork puts there: a person, a team, an address."""
NEEDS_MAKE = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None, reason="there is no make"
)


def versions(entries: list[str]) -> set[str]:
    """The versions that the entries of one package name."""
    return {entry.split("==")[1].split()[0] for entry in entries}


def test_the_lock_has_every_package_that_the_constraints_have_in_the_same_version() -> None:
    different = {
        name: (versions(entries), versions(WITH_HASHES.get(name, [])))
        for name, entries in CONSTRAINTS.items()
        if versions(entries) != versions(WITH_HASHES.get(name, []))
    }
    assert different == {}, "renew requirements.lock: its first lines say how"


def test_what_the_lock_has_beyond_the_constraints_belongs_to_pytorchs_usual_build() -> None:
    cuda = re.compile(r"cuda-|nvidia-|triton$")
    of_pypy = {"cffi", "pycparser"}
    assert {name for name in WITH_HASHES.keys() - CONSTRAINTS.keys() if not cuda.match(name)} == of_pypy
    assert {"cuda-toolkit", "nvidia-cudnn-cu13", "triton"} <= WITH_HASHES.keys()


def test_the_lock_covers_what_the_package_asks_for_and_what_builds_it() -> None:
    project = PYPROJECT["project"]
    asked = [*PYPROJECT["build-system"]["requires"], "editables", *project["dependencies"]]
    extras = {**project["optional-dependencies"], "peers": []}
    asked += [each for extra in extras.values() for each in extra if each != "spritedocs[record]"]
    for requirement in map(Requirement, asked):
        found = versions(WITH_HASHES.get(canonicalize_name(requirement.name), []))
        assert found, f"{requirement} is not in requirements.lock: its first lines say how to renew it"
        assert all(requirement.specifier.contains(version) for version in found), requirement


def test_what_peers_ask_for_has_one_version_beside_the_constraints() -> None:
    pinned = locked((ROOT / "constraints-peers.txt").read_text(encoding="utf-8"))
    assert {
        name
        for name in pinned.keys() & CONSTRAINTS.keys()
        if versions(pinned[name]) != versions(CONSTRAINTS[name])
    } == set()
    for requirement in map(Requirement, PYPROJECT["project"]["optional-dependencies"]["peers"]):
        found = versions(pinned.get(canonicalize_name(requirement.name), []))
        assert found, f"{requirement} is not in constraints-peers.txt: its first lines say how to renew it"
        assert all(requirement.specifier.contains(version) for version in found), requirement


def test_every_entry_of_the_lock_names_one_version_and_has_hashes() -> None:
    entry = re.compile(r"[a-z0-9-]+==[\w.]+(?: ; [^\\\n]+)? \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+")
    entries = [each for several in WITH_HASHES.values() for each in several]
    assert [each.splitlines()[0] for each in entries if not entry.fullmatch(each)] == []
    left = LOCK_TEXT
    for each in entries:
        left = left.replace(each, "", 1)
    assert [line for line in left.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("text", [LOCK_TEXT, CONSTRAINTS_TEXT], ids=["lock", "constraints"])
def test_neither_file_says_where_packages_come_from(text: str) -> None:
    """That is pip's to know. A line about it would send every reader there."""
    assert re.findall(r"://|^\s*-.*(?:index|links|host)| @ ", text, re.MULTILINE) == []


def test_the_workflows_install_by_the_lock_where_they_use_make() -> None:
    for job in (workflow(WORKFLOWS / "publish.yml")["jobs"]["build"], linux()):
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert f"make install LOCK={LOCK}" in commands
        assert [command for command in commands if re.search(r"\bpip3?\b|\buv\b", command)] == []


def linux() -> dict[str, Any]:
    job: dict[str, Any] = workflow(WORKFLOWS / "test.yml")["jobs"]["linux"]
    return job


def commands_of_make(folder: Path, *arguments: str) -> str:
    """What make would run in ``folder``, where an environment is set up already."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", LOCK):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.touch(mode=0o755)
    (folder / ".venv" / ".installed").write_text(f"{folder}\n", encoding="utf-8")
    # Not what a make that runs these tests hands on to its children.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--dry-run", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


@NEEDS_MAKE
def test_with_a_lock_a_new_environment_takes_only_what_has_its_hash(tmp_path: Path) -> None:
    said = commands_of_make(tmp_path, "install", f"LOCK={LOCK}")
    assert "rm -rf .venv" in said
    [installing] = [line for line in said.splitlines() if " pip install " in line]
    packages, package = installing.split(" && ")
    assert packages.endswith(f"pip install -qq --require-hashes --only-binary :all: -r {LOCK}")
    assert package.endswith('pip install -qq --no-index --no-build-isolation -e ".[docs,test]"')


@NEEDS_MAKE
def test_without_a_lock_an_environment_that_is_set_up_stays(tmp_path: Path) -> None:
    assert commands_of_make(tmp_path, "install") == 'echo ".venv is ready."\n'


@NEEDS_MAKE
def test_a_lock_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    said = commands_of_make(tmp_path, "install", "LOCK=nonsense")
    assert "LOCK=nonsense is no file: name one that lists hashes, as in `make install LOCK=" in said


def rules() -> list[tuple[str, list[str]]]:
    """The lines of CODEOWNERS: a pattern, and its owners."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    split = [line.split() for line in lines if line and not line.startswith("#")]
    return [(pattern, owners) for pattern, *owners in split]


def test_every_change_has_somebody_to_look_at_it() -> None:
    """The last rule that matches a path decides, and one without an owner would take it out."""
    assert rules()[0][0] == "*"
    assert [pattern for pattern, owners in rules() if not owners] == []
    assert [owner for _, owners in rules() for owner in owners if not OWNER.fullmatch(owner)] == []


def test_the_paths_that_have_an_owner_of_their_own_are_there() -> None:
    paths = {pattern for pattern, _ in rules()[1:]}
    assert [path for path in paths if not (ROOT / path.strip("/")).exists()] == []
    assert all(path.startswith("/") and path.endswith("/") == (ROOT / path[1:]).is_dir() for path in paths)
    sensitive = {
        "/docs/",
        "/mkdocs.yml",
        "/pyproject.toml",
        "/constraints.txt",
        "/constraints-peers.txt",
        f"/{LOCK}",
        "/Makefile",
    }
    sensitive |= {"/.github/", "/.ci/", "/src/", "/examples/", "/examples/recorded/", "/.gitattributes"}
    assert sensitive <= paths
