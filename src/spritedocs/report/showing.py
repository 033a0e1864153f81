"""Results for people: an aligned table in a terminal, a table and a figure in a notebook.

A ``Table`` takes what was measured, by key, and ``show`` prints it. A notebook output carries the raw
samples beside what it displays, so that pages quote values, and builds check claims, without reading
printed text.
"""

from __future__ import annotations

import io
import sys

from rich.console import Console

from spritedocs.report.results import Report, as_text
from spritedocs.report.tables import Table

__all__ = ["show"]


def show(result: Table | Report) -> None:
    """Print ``result``: as text in a terminal, as HTML with the raw samples in a notebook.

    Examples:
        >>> from spritedocs.report import measured
        >>> alone, four = measured("epoch_s_0", [1.3, 1.31, 1.32] * 2, "s"), measured("epoch_s_4", 0.33, "s")
        >>> show(Table("One epoch", rows=[0, 4], head="helpers").column("seconds", {0: alone, 4: four}))
        One epoch
        helpers        seconds
        ──────────────────────
        0               1.31 s
                   1.30–1.32 s
        4         about 0.33 s
                       one run
    """
    report = result.report if isinstance(result, Table) else result
    if not _in_notebook():
        replace_unknown_characters()
        Console(highlight=False).print(as_text(report))
        return
    from IPython.display import display

    display(report.bundle(), raw=True)  # type: ignore[no-untyped-call]


def replace_unknown_characters() -> None:
    """Let standard output replace what its encoding lacks: a file on Windows may not know bars and arrows."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _in_notebook() -> bool:
    """Whether output goes to a Jupyter kernel. A plain script must not pay for importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
