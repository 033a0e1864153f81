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
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from answers import answer, value
from runs import Run, options

from spritedocs.report import Gap, Measurement, Report
from spritedocs.tuning import print_tuning

BUDGET_S = 60.0


class Others(NamedTuple):
    """A dataset that somebody else publishes."""

    name: str
    package: str
    is_called: str
    batch_size: int

    def arguments(self, budget_s: float) -> list[str]:
        """What a user types, after ``spritedocs tune``."""
        target = f"benchmarks/tuning/targets/{self.name}.py:dataset"
        return [target, "--batch-size", str(self.batch_size), "--budget", f"{budget_s:g}"]


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
    return answer(*others.arguments(budget_s))


def printed(found: dict[str, Any]) -> str:
    """What the command prints without ``--json`` where it has ``found`` this."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        print_tuning(found)
    return said.getvalue()


def row(others: Others, found: dict[str, Any] | str, seconds: float) -> list[Measurement | Gap | str]:
    """The cells of one dataset."""
    if isinstance(found, str):
        values = (f"{what}_{others.name}" for what in ("items_per_s", "gain", "seconds"))
        rate, gain, took = (Gap(name, found) for name in values)
        return [others.is_called, "", rate, gain, "", took]
    return [
        others.is_called,
        found["line"],
        value(f"items_per_s_{others.name}", found["throughput"], found["interval"], "items/s"),
        value(f"gain_{others.name}", found["gain"], found["gain_interval"], "×"),
        found["diagnosis"],
        Measurement.of(f"seconds_{others.name}", [seconds], "s"),
    ]


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
    print("$ spritedocs tune " + " ".join(PAGE.arguments(wanted.budget)))
    print(said)
    run.publish(report, wanted.record, said)


if __name__ == "__main__":
    main()
