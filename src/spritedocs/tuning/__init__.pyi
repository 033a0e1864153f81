from .result import Tuning
from .terminal import print_tuning
from .tuner import tune

__all__ = ["Tuning", "print_tuning", "tune"]
