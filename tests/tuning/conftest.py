"""The model plays an epoch once for the same costs: made-up searches ask for most of them many times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from spritedocs.tuning import prospects, situations


@pytest.fixture(autouse=True, scope="module")
def played_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (prospects, situations):
            patch.setattr(module, "predict", cache(module.predict))
        yield
