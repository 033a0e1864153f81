"""Searches that cost less: the model plays an epoch once, and what other tests compute disturbs no round."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from spritedocs.timing import race
from spritedocs.tuning import prospects, situations


@pytest.fixture(autouse=True, scope="module")
def played_once() -> Iterator[None]:
    """Made-up searches ask for most epochs many times."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (prospects, situations):
            patch.setattr(module, "predict", cache(module.predict))
        yield


@pytest.fixture(autouse=True, scope="module")
def undisturbed() -> Iterator[None]:
    """As where a system does not tell of foreign load: for other tests rounds would be taken again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(race.__kwdefaults__, "load", lambda: None)
        yield
