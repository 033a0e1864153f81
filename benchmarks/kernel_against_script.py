"""Are the figures recorded in a notebook kernel those of the plain script?

**Motive.** The pages show what a kernel recorded, and invite the reader to run the script. If a kernel
made workers slower (it has threads, and more modules loaded), the pages would be wrong about scripts.

**What is measured.** The same example in turns: as a script in an empty folder, and in a kernel as
`spritedocs record` runs it. For each value that both measure: the ratio kernel / script, paired by
round, with its 95% interval.

**Caveat.** Rounds are minutes apart on a slow machine, so the intervals are wide. What would show is a
ratio whose interval leaves 1 far behind.

    python benchmarks/kernel_against_script.py [EXAMPLE] [ROUNDS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from running import PROJECT, run

from spritedocs import machine
from spritedocs.measurement import Measurement
from spritedocs.recorder import record
from spritedocs.report import Report, show


def medians(values: dict[str, Measurement]) -> dict[str, float]:
    """The median of each value."""
    return {name: value.median for name, value in values.items()}


def main(name: str = "06_optional_num_workers", rounds: str = "6") -> None:
    """Run both ways in turns, the first of them alternating, and show the ratios."""
    example, described = PROJECT.example(name), machine.describe().as_dict()
    pairs = []
    for number in range(int(rounds)):
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for way in ("script", "kernel") if number % 2 else ("kernel", "script"):
                if way == "script":
                    found[way] = medians(run(example, Path(folder)).values)
                else:
                    found[way] = medians(record(PROJECT, example, Path(folder) / "kept", described).values)
        pairs.append(found)
    ratios = [
        Measurement.of(value, [pair["kernel"][value] / pair["script"][value] for pair in pairs], "×", value)
        for value in pairs[0]["script"]
    ]
    show(Report(f"{name}: kernel / script", ["value", "ratio"], [[ratio.label, ratio] for ratio in ratios]))


if __name__ == "__main__":
    main(*sys.argv[1:])
