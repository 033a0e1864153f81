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
