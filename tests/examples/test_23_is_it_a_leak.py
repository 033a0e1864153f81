"""The second goblin: what the helpers do, and what they are given."""

from __future__ import annotations

import gc
import sys

import pytest

from spritedocs.machine import NotHere

NAME = "23_is_it_a_leak"


def test_captions_are_objects_of_their_own(script, monkeypatch) -> None:
    monkeypatch.setitem(script["captions"].__globals__, "CAPTIONS", 100)
    assert len({id(caption) for caption in script["captions"]()}) == 100
    assert not gc.is_tracked(script["captions"]()[0])  # which the collector passes by


def test_every_helper_collects_garbage_once(script, monkeypatch) -> None:
    assert len(script["nothing"]()) == script["HELPERS"] * script["BATCH"]
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(True))
    script["sweep"]([1, 2])
    assert collected == [True]


def test_where_helpers_cannot_be_forked_there_is_a_sentence(script, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(NotHere, match="This is not Linux"):
        script["epoch_of"](script["nothing"])


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_it_measures_what_the_guide_quotes(values_of) -> None:
    values = values_of(NAME)
    # Wide on purpose: a copy against next to nothing.
    assert values["growth_shuffled_mb"].median > 1.5 * values["growth_in_order_mb"].median
    assert values["growth_collected_mb"].median > 5 * values["growth_collected_frozen_mb"].median
    assert values["second_epoch_growth_list_mb"].median < 2
    assert values["in_order_over_shuffled"].median < 1
