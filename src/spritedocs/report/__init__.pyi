from .bars import Bars, Dots
from .blocks import Blocks
from .drawing import GRID, INK, MUTED, PANEL, Figure, axes_of, colour_of, letters, name_x_axis
from .intervals import FEWEST_SAMPLES, log_interval
from .lines import Lines
from .measurement import MIME, TRACE_MIME, Gap, Measurement, count, measured
from .results import Report
from .showing import replace_unknown_characters, show
from .tables import Table
from .ticks import put_linear_ticks

__all__ = [
    "FEWEST_SAMPLES",
    "GRID",
    "INK",
    "MIME",
    "MUTED",
    "PANEL",
    "TRACE_MIME",
    "Bars",
    "Blocks",
    "Dots",
    "Figure",
    "Gap",
    "Lines",
    "Measurement",
    "Report",
    "Table",
    "axes_of",
    "colour_of",
    "count",
    "letters",
    "log_interval",
    "measured",
    "name_x_axis",
    "put_linear_ticks",
    "replace_unknown_characters",
    "show",
]
