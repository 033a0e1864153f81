"""How good are the settings that `spritedocs tune` recommends?

**Motive.** A tuner that is not measured is an opinion. This one has to find settings whose throughput is
at least 97% of the best there is, on at least 95% of the workloads and never below 90%; in at most a
tenth of the time of a brute-force search; and to name what holds loading up.

**What is measured.** The workloads of `tune_workloads.py`, each with a bottleneck that was planted, and
those of `suite/held_out.py`, which were drawn from a seed: the tuner was developed without them. For
each: a brute-force grid, 0 to 8 workers × `prefetch_factor` 2, 4 and 8, workers persistent; all cells in
turns, in random order, for five rounds, which choose the best cell. Then the contestants choose:
`spritedocs.tune` as a user calls it, and the rules and searches of others. Last, new loaders of the best
cell, the present settings and all picks, in turns, for 20 rounds: throughput of the pick over that of the
best, paired by round, with its 95% interval. These epochs chose nobody, so that luck does not rate what luck
chose; and the best takes part a second time, as if somebody had picked it. Map-style data are shuffled, in
the same orders for every loader. What fails is a row that says so, and counts as no pick.

**Caveat.** Epochs last tenths of a second, so that all of it fits into an hour and a half, and differ by
some per cent from one to the next. A pick just as good as the best scores below 97% now and then: how often
is what the second loader of the best shows, and the tables also say how many are *surely* below. And the
cell that five rounds choose is not always the very best: a score may be above 100%. Short epochs also make
brute force cheap: in a real training its time grows with the epoch, the tuner's does not. Everything is one
machine's. Workloads and tuner were made by the same people, and the thresholds of its diagnosis were
developed on the workloads that are not held out; these are of the same kinds, with other costs.

    python benchmarks/tuning/tune_suite.py [--record] [--only NAME …] [--quick] [--without-rivals]
                                           [--minutes M] [--keep FILE | --resume FILE]

`--keep` writes the outcomes to a file after each workload, and `--resume` goes on with a run that was ended,
on the same machine, with the same code. The file of a run that is not over is committed beside this one.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import Run, options
from suite.failures import attempted, noted
from suite.held_out import held_out
from suite.kept import Kept, KeptError, code_sha256
from suite.rivals import (
    MOST_WORKERS,
    by_counting_up,
    by_random,
    by_rule,
    by_single_grid,
    with_workers,
)
from suite.scores import AGAIN, TUNE, Grid, Outcome, Pick
from suite.tables import of_contestants, of_workloads
from tune_workloads import SHUFFLING, WORKLOADS, Workload, loader, prepared

from spritedocs.model import Settings
from spritedocs.report import Measurement
from spritedocs.timing import compare, dismiss, time_epoch
from spritedocs.tuning import tune

COUNTS, PREFETCH = (1, 2, 3, 4, 6, 8), (2, 4, 8)
ROUNDS, QUICK_ROUNDS, FINAL_ROUNDS = 5, 2, 20
QUICK = ("wait", "compute", "short-epoch-tiny", "tiny-tensors")
ORDER_SEED = 20261127
NO_GRID = Pick(None, says="there is no grid")
EVERY = WORKLOADS | {workload.name: workload for workload in held_out()}
RECORDED = ("tune_suite", "tune_workloads")
"""Two reports are two recordings: the contestants' and, under its own name, the workloads'."""


def cells(workload: Workload) -> list[Settings]:
    """The grid, as far as it fits into the memory limit."""
    most = workload.most_workers or MOST_WORKERS
    return [Settings(), *(Settings(n, ahead, True) for n in COUNTS if n <= most for ahead in PREFETCH)]


@contextmanager
def loaders(
    workload: Workload, dataset: Dataset[Any], settings: Iterable[Settings], seed: int = SHUFFLING
) -> Iterator[dict[str, DataLoader[Any]]]:
    """A loader for each of the settings, by their text; their workers are gone afterwards."""
    made = {str(each): loader(workload, dataset, each, seed) for each in settings}
    with ExitStack() as stack:
        for each in made.values():
            stack.callback(dismiss, each)
        yield made


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
    return Pick(Settings(**result.recommended), time.perf_counter() - begun, result.diagnosis)


def rivals(workload: Workload, dataset: Dataset[Any], grid: Grid | None, limit_s: float) -> dict[str, Pick]:
    """What the others choose. An epoch that starts the workers goes before each one that is timed.

    ``limit_s`` is how long the tuner took: random search is given as long.
    """

    def epoch_s(count: int, step: Callable[[Any], object] | None) -> float:
        with loaders(workload, dataset, [with_workers(count)]) as made:
            (tried,) = made.values()
            return [time_epoch(tried, step).total_s for _ in range(2)][1]

    def with_step(count: int) -> float:
        return epoch_s(count, workload.step)

    def loading_only(count: int) -> float:
        return epoch_s(count, None)

    cores = os.cpu_count() or 1
    return {
        **by_rule(),
        "until_slower": attempted(lambda: by_counting_up(with_step, MOST_WORKERS, patience=0)),
        "num_workers_search": attempted(lambda: by_counting_up(loading_only, cores, patience=3)),
        "single_grid": by_single_grid(grid) if grid else NO_GRID,
        "random_search": by_random(grid, limit_s) if grid else NO_GRID,
    }


class Rating(NamedTuple):
    """Throughputs over that of the best, by new loaders."""

    ratios: Mapping[Settings, Measurement]
    again: Measurement | None
    """That of a second loader with the best's settings."""
    disturbed: int | None
    """In how many of the rounds other programs computed."""


