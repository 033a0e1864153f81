"""Where the guide's pages are, and how to install what is missing, as far as this installation knows.

pip keeps where it took a package from: the wheel that a site offers leads back to that site.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec

__all__ = ["RECORD", "how_to_open", "install", "lack", "whole"]

RECORD = {
    "nbclient": "nbclient",
    "nbformat": "nbformat",
    "ipykernel": "ipykernel",
    "jupytext": "jupytext",
    "matplotlib": "matplotlib",
    "yaml": "PyYAML",
}
"""The modules that come with the extra ``record``, and their packages."""


def whole(page: str) -> str:
    """The whole address of ``page``, which is relative to the site; ``page`` itself where that is unknown."""
    wheel = _wheel()
    return f"{wheel[1]}{page}" if wheel else page


def how_to_open() -> str:
    """A sentence that says how to open a page whose ``whole`` address is unknown; empty if nobody knows."""
    if "dir_info" not in _origin():
        return ""
    return "Pages are at http://127.0.0.1:8000/ while 'make serve' runs in the clone."


def lack(what: str, modules: Iterable[str] = RECORD) -> str:
    """A sentence: which of ``modules`` is missing that ``what`` needs, and the remedy; empty if none is.

    Examples:
        >>> lack("spritedocs status", ["json"])
        ''
    """
    missing = next((name for name in modules if find_spec(name) is None), None)
    if missing is None:
        return ""
    wheel = _wheel()
    source = f" @ {wheel[0]}" if wheel else ""
    return f'{what} needs {RECORD[missing]}: pip install "spritedocs[record]{source}"'


def install() -> str:
    """The line that installs this package from where this installation came from, into another Python."""
    origin = _origin()
    address, vcs = origin.get("url"), origin.get("vcs_info")
    kind = f"{vcs['vcs']}+" if isinstance(vcs, dict) and "vcs" in vcs else ""
    return f'pip install "spritedocs @ {kind}{address}"' if address else "pip install spritedocs"


def _wheel() -> re.Match[str] | None:
    """The address of the wheel that was installed, and of the site that offers it."""
    return re.fullmatch(r"(https?://.+/)downloads/[^/]+\.whl", str(_origin().get("url")))


def _origin() -> dict[str, object]:
    try:
        found = json.loads(metadata.distribution("spritedocs").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
