"""What a script does when it is run as a program of its own: for failures that must not be ours.

A script that crashes, hangs or kills its workers runs in a process and a folder of its own, with a
time limit. What it said is kept, and nothing of it stays behind.
"""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spritedocs.machine import usable_cores
from spritedocs.processes import marked

__all__ = ["Outcome", "run_script", "run_scripts"]

_MARKER = "SPRITEDOCS_SCRIPT"
_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b).*$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a script ended, and what it said."""

    text: str
    """What it printed, stdout and stderr together in their order, as a terminal would show it. Folders
    before file names are shortened to ``…/``, since they belong to one machine; nothing else is altered."""
    status: int | None
    """Its exit status, negative for the signal that killed it; ``None`` if it outlasted its time."""
    seconds: float
    """How long it took, its start included."""

    @property
    def timed_out(self) -> bool:
        """Whether it was still running at its time limit, and was ended."""
        return self.status is None

    @property
    def error(self) -> str:
        """The last line that names an exception, such as ``ValueError: sprite 13 is cursed``, or ``""``."""
        found = _ERROR.findall(self.text)
        return found[-1] if found else ""


def run_script(
    source: str, *, name: str = "train.py", arguments: tuple[str, ...] = (), limit_s: float = 60.0
) -> Outcome:
    """Run the Python program ``source`` as the file ``name`` in an empty folder that is gone afterwards.

    After ``limit_s`` seconds, and on any end, every process that it started is ended too.

    Examples:
        >>> outcome = run_script("print('hello'); 1 / 0")
        >>> outcome.status, outcome.error, outcome.text.splitlines()[0]
        (1, 'ZeroDivisionError: division by zero', 'hello')

    Raises ``OSError`` if the temporary folder cannot be written to.
    """
    # A worker may still be writing when its folder goes.
    with tempfile.TemporaryDirectory(prefix="sprite-", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        (folder / name).write_text(source, encoding="utf-8")
        said = folder / "said"
        with said.open("wb") as stream, marked(_MARKER, alone=False) as environment:
            environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
            begun = time.perf_counter()
            program = subprocess.Popen(
                # A file to write to: a pipe would stay open for as long as a lost worker lives.
                [sys.executable, name, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            try:
                status: int | None = program.wait(limit_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                seconds = time.perf_counter() - begun
                program.kill()
                program.wait()
        text = said.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n")
    return Outcome(_shortened(text, folder), status, seconds)


def run_scripts(sources: Mapping[str, str], *, limit_s: float = 60.0) -> dict[str, Outcome]:
    """Run several programs as ``run_script`` does, as many at once as there are usable cores.

    Examples:
        >>> {name: run.status for name, run in run_scripts({"good": "", "bad": "exit(3)"}).items()}
        {'good': 0, 'bad': 3}
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        running = {name: pool.submit(run_script, source, limit_s=limit_s) for name, source in sources.items()}
        return {name: future.result() for name, future in running.items()}


def _shortened(text: str, folder: Path) -> str:
    """``text`` without the folders of this machine before file names."""
    for own in {str(folder), str(folder).replace("/private/", "/", 1)}:  # macOS gives /tmp two names
        text = text.replace(own + os.sep, "")
    roots = [*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()]
    roots += [str(Path(root).resolve()) for root in roots] + [sys.prefix, sys.base_prefix]
    for root in sorted(set(roots), key=len, reverse=True):
        if len(root) > 1:
            text = text.replace(root + os.sep, f"…{os.sep}")
    return text
