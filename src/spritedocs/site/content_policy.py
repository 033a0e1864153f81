"""The Content-Security-Policy of the built pages: their second line of defence.

A page runs the scripts of its theme and no other. An inline script is known by its hash, and only those are
hashed that stand in the theme's own templates: what a page or a recording brings along stays blocked.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Template

__all__ = ["ContentPolicy"]

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_HEAD = '<meta charset="utf-8">'


class ContentPolicy:
    """Puts the policy into pages of one theme.

    ``live`` is whether ``mkdocs serve`` shows them: it adds a script to each page after the build, which
    differs every time, so that there any inline script may run.
    """

    def __init__(self, theme_folders: Iterable[str], live: bool = False) -> None:
        parts = [path for folder in theme_folders for path in _scripts(folder)]
        self._scripts = [
            Template(text) for part in parts for text in _INLINE.findall(part.read_text("utf-8"))
        ]
        self._live = live

    def guarded(self, page: str, base_url: str, config: Any) -> str:
        """The HTML ``page`` with its policy. Raises ``ValueError`` where the page has no head."""
        if _HEAD not in page:
            raise ValueError(f"a page of the theme has no {_HEAD}, behind which its policy could stand")
        known = dict.fromkeys(script.render(base_url=base_url, config=config) for script in self._scripts)
        inline = [_hash(text) for text in known if f"<script>{text}</script>" in page]
        if self._live:
            inline = ["'unsafe-inline'"]
        allowed = " ".join(["'self'", *inline])
        policy = (
            f"default-src 'none'; script-src {allowed}; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; "
            "form-action 'self'; base-uri 'none'"
        )
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        return page.replace(_HEAD, f"{_HEAD}{meta}", 1)


def _scripts(theme_folder: str) -> list[Path]:
    """The templates of Material that hold an inline script and nothing else."""
    return sorted(Path(theme_folder, "partials", "javascripts").glob("*.html"))


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
