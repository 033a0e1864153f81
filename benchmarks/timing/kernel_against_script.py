"""Are the figures recorded in a notebook kernel those of the plain script?

**Motive.** The pages show what a kernel recorded, and invite the reader to run the script. If a kernel
made workers slower (it has threads, and more modules loaded), or larger, the pages would be wrong about
scripts.

**What is measured.** The same examples in turns: as a script in an empty folder, and in a kernel as
`spritedocs record` runs it. For each value that both measure: the ratio kernel / script, paired by
round, with its 95% interval.

**Caveat.** Rounds are minutes apart on a slow machine, so the intervals are wide. What would show is a
ratio whose interval leaves 1 far behind.

    python benchmarks/timing/kernel_against_script.py [--rounds N] [--record] [EXAMPLE ...]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import running
from runs import PROJECT, Run, options

from spritedocs.recordings import claimed_values, record
from spritedocs.report import Measurement, Report

EXAMPLES = ("06_optional_num_workers", "07_summoning_cost", "10_memory_goblins")
"""Times with waiting items, times with cheap ones, and memory."""


def medians(values: dict[str, Measurement]) -> dict[str, float]:
    """The median of each value that a ratio can be formed of."""
    return {name: value.median for name, value in values.items() if value.median > 0}


def both_ways(name: str, kernel_first: bool, described: dict[str, object]) -> dict[str, dict[str, float]]:
    """What the example measures as a script and in a kernel, one after the other."""
    example, found = PROJECT.example(name), {}
    with tempfile.TemporaryDirectory() as folder:
        for way in ("kernel", "script") if kernel_first else ("script", "kernel"):
            if way == "script":
                found[way] = medians(running.run(example, Path(folder)).values)
            else:
                found[way] = medians(record(PROJECT, example, Path(folder) / "kept", described).values)
    return found


def ratios(name: str, rounds: list[dict[str, dict[str, float]]]) -> Iterator[list[Measurement | str]]:
    """A row for each value that every run of the example measured."""
    number = name.partition("_")[0]
    for value in rounds[0]["script"]:
        if all(value in way for found in rounds for way in found.values()):
            samples = [found["kernel"][value] / found["script"][value] for found in rounds]
            yield [number, value, Measurement.of(f"{value}_of_{number}", samples, "×")]


def measure(examples: Sequence[str], rounds: int, described: dict[str, object]) -> Report:
    """Run all ``examples`` both ways in turns."""
    found = {name: [] for name in examples}
    for number in range(rounds):
        for name, done in found.items():
            done.append(both_ways(name, bool(number % 2), described))
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
    rows = [row for name, done in found.items() for row in ratios(name, done)]
    claimed = {name for example in found for name in claimed_values(PROJECT.example(example))}
    return Report(
        title="Recorded in a kernel / run as a script",
        columns=["example", "value", "ratio"],
        rows=[row for row in rows if row[1] in claimed],
        notes=[f"These are the values that claims are about, of {len(rows)} that were compared."],
        more_values=[ratio for _, value, ratio in rows if value not in claimed],
    )


def main() -> None:
    """Measure, show the ratios, and store them if asked to."""
    parser = options(__doc__, rounds=6)
    parser.add_argument("examples", nargs="*", default=EXAMPLES)
    wanted = parser.parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.examples, wanted.rounds, run.machine.as_dict()), wanted.record)


if __name__ == "__main__":
    main()
