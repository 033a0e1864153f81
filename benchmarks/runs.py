"""What benchmarks share: options, and a run whose reports are shown, and stored if `--record` says so."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from spritedocs import machine
from spritedocs.recordings import Project, Provenance, store_report
from spritedocs.report import Report, show

PROJECT = Project(Path(__file__).parents[1])


def options(about: str, rounds: int | None = None) -> argparse.ArgumentParser:
    """The options of a benchmark with the docstring ``about``, to add others to.

    That is ``--record``, and ``--rounds`` where it has a default.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="store the result for publication")
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds)
    return parser


class Run:
    """A run of the benchmark ``script``, which begins now.

    Where its numbers come from is taken before it measures: somebody may go on editing meanwhile. ``names``
    are those of its recordings, if there are others than its own.
    """

    def __init__(self, script: str, *names: str) -> None:
        path = Path(script).resolve()
        self.command = f"python {path.relative_to(PROJECT.root).as_posix()}"
        self.machine = machine.describe()
        self.begun = {name: Provenance.of(PROJECT, PROJECT.benchmark(name)) for name in names or [path.stem]}

    def publish(
        self,
        reports: Report | list[Report],
        record: bool,
        printed: str = "",
        as_begun: Callable[[Provenance], Provenance] = lambda begun: begun,
    ) -> None:
        """Show the report of each recording, and ``record`` it, with what was ``printed`` on the way.

        ``as_begun`` alters where the numbers come from.
        """
        reports = [reports] if isinstance(reports, Report) else reports
        for report in reports:
            show(report)
        for begun, report in zip(self.begun.values(), reports, strict=True) if record else ():
            folder = PROJECT.benchmarked / machine.slug(self.machine)
            described = self.machine.as_dict()
            print(store_report(folder, report, as_begun(begun), described, self.command, printed).path)
