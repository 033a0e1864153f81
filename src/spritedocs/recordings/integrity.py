"""Whether a recording is what a run stored: whatever it says twice agrees, and nothing else is in it.

A recording is input from a stranger. Medians and intervals follow from their samples, the code from its
fingerprint, a table from its values, the folder from the machine. What follows from nothing, such as the
samples, is covered by ``spritedocs.recordings.checksums``: an edit then shows in a second file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from spritedocs.machine import Machine, slug
from spritedocs.recordings import checksums
from spritedocs.recordings.cleaning import has_controls
from spritedocs.recordings.fingerprints import source_sha256
from spritedocs.recordings.summaries import (
    ContradictionError,
    check_result,
    check_statement,
    check_summary,
    require,
)
from spritedocs.report import MIME, TRACE_MIME

if TYPE_CHECKING:
    from spritedocs.recordings.examples import Example
    from spritedocs.recordings.recording import Recording

__all__ = ["KERNEL", "check", "check_place", "first_cells", "is_benchmark"]

_NOTE = (
    "*The recorded notebook of `{name}`. To run it yourself, install `spritedocs` and keep "
    "the script beside it: the first cell says why.*"
)
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

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
"""The kernel that a recorded notebook runs in."""

_REQUIRED = {
    "example": str,
    "source_sha256": str,
    "machine": dict,
    "recorded_at": str,
    "commit": str,
    "duration_s": int | float,
    "command": str,
}
_BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER = timedelta(days=1)
_METADATA = {"spritedocs", "kernelspec", "language_info"}
_SHOWN = ({"text/plain"}, {MIME, "text/html", "text/plain"}, {MIME, TRACE_MIME, "text/html", "text/plain"})
_BENCHMARK = re.compile(r"python benchmarks/(?:\w+/)?\w+\.py(?: --[a-z-]+)*")
"""A benchmark was not always in the folder of its subject."""


def first_cells(script: str) -> tuple[str, str]:
    """The Markdown cell and the code cell that a recorded notebook begins with. No others are accepted."""
    return _NOTE.format(name=script), _SETUP.format(name=script)


def check(recording: Recording) -> None:
    """Raise ``ContradictionError`` where ``recording`` is not what a run stored; ``ValueError`` for damage.

    A benchmark's holds no code, and may state intervals of its own: there a middle has to lie in the midst
    of its samples, and no interval is checked.
    """
    said = recording.provenance
    form = said["format"]
    require(type(form) is int and form >= 1, f"says that its format is {form!r}")
    fingerprints = {"modules": dict} if form >= 3 else {"package_sha256": str}
    for key, kind in (_REQUIRED | fingerprints).items():
        require(isinstance(said.get(key), kind), f"is damaged: its {key} is missing")
    _read_all(recording)
    _check_run(said)
    _check_machine(said["machine"])
    _check_cells(recording)
    benchmark = is_benchmark(recording)
    code = "\n".join(_joined(cell["source"]) for cell in recording.code_cells)
    if benchmark:
        require(not code.strip(), "holds code, though it is a benchmark's report")
    else:
        require(
            said["command"] == f"spritedocs record {said['example']}",
            f"was made by the command {said['command']!r}, which records something else",
        )
        require(
            source_sha256(code, form) == said["source_sha256"],
            "holds code whose fingerprint is not its source_sha256",
        )
        _check_beginning(recording.notebook["cells"], f"{said['example']}.py")
    for result in recording.results:
        for value in result.values:
            check_statement(value) if benchmark else check_summary(value, form)
        check_result(result)


def check_place(recording: Recording, example: Example, published: bool) -> None:
    """Raise ``ContradictionError`` where ``recording``, of ``example``, does not belong where it lies.

    A ``published`` one has to be listed in the sums of its folder, and made by the machine of that name.
    """
    path, folder = recording.path, recording.path.parent.name
    sums = f"{checksums.NAME} beside it"
    try:
        agrees = checksums.agrees(path)
    except OSError:
        raise ContradictionError(f"needs the {sums}, which cannot be read: restore that") from None
    require(agrees is not False, f"is not what the {sums} says: record the example again")
    require(agrees or not published, f"is not in the {sums}: record the example again")
    made_by = slug(Machine.from_dict(recording.provenance["machine"]))
    at_home = made_by == folder or not published
    require(at_home, f"was recorded by {made_by}: record the example again on {folder}")
    belongs = is_benchmark(recording) == (example.path.parent.name != "examples")
    require(belongs, f"was not recorded by {example.path.name}: record the example again")


def is_benchmark(recording: Recording) -> bool:
    """Whether this is a benchmark's report rather than a notebook that was run."""
    return _BENCHMARK.fullmatch(recording.provenance["command"]) is not None


