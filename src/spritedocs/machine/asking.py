"""Asking another program, which may hang."""

from __future__ import annotations

import subprocess

__all__ = ["ask_apart"]

PATIENCE_S = 30  # A sick GPU driver makes whoever asks it hang.


def ask_apart(*command: str) -> str | None:
    """What a command prints, or ``None`` if it is absent, fails or takes too long."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
