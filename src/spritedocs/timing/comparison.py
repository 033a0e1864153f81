"""What several arms gave in the same rounds, and the values that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spritedocs.machine import NotHere
from spritedocs.report import Gap, Measurement
from spritedocs.timing.epochs import EpochTiming
from spritedocs.timing.results import Key, asked, named, number_of, shown, unit_of, written

__all__ = ["Comparison"]


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
        self, name: str, arm: Key, field: str | None = None, unit: str | None = None
    ) -> Measurement | Gap:
        """A field of an arm's results, as the value ``name``.

        Its unit is by the ending of the field, or else of the name: ``_s``, ``_ms``, ``_us``, ``_mb``,
        ``_pct``, ``items_per_s`` and the like. ``unit`` overrides it.
        """
        return self._value(name, arm, field, unit)

    def ratio(self, name: str, above: Key, below: Key, field: str | None = None) -> Measurement | Gap:
        """How many times as large ``field`` is in the arm ``above`` as in ``below``, round by round, in ×.

        Its interval is the t-interval of the paired ratios' logarithms, which ``Measurement.of`` gives.

        Raises ``ValueError`` also where ``below`` is 0 in a round.
        """
        if gap := self._gap(name, above, below, field=field):
            return gap
        try:
            return self.combined(
                name,
                lambda one, other: number_of(one, field) / number_of(other, field),
                above,
                below,
                unit="×",
            )
        except ZeroDivisionError:
            what = field or "the number"
            raise ValueError(f"{what} of {below!r} is 0 in a round: choose another field") from None

    def combined(
        self, name: str, function: Callable[..., float], *arms: Key, unit: str | None = None
    ) -> Measurement | Gap:
        """What ``function`` makes of the results of ``arms``, or of all arms, in each round.

        It is a gap too where ``function`` raises ``NotHere``, or asks for a field in whose place a result has
        one. ``unit`` is by the ending of the name.

        Examples:
            >>> waits = Comparison({1: (10, 12), 4: (40, 48)})
            >>> waits.combined("ms_per_worker", lambda one, four: (four - one) / 3, 1, 4, unit="ms").samples
            (10.0, 12.0)
        """
        arms = arms or tuple(self._keys())
        if gap := self._gap(name, *arms):
            return gap
        try:
            rounds = zip(*(self.arms[arm] for arm in arms), strict=True)
            samples = [function(*map(asked, results)) for results in rounds]
        except NotHere as why_not:
            return Gap(name, str(why_not))
        return Measurement.of(name, samples, unit_of(name) if unit is None else unit)

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
        """How much larger ``field`` is in ``arm`` than in ``less``: round by round, times ``scale``."""
        if gap := self._gap(name, arm, less, field=field):
            return gap
        pairs = zip(self.samples(arm, field), self.samples(less, field), strict=True)
        found = [scale * (more - fewer) for more, fewer in pairs]
        return Measurement.of(name, found, unit_of(field or "", name) if unit is None else unit)

    def values(
        self, name: str, field: str | None = None, *, unit: str | None = None, scale: float = 1
    ) -> dict[Key, Measurement | Gap]:
        """A field of every arm, of missing ones too, as ``value`` gives it.

        Each is named ``name`` and the arm's key, which stands where ``name`` has a ``{}``, or at its end.
        ``scale`` multiplies the samples: give their ``unit`` then.
        """
        return {arm: self._value(named(name, arm), arm, field, unit, scale) for arm in self._keys()}

    def ratios(self, name: str, field: str | None = None, *, over: Key) -> dict[Key, Measurement | Gap]:
        """How many times as large ``field`` is in each other arm as in ``over``."""
        return {arm: self.ratio(named(name, arm), arm, over, field) for arm in self._keys(over)}

    def speedups(self, name: str, field: str | None = None, *, against: Key) -> dict[Key, Measurement | Gap]:
        """How many times as fast each other arm is as ``against``, by a field that is a time."""
        return {arm: self.ratio(named(name, arm), against, arm, field) for arm in self._keys(against)}

    def curves(self, name: str, field: str, at: Sequence[float]) -> dict[Key, dict[float, Measurement | Gap]]:
        """For every arm the fields that ``field`` names for each x in ``at``, as ``Table.lines`` draws them.

        Examples:
            >>> found = Comparison({"list": ({"at_0_mb": 5, "at_100_mb": 22},)})
            >>> {x: str(y) for x, y in found.curves("uss", "at_{}_mb", (0, 100))["list"].items()}
            {0: 'about 5.0 MB', 100: 'about 22 MB'}
        """
        found = {x: self.values(f"{name}_{{}}_{written(x)}", field.format(written(x))) for x in at}
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
        """A field of an arm's results, in the order of the rounds; none where either is missing."""
        if self._gap("known", arm, field=field):
            return []
        return [number_of(result, field) for result in self.arms.get(arm, ())]

    def _value(
        self, name: str, arm: Key, field: str | None, unit: str | None, scale: float = 1
    ) -> Measurement | Gap:
        if gap := self._gap(name, arm, field=field):
            return gap
        if unit is None:
            told = field or ("total_s" if isinstance(self.arms[arm][0], EpochTiming) else "")
            unit = unit_of(told, name.removesuffix(f"_{written(arm)}"))
        return Measurement.of(name, [scale * sample for sample in self.samples(arm, field)], unit)

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
