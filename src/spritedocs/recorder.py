"""Makes recordings: runs an example in a kernel and keeps the notebook, with where it came from.

The old recording is replaced only after the example has succeeded, and whatever happens no process
of the run stays behind.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from spritedocs import accelerator, machine
from spritedocs.examples import Example, Project
from spritedocs.interruption import undisturbed
from spritedocs.leftovers import remove_leftovers, temporary_folder
from spritedocs.privacy import private_in
from spritedocs.processes import marked
from spritedocs.provenance import Provenance
from spritedocs.recordings import Library, Recording, RecordingError
from spritedocs.report import Report
from spritedocs.supervisor import supervised

__all__ = ["RecordError", "record", "record_own", "store_report"]

TIME_LIMIT_S = 120.0
"""How long an example may take, unless its header's ``time_limit_s`` says otherwise."""

_PARTING_S = 20.0
"""How long the kernel's client gets to notice that its kernel is gone."""

_LONGEST_SOCKET = 100
"""How many bytes the path of a socket may have: 103 on macOS, 107 on Linux."""

_SETUP = """\
# Workers started by spawn or forkserver import the main module from its file. A notebook has none,
# so classes defined in its cells would be missing there. With the script beside the notebook,
# pointing at it mends that. (Under fork workers have everything already.)
import pathlib
import __main__

if (script := pathlib.Path({name!r})).exists():
    __main__.__file__ = str(script.resolve())

# A warning would name the file it comes from, in a folder that is nobody's business.
import warnings

warnings.formatwarning = lambda message, category, *_: f"{{category.__name__}}: {{message}}\\n"
"""


class RecordError(RuntimeError):
    """An example could not be recorded; its old recording is untouched. The message says why."""


def record(
    project: Project,
    example: Example,
    folder: Path,
    described: dict[str, Any],
    say: Callable[[str], object] = lambda sentence: None,
) -> Recording:
    """Run ``example`` and store what it printed as ``folder/NAME.ipynb``.

    ``described`` is what ``machine.describe().as_dict()`` says. Where something else is on the GPU,
    ``say`` hears of it before the run, and the recording keeps it. Raises ``RecordError`` where the example
    fails, outlasts its time limit, or shows something private; ``Interrupted`` passes through.
    """
    busy = accelerator.busy(described["gpu"]) if described.get("gpu") else None
    if busy:
        remedy = "free it, or choose another with CUDA_VISIBLE_DEVICES, and record again"
        say(f"{example.name} is measured on a GPU that something else uses too ({busy}): {remedy}.")
    provenance = Provenance.of(project, example, busy)
    notebook = _executed(example)
    notebook.metadata["spritedocs"] = provenance.metadata(described, f"spritedocs record {example.name}")
    return _stored(folder / f"{example.name}.ipynb", notebook)


def store_report(
    folder: Path,
    report: Report | Sequence[Report],
    provenance: Provenance,
    described: dict[str, Any],
    command: str,
    printed: str = "",
) -> Recording:
    """Store a benchmark's ``report``, or several, as ``folder/NAME.ipynb``, which pages can quote.

    A benchmark runs as a plain script, since it may compare one with a kernel: its notebook holds the
    reports and no code, and what the benchmark ``printed`` that is worth showing. Raises ``RecordError``
    as ``record`` does.
    """
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    reports = [report] if isinstance(report, Report) else report
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    outputs += [new_output("display_data", data=each.bundle()) for each in reports]
    notebook = new_notebook(cells=[new_code_cell(outputs=outputs, id="report")])
    notebook.metadata["spritedocs"] = provenance.metadata(described, command)
    return _stored(folder / f"{provenance.example}.ipynb", notebook)


def record_own(
    project: Project,
    everything: bool,
    say: Callable[[str], None],
    described: machine.Machine | None = None,
) -> str:
    """Record this machine's own figures: of all examples, or only of those without a fresh recording.

    ``described`` is what ``machine.describe()`` says, where that has been asked already. Returns the
    machine's short name.
    """
    described = described or machine.describe()
    here = machine.slug(described)
    folder = project.own / here
    library = Library(project)
    for name in project.names():
        example = project.example(name)
        if everything or not library.is_fresh(example, folder):
            say(f"Running {name}")
            record(project, example, folder, described.as_dict(), say)
    return here


