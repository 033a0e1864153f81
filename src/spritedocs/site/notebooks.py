"""The notebook that readers view and take along: the script's cells with the outputs of the recording."""

from __future__ import annotations

import json
from typing import Any

from spritedocs.recordings import Entry, Recording, joined
from spritedocs.site.placeholders import filled

__all__ = ["published_notebook"]

_PROSE: dict[str, Any] = {"cell_type": "markdown", "metadata": {}}


def published_notebook(recording: Recording, entry: Entry, fresh: bool) -> bytes:
    """The file to publish, with values where its prose has placeholders for them.

    A fingerprint covers neither prose nor comments. So while a recording is ``fresh``, these are the
    script's, as on the page of the experiment; a stale one is what was recorded.
    """
    code, example = iter(recording.code_cells), entry.example
    first, stored = recording.notebook["cells"][:2], recording.notebook["cells"]  # the first two are ours
    if not fresh or len(recording.code_cells) != sum(cell.kind == "code" for cell in example.cells):
        cells = [_told(cell, entry) for cell in stored]
        return recording.path.read_bytes() if cells == stored else _written(recording, cells)
    script = [
        {**(next(code) if cell.kind == "code" else _PROSE), "source": cell.text.splitlines(keepends=True)}
        for cell in example.cells
    ]
    cells = [*first, *(_told(cell, entry) for cell in script)]
    return _written(recording, [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)])


def _told(cell: dict[str, Any], entry: Entry) -> dict[str, Any]:
    if cell["cell_type"] != "markdown":
        return cell
    text = joined(cell["source"])
    told, _ = filled(text, entry)  # of a fault the page tells
    return cell if told == text else {**cell, "source": told.splitlines(keepends=True)}


def _written(recording: Recording, cells: list[dict[str, Any]]) -> bytes:
    return json.dumps({**recording.notebook, "cells": cells}, ensure_ascii=False, indent=1).encode()
