"""How far can the figures be trusted?

**Motive.** A 95% interval is a promise about many comparisons, so it takes many to see whether it is kept.
The same holds for the look-out for other programs, which decides whether a sample counts.

**What is measured.** Comparisons by `timing.compare` whose answer is known, with rounds planned from a
pilot of their own:

- a loader *against itself*: the interval of the ratio should hold 1 in 95 cases of 100;
- *one that is 5% slower*, by computing so much more: the whole interval should lie above 1. How much
  slower it really is, many more rounds say;
- *a load from outside*: a process that is no descendant of ours computes half of the time. A round beside
  it should be taken again; without it, not.

For loaders without helpers, with new helpers in every epoch, and with helpers that stay. Those of the two
arms are then different processes, on different cores perhaps. The slowdown is planted without helpers
only: with two of them on two cores short epochs vary so much that a plan for 5% takes many rounds.
All take turns in random order, so that a bad minute meets all. Shares have Wilson's 95% interval.

**Caveat.** It takes half an hour or more on a quiet machine with two cores or more: any other program is a
false alarm here. Epochs are short, 0.05 s without helpers, so that many comparisons fit; longer ones vary
less. Comparisons of a loader with itself are planned for ±10%, and have five seconds at most.

    python benchmarks/timing/trust.py [--quick] [--record]
"""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import Run, options

from spritedocs.report import Gap, Measurement, Report
from spritedocs.timing import Comparison, Loader, compare, dismiss, foreign_load

BATCH_SIZE, BATCHES, ITEM_S = 6, 16, 0.5e-3
SLOWDOWN, LOAD = 0.05, 0.5
KINDS = {"none": "0", "new": "2, new each epoch", "kept": "2, kept"}

TIMES = {
    "same": dict.fromkeys(KINDS, 134),
    "slower": {"none": 60},
    "loaded": dict.fromkeys(KINDS, 134),
    "quiet": dict.fromkeys(KINDS, 134),
}
"""How often each is done."""

WIDTH = {"same": 0.10, "slower": 0.03}
"""What is planned for. Whether an interval keeps its promise does not depend on its width: those of a loader
with itself may be wide, as four hundred must not take all day."""
LIMIT_S = {"same": 5.0, "slower": 30.0}
"""For one comparison."""

NEIGHBOUR = f"""
import os, select, time
computing = False
while True:
    if select.select([0], [], [], 0 if computing else None)[0]:
        told = os.read(0, 1)
        if not told:
            break
        computing = told == b"1"
    end = time.perf_counter() + {LOAD * 0.01}
    while computing and time.perf_counter() < end:
        pass
    time.sleep({(1 - LOAD) * 0.01})
"""


NOT_KNOWN = "What other programs use is known on Linux only."


class Counting(Dataset[int]):
    """Items that compute, all of them the same, and neither wait nor use memory."""

    def __init__(self, items: int, count: int) -> None:
        self.items, self.count = items, count

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> int:
        for _ in range(self.count):
            pass
        return index


def arm(kind: str, count: int, batches: int = BATCHES) -> Loader | Callable[[], Loader]:
    """A loader of that kind; for new helpers each epoch, a function that makes one."""
    helpers = 0 if kind == "none" else 2
    dataset = Counting(BATCH_SIZE * batches * max(1, helpers), count)

    def made() -> Loader:
        return DataLoader(dataset, BATCH_SIZE, num_workers=helpers, persistent_workers=kind == "kept")

    return made if kind == "new" else made()


def compared(
    kind: str,
    counts: tuple[int, int],
    rounds: int | None = None,
    *,
    width: float = 0.03,
    limit_s: float = 60,
    seed: int = 0,
) -> Comparison:
    """Two loaders of one kind, whose items count so far."""
    arms = {"first": arm(kind, counts[0]), "second": arm(kind, counts[1])}
    try:
        return compare(arms, rounds, width=width, limit_s=limit_s, seed=seed)
    finally:
        for loader in arms.values():
            dismiss(loader)


def ratio(found: Comparison) -> Measurement | Gap:
    """The second loader's time over the first one's."""
    return found.ratio("slowdown", "second", "first")