def _executed(example: Example) -> Any:
    """The example's notebook after its run, in a neutral folder that is gone afterwards."""
    limit = float(example.header.get("time_limit_s", TIME_LIMIT_S))
    notebook = _notebook(example)
    with _neutral_folder() as folder:
        (folder / example.path.name).write_text(example.text, encoding="utf-8")
        failures: list[BaseException] = []

        def work() -> None:
            try:
                _run(notebook, folder, environment)
            except BaseException as error:  # noqa: BLE001 - judged in the caller's thread
                failures.append(error)

        # In the main thread nbclient would put its own signal handlers in place of ours.
        client = threading.Thread(target=work, daemon=True, name="kernel-client")
        try:
            with marked() as environment:
                # An empty IPYTHONDIR keeps the user's start-up files out; temporary files go with the folder.
                environment.update(IPYTHONDIR=str(folder / "ipython"))
                environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder)))
                environment.pop("PYTHONSTARTUP", None)
                client.start()
                end = time.monotonic() + limit
                while client.is_alive() and time.monotonic() < end:
                    client.join(0.2)  # in one go it could not be interrupted on Windows
                too_long = client.is_alive()
        finally:
            with undisturbed():
                if client.ident:
                    client.join(_PARTING_S)
    if too_long:
        remedy = "shorten it, or raise time_limit_s in its header"
        raise RecordError(f"{example.name} took longer than its {limit:g} s: {remedy}.")
    if failures:
        raise RecordError(_failure(example, failures[0]))
    return notebook


@contextmanager
def _neutral_folder() -> Iterator[Path]:
    remove_leftovers()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder())
        except OSError:
            # Its own text may list folders that are nobody's business.
            remedy = "set TMPDIR (on Windows TEMP) to one"
            raise RecordError(
                f"Examples run in a temporary folder, and none can be written to: {remedy}."
            ) from None
        yield folder


def _failure(example: Example, error: BaseException) -> str:
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    if meaning := accelerator.explained(f"{name}: {value}"):
        why = f", because {meaning}"
    else:
        why = f" with {name}: {' '.join(str(value).split())[:300]}"
    return f"{example.name} failed{why}. 'python {example.path}' shows where."


def _notebook(example: Example) -> Any:
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    note = (
        f"*The recorded notebook of `{example.path.name}`. To run it yourself, install `spritedocs` and keep "
        "the script beside it: the first cell says why.*"
    )
    setup = new_code_cell(_SETUP.format(name=example.path.name), metadata={"spritedocs_setup": True})
    script = jupytext.reads(example.text, fmt="py:percent").cells
    cells = [
        new_markdown_cell(note),
        setup,
        *(cell for cell in script if cell.cell_type in ("markdown", "code")),
    ]
    for number, cell in enumerate(cells):
        # Random ids would make every recording differ from the last in lines that say nothing.
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _run(notebook: Any, folder: Path, environment: dict[str, str]) -> None:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    connection = folder / "kernel.json"
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
        manager.kernel_spec.argv = supervised(manager.kernel_spec.argv, folder)
    client = NotebookClient(notebook, km=manager, timeout=None, record_timing=False, coalesce_streams=True)

    async def execute() -> None:
        # A kernel that is ended while it starts leaves futures behind that complain of it.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        await client.async_execute(env=environment, cwd=str(folder), cleanup_kc=True)

    asyncio.run(execute())


def _stored(path: Path, notebook: Any) -> Recording:
    """Write ``notebook`` beside ``path``, prove that it reads back, and only then put it there."""
    import nbformat

    if what := private_in(notebook):
        remedy = "let it print a relative path or leave it out"
        raise RecordError(f"{path.stem} shows this machine's {what}: {remedy}.")
    text = nbformat.writes(notebook, version=4, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as name:
            written = Path(name) / path.name
            written.write_text(text, encoding="utf-8")
            Recording.read(written)
            written.replace(path)
    except RecordingError as error:
        raise RecordError(f"{path.stem} gave no usable recording: {error}") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be written ({error.strerror}): choose another folder.") from None
    return Recording.read(path)
