"""The command ``spritedocs tune``."""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import time
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from spritedocs.cli.streams import leave
from spritedocs.machine import Interrupted, NoRoomError
from spritedocs.target import Callbacks, RunError, Target, TargetError, run
from spritedocs.tuning import FRAMEWORKS

__all__ = ["tune"]

_MEGABYTES = {"MB": 1.0, "GB": 1e3, "TB": 1e6, "MIB": 2**20 / 1e6, "GIB": 2**30 / 1e6, "TIB": 2**40 / 1e6}


class _Number(click.FloatRange):
    """A number within limits, and no NaN, which is within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


def _megabytes(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A size such as 4GB as a number of MB (10⁶ bytes)."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT]i?B)", value.strip(), re.IGNORECASE)
    if not match:
        raise click.BadParameter(f"{value!r} is no size: write it as 4GB or 500MB.")
    megabytes = float(match[1]) * _MEGABYTES[match[2].upper()]
    if not 1 <= megabytes < 1e9:
        raise click.BadParameter(f"{value!r} is no memory for workers: give at least 1MB, as in 500MB.")
    return megabytes


@click.command()
@click.argument("target")
@click.option("--batch-size", type=click.IntRange(1, 1_000_000), help="Items in a batch, if not 32.")
@click.option(
    "--step-ms",
    type=_Number(0, 600_000),
    metavar="X",
    help="How many milliseconds a step of your training takes on a GPU.",
)
@click.option(
    "--step", metavar="FILE.PY:CALLABLE", help="Your step of training, which is called with a batch."
)
@click.option("--max-workers", type=click.IntRange(0, 512), help="The most workers to try.")
@click.option(
    "--memory-limit", callback=_megabytes, metavar="SIZE", help="What all workers may take together, as 4GB."
)
@click.option(
    "--start-method",
    type=click.Choice(multiprocessing.get_all_start_methods()),
    help="How workers start, if not as usual.",
)
@click.option(
    "--ranks",
    type=click.IntRange(1, 64),
    default=1,
    help="How many processes train on this machine at once, as one for each GPU.",
)
@click.option(
    "--budget",
    type=_Number(2, 86_400),
    default=60.0,
    metavar="SECONDS",
    show_default=True,
    help="How long it may take.",
)
@click.option(
    "--for", "framework", type=click.Choice(FRAMEWORKS), help="Write the line in that framework's words."
)
@click.option("--json", "as_json", is_flag=True, help="Print an object for programs.")
@click.option("--explain", is_flag=True, help="Show the measured costs, and what was predicted from them.")
def tune(
    target: str,
    batch_size: int | None,
    step_ms: float | None,
    step: str | None,
    max_workers: int | None,
    memory_limit: float | None,
    start_method: str | None,
    ranks: int,
    budget: float,
    framework: str | None,
    as_json: bool,
    explain: bool,
) -> None:
    """Find the DataLoader settings for your own data, and say what holds it up.

    TARGET is path/to/file.py:callable or module:callable. The callable takes no arguments, and gives a
    dataset, or a DataLoader whose other arguments are kept. It runs in a process of its own, and nothing
    is written to your files.
    """
    if step is not None and step_ms is not None:
        raise click.UsageError(
            "--step and --step-ms exclude each other: time the real step, or give its time."
        )
    options = {
        "target": target,
        "step": step,
        "batch_size": batch_size,
        "step_ms": step_ms,
        "max_workers": max_workers,
        "memory_limit_mb": memory_limit,
        "start_method": start_method,
        "ranks": ranks,
        "budget_s": budget,
    }
    try:
        Target.parse(target)
        if step is not None:
            Target.parse(step)
        with _Bar() as bar:
            result = run("spritedocs.tuning.tune", options, Callbacks(bar.tries, bar.waits, bar.prints))
    except TargetError as misuse:
        leave(str(misuse), 2)
    except NoRoomError as failure:
        leave(str(failure), 1)
    except RunError as failure:
        if failure.traceback:
            click.echo(failure.traceback, err=True)
        leave(str(failure), failure.status)
    except Interrupted as interruption:
        leave("Interrupted: nothing was changed, and nothing runs on.", 128 + interruption.signal_number)
    from spritedocs.tuning import line_for, print_tuning

    if framework is not None:
        result["line"] = line_for(framework, result)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        print_tuning(result, explain)


class _Bar:
    """What is being tried and the time left, on a terminal; above it what their code prints, anywhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            refresh_per_second=4,  # drawing takes a part of a core from what is measured
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None, left="")
        self._said_s, self._done_s, self._total_s = time.monotonic(), 0.0, 0.0

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tries(self, says: str, done_s: float, total_s: float) -> None:
        self._said_s, self._done_s, self._total_s = time.monotonic(), done_s, total_s
        self._progress.update(self._task, description=says, total=total_s or None)
        self.waits()

    def waits(self) -> None:
        """Move on, to where the run should be by now."""
        done_s = min(self._done_s + time.monotonic() - self._said_s, self._total_s)
        left = f"{math.ceil(self._total_s - done_s)} s left" if self._total_s else ""
        self._progress.update(self._task, completed=done_s, left=left)

    def prints(self, line: str) -> None:
        # In one piece, and with brackets that are no markup.
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
