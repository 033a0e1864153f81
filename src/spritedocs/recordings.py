"""Recordings read back: what an example printed on one machine, its values, and whether it is fresh.

A recording is an executed notebook whose ``metadata.spritedocs`` says where its numbers come from.
``spritedocs.recorder`` makes them. Reading them needs neither torch nor a kernel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from spritedocs import integrity
from spritedocs.cleaning import printable
from spritedocs.examples import Example, Project
from spritedocs.fingerprints import package_sha256, source_sha256
from spritedocs.measurement import MIME, Gap, Measurement
from spritedocs.spans import TRACE_MIME
from spritedocs.summaries import ContradictionError

__all__ = ["FORMAT", "Library", "Recording", "RecordingError", "Result", "Status"]

FORMAT = 2
"""The version of ``metadata.spritedocs`` that this package writes, and the newest it reads.
In format 1 the median of a ratio was that of its samples; from 2 on it is that of their logarithms."""

LARGEST_BYTES = 5_000_000
"""How large a recording may be: ours have up to 0.2 MB, and a page shows all of it."""


class RecordingError(ValueError):
    """A recording cannot be used. The message names its path and the remedy."""

    def __init__(self, said: str) -> None:
        super().__init__(printable(said))  # which may quote the recording


@dataclass(frozen=True)
class Result:
    """One result that an example showed."""

    title: str
    html: str
    """Table and figure, as ``report.show`` displayed them."""
    values: tuple[Measurement, ...]
    gaps: tuple[Gap, ...] = ()
    """What could not be measured on that machine."""
    trace: str = ""
    """The trace that was kept beside it, as JSON text; empty where there is none."""


@dataclass(frozen=True)
class Recording:
    """One executed notebook."""

    path: Path
    notebook: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read the recording at ``path``.

        Raises ``RecordingError``, in one sentence, for a file that is damaged, contradicts itself, is no
        recording of ours, or was written by a newer version of this package.
        """
        try:
            if (size := path.stat().st_size) > LARGEST_BYTES:
                raise ValueError(f"{size / 1e6:.1f} MB, more than {LARGEST_BYTES / 1e6:g} MB")
            notebook = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecordingError(f"{path} cannot be read ({error}): record the example again.") from None
        metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
        provenance = metadata.get("spritedocs") if isinstance(metadata, dict) else None
        if not isinstance(provenance, dict) or "format" not in provenance:
            raise RecordingError(f"{path} is not a recording made by 'spritedocs record': move it elsewhere.")
        if not isinstance(provenance["format"], int) or provenance["format"] > FORMAT:
            raise RecordingError(
                f"{path} has format {provenance['format']!r}, not {FORMAT} or older: update spritedocs."
            )
        if provenance.get("example", path.stem) != path.stem:
            raise RecordingError(f"{path} is a recording of {provenance['example']!r}: give it that name.")
        recording = cls(path, notebook)
        try:
            integrity.check(recording)
        except ContradictionError as error:
            raise RecordingError(f"{path} {error}: record the example again.") from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise RecordingError(
                f"{path} is damaged ({type(error).__name__}: {error}): record the example again."
            ) from None
        return recording

    @property
    def provenance(self) -> Mapping[str, Any]:
        """``metadata.spritedocs``: machine, versions, commit, date, command, fingerprints."""
        found: Mapping[str, Any] = self.notebook["metadata"]["spritedocs"]
        return found

    @property
    def machine(self) -> str:
        """The machine's short name, such as ``cpu-2-cores``: the folder that holds the recording."""
        return self.path.parent.name

    @property
    def recorded_at(self) -> datetime:
        """When the run began, in UTC."""
        return datetime.fromisoformat(self.provenance["recorded_at"])

    @property
    def code_cells(self) -> list[Mapping[str, Any]]:
        """The executed cells that come from the script, in its order."""
        return [
            cell
            for cell in self.notebook["cells"]
            if cell["cell_type"] == "code" and not cell["metadata"].get("spritedocs_setup")
        ]

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """What the example showed, in order."""
        return tuple(
            _result(output["data"])
            for cell in self.code_cells
            for output in cell["outputs"]
            if MIME in output.get("data", {})
        )

    @cached_property
    def values(self) -> dict[str, Measurement]:
        """The measured values by name."""
        found: dict[str, Measurement] = {}
        for result in self.results:
            for value in result.values:
                if value.name in found:
                    raise ValueError(f"{value.name} was measured twice under one name")
                found[value.name] = value
        if both := found.keys() & self.gaps.keys():
            raise ValueError(f"{min(both)} was measured and was not")
        return found

    @cached_property
    def gaps(self) -> dict[str, str]:
        """Why a value could not be measured on this machine, by the value's name."""
        return {gap.name: gap.reason for result in self.results for gap in result.gaps}

    def is_fresh(self, example: Example, package: Path) -> bool:
        """Whether the script and the measuring modules are still those that were recorded."""
        recorded = self.provenance["source_sha256"], self.provenance["package_sha256"]
        return recorded == (source_sha256(example.text), package_sha256(example.text, package))


def _result(data: Mapping[str, Any]) -> Result:
    payload = data[MIME]
    return Result(
        title=payload["title"],
        html=joined(data["text/html"]),
        values=tuple(Measurement.from_json(value) for value in payload["values"]),
        gaps=tuple(Gap.from_json(gap) for gap in payload.get("gaps", ())),
        trace=joined(data.get(TRACE_MIME, "")),
    )


def joined(text: str | list[str]) -> str:
    """Notebook text, which nbformat stores as one string or as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


@dataclass(frozen=True)
class Status:
    """How one example stands on one machine."""

    example: str
    machine: str
    state: str
    """``"fresh"``, ``"stale"`` or ``"missing"``."""
    recording: Recording | None = None

    def as_json(self) -> dict[str, str | None]:
        """As ``spritedocs status --json`` prints it."""
        recorded_at = self.recording.recorded_at.isoformat() if self.recording else None
        return {
            "example": self.example,
            "machine": self.machine,
            "state": self.state,
            "recorded_at": recorded_at,
        }


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

        Raises ``RecordingError`` for a recording that cannot be used.
        """
        path = folder / f"{example.name}.ipynb"
        if not path.exists():
            return Status(example.name, folder.name, "missing")
        recording = _recording(path)
        published = folder.parent in (self.project.recorded, self.project.benchmarked)
        try:
            integrity.check_place(recording, example, published)
        except ContradictionError as error:
            raise RecordingError(f"{path} {error}.") from None
        fresh = recording.is_fresh(example, self.project.package)
        return Status(example.name, folder.name, "fresh" if fresh else "stale", recording)

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


def _recording(path: Path) -> Recording:
    try:
        return _unchanged(path, path.read_bytes())
    except OSError:
        return Recording.read(path)  # says why it cannot be read


@lru_cache(maxsize=256)  # a served site is built again and again
def _unchanged(path: Path, content: bytes) -> Recording:
    return Recording.read(path)


def published(statuses: list[Status], needed: Collection[str] = ()) -> Status | None:
    """The recording to publish: the first fresh one, else the first at all.

    One that could not measure values that are ``needed`` stands back behind one that has them, be it stale:
    a stale value is shown as one, but without a value a page cannot say what it says.
    """
    whole = [s for s in statuses if not (s.recording and set(needed) & set(s.recording.gaps))]
    fresh = [status for status in whole or statuses if status.state == "fresh"]
    return next(iter(fresh or whole or statuses), None)
