"""Placeholders in prose: what becomes of them, and what is left alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spritedocs.report import Measurement
from spritedocs.site.placeholders import filled

VALUES = {
    "gain_4": Measurement.of("gain_4", [3.9, 4.0, 3.8] * 2, "×"),
    "even": Measurement.of("even", [0.98, 1.02, 0.97, 1.03, 0.99, 1.01], "×"),
    "seconds": Measurement.of("seconds", [1.5], "s"),
}
SOURCE = SimpleNamespace(recording=SimpleNamespace(values=VALUES))
EXAMPLE = SimpleNamespace(name="speed", header={"claims": ["gain_4 > 3", "even < 1.1"]})
ENTRY = SimpleNamespace(
    example=EXAMPLE,
    names=(*VALUES, "on_gpu_ms"),
    source=lambda name: SOURCE if name in VALUES else None,
    published=SOURCE,
)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{gain_4} as fast", "3.90× as fast"),
        ("{gain_4:interval}", "3.90× (3.81–3.99)"),
        ("{seconds}, or {seconds:interval}", "about 1.5 s, or about 1.5 s (one run)"),
        ("{on_gpu_ms}", "not measured here"),
        ("{even}", "1.000× (no difference measured)"),
        ("{even:interval}", "1.000× (0.975–1.025, no difference measured)"),
    ],
)
def test_a_placeholder_becomes_what_is_published(written: str, said: str) -> None:
    assert filled(written, ENTRY) == (said, [])


@pytest.mark.parametrize(
    "text",
    [
        "`{gain_4}` and ``a ` {gain_4}``",
        "```python\nprint(f'{gain_4}')\n```",
        "- so:\n\n    ~~~\n    {gain_4}\n    ~~~",
        "{{ gain_4 }} {{gain_4}} {Gain} {} { .class } {#id} {0}",
    ],
)
def test_code_and_other_braces_are_left_alone(text: str) -> None:
    assert filled(text, ENTRY) == (text, [])


def test_a_placeholder_behind_code_and_behind_a_lone_backtick_counts() -> None:
    text = "```\n{gain_4}\n```\n`x` {gain_4} ` {gain_4}\n\n{gain_4} `"
    assert filled(text, ENTRY)[0].count("3.90×") == 3


def test_where_nothing_is_recorded_that_is_not_said_again() -> None:
    assert filled("{gain_4}", SimpleNamespace(example=EXAMPLE, names=())) == ("**?**", [])


def test_a_ratio_that_no_claim_is_about_is_a_fault() -> None:
    unclaimed = SimpleNamespace(**vars(ENTRY) | {"example": SimpleNamespace(name="speed", header={})})
    _, [fault] = filled("{gain_4}, in {seconds}", unclaimed)
    assert fault.startswith("quotes the ratio 'gain_4', which no claim is about")
