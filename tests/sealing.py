"""Altered recordings put right in all that follows from what was altered, as if a run had stored them so."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from spritedocs.machine import Machine, slug
from spritedocs.recordings import source_sha256
from spritedocs.recordings.checksums import put
from spritedocs.report import MIME, Gap, Measurement
from spritedocs.report.results import _html_cell

_CELL = re.compile(r' class="sprite-number">.*?(?=</td>)')


def put_right(notebook: dict[str, Any], before: dict[str, Any], folder: Path) -> None:
    """Alter ``notebook``, which was ``before``, so that it agrees with itself and belongs into ``folder``.

    What a test has damaged stays damaged.
    """
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        _put_right_code(notebook)
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        _put_right_machine(notebook["metadata"]["spritedocs"]["machine"], folder)
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        _put_right_values(notebook, before)


def seal(path: Path) -> Path:
    """Write the sums of ``path`` anew."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        put(Path(shutil.copy(path, folder)), path)
    return path


def _put_right_code(notebook: dict[str, Any]) -> None:
    """A test makes a recording stale with any fingerprint; that of its code has to be its code's."""
    said = notebook["metadata"]["spritedocs"]
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code = "\n".join("".join(cell["source"]) for cell in cells if "spritedocs_setup" not in cell["metadata"])
    if len(said["source_sha256"]) == 64 and said["source_sha256"] != source_sha256(code):
        said["modules"]["other"], said["source_sha256"] = said["source_sha256"], source_sha256(code)


def _put_right_machine(machine: dict[str, Any], folder: Path) -> None:
    published = folder.parent.name == "recorded" and folder.parents[1].name in ("examples", "benchmarks")
    if published and slug(Machine.from_dict(machine)) != folder.name and not machine.get("gpu"):
        machine["gpu"] = folder.name


def _put_right_values(notebook: dict[str, Any], before: dict[str, Any]) -> None:
    for cell, old_cell in zip(notebook["cells"], before["cells"], strict=True):
        for output, old in zip(cell.get("outputs", ()), old_cell.get("outputs", ()), strict=False):
            if MIME in output.get("data", {}):
                _put_right_result(output["data"], old["data"][MIME])


def _put_right_result(data: dict[str, Any], old: dict[str, Any]) -> None:
    payload = data[MIME]
    for value in payload["values"]:
        made = Measurement.of(value["name"], value["samples"], value["unit"], value["label"]).as_json()
        value.update(median=made["median"], interval=made["interval"])
    stored = [Measurement.from_json(value) for value in payload["values"]]
    found = {item.name: item for item in (*stored, *map(Gap.from_json, payload.get("gaps", ())))}
    renamed = [item for name, item in found.items() if name not in {value["name"] for value in old["values"]}]
    cells = [found.get(value["name"]) or renamed.pop(0) for value in old["values"]]
    parts = iter(cells)
    html = "".join(data["text/html"])
    data["text/html"] = [_CELL.sub(lambda _: _html_cell(next(parts)), html)]
