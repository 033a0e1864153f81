"""What several arms gave in the same rounds, and the values that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import Any, TypeAlias

from spritedocs.machine import NotHere
from spritedocs.report import Gap, Measurement
from spritedocs.timing.epochs import EpochTiming

__all__ = ["Comparison", "Key", "number_of", "samples_of", "shown"]

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

_OF_EPOCHS = (*(each.name for each in fields(EpochTiming)), "rest_s", "items_per_s", "data_wait_share")


@dataclass(frozen=True)
class Comparison:
    """What several arms gave in the same rounds, from which its methods make values.

    A value is named after its arm: those of ``values("epoch_s")`` are ``epoch_s_4`` for the arm 4, and
    ``epoch_s_png_0_5`` for ``("PNG", 0.5)``. Where an arm is missing, each value that it takes part in is a
    ``Gap`` with the reason.

    A ``field`` is one that the arms' results have: of epochs an attribute of ``EpochTiming``, with
    ``data_wait_share`` in %. Without it, ``total_s`` of epochs is meant, and else the one number that each
    result is. An arm or a field that is unknown is a ``ValueError``.

    Examples:
        >>> waits = Comparison({0: (40, 42), 4: (10, 10), "gpu": ()}, missing={"gpu": "There is none."})
        >>> {key: str(value) for key, value in waits.values("wait_ms").items()}
        {0: 'about 41 ms', 4: 'about 10 ms', 'gpu': 'not measured'}
        >>> waits.speedups("speedup", against=0)[4].samples
        (4.0, 4.2)
    """

    arms: Mapping[Key, tuple[Any, ...]]
    """What each arm gave, one result a round, in the order of the rounds; of a missing arm nothing."""
    warnings: tuple[str, ...] = ()
    """What makes these figures less trustworthy than they look, each with its remedy."""
    retaken: int = 0
    """How many rounds were taken again, because of foreign load."""
    disturbed: int | None = 0
    """How many rounds among these were disturbed all the same; ``None`` where foreign load is not known."""
    missing: Mapping[Key, str] = field(default_factory=dict)
    """The arms that cannot run on this machine, each with a sentence that says why."""

    def value(
        self, name: str, arm: Key, field: str | None = None, unit: str | None = None, label: str = ""
    ) -> Measurement | Gap:
        """A field of an arm's results, as the value ``name``.

        Its unit is by the ending of the field, or else of the name: ``_s``, ``_ms``, ``_us``, ``_mb``,
        ``_pct``, ``items_per_s`` and the like. ``unit`` overrides it.
        """
        return self._value(name, arm, field, unit, label)

    def ratio(self, name: str, above: Key, below: Key, field: str | None = None) -> Measurement | Gap:
        """How many times as large ``field`` is in the arm ``above`` as in ``below``, round by round, in ×.

        Its interval is the t-interval of the paired ratios' logarithms, which ``Measurement.of`` gives.
        Where a round has several samples, their median is taken.

        Raises ``ValueError`` also where ``below`` is 0 in a round.
        """
        if gap := self._gap(name, above, below, field=field):
            return gap
        pairs = zip(self.arms[above], self.arms[below], strict=True)
        try:
            ratios = [number_of(one, field) / number_of(other, field) for one, other in pairs]
        except ZeroDivisionError:
            what = field or "the number"
            raise ValueError(f"{what} of {below!r} is 0 in a round: choose another field") from None
        return Measurement.of(name, ratios, "×")

    def difference(
        self,
        name: str,
        arm: Key,
        less: Key,
        field: str | None = None,
        *,
        unit: str | None = None,
        scale: float = 1,
    ) -> Measurement | Gap:
        """How much larger ``field`` is in ``arm`` than in ``less``: sample by sample, times ``scale``."""
        if gap := self._gap(name, arm, less, field=field):
            return gap
        pairs = zip(self.samples(arm, field), self.samples(less, field), strict=True)
        found = [scale * (more - fewer) for more, fewer in pairs]
        return Measurement.of(name, found, _unit_of(field or "", name) if unit is None else unit)

    def values(
        self, name: str, field: str | None = None, *, unit: str | None = None, scale: float = 1
    ) -> dict[Key, Measurement | Gap]:
        """A field of every arm, of missing ones too, as ``value`` gives it.

        Each is named ``name`` and the arm's key, which stands where ``name`` has a ``{}``, or at its end.
        ``scale`` multiplies the samples: give their ``unit`` then.
        """
        return {arm: self._value(_named(name, arm), arm, field, unit, scale=scale) for arm in self._keys()}

    def ratios(self, name: str, field: str | None = None, *, over: Key) -> dict[Key, Measurement | Gap]:
        """How many times as large ``field`` is in each other arm as in ``over``."""
        return {arm: self.ratio(_named(name, arm), arm, over, field) for arm in self._keys(over)}

    def speedups(self, name: str, field: str | None = None, *, against: Key) -> dict[Key, Measurement | Gap]:
        """How many times as fast each other arm is as ``against``, by a field that is a time."""
        return {arm: self.ratio(_named(name, arm), against, arm, field) for arm in self._keys(against)}

    def curves(self, name: str, field: str, at: Sequence[float]) -> dict[Key, dict[float, Measurement | Gap]]:
        """For every arm the fields that ``field`` names for each x in ``at``, as ``Table.lines`` draws them.

        Examples:
            >>> found = Comparison({"list": ({"at_0_mb": 5, "at_100_mb": 22},)})
            >>> {x: str(y) for x, y in found.curves("uss", "at_{}_mb", (0, 100))["list"].items()}
            {0: 'about 5.0 MB', 100: 'about 22 MB'}
        """
        found = {x: self.values(f"{name}_{{}}_{_written(x)}", field.format(_written(x))) for x in at}
        return {arm: {x: found[x][arm] for x in at} for arm in self._keys()}

    def part(self, *prefix: Key) -> Comparison:
        """The arms whose keys are tuples that begin so, without that beginning.

        Examples:
            >>> whole = Comparison({("png", 0): (1.0,), ("png", 4): (2.0,), ("wait", 0): (3.0,)})
            >>> whole.part("png").arms
            {0: (1.0,), 4: (2.0,)}
        """
        inner = {
            key: key[len(prefix)] if len(key) == len(prefix) + 1 else key[len(prefix) :]
            for key in self._keys()
            if isinstance(key, tuple) and len(key) > len(prefix) and key[: len(prefix)] == prefix
        }
        if not inner:
            raise ValueError(f"no arm begins with {shown(prefix)}: there are {self._known()}")
        return replace(
            self,
            arms={inner[key]: results for key, results in self.arms.items() if key in inner},
            missing={inner[key]: why for key, why in self.missing.items() if key in inner},
        )

    def samples(self, arm: Key, field: str | None = None) -> list[float]:
        """A field of an arm's results, in the order of the rounds; none of a missing arm."""
        self._gap("known", arm)
        return [sample for result in self.arms.get(arm, ()) for sample in samples_of(result, field)]

    def _value(
        self, name: str, arm: Key, field: str | None, unit: str | None, label: str = "", scale: float = 1
    ) -> Measurement | Gap:
        if gap := self._gap(name, arm, field=field):
            return gap
        if unit is None:
            told = field or ("total_s" if isinstance(self.arms[arm][0], EpochTiming) else "")
            unit = _unit_of(told, name.removesuffix(f"_{_written(arm)}"))
        return Measurement.of(name, [scale * sample for sample in self.samples(arm, field)], unit, label)

    def _gap(self, name: str, *arms: Key, field: str | None = None) -> Gap | None:
        """A gap where one of ``arms``, or its ``field``, is missing; an error where one is unknown."""
        for arm in arms:
            if arm not in self.arms and arm not in self.missing:
                raise ValueError(f"{arm!r} is unknown: choose one of {self._known()}")
        for arm in arms:
            if arm in self.missing:
                return Gap(name, self.missing[arm])
            for result in self.arms[arm]:
                if isinstance(result, Mapping) and isinstance(why := result.get(field), NotHere):
                    return Gap(name, str(why))
        return None

    def _keys(self, *without: Key) -> list[Key]:
        self._gap("known", *without)
        return [key for key in {**self.arms, **self.missing} if key not in without]

    def _known(self) -> str:
        return "; ".join(map(shown, self._keys()))


def samples_of(result: Any, field: str | None = None) -> list[float]:
    """The samples in what an arm gave in one round. Raises ``ValueError`` for a field that is unknown."""
    if isinstance(result, EpochTiming):
        field = _known(field or "total_s", _OF_EPOCHS)
        return [(100 if field == "data_wait_share" else 1) * getattr(result, field)]
    if isinstance(result, Mapping):
        result = result[_known(field, result)]
    elif field is not None:
        raise ValueError(f"{field!r} is unknown: each result is one number, so leave the field out")
    return list(result) if isinstance(result, list | tuple) else [result]


def number_of(result: Any, field: str | None = None) -> float:
    """One number of what an arm gave in one round: the median of its samples."""
    return float(median(samples_of(result, field)))


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


def _unit_of(*names: str) -> str:
    units = (unit for name in names for ending, unit in _UNITS.items() if f"_{name}".endswith(ending))
    return next(units, "")


def _written(key: Key) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return "_".join(str(part) for part in parts).lower().replace(".", "_")


def _named(name: str, key: Key) -> str:
    return name.format(_written(key)) if "{}" in name else f"{name}_{_written(key)}"
