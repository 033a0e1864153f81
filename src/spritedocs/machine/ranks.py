"""Ranks, the processes of one training: which of them ended the others by no mistake of its program."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from spritedocs.errors import ending, is_crash, killer

__all__ = ["why_ranks_ended"]


def why_ranks_ended(statuses: Mapping[int, int | None]) -> str:
    """Which rank was killed or found its port taken, and what helps; ``""`` where neither was so.

    ``statuses`` are the exit statuses by rank, as ``subprocess`` has them. Whoever waits for a dead rank
    fails as well, or is ended by SIGTERM: that is no cause. A rank whose port is taken exits with
    ``errno.EADDRINUSE``. The sentence is for a program to raise as ``NotImplementedError``, which leaves a
    gap in place of values.

    Examples:
        >>> why_ranks_ended({0: 1, 1: -9})
        'rank 1 was killed (SIGKILL), as happens where memory runs out: end other programs, and run it again'
        >>> why_ranks_ended({0: 1, 1: -15})
        ''
    """
    named = {rank: killer(status) for rank, status in statuses.items() if status is not None}
    killed = [rank for rank, signal in named.items() if signal not in ("", "SIGTERM")]
    # One that lost another rank may abort.
    for rank in sorted(killed, key=lambda rank: is_crash(named[rank])):
        return f"rank {rank} {ending(statuses[rank])}: end other programs, and run it again"
    for rank, status in statuses.items():
        if status == errno.EADDRINUSE:
            return f"another program took the port that rank {rank} was to listen on: run it again"
    return ""
