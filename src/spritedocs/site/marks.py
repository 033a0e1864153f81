"""HTML that waits until Markdown has been rendered, and the marks that stand in for it.

Results are HTML, which Markdown would mangle inside a tab. A page holds a mark in their place, which
``Marks`` replaces once the Markdown has been rendered.
"""

from __future__ import annotations

import hashlib
import itertools
import re

from spritedocs.recordings import cleaned

__all__ = ["Marks"]


class Marks:
    """HTML that waits until Markdown has been rendered, and the marks that stand in for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}

    def keep(self, text: str) -> str:
        """A mark, to stand on a line of its own at any indentation, for the HTML ``text``."""
        # Not a running number: a page would change with those before it, and have to be rendered anew.
        mark = f"SPRITEMARK{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._waiting[mark] = cleaned(text)
        return mark

    def replaced(self, page: str) -> str:
        """The rendered ``page`` with the kept HTML in place of the marks."""
        number = itertools.count()

        def kept(match: re.Match[str]) -> str:
            text = self._waiting.get(match[1] or match[2], match[0])
            # Two machines may have drawn the same figure: on one page its ids must differ.
            return re.sub(r"\bsprite-[0-9a-f]{8}-", rf"\g<0>{next(number)}-", text)

        return re.sub(r"<p>(SPRITEMARK[0-9a-f]{16})</p>|(SPRITEMARK[0-9a-f]{16})", kept, page)
