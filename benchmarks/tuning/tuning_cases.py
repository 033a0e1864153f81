"""Is the advice of `spritedocs tune` right for loaders that people asked about in public?

**Motive.** A tuner is easily right on plain datasets. Here are fifteen loaders, most of them after public
reports: caches, streams, subclasses, samplers that sort. `tune` was once wrong on each.

**What is measured.** First the command itself, once a loader. Then a plain loop over the same loader, in
turns with the settings it came with and with those that were recommended: an epoch, or 9 s of it from the
first batch on. Gain and plain loop should say the same.

**Caveat.** Items wait instead of computing, so that more workers than cores may help.

    python benchmarks/tuning/tuning_cases.py [--rounds N] [--budget SECONDS] [--record]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch.multiprocessing
from answers import answer, value
from runs import Run, options
from targets import public_cases

from spritedocs.report import Gap, Measurement, Report
from spritedocs.timing import dismiss, race

BUDGET_S = 60.0
ROUNDS = 6
LOOP_S = 9.0
"""Long enough for a whole epoch of each loader that needs a while before its first item."""
CASES = {
    "cached_tiles": "512 items remembered of 50,000",
    "shuffled_lines": "a stream that each worker delivers whole",
    "prepared": "a loader that wraps another",
    "to_device": "a subclass that moves each batch",
    "endless_stream": "a stream of unknown length",
    "lists_first": "a stream that lists files for 1 s",
    "buffered": "a shuffle buffer of 1,000",
    "workers_only": "a file opened by `worker_init_fn`",
    "detection": "pictures, then labels",
    "dataclass_batches": "a batch that is a dataclass",
    "bucketed": "a sampler that sorts for 1.5 s",
    "rarely_slow": "one item in 97 is slow",
    "nested": "a dataset that starts workers",
    "own_context": "a context of the loader's own",
    "shared_by_files": "batches handed over as files",
}
"""The functions of ``targets/public_cases.py``, and what each is."""


def batches_per_s(loader: Iterable[Any]) -> float:
    """Of an epoch; if it takes longer than ``LOOP_S`` after its first batch, of that time."""
    begun = time.perf_counter()
    batches = iter(loader)
    next(batches)
    first, count = time.perf_counter(), 1
    for _ in batches:
        count += 1
        if time.perf_counter() > first + LOOP_S:
            return (count - 1) / (time.perf_counter() - first)
    return count / (time.perf_counter() - begun)


def settings_of(present: dict[str, Any]) -> dict[str, Any]:
    """The arguments for ``DataLoader``: it takes the others with workers only."""
    return present if present["num_workers"] else {"num_workers": 0}


def in_a_plain_loop(case: str, found: dict[str, Any], rounds: int) -> Measurement | Gap:
    """The throughput with the recommended settings over that with the present ones.

    A first round is thrown away: in it workers that stay are started.
    """
    settings = {"present": settings_of(found["present"]), "recommended": found["recommended"]}
    strategy = torch.multiprocessing.get_sharing_strategy()
    loaders = {name: getattr(public_cases, case)(**each) for name, each in settings.items()}
    try:
        arms = {name: partial(batches_per_s, loader) for name, loader in loaders.items()}
        return race(arms, rounds).ratio(f"loop_{case}", "recommended", "present")
    finally:
        for loader in loaders.values():
            dismiss(loader)
        torch.multiprocessing.set_sharing_strategy(strategy)


def row(case: str, budget_s: float, rounds: int) -> list[Measurement | Gap | str]:
    """What is said of one loader, and what a loop shows."""
    target = f"benchmarks/tuning/targets/public_cases.py:{case}"
    found, seconds = answer(target, "--budget", f"{budget_s:g}")
    took = Measurement.of(f"seconds_{case}", [seconds], "s")
    if isinstance(found, str):
        return [CASES[case], f"none: {found}", "", "", "", took]
    gain = value(f"gain_{case}", found["gain"], found["gain_interval"], "×")
    same = found["recommended"] == settings_of(found["present"])
    loop = "the same settings" if same else in_a_plain_loop(case, found, rounds)
    return [CASES[case], found["line"], gain, loop, found["diagnosis"], took]


def kept(rows: list[list[Measurement | Gap | str]]) -> Iterator[list[Measurement | Gap | str]]:
    """How much of its promises the plain loops show: the least and the most."""
    pairs = [(promised, shown) for _, _, promised, shown, *_ in rows]
    shares = [
        100 * shown.median / promised.median
        for promised, shown in pairs
        if isinstance(promised, Measurement) and isinstance(shown, Measurement)
    ]
    for name, choose in (("least", min), ("most", max)):
        share = Measurement.of(f"{name}_kept", [choose(shares)], "%")
        yield [f"{name} of a promise that a loop shows", "", "", share, "", ""]


def measure(budget_s: float, rounds: int) -> Report:
    """Do it all."""
    rows = [row(case, budget_s, rounds) for case in CASES]
    return Report(
        title="The tuner's advice for loaders that people asked about",
        columns=["loader", "line to copy", "gain, as promised", "in a plain loop", "diagnosis", "took"],
        rows=[*rows, *kept(rows)],
        notes=[f"Each with a budget of {budget_s:g} s. {rounds} pairs of loops rate a change of settings."],
    )


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    parser = options(__doc__, ROUNDS)
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for each loader")
    wanted = parser.parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.budget, wanted.rounds), wanted.record)


if __name__ == "__main__":
    main()
