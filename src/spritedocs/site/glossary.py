"""The words of the glossary, explained where a page of the guide first uses them."""

from __future__ import annotations

import html
import re

__all__ = ["Glossary"]

_PAGES = ("guide/", "in-depth/", "fix-a-slow-run")
_DEFINITION = re.compile(r"^(\w.*)\n:   (.+)$", re.MULTILINE)
_NOT_PROSE = r"<(h[1-6]|a|button|code|pre|table|figure|summary|svg)\b.*?</\1>|<[^>]*>"


class Glossary:
    """The terms that a page in Markdown defines: each on a line of its own, above ``:   what it means``.

    Examples:
        >>> words = Glossary("batch\\n:   What a step takes at once.\\n")
        >>> words.explained("<h1>Batch</h1><p>Two batches.</p>", "guide/page.md")
        '<h1>Batch</h1><p>Two <abbr title="What a step takes at once." tabindex="0">batches</abbr>.</p>'
    """

    def __init__(self, markdown: str) -> None:
        self._meanings = {term.lower(): meaning for term, meaning in _DEFINITION.findall(markdown)}
        terms = "|".join(map(re.escape, self._meanings))
        self._terms = re.compile(rf"{_NOT_PROSE}|\b({terms or '(?!)'})(?:e?s)?\b", re.DOTALL | re.IGNORECASE)

    def explained(self, content: str, page: str) -> str:
        """The rendered ``content`` of ``page``, where the first use of each term in prose is explained."""
        if not page.startswith(_PAGES):
            return content
        left = dict(self._meanings)

        def explained(match: re.Match[str]) -> str:
            meaning = left.pop(match[2].lower(), "") if match[2] else ""
            if not meaning:
                return match[0]
            # People without a mouse reach it by its tabindex.
            return f'<abbr title="{html.escape(meaning)}" tabindex="0">{match[0]}</abbr>'

        return self._terms.sub(explained, content)
