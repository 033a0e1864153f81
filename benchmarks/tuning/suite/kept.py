"""What `tune_suite` keeps of a run: its outcomes, in a file that is written anew after each workload.

An hour of measuring must not be lost with its last minute. A run can be gone on with where everything that
may change a figure is the same: the code that measures, machine, rounds and contestants.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from suite.scores import Grid, Outcome, Pick

from spritedocs.model import Settings
from spritedocs.recordings import Provenance, source_sha256
from spritedocs.report import Measurement

FORMAT = 2


class KeptError(RuntimeError):
    """A run cannot be kept in this file, or gone on with from it. The message says why."""


@dataclass
class Kept:
    """A run, as its file holds it."""

    path: Path | None
    """``None`` for a run that is kept nowhere."""
    same: Mapping[str, Any]
    """What has to be the same for all its parts."""
    recorded_at: str
    """When its first part began, in UTC."""
    dirty: bool
    """Whether files differed from the commit in any part."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By workload."""
    parts: int = 1
    """How often it was begun or gone on with."""
    spent_s: float = 0.0
    """How long it has measured, in all parts."""
    before_s: float = 0.0
    """How long of that in the parts before this one."""

    @classmethod
    def begun(cls, path: Path | None, same: Mapping[str, Any], of: Provenance) -> Kept:
        """A new run. Raises ``KeptError`` where the file is there already, or cannot be written."""
        if path and path.exists():
            raise KeptError(f"{path} is there already: go on with it by --resume, or choose another file.")
        kept = cls(path, same, of.recorded_at.isoformat(), of.dirty)
        try:
            kept._write()
        except OSError as error:
            raise KeptError(f"{path} cannot be written ({error.strerror}): choose another file.") from None
        return kept

    @classmethod
    def resumed(cls, path: Path, same: Mapping[str, Any], of: Provenance) -> Kept:
        """The run that ``path`` holds, to go on with. Raises ``KeptError`` where it is of another kind."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["format"] != FORMAT:
                raise ValueError(f"format {stored['format']!r}")
            before = stored["same"]
            kept = cls(
                path,
                same,
                stored["recorded_at"],
                bool(stored["dirty"] or of.dirty),
                {each["name"]: _outcome(each) for each in stored["outcomes"]},
                stored["parts"] + 1,
                stored["spent_s"],
                stored["spent_s"],
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise KeptError(f"{path} holds no run that was kept ({error}): begin one by --keep.") from None
        for what, value in json.loads(json.dumps(same)).items():
            if before.get(what) != value:
                raise KeptError(f"{path} was begun with another {what}: begin a new run by --keep.")
        return kept

    def add(self, outcome: Outcome, seconds: float) -> None:
        """Keep ``outcome``, which took so many seconds. Where that fails the run goes on, and says so."""
        self.outcomes[outcome.name] = outcome
        self.spent_s += seconds
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - a full disk, say: what is in memory is there still
            print(f"{self.path} cannot be written: {error}", file=sys.stderr, flush=True)

    def provenance(self, of: Provenance) -> Provenance:
        """``of`` the last part, told of the parts before it."""
        return replace(
            of,
            dirty=self.dirty,
            recorded_at=datetime.fromisoformat(self.recorded_at),
            begun=of.begun - self.before_s,
        )

    def _write(self) -> None:
        if self.path is None:
            return
        stored = {
            "format": FORMAT,
            "same": dict(self.same),
            "recorded_at": self.recorded_at,
            "dirty": self.dirty,
            "parts": self.parts,
            "spent_s": self.spent_s,
            "outcomes": [_as_json(each) for each in self.outcomes.values()],
        }
        # Never half a file: the one before stays until this one is whole.
        written = self.path.with_name(f"{self.path.name}.part")
        written.write_text(json.dumps(stored), encoding="utf-8")
        written.replace(self.path)


def code_sha256(of: Provenance) -> str:
    """The fingerprint of all that measures here: the suite's modules, and those of the package."""
    here = Path(__file__).parent
    paths = sorted([*here.glob("*.py"), *here.parent.glob("tune_*.py")])
    texts = [path.read_text(encoding="utf-8") for path in paths]
    prints = [*map(source_sha256, texts), *of.modules.values()]
    return hashlib.sha256("\n".join(prints).encode()).hexdigest()


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "planted": outcome.planted,
        "present": outcome.present,
        "grid": outcome.grid and outcome.grid.as_json(),
        "picks": {name: [each.settings, each.seconds, each.says] for name, each in outcome.picks.items()},
        "ratios": [[settings, ratio.as_json()] for settings, ratio in outcome.ratios.items()],
        "again": outcome.again and outcome.again.as_json(),
        "most_workers": outcome.most_workers,
        "disturbed": outcome.disturbed,
        "held_out": outcome.held_out,
        "failures": list(outcome.failures),
    }


def _outcome(stored: Mapping[str, Any]) -> Outcome:
    return Outcome(
        name=stored["name"],
        planted=tuple(stored["planted"]),
        present=Settings(*stored["present"]),
        grid=None if stored["grid"] is None else Grid.from_json(stored["grid"]),
        picks={
            name: Pick(None if settings is None else Settings(*settings), seconds, says)
            for name, (settings, seconds, says) in stored["picks"].items()
        },
        ratios={Settings(*settings): Measurement.from_json(ratio) for settings, ratio in stored["ratios"]},
        again=stored["again"] and Measurement.from_json(stored["again"]),
        most_workers=stored["most_workers"],
        disturbed=stored["disturbed"],
        held_out=stored["held_out"],
        failures=tuple(stored["failures"]),
    )