def is_disturbed(kind: str, count: int) -> bool:
    """Whether a round of two epochs, each twice as long as the others here, counts as disturbed."""
    arms = {name: arm(kind, count, 2 * BATCHES) for name in ("first", "second")}
    try:
        return bool(compare(arms, 1, warmup=False).disturbed)
    finally:
        for loader in arms.values():
            dismiss(loader)


class Neighbour:
    """A process outside our tree, which computes when it is told to, and ends with us."""

    def __init__(self) -> None:
        # The launcher ends at once, and leaves its child to the system.
        launch = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], stdout=2).pid)"
        command = [sys.executable, "-c", launch, sys.executable, "-c", NEIGHBOUR]
        self._launcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._launcher.stdin
        assert self._launcher.stdout
        self._orders = self._launcher.stdin
        with self._launcher.stdout as said:
            self._clock = ~int(said.read()) << 3 | 2  # as in spritedocs.timing.foreign_load
        self._launcher.wait()

    def compute(self, wanted: bool) -> None:
        """Compute half of the time from now on, or no longer."""
        self._orders.write(b"1" if wanted else b"0")
        self._orders.flush()
        time.sleep(0.02)

    def used(self) -> tuple[float, float]:
        """When it is, and the processor seconds that it has used so far."""
        return time.perf_counter(), time.clock_gettime(self._clock)

    def close(self) -> None:
        """End it."""
        self._orders.close()


def count_of(seconds: float) -> int:
    """How far an item counts in that time here."""
    probe, taken = Counting(1, 100_000), []
    for _ in range(20):
        begun = time.perf_counter()
        probe[0]
        taken.append(time.perf_counter() - begun)
    return round(probe.count * seconds / min(taken))


def slower(count: int, rounds: int) -> int:
    """How far the items of a slower loader count, so that its whole epoch takes 5% longer.

    Found by comparing: of an epoch, counting is a part whose size depends on what else it does.
    """
    slow = round(count * (1 + SLOWDOWN))
    for _ in range(2):
        seen = ratio(compared("none", (count, slow), rounds)).median - 1
        slow = count + round((slow - count) * SLOWDOWN / seen)
    return slow


class Job(NamedTuple):
    """One comparison, or one round."""

    what: str
    kind: str


def outcomes(
    jobs: Sequence[Job], count: int, slow: int, neighbour: Neighbour | None
) -> Iterator[tuple[Job, Any]]:
    """Do all jobs, with a line that says how far they are: what each found."""
    # Drawn between the jobs: a thread that draws would disturb them, and be copied into every helper.
    for number, job in enumerate(track(jobs, "Comparing", console=Console(stderr=True), auto_refresh=False)):
        if job.what in LIMIT_S:
            counts = (count, slow if job.what == "slower" else count)
            width, limit_s = WIDTH[job.what], LIMIT_S[job.what]
            yield job, compared(job.kind, counts, width=width, limit_s=limit_s, seed=number)
        elif neighbour:
            neighbour.compute(job.what == "loaded")
            begun_s, used_s = neighbour.used()
            disturbed = is_disturbed(job.kind, count)
            ended_s, used_then_s = neighbour.used()
            yield job, Watched(disturbed, (used_then_s - used_s) / (ended_s - begun_s))
            neighbour.compute(False)


class Watched(NamedTuple):
    """Whether a round counted as disturbed, and what the neighbour used meanwhile, in cores."""

    disturbed: bool
    load_cores: float


QUESTIONS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "same": (
        "a loader against itself: the interval holds 1",
        "93–97%",
        lambda found: ratio(found).bounds[0] <= 1 <= ratio(found).bounds[1],
    ),
    "slower": (
        "one that is 5% slower, without helpers: found",
        "≥ 90%",
        lambda found: ratio(found).bounds[0] > 1,
    ),
    "loaded": ("half a core used by others: noticed", "≥ 99%", lambda found: found.disturbed),
    "quiet": ("nothing else runs: taken for a load", "", lambda found: found.disturbed),
}
"""What each job asks, the goal, and whether the answer is yes."""


