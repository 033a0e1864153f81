"""How good are the settings that `spritedocs tune` recommends?

**Motive.** A tuner that is not measured is an opinion. This one has to find settings whose throughput is
at least 97% of the best there is, on at least 95% of the workloads and never below 90%; in at most a
tenth of the time of a brute-force search; and to name what holds loading up.

**What is measured.** The workloads of `tune_workloads.py`, each with a bottleneck that was planted. For
each: a brute-force grid, 0 to 8 workers × `prefetch_factor` 2, 4 and 8, workers persistent; all cells in
turns, in random order, for six rounds, which choose the best cell. Then the contestants choose:
`spritedocs.tune` as a user calls it, and the rules and searches of others. Last, new loaders of the best
cell, the present settings and all picks, in turns: throughput of the pick over that of the best, paired
by round, with its 95% interval. These epochs chose nobody, so that luck does not rate what luck chose.

**Caveat.** Epochs last tenths of a second, so that all of it fits into an hour or so, and differ by
some per cent from one to the next. A pick just as good as the best scores below 97% now and then, so the
tables also say how many are *surely* below. And the cell that six rounds choose is not always the very
best: a score may be above 100%. Short epochs also make brute force cheap: in a real training its time
grows with the epoch, the tuner's does not. Everything is one machine's, and workloads and tuner were made
by the same people.

    python benchmarks/tune_suite.py [--record] [--only NAME …] [--quick] [--without-rivals]
                                    [--keep-grid FILE | --grid-from FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset
from tune_rivals import (
    MOST_WORKERS,
    by_counting_up,
    by_rule,
    by_single_grid,
    with_workers,
)
from tune_scores import TUNE, Grid, Outcome, Pick
from tune_tables import of_contestants, of_workloads
from tune_workloads import WORKLOADS, Workload, loader, prepared

from spritedocs import machine
from spritedocs.epochs import dismiss, time_epoch
from spritedocs.examples import Project
from spritedocs.measurement import Measurement
from spritedocs.model import Settings
from spritedocs.provenance import Provenance
from spritedocs.recorder import store_report
from spritedocs.report import Report, show
from spritedocs.timing import compare
from spritedocs.tuning.tuner import tune

PROJECT = Project(Path(__file__).parents[1])
COUNTS, PREFETCH = (1, 2, 3, 4, 6, 8), (2, 4, 8)
ROUNDS = 6
COMPARISON_S = 12.0
QUICK = ("wait", "compute", "short-epoch-tiny", "tiny-tensors")
QUICK_ROUNDS, QUICK_COMPARISON_S = 2, 4.0


def cells(workload: Workload) -> list[Settings]:
    """The grid, as far as it fits into the memory limit."""
    most = workload.most_workers or MOST_WORKERS
    return [Settings(), *(Settings(n, ahead, True) for n in COUNTS if n <= most for ahead in PREFETCH)]


@contextmanager
def loaders(
    workload: Workload, dataset: Dataset[Any], settings: Iterable[Settings]
) -> Iterator[dict[str, DataLoader[Any]]]:
    """A loader for each of the settings, by their text; their workers are gone afterwards."""
    made = {str(each): loader(workload, dataset, each) for each in settings}
    try:
        yield made
    finally:
        for each in made.values():
            dismiss(each)


def brute_force(workload: Workload, dataset: Dataset[Any], rounds: int) -> Grid:
    """Time epochs of every cell in turns."""
    tried = cells(workload)
    begun = time.perf_counter()
    with loaders(workload, dataset, tried) as arms:
        result = compare(arms, rounds, step=workload.step)
    seconds = time.perf_counter() - begun
    return Grid(
        totals={cell: [epoch.total_s for epoch in result.arms[str(cell)]] for cell in tried},
        seconds=seconds * (rounds + 1) / (rounds + 1 + result.retaken),
    )


def tuned(workload: Workload, dataset: Dataset[Any]) -> Pick:
    """What ``spritedocs.tune`` says, called as a user does."""
    begun = time.perf_counter()
    try:
        if workload.present == Settings() and workload.collate is None:
            result = tune(
                dataset,
                batch_size=workload.batch_size,
                step=workload.step,
                memory_limit_mb=workload.memory_limit_mb,
            )
        else:
            target = loader(workload, dataset, workload.present)
            result = tune(target, step=workload.step, memory_limit_mb=workload.memory_limit_mb)
    except Exception as error:  # noqa: BLE001 - a row of the table says so
        return Pick(None, time.perf_counter() - begun, f"{type(error).__name__}: {error}")
    return Pick(Settings(**result.recommended), time.perf_counter() - begun, result.diagnosis)


def rivals(workload: Workload, dataset: Dataset[Any], grid: Grid) -> dict[str, Pick]:
    """What the others choose. An epoch that starts the workers goes before each one that is timed."""

    def epoch_s(count: int, step: Callable[[Any], object] | None) -> float:
        with loaders(workload, dataset, [with_workers(count)]) as made:
            (tried,) = made.values()
            return [time_epoch(tried, step).total_s for _ in range(2)][1]

    def with_step(count: int) -> float:
        return epoch_s(count, workload.step)

    def loading_only(count: int) -> float:
        return epoch_s(count, None)

    return {
        **by_rule(),
        "until_slower": by_counting_up(with_step, MOST_WORKERS, patience=0),
        "num_workers_search": by_counting_up(loading_only, os.cpu_count() or 1, patience=3),
        "single_grid": by_single_grid(grid),
    }


def against_best(
    workload: Workload, dataset: Dataset[Any], settings: Iterable[Settings], best: Settings, limit_s: float
) -> tuple[dict[Settings, Measurement], int | None]:
    """Throughput with each of ``settings`` over that with ``best``, all in turns, by new loaders.

    And in how many of the rounds other programs computed.
    """
    most = workload.most_workers or sys.maxsize
    tried = [each for each in dict.fromkeys([best, *settings]) if each.num_workers <= most]
    with loaders(workload, dataset, tried) as arms:
        result = compare(arms, step=workload.step, limit_s=limit_s)
    # Seconds of the best over seconds of each: its throughput over that of the best.
    return {each: result.ratio(str(best), str(each), name="score") for each in tried}, result.disturbed


def outcome(workload: Workload, grid: Grid | None, rounds: int, limit_s: float, with_rivals: bool) -> Outcome:
    """Everything about one workload. A ``grid`` that is given is not measured again."""
    with prepared(workload) as dataset:
        grid = grid or brute_force(workload, dataset, rounds)
        picks = {TUNE: tuned(workload, dataset)}
        if with_rivals:
            picks |= rivals(workload, dataset, grid)
        chosen = [pick.settings for pick in picks.values() if pick.settings is not None]
        ratios, disturbed = against_best(workload, dataset, [workload.present, *chosen], grid.best, limit_s)
    return Outcome(
        name=workload.name,
        planted=workload.planted,
        present=workload.present,
        grid=grid,
        picks=picks,
        ratios=ratios,
        most_workers=workload.most_workers,
        disturbed=disturbed,
    )


def outcomes(
    names: list[str], known: Mapping[str, Any], rounds: int, limit_s: float, with_rivals: bool
) -> Iterator[Outcome]:
    """One after the other, with a line on standard error for each."""
    begun = time.monotonic()
    for done, name in enumerate(names):
        left_s = (time.monotonic() - begun) / done * (len(names) - done) if done else 0.0
        left = f", about {left_s / 60:.0f} min left" if done else ""
        print(f"{done + 1}/{len(names)} {name}{left}", file=sys.stderr, flush=True)
        grid = Grid.from_json(known[name]) if name in known else None
        yield outcome(WORKLOADS[name], grid, rounds, limit_s, with_rivals)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="store the results for publication")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(WORKLOADS), metavar="NAME", help="these workloads"
    )
    parser.add_argument("--quick", action="store_true", help="four workloads, two rounds: a look")
    parser.add_argument("--without-rivals", action="store_true", help="the tuner alone")
    parser.add_argument("--keep-grid", type=Path, metavar="FILE", help="keep the brute-force epochs in FILE")
    parser.add_argument("--grid-from", type=Path, metavar="FILE", help="take them from FILE, measure none")
    wanted = parser.parse_args()
    if wanted.record and (wanted.only or wanted.quick or wanted.without_rivals or wanted.grid_from):
        parser.error("--record publishes one whole run: leave out what shortens it")
    return wanted


def main() -> None:
    """Measure, show the tables, and store them if asked to."""
    wanted = arguments()
    described = machine.describe()
    # Two reports are two recordings: the contestants' and, under its own name, the workloads'.
    recorded = ("tune_suite", "tune_workloads")
    begun = {name: Provenance.of(PROJECT, PROJECT.benchmark(name)) for name in recorded}
    names = wanted.only or (list(QUICK) if wanted.quick else list(WORKLOADS))
    known = json.loads(wanted.grid_from.read_text()) if wanted.grid_from else {}
    rounds, limit_s = (QUICK_ROUNDS, QUICK_COMPARISON_S) if wanted.quick else (ROUNDS, COMPARISON_S)
    found: list[Outcome] = []
    try:
        for each in outcomes(names, known, rounds, limit_s, not wanted.without_rivals):
            found.append(each)
    finally:
        if wanted.keep_grid and found:
            stored = {each.name: each.grid.as_json() for each in found}
            wanted.keep_grid.write_text(json.dumps(stored))
    reports: dict[str, Report] = {"tune_suite": of_contestants(found), "tune_workloads": of_workloads(found)}
    for name, report in reports.items():
        show(report)
        if wanted.record:
            where = PROJECT.benchmarked / machine.slug(described)
            command = "python benchmarks/tune_suite.py --record"
            print(store_report(where, report, begun[name], described.as_dict(), command).path)


if __name__ == "__main__":
    main()
