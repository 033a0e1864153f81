"""The command line: begin and record examples, see what is recorded, compare, tune, examine, watch."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from spritedocs import __version__
from spritedocs.cli.about_recordings import AboutRecordings
from spritedocs.cli.doctor_command import doctor
from spritedocs.cli.tune_command import tune
from spritedocs.cli.watch_command import watch
from spritedocs.guide import RECORD
from spritedocs.machine import Interrupted, interruptible, undisturbed

if TYPE_CHECKING:
    from spritedocs.recordings import Status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Measured answers about PyTorch DataLoader workers: record them on your own machine."""


def main() -> None:
    """The console script: every failure is a sentence and an exit status, never a traceback of ours.

    Status 2 means misuse, 1 that something failed, 128 and more that a signal interrupted it.
    """
    try:
        with interruptible():
            # What watch runs gets its arguments as they are: no shell of Windows expands a *.
            cli(standalone_mode=False, windows_expand_args=sys.argv[1:2] != ["watch"])
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as misuse:
        misuse.show()
        sys.exit(misuse.exit_code)
    except Interrupted as interruption:
        _complain("Interrupted: no recording was changed by the example that was running.")
        sys.exit(128 + interruption.signal_number)
    except click.exceptions.Abort:
        sys.exit(130)


def _complain(sentence: str) -> None:
    click.echo(sentence, err=True)


@cli.command(cls=AboutRecordings, needs=RECORD)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--machine", "slug", help="Record for publication, under this machine's short name.")
@click.option("--force", is_flag=True, help="Record again what has a fresh recording.")
def record(names: tuple[str, ...], slug: str | None, force: bool) -> None:
    """Run examples on this machine and store what they print.

    Without NAME all of them. Without --machine they become your own recordings, which git ignores and
    your copy of the guide shows beside the published ones.
    """
    with undisturbed():
        from spritedocs import machine
        from spritedocs.cli.terminal import bar
        from spritedocs.recordings import Library, Project, RecordError, can_store
        from spritedocs.recordings import record as record_one

        described = machine.describe()
    project = Project.find()
    examples = [project.example(name) for name in dict.fromkeys(names or project.names())]
    here = machine.slug(described)
    if slug is not None and slug != here:
        why = ": a recording names the machine that made it"
        if described.gpu is None and not re.fullmatch(r"cpu-\d+-cores?", slug):
            why = f", because {machine.gpu_absence()}"
        raise click.UsageError(f"this machine is {here}, not {slug}{why}.")
    folder = (project.recorded if slug else project.own) / here
    library = Library(project)
    wanted = [example for example in examples if force or not library.is_fresh(example, folder)]
    if wanted and slug is None and described.gpu is None and described.cuda is not None:
        _complain(f"Recording as {here}, because {machine.gpu_absence()}.")
    for example in examples:
        if example not in wanted:
            click.echo(f"{example.name} is fresh: --force records it again.")
    try:
        if wanted:
            can_store(folder)
    except RecordError as error:
        raise click.ClickException(str(error)) from None
    failures = []
    with bar({example.name: library.expected_s(example) for example in wanted}) as shown:
        for example in wanted:
            try:
                with shown.running(example.name):
                    done = record_one(project, example, folder, described.as_dict(), shown.say)
            except RecordError as error:
                failures.append(str(error))
                continue
            seconds, dirty = done.provenance["duration_s"], done.provenance["dirty"]
            shown.say(f"{example.name} recorded in {seconds:.0f} s: {_shortened(done.path)}")
            if slug and dirty:
                shown.say("It holds uncommitted changes: commit them, and record again before you publish.")
    for failure in failures:
        _complain(failure)
    if failures:
        sys.exit(1)


def _shortened(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # lies elsewhere, or the working folder is gone
        return str(path)


@cli.command(cls=AboutRecordings, needs=["yaml"])
def status() -> None:
    """Say which examples have a fresh, a stale or no recording: yours and the published ones."""
    with undisturbed():
        from spritedocs import machine
        from spritedocs.recordings import Library, Project, orphans
    project = Project.find()
    library = Library(project)
    examples = [project.example(name) for name in project.names()]
    with undisturbed():
        here = project.own / machine.slug()
    own = [library.status(example, here) for example in examples]
    for sentence in orphans(project, project.machines()):
        _complain(sentence)
    references = [
        library.status(example, project.recorded / name)
        for name in library.machines()
        for example in examples
    ]
    table = Table(box=None, pad_edge=False)
    for heading in ("example", "machine", "state", "recorded", "because"):
        table.add_column(heading)
    for statuses, whose in ((own, " (yours)"), (references, "")):
        for each in statuses:
            table.add_row(each.example, each.machine + whose, each.state, _when(each), each.because)
    Console(highlight=False, markup=False, emoji=False).print(table)


def _when(row: Status) -> str:
    return f"{row.recording.recorded_at:%Y-%m-%d}" if row.recording else ""


@cli.command(cls=AboutRecordings, needs=["yaml"])
@click.argument("name")
@click.option("--machine", "slug", help="Compare with this published machine, by its short name.")
@click.option("--json", "as_json", is_flag=True, help="Print an object for programs.")
def compare(name: str, slug: str | None, as_json: bool) -> None:
    """Print your recorded figures of the example NAME beside the published ones.

    With the ratio of each, its 95% interval, and likely causes of what differs.
    """
    with undisturbed():
        from spritedocs.cli.terminal import print_beside
        from spritedocs.recordings import Beside, Project
    project = Project.find()
    example = project.example(name)
    with undisturbed():
        from spritedocs import machine

        here = machine.slug()
    found = Beside.find(project, example, here, slug)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        print_beside(found)


@cli.command(cls=AboutRecordings, needs=["yaml"])
@click.argument("name")
def new(name: str) -> None:
    """Begin an example called NAME in this clone: a script that runs, and its test.

    They get the next number. The script compares two loaders, to put your own in their place. Its page, and
    its place among the experiments, come by themselves.
    """
    with undisturbed():
        from spritedocs.cli.new_example import write_example
        from spritedocs.recordings import Project
    script, test = write_example(Project.find(), name)
    click.echo(f"{_shortened(script)} and {_shortened(test)} are there: put in your loaders and your words.")
    click.echo(f"'spritedocs record {script.stem}' measures it, and 'mkdocs serve' shows its page.")
    click.echo("To publish it, commit it, record it with --machine, and commit what that writes.")


cli.add_command(doctor)
cli.add_command(tune)
cli.add_command(watch)