def _read_all(recording: Recording) -> None:
    """Read whatever a page will read, so that a page never meets damage."""
    memory = recording.provenance["machine"].get("memory_gb") or 0
    if not math.isfinite(recording.provenance["duration_s"] + memory):
        raise ValueError("a duration or a memory is not finite")
    _ = recording.recorded_at, recording.results, recording.values, recording.gaps
    _ = Machine.from_dict(recording.provenance["machine"]).summary()


def _check_run(said: Mapping[str, Any]) -> None:
    require(said["duration_s"] >= 0, f"says that it took {said['duration_s']} s")
    at = datetime.fromisoformat(said["recorded_at"])
    plausible = at.tzinfo is not None and _BEGINNING <= at <= datetime.now(UTC) + _CLOCKS_DIFFER
    require(plausible, f"says that it was recorded at {said['recorded_at']!r}, which cannot be")
    is_commit = re.fullmatch(r"[0-9a-fA-F]{3,64}|unknown", said["commit"])
    modules = said.get("modules", {})
    named = all(
        re.fullmatch(r"[a-z_][a-z0-9_.]*", name) and re.fullmatch(r"[0-9a-f]{64}", str(print_))
        for name, print_ in modules.items()
    )
    require(named, "says of a module what is no fingerprint")
    require(is_commit is not None, f"says that its commit is {said['commit']!r}")


def _check_machine(machine: Mapping[str, Any]) -> None:
    for field in fields(Machine):
        value = machine.get(field.name)
        text = "str" in str(field.type)
        if value is not None and text:
            right = isinstance(value, str) and 0 < len(value) <= 200 and not has_controls(value)
        else:
            right = value is None or (type(value) in (int, float) and math.isfinite(value) and value >= 0)
        require(right, f"says that its machine's {field.name} is {value!r}")


def _check_cells(recording: Recording) -> None:
    notebook = recording.notebook
    unknown = [*(notebook.keys() - {"cells", "metadata", "nbformat", "nbformat_minor"})]
    unknown += [*(notebook["metadata"].keys() - _METADATA)]
    require((notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5), "is no notebook of the format 4.5")
    for cell in notebook["cells"]:
        _joined(cell["source"])
        known = {"id", "cell_type", "metadata", "source"}
        known |= {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        unknown += cell.keys() - known
        require(cell["cell_type"] in ("code", "markdown"), f"has a cell of the type {cell['cell_type']!r}")
        if cell["metadata"].get("spritedocs_setup"):
            _, setup = first_cells(f"{recording.provenance['example']}.py")
            is_ours = _joined(cell["source"]).strip() == setup.strip() and not cell.get("outputs")
            require(is_ours, "has a setup cell that 'spritedocs record' does not write")
        for output in cell.get("outputs", ()):
            _check_output(output)
    require(notebook["metadata"].get("kernelspec", KERNEL) == KERNEL, "names another kernel than ours")
    require(not unknown, f"holds {', '.join(map(repr, sorted(unknown)))}, which no recording of ours has")


def _check_beginning(cells: Sequence[Mapping[str, Any]], script: str) -> None:
    note, setup = first_cells(script)
    ours = [("markdown", note), ("code", setup.strip())]
    found = [(cell["cell_type"], _joined(cell["source"]).strip()) for cell in cells[:2]]
    require(found == ours, "does not begin with the two cells that 'spritedocs record' writes")


def _check_output(output: Mapping[str, Any]) -> None:
    kind = output["output_type"]
    require(not output.get("metadata"), f"has an output with the metadata {output.get('metadata')!r}")
    if kind == "stream":
        _joined(output["text"])
        return
    require(kind in ("display_data", "execute_result"), f"has an output of the type {kind!r}")
    require(
        set(output["data"]) in _SHOWN,
        f"shows {', '.join(sorted(output['data']))}, where text or a report of ours can be shown",
    )
    _joined(output["data"]["text/plain"])
    trace = json.loads(_joined(output["data"].get(TRACE_MIME, "{}")))
    require(isinstance(trace, dict), "keeps a trace that is none")


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
