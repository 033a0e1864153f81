from .device_clock import accelerator
from .epoch import trace_epoch
from .lanes import Lanes
from .spans import Span, Timeline, merged_trace
from .stopwatch import Wrapped
from .tracing import ClockError, traced

__all__ = [
    "ClockError",
    "Lanes",
    "Span",
    "Timeline",
    "Wrapped",
    "accelerator",
    "merged_trace",
    "trace_epoch",
    "traced",
]
