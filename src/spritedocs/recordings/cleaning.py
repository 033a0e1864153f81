"""What a recording may bring to a page: the HTML that we draw, and text that is nothing but text.

A recording is input from a stranger, who may have written anything into it. Where it is read, HTML that
``report`` and the figures would not draw is refused. Where it is published, all HTML passes nh3, which
parses as browsers do and keeps SVG's camel case, with the same list of what is allowed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Tag", "cleaned", "cleaned_notebook", "drawn", "has_controls", "plain", "printable"]

_FIGURE = {"style", "transform", "clip-path"}
_DRAWN: dict[str, set[str]] = {
    "div": {"class", "tabindex", "role", "aria-label"},
    "table": {"class"},
    "caption": set(),
    "thead": set(),
    "tbody": set(),
    "tr": set(),
    "th": {"scope"},
    "td": {"class"},
    "span": {"class"},
    "ul": {"class"},
    "li": set(),
    "figure": {"class", "data-search-exclude"},
    "figcaption": set(),
    "svg": {"class", "display", "viewBox", "role", "aria-label", "xmlns", "xmlns:xlink"},
    "g": _FIGURE,
    "path": {*_FIGURE, "id", "d"},
    "text": {*_FIGURE, "x", "y"},
    "tspan": {*_FIGURE, "x", "y"},
    "use": {*_FIGURE, "href", "x", "y"},
    "defs": set(),
    "clipPath": {"id"},
    "rect": {*_FIGURE, "x", "y", "width", "height"},
}
"""What tables and figures are drawn with, and what each element may have."""

_PAGE: dict[str, set[str]] = {
    "a": {"href", "download"},
    "p": {"class"},
    "pre": {"class", "tabindex", "role", "aria-label"},
    "strong": {"class"},
    "code": set(),
    "details": {"class"},
    "summary": set(),
}
"""What our own pages put beside a result."""

_NOTEBOOK: dict[str, set[str]] = {
    **{f"h{level}": {"id"} for level in range(1, 7)},
    **{name: set() for name in ("em", "blockquote", "hr", "br", "ol", "del", "sup", "sub")},
    "div": {*_DRAWN["div"], "id", "data-mime-type", "data-type", "data-jp-theme-light", "data-jp-theme-name"},
}
"""What Markdown and mkdocs-jupyter put around them."""

_NUMBERS = r"[\w\s.,#%+-]*"
_DRAWN_VALUES = {
    "class": r"(?:sprite-[a-z-]+\s*)*",
    "display": "none",
    "id": r"sprite-[\w-]+",
    "href": r"#sprite-[\w-]+",
    "clip-path": r"url\(#sprite-[\w-]+\)",
    "transform": rf"(?:(?:translate|rotate|scale|matrix)\({_NUMBERS}\)\s*)*",
    # No url(), which would fetch something from elsewhere, and nothing that moves an element over others.
    "style": rf"(?:\s*(?:fill|stroke|font|text)[a-z-]*:(?:{_NUMBERS}|\s*var\(--sprite-[\w-]+\)\s*)(?:;|$))*",
}
"""What values must be like, where they could do more than be shown: of an attribute, or of one element's."""

_PAGE_VALUES = _DRAWN_VALUES | {"a href": r"(?:https?://[\w.:]+)?[\w./#%?=&~+-]*"}
_NOTEBOOK_VALUES = _PAGE_VALUES | {
    # Not the theme's: with its classes and ids a notebook could cover or steer the page.
    "class": r"(?:(?:(?:jp|sprite|hl|highlight|celltag|cell|cm|ansi|tags?|button)[\w-]*|[a-z]\w?\d?"
    r"|CodeMirror|celltoolbar|jupyter-wrapper)\s*)*",
    "id": r"(?!_)[\w=%.'-]+",
}

_TAG = r'<(/?)([A-Za-z]+)((?:\s+[\w:-]+(?:="[^"<>]*")?)*+)\s*/?>'
_STRICT = re.compile(rf"(?:[^<>]++|{_TAG})*+")
"""HTML written so plainly that no two programs read it differently."""


