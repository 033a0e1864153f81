"""What arms are called, what they gave in a round, and how the values are called that follow from it."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from spritedocs.machine import NotHere
from spritedocs.timing.epochs import EpochTiming

__all__ = ["Key", "asked", "named", "number_of", "shown", "unit_of", "written"]

Key: TypeAlias = Any
"""What an arm is called: a ``str``, an ``int``, a ``float``, or a tuple of these."""

_UNITS = {
    "_gb_per_s": "GB/s",
    "_mb_per_s": "MB/s",
    "_per_s": "items/s",
    "_percent": "%",
    "_share": "%",
    "_bytes": "B",
    "_pct": "%",
    "_us": "µs",
    "_ms": "ms",
    "_mb": "MB",
    "_gb": "GB",
    "_s": "s",
}
"""By the ending of a name, the longest first."""

_OF_EPOCHS = (
    *(each.name for each in fields(EpochTiming)),
    *("rest_s", "next_wait_s", "item_us", "items_per_s", "data_wait_share"),
)


class _Told(UserDict[str, Any]):
    def __getitem__(self, field: str) -> Any:
        if isinstance(found := self.data[field], NotHere):
            raise found
        return found


def asked(result: Any) -> Any:
    """The result, whose fields raise the ``NotHere`` that stands in their place when they are asked for."""
    return _Told(result) if isinstance(result, Mapping) else result


def number_of(result: Any, field: str | None = None) -> float:
    """The number in what an arm gave in one round.

    Raises ``ValueError`` for a field that is unknown, and the ``NotHere`` that stands in its place.
    """
    if isinstance(result, EpochTiming):
        field = _known(field or "total_s", _OF_EPOCHS)
        return float((100 if field == "data_wait_share" else 1) * getattr(result, field))
    if isinstance(result, Mapping):
        return float(asked(result)[_known(field, result)])
    if field is not None:
        raise ValueError(f"{field!r} is unknown: each result is one number, so leave the field out")
    return float(result)


def shown(key: Key) -> str:
    """The key of an arm in a sentence.

    Examples:
        >>> shown(("png", 4)), shown("no helpers")
        ('png, 4', 'no helpers')
    """
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _known(field: str | None, known: Collection[str]) -> str:
    if field is None or field not in known:
        said = "no field is given" if field is None else f"{field!r} is unknown"
        raise ValueError(f"{said}: choose one of {', '.join(known)}")
    return field


def unit_of(*names: str) -> str:
    units = (unit for name in names for ending, unit in _UNITS.items() if f"_{name}".endswith(ending))
    return next(units, "")


def written(key: Key) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return "_".join(str(part) for part in parts).lower().replace(".", "_")


def named(name: str, key: Key) -> str:
    return name.format(written(key)) if "{}" in name else f"{name}_{written(key)}"
