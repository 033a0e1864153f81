"""The workflows: what their audits do not ask, and the publishing steps, run from nothing."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from publishing import (
    CHECK_OUT,
    FORGE,
    NEWEST,
    WORKFLOWS,
    Step,
    StepError,
    checked_out,
    fresh_clone,
    git,
    run_step,
    run_steps,
    workflow,
)
from running import PROJECT

from spritedocs.machine import marked, remains
from spritedocs.recordings import Claim, Recording, Verdict, claimed_values

PATHS = sorted(WORKFLOWS.glob("*.yml"))
PUBLISH = workflow(WORKFLOWS / "publish.yml")
TEST = workflow(WORKFLOWS / "test.yml")
MAKEFILE = (PROJECT.root / "Makefile").read_text(encoding="utf-8")
BUILD, DEPLOY = PUBLISH["jobs"]["build"], PUBLISH["jobs"]["deploy"]
MARK = "SPRITE_PUBLISHING"
UNPROVEN = "The figures do not bear out all that this page says"
BY_BASH = pytest.mark.skipif(sys.platform == "win32", reason="there bash is not the runner's")


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{path.name}: {name}", job) for path in PATHS for name, job in workflow(path)["jobs"].items()]


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, job in jobs() for step in job["steps"]]


def test_publishing_is_never_for_a_pull_request() -> None:
    assert PUBLISH["on"] == {"push": {"branches": ["main"], "tags": ["v*"]}, "workflow_dispatch": None}
    assert BUILD["if"] == "github.ref == 'refs/heads/main' || startsWith(github.ref, 'refs/tags/v')"


def test_only_the_publishing_build_reaches_our_own_machine() -> None:
    hosted = ("ubuntu-", "${{ matrix.system }}")
    ours = [name for name, job in jobs() if not str(job["runs-on"]).startswith(hosted)]
    assert ours == ["publish.yml: build"]
    assert BUILD["runs-on"] == ["self-hosted", "gpu"]
    assert TEST["jobs"]["elsewhere"]["strategy"]["matrix"]["system"] == ["macos-15", "windows-2025"]


def test_no_job_may_do_more_than_it_has_to() -> None:
    assert [workflow(path)["permissions"] for path in PATHS] == [{}, {}]
    assert {name: job["permissions"] for name, job in jobs()} == {
        "publish.yml: build": {"contents": "read"},
        "publish.yml: deploy": {"contents": "read", "pages": "write", "id-token": "write"},
        "test.yml: linux": {"contents": "read"},
        "test.yml: elsewhere": {"contents": "read"},
    }
    assert DEPLOY["environment"]["name"] == "github-pages"
    assert [name for name, step in steps() if "secrets." in str(step)] == []


def test_every_action_is_pinned_by_a_commit_and_says_which_version_that_is() -> None:
    lines = [line for path in PATHS for line in path.read_text(encoding="utf-8").splitlines()]
    used = [line for line in lines if "uses:" in line]
    assert len(used) == len([step for _, step in steps() if "uses" in step])
    pinned = re.compile(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
    assert [line for line in used if not pinned.search(line)] == []


def test_a_checkout_keeps_no_credentials() -> None:
    checkouts = [step for _, step in steps() if "checkout" in step.get("uses", "")]
    assert len(checkouts) == 4
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@BY_BASH
@pytest.mark.parametrize("job", [BUILD, DEPLOY], ids=["build", "deploy"])
@pytest.mark.parametrize(
    ("main_is_at", "refused"),
    [("the commit of the run", False), ("a later commit", True), ("an earlier commit", True)],
)
def test_no_job_of_publishing_goes_on_where_main_is_at_another_commit(
    job: dict[str, Any], main_is_at: str, refused: bool, tmp_path: Path
) -> None:
    """However the run was started: by a push that another overtook, by an old tag, or once more."""
    origin, folder = tmp_path / "origin", tmp_path / "folder"
    origin.mkdir()
    folder.mkdir()
    git(origin, "init", "-q", "-b", "main")
    commits = {}
    for name in ("an earlier commit", "the commit of the run", "a later commit"):
        git(origin, "commit", "-q", "--allow-empty", "-m", name)
        commits[name] = git(origin, "rev-parse", "HEAD")
    git(origin, "update-ref", "refs/heads/main", commits[main_is_at])
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")  # as GitHub does

    first, second = job["steps"][:2]
    assert [first["name"], second["name"]] == [CHECK_OUT, NEWEST], "before anything is run or deployed"
    checked_out(first, origin, folder, commits["the commit of the run"])
    step = Step(second["name"], second["run"], {"GITHUB_SHA": commits["the commit of the run"]})
    if refused:
        with pytest.raises(StepError, match=f"::error::.* main is at {commits[main_is_at]}"):
            run_step(step, folder, os.environ)
    else:
        run_step(step, folder, os.environ)


def test_both_jobs_of_publishing_ask_alike_where_main_is() -> None:
    assert BUILD["steps"][:2] == DEPLOY["steps"][:2]
    assert all("if" not in step and "continue-on-error" not in step for step in DEPLOY["steps"])


def test_every_job_has_a_time_limit_and_publishing_is_not_cancelled_half_way() -> None:
    assert [name for name, job in jobs() if not 0 < job.get("timeout-minutes", 0) <= 60] == []
    assert PUBLISH["concurrency"] == {"group": "publish", "cancel-in-progress": False}


def test_what_the_steps_run_is_there_and_holds_no_expression() -> None:
    """An expression inside commands would let a branch's name become one."""
    known = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    commands = [step["run"] for _, step in steps() if "run" in step]
    wanted = {found[1] for command in commands if (found := re.match(r"make ([a-z-]+)", command))}
    assert wanted == {"install", "test", "lint", "site"}
    assert wanted <= known
    assert [command for command in commands if "${{" in command] == []


