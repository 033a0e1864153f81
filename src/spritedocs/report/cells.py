"""What stands in the cells of a table, and what a comparison says under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from spritedocs.report.measurement import Gap, Measurement

__all__ = ["Cell", "Warned", "as_shown"]

Cell = Measurement | Gap | str | float
"""What a cell shows: a value, why there is none, a text, or a number that nobody measured."""


class Warned(Protocol):
    """What a comparison says beside its values."""

    @property
    def warnings(self) -> Sequence[str]:
        """What makes the values less trustworthy than they look."""

    @property
    def missing(self) -> Mapping[Any, str]:
        """The arms that could not run here, each with the reason."""


def as_shown(cell: Cell) -> Measurement | Gap | str:
    """The cell as a report has it: a number that nobody measured as text."""
    if isinstance(cell, Measurement | Gap | str):
        return cell
    return f"{cell:,g}" if isinstance(cell, float) else f"{cell:,}"
