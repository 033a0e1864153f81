"""The notebook that readers view and take along: the script's cells with the outputs of the recording."""

from __future__ import annotations

import json
from typing import Any

from spritedocs.examples import Example
from spritedocs.recordings import Recording

__all__ = ["published_notebook"]

_PROSE: dict[str, Any] = {"cell_type": "markdown", "metadata": {}}


def published_notebook(recording: Recording, example: Example, fresh: bool) -> bytes:
    """The file to publish.

    A fingerprint covers neither prose nor comments. So while a recording is ``fresh``, these are the
    script's, as on the page of the experiment; a stale one is what was recorded.
    """
    stored = recording.path.read_bytes()
    code = iter(recording.code_cells)
    if not fresh or len(recording.code_cells) != sum(cell.kind == "code" for cell in example.cells):
        return stored
    script = [
        {**(next(code) if cell.kind == "code" else _PROSE), "source": cell.text.splitlines(keepends=True)}
        for cell in example.cells
    ]
    cells = [*recording.notebook["cells"][:2], *script]  # the first two are ours
    numbered = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)]
    return json.dumps({**recording.notebook, "cells": numbered}, ensure_ascii=False, indent=1).encode()
