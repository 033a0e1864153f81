from .frameworks import FRAMEWORKS, line_for
from .result import Tuning
from .terminal import print_tuning
from .tuner import tune

__all__ = ["FRAMEWORKS", "Tuning", "line_for", "print_tuning", "tune"]
