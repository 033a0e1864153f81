"""What the doctor says: a finding, how bad it is, and how amounts are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BITES", "BREAKS", "FINE", "SEVERITIES", "UNKNOWN", "Finding", "amount", "counted"]

BREAKS, BITES, FINE, UNKNOWN = SEVERITIES = "will break", "will bite", "fine", "unknown here"
"""How bad a finding is. *Will break*: an ordinary loader fails. *Will bite*: it is slow, or fails with
many workers or large batches. *Unknown here*: this system does not say, or nobody asked."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    key: str
    """What it is about, such as ``"open-files"``: the same on every machine and in every version."""
    severity: str
    """One of ``SEVERITIES``."""
    says: str
    """One sentence with what was found."""
    remedy: str
    """One sentence: what to do about it. Empty where all is well."""
    page: str
    """The page that explains it, relative to the site, with an anchor."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind the sentence, each with its unit in its name; ``None`` for what is not known."""

    def as_json(self) -> dict[str, Any]:
        """As ``spritedocs doctor --json`` prints it."""
        return asdict(self)


def amount(size: float) -> str:
    """A number of bytes, in kB (10³), MB or GB.

    Examples:
        >>> amount(4_000), amount(67_108_864), amount(1_499_000_000), amount(25_275_000_000)
        ('4 kB', '67 MB', '1.5 GB', '25 GB')
    """
    if size < 999.5e3:
        return f"{size / 1e3:.0f} kB"
    if size < 999.5e6:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:,.0f} GB"


def counted(count: float, thing: str) -> str:
    """A number with its noun.

    Examples:
        >>> counted(1, "core"), counted(2048, "file"), counted(0.5, "core")
        ('1 core', '2,048 files', '0.5 cores')
    """
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {thing}{'' if count == 1 else 's'}"
