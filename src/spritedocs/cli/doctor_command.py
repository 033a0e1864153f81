"""The command ``spritedocs doctor``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spritedocs.guide import how_to_open, whole
from spritedocs.machine import Interrupted, undisturbed

if TYPE_CHECKING:
    from spritedocs.doctor import Finding
    from spritedocs.machine import Machine

__all__ = ["doctor"]

PROC = Path("/proc/self")
_STYLES = {"will break": "bold red", "will bite": "bold yellow", "unknown here": "bold", "fine": "bold green"}


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), help="Compare the size of this folder or file with the memory."
)
@click.option("--quick", is_flag=True, help="Start no workers to time them.")
@click.option("--json", "as_json", is_flag=True, help="Print an object for programs.")
def doctor(data: Path | None, quick: bool, as_json: bool) -> None:
    """Say what will bite a DataLoader on this machine, and what helps.

    Looks at cores and quotas, /dev/shm, limits on files and processes, the temporary folder, how workers
    start, threads, memory, the page cache, and the GPU. Starts one worker under each start method, which
    takes up to 10 seconds. Changes nothing. The exit status is 1 if an ordinary loader will break, and 0
    otherwise.
    """
    if data is not None and (problem := _problem(data)):
        raise click.UsageError(problem)
    if sys.platform == "linux" and not PROC.exists():
        click.echo("There is no /proc here, where Linux tells of itself: mount it, and try again.", err=True)
        sys.exit(1)
    if sys.stderr.isatty():
        click.echo("Looking at this machine, some ten seconds …", err=True)
    try:
        with undisturbed():
            import torch  # noqa: F401 - an import that is interrupted half-way cannot be begun again

            from spritedocs.doctor import breaks, examine, look
        facts = look(data, start=not quick)
    except Interrupted as interruption:
        click.echo("Interrupted: nothing was changed.", err=True)
        sys.exit(128 + interruption.signal_number)
    findings = examine(facts)
    if as_json:
        found = {"findings": [one.as_json() for one in findings], "machine": facts.machine.as_dict()}
        click.echo(json.dumps(found, indent=2))
    else:
        _print(facts.machine, findings)
    if breaks(findings):
        sys.exit(1)


def _problem(data: Path) -> str:
    remedy = "name the folder or file that holds your data."
    try:
        if data.exists():
            return ""
        # Of which a path keeps one slash; a single letter is a drive of Windows.
        if address := re.match(r"([a-z][a-z0-9+.-]+):[/\\]", str(data), re.IGNORECASE):
            remedy = "name a folder with a copy, or leave out --data."
            return f"what is at {address[1]}:// lies on no disk here: {remedy}"
        return f"there is nothing at {data}: {remedy}"
    except OSError as error:
        return f"{data} cannot be looked at ({error.strerror}): {remedy}"


def _print(machine: Machine, findings: Sequence[Finding]) -> None:
    from spritedocs.report import replace_unknown_characters

    replace_unknown_characters()
    console = Console(highlight=False)
    console.print(Text(machine.summary()))
    for severity, style in _STYLES.items():
        if group := [finding for finding in findings if finding.severity == severity]:
            console.print()
            console.print(Text(severity, style=style))
            if severity == "fine":
                console.print(Padding(_short(group), (0, 0, 0, 2), expand=False))
            else:
                _print_whole(console, group)
    if sentence := how_to_open():
        console.print(Text(f"\n{sentence}", style="dim"))


def _print_whole(console: Console, findings: Iterable[Finding]) -> None:
    for finding in findings:
        console.print(Padding(Text(finding.says), (0, 0, 0, 2), expand=False))
        if finding.remedy:
            console.print(Padding(Text(finding.remedy), (0, 0, 0, 4), expand=False))
        # In one piece, to be opened.
        console.print(Text(f"    {whole(finding.page)}", style="dim"), soft_wrap=True)


def _short(findings: Iterable[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(Text(finding.key, style="dim"), Text(finding.says))
    return table
