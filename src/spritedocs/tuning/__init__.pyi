from .guard import Callbacks, RunError, run
from .result import Tuning
from .target_files import TargetError
from .targets import Target
from .terminal import print_tuning
from .tuner import tune

__all__ = [
    "Callbacks",
    "RunError",
    "Target",
    "TargetError",
    "Tuning",
    "print_tuning",
    "run",
    "tune",
]
