"""How long does the publishing build take?

**Motive.** Whoever publishes the site from a runner of their own pays for its time.

**What is measured.** The very steps of `.github/workflows/publish.yml`, as the workflow holds them, in a
fresh clone with no environment: installing, running every example, building the site.

**Caveat.** What pip has downloaded before comes from its cache. A runner without one downloads
everything, PyTorch included: that time depends on its network.

    python benchmarks/site/publishing_build.py [--rounds N] [--record]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from publishing import WORKFLOWS, fresh_clone, run_step, run_steps, workflow
from runs import PROJECT, Run, options

from spritedocs.machine import marked
from spritedocs.recordings import Project, Recording
from spritedocs.report import Measurement, Report

PARTS = {
    "install_s": "set up the environment",
    "examples_s": "run and record every example",
    "pages_s": "build the pages",
    "total_s": "all of it",
}


def one_build() -> dict[str, float]:
    """The seconds that each part of one build from nothing takes."""
    [install, site] = run_steps(workflow(WORKFLOWS / "publish.yml")["jobs"]["build"])
    with (
        tempfile.TemporaryDirectory(prefix="publish-") as folder,
        marked("SPRITE_PUBLISHING", alone=False) as environment,
    ):
        clone = Path(folder) / "clone"
        fresh_clone(clone)
        install_s = run_step(install, clone, environment)
        site_s = run_step(site, clone, environment)
        recordings = [Recording.read(path) for path in Project(clone).own.glob("*/*.ipynb")]
    examples_s = sum(float(recording.provenance["duration_s"]) for recording in recordings)
    return {
        "install_s": install_s,
        "examples_s": examples_s,
        "pages_s": site_s - examples_s,
        "total_s": install_s + site_s,
    }


def measure(rounds: int) -> Report:
    """Build from nothing a few times."""
    found = []
    for number in range(rounds):
        found.append(one_build())
        print(f"build {number + 1} of {rounds}: {found[-1]['total_s']:.0f} s", file=sys.stderr)
    examples = Measurement.of("examples", [len(PROJECT.names())], "")
    times = {name: Measurement.of(name, [build[name] for build in found], "s") for name in PARTS}
    return Report(
        title="A build from nothing",
        columns=["part", "time"],
        rows=[[part, times[name]] for name, part in PARTS.items()],
        notes=[f"{examples} examples. {rounds} builds, one after the other."],
        more_values=[examples],
    )


def main() -> None:
    """Measure, show the parts, and store them if asked to."""
    wanted = options(__doc__, rounds=3).parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.rounds), wanted.record)


if __name__ == "__main__":
    main()
