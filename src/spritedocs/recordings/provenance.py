"""Where a recording's numbers come from: code, commit, machine, date, command."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spritedocs.machine import GpuLoad
from spritedocs.recordings.examples import Example, Project
from spritedocs.recordings.fingerprints import modules_sha256, source_sha256
from spritedocs.recordings.recording import FORMAT

__all__ = ["Provenance"]


@dataclass(frozen=True)
class Provenance:
    """All of it is taken before a run, during which somebody may go on editing."""

    example: str
    source_sha256: str
    modules: Mapping[str, str]
    """The fingerprint of each measuring module."""
    commit: str
    """The commit that is checked out, ``"unknown"`` where there is none."""
    dirty: bool
    """Whether anything but recordings differs from that commit."""
    recorded_at: datetime
    begun: float
    """``time.monotonic()`` at the beginning, in seconds."""
    gpu_busy: GpuLoad | None = None
    """What other programs did on the GPU; ``None`` where it was idle, unknown, or not there."""

    @classmethod
    def of(cls, project: Project, example: Example, gpu_busy: GpuLoad | None = None) -> Provenance:
        """What is to be said of a run of ``example`` that begins now."""
        commit, dirty = _commit(project.root)
        return cls(
            example=example.name,
            source_sha256=source_sha256(example.text),
            modules=modules_sha256(example.text, project.package, example.programs),
            commit=commit,
            dirty=dirty,
            recorded_at=datetime.now(UTC).replace(microsecond=0),
            begun=time.monotonic(),
            gpu_busy=gpu_busy,
        )

    def metadata(self, machine: Mapping[str, Any], command: str) -> dict[str, Any]:
        """``metadata.spritedocs`` of the run, which ends now.

        ``machine`` is what ``machine.describe().as_dict()`` says, ``command`` repeats the run.
        """
        return {
            "format": FORMAT,
            "example": self.example,
            "source_sha256": self.source_sha256,
            "modules": dict(self.modules),
            "machine": dict(machine),
            "recorded_at": self.recorded_at.isoformat(),
            "commit": self.commit,
            "dirty": self.dirty,
            "duration_s": round(time.monotonic() - self.begun, 1),
            "command": command,
            **({"gpu_busy": self.gpu_busy.as_dict()} if self.gpu_busy else {}),
        }


def _commit(root: Path) -> tuple[str, bool]:
    """The commit that is checked out, and whether anything but recordings differs from it.

    ``SPRITEDOCS_COMMIT`` stands in where there is no repository; ``-dirty`` at its end is believed.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        return head, bool(git("status", "--porcelain", "--", ".", ":(exclude)*/recorded/*"))
    except (OSError, subprocess.SubprocessError):
        given = os.environ.get("SPRITEDOCS_COMMIT", "unknown")
        return given.removesuffix("-dirty"), given.endswith("-dirty") or given == "unknown"
