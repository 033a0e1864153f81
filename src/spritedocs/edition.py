"""One build's view of the recordings: which of them each page shows, and what is wrong with any.

Pages and macros ask an ``Edition`` for values and put down what they cannot use. Problems are
collected, so that a build names all of them at once, in a sentence each.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spritedocs.claims import Claim, ClaimError, Verdict, claimed_values
from spritedocs.examples import Example, ExampleError, Project
from spritedocs.facts import facts
from spritedocs.measurement import Measurement
from spritedocs.orphans import orphans
from spritedocs.recordings import Library, Recording, RecordingError, Result, Status, published

__all__ = ["Edition", "Entry", "machine_name", "provenance_line"]


@dataclass(frozen=True)
class Entry:
    """One example with the recordings that its page shows."""

    example: Example
    published: Status | None
    others: tuple[Status, ...] = ()
    """The other published machines' recordings."""
    own: tuple[Status, ...] = ()
    """The reader's own recordings."""

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


@dataclass
class Edition:
    """The recordings as one build publishes them."""

    project: Project
    machines: list[str]
    """The published machines, the preferred one first."""
    publisher: str | None = None
    """The machine whose own recordings are the ones to publish, as on the GPU runner."""
    strict_freshness: bool = False
    claims_stop: bool = True
    """Whether a claim that does not hold stops the build, or is only mentioned."""
    problems: list[str] = field(default_factory=list)
    """What must stop the build, a sentence each."""
    notices: list[str] = field(default_factory=list)
    """What the build should mention, a sentence each."""
    unproven: dict[str, list[str]] = field(default_factory=dict)
    """By page, its claims that do not hold, a sentence each."""
    entries: dict[str, Entry] = field(default_factory=dict)
    benchmarks: dict[str, Entry] = field(default_factory=dict)
    """Our own benchmarks that were recorded: pages may quote them, and they have no pages."""

    def __post_init__(self) -> None:
        library = Library(self.project)
        for name in self.project.names():
            try:
                self.entries[name] = self._entry(library, self.project.example(name))
            except (ExampleError, RecordingError) as error:
                self.problems.append(self._relative(str(error)))
        for name in self.project.benchmarks():
            try:
                found = library.benchmark(self.project.benchmark(name), self.machines)
            except RecordingError as error:
                self.problems.append(self._relative(str(error)))
                continue
            if chosen := published(found):
                self._mention_stale(f"benchmarks/{name}.py", chosen)
                self.benchmarks[name] = Entry(self.project.benchmark(name), chosen)
        self.notices += orphans(self.project, self.machines)

    def _entry(self, library: Library, example: Example) -> Entry:
        references = library.reference(example, self.machines)
        own = self._own(library, example)
        ours = [status for status in own if status.machine == self.publisher]
        chosen = published(ours + references, claimed_values(example))
        where = f"examples/{example.path.name}"
        if chosen is None:
            self.problems.append(
                f"{where} has no published recording: run 'spritedocs record {example.name} --machine NAME'."
            )
        else:
            self._mention_stale(where, chosen)
        # Each machine once. Where this one publishes itself, its reference recording has been superseded.
        candidates = {status.machine: status for status in references + ours}
        others = (
            status for status in candidates.values() if chosen is None or status.machine != chosen.machine
        )
        return Entry(
            example,
            chosen,
            tuple(others),
            tuple(status for status in own if status.machine != self.publisher),
        )

    def _mention_stale(self, where: str, chosen: Status) -> None:
        if chosen.state == "stale":
            said = f"{where} or what it imports has changed since {chosen.machine} recorded it"
            (self.problems if self.strict_freshness else self.notices).append(f"STALE: {said}.")

    def _own(self, library: Library, example: Example) -> list[Status]:
        """The reader's own recordings. One that cannot be read is theirs to mend, and stops no build."""
        try:
            return library.own(example)
        except RecordingError as error:
            self.notices.append(self._relative(str(error)))
            return []

    def _relative(self, message: str) -> str:
        return message.replace(f"{self.project.root}{os.sep}", "")

    def entry(self, name: str) -> Entry | None:
        """The example or benchmark called ``name``, or ``None``."""
        return self.entries.get(name) or self.benchmarks.get(name)

    def recording(self, example: str) -> Recording | None:
        """The published recording of ``example``, or ``None``."""
        entry = self.entry(example)
        return entry.published.recording if entry and entry.published else None

    def wanted(self, page: str, example: str) -> Recording | None:
        """Like ``recording``; where ``page`` asks for an unknown example that is a problem."""
        if example not in (*self.project.names(), *self.benchmarks):
            known = ", ".join((*self.project.names(), *self.benchmarks)) or "none"
            self.problems.append(f"{page} refers to {example!r}, which is no example: known are {known}.")
        return self.recording(example)

    def value(self, page: str, example: str, name: str) -> Measurement | None:
        """The published value ``name`` of ``example``; a problem of ``page`` where there is none."""
        recording = self.wanted(page, example)
        if recording is None:
            return None
        if name in recording.gaps:
            self.problems.append(
                f"{page} quotes {name!r}, which {recording.machine} could not measure: {recording.gaps[name]}"
            )
        elif name not in recording.values:
            known = ", ".join(recording.values) or "none"
            self.problems.append(
                f"{page} quotes {name!r}, which {example} does not measure: known are {known}."
            )
        return recording.values.get(name)

    def result(self, page: str, example: str, which: int | str) -> Result | None:
        """A result of ``example``: by its number, from 1, or by a text in its title, if no other has it.

        A problem of ``page`` where there is none.
        """
        recording = self.wanted(page, example)
        if recording is None:
            return None
        results = dict(enumerate(recording.results, 1))
        found = [
            result
            for number, result in results.items()
            if (which in result.title if isinstance(which, str) else which == number)
        ]
        if len(found) == 1:
            return found[0]
        what = f"the one result of {example} with {which!r}: {len(found)} have it"
        if not isinstance(which, str):
            what = f"result {which!r} of {example}, which showed {len(results)}"
        self.problems.append(f"{page} asks for {what}.")
        return None

    def claims(self, page: str, raw_claims: list[Any], example: str | None = None) -> list[Claim]:
        """The well-formed ones of a page's claims. The others become problems of ``page``."""
        found = []
        for raw in raw_claims:
            try:
                found.append(Claim.parse(raw, example))
            except ClaimError as error:
                self.problems.append(f"{page}: {error}.")
        return found

    def check(
        self, page: str, raw_claims: list[Any], example: str | None = None
    ) -> list[tuple[Claim, Verdict]]:
        """Judge a page's claims by the published recordings.

        One that does not hold is a problem of ``page``, or where ``claims_stop`` is false a notice.
        """
        judged = []
        for claim in self.claims(page, raw_claims, example):
            recording = self.wanted(page, claim.example)
            if recording is None:
                continue
            try:
                verdict = claim.judge(recording.values, recording.gaps)
            except ClaimError as error:
                self.problems.append(f"{page}: the claim '{claim}' cannot be checked, {error}.")
                continue
            judged.append((claim, verdict))
            if not verdict.holds:
                where = f"on {recording.machine}, where {verdict.found}"
                said = f"the claim '{claim}' {verdict.in_words} {where}."
                (self.problems if self.claims_stop else self.notices).append(f"{page}: {said}")
                self.unproven.setdefault(page, []).append(said)
        return judged

    @property
    def has_gpu(self) -> bool:
        """Whether any published recording was made with a GPU."""
        recordings = (self.recording(name) for name in self.entries)
        return any(recording and recording.provenance["machine"].get("gpu") for recording in recordings)


def machine_name(machine: Mapping[str, Any]) -> str:
    """A machine's name for people, from what its recording says of it.

    Examples:
        >>> machine_name({"gpu": "NVIDIA H200", "usable_cores": 16}), machine_name({"usable_cores": 2})
        ('NVIDIA H200', 'CPU, 2 cores')
    """
    cores = machine.get("usable_cores", "?")
    return str(machine.get("gpu") or f"CPU, {cores} core{'' if cores == 1 else 's'}")


def provenance_line(recording: Recording, fresh: bool, repo_url: str = "") -> str:
    """One line of HTML that says where a recording's figures come from and how to repeat them."""
    said = recording.provenance
    commit = html.escape(str(said["commit"])[:10])
    if repo_url:
        commit = f'<a href="{html.escape(repo_url)}/commit/{commit}">{commit}</a>'
    facts_text = " · ".join(html.escape(fact) for fact in facts(recording) if fact)
    stale = "" if fresh else '<strong class="sprite-stale">Stale: the code has changed since.</strong> '
    return (
        f'<p class="sprite-provenance">{stale}{facts_text} · commit {commit} · '
        f"repeat with <code>{html.escape(said['command'])}</code></p>"
    )