def against_best(
    workload: Workload, dataset: Dataset[Any], settings: Iterable[Settings], best: Settings
) -> Rating:
    """Throughput with each of ``settings`` over that with ``best``, and with that again, all in turns."""
    most = workload.most_workers or sys.maxsize
    tried = [each for each in dict.fromkeys([best, *settings]) if each.num_workers <= most]
    # Other orders than those of the grid, which have chosen the best.
    order = SHUFFLING + 1
    with (
        loaders(workload, dataset, tried, order) as arms,
        loaders(workload, dataset, [best], order) as second,
    ):
        result = compare({**arms, AGAIN: second[str(best)]}, FINAL_ROUNDS, step=workload.step)
    # Seconds of the best over seconds of each: its throughput over that of the best.
    ratios = {each: result.ratio("score", str(best), str(each)) for each in tried}
    return Rating(ratios, result.ratio("score", str(best), AGAIN), result.disturbed)


def outcome(workload: Workload, rounds: int, with_rivals: bool) -> Outcome:
    """Everything about one workload. It raises nothing: what fails is said."""
    failures: list[str] = []
    grid: Grid | None = None
    picks: dict[str, Pick] = {}
    rating = Rating({}, None, None)
    with noted(failures, "the data set"), prepared(workload) as dataset:
        with noted(failures, "the grid"):
            grid = brute_force(workload, dataset, rounds)
        picks[TUNE] = attempted(lambda: tuned(workload, dataset))
        if with_rivals:
            picks |= rivals(workload, dataset, grid, picks[TUNE].seconds)
        chosen = [pick.settings for pick in picks.values() if pick.settings is not None]
        if grid:
            with noted(failures, "the final comparison"):
                rating = against_best(workload, dataset, [workload.present, *chosen], grid.best)
            picks[AGAIN] = Pick(grid.best, grid.seconds)
    failures += [f"{name}: {pick.says}" for name, pick in picks.items() if pick.settings is None]
    return Outcome(
        name=workload.name,
        planted=workload.planted,
        present=workload.present,
        grid=grid,
        picks=picks,
        ratios=rating.ratios,
        again=rating.again,
        most_workers=workload.most_workers,
        disturbed=rating.disturbed,
        held_out=workload.held_out,
        failures=tuple(failures),
    )


def measure(
    names: list[str], kept: Kept, rounds: int, with_rivals: bool, limit_s: float = math.inf
) -> list[Outcome]:
    """The outcomes of these, one after the other, with a line on standard error for each.

    Those that are ``kept`` from before are not measured again, whatever they say. None is begun after
    ``limit_s`` seconds: as the order is random, those that are done then are a fair choice.
    """
    missing = [name for name in names if name not in kept.outcomes]
    random.Random(ORDER_SEED).shuffle(missing)
    begun = time.monotonic()
    for done, name in enumerate(missing):
        if time.monotonic() - begun > limit_s:
            break
        left_s = (time.monotonic() - begun) / done * (len(missing) - done) if done else 0.0
        left = f", about {left_s / 60:.0f} min left" if done else ""
        print(f"{done + 1}/{len(missing)} {name}{left}", file=sys.stderr, flush=True)
        started = time.monotonic()
        seen = outcome(EVERY[name], rounds, with_rivals)
        for failure in seen.failures:
            print(f"  {failure}", file=sys.stderr, flush=True)
        kept.add(seen, time.monotonic() - started)
    return [kept.outcomes[name] for name in names if name in kept.outcomes]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(EVERY), metavar="NAME", help="these workloads")
    parser.add_argument("--quick", action="store_true", help="four workloads, a grid of two rounds: a look")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no workload after these")
    parser.add_argument("--without-rivals", action="store_true", help="the tuner alone")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--keep", type=Path, metavar="FILE", help="keep the outcomes in FILE, a new one")
    files.add_argument("--resume", type=Path, metavar="FILE", help="go on with the run that FILE keeps")
    wanted = parser.parse_args()
    if wanted.record and (wanted.only or wanted.quick or wanted.without_rivals):
        parser.error("--record publishes one whole run: leave out what shortens it")
    if wanted.record and not (wanted.keep or wanted.resume):
        # It takes more than an hour, which somebody may end.
        wanted.keep = Path(tempfile.gettempdir(), f"tune-suite-{os.getpid()}.json")
        print(f"Go on with this by --resume {wanted.keep}", file=sys.stderr)
    return wanted


def main() -> None:
    """Measure, show the tables, and store them if asked to."""
    wanted = arguments()
    run = Run(__file__, *RECORDED)
    names = wanted.only or (list(QUICK) if wanted.quick else list(EVERY))
    rounds, with_rivals = QUICK_ROUNDS if wanted.quick else ROUNDS, not wanted.without_rivals
    suite = run.begun["tune_suite"]
    same = {
        "code": code_sha256(suite),
        "machine": run.machine.as_dict(),
        "rounds": rounds,
        "with_rivals": with_rivals,
    }
    begin = Kept.resumed if wanted.resume else Kept.begun
    try:
        kept = begin(wanted.resume or wanted.keep, same, suite)
    except KeptError as error:
        sys.exit(str(error))
    found = measure(names, kept, rounds, with_rivals, 60 * wanted.minutes)
    reports = [of_contestants(found, kept.parts, len(names)), of_workloads(found)]
    run.publish(reports, wanted.record, as_begun=kept.provenance)


if __name__ == "__main__":
    main()
