"""What is published of an example: which recordings its page shows, and which one each value is from.

A value that only a machine with a GPU can measure is published from the newest recording that has it,
stale or not; any other from the first machine with a fresh recording.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from spritedocs.recordings.examples import Example
from spritedocs.recordings.library import Status
from spritedocs.recordings.recording import Recording
from spritedocs.recordings.run_facts import facts

__all__ = ["Entry", "machine_name", "provenance_line", "published"]


_BENCHMARK = re.compile(r"benchmarks/(?:\w+/)?(?P<stem>\w+)\.py")


@dataclass(frozen=True)
class Entry:
    """One example with the recordings that its page shows."""

    example: Example
    published: Status | None
    """The one whose tables, figures and printed text pages quote."""
    others: tuple[Status, ...] = ()
    """The other published machines' recordings."""
    own: tuple[Status, ...] = ()
    """The reader's own recordings."""
    candidates: tuple[Status, ...] = ()
    """Those that values may be published from, the preferred machine first."""

    @property
    def shown(self) -> list[tuple[str, Recording, bool]]:
        """Tab label, recording and freshness of every recording the page shows, the published first."""
        found = []
        for status in ((self.published,) if self.published else ()) + self.others + self.own:
            if status.recording is not None:
                name = machine_name(status.recording.provenance["machine"])
                label = f"Yours: {name}" if status in self.own else name
                found.append((label, status.recording, status.state == "fresh"))
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The values of this example, and what could not be measured of them.

        A recording of the example that this one came out of has others too. They belong to it no more,
        once any machine has recorded this one.
        """
        recordings = [recording for _, recording, _ in self.shown]
        recordings += [status.recording for status in self.candidates if status.recording]
        own = [recording for recording in recordings if recording.path.stem == self.example.name]
        found = (name for recording in own or recordings for name in (*recording.values, *recording.gaps))
        return tuple(dict.fromkeys(found))

    @cached_property
    def sources(self) -> tuple[Status, ...]:
        """The recordings that anything is published from, the one with tables and figures first."""
        found = [self.published, *(self.source(name) for name in self.names)]
        return tuple(
            {status.recording.path: status for status in found if status and status.recording}.values()
        )

    def source(self, *names: str) -> Status | None:
        """The recording that the values ``names`` are published from: one for all of them, or none."""
        having = [
            status
            for status in self.candidates
            if status.recording and all(n in self.names and n in status.recording.values for n in names)
        ]
        if any(self._needs_gpu(name) for name in names):
            return max(having, key=_recorded_at, default=None)
        return min(having, key=_preference, default=None)

    def command(self, recording: Recording) -> str:
        """What repeats the run of ``recording``, which may bear its script's former name or place."""
        said = str(recording.provenance["command"])
        if not (former := _BENCHMARK.search(said)):
            return f"spritedocs record {self.example.name}"
        subjects = self.example.path.parents[1]
        found = [path.relative_to(subjects).as_posix() for path in subjects.glob(f"*/{former['stem']}.py")]
        return said.replace(former[0], f"benchmarks/{found[0]}") if len(found) == 1 else said

    def _needs_gpu(self, name: str) -> bool:
        """Whether a machine without a GPU could not measure it, and none did."""
        recordings = [status.recording for status in self.candidates if status.recording]
        without = [each for each in recordings if not each.provenance["machine"].get("gpu")]
        return any(name in each.gaps for each in without) and not any(name in each.values for each in without)


def published(statuses: list[Status], needed: Collection[str] = ()) -> Status | None:
    """The recording to publish as a whole: the first fresh one, else the first at all.

    One that could not measure values that are ``needed`` stands back behind one that has them, be it stale:
    a stale value is shown as one, but without a value a page cannot say what it says. One of the example
    that this came out of stands back behind all others: its tables and figures are of other code.
    """
    ours = [status for status in statuses if not status.is_former] or statuses
    whole = [s for s in ours if not (s.recording and set(needed) & set(s.recording.gaps))]
    return min(whole or ours, key=_preference, default=None)


def _preference(status: Status) -> tuple[bool, bool]:
    """The less the better: fresh before stale, and a stale one before that of a former example."""
    return status.state != "fresh", status.is_former


def _recorded_at(status: Status) -> datetime:
    return status.recording.recorded_at if status.recording else datetime.min.replace(tzinfo=UTC)


def machine_name(machine: Mapping[str, Any]) -> str:
    """A machine's name for people, from what its recording says of it.

    Examples:
        >>> machine_name({"gpu": "NVIDIA H200", "usable_cores": 16}), machine_name({"usable_cores": 2})
        ('NVIDIA H200', 'CPU, 2 cores')
    """
    cores = machine.get("usable_cores", "?")
    return str(machine.get("gpu") or f"CPU, {cores} core{'' if cores == 1 else 's'}")


def provenance_line(
    recording: Recording, fresh: bool, command: str, repo_url: str = "", lead: str = ""
) -> str:
    """One line of HTML, after ``lead``: where a recording's figures come from; it opens, for all the rest.

    ``command`` repeats the run.
    """
    said = recording.provenance
    day = datetime.fromisoformat(said["recorded_at"])
    commit = html.escape(str(said["commit"])[:10])
    if repo_url:
        commit = f'<a href="{html.escape(repo_url)}/commit/{commit}">{commit}</a>'
    if said.get("dirty") and said["commit"] != "unknown":
        commit += " with uncommitted changes"
    facts_text = " · ".join(html.escape(fact) for fact in facts(recording) if fact)
    stale = "" if fresh else '<strong class="sprite-stale">Stale: the code has changed since.</strong> '
    short = f"{html.escape(machine_name(said['machine']))} · {day.day} {day:%b %Y}"
    return (
        f'<details class="sprite-provenance"><summary>{html.escape(lead)}{stale}{short}</summary>'
        f"<p>{facts_text} · commit {commit} · repeat with <code>{html.escape(command)}</code></p>"
        "</details>"
    )
