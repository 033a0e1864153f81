"""What the cells of a recording showed, for the page of an experiment: as HTML, and traces as files."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from typing import Any

from spritedocs.recordings import Entry, Recording, joined
from spritedocs.report import MIME, TRACE_MIME
from spritedocs.site.fences import visible

__all__ = ["outputs_of", "traces"]

_FOLDED, _MOST = 80, 20_000


def outputs_of(entry: Entry, recording: Recording) -> dict[int, str]:
    """The displayed outputs of a recording by the number of the script's code cell.

    None of one whose code is not the script's any more. Where the same code is in other cells, all of it
    stands after the last one.
    """
    if not recording.has_code_of(entry.example):
        return {}
    name = entry.example.name
    rendered = {number: _output_html(cell, name) for number, cell in enumerate(recording.code_cells)}
    count = sum(cell.kind == "code" for cell in entry.example.cells)
    if len(rendered) != count:
        return {count - 1: "".join(rendered.values())}
    return rendered


def traces(entry: Entry) -> dict[str, str]:
    """The traces that the page of an experiment offers: each file's path in the site, and its text."""
    recordings = (r for _, r, _ in entry.shown if r.has_code_of(entry.example))
    kept = (result.trace for recording in recordings for result in recording.results)
    return {_trace_path(entry.example.name, trace): trace for trace in kept if trace}


def _trace_path(name: str, trace: str) -> str:
    return f"downloads/{name}-{hashlib.sha256(trace.encode()).hexdigest()[:8]}.trace.json"


def _output_html(cell: Mapping[str, Any], name: str) -> str:
    parts = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if MIME in data:
            parts.append(joined(data["text/html"]))
            if trace := joined(data.get(TRACE_MIME, "")):
                parts.append(
                    f'<p class="sprite-downloads"><a href="../../{_trace_path(name, trace)}" download>'
                    "Download this trace</a>, and drop it on ui.perfetto.dev to look closer</p>"
                )
        elif text := joined(output.get("text", "") or data.get("text/plain", "")):
            parts.append(_printed(visible(text)))
    return "".join(parts)


def _printed(text: str) -> str:
    """What was printed. More than ``_FOLDED`` lines open on demand, and ``_MOST`` characters are shown."""
    # It may scroll: people without a mouse must be able to reach it.
    attributes = 'class="sprite-stream" tabindex="0" role="group" aria-label="Printed text"'
    shown = f"<pre {attributes}>{html.escape(text[:_MOST])}</pre>"
    lines = text.rstrip("\n").count("\n") + 1
    if lines <= _FOLDED and len(text) <= _MOST:
        return shown
    rest = f"<p>Of {len(text):,} characters the first {_MOST:,}.</p>" if len(text) > _MOST else ""
    return f"<details><summary>Printed text ({lines:,} lines)</summary>{shown}{rest}</details>"
