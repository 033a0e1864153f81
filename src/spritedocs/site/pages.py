"""The page of an experiment, as Markdown, from its script and its recordings."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from spritedocs.recordings import Claim, ClaimError, Entry, Recording, plain, provenance_line
from spritedocs.site.edition import Edition
from spritedocs.site.fences import fenced, left_open
from spritedocs.site.marks import Marks
from spritedocs.site.page_outputs import outputs_of
from spritedocs.site.placeholders import filled
from spritedocs.site.take_along import take_it_along

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

__all__ = ["doubted", "experiment_page", "extend_navigation"]

_VERDICTS = {
    "holds": "holds:",
    "is false": "**differs here:**",
    "is not certain": "**not certain here:**",
}
"""What the table of claims says, by ``Verdict.in_words``."""
_SEARCH = "search:\n  boost: 0.5\n"
"""In the front matter: an experiment comes behind the page that says what to do."""


def experiment_page(entry: Entry, edition: Edition, marks: Marks, repo_url: str = "", wheel: str = "") -> str:
    """The Markdown page of one experiment, front matter included."""
    example = entry.example
    title, description = _quoted(example.title), _quoted(example.description)
    parts = [f"---\ntitle: {title}\ndescription: {description}\n{_SEARCH}---"]
    outputs = [outputs_of(entry, recording) for _, recording, _ in entry.shown]
    number, programs = -1, list(example.programs)
    headline, faults = filled(example.headline, entry)
    edition.problems += (f"examples/{example.path.name}, in its headline, {fault}." for fault in faults)
    for cell in example.cells:
        if cell.kind == "markdown":
            where = f"in the Markdown cell {cell.text.splitlines()[0]!r}"
            if left_open(cell.text):
                edition.problems.append(
                    f"examples/{example.path.name} has a code block that does not end, {where}: "
                    "close it with the fence that opens it."
                )
            text, faults = filled(cell.text, entry)
            edition.problems += (f"examples/{example.path.name}, {where}, {fault}." for fault in faults)
            parts.append(text)
            if len(parts) == 2:
                # Below the title, before the motive.
                title, _, rest = text.partition("\n")
                answer = f"{headline}\n{{ .sprite-answer }}" if headline else ""
                figure = _figure(entry, outputs, marks, repo_url)
                parts[-1] = "\n\n".join(part for part in (title, answer, figure, rest) if part)
                parts.append(_standing(entry))
            continue
        number += 1
        for path in [path for path in programs if re.search(rf"""["']{path.stem}["']""", cell.text)]:
            programs.remove(path)
            parts.append(_folded(path.read_text(encoding="utf-8"), f"The program {path.name}"))
        parts.append(_folded(cell.text) if cell.folded else fenced(cell.text))
        parts.append(_tabs(entry, [found.get(number, "") for found in outputs], marks, repo_url))
    parts += [_claims(entry, edition), _values(entry), _of_other_code(entry, marks, repo_url)]
    parts.append(take_it_along(entry, edition, marks, repo_url, wheel))
    return "\n\n".join(part for part in parts if part) + "\n"


def _figure(entry: Entry, outputs: list[dict[int, str]], marks: Marks, repo_url: str) -> str:
    """The first figure of the machine that is published, taken from its place among the ``outputs``."""
    for number, output in outputs[0].items() if outputs else ():
        if found := re.search(r"<figure.*?</figure>", output, re.DOTALL):
            outputs[0][number] = output.replace(found[0], "", 1)
            _, recording, fresh = entry.shown[0]
            line = provenance_line(recording, fresh, entry.command(recording), repo_url)
            return marks.keep(f'<div class="sprite-report">{found[0]}</div>{line}')
    return ""


def doubted(markdown: str, sentences: list[str]) -> str:
    """A page of which not all is borne out, with a box below its title that says so."""
    said = [f"    - {plain(text[0].upper() + text[1:])}" for text in dict.fromkeys(sentences)]
    box = "\n".join(['!!! warning "The figures do not bear out all that this page says"', "", *said])
    heading = re.match(r"\s*# .*", markdown)
    end = heading.end() if heading else 0
    rest = markdown[end:].lstrip("\n")
    return f"{markdown[:end]}\n\n{box}\n\n{rest}"


def extend_navigation(config: MkDocsConfig, names: list[str]) -> None:
    """List the experiments under the heading of that name, so that a new one needs no other edit."""
    for item in config.nav or []:
        if isinstance(item, dict) and isinstance(item.get("Experiments"), list):
            listed = [entry for entry in item["Experiments"] if entry == "experiments/index.md"]
            item["Experiments"] = listed + [f"experiments/{name}.md" for name in names]


def _folded(code: str, title: str = "The code of this step") -> str:
    """A code block behind a line that opens it: for programs, and for code that teaches nothing."""
    lines = code.strip().split("\n")
    return _opening(f"{title} ({len(lines)} lines)", fenced(code))


def _opening(title: str, markdown: str) -> str:
    """``markdown`` behind a line that opens it."""
    block = "\n".join(f"    {line}" if line else "" for line in markdown.split("\n"))
    return f'??? abstract "{title}"\n\n{block}'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _standing(entry: Entry) -> str:
    """What the reader must know about the recordings before reading on."""
    notes = []
    if entry.published and entry.published.state == "stale":
        because = entry.published.because
        notes.append(
            f'!!! warning "These figures are stale"\n\n    {plain(because[0].upper() + because[1:])}. '
            "They are shown until somebody records them again."
        )
    shown = [recording for _, recording, _ in entry.shown]
    lacks_cuda = any("CUDA" in reason for recording in shown for reason in recording.gaps.values())
    if lacks_cuda and not any(recording.provenance["machine"].get("gpu") for recording in shown):
        notes.append(
            '!!! note "No GPU recording yet"\n\n    Some values need one, and are not measured yet. '
            "A recording on a GPU machine is to come."
        )
    return "\n\n".join(notes)


def _tabs(entry: Entry, found: list[str], marks: Marks, repo_url: str) -> str:
    """One cell's output on each machine that the page shows, in that order."""
    tabs = []
    for output, (label, recording, fresh) in zip(found, entry.shown, strict=True):
        if output:
            line = provenance_line(recording, fresh, entry.command(recording), repo_url)
            line += _difference(entry, recording)
            tabs.append(f'=== "{plain(label)}"\n\n    {marks.keep(output + line)}')
    return "\n\n".join(tabs)


def _difference(entry: Entry, recording: Recording) -> str:
    """A remark where a recording was made with another minor version than the published one."""
    if entry.published is None or entry.published.recording in (None, recording):
        return ""
    theirs, ours = entry.published.recording.provenance["machine"], recording.provenance["machine"]
    differing = [
        f"{name} {ours.get(key)} here, {theirs.get(key)} published"
        for key, name in (("torch", "torch"), ("python", "Python"), ("start_method", "start method"))
        if str(ours.get(key)).split(".")[:2] != str(theirs.get(key)).split(".")[:2]
    ]
    return (
        f'<p class="sprite-provenance">Differs: {html.escape("; ".join(differing))}.</p>' if differing else ""
    )


def _claims(entry: Entry, edition: Edition) -> str:
    """The claims with what each shown machine says to them. The published machine's are checked."""
    where = f"examples/{entry.example.path.name}"
    raw = entry.example.header.get("claims", [])
    claims = [claim for claim, _ in edition.check(where, raw, entry.example.name)]

    def judged(claim: Claim, recording: Recording) -> str:
        try:
            verdict = claim.judge(recording.values, recording.gaps)
        except ClaimError:
            return _absent(recording, claim.left, claim.right)
        return f"{_VERDICTS[verdict.in_words]} {plain(verdict.found)}"

    says = "Checked whenever this page is built, at the unfavourable end of each interval."
    return _by_machine(
        entry, "Claims", says, "claim", {claim.short: partial(judged, claim) for claim in claims}
    )


def _values(entry: Entry) -> str:
    told: set[tuple[str, str]] = set()

    def measured(name: str, recording: Recording) -> str:
        value = recording.values.get(name)
        if value is None:
            # Without a GPU dozens of values lack the same one.
            reason = (str(recording.path), recording.gaps.get(name, ""))
            again = reason in told
            told.add(reason)
            return "not measured here" if again else _absent(recording, name)
        difference = ", no difference measured" if value.shows_no_difference else ""
        return plain(f"{value.in_full}{difference}, n = {len(value.samples)}")

    says = "The median, its 95% interval, and how many samples it has."
    return _by_machine(
        entry, "Every measured value", says, "value", {name: partial(measured, name) for name in entry.names}
    )


def _of_other_code(entry: Entry, marks: Marks, repo_url: str) -> str:
    """Where those values are from whose recordings show nothing on this page."""
    lines = [
        f"**{plain(label)}** ran other code, whose output is not shown.\n\n"
        + marks.keep(provenance_line(recording, fresh, entry.command(recording), repo_url))
        for label, recording, fresh in entry.shown
        if not recording.has_code_of(entry.example)
    ]
    return "\n\n".join(lines)


def _absent(recording: Recording, *names: str | float) -> str:
    """What stands in place of a value that this machine has not measured, with the reason if there is one."""
    reason = next((recording.gaps[name] for name in names if name in recording.gaps), "")
    return f"not measured here: {plain(reason)}" if reason else "not measured here"


def _by_machine(
    entry: Entry, title: str, says: str, head: str, rows: Mapping[str, Callable[[Recording], str]]
) -> str:
    """A table that opens: one row for each of ``rows``, one column for each machine that is shown."""
    if not rows or not entry.shown:
        return ""
    heads = [plain(label if fresh else f"{label}, stale") for label, _, fresh in entry.shown]
    lines = [says, "", f"| {head} | " + " | ".join(heads) + " |"]
    lines += ["|---" * (1 + len(entry.shown)) + "|"]
    lines += [
        f"| `{name}` | " + " | ".join(cell(recording) for _, recording, _ in entry.shown) + " |"
        for name, cell in rows.items()
    ]
    return _opening(f"{title} ({len(rows)})", "\n".join(lines))
