"""The steps of the publishing workflow, run here as its runner would run them: in a fresh clone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from running import PROJECT

WORKFLOWS = PROJECT.root / ".github" / "workflows"
FORGE = "https://git.example"
"""Where the simulated run says that the repository is."""
EXPRESSIONS = {
    # These are documented switches: here no GPU is asked for, and a busy machine fails no test.
    "vars.SPRITEDOCS_ACCELERATOR || 'required'": "optional",
    "vars.SPRITEDOCS_CLAIMS || 'required'": "reported",
    "github.server_url": FORGE,
    "github.repository": "sprites/guide",
}
FOR_TAGS = "github.ref_type == 'tag'"
"""The condition of a step that the simulated run, which a push to main started, passes over."""
# Not all of SPRITE…: the mark of a run has to reach its steps, or nothing that they leave is found.
_OURS = ("SPRITEDOCS", "SPRITE_TEST")
_NOT_THE_RUNNERS = (*_OURS, "PYTEST", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS", "COLUMNS", "NO_MKDOCS")


class Step(NamedTuple):
    """One ``run:`` step: what it is called, its commands, and what it adds to the environment."""

    name: str
    run: str
    environment: dict[str, str]


class StepError(AssertionError):
    """A step failed. The message holds all it said."""


def workflow(path: Path) -> dict[Any, Any]:
    """A workflow as it was read. YAML 1.1 takes the key ``on`` for true: it is put right."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True)
    return found


def resolved(text: object) -> str:
    """``text`` with its expressions replaced. Raises ``ValueError`` for one that is not foreseen here."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in EXPRESSIONS:
            raise ValueError(f"the workflow uses {match[0]}, which is unknown here: tell publishing.py.")
        return EXPRESSIONS[match[1]]

    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", value, str(text))


def run_steps(job: Mapping[str, Any]) -> list[Step]:
    """The ``run:`` steps of a job, of which nothing may be meant that would be passed over here."""
    assert job["defaults"] == {"run": {"shell": "bash"}}
    found = []
    for step in job["steps"]:
        if "run" in step and step.get("if") != FOR_TAGS:
            assert set(step) <= {"name", "run", "env"}, f"{step['name']} has keys that are not obeyed here"
            given = {**job.get("env", {}), **step.get("env", {})}
            environment = {name: resolved(value) for name, value in given.items()}
            found.append(Step(step["name"], resolved(step["run"]), environment))
    return found


def git(folder: Path, *arguments: str) -> str:
    """What git says in ``folder``."""
    command = ["git", "-C", str(folder), "-c", "user.name=nobody", "-c", "user.email=nobody@git.example"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def fresh_clone(folder: Path) -> str:
    """Copy what git would hold if all were committed now to ``folder``, as a repository of one commit.

    Returns the commit, which no other clone has: figures that name it were recorded in this one.
    """
    listed = git(PROJECT.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source, target = PROJECT.root / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", f"A clone, made at {time.time()}")
    return git(folder, "rev-parse", "HEAD")


def run_step(step: Step, clone: Path, inherited: Mapping[str, str]) -> float:
    """Run ``step`` as a runner does, and return how many seconds it took. Raises ``StepError``."""
    environment = {key: value for key, value in inherited.items() if not key.startswith(_NOT_THE_RUNNERS)}
    # The Python that runs this, as the first one on a runner's PATH would be the one to use there.
    environment |= {"CI": "true", "PYTHON": sys.executable, **step.environment}
    begin = time.perf_counter()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.run],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StepError(f"{step.name} failed with status {done.returncode} and said:\n{done.stdout}")
    return time.perf_counter() - begin
