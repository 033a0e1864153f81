"""Runs an example's notebook in a kernel, and stops it where it shows more than a page can."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from spritedocs.machine import supervised
from spritedocs.recordings.examples import Example
from spritedocs.recordings.integrity import KERNEL, first_cells
from spritedocs.recordings.recording import LARGEST_BYTES

__all__ = ["Kernel", "TooMuchShown", "notebook_of", "places_to_write"]

MOST_PRINTED = 1_000_000
"""How many bytes of text an example may print: ours print a few hundred, and a page shows all of it."""

_LONGEST_SOCKET = 100
"""How many bytes the path of a socket may have: 103 on macOS, 107 on Linux."""

_OUTPUT_S = 30
"""How long output may be on its way after its cell has ended: as a rule, a few milliseconds."""

_FILES = 64
"""How many files a kernel and we need to have open, each: with 48 there is no start."""

_HABITS = {
    "MPLCONFIGDIR": ("~/.config/matplotlib", "~/.cache/matplotlib", "~/.matplotlib"),
    "XDG_CONFIG_HOME": ("~/.config",),
    "XDG_CACHE_HOME": ("~/.cache",),
    "XDG_DATA_HOME": ("~/.local/share",),
    "TRITON_HOME": ("~/.triton",),
}
"""Where libraries keep settings and caches unless these variables say otherwise."""


def _require_files() -> None:
    """Raise ``OSError`` where a kernel may open too few files: it would crash, or not answer for a minute."""
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= limit < _FILES:  # negative: unlimited
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class TooMuchShown(RuntimeError):
    """An example shows more than a recording may hold; what is said goes after its name."""

    def __init__(self, shown: int, most: int, what: str = "output") -> None:
        size, limit = f"{shown / 1e6:.1f} MB of {what}", f"{most / 1e6:g} MB"
        super().__init__(f"shows {size}, more than the {limit} of a recording: let it show less.")


def notebook_of(example: Example) -> Any:
    """The notebook that is run for ``example``, which says itself what its first cells are for."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    note, setup = first_cells(example.path.name)
    cells = [
        new_markdown_cell(note),
        new_code_cell(setup, metadata={"spritedocs_setup": True}),
        *example.notebook_cells(),
    ]
    for number, cell in enumerate(cells):
        # Random ids would make every recording differ from the last in lines that say nothing.
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def places_to_write(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables by which a run writes its files into ``folder``, and none where it could not.

    What libraries keep in the home folder stays there as long as that can be written to: a reader has it
    too, and matplotlib takes a second to list the fonts anew. Elsewhere they would warn, with its path.
    """
    given = {"IPYTHONDIR": str(folder / "ipython")}  # keeps the user's start-up files out
    given |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    for name, usual in _HABITS.items():
        places = [environment[name]] if environment.get(name) else usual
        if not all(map(_is_writable, places)):
            given[name] = str(folder / name.lower())
    return given


def _is_writable(place: str) -> bool:
    """Whether files can be written below ``place``, which need not be there yet."""
    nearest = os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 - Path raises where these do not
    # A drive of Windows that is gone is above itself.
    while not os.path.lexists(nearest) and (above := os.path.dirname(nearest)) != nearest:  # noqa: PTH120
        nearest = above
    return os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK)  # noqa: PTH112


class Kernel(NotebookClient):
    """Runs a notebook in ``folder``, and knows where it is and how it ended."""

    running: int | None = None
    """The index of the cell that runs or ran last; ``None`` before the first."""
    status: int | None = None
    """The exit status of the kernel's process once that has ended."""
    complained = ""
    """What the kernel wrote past the notebook, such as why it could not start."""

    def __init__(self, notebook: Any, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = self._shown = 0
        self._refused: TooMuchShown | None = None
        super().__init__(
            notebook,
            timeout=None,
            record_timing=False,
            on_cell_execute=self._begins,
            iopub_timeout=_OUTPUT_S,
            raise_on_iopub_timeout=True,  # rather than to leave out what was printed
            force_raise_errors=True,  # whatever tags a cell has
        )

    def run(self, environment: Mapping[str, str]) -> None:
        """Run all cells. Raises ``TooMuchShown``, ``OSError``, or what nbclient raises."""
        with tempfile.TemporaryFile(dir=self.folder) as log:
            try:
                _require_files()
                self.km = self._manager()
                asyncio.run(self._run_all(env=dict(environment), stdout=log, stderr=log))
            except Exception:
                if self._refused:
                    raise self._refused from None
                log.seek(0)
                self.complained = log.read().decode(errors="replace")
                raise
        for cell in self.nb.cells:
            if cell.cell_type == "code":
                cell.outputs = _merged(cell.outputs)

    def _manager(self) -> AsyncKernelManager:
        connection = self.folder / "kernel.json"
        # Sockets in our own folder rather than open ports; Windows has none, and their paths have a limit.
        has_sockets = os.name == "posix" and len(os.fsencode(connection)) < _LONGEST_SOCKET - len("-ipc-5")
        # No folders to search: a "python3" kernel that the user installed may be another Python.
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(connection),
            transport="ipc" if has_sockets else "tcp",
        )
        if manager.kernel_spec:
            manager.kernel_spec.argv = supervised(manager.kernel_spec.argv, self.folder)
        return manager

    async def _run_all(self, **started: Any) -> None:
        # A kernel that is ended while it starts leaves futures behind that complain of it.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        await self.async_execute(cwd=str(self.folder), cleanup_kc=True, **started)

    async def async_start_new_kernel(self, **started: Any) -> None:
        """Start the kernel, and keep its process, which the manager forgets."""
        await super().async_start_new_kernel(**started)
        self._process = getattr(getattr(self.km, "provisioner", None), "process", None)

    async def _async_cleanup_kernel(self) -> None:
        # Before it is ended here, by a signal that would say nothing of the example.
        self.status = self._process.poll() if self._process else None
        await super()._async_cleanup_kernel()

    def _cleanup_kernel(self) -> None:
        """Nothing: nbclient registers this for Python's exit, where it fails if ``run`` was interrupted."""

    def _begins(self, cell: Any, cell_index: int) -> None:
        self.running = cell_index

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take what the kernel sends, unless it is too much: then end the kernel at once."""
        content, kind = msg["content"], msg["msg_type"]
        if kind == "stream":
            self._printed += len(content["text"].encode(errors="replace"))
        elif kind not in ("status", "execute_input", "error"):
            self._shown += len(json.dumps(content, default=str))
        if self._printed > MOST_PRINTED:
            self._refused = TooMuchShown(self._printed, MOST_PRINTED, "text")
        elif self._printed + self._shown > LARGEST_BYTES:
            self._refused = TooMuchShown(self._printed + self._shown, LARGEST_BYTES)
        if self._refused is None:
            return super().process_message(msg, cell, cell_index)
        self.shutdown_kernel = "immediate"
        if self.task_poll_for_reply:
            self.task_poll_for_reply.cancel()
        return None


def _merged(outputs: list[Any]) -> list[Any]:
    """``outputs`` with each stream once, stdout first, and of an overwritten line only its last state.

    This is nbclient's ``coalesce_streams``, whose time grows with the square of a line's length: over a
    megabyte on one line it takes an hour, in which no time limit is heard.
    """
    merged: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs:
        name = output["name"] if output["output_type"] == "stream" else ""
        if name in streams:
            streams[name]["text"] += output["text"]
            continue
        if name:
            streams[name] = output
        merged.append(output)
    for output in streams.values():
        lines = output["text"].split("\n")
        output["text"] = "\n".join(line[line.rfind("\r", 0, len(line) - 1) + 1 :] for line in lines)
    for index, (first, second) in enumerate(pairwise(merged)):
        if (first.get("name"), second.get("name")) == ("stderr", "stdout"):
            merged[index : index + 2] = second, first
    return merged
