from .device_clock import accelerator
from .epoch import trace_epoch
from .lanes import Lanes
from .profiling import ProfilerRow, profiled
from .spans import Span, Timeline, merged_trace
from .stopwatch import Wrapped
from .tracing import ClockError, traced

__all__ = [
    "ClockError",
    "Lanes",
    "ProfilerRow",
    "Span",
    "Timeline",
    "Wrapped",
    "accelerator",
    "merged_trace",
    "profiled",
    "trace_epoch",
    "traced",
]
