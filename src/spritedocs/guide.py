"""Where the guide's pages are, as far as this installation knows.

pip keeps where it took a package from: the wheel that a site offers leads back to that site.
"""

from __future__ import annotations

import json
import re
from importlib import metadata

__all__ = ["how_to_open", "whole"]


def whole(page: str) -> str:
    """The whole address of ``page``, which is relative to the site; ``page`` itself where that is unknown."""
    site = re.fullmatch(r"(https?://.+/)downloads/[^/]+\.whl", str(_origin().get("url")))
    return f"{site[1]}{page}" if site else page


def how_to_open() -> str:
    """A sentence that says how to open a page whose ``whole`` address is unknown; empty if nobody knows."""
    if "dir_info" not in _origin():
        return ""
    return "Pages are at http://127.0.0.1:8000/ while 'make serve' runs in the clone."


def _origin() -> dict[str, object]:
    try:
        found = json.loads(metadata.distribution("spritedocs").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
