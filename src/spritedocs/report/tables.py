"""Tables of what was measured, by key, with a figure and remarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Self

from spritedocs.report.bars import Bars
from spritedocs.report.blocks import Blocks
from spritedocs.report.cells import Cell, Warned, as_shown
from spritedocs.report.drawing import Figure
from spritedocs.report.lines import Lines, Spacing
from spritedocs.report.measurement import Gap, Measurement
from spritedocs.report.results import Report

__all__ = ["Table"]


class Table:
    """A result: cells by key, and optionally a figure, remarks, and values that no cell shows.

    One side is fixed: ``rows`` or ``columns``, a mapping from keys to labels, or keys that are their own
    labels. ``head`` stands above the first column. Each method adds to the table and returns it.

    Examples:
        >>> from spritedocs.report import measured, show
        >>> seconds = {n: measured(f"epoch_s_{n}", [1.31 / max(n, 1)] * 6, "s") for n in (0, 4)}
        >>> show(
        ...     Table("Seconds per epoch", columns={0: "alone", 4: "4 helpers"})
        ...     .row("later epochs", seconds)
        ...     .row("first epoch", {4: Gap("first_s_4", "Not tried.")})
        ... )
        Seconds per epoch
                        alone      4 helpers
        ────────────────────────────────────
        later epochs   1.31 s        0.328 s
        first epoch             not measured
        • Not tried.
    """

    def __init__(
        self,
        title: str,
        *,
        rows: Mapping[Any, str] | Iterable[Any] | None = None,
        columns: Mapping[Any, str] | Iterable[Any] | None = None,
        head: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        """Begin a table. Raises ``ValueError`` unless exactly one of ``rows`` and ``columns`` is given."""
        keys = rows if columns is None else columns
        if keys is None or None not in (rows, columns):
            raise ValueError(f"the table {title!r} needs either rows or columns: give one of them")
        self.title, self.head = title, head
        labels = keys if isinstance(keys, Mapping) else {key: key for key in keys}
        self._labels = {key: str(label) for key, label in labels.items()}
        self._is_upright = columns is None
        self._lines: list[tuple[str, dict[Any, Cell]]] = []
        self._footers: list[tuple[str, tuple[Cell, ...]]] = []
        self._notes = list(notes)
        self._more: list[Measurement | Gap] = []
        self._figure: Figure | None = None
        self._finding = ""
        self._trace: Mapping[str, Any] | None = None

    def column(self, heading: str, cells: Mapping[Any, Cell]) -> Self:
        """Add a column to a table of ``rows``: a cell for each key, blank where there is none.

        Raises ``ValueError`` for a key that the table does not have, or if its ``columns`` are fixed.
        """
        return self._add(heading, cells, upright=True)

    def row(self, heading: str, cells: Mapping[Any, Cell]) -> Self:
        """Add a row to a table of ``columns``, as ``column`` adds a column to one of ``rows``."""
        return self._add(heading, cells, upright=False)

    def _add(self, heading: str, cells: Mapping[Any, Cell], upright: bool) -> Self:
        if upright is not self._is_upright:
            fixed, other = ("rows", "column") if self._is_upright else ("columns", "row")
            raise ValueError(f"the table {self.title!r} has fixed {fixed}: add {heading!r} by .{other}()")
        if unknown := [key for key in cells if key not in self._labels]:
            known = ", ".join(map(repr, self._labels))
            raise ValueError(f"{heading!r} has a cell for {unknown[0]!r}: the table's keys are {known}")
        self._lines.append((heading, dict(cells)))
        return self

    def footer(self, heading: str, *cells: Cell) -> Self:
        """Add a row at the end that belongs to no key: its cells from the left."""
        self._footers.append((heading, cells))
        return self

    def note(self, *texts: str) -> Self:
        """Add sentences that stand under the table."""
        self._notes += texts
        return self

    def warn(self, *results: Warned) -> Self:
        """Add the warnings of comparisons, and why arms of theirs are missing, each sentence once."""
        return self.note(*(text for each in results for text in (*each.warnings, *each.missing.values())))

    def record(self, values: Mapping[Any, Measurement | Gap] | Iterable[Measurement | Gap]) -> Self:
        """Record values that the table does not show."""
        self._more += values.values() if isinstance(values, Mapping) else values
        return self

    def bars(
        self,
        x_label: str,
        *mappings: Mapping[Any, Measurement | Gap],
        groups: Mapping[Any, int] | Sequence[int] | None = None,
        kind: type[Bars] = Bars,
    ) -> Self:
        """Draw a bar for each measured value of ``mappings``, which are recorded too.

        ``groups`` says which colour a key has, or each of ``mappings``: 0 grey, 1 purple, 2 orange. Without
        it the key 0, no helpers, is grey and the others are purple. ``kind`` may be ``Dots``, on a
        logarithmic axis.
        """
        values, colours = [], []
        for number, mapping in enumerate(mappings):
            heading = next((name for name, cells in self._lines if _are_in(mapping, cells)), "")
            for key, value in self._drawn(mapping):
                label = self._labels.get(key, str(key))
                named = f"{heading}, {label}" if heading and len(mappings) > 1 else label
                values.append(replace(value, label=value.label or named))
                at = key if isinstance(groups, Mapping) else number
                colours.append(int(key != 0) if groups is None else groups[at])
        return self._draw(kind("", values, colours, x_label) if values else None)

    def lines(
        self,
        x_label: str,
        y_label: str,
        series: Mapping[str, Mapping[Any, Measurement | Gap | float]],
        *,
        spacing: Spacing = "linear",
        reference: tuple[float, str] | None = None,
        mark: tuple[float, str] | None = None,
        ideal: str = "",
        groups: Mapping[str, int] | None = None,
    ) -> Self:
        """Draw a line for each of ``series``, a mapping from x to y, and record what was measured of it.

        An x is a number, or a measured value that stands in the table.
        ``spacing="even"`` puts the x that occur side by side, as suits 0, 1, 2, 4, 8; ``reference`` is a y to
        compare with, and what it means. See ``Lines`` for the rest.
        """
        drawn = {
            label: sorted(
                ((_number(x), y) for x, y in self._drawn(points) if not isinstance(x, Gap)), key=itemgetter(0)
            )
            for label, points in series.items()
        }
        drawn = {label: points for label, points in drawn.items() if points}
        told = (x_label, y_label, spacing, reference, mark, ideal, groups or {})
        return self._draw(Lines("", drawn, *told) if drawn else None)

    def blocks(
        self,
        rows: Mapping[str, Sequence[int]],
        *,
        names: Sequence[str] = (),
        main: str = "main",
        x_label: str = "",
    ) -> Self:
        """Draw who did what, in order: a row of actors, from 0, for each label; -1 is the main process.

        ``names`` are those of actors 0, 1, …, and ``main`` that of the main process.
        """
        rows = {label: actors for label, actors in rows.items() if actors}
        return self._draw(Blocks("", rows, names, main, x_label) if rows else None)

    def figure(self, figure: Figure) -> Self:
        """Show a figure of another kind, such as ``timeline.Lanes``."""
        return self._draw(figure)

    def finding(self, sentence: str) -> Self:
        """Say above the figure what it shows; ``{name}`` is a value of this table, as it was measured.

        The sentence has to be true whichever way the values turn out: "as fast", never "faster". Where one
        of its values was not measured it is left out.
        """
        self._finding = sentence
        return self

    def trace(self, trace: Mapping[str, Any]) -> Self:
        """Keep a trace beside the result, in the trace event format: ``timeline.merged_trace`` makes one."""
        self._trace = trace
        return self

    def _drawn(self, mapping: Mapping[Any, Measurement | Gap | float]) -> Iterator[tuple[Any, Any]]:
        """The items of a mapping that a figure shows, all of which are recorded."""
        for key, value in mapping.items():
            if isinstance(value, Measurement | Gap):
                self._more.append(value)
            if not isinstance(value, Gap):
                yield key, value

    def _draw(self, figure: Figure | None) -> Self:
        if self._figure and figure:
            raise ValueError(f"the table {self.title!r} has a figure already: show this one with another")
        self._figure = self._figure or figure
        return self

    @property
    def report(self) -> Report:
        """The table as ``show`` prints it. Raises ``ValueError`` for two values of one name."""
        if self._is_upright:
            columns = [self.head, *(heading for heading, _ in self._lines)]
            rows = [
                [label, *(cells.get(key, "") for _, cells in self._lines)]
                for key, label in self._labels.items()
            ]
        else:
            columns = [self.head, *self._labels.values()]
            rows = [
                [heading, *(cells.get(key, "") for key in self._labels)] for heading, cells in self._lines
            ]
        for heading, cells in self._footers:
            rows.append([heading, *cells, *[""] * (len(columns) - 1 - len(cells))])
        shown = [cell for row in rows for cell in row if isinstance(cell, Measurement | Gap)]
        # What stands in the table needs no second place, nor does what was drawn twice.
        more = [value for value in dict.fromkeys(self._more) if value not in shown]
        return Report(
            self.title,
            columns,
            [[as_shown(cell) for cell in row] for row in rows],
            self._figure,
            self._notes,
            more,
            self._trace,
            self._finding,
        )


def _number(x: Measurement | float) -> float:
    return float(f"{x.median:.3g}") if isinstance(x, Measurement) else x


def _are_in(mapping: Mapping[Any, Measurement | Gap], cells: Mapping[Any, Cell]) -> bool:
    return any(value in cells.values() for value in mapping.values())