class Tag(NamedTuple):
    """A tag of HTML, and the text that follows it."""

    name: str
    """With a slash in front where it closes an element."""
    attributes: dict[str, str]
    text: str


def drawn(text: str) -> Iterator[Tag]:
    """The tags of the HTML that a result shows.

    Raises ``ValueError`` for anything that our tables and figures are not made of.

    Examples:
        >>> [tag.name for tag in drawn('<td class="sprite-number">3 s</td>')]
        ['td', '/td']
        >>> list(drawn("<img src=x onerror=alert(1)>"))
        Traceback (most recent call last):
            ...
        ValueError: shows '<img src=x onerror=alert(1)>', which no table or figure of ours has
    """
    read = _STRICT.match(text)
    end = read.end() if read else 0
    if end < len(text):
        raise _foreign(text[end:])
    for tag in re.finditer(rf"{_TAG}([^<]*)", text):
        slash, name, written, after = tag.groups()
        attributes = {
            key.removeprefix("xlink:"): html.unescape(value)
            for key, value in re.findall(r'([\w:-]+)(?:="([^"]*)")?', written)
        }
        if not attributes.keys() <= _DRAWN.get(name, {""}) - {""} or name not in _DRAWN:
            raise _foreign(tag[0])
        if not all(_is_allowed(_DRAWN_VALUES, name, key, value) for key, value in attributes.items()):
            raise _foreign(tag[0])
        yield Tag(slash + name, attributes, html.unescape(after))


def _foreign(text: str) -> ValueError:
    return ValueError(f"shows {text[:60]!r}, which no table or figure of ours has")


def _is_allowed(values: Mapping[str, str], tag: str, name: str, value: str) -> bool:
    pattern = values.get(f"{tag} {name}", values.get(name))
    return pattern is None or re.fullmatch(pattern, value) is not None


def _filter(values: Mapping[str, str]) -> Callable[[str, str, str], str | None]:
    return lambda tag, name, value: value if _is_allowed(values, tag, name, value) else None


def cleaned(text: str) -> str:
    """HTML of ours that holds what a recording brought, without anything but what we draw.

    Examples:
        >>> cleaned('<figure class="sprite-figure"><img src="x" onerror="alert(1)"></figure>')
        '<figure class="sprite-figure"></figure>'
    """
    return _cleaned(text, _PAGE | _DRAWN, _PAGE_VALUES)


def cleaned_notebook(text: str) -> str:
    """The HTML that mkdocs-jupyter makes of a recording, without anything that could act on a page.

    Examples:
        >>> cleaned_notebook('<h1 id="help" onclick="alert(1)">Help</h1><iframe src="//x.example"></iframe>')
        '<h1 id="help">Help</h1>'
    """
    return _cleaned(text, _PAGE | _DRAWN | _NOTEBOOK, _NOTEBOOK_VALUES)


def _cleaned(text: str, allowed: Mapping[str, set[str]], values: Mapping[str, str]) -> str:
    import nh3  # here: it comes with the extra ``docs``, and who only reads recordings needs none

    return nh3.clean(
        text,
        tags=set(allowed),
        attributes=dict(allowed),
        attribute_filter=_filter(values),
        url_schemes={"http", "https"},
        link_rel=None,
    )


def plain(text: object) -> str:
    """``text`` for Markdown and for HTML, in which it is no more than text.

    Examples:
        >>> plain("CPU, 2 cores"), plain("<b>*GPU*</b>")
        ('CPU, 2 cores', '&#60;b&#62;&#42;GPU&#42;&#60;/b&#62;')
    """
    return re.sub(r"[^\w ,.;:()/+@×%–-]|_", lambda found: f"&#{ord(found[0])};", str(text))


def has_controls(text: str) -> bool:
    """Whether ``text`` could do more to a terminal, or to a line, than stand there.

    Examples:
        >>> has_controls("3.9 µs"), has_controls("\\x1b[2J"), has_controls("\\u202e")
        (False, True, True)
    """
    return any(unicodedata.category(character).startswith("C") for character in text)


def printable(text: str) -> str:
    """``text`` for a line in a terminal, with a replacement for what would not be printed.

    Examples:
        >>> printable("\x1b[31mred")
        '�[31mred'
    """
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
