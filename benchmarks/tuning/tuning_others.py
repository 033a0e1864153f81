"""What does `spritedocs tune` say of datasets that this project did not write?

**Motive.** The suite's workloads are of our own making, so the tuner may have been made for them. Here a
new user types one command for data that others publish: scikit-learn's digits, scikit-image's pictures,
matplotlib's icons.

**What is measured.** The command itself, started for one after the other. A row is what it answered: the
line to copy, the throughput, the gain over `num_workers=0`, the diagnosis; and how many seconds it took,
its start included. Before them comes the dataset with which the page about the tuner begins: what is printed
for that stands there.

**Caveat.** Without a training step, so the gain is that of loading alone. The files are few and stay in
the page cache.

    pip install -e ".[peers]" -c constraints.txt -c constraints-peers.txt
    python benchmarks/tuning/tuning_others.py [--budget SECONDS] [--record]
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import PROJECT, Run, options

import spritedocs.tuning  # noqa: F401 - the command that is run here uses all of it: so says the fingerprint
from spritedocs.report import Gap, Measurement, Report
from spritedocs.tuning import print_tuning

BUDGET_S = 60.0


class Others(NamedTuple):
    """A dataset that somebody else publishes."""

    name: str
    package: str
    is_called: str
    batch_size: int

    def command(self, budget_s: float) -> list[str]:
        """What a user types, after ``spritedocs``."""
        target = f"benchmarks/tuning/targets/{self.name}.py:dataset"
        return ["tune", target, "--batch-size", str(self.batch_size), "--budget", f"{budget_s:g}"]


PAGE = Others("my_data", "torch", "the dataset of the page about the tuner", 32)
DATASETS = (
    Others("digits", "sklearn", "scikit-learn's digits, in memory", 32),
    Others("photographs", "skimage", "scikit-image's pictures, decoded and smoothed", 8),
    Others("icons", "matplotlib", "matplotlib's icons, a few small PNG files", 4),
)


def tuned(others: Others, budget_s: float) -> tuple[dict[str, Any] | str, float]:
    """What the command answered, or a sentence if it failed; and the seconds until it had ended."""
    if find_spec(others.package) is None:
        return f"{others.package} is not installed: pip install -e '.[peers]' brings it.", 0.0
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "spritedocs", *others.command(budget_s), "--json"],
        cwd=PROJECT.root,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        return f"{others.name}: {(done.stderr.splitlines() or ['it failed without a word.'])[-1]}", seconds
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, seconds


def printed(answer: dict[str, Any]) -> str:
    """What the command prints without ``--json`` where it has found ``answer``."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        print_tuning(answer)
    return said.getvalue()


def row(others: Others, answer: dict[str, Any] | str, seconds: float) -> list[Measurement | Gap | str]:
    """The cells of one dataset."""
    if isinstance(answer, str):
        values = (f"{what}_{others.name}" for what in ("items_per_s", "gain", "seconds"))
        rate, gain, took = (Gap(name, answer) for name in values)
        return [others.is_called, "", rate, gain, "", took]
    return [
        others.is_called,
        answer["line"],
        value(f"items_per_s_{others.name}", answer["throughput"], answer["interval"], "items/s"),
        value(f"gain_{others.name}", answer["gain"], answer["gain_interval"], "×"),
        answer["diagnosis"],
        Measurement.of(f"seconds_{others.name}", [seconds], "s"),
    ]


def value(name: str, median: float, interval: list[float] | None, unit: str) -> Measurement:
    """A value as the command told it: the samples stayed there."""
    return Measurement(name, unit, median, (interval[0], interval[1]) if interval else None, (median,))


def main() -> None:
    """Tune all, show what is printed for the page's own, and the table, and store both if asked to."""
    parser = options(__doc__)
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for each dataset")
    wanted = parser.parse_args()
    run = Run(__file__)
    own, _ = tuned(PAGE, wanted.budget)
    answers = {others: tuned(others, wanted.budget) for others in DATASETS}
    report = Report(
        title="What the tuner says of datasets that others made",
        columns=["dataset", "line to copy", "throughput", "gain over num_workers=0", "diagnosis", "took"],
        rows=[row(others, *answer) for others, answer in answers.items()],
        notes=[f"Each with a budget of {wanted.budget:g} s. No training step; files in the page cache."],
    )
    said = own if isinstance(own, str) else printed(own)
    print("$ spritedocs " + " ".join(PAGE.command(wanted.budget)))
    print(said)
    run.publish(report, wanted.record, said)


if __name__ == "__main__":
    main()
