"""What does tracing an epoch cost?

**Motive.** `spritedocs.timeline.epoch` wraps the dataset and the collate function, sends four numbers along
with each batch and reads a clock a few times per batch. A picture of an epoch that tracing had slowed
down would be one of tracing. Our aim: less than 2% of an epoch.

**What is measured.** Training epochs over sprites from PNG files, with a small model that is really
trained, on one thread: in a plain loop and traced, in turns and in random order, without helpers and
with two. The cost is the ratio traced / plain, paired by round, with its 95% interval, less one. The
same again with batches of next to no work, which leaves the cost itself, in microseconds a batch.

With a GPU also an epoch that trains there, without helpers: three CUDA events are recorded per batch,
and read after the epoch, before and after which host and device are put on one clock.

**Caveat.** With helpers, epochs vary by far more than tracing costs, as everybody shares the cores: it
takes many rounds on a quiet machine, some three minutes, for an interval that says something.

    python benchmarks/timing/tracing_overhead.py [--rounds N] [--record]
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import Run, options

from spritedocs.datasets import SpriteFolder
from spritedocs.report import Gap, Measurement, Report
from spritedocs.sprites import FAMILIES, write_png_folder
from spritedocs.timeline import trace_epoch, traced
from spritedocs.timing import dismiss

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
    """A small convolutional network on ``device``, and a step that trains it."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
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
        ).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def copy(self, batch: Any) -> Any:
        """The batch as the model wants it."""
        images, labels = batch
        return images.to(self.device).float() / 255, labels.to(self.device)

    def compute(self, batch: Any) -> None:
        """One step of training."""
        images, labels = batch
        self.optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self.model(images), labels).backward()
        self.optimizer.step()


class Nothing:
    """A step without work."""

    device = "cpu"

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
    if step.device == "cuda":
        torch.cuda.synchronize()  # as tracing does: an epoch ends when the device has finished
    return time.perf_counter() - begun


def traced_epoch(loader: DataLoader[Any], step: Training | Nothing) -> float:
    """Seconds of the same epoch, traced; by the outer clock, so that all of tracing counts."""
    begun = time.perf_counter()
    trace_epoch(loader, step.compute, copy=step.copy, device=step.device)
    return time.perf_counter() - begun


def pairs(loader: DataLoader[Any], step: Training | Nothing, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a plain and a traced epoch for each round, after a first that is thrown away.

    Workers stay, so that their start, which varies by more than what is looked for, is no part of it.
    """
    arms: dict[Callable[..., float], DataLoader[Any]] = {plain_epoch: loader, traced_epoch: traced(loader)}
    found = []
    try:
        for _ in range(rounds + 1):
            order = random.sample(list(arms), 2)
            seconds = {run: run(arms[run], step) for run in order}
            found.append((seconds[plain_epoch], seconds[traced_epoch]))
    finally:
        for arm in arms.values():
            dismiss(arm)
    return found[1:]


def added(name: str, found: list[tuple[float, float]], whole: float, unit: str) -> Measurement:
    """What tracing adds where a plain epoch takes ``whole`` of ``unit``, by the paired ratios.

    The ratios have the interval; those of the differences, which may be below 0, would have none.
    """
    ratio = Measurement.of(name, [watched / alone for alone, watched in found], "×")
    median, *samples = ((sample - 1) * whole for sample in (ratio.median, *ratio.samples))
    interval = None
    if ratio.interval:
        low, high = ratio.interval
        interval = (low - 1) * whole, (high - 1) * whole
    return Measurement(name, unit, median, interval, tuple(samples))


def cells(
    name: str, loader: DataLoader[Any], step: Training | Nothing, rounds: int
) -> list[Measurement | Gap | str]:
    """What a batch takes in a plain epoch, and what tracing adds: its share, and its time."""
    found = pairs(loader, step, rounds)
    seconds = [alone / len(loader) for alone, _ in found]
    cost = added(f"overhead_us_per_batch_{name}", found, statistics.median(seconds) * 1e6, "µs")
    if isinstance(step, Nothing):
        return [Measurement.of(f"batch_us_{name}", [s * 1e6 for s in seconds], "µs"), "", cost]
    batch = Measurement.of(f"batch_ms_{name}", [s * 1e3 for s in seconds], "ms")
    return [batch, added(f"overhead_percent_{name}", found, 100, "%"), cost]


def rows(folder: Path, rounds: int) -> Iterator[list[Measurement | Gap | str]]:
    """The cells for each kind of epoch and number of helpers."""
    sprites = SpriteFolder(folder)
    for work, dataset, size, step in (
        ("training", sprites, BATCH_SIZE, Training()),
        ("empty", Bare(), 1, Nothing()),
    ):
        for workers in (0, 2):
            loader = DataLoader(
                dataset, size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
            )
            yield [work, str(workers), *cells(f"{work}_{workers}", loader, step, rounds)]
    # Last, so that no helper of the others is forked from a process that uses CUDA.
    name = "training_gpu"
    if torch.cuda.is_available():
        loader = DataLoader(sprites, BATCH_SIZE, shuffle=True)
        measured = cells(name, loader, Training("cuda"), rounds)
    else:
        reason = "What tracing costs where a GPU trains needs CUDA, which torch does not find here."
        wanted = ("batch_ms", "overhead_percent", "overhead_us_per_batch")
        measured = [Gap(f"{what}_{name}", reason) for what in wanted]
    yield ["training, on a GPU", "0", *measured]


def measure(rounds: int) -> Report:
    """Do it all."""
    with tempfile.TemporaryDirectory() as folder:
        table = list(rows(write_png_folder(Path(folder) / "sprites", SPRITES, SIDE), rounds))
    return Report(
        title="What tracing an epoch costs",
        columns=["epoch", "helpers", "a batch, plain", "tracing adds", "to each batch"],
        rows=table,
        notes=[
            f"Training: {BATCH_SIZE} sprites a batch, from PNG files. Empty: batches of one number, "
            "and a step that does nothing, which leaves the cost of tracing.",
            f"{rounds} pairs of epochs each, in random order. The aim: at most 2% of an epoch of training.",
        ],
    )


def main() -> None:
    """Measure, show the table, and store it if asked to."""
    wanted = options(__doc__, ROUNDS).parse_args()
    run = Run(__file__)
    run.publish(measure(wanted.rounds), wanted.record)


if __name__ == "__main__":
    main()
