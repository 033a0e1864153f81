"""Measured values in the prose of an example: ``{speedup_4}`` in a Markdown cell, also with its interval."""

from __future__ import annotations

import re

from spritedocs.recordings import Entry, claimed_values, machine_name, plain
from spritedocs.site.macro_calls import MISSING

__all__ = ["filled"]

_PIECE = re.compile(
    r"""
    ^[ \t>]*(?P<fence>`{3,}|~{3,})[\s\S]*?(?:^[ \t>]*(?P=fence)[ \t]*$|\Z)
    | (?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\s*\n)[\s\S])*?(?<!`)(?P=ticks)(?!`)
    | (?<!\{)\{(?P<name>[a-z][a-z0-9_]*)(?::(?P<form>\w*))?\}(?!\})
    """,
    re.MULTILINE | re.VERBOSE,
)
"""A block of code, code within a line, or a placeholder."""


def filled(markdown: str, entry: Entry) -> tuple[str, list[str]]:
    """``markdown`` with what is published of ``entry`` in place of its placeholders, and what is wrong.

    ``{speedup_4}`` becomes the value with its unit, ``{speedup_4:interval}`` has its interval too. What
    stands in code is left alone. A value of another recording than the page's names its machine. Each fault
    is a clause, such as "quotes 'speedup_5', …".
    """
    faults = []
    claimed = claimed_values(entry.example)

    def said(match: re.Match[str]) -> str:
        name, form = match["name"], match["form"]
        if name is None or not entry.names:  # code; or nothing is recorded, which others say
            return MISSING if name else match[0]
        if form not in (None, "interval"):
            faults.append(f"quotes {match[0]!r}: write {{{name}}} or {{{name}:interval}}")
            return MISSING
        if name not in entry.names:
            known = ", ".join(entry.names)
            faults.append(f"quotes {name!r}, which the example does not measure: known are {known}")
            return MISSING
        source = entry.source(name)
        if source is None or source.recording is None:
            return "not measured here"
        value = source.recording.values[name]
        if value.unit == "×" and name not in claimed:
            faults.append(f"quotes the ratio {name!r}, which no claim is about: add one to its header")
        is_told = value.shows_no_difference or (form and not value.interval_text)
        remarks = [value.remark] if value.remark and is_told else []
        if source is not entry.published:
            remarks.append(machine_name(source.recording.provenance["machine"]))
            remarks += ["stale"] if source.state == "stale" else []
        shown = value.in_full if form else str(value)
        if remarks:
            opened = f"{shown[:-1]}, " if shown.endswith(")") else f"{shown} ("
            shown = f"{opened}{', '.join(remarks)})"
        return plain(shown)

    return _PIECE.sub(said, markdown), faults