def test_the_publishing_build_executes_and_asks_for_an_accelerator_and_true_claims() -> None:
    """Unless repository variables say otherwise, as they do in the simulation."""
    assert BUILD["env"]["SPRITEDOCS_ACCELERATOR"] == "${{ vars.SPRITEDOCS_ACCELERATOR || 'required' }}"
    assert BUILD["env"]["SPRITEDOCS_CLAIMS"] == "${{ vars.SPRITEDOCS_CLAIMS || 'required' }}"
    [install, site] = run_steps(BUILD)
    assert install.run == "make install LOCK=requirements.lock"
    assert site == Step(
        site.name,
        "make site",
        {
            "SPRITEDOCS_ACCELERATOR": "optional",
            "SPRITEDOCS_CLAIMS": "reported",
            "SPRITEDOCS_REPO_URL": f"{FORGE}/sprites/guide",
            "SPRITEDOCS_SITE_URL": "",
            "SPRITEDOCS_EXECUTE": "always",
        },
    )


def test_other_test_targets_leave_the_publishing_test_out() -> None:
    assert re.findall(r"pytest (?:-n [23] --dist worksteal )?(-.*)", MAKEFILE) == [
        '-m "not (every_start_method or peers or publishing)"',
        '--hypothesis-profile random -m "every_start_method or hypothesis or peers"',
        "-m publishing tests/test_workflows.py",
    ]


def test_the_same_inputs_are_tried_each_time_unless_random_ones_are_asked_for() -> None:
    """So that what `make test` says of a commit does not change."""
    assert settings.get_profile("fixed").derandomize
    assert not settings.get_profile("random").derandomize


def test_what_the_workflows_refer_to_is_there() -> None:
    named = {name for path in PATHS for name in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))}
    assert "docs/publish-your-own.md" in named
    assert [name for name in named if not (PROJECT.root / name).is_file()] == []


@pytest.mark.publishing
@pytest.mark.timeout(2400)
def test_the_steps_of_the_publishing_workflow_build_the_site_from_nothing() -> None:
    # Not in tmp_path, of which pytest keeps three: an environment with torch in it is large.
    with tempfile.TemporaryDirectory(prefix="publish-") as folder, marked(MARK, alone=False) as environment:
        clone = Path(folder) / "clone"
        commit = fresh_clone(clone)
        for step in run_steps(BUILD):
            run_step(step, clone, environment)
        assert remains(environment[MARK], marker=MARK) == []
        _assert_published(clone, commit)


def _assert_published(clone: Path, commit: str) -> None:
    """The folders that the workflow hands on hold what was recorded in this clone, and pages that show it."""
    kept, site = (clone / step["with"]["path"] for step in BUILD["steps"] if "upload" in step.get("uses", ""))
    recorded = {path.stem: Recording.read(path) for path in kept.glob("*/*.ipynb")}
    assert sorted(recorded) == PROJECT.names()
    made = [recording.provenance for recording in recorded.values()]
    assert {(each["commit"], each["dirty"]) for each in made} == {(commit, False)}
    # A recording without a value that a claim needs stands back behind one that has it.
    whole = [n for n, found in recorded.items() if not claimed_values(PROJECT.example(n)) & set(found.gaps)]
    assert "06_optional_num_workers" in whole
    assert (site / "index.html").is_file()
    pages = {name: site / "experiments" / name / "index.html" for name in recorded}
    texts = {name: page.read_text(encoding="utf-8") for name, page in pages.items()}
    link = f"{FORGE}/sprites/guide/commit/{commit[:7]}"
    assert [name for name in whole if link not in texts[name]] == []
    assert [name for name, text in texts.items() if "Yours:" in text] == []
    assert link in (site / "guide" / "summoning-helpers" / "index.html").read_text(encoding="utf-8")
    # Everything was measured anew on a machine that may be busy, so some claims may not hold: their pages say
    # so. Beside twelve programs for two cores it was one in seven.
    verdicts = {name: _judged(name, recorded[name]) for name in whole}
    assert [name for name in whole if (UNPROVEN in texts[name]) == all(v.holds for v in verdicts[name])] == []
    all_verdicts = [verdict for each in verdicts.values() for verdict in each]
    failed = [verdict.found for verdict in all_verdicts if not verdict.holds]
    assert len(failed) <= 0.5 * len(all_verdicts), failed


def _judged(name: str, recording: Recording) -> list[Verdict]:
    claims = [Claim.parse(raw, name) for raw in PROJECT.example(name).header.get("claims", [])]
    return [claim.judge(recording.values, recording.gaps) for claim in claims]
