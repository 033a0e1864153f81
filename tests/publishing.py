"""The steps of the publishing workflow, run here as its runner would run them: in a fresh clone."""

from __future__ import annotations

import json
import re
import shlex
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
    "vars.SPRITEDOCS_SITE_URL": "",  # which few set
}
CHECK_OUT, NEWEST = "Check out the newest commit of main", "Publish nothing older than main"
"""The steps with which each job of the workflow begins. The simulated run has no main to ask about."""
LOCK = "requirements.lock"
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
        if "run" in step and step["name"] != NEWEST:
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


def checked_out(step: Mapping[str, Any], origin: Path, folder: Path, commit: str) -> None:
    """Do what actions/checkout does with ``step``, in a run of main at ``commit``, as its source says.

    Without a ``ref`` it takes the run's own commit, whatever became of main, and calls that origin/main.
    """
    source = step.get("with", {}).get("ref", commit)
    git(folder, "init", "-q")
    git(folder, "fetch", "-q", "--depth=1", origin.as_uri(), f"+{source}:refs/remotes/origin/main")
    git(folder, "checkout", "-q", "-B", "main", "refs/remotes/origin/main")


def locked(text: str) -> dict[str, list[str]]:
    """The entries of a lock, or of constraints, by the name of the package. Some have one for each system."""
    found: dict[str, list[str]] = {}
    for entry in re.findall(r"^[a-z0-9].*(?:\n +.*)*", text, re.MULTILINE):
        found.setdefault(re.split(r"[= ]", entry)[0], []).append(entry)
    return found


def lock_for_here(clone: Path) -> Path:
    """The lock of ``clone``, or one beside ``clone`` where pip takes another build of PyTorch here.

    The lock knows the published files. A machine may be set up to take a build from its own disk, such as
    one without CUDA. Then that file is the one to take, and what only the published build asks for is left
    out. All other packages are the lock's, and no file of theirs is taken by another hash.
    """
    lock = clone / LOCK
    entries = locked(lock.read_text(encoding="utf-8"))
    [torch] = entries["torch"]
    own = hash_of_what_pip_takes(torch.split()[0])
    if own in torch:
        return lock
    entries["torch"] = [f"{torch.split(' ')[0]} --hash=sha256:{own}"]
    usual = locked((clone / "constraints.txt").read_text(encoding="utf-8"))
    lines = [entry for name in usual for entry in entries[name]]
    here = clone.parent / LOCK
    here.write_text("\n".join(lines), encoding="utf-8")
    return here


def hash_of_what_pip_takes(requirement: str) -> str:
    """The SHA-256 of the file that pip would install here for ``requirement``. Nothing is installed."""
    asked = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--no-deps", "--ignore-installed"]
    command = [*asked, "--report", "-", requirement]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [taken] = json.loads(answer)["install"]
    return str(taken["download_info"]["archive_info"]["hashes"]["sha256"])


def run_step(step: Step, clone: Path, inherited: Mapping[str, str]) -> float:
    """Run ``step`` as a runner does, and return how many seconds it took. Raises ``StepError``."""
    run = step.run
    if f"LOCK={LOCK}" in run:
        run = run.replace(f"LOCK={LOCK}", f"LOCK={shlex.quote(str(lock_for_here(clone)))}")
    environment = {key: value for key, value in inherited.items() if not key.startswith(_NOT_THE_RUNNERS)}
    # The Python that runs this, as the first one on a runner's PATH would be the one to use there.
    environment |= {"CI": "true", "PYTHON": sys.executable, **step.environment}
    begin = time.perf_counter()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run],
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
