"""What the command line draws: a bar while examples run, and your figures beside the published ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from spritedocs.recordings import CLEAR, Beside, Recording, Row, facts
from spritedocs.report import Gap, Measurement, replace_unknown_characters

__all__ = ["Bar", "bar", "print_beside"]


class Bar:
    """A progress bar in expected seconds, which moves while an example runs."""

    def __init__(self, expected_s: dict[str, float]) -> None:
        self._expected_s = expected_s
        self._done_s = 0.0
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self.progress.add_task("", total=sum(expected_s.values()) or 1)

    def say(self, sentence: str) -> None:
        """Print above the bar."""
        # Paths may hold brackets, which are no markup, and must stay in one piece to be copied.
        self.progress.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Move the bar until the example ends, never past what it was expected to take."""
        self.progress.update(self._task, description=name)
        begin, expected, ended = time.monotonic(), self._expected_s[name], threading.Event()

        def move() -> None:
            while not ended.wait(0.25):
                done_s = self._done_s + min(time.monotonic() - begin, expected)
                self.progress.update(self._task, completed=done_s)

        mover = threading.Thread(target=move, daemon=True, name="progress")
        mover.start()
        try:
            yield
        finally:
            ended.set()
            mover.join()
            self._done_s += expected
            self.progress.update(self._task, completed=self._done_s)


@contextmanager
def bar(expected_s: dict[str, float]) -> Iterator[Bar]:
    """A bar for examples with the seconds that each should take; none is drawn where there are none."""
    shown = Bar(expected_s)
    if not expected_s:
        yield shown
        return
    with shown.progress:
        yield shown


def print_beside(found: Beside) -> None:
    """Print the table, where both came from, and the likely causes of what differs."""
    replace_unknown_characters()
    console = Console(highlight=False, markup=False, emoji=False)
    rows = [row for row in found.rows if not row.is_same]
    if rows:
        table = Table(box=None, pad_edge=False, collapse_padding=True)
        table.add_column("value", overflow="fold")
        for heading in ("yours", found.published.machine, "yours / published"):
            table.add_column(heading, justify="left" if "/" in heading else "right")
        for row in rows:
            table.add_row(row.name, _cell(row.yours), _cell(row.published), _ratio(row))
        console.print(table)
        _print_missing(console, rows)
    if same := len(found.rows) - len(rows):
        console.print(f"{same} value{' is' if same == 1 else 's are'} the same in both.")
    console.print()
    command = found.yours.provenance["command"]  # the published one may bear the example's former name
    _print_list(
        console,
        (
            ("Yours:", _provenance(found.yours, found.stale[0], command)),
            ("Published:", _provenance(found.published, found.stale[1], command)),
        ),
    )
    console.print()
    causes, others = found.causes
    if causes:
        console.print("Why they may differ, most likely first:")
        _print_list(console, ((f"{number}.", cause.says) for number, cause in enumerate(causes, 1)))
    else:
        console.print("No value differs clearly, so there is no cause to look for.")
    if others:
        named = "; ".join(f"{other.what} ({other.yours} here, {other.published} there)" for other in others)
        console.print(f"Also different, though no value points to it: {named}.")
    if any(row.ratio and row.ratio.interval for row in rows):
        console.print(
            "\nAn interval holds what varies within a run; two runs on one machine differ by more. So only "
            f"where its near end is {CLEAR:g} times away, or more, is a cause looked for."
        )


def _print_missing(console: Console, rows: Iterable[Row]) -> None:
    cells = [cell for row in rows for cell in (row.yours, row.published)]
    for reason in dict.fromkeys(cell.reason for cell in cells if isinstance(cell, Gap)):
        console.print(f"Not measured: {reason}")
    if None in cells:
        console.print("–: that recording has no such value.")


def _cell(value: Measurement | Gap | None) -> str:
    return "–" if value is None else str(value)


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    said = row.ratio.in_full
    if row.shows_no_difference:
        verdict = "may be no difference" if row.may_differ else "no difference"
        said = said.replace(str(row.ratio), verdict)
    return said


def _provenance(recording: Recording, stale: bool, command: str) -> str:
    said = recording.provenance
    parts = [*facts(recording), f"commit {str(said['commit'])[:10]}", f"repeat with '{command}'"]
    warning = "Stale: the code has changed since; compared all the same. " if stale else ""
    return warning + " · ".join(part for part in parts if part)


def _print_list(console: Console, items: Iterable[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 1))
    for item in items:
        grid.add_row(*item)
    console.print(grid)
