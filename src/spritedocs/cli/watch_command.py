"""The command ``spritedocs watch``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click

from spritedocs.cli import entry
from spritedocs.cli.streams import leave
from spritedocs.watching import environment

__all__ = ["watch"]

_NOT_FOUND, _NOT_RUN = 127, 126  # as a shell says


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that has the epochs so far: JSON if it ends in .json, else a table.",
)
@click.option("--synchronise", is_flag=True, help="Wait for each step on the GPU, which slows training down.")
def watch(command: tuple[str, ...], report: Path | None, synchronise: bool) -> None:
    """Run COMMAND, and say after each epoch how long it waited for its data.

    As in: spritedocs watch -- python train.py. Every DataLoader is watched that the script, or a process
    that it starts, iterates over, and is called after the line that made it. What is said goes to standard
    error. Output, exit status and signals are the command's own.
    """
    try:
        prepared = environment(os.environ, report=report, synchronise=synchronise)
    except ValueError as misuse:
        raise click.UsageError(f"the report {misuse}.") from None
    if option := _ignores_us(command):
        click.echo(f"{command[0]} {option} takes nothing from PYTHONPATH: nothing is watched.", err=True)
    try:
        _run(command, prepared)
    except FileNotFoundError:
        leave(f"There is no command {command[0]!r}: write it as in a shell, after --.", _NOT_FOUND)
    except OSError as error:
        why = error.strerror
        leave(f"{command[0]!r} cannot be run ({why}): a script goes after 'python'.", _NOT_RUN)


def _run(command: tuple[str, ...], prepared: dict[str, str]) -> NoReturn:
    if os.name != "posix":  # there the shell would go on without waiting
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's
        # By its path: Windows looks first beside our own executable, which in a venv is the base's.
        found = shutil.which(command[0]) or command[0]
        status = subprocess.call([found, *command[1:]], env=prepared)
        sys.exit(status - 2**32 if status >= 2**31 else status)  # as signed as os._exit wants it
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)  # Python ignores them, which the command would inherit
    for number in entry.ignored:
        signal.signal(number, signal.SIG_IGN)
    sys.stderr.flush()
    os.execvpe(command[0], command, prepared)


def _ignores_us(command: tuple[str, ...]) -> str:
    """The option with which the Python that is called ignores PYTHONPATH, or does not look for ours."""
    if not re.fullmatch(r"(python|pypy)[\d.]*t?(\.exe)?", Path(command[0]).name, re.IGNORECASE):
        return ""
    rest = iter(command[1:])
    for option in rest:
        if not option.startswith("-"):
            break
        flags = re.match(r"-([a-zA-Z]*?)([cmWX]|$)", option)
        if flags and (found := re.search("[IES]", flags[1])):
            return f"-{found[0]}"
        if flags and flags[2] in ("c", "m"):
            break
        if option in ("-W", "-X", "--check-hash-based-pycs"):
            next(rest, None)
    return ""
