"""What stopped an example's run, told in a sentence."""

from __future__ import annotations

import re

from nbclient.exceptions import CellExecutionError, DeadKernelError

from spritedocs.errors import ending, plain, raised, raised_as, raised_before, shortage, shortened
from spritedocs.machine import GpuEnded, NoRoomError, NotHere, gpu_failure
from spritedocs.recordings.examples import Example
from spritedocs.recordings.kernel import Kernel, TooMuchShown

__all__ = ["failure", "line_told"]

_SENTENCES = {error.__name__ for error in (NotHere, NoRoomError, GpuEnded)}
"""The errors that say themselves what this machine cannot do."""


def failure(example: Example, error: BaseException, kernel: Kernel) -> str:
    """Why ``example`` could not be recorded: ``error`` is what ``kernel``, which ran it, raised."""
    name, where = example.name, line_told(example, kernel, error)
    if isinstance(error, TooMuchShown):
        return f"{name} {error}"
    if kernel.running is None:
        return _no_start(name, error, kernel)
    if isinstance(error, TimeoutError):
        return f"What {name} showed{where} did not arrive in time: record it again."
    if isinstance(error, CellExecutionError) and error.ename == "SystemExit":
        said = shortened(str(error.evalue))
        return f"{name} ended{where} with sys.exit({said}): let it run to its end, and record it again."
    if isinstance(error, CellExecutionError) and error.ename in _SENTENCES:
        return f"{name} cannot be recorded on this machine. {shortened(str(error.evalue))}"
    return f"{name} failed{where}{_why(error, kernel)}. 'python {example.path}' shows where."


def _why(error: BaseException, kernel: Kernel) -> str:
    if isinstance(error, DeadKernelError):
        return f", because its Python {ending(kernel.status)}"
    if not isinstance(error, CellExecutionError):
        return f" with {raised(error)}"
    kind, said, told = str(error.ename), str(error.evalue), plain(str(error))
    if meaning := gpu_failure(f"{kind}: {said}") or shortage(f"{kind}: {said}"):
        return f", because {meaning}"
    shown, first = raised_as(kind, said, told), raised_before(told)
    return f" with {shown}" + (f", after {first}" if first and first not in shown else "")


def _no_start(name: str, error: BaseException, kernel: Kernel) -> str:
    if meaning := shortage(error) or shortage(kernel.complained):
        return f"{name} could not be run, because {meaning}."
    said = shortened(kernel.complained.strip().rpartition("\n")[2]) or raised(error)
    return f"{name} could not be run, because its kernel {ending(kernel.status)}, with {said.rstrip(' .:')}."


def line_told(example: Example, kernel: Kernel, error: BaseException | None = None) -> str:
    """``" in line 12"``, where ``error`` left the script, or where the cell begins that ran last.

    ``""`` where that is not known, as in a script with magic commands.
    """
    begins = 0
    for cell in kernel.nb.cells[: (kernel.running or 0) + 1]:
        if cell.cell_type == "code" and not cell.metadata.get("spritedocs_setup"):
            begins = example.text.find(cell.source, begins)
            if begins < 0:
                return ""
    inside = re.findall(r"^ *Cell In *\[\d+\], line (\d+)", plain(str(error)), re.MULTILINE) or [1]
    return f" in line {example.text.count(chr(10), 0, begins) + int(inside[-1])}" if begins else ""
