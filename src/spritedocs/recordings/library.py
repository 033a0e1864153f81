"""The recordings of a project: which there are of an example, by which machine, and how they stand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spritedocs.recordings import integrity
from spritedocs.recordings.examples import Example, Project
from spritedocs.recordings.recording import Recording, RecordingError
from spritedocs.recordings.summaries import ContradictionError

__all__ = ["Library", "Status"]

_USUAL_S = 20.0
"""How long a recording takes of which nothing is known."""


@dataclass(frozen=True)
class Status:
    """How one example stands on one machine."""

    example: str
    machine: str
    state: str
    """``"fresh"``, ``"stale"`` or ``"missing"``."""
    recording: Recording | None = None
    because: str = ""
    """Why it is stale, as a clause such as ``timing.rounds has changed since``."""

    @property
    def is_former(self) -> bool:
        """Whether the recording is of the example that this one came out of."""
        return self.recording is not None and self.recording.path.stem != self.example


@dataclass(frozen=True)
class Library:
    """All recordings of a project: the published machines' and the reader's own."""

    project: Project

    def machines(self) -> list[str]:
        """The machines with reference recordings, sorted."""
        folders = self.project.recorded.glob("*/") if self.project.recorded.is_dir() else ()
        named = (folder for folder in folders if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", folder.name))
        return sorted(folder.name for folder in named if any(folder.glob("*.ipynb")))

    def status(self, example: Example, folder: Path) -> Status:
        """How ``example`` stands in ``folder``, a machine's folder of recordings.

        Where it has none there, one of the example that it came out of stands in, and is stale.
        Raises ``RecordingError`` for a recording that cannot be used.
        """
        path, former = folder / f"{example.name}.ipynb", folder / f"{example.formerly}.ipynb"
        if not path.exists():
            if not (example.formerly and former.exists()):
                return Status(example.name, folder.name, "missing")
            path = former
        recording = _recording(path)
        published = folder.parent in (self.project.recorded, self.project.benchmarked)
        try:
            integrity.check_place(recording, example, published)
        except ContradictionError as error:
            raise RecordingError(f"{path} {error}.") from None
        if path == former:
            because = f"it was recorded as {example.formerly}, which this came out of"
        else:
            because = recording.stale_because(example, self.project.package)
        return Status(example.name, folder.name, "stale" if because else "fresh", recording, because)

    def is_fresh(self, example: Example, folder: Path) -> bool:
        """Whether ``folder`` needs no new recording. One that cannot be read is one to make again."""
        try:
            return self.status(example, folder).state == "fresh"
        except (RecordingError, OSError):
            return False

    def reference(self, example: Example, machines: list[str]) -> list[Status]:
        """The published recordings of ``example`` in the order of ``machines``, missing ones left out."""
        found = (self.status(example, self.project.recorded / machine) for machine in machines)
        return [status for status in found if status.state != "missing"]

    def benchmark(self, benchmark: Example, machines: list[str]) -> list[Status]:
        """The recordings of a benchmark in the order of ``machines``, missing ones left out."""
        found = (self.status(benchmark, self.project.benchmarked / machine) for machine in machines)
        return [status for status in found if status.state != "missing"]

    def own(self, example: Example) -> list[Status]:
        """The reader's own recordings of ``example``, of each machine that made one."""
        found = (self.status(example, folder) for folder in sorted(self.project.own.glob("*/")))
        return [status for status in found if status.state != "missing"]

    def own_summary(self, examples: Sequence[Example]) -> str:
        """How many of ``examples`` the reader has measured, and how long the rest would take: a sentence."""
        missing = [each for each in examples if not any(s.state == "fresh" for s in self.own(each))]
        measured = f"Your machine: {len(examples) - len(missing)} of {len(examples)} measured"
        if not missing:
            return f"{measured}; they stand beside the published ones."
        minutes = max(1, round(sum(map(self.expected_s, missing)) / 60))
        them = "it" if len(missing) == 1 else "them"
        return (
            f"{measured}; 'make record' (or 'spritedocs record'), about {minutes} "
            f"minute{'' if minutes == 1 else 's'}, puts {them} beside ours."
        )

    def expected_s(self, example: Example) -> float:
        """How long recording ``example`` should take, from how long it took before, here or elsewhere."""
        folders = [
            *sorted(self.project.own.glob("*/")),
            *(self.project.recorded / m for m in self.machines()),
        ]
        for path in (folder / f"{example.name}.ipynb" for folder in folders):
            with contextlib.suppress(RecordingError):
                if path.exists():
                    return float(_recording(path).provenance["duration_s"])
        return _USUAL_S


def _recording(path: Path) -> Recording:
    try:
        return _unchanged(path, path.read_bytes())
    except OSError:
        return Recording.read(path)  # says why it cannot be read


@lru_cache(maxsize=256)  # a served site is built again and again
def _unchanged(path: Path, content: bytes) -> Recording:
    return Recording.read(path)