def rows(found: Mapping[Job, Sequence[Any]]) -> Iterator[list[Measurement | Gap | str]]:
    """How often the answer was yes: of all jobs of a question, and of each kind of loader."""
    for what, (question, goal, says_yes) in QUESTIONS.items():
        answers = {kind: [says_yes(each) for each in found[Job(what, kind)]] for kind in TIMES[what]}
        if len(answers) > 1:
            answers["any"] = [answer for these in answers.values() for answer in these]
        for kind, these in answers.items():
            name = f"{what}_percent_{kind}"
            cell = share(name, these) if these else Gap(name, NOT_KNOWN)
            yield [question, KINDS.get(kind, kind), cell, str(len(these)), goal]


def share(name: str, answers: Sequence[bool]) -> Measurement:
    """How often the answer was yes, in %, with Wilson's 95% interval.

    Source: E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, Journal
    of the American Statistical Association 22 (1927).
    """
    tries, z = len(answers), 1.959964
    part = sum(answers) / tries
    centre = (part + z**2 / tries / 2) / (1 + z**2 / tries)
    reach = z * math.sqrt(part * (1 - part) / tries + z**2 / tries**2 / 4) / (1 + z**2 / tries)
    interval = (100 * max(0.0, centre - reach), 100 * min(1.0, centre + reach))
    return Measurement(name, "%", 100 * part, interval, tuple(100.0 * answer for answer in answers))


def about_comparisons(found: Mapping[Job, Sequence[Any]]) -> Iterator[Measurement | Gap]:
    """How many rounds the comparisons had, how wide their intervals were, and how many were disturbed."""
    for what in LIMIT_S:
        for kind in TIMES[what]:
            done = found[Job(what, kind)]
            bounds = [ratio(each).bounds for each in done]
            widths = [math.sqrt(high / low) - 1 for low, high in bounds]
            yield Measurement.of(f"{what}_rounds_{kind}", [len(each.arms["first"]) for each in done], "")
            yield Measurement.of(f"{what}_width_percent_{kind}", [100 * width for width in widths], "%")
            name = f"{what}_disturbed_{kind}"
            known = [each.disturbed for each in done if each.disturbed is not None]
            yield Measurement.of(name, known, "") if known else Gap(name, NOT_KNOWN)


def measure(quick: bool) -> Report:
    """Do it all."""
    count = count_of(ITEM_S)
    rounds = 6 if quick else 150
    slow = slower(count, rounds)
    jobs = [
        Job(what, kind)
        for what, times in TIMES.items()
        for kind, often in times.items()
        for _ in range(2 if quick else often)
    ]
    random.Random(0).shuffle(jobs)
    neighbour = Neighbour() if foreign_load.read() else None
    found: dict[Job, list[Any]] = defaultdict(list)
    try:
        for job, result in outcomes(jobs, count, slow, neighbour):
            found[job].append(result)
    finally:
        if neighbour:
            neighbour.close()
    planted = ratio(compared("none", (count, slow), rounds))
    low, high = planted.bounds
    notes = [
        f"The loader that is 5% slower, measured by itself: {planted.median:.3f}× ({low:.3f}–{high:.3f})."
    ]
    loads = [each.load_cores for kind in KINDS for each in found[Job("loaded", kind)]]
    load = Measurement.of("load_cores", loads, "") if loads else Gap("load_cores", NOT_KNOWN)
    if isinstance(load, Measurement):
        notes.append(
            f"What the process outside our tree used of a core meanwhile: {load} ({load.interval_text}). "
            "Epochs are twice as long there: on shorter ones half a core is noticed less often."
        )
    return Report(
        title="What is promised, and how often it is kept",
        columns=["comparison", "helpers", "how often", "of", "goal"],
        rows=list(rows(found)),
        notes=notes,
        more_values=[planted, load, *about_comparisons(found)],
    )


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    parser = options(__doc__)
    parser.add_argument("--quick", action="store_true", help="two of each, to see whether it runs")
    wanted = parser.parse_args()
    run = Run(__file__)
    torch.set_num_threads(1)
    run.publish(measure(wanted.quick), wanted.record)


if __name__ == "__main__":
    main()
