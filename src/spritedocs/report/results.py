"""A result as it is shown: text for a terminal; HTML, text and the raw samples for a notebook."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spritedocs.guide import lack
from spritedocs.report.drawing import Figure
from spritedocs.report.measurement import MIME, TRACE_MIME, Gap, Measurement

__all__ = ["Report", "as_text"]

PAYLOAD_FORMAT = 1
_QUOTED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Report:
    """A result: a table, optionally a figure, and remarks."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Measurement | Gap | str]]
    """One cell per column. Measured cells show their median, and under it their interval."""
    figure: Figure | None = None
    notes: Sequence[str] = ()
    """Sentences that belong under the table, warnings among them."""
    more_values: Sequence[Measurement | Gap] = ()
    """Values to record that the table does not show."""
    trace: Mapping[str, Any] | None = None
    """A trace to keep beside the result, in the trace event format: ``timeline.merged_trace`` makes one."""
    finding: str = ""
    """What the figure shows, in a sentence; ``{name}`` is one of the values."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"the row {list(map(str, row))} has {len(row)} cells for {len(self.columns)} columns"
                )
        names = [cell.name for cell in self._recorded]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"{', '.join(sorted(twice))} stands in the report twice: give each value its own name"
            )
        if unknown := set(_QUOTED.findall(self.finding)).difference(names):
            raise ValueError(f"the finding quotes {', '.join(sorted(unknown))}, which {self.title!r} lacks")

    @property
    def values(self) -> tuple[Measurement, ...]:
        """The measured values, each to be recorded under its name."""
        return tuple(cell for cell in self._recorded if isinstance(cell, Measurement))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The values that could not be measured here."""
        return tuple(cell for cell in self._recorded if isinstance(cell, Gap))

    @property
    def found(self) -> str:
        """The finding with its values, or ``""`` where one of them was not measured."""
        said = {value.name: _in_a_sentence(value) for value in self.values}
        if not said.keys() >= set(_QUOTED.findall(self.finding)):
            return ""
        return _QUOTED.sub(lambda quoted: said[quoted[1]], self.finding)

    @property
    def remarks(self) -> list[str]:
        """The notes, and why there are gaps: what stands under the table, each sentence once."""
        return list(dict.fromkeys((*self.notes, *(gap.reason for gap in self.gaps))))

    def bundle(self) -> dict[str, Any]:
        """What a notebook shows of this report, by MIME type: text, HTML, and the raw samples."""
        plain = io.StringIO()
        console = Console(file=plain, width=100, highlight=False, color_system=None, force_jupyter=False)
        console.print(as_text(self))
        traced = {TRACE_MIME: json.dumps(self.trace, separators=(",", ":"))} if self.trace else {}
        return traced | {
            "text/plain": plain.getvalue(),
            # A line for each row and shape: a recording that changes is to be read in a review.
            "text/html": re.sub(r"(?=<(?:tr|li|figure|figcaption|svg|g|path|text|use)\b)", "\n", _html(self)),
            MIME: {
                "format": PAYLOAD_FORMAT,
                "title": self.title,
                "values": [value.as_json() for value in self.values],
                "gaps": [gap.as_json() for gap in self.gaps],
            },
        }

    @property
    def _recorded(self) -> Iterator[Measurement | Gap]:
        yield from (cell for row in self.rows for cell in row if not isinstance(cell, str))
        yield from self.more_values


def as_text(report: Report) -> Group:
    """What a terminal shows of ``report``."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    measured = [
        any(isinstance(row[column], Measurement | Gap) for row in report.rows)
        for column in range(len(report.columns))
    ]
    for name, is_number in zip(report.columns, measured, strict=True):
        # Folded where the terminal is narrow: by default an interval would be cut.
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in report.rows:
        table.add_row(*(_text_cell(cell) for cell in row))
    parts: list[Text | Table] = [Text(report.title, style="bold"), table]
    if report.figure:
        parts += [Text(report.found and f"\n{report.found}"), report.figure.text()]
    parts += [Text(f"• {note}") for note in report.remarks]
    return Group(*parts)


def _text_cell(cell: Measurement | Gap | str) -> Text:
    below = "".join(f"\n{line}" for line in _below(cell))
    return Text.assemble(str(cell), (below, "dim"))


def _below(cell: Measurement | Gap | str) -> list[str]:
    """What stands in smaller print under the value of a cell."""
    if not isinstance(cell, Measurement):
        return []
    return [line for line in (cell.interval_text, cell.remark) if line]


def _html(report: Report) -> str:
    return "".join(_html_parts(report))


def _html_parts(report: Report) -> Iterator[str]:
    yield '<div class="sprite-report"><div class="sprite-scroll" tabindex="0" role="group" '
    yield f'aria-label="{html.escape(report.title)}"><table class="sprite-table">'
    yield f"<caption>{html.escape(report.title)}</caption><thead><tr>"
    yield from (f'<th scope="col">{html.escape(name)}</th>' for name in report.columns)
    yield "</tr></thead><tbody>"
    for row in report.rows:
        yield "<tr>"
        yield from (f"<td{_html_cell(cell)}</td>" for cell in row)
        yield "</tr>"
    yield "</tbody></table></div>"
    if report.figure:
        yield '<figure class="sprite-figure" data-search-exclude>'
        if report.found:
            yield f"<figcaption>{html.escape(report.found)}</figcaption>"
        sentence = lack("This figure", ["matplotlib"])
        yield html.escape(sentence) or f"{report.figure.svg(wide=False)}{report.figure.svg()}"
        yield "</figure>"
    if report.remarks:
        items = "".join(f"<li>{html.escape(note)}</li>" for note in report.remarks)
        yield f'<ul class="sprite-notes">{items}</ul>'
    yield "</div>"


def _in_a_sentence(value: Measurement) -> str:
    """The value in words; with its interval where that leaves open on which side it lies."""
    return (value.in_full if value.shows_no_difference else str(value)).replace("×", " times")


def _html_cell(cell: Measurement | Gap | str) -> str:
    if isinstance(cell, str):
        return f">{html.escape(cell)}"
    below = "".join(f'<span class="sprite-interval">{html.escape(line)}</span>' for line in _below(cell))
    return f' class="sprite-number">{html.escape(str(cell))}{below}'
