"""One build's view of the recordings: which of them each page shows, and what is wrong with any.

Pages and macros ask an ``Edition`` for values and put down what they cannot use. Problems are
collected, so that a build names all of them at once, in a sentence each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from spritedocs.recordings import (
    Claim,
    ClaimError,
    Entry,
    Example,
    ExampleError,
    Library,
    Project,
    Recording,
    RecordingError,
    Result,
    Status,
    Verdict,
    claimed_values,
    orphans,
    published,
)
from spritedocs.report import Measurement

__all__ = ["Edition"]


@dataclass
class Edition:
    """The recordings as one build publishes them."""

    project: Project
    machines: list[str]
    """The published machines, the preferred one first."""
    publisher: str | None = None
    """The machine whose own recordings are the ones to publish, as on the GPU runner."""
    claims_stop: bool = True
    """Whether a claim that does not hold stops the build, or is only mentioned."""
    problems: list[str] = field(default_factory=list)
    """What must stop the build, a sentence each."""
    notices: list[str] = field(default_factory=list)
    """What the build should mention, a sentence each."""
    unproven: dict[str, list[str]] = field(default_factory=dict)
    """By page, its claims that do not hold, a sentence each."""
    ratios: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    """By page, the ratios that it quotes, in their order: the example and the name of each."""
    quoted: dict[tuple[str, str], list[Status]] = field(default_factory=dict)
    """By page and example, the recordings of the values that the page has quoted so far."""
    entries: dict[str, Entry] = field(default_factory=dict)
    benchmarks: dict[str, Entry] = field(default_factory=dict)
    """Our own benchmarks that were recorded: pages may quote them, and they have no pages."""

    def __post_init__(self) -> None:
        library = Library(self.project)
        for name in self.project.names():
            try:
                example = self.project.example(name)
                _ = example.cells  # a mark that cannot be read is told of here, as all else
                self.entries[name] = self._entry(library, example)
            except (ExampleError, RecordingError) as error:
                self.problems.append(self._relative(str(error)))
        for name in self.project.benchmarks():
            benchmark = self.project.benchmark(name)
            try:
                found = library.benchmark(benchmark, self.machines)
            except RecordingError as error:
                self.problems.append(self._relative(str(error)))
                continue
            if chosen := published(found):
                entry = Entry(benchmark, chosen, candidates=tuple(found))
                self._mention_stale(self._relative(str(benchmark.path)), entry)
                self.benchmarks[name] = entry
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
        # Each machine once. Where this one publishes itself, its reference recording has been superseded.
        candidates = {status.machine: status for status in references + ours}
        entry = Entry(
            example,
            chosen,
            tuple(s for s in candidates.values() if chosen is None or s.machine != chosen.machine),
            tuple(status for status in own if status.machine != self.publisher),
            tuple(ours + references),
        )
        self._mention_stale(where, entry)
        return entry

    def _mention_stale(self, where: str, entry: Entry) -> None:
        self.notices += [
            f"STALE: {where}, as {status.machine} recorded it: {status.because}."
            for status in entry.sources
            if status.state == "stale"
        ]

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

    def value(self, page: str, example: str, name: str) -> tuple[Measurement, Recording, str] | None:
        """The published value ``name`` of ``example``, the recording that it is from, and why that is stale.

        A problem of ``page`` where there is none.
        """
        recording, entry = self.wanted(page, example), self.entry(example)
        if recording is None or entry is None:
            return None
        source = entry.source(name)
        if source and source.recording:
            self.quoted.setdefault((page, example), []).append(source)
            if source.recording.values[name].unit == "×":
                self.ratios.setdefault(page, {})[example, name] = None
            return source.recording.values[name], source.recording, source.because
        if name in recording.gaps:
            self.problems.append(
                f"{page} quotes {name!r}, which {recording.machine} could not measure: {recording.gaps[name]}"
            )
        else:
            known = ", ".join(n for n in entry.names if entry.source(n)) or "none"
            self.problems.append(
                f"{page} quotes {name!r}, which {example} does not measure: known are {known}."
            )
        return None

    def result(self, page: str, example: str, which: int | str) -> Result | None:
        """A result of ``example``: by its number, from 1, or by a text in its title, if no other has it.

        A problem of ``page`` where there is none. Of the example that this one came out of, only a title
        tells which is meant.
        """
        recording = self.wanted(page, example)
        if recording is None:
            return None
        former = recording.path.stem != example
        results = dict(enumerate(recording.results, 1))
        found = [
            result
            for number, result in results.items()
            if (which in result.title if isinstance(which, str) else which == number and not former)
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
        """Judge a page's claims by what is published: each by one recording, that its values are from.

        A ratio that the page quotes and none of them is about is a problem. A claim that does not hold is
        one, or where ``claims_stop`` is false a notice.
        """
        judged, claims = [], self.claims(page, raw_claims, example)
        claimed = {(claim.example, name) for claim in claims for name in claim.names}
        self.problems += (
            f"{page} quotes the ratio {name!r} of {of}, which no claim of the page is about: add one."
            for of, name in self.ratios.get(page, {})
            if len(claims) == len(raw_claims) and (of, name) not in claimed
        )
        for claim in claims:
            recording = self.wanted(page, claim.example)
            entry = self.entry(claim.example)
            if recording is None or entry is None:
                continue
            source = entry.source(*claim.names)
            recording = source.recording if source and source.recording else recording
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
        """Whether anything published was measured with a GPU."""
        sources = (status.recording for entry in self.entries.values() for status in entry.sources)
        return any(recording and recording.provenance["machine"].get("gpu") for recording in sources)
