from .comparing import compare
from .comparison import Comparison
from .epochs import EpochTiming, Loader, TimingError, dismiss, time_epoch
from .memory_watch import watch_memory
from .races import race
from .rounds import rounds_for

__all__ = [
    "Comparison",
    "EpochTiming",
    "Loader",
    "TimingError",
    "compare",
    "dismiss",
    "race",
    "rounds_for",
    "time_epoch",
    "watch_memory",
]
