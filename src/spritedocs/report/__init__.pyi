from .drawing import (
    FONT_POINTS,
    GRID,
    INK,
    LETTERS,
    MUTED,
    PANEL,
    Figure,
    axes_of,
    colour_of,
    finished,
    name_x_axis,
    plain_matplotlib,
)
from .figures import Bars, Blocks
from .intervals import FEWEST_SAMPLES, log_interval
from .lines import Lines
from .measurement import MIME, TRACE_MIME, Gap, Measurement, count, measured
from .results import Report
from .showing import replace_unknown_characters, show
from .tables import Table

__all__ = [
    "FEWEST_SAMPLES",
    "FONT_POINTS",
    "GRID",
    "INK",
    "LETTERS",
    "MIME",
    "MUTED",
    "PANEL",
    "TRACE_MIME",
    "Bars",
    "Blocks",
    "Figure",
    "Gap",
    "Lines",
    "Measurement",
    "Report",
    "Table",
    "axes_of",
    "colour_of",
    "count",
    "finished",
    "log_interval",
    "measured",
    "name_x_axis",
    "plain_matplotlib",
    "replace_unknown_characters",
    "show",
]
