"""Reads a page, and says what it must not hold, in its Markdown or in the HTML that this became."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spritedocs.recordings import read_page
from spritedocs.site.macro_calls import rendered

__all__ = ["Reading", "content_faults", "markdown_faults", "read", "told"]


class Reading(NamedTuple):
    """What a page says."""

    meta: dict[str, Any]
    """What its front matter says; title and description are HTML, for which the theme takes them."""
    markdown: str
    """Its Markdown, with what the macros say in place of their calls."""
    faults: list[str]
    """What is wrong with it, a sentence each."""


def read(source: str, name: str, macros: Mapping[str, Callable[..., str]]) -> Reading:
    """Read the page that people know by its path ``name``."""
    meta, faults, markdown, first_line = read_page(source)
    said = [f"{name} {fault}" for fault in (*faults, *markdown_faults(markdown))]
    if meta.get("render_macros"):
        markdown, unread = rendered(markdown, macros, first_line)
        said += [f"{name}, {fault}" for fault in unread]
    texts = {key: html.escape(meta[key]) for key in ("title", "description") if key in meta}
    return Reading(meta | texts, markdown, said)


_AUTODOC = re.compile(
    # Also in a list, a definition, a footnote, or HTML whose content is Markdown.
    r"^(?:[ \t>*+\-\d.#:]|\[\^[^\]\n]+\]:|<[^>\n]*>)*?:::[ \t]*(.*)((?:\n[ \t]*)*\n[ \t]+\S.*)?",
    re.MULTILINE,
)
_CODE_BLOCK = re.compile(r"^([ \t]*)(`{3,}|~{3,}).*?^\1\2[ \t]*$", re.DOTALL | re.MULTILINE)


def markdown_faults(markdown: str) -> Iterator[str]:
    """What a page may not ask of mkdocstrings, a clause each: other modules, and options.

    Both can run code: it imports what has no source, and takes extensions to run from the options.

    Examples:
        >>> list(markdown_faults("::: spritedocs.timing\\n\\nText."))
        []
        >>> list(markdown_faults("::: os"))
        ["documents 'os': only modules of spritedocs can be documented, as in '::: spritedocs.timing'."]
    """
    for name, options in _AUTODOC.findall(_CODE_BLOCK.sub("", markdown)):
        if not re.fullmatch(r"spritedocs(\.\w+)*", name.strip()):
            yield (
                f"documents {name.strip()!r}: only modules of spritedocs can be documented, "
                "as in '::: spritedocs.timing'."
            )
        elif options:
            yield f"gives options to '::: {name.strip()}': they belong into mkdocs.yml."


_CODE = re.compile(r"<(pre|code)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_LEFT_OVER = re.compile(r"(?:\{\{|\{%)[^<\n]{0,40}")


def content_faults(page: str) -> Iterator[str]:
    """What the HTML of a page must not hold, a clause each. Macros in code are quoted.

    Examples:
        >>> list(content_faults("<p>So <code>{{ it }}</code> is.</p>"))
        []
        >>> len(list(content_faults("<p>So it is {{ measured() }}.</p><script>alert()</script>")))
        2
    """
    prose = _CODE.sub("", page)
    if found := _LEFT_OVER.search(prose):
        yield (
            f"shows {html.unescape(found[0])!r} as it stands: a page with macros needs 'render_macros: true' "
            "in its front matter, and what is no macro a code block."
        )
    if re.search(r"<script[\s/>]", page, re.IGNORECASE):
        yield "holds a script, which no browser would run there: take it out, or put it into a code block."


def told(faults: Sequence[str]) -> str:
    """A box in HTML with ``faults``, for readers of ``mkdocs serve``; empty without any."""
    said = "".join(f"<li>{html.escape(fault)}</li>" for fault in faults)
    title = '<p class="admonition-title">This would stop a build</p>'
    return f'<div class="admonition failure">{title}<ul>{said}</ul></div>' if faults else ""
