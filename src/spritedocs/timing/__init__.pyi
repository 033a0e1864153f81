from .comparing import compare
from .comparison import Comparison
from .epochs import (
    EpochTiming,
    Loader,
    TimingError,
    Training,
    _item_counter,
    dismiss,
    finish_cuda_work,
    time_epoch,
)
from .fitting import Fit, fit_step
from .memory_watch import watch_memory
from .races import race
from .rounds import rounds_for

__all__ = [
    "Comparison",
    "EpochTiming",
    "Fit",
    "Loader",
    "TimingError",
    "Training",
    "_item_counter",
    "compare",
    "dismiss",
    "finish_cuda_work",
    "fit_step",
    "race",
    "rounds_for",
    "time_epoch",
    "watch_memory",
]
