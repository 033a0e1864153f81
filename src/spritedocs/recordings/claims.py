"""Claims: what the prose says about measured values, in a form that a build can check.

A claim such as ``06_optional_num_workers: speedup_4 > 3`` compares one measured value of an example
with a number or with another value. It holds only if it holds at the unfavourable end of the
interval, and is false only if it is so for all that the interval holds: between these it is not certain.
Nothing in it is run as code.
"""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spritedocs.recordings.examples import Example
from spritedocs.report import Measurement

__all__ = ["Claim", "ClaimError", "Verdict", "claimed_values"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_NAME = r"[a-z][a-z0-9_]*"
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_CLAIM = re.compile(rf"(?P<left>{_NAME})\s*(?P<operator><=|>=|==|<|>)\s*(?P<right>{_NAME}|{_NUMBER})")


class ClaimError(ValueError):
    """A claim is malformed, or names a value that was not measured. One sentence says which."""


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds, and the values it was judged by."""

    holds: bool
    refuted: bool
    """Whether it is false for all that the intervals hold."""
    found: str
    """In words, such as ``speedup_4 is 3.62× (3.60–3.65)``."""

    @property
    def in_words(self) -> str:
        """What follows after "the claim": ``holds``, ``is false`` or ``is not certain``."""
        return "holds" if self.holds else "is false" if self.refuted else "is not certain"


@dataclass(frozen=True)
class Claim:
    """A comparison between measured values of one example."""

    example: str
    left: str
    comparison: str
    right: str | float

    @classmethod
    def parse(cls, raw: Any, example: str | None = None) -> Claim:
        """Read a claim: a string, or the mapping that YAML makes of a line ``NAME: speedup_4 > 3``.

        ``example`` is whose values are meant where the claim names no example.
        Raises ``ClaimError`` for anything else.

        Examples:
            >>> print(Claim.parse("06_optional_num_workers: speedup_4 > 3"))
            06_optional_num_workers: speedup_4 > 3
            >>> Claim.parse({"06_optional_num_workers": "epoch_s_4 < epoch_s_0"}).right
            'epoch_s_0'
        """
        if isinstance(raw, dict) and len(raw) == 1:
            [(name, text)] = raw.items()
            raw = f"{name}: {text}"
        if not isinstance(raw, str):
            raise ClaimError(f"the claim {raw!r} is not of the form 'EXAMPLE: value > number'")
        name, colon, text = raw.rpartition(":")
        match = _CLAIM.fullmatch(text.strip())
        if match is None or not (name.strip() if colon else example):
            raise ClaimError(f"the claim {raw!r} is not of the form 'EXAMPLE: value > number'")
        right: str | float = match["right"]
        if not re.fullmatch(_NAME, match["right"]):
            right = float(match["right"])
            if not math.isfinite(right):
                raise ClaimError(f"the claim {raw!r} compares with a number that is too large")
        return cls(name.strip() or str(example), match["left"], match["operator"], right)

    def judge(self, values: Mapping[str, Measurement], gaps: Mapping[str, str] | None = None) -> Verdict:
        """Judge the claim by ``values``, at both ends of each interval.

        Raises ``ClaimError`` where a value it names was not measured; ``gaps`` may say why it was not.
        """
        for name in self.names:
            if name in (gaps or {}):
                raise ClaimError(f"{name!r} could not be measured there: {(gaps or {})[name].rstrip('.')}")
        left = _known(self.left, values)
        lowest, highest = left.bounds
        low, high = _known(self.right, values).bounds if isinstance(self.right, str) else (self.right,) * 2
        holds = _COMPARISONS[self.comparison]
        # Every corner: for "<" and ">" only one of them can fail, for "==" all must agree.
        agreeing = [holds(ours, theirs) for ours in (lowest, highest) for theirs in (low, high)]
        refuted = not any(agreeing)
        if self.comparison == "==":
            # Two different corners can lie around a value that both intervals hold.
            refuted = lowest > high or low > highest
        return Verdict(all(agreeing), refuted, " and ".join(_described(values[name]) for name in self.names))

    def __str__(self) -> str:
        return f"{self.example}: {self.short}"

    @property
    def names(self) -> tuple[str, ...]:
        """The values that it is about."""
        return tuple(dict.fromkeys(side for side in (self.left, self.right) if isinstance(side, str)))

    @property
    def short(self) -> str:
        """The claim without the example's name."""
        right = self.right if isinstance(self.right, str) else _exact(self.right)
        return f"{self.left} {self.comparison} {right}"


def claimed_values(example: Example) -> set[str]:
    """The names of the values that the claims in the header of ``example`` are about.

    Malformed claims are passed over here; the page that checks them says what is wrong.
    """
    found: set[str] = set()
    raw_claims = example.header.get("claims")
    for raw in raw_claims if isinstance(raw_claims, list) else ():
        with contextlib.suppress(ClaimError):
            found |= {*Claim.parse(raw, example.name).names}
    return found


def _exact(number: float) -> str:
    """``number`` as short as it can be written without becoming another."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _known(name: str, values: Mapping[str, Measurement]) -> Measurement:
    if name not in values:
        raise ClaimError(f"{name!r} was not measured: known are {', '.join(sorted(values)) or 'no values'}")
    return values[name]


def _described(value: Measurement) -> str:
    return f"{value.name} is {value.in_full}"
