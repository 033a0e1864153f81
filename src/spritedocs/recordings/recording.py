"""Recordings read back: what an example printed on one machine, its values, and whether it is fresh.

A recording is an executed notebook whose ``metadata.spritedocs`` says where its numbers come from.
``spritedocs.recordings.recorder`` makes them. Reading them needs neither torch nor a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from spritedocs.recordings import integrity
from spritedocs.recordings.cleaning import printable
from spritedocs.recordings.examples import Example
from spritedocs.recordings.fingerprints import modules_sha256, source_sha256
from spritedocs.recordings.summaries import ContradictionError
from spritedocs.report import MIME, TRACE_MIME, Gap, Measurement

__all__ = ["FORMAT", "Recording", "RecordingError", "Result", "joined"]

FORMAT = 4
"""The version of ``metadata.spritedocs`` that this package writes, and the newest it reads.
In format 1 the median of a ratio was that of its samples; from 2 on it is that of their logarithms.
From 3 on each measuring module has a fingerprint of its own, and docstrings do not count.
Before 4 samples that are not all positive had no interval."""

LARGEST_BYTES = 5_000_000
"""How large a recording may be: ours have up to 0.2 MB, and a page shows all of it."""


_MOST_NAMES = 3


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

    def has_code_of(self, example: Example) -> bool:
        """Whether the script's code is still the one that was recorded."""
        said = self.provenance
        return bool(said["source_sha256"] == source_sha256(example.text, said["format"]))

    def stale_because(self, example: Example, package: Path) -> str:
        """What has changed since, as a clause such as ``timing.rounds has changed since``; ``""`` if fresh.

        Formats 1 and 2 have one fingerprint for all modules together, taken of files that lay elsewhere:
        what they measured with cannot be judged, and they are stale.
        """
        changed = [] if self.has_code_of(example) else ["the script"]
        then = self.provenance.get("modules")
        now = modules_sha256(example.text, package, example.programs)
        if then is not None:
            modules = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
            more = len(modules) - _MOST_NAMES
            changed += [*modules[:_MOST_NAMES], *([f"{more} more"] if more > 0 else [])]
        elif not changed:
            return f"format {self.provenance['format']} does not say what it was measured with"
        if len(changed) > 1:
            return f"{', '.join(changed[:-1])} and {changed[-1]} have changed since"
        return f"{changed[0]} has changed since" if changed else ""


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
