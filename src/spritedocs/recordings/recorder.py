"""Makes recordings: runs an example in a kernel and keeps the notebook, with where it came from.

The old recording is replaced only after the example has succeeded, and whatever happens no process
of the run stays behind.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spritedocs import machine
from spritedocs.errors import shortage, shortened
from spritedocs.machine import marked, prove_room, remove_leftovers, temporary_folder, undisturbed
from spritedocs.recordings import checksums
from spritedocs.recordings.examples import Example, ExampleError, Project
from spritedocs.recordings.kernel import Kernel, TooMuchShown, notebook_of, places_to_write
from spritedocs.recordings.kernel_failures import failure, line_told
from spritedocs.recordings.library import Library
from spritedocs.recordings.privacy import private_in
from spritedocs.recordings.provenance import Provenance
from spritedocs.recordings.recording import LARGEST_BYTES, Recording, RecordingError
from spritedocs.report import Report

__all__ = ["RecordError", "can_store", "record", "record_own", "store_report"]

TIME_LIMIT_S = 120.0
"""How long an example may take, unless its header's ``time_limit_s`` says otherwise."""

_PARTING_S = 20.0
"""How long the kernel's client gets to notice that its kernel is gone."""


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
    busy = machine.gpu_busy(described["gpu"]) if described.get("gpu") else None
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
    examples = [project.example(name) for name in project.names()]
    wanted = [each for each in examples if everything or not library.is_fresh(each, folder)]
    if wanted:
        can_store(folder)
    for example in wanted:
        say(f"Running {example.name}")
        record(project, example, folder, described.as_dict(), say)
    return here


def can_store(folder: Path) -> None:
    """Raise ``RecordError`` unless a recording can be written into ``folder``, before anything is run.

    It is tried, since neither a quota nor a disk without inodes shows otherwise. Nothing of it stays.
    """
    made: list[Path] = []
    try:
        made += [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        prove_room(folder, LARGEST_BYTES)
    except OSError as error:
        remedy = "make room there"
        where = shortened(str(folder))
        raise RecordError(f"{where} takes no recordings ({error.strerror}): {remedy}.") from None
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()


def _executed(example: Example) -> Any:
    """The example's notebook after its run, in a neutral folder that is gone afterwards."""
    limit = float(example.header.get("time_limit_s", TIME_LIMIT_S))
    try:
        notebook = notebook_of(example)
    except ExampleError as error:
        raise RecordError(str(error)) from None
    with _neutral_folder() as folder:
        kernel = Kernel(notebook, folder)
        failures: list[BaseException] = []
        too_long = False

        def work() -> None:
            try:
                (folder / example.path.name).write_text(example.text, encoding="utf-8")
                kernel.run(environment)
            except BaseException as error:  # noqa: BLE001 - judged in the caller's thread
                failures.append(error)

        # In the main thread nbclient would put its own signal handlers in place of ours.
        client = threading.Thread(target=work, daemon=True, name="kernel-client")
        try:
            with marked() as environment:
                environment.update(places_to_write(folder, environment))
                environment.pop("PYTHONSTARTUP", None)
                client.start()
                end = time.monotonic() + limit
                while client.is_alive() and time.monotonic() < end:
                    client.join(0.2)  # in one go it could not be interrupted on Windows
                too_long = client.is_alive()
        except (OSError, RuntimeError) as error:  # as where no thread can be started
            failures.append(error)
        finally:
            with undisturbed():
                if client.ident:
                    client.join(_PARTING_S)
    if too_long:
        remedy = "shorten it, or raise time_limit_s in its header"
        where = line_told(example, kernel)
        raise RecordError(f"{example.name} took longer than its {limit:g} s{where}: {remedy}.")
    if failures:
        raise RecordError(failure(example, failures[0], kernel))
    return notebook


@contextmanager
def _neutral_folder() -> Iterator[Path]:
    remove_leftovers()
    with contextlib.ExitStack() as cleaning:
        try:
            folder = cleaning.enter_context(temporary_folder())
            prove_room(folder, LARGEST_BYTES)
        except OSError as error:
            # Its own text may list folders that are nobody's business.
            because = shortage(error) or "none can be written to: set TMPDIR (on Windows TEMP) to one"
            raise RecordError(f"Examples run in a temporary folder, and {because}.") from None
        yield folder


def _stored(path: Path, notebook: Any) -> Recording:
    """Write ``notebook`` beside ``path``, prove that it reads back, and only then put it there."""
    import nbformat

    if what := private_in(notebook):
        remedy = "let it print a relative path or leave it out"
        raise RecordError(f"{path.stem} shows this machine's {what}: {remedy}.")
    text = nbformat.writes(notebook, version=4, ensure_ascii=False) + "\n"
    if (size := len(text.encode(errors="replace"))) > LARGEST_BYTES:
        raise RecordError(f"{path.stem} {TooMuchShown(size, LARGEST_BYTES)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as name:
            written = Path(name) / path.name
            written.write_text(text, encoding="utf-8", newline="\n")  # sums hold on Windows too
            Recording.read(written)
            with undisturbed():
                checksums.put(written, path)
    except RecordingError as error:
        raise RecordError(f"{path.stem} gave no usable recording: {error}") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be written ({error.strerror}): choose another folder.") from None
    return Recording.read(path)
