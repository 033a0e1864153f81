from .dataset_kinds import complaint, starts_processes, unwrapped
from .files import TargetError
from .guard import Callbacks, RunError, run
from .loading import Target, unwatched
from .their_errors import TheirError

__all__ = [
    "Callbacks",
    "RunError",
    "Target",
    "TargetError",
    "TheirError",
    "complaint",
    "run",
    "starts_processes",
    "unwatched",
    "unwrapped",
]
