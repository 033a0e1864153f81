"""How long does `spritedocs tune` take where an epoch takes 10 s and more, beside a brute-force search?

**Motive.** In the suite epochs last tenths of a second, so that brute force is cheap. Nobody has such epochs.
The tuner loads parts of an epoch, so its time should not grow with it.

**What is measured.** Two workloads of the suite, with so many more items that an epoch without helpers takes
over 10 s. For each: `spritedocs.tune` as a user calls it; then one epoch of each cell of the suite's grid,
in turns; then, by new loaders in turns, the throughput of its pick over that of the grid's fastest cell,
paired by round. The suite's own brute force takes five such rounds: its time here is five times that of
the one that was measured.

**Caveat.** One round chooses the fastest cell, so that the tuner's pick may beat it by luck alone.

    python benchmarks/tuning/long_epochs.py [--rounds N] [--record]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import Run, options
from tune_suite import EVERY, ROUNDS, brute_force, loaders, tuned
from tune_workloads import SHUFFLING, Workload, prepared

from spritedocs.report import Measurement, Report
from spritedocs.timing import compare

ITEMS = {"wait": 5_000, "python-gpu-step": 10_000}
"""How many each has here."""
FINAL_ROUNDS = 6


def prolonged(name: str, items: int) -> Workload:
    """That workload with so many items."""
    workload = EVERY[name]
    return replace(workload, kind=workload.kind._replace(items=items))


def row(name: str, items: int, rounds: int) -> list[Any]:
    """What is measured of one of them."""
    workload, key = prolonged(name, items), name.replace("-", "_")
    with prepared(workload) as dataset:
        pick = tuned(workload, dataset)
        grid = brute_force(workload, dataset, rounds=1)
        cells = [grid.best, pick.settings or grid.best]
        with loaders(workload, dataset, dict.fromkeys(cells), SHUFFLING + 1) as arms:
            found = compare(arms, rounds, step=workload.step)
    best, picked = map(str, cells)
    score = (
        Measurement.of(f"score_{key}", [1.0], "×")
        if best == picked
        else found.ratio(f"score_{key}", best, picked)
    )
    return [
        name,
        Measurement.of(f"epoch_s_{key}", list(grid.totals[workload.present]), "s"),
        Measurement.of(f"tune_s_{key}", [pick.seconds], "s"),
        Measurement.of(f"time_percent_{key}", [100 * pick.seconds / (ROUNDS * grid.seconds_single)], "%"),
        score,
        pick.says,
    ]


def measure(rounds: int) -> Report:
    """Do it all."""
    return Report(
        title="Tuning where epochs are long",
        columns=[
            "workload",
            "an epoch, before",
            "tuning",
            "of brute force",
            "pick, of the best",
            "diagnosis",
        ],
        rows=[row(name, items, rounds) for name, items in ITEMS.items()],
        notes=[f"Brute force is {ROUNDS} epochs of each cell; one was timed. {rounds} pairs rate the pick."],
    )


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    wanted = options(__doc__, FINAL_ROUNDS).parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.rounds), wanted.record)


if __name__ == "__main__":
    main()
