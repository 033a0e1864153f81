from .epoch import Costs, Prediction, Settings, predict

__all__ = [
    "Costs",
    "Prediction",
    "Settings",
    "predict",
]
