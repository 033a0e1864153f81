"""Text that a page quotes as it stands: none of it becomes Markdown, or leaves its block."""

from __future__ import annotations

import re

__all__ = ["INVALID", "fenced", "left_open", "visible"]

INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""The characters below U+10000 that HTML does not allow, and form feeds, which begin a line for Python."""


def visible(text: str) -> str:
    """``text`` with the picture of a control character, such as ␀, in place of what HTML does not allow.

    Examples:
        >>> visible("nil: \\x00, escape: \\x1b[1m")
        'nil: ␀, escape: ␛[1m'
    """
    return INVALID.sub(lambda found: _picture(ord(found[0])), text)


def _picture(code: int) -> str:
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def fenced(code: str, language: str = "python") -> str:
    """A code block for Markdown, in a fence that is longer than any within ``code``."""
    inside = max(map(len, re.findall("`+", code)), default=0)
    fence = "`" * max(3, inside + 1)
    # Markdown has marks of its own among the control characters, and begins a line at a bare "\r".
    text = visible(code.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def left_open(markdown: str) -> bool:
    """Whether a code block begins in ``markdown`` and does not end there.

    Examples:
        >>> left_open("~~~\\nx = 1\\n~~~\\n"), left_open("- So:\\n\\n    ```python\\n    x = 1\\n    ``\\n")
        (False, True)
    """
    fence = ""
    for line in markdown.splitlines():
        found = re.match(r"[ \t>]*(`{3,}(?=[^`]*$)|~{3,})(.*)", line)
        if not found:
            continue
        if not fence:
            fence = found[1]
        elif found[1] == fence and not found[2].strip():
            fence = ""
    return bool(fence)
