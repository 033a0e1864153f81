"""What does tracing an epoch cost?

**Motive.** `spritedocs.timeline` wraps the dataset and the collate function, sends four numbers along
with each batch and reads a clock a few times per batch. A picture of an epoch that tracing had slowed
down would be one of tracing. Our aim: less than 2% of an epoch.

**What is measured.** Training epochs over sprites from PNG files, with a small model that is really
trained, on one thread: in a plain loop and traced, in turns and in random order, without helpers and
with two. The cost is the ratio traced / plain, paired by round, with its 95% interval, less one. The
same again with batches of next to no work, which leaves the cost itself, in microseconds a batch.

**Caveat.** Without a GPU. With one, three CUDA events are recorded per batch, and read after the epoch.
With helpers, epochs vary by far more than tracing costs, as everybody shares the cores: it takes many
rounds on a quiet machine, some three minutes, for an interval that says something.

    python benchmarks/tracing_overhead.py [--rounds N] [--record]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs import machine
from spritedocs.datasets import SpriteFolder
from spritedocs.epochs import dismiss
from spritedocs.examples import Project
from spritedocs.measurement import Measurement
from spritedocs.provenance import Provenance
from spritedocs.recorder import store_report
from spritedocs.report import Report, show
from spritedocs.sprites import FAMILIES, write_png_folder
from spritedocs.timeline import trace_epoch, traced

PROJECT = Project(Path(__file__).parents[1])
SPRITES, BATCH_SIZE, SIDE = 512, 32, 32
EMPTY_BATCHES = 250
ROUNDS = 120


class Bare(Dataset[int]):
    """Items that cost nothing, so that what is left is the loader, and tracing."""

    def __len__(self) -> int:
        return EMPTY_BATCHES

    def __getitem__(self, index: int) -> int:
        return index


class Training:
    """A small convolutional network and a step that trains it."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # several would contend with the helpers, each time differently
        self.model = torch.nn.Sequential(
            torch.nn.Conv2d(4, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(4),
            torch.nn.Conv2d(16, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(32, len(FAMILIES)),
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def copy(self, batch: Any) -> Any:
        """The batch as the model wants it."""
        images, labels = batch
        return images.float() / 255, labels

    def compute(self, batch: Any) -> None:
        """One step of training."""
        images, labels = batch
        self.optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self.model(images), labels).backward()
        self.optimizer.step()


class Nothing:
    """A step without work."""

    def copy(self, batch: Any) -> Any:
        """The batch as it is."""
        return batch

    def compute(self, batch: Any) -> None:
        """No training."""


def plain_epoch(loader: DataLoader[Any], step: Training | Nothing) -> float:
    """Seconds of an epoch in the loop that everybody writes."""
    begun = time.perf_counter()
    for batch in loader:
        step.compute(step.copy(batch))
    return time.perf_counter() - begun


def traced_epoch(loader: DataLoader[Any], step: Training | Nothing) -> float:
    """Seconds of the same epoch, traced; by the outer clock, so that all of tracing counts."""
    begun = time.perf_counter()
    trace_epoch(loader, step.compute, copy=step.copy)
    return time.perf_counter() - begun


def pairs(loader: DataLoader[Any], step: Training | Nothing, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a plain and a traced epoch for each round, after a first that is thrown away.

    Workers stay, so that their start, which varies by more than what is looked for, is no part of it.
    """
    arms: dict[Callable[..., float], DataLoader[Any]] = {plain_epoch: loader, traced_epoch: traced(loader)}
    found = []
    for _ in range(rounds + 1):
        order = random.sample(list(arms), 2)
        seconds = {run: run(arms[run], step) for run in order}
        found.append((seconds[plain_epoch], seconds[traced_epoch]))
    for arm in arms.values():
        dismiss(arm)
    return found[1:]


def added(name: str, found: list[tuple[float, float]], plain: float, unit: str) -> Measurement:
    """What tracing adds where a plain epoch takes ``plain`` of ``unit``, by the paired ratios.

    The ratios have the interval; those of the differences, which may be below 0, would have none.
    """
    ratio = Measurement.of(name, [traced / plain for plain, traced in found], "×")
    low, high = ((bound - 1) * plain for bound in ratio.bounds)
    samples = tuple((sample - 1) * plain for sample in ratio.samples)
    return Measurement(name, unit, (ratio.median - 1) * plain, (low, high), samples)


def rows(folder: Path, rounds: int) -> Iterator[list[Measurement | str]]:
    """For each kind of epoch and number of helpers what a batch takes, and what tracing adds."""
    for work, dataset, size, step in (
        ("training", SpriteFolder(folder), BATCH_SIZE, Training()),
        ("empty", Bare(), 1, Nothing()),
    ):
        for workers in (0, 2):
            loader = DataLoader(
                dataset, size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
            )
            found = pairs(loader, step, rounds)
            name = f"{work}_{workers}"
            seconds = [plain / len(loader) for plain, _ in found]
            if work == "training":
                batch = Measurement.of(f"batch_ms_{name}", [s * 1e3 for s in seconds], "ms")
                share: Measurement | str = added(f"overhead_percent_{name}", found, 100, "%")
            else:
                batch = Measurement.of(f"batch_us_{name}", [s * 1e6 for s in seconds], "µs")
                share = ""
            cost = added(f"overhead_us_per_batch_{name}", found, statistics.median(seconds) * 1e6, "µs")
            yield [work, str(workers), batch, share, cost]


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--record", action="store_true", help="store the result for publication")
    wanted = parser.parse_args()
    described = machine.describe()
    provenance = Provenance.of(PROJECT, PROJECT.benchmark(Path(__file__).stem))
    with tempfile.TemporaryDirectory() as folder:
        table = list(rows(write_png_folder(Path(folder) / "sprites", SPRITES, SIDE), wanted.rounds))
    report = Report(
        title="What tracing an epoch costs",
        columns=["epoch", "helpers", "a batch, plain", "tracing adds", "to each batch"],
        rows=table,
        notes=[
            f"Training: {BATCH_SIZE} sprites a batch, from PNG files. Empty: batches of one number, "
            "and a step that does nothing, which leaves the cost of tracing.",
            f"{wanted.rounds} pairs of epochs each, in random order. "
            "The aim: at most 2% of an epoch of training.",
        ],
    )
    show(report)
    if wanted.record:
        where = PROJECT.benchmarked / machine.slug(described)
        command = f"python benchmarks/{Path(__file__).name}"
        print(store_report(where, report, provenance, described.as_dict(), command).path)


if __name__ == "__main__":
    main()
